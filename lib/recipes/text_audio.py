"""The bundled text–audio encoder, a tiny ClapModel (HTSAT for sound, RoBERTa for text), contrastive
on (description or tags, five seconds of the clip).  Source: Wu et al. (2023), §3.1.  Notebook: 05.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from lib import pretrained
from lib.data.atelier import TEST_SEED, compose, render, words
from lib.metrics import embedders
from lib.pretrained.listeners import clap_features
from lib.pretrained.loading import tokens_of
from lib.recipes import bundling
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED
from lib.recipes.tagger import LISTENER_SEED, N_TRAIN
from lib.training import loop

POSITIONS = 130
# 64 bands × 256 frames of 20 ms, folded into a square; LAION's has 4 × 96 … 768
AUDIO = {"num_mel_bins": 64, "spec_size": 128, "patch_size": 4, "patch_stride": [4, 4],
         "window_size": 4, "patch_embeds_hidden_size": 32, "hidden_size": 256,
         "depths": [1, 1, 2, 1], "num_attention_heads": [2, 4, 8, 8], "num_hidden_layers": 4}
# LAION's has 12 layers of 768
TEXT = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 256, "max_position_embeddings": POSITIONS}
EXTRACTOR = {"feature_size": 64, "fft_window_size": 2048, "sampling_rate": 22_050,
             "hop_length": 441, "max_length_s": 5, "frequency_min": 30, "frequency_max": 11_025,
             "truncation": "rand_trunc", "padding": "pad"}
tokenizer = partial(bundling.train_tokenizer, positions=POSITIONS - 2, template="<s> $A </s>",
                    special=bundling.ROBERTA_SPECIAL)


@dataclass(frozen=True)
class Config:
    """How it was trained; ours."""
    n_steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    frames: int = 251                # of a crop: five seconds
    p_description: float = 0.6       # else some of the tags
    mask_bands: int = 8
    mask_frames: int = 30
    bfloat16: bool = True


def build(n_words: int, audio: dict = AUDIO, text: dict = TEXT, width: int = 128,
          seed: int = 0) -> ClapModel:
    """The untrained network; ``ClapFeatureExtractor(**EXTRACTOR)`` is what it hears by."""
    torch.manual_seed(seed)
    return ClapModel(ClapConfig(text_config={**text, "vocab_size": n_words}, audio_config=audio,
                                projection_dim=width))


def train(model: ClapModel, tokenizer, mel: np.ndarray, descriptions: list[str],
          tags: list[list[str]], config: Config = Config(), **run) -> list[dict]:
    """Trains in place on mels float16 [N, T, M] of whole clips and returns the curve."""
    def text_of(row, rng):
        if rng.random() < config.p_description:
            return descriptions[row]
        # in random order and number
        return ", ".join(rng.permutation(tags[row])[: rng.integers(3, len(tags[row]) + 1)])
    def loss_of(rng):
        frames, bands = config.frames, mel.shape[2]
        rows = bundling.draw_rows(rng, len(mel), config.batch_size)
        batch = bundling.crops(rng, mel.swapaxes(1, 2), rows, frames).swapaxes(1, 2)
        batch = np.ascontiguousarray(batch, np.float32)
        for crop in batch:  # SpecAugment: some bands and frames at the crop's own mean
            band = rng.integers(0, bands - config.mask_bands)
            frame = rng.integers(0, frames - config.mask_frames)
            crop[:, band : band + rng.integers(0, config.mask_bands + 1)] = crop.mean()
            crop[frame : frame + rng.integers(0, config.mask_frames + 1)] = crop.mean()
        tokens = tokens_of(tokenizer, [text_of(row, rng) for row in rows], POSITIONS - 2)
        with loop.autocast("cpu", config.bfloat16):
            out = model(**tokens, input_features=torch.from_numpy(batch[:, None]),
                        is_longer=torch.zeros((len(rows), 1), dtype=torch.bool))
        # not the model's return_loss: transformers 5.17 takes both halves from text to audio
        scale = model.logit_scale_t.exp().clamp(max=100)
        return bundling.contrastive_loss(out.text_embeds.float() @ out.audio_embeds.float().T
                                         * scale)
    return loop.fit(model, loss_of, config, **run)


def make() -> tuple:
    """The text–audio encoder: rendering 5 minutes, training 20 on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(LISTENER_SEED, N_TRAIN))
    descriptions, tags = texts["description"], texts["tags"]
    vocabulary = tokenizer([*descriptions, *(", ".join(t) for t in tags)], 1000)
    model, extractor = build(len(vocabulary), seed=SEED), ClapFeatureExtractor(**EXTRACTOR)
    mel, key = bundling.computed_of_clips(
        lambda clips: clap_features(extractor, clips)[:, 0].astype(np.float16), "text_audio",
        LISTENER_SEED, N_TRAIN)
    curve = train(model, vocabulary, mel, descriptions, tags, **bundling.run("text_audio", key))
    return {"curves.csv": curve}, key, (model.half(), extractor, vocabulary)


def measure() -> tuple:
    """What descriptions find among held-out clips, and among one piece at ten points of affect."""
    encoder, rate = pretrained.load("text_audio", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, _ = render.sounds(TEST_SEED, range(N_TEST), CLIP_SECONDS)
    descriptions = bundling.texts_of(bundling.first_items(TEST_SEED, N_TEST))["description"]
    rows = bundling.retrieved(encoder.embed_text(descriptions),
                              embedders.embed_clips(encoder, list(sounds), rate))
    def cosines(items):
        clips = [render.render(compose.compose(f, CLIP_SECONDS), CLIP_SECONDS) for f in items]
        return (encoder.embed_text([words.description(f) for f in items])
                @ embedders.embed_clips(encoder, clips, rate).T)
    points = np.random.default_rng(SEED).uniform(-1, 1, (40, 10, 2)).round(3)
    return rows + bundling.emotion_alone(cosines, points), sounds
