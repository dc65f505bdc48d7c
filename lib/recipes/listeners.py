"""The bundled listeners: a music tagger, trained on five-second crops, spoiled as recordings spoil
sound (else it names 42 of 100 genres under white noise 20 dB below the music), and a tiny ClapModel
(HTSAT for sound, RoBERTa for text), contrastive on (description or tags, five seconds of the clip).
Source: Wu et al. (2023), §3.1; Park et al. (2019), SpecAugment.  Notebook: 05."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from lib import pretrained
from lib.data.atelier import TEST_SEED, compose, render, words
from lib.data.atelier.factors import GENRES
from lib.metrics import affect, embedders
from lib.models.music_tagger import FLOOR, MusicTagger
from lib.pretrained.encoders import clap_features
from lib.pretrained.loading import tokens_of
from lib.recipes import bundling
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED, Steps
from lib.systems import stored
from lib.training import loop

# the listeners' collection: no generator trains on it and nothing is tested on it
LISTENER_SEED, N_TRAIN = 4, 3600
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
CLAP_STEPS = Steps(2000, 64, 1e-3)
FRAMES = 251         # of a crop: five seconds
P_DESCRIPTION = 0.6  # else some of the tags
MASK_BANDS, MASK_FRAMES = 8, 30
clap_tokenizer = partial(bundling.train_tokenizer, positions=POSITIONS - 2, template="<s> $A </s>",
                         special=bundling.ROBERTA_SPECIAL)


@dataclass(frozen=True)
class TaggerConfig:
    """How the tagger was trained; ours, so there are no published values."""
    n_steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 2e-3
    gain_db: float = 6.0             # each crop is turned up or down by up to this much
    p_hiss: float = 0.6              # share of crops with noise under them,
    hiss_dbfs: tuple[float, float] = (-90.0, -35.0)  # as loud as this
    p_dull: float = 0.3              # share of crops cut anywhere above the lowest 64 bands
    n_masks: int = 2                 # along bands, of up to 12, and along frames, of up to 24


def mels(model: MusicTagger, sounds: np.ndarray) -> np.ndarray:
    """ln-mels of whole clips, float32 [N, samples] → float16 [N, M, T], to be cached."""
    with torch.inference_mode():
        return model.mel(torch.from_numpy(np.ascontiguousarray(sounds))).half().numpy()


def train_tagger(model: MusicTagger, mel: np.ndarray, genres: np.ndarray, affect: np.ndarray,
                 config: TaggerConfig = TaggerConfig(), **run) -> list[dict]:
    """Trains in place on mels float16 [N, M, T], genres int [N] and affect [N, 2]; a curve."""
    frames, lowest = model.window_samples // model.hop_length + 1, float(np.log(FLOOR))
    # [M], mel power of white noise of RMS 1
    white = (model.bands.sum(0) * model.hann.square().sum()).numpy()
    def loss_of(rng):
        rows = rng.choice(len(mel), config.batch_size, replace=False)
        batch = bundling.crops(rng, mel, rows, frames).astype(np.float32)
        gains = rng.uniform(-1, 1, len(rows)) * config.gain_db * np.log(10) / 10
        batch = np.maximum(batch + gains[:, None, None].astype(np.float32), lowest)
        batch = spoil(batch, white, rng, config, lowest)
        for crop in batch:  # SpecAugment: other bands and frames in every crop
            for _ in range(config.n_masks):
                for part, widest in ((crop, 12), (crop.T, 24)):
                    width = rng.integers(0, widest + 1)
                    low = rng.integers(0, len(part) - width + 1)
                    part[low : low + width] = lowest
        logits, predicted = model.heads(model.embed(torch.from_numpy(batch)))
        genre_loss = F.cross_entropy(logits, torch.from_numpy(genres[rows]), label_smoothing=0.05)
        affect_loss = F.mse_loss(predicted, torch.from_numpy(affect[rows].astype(np.float32)))
        parts = {"genre": genre_loss.item(), "affect": affect_loss.item()}
        return genre_loss + 4.0 * affect_loss, parts
    return loop.fit(model, loss_of, config, **run)


def spoil(batch: np.ndarray, white: np.ndarray, rng: np.random.Generator, config: TaggerConfig,
          lowest: float) -> np.ndarray:
    """Hiss of random loudness and tilt under some crops, no treble in some: ln-mels [B, M, T]."""
    count, bands, frames = batch.shape
    level = rng.uniform(*config.hiss_dbfs, count) * np.log(10) / 10
    level[rng.random(count) > config.p_hiss] = -np.inf
    # ±6.5 dB from bass to treble
    tilt = rng.uniform(-1.5, 1.5, count)[:, None] * np.linspace(-1, 1, bands)
    # one texture is drawn; each crop starts elsewhere in it
    texture = rng.gamma(2.0, 0.5, (bands, 2 * frames)).astype(np.float32)
    rough = np.stack([texture[:, at : at + frames] for at in rng.integers(0, frames, count)])
    hiss = (np.exp(level[:, None] + tilt) * white).astype(np.float32)[:, :, None] * rough
    spoiled = np.log(np.exp(batch) + hiss)
    for row in np.flatnonzero(rng.random(count) < config.p_dull):
        spoiled[row, rng.integers(64, bands) :] = lowest
    return spoiled


def make_tagger() -> tuple:
    """The music tagger: about 15 minutes on one core, resumable."""
    torch.manual_seed(SEED)
    model = MusicTagger(len(GENRES))
    mel, key = bundling.computed_of_clips(partial(mels, model), "tagger", LISTENER_SEED, N_TRAIN)
    items = bundling.first_items(LISTENER_SEED, N_TRAIN)
    genres = np.array([GENRES.index(f.genre) for f in items])
    va = np.array([(f.valence, f.arousal) for f in items], np.float32)
    curve = train_tagger(model, mel, genres, va, **bundling.run("tagger", key))
    return {"config.json": {"labels": GENRES, **model.settings}, "curves.csv": curve,
            "model.safetensors": stored.half(model)}, key


def measure_tagger() -> tuple:
    """What the bundled tagger names and hears in held-out clips."""
    encoder, rate = pretrained.load("tagger", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, true_affect = render.sounds(TEST_SEED, range(N_TEST), CLIP_SECONDS)
    genres = np.array([GENRES.index(f.genre) for f in bundling.first_items(TEST_SEED, N_TEST)])
    right = embedders.logits_of_clips(encoder, list(sounds), rate).argmax(1) == genres
    rows = [{"measure": "genre_accuracy", **bundling.share(right),
             "null": np.bincount(genres).max() / len(genres)}]
    heard = embedders.predict_affect(encoder, list(sounds), rate)
    rows += [{"measure": f"{row['axis']}_r2", "value": row["r2"], "n": row["n"]}
             for row in affect.agreement(true_affect, heard).to_dict("records")]
    return [{"clips": "as they are", **row} for row in rows], sounds


def build_clap(n_words: int, audio: dict = AUDIO, text: dict = TEXT, width: int = 128,
               seed: int = 0) -> ClapModel:
    """The untrained network; ``ClapFeatureExtractor(**EXTRACTOR)`` is what it hears by."""
    torch.manual_seed(seed)
    return ClapModel(ClapConfig(text_config={**text, "vocab_size": n_words}, audio_config=audio,
                                projection_dim=width))


def train_clap(model: ClapModel, tokenizer, mel: np.ndarray, descriptions: list[str],
               tags: list[list[str]], steps: Steps = CLAP_STEPS, **run) -> list[dict]:
    """Trains in place on mels float16 [N, T, M] of whole clips and returns the curve."""
    def text_of(row, rng):
        if rng.random() < P_DESCRIPTION:
            return descriptions[row]
        # in random order and number
        return ", ".join(rng.permutation(tags[row])[: rng.integers(3, len(tags[row]) + 1)])
    def loss_of(rng):
        rows = rng.choice(len(mel), steps.batch_size, replace=False)
        batch = bundling.crops(rng, mel.swapaxes(1, 2), rows, FRAMES).swapaxes(1, 2)
        batch = np.ascontiguousarray(batch, np.float32)
        for crop in batch:  # SpecAugment: some bands and frames at the crop's own mean
            band = rng.integers(0, mel.shape[2] - MASK_BANDS)
            frame = rng.integers(0, FRAMES - MASK_FRAMES)
            crop[:, band : band + rng.integers(0, MASK_BANDS + 1)] = crop.mean()
            crop[frame : frame + rng.integers(0, MASK_FRAMES + 1)] = crop.mean()
        tokens = tokens_of(tokenizer, [text_of(row, rng) for row in rows], POSITIONS - 2)
        with loop.autocast("cpu"):
            out = model(**tokens, input_features=torch.from_numpy(batch[:, None]),
                        is_longer=torch.zeros((len(rows), 1), dtype=torch.bool))
        # not the model's return_loss: transformers 5.17 takes both halves from text to audio
        scale = model.logit_scale_t.exp().clamp(max=100)
        return bundling.contrastive_loss(out.text_embeds.float() @ out.audio_embeds.float().T
                                         * scale)
    return loop.fit(model, loss_of, steps, **run)


def make_text_audio() -> tuple:
    """The text–audio encoder: rendering 5 minutes, training 20 on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(LISTENER_SEED, N_TRAIN))
    descriptions, tags = texts["description"], texts["tags"]
    tokenizer = clap_tokenizer([*descriptions, *(", ".join(t) for t in tags)], 1000)
    model, extractor = build_clap(len(tokenizer), seed=SEED), ClapFeatureExtractor(**EXTRACTOR)
    def hear(clips):
        return clap_features(extractor, clips)[:, 0].astype(np.float16)
    mel, key = bundling.computed_of_clips(hear, "text_audio", LISTENER_SEED, N_TRAIN)
    curve = train_clap(model, tokenizer, mel, descriptions, tags, **bundling.run("text_audio", key))
    return {"curves.csv": curve}, key, (model.half(), extractor, tokenizer)


def measure_text_audio() -> tuple:
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
