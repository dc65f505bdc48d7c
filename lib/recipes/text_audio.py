"""The bundled text–audio encoder, a tiny ClapModel: ``python -m lib miniature text_audio``.

Contrastive on (description or tags, five seconds of the clip). The network is transformers' own
(HTSAT for sound, RoBERTa for text), so that the bundled folder and a published checkpoint load by
one code path.

Source: Wu et al. (2023), §3.1.  Notebook: 05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
)

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import compose, render, words
from lib.metrics import embedders, retrieval
from lib.metrics import text_audio as metric
from lib.pretrained import text_audio
from lib.pretrained.loading import tokens_of
from lib.recipes.bundling import (
    CLIP_SECONDS,
    N_TEST,
    SEED,
    computed_of_clips,
    contrastive_loss,
    curve_means,
    emotion_alone,
    first_items,
    share,
    texts_of,
    train_tokenizer,
    write,
)
from lib.recipes.tagger import LISTENER_SEED, N_TRAIN
from lib.training import loop

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # RoBERTa's order
AMONG, N_SCENES, VERSIONS = 100, 40, 10


@dataclass(frozen=True)
class Config:
    """The tiny network and its training; ours (LAION's has 4 × 96 … 768 and 12 × 768)."""

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
    bfloat16: bool = True


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level BPE tokenizer with RoBERTa's special tokens and numbers."""
    return train_tokenizer(texts, config.vocabulary, config.positions - 2, "<s> $A </s>", SPECIAL)


def build(n_words: int, config: Config = Config(),
          seed: int = 0) -> tuple[ClapModel, ClapFeatureExtractor]:
    """The untrained network and its feature extractor."""
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
    extractor = ClapFeatureExtractor(feature_size=config.n_mels, fft_window_size=config.n_fft,
                                     sampling_rate=config.sample_rate_hz,
                                     hop_length=config.hop_length,
                                     max_length_s=config.window_seconds, frequency_min=30,
                                     frequency_max=config.sample_rate_hz // 2,
                                     truncation="rand_trunc", padding="pad")
    return model, extractor


def mels(extractor, sounds: np.ndarray) -> np.ndarray:
    """dB-mels of whole clips, float32 [N, samples] → float16 [N, T, M], to be cached."""
    return text_audio.features(extractor, sounds)[:, 0].astype(np.float16)


def train(model: ClapModel, tokenizer, mel: np.ndarray, descriptions: Sequence[str],
          tags: Sequence[Sequence[str]], checkpoint: Path, config: Config = Config(), *,
          seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        mel: float16 [N, T, M] of whole clips. tags: of each clip, shown in random order and number.
    """
    frames = config.window_seconds * config.sample_rate_hz // config.hop_length + 1

    def text_of(row, rng):
        if rng.random() < config.p_description:
            return descriptions[row]
        return ", ".join(rng.permutation(tags[row])[: rng.integers(3, len(tags[row]) + 1)])

    def loss_of(rng):
        rows = rng.choice(len(mel), min(config.batch_size, len(mel)), replace=False)
        starts = rng.integers(0, mel.shape[1] - frames + 1, len(rows))
        batch = np.stack([mel[row, start : start + frames]
                          for row, start in zip(rows, starts, strict=True)]).astype(np.float32)
        for crop in batch:  # SpecAugment: some bands and frames at the crop's own mean
            band = rng.integers(0, config.n_mels - config.mask_bands)
            frame = rng.integers(0, frames - config.mask_frames)
            crop[:, band : band + rng.integers(0, config.mask_bands + 1)] = crop.mean()
            crop[frame : frame + rng.integers(0, config.mask_frames + 1)] = crop.mean()
        tokens = tokens_of(tokenizer, [text_of(row, rng) for row in rows], config.positions - 2)
        with loop.autocast("cpu", config.bfloat16):
            out = model(**tokens, input_features=torch.from_numpy(batch[:, None]),
                        is_longer=torch.zeros((len(rows), 1), dtype=torch.bool))
        # Not the model's own return_loss: transformers 5.17 takes both of its halves from text to
        # audio.
        scale = model.logit_scale_t.exp().clamp(max=100)
        return contrastive_loss(out.text_embeds.float() @ out.audio_embeds.float().T * scale)

    return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key)


def make() -> None:
    """The text–audio encoder: rendering 5 minutes, training 20 on one core, resumable."""
    texts = texts_of(first_items(LISTENER_SEED, N_TRAIN))
    descriptions, tags = texts["description"], texts["tags"]
    words = tokenizer([*descriptions, *(", ".join(t) for t in tags)])
    model, extractor = build(len(words), seed=SEED)
    mel, key = computed_of_clips(partial(mels, extractor), "text_audio", LISTENER_SEED, N_TRAIN)
    curve = train(model, words, mel, descriptions, tags,
                  paths.PROCESSED / "listening" / "text_audio.safetensors", seed=SEED, key=key)
    write("text_audio", {"curves.csv": curve_means(curve)}, key, (model.half(), extractor, words))


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled encoder finds among held-out clips: (table, hash of the sounds).

    - ``r_at_1_of_100``, ``r_at_10_of_100``, ``median_rank_of_100``: the right clip for a
      description. ``two_caption_rate``: the right description against another piece's.
    - ``emotion_alone_…``: one piece of one genre composed at ten points of the affect plane.
    """
    encoder, rate = pretrained.load("text_audio", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, _ = render.sounds(atelier.TEST_SEED, range(N_TEST), CLIP_SECONDS)
    descriptions = texts_of(first_items(atelier.TEST_SEED, N_TEST))["description"]
    audio, text = embedders.embed_clips(encoder, sounds, rate), encoder.embed_text(descriptions)
    ranks = pd.concat([retrieval.ranks(text[i : i + AMONG], audio[i : i + AMONG])
                       for i in range(0, N_TEST, AMONG)])
    check = metric.verify_encoder(encoder, sounds, rate, descriptions)

    def cosines(items):
        clips = np.stack([render.render(compose.compose(f, CLIP_SECONDS), CLIP_SECONDS)
                          for f in items])
        return (encoder.embed_text([words.description(f) for f in items])
                @ embedders.embed_clips(encoder, clips, rate).T)

    points = np.random.default_rng(SEED).uniform(-1, 1, (N_SCENES, VERSIONS, 2)).round(3)
    return pd.DataFrame([
        *({"measure": f"r_at_{k}_of_{AMONG}", **share(ranks[f"r_at_{k}"]), "null": k / AMONG}
          for k in (1, 10)),
        {"measure": f"median_rank_of_{AMONG}", "value": ranks["rank"].median(),
         "null": (AMONG + 1) / 2, "n": N_TEST},
        {"measure": "two_caption_rate", "value": check.rate, "null": 0.5, "n": check.n},
        *emotion_alone(cosines, points, N_TEST)]), provenance.content_hash(sounds)
