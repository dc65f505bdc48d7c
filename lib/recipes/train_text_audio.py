"""Training of the bundled text–audio encoder: a tiny ClapModel, contrastive on (description or
tags, five seconds of the clip).

The network is transformers' own (HTSAT for sound, RoBERTa for text), so that the bundled folder and
a published checkpoint load by one code path. Its data come in as arrays; the recipe that renders
them is ``python -m lib miniature text_audio``.
Notebook: 05.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    PreTrainedTokenizerFast,
)

from lib.core import provenance
from lib.pretrained import text_audio
from lib.training import fit, loop


@dataclass(frozen=True)
class Config:
    """The tiny network and how it was trained; ours, so there are no published values (LAION's has
    4 × 96 … 768 and 12 × 768).
    """

    sample_rate_hz: int = 22_050
    window_seconds: int = 5
    hop_length: int = 441            # 20 ms: 251 frames a window
    n_fft: int = 2048
    n_mels: int = 64
    spec_size: int = 128             # 64 bands × 256 frames, folded into a square
    patch: int = 4
    hidden: int = 32                 # of the first stage; doubled at each of the three mergings
    depths: tuple[int, ...] = (1, 1, 2, 1)
    heads: tuple[int, ...] = (2, 4, 8, 8)
    text_hidden: int = 128
    text_layers: int = 2
    vocabulary: int = 1000
    positions: int = 130
    projection: int = 128
    n_steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    p_description: float = 0.6       # else some of the tags
    mask_bands: int = 8
    mask_frames: int = 30
    # the networks' products in half precision, twice as fast where the processor has it
    bfloat16: bool = True


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level BPE tokenizer trained on `texts`, with RoBERTa's special tokens and numbers
    (``<s>`` 0, ``<pad>`` 1, ``</s>`` 2).
    """
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(
        add_prefix_space=True), decoders.ByteLevel()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=config.vocabulary, special_tokens=special, show_progress=False,
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>",
                                                        special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", pad_token="<pad>",
                                   eos_token="</s>", unk_token="<unk>",
                                   model_max_length=config.positions - 2)


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network and its feature extractor: (ClapModel, ClapFeatureExtractor)."""
    torch.manual_seed(seed)
    audio = ClapAudioConfig(num_mel_bins=config.n_mels, spec_size=config.spec_size,
                            patch_size=config.patch, window_size=4, patch_stride=[config.patch] * 2,
                            patch_embeds_hidden_size=config.hidden,
                            hidden_size=config.hidden * 2 ** (len(config.depths) - 1),
                            depths=list(config.depths), num_attention_heads=list(config.heads),
                            num_hidden_layers=len(config.depths))
    text = ClapTextConfig(vocab_size=n_words, hidden_size=config.text_hidden,
                          num_hidden_layers=config.text_layers, num_attention_heads=4,
                          intermediate_size=2 * config.text_hidden,
                          max_position_embeddings=config.positions)
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio,
                                 projection_dim=config.projection))
    extractor = ClapFeatureExtractor(feature_size=config.n_mels,
                                     sampling_rate=config.sample_rate_hz,
                                     hop_length=config.hop_length,
                                     max_length_s=config.window_seconds,
                                     fft_window_size=config.n_fft, frequency_min=30,
                                     frequency_max=config.sample_rate_hz // 2,
                                     truncation="rand_trunc", padding="pad")
    return model, extractor


def mels(extractor, sounds: np.ndarray) -> np.ndarray:
    """dB-mels of whole clips, float32 [N, samples] → float16 [N, T, M], to be cached."""
    return text_audio.features(extractor, sounds)[:, 0].astype(np.float16)


def train(model, words, mel: np.ndarray, descriptions: Sequence[str], tags: Sequence[Sequence[str]],
          checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        model, words: ClapModel and tokenizer. mel: float16 [N, T, M] of whole clips.
        descriptions: a sentence a clip. tags: some words a clip, shown in random order and number.
            key: hash of the data.

    Source: Wu et al. (2023), §3.1; the symmetric loss is Radford et al. (2021), figure 3.
    """
    frames = config.window_seconds * config.sample_rate_hz // config.hop_length + 1

    def words_of(row, rng):
        if rng.random() < config.p_description:
            return descriptions[row]
        return ", ".join(rng.permutation(tags[row])[: rng.integers(3, len(tags[row]) + 1)])

    def loss_of(rng):
        rows = rng.choice(len(mel), min(config.batch_size, len(mel)), replace=False)
        starts = rng.integers(0, mel.shape[1] - frames + 1, len(rows))
        batch = np.stack([mel[r, s : s + frames] for r,
                          s in zip(rows, starts, strict=True)]).astype(np.float32)
        for crop in batch:  # SpecAugment: some bands and frames at the crop's own mean
            band, frame = rng.integers(0, config.n_mels
                                       - config.mask_bands), rng.integers(0,
                                                                          frames
                                                                          - config.mask_frames)
            crop[:, band : band + rng.integers(0, config.mask_bands + 1)] = crop.mean()
            crop[frame : frame + rng.integers(0, config.mask_frames + 1)] = crop.mean()
        tokens = text_audio.tokens_of(words, [words_of(r, rng) for r in rows], config.positions)
        with loop.autocast("cpu", config.bfloat16):
            out = model(**tokens, input_features=torch.from_numpy(batch[:, None]),
                        is_longer=torch.zeros((len(rows), 1), dtype=torch.bool))
        # Not the model's own return_loss: transformers 5.17 takes both of its halves from text to
        # audio.
        logits = out.text_embeds.float() @ out.audio_embeds.float().T * model.logit_scale_t.exp().clamp(max=100)
        right = torch.arange(len(rows))
        loss = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
        return loss, {"loss": loss.item(),
                      "found": (logits.argmax(1) == right).float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed)
