"""The bundled music tagger: ``python -m lib miniature tagger``.

Random five-second crops of cached mels, spoiled as recordings and generators spoil sound: trained
on clean renders alone, the tagger names 42 of 100 genres once white noise 20 dB below the music is
added.  Notebook: 05.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED, render
from lib.data.atelier.factors import GENRES
from lib.metrics import affect, distances, embedders
from lib.models.music_tagger import FLOOR, MusicTagger
from lib.recipes import bundling
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED
from lib.training import loop

# the collection of tagger and text_audio: no generator trains on it and nothing is tested on it
LISTENER_SEED, N_TRAIN = 4, 3600


@dataclass(frozen=True)
class Config:
    """How the tagger was trained; ours, so there are no published values."""
    n_steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 2e-3
    gain_db: float = 6.0             # each crop is turned up or down by up to this much
    p_hiss: float = 0.6              # share of crops with noise under them,
    hiss_dbfs: tuple[float, float] = (-90.0, -35.0)  # as loud as this
    p_dull: float = 0.3              # share of crops cut anywhere above the lowest `dull_bands`
    dull_bands: int = 64
    n_masks: int = 2                 # along bands and along frames
    mask_bands: int = 12
    mask_frames: int = 24
    smoothing: float = 0.05
    affect_weight: float = 4.0


def mels(model: MusicTagger, sounds: np.ndarray) -> np.ndarray:
    """ln-mels of whole clips, float32 [N, samples] → float16 [N, M, T], to be cached."""
    with torch.inference_mode():
        return model.mel(torch.from_numpy(np.ascontiguousarray(sounds))).half().numpy()


def train(model: MusicTagger, mel: np.ndarray, genres: np.ndarray, affect: np.ndarray,
          checkpoint: Path, config: Config = Config(), **run) -> list[dict]:
    """Trains in place on mels float16 [N, M, T] of whole clips, genres int [N] and affect [N, 2] in
    [−1, 1]; returns the curve.
    """
    frames, lowest = model.window_samples // model.hop_length + 1, float(np.log(FLOOR))
    # [M], mel power of white noise of RMS 1
    white = (model.bands.sum(0) * model.hann.square().sum()).numpy()

    def loss_of(rng):
        rows = bundling.draw_rows(rng, len(mel), config.batch_size)
        batch = bundling.crops(rng, mel, rows, frames).astype(np.float32)
        gains = rng.uniform(-1, 1, len(rows)) * config.gain_db * np.log(10) / 10
        batch = np.maximum(batch + gains[:, None, None].astype(np.float32), lowest)
        batch = spoil(batch, white, rng, config, lowest)
        for crop in batch:  # SpecAugment (Park et al. 2019): other bands and frames in every crop
            for _ in range(config.n_masks):
                width = rng.integers(0, config.mask_bands + 1)
                low = rng.integers(0, len(crop) - width + 1)
                crop[low : low + width] = lowest
                width = rng.integers(0, config.mask_frames + 1)
                low = rng.integers(0, frames - width + 1)
                crop[:, low : low + width] = lowest
        logits, predicted = model.heads(model.embed(torch.from_numpy(batch)))
        genre_loss = F.cross_entropy(logits, torch.from_numpy(genres[rows]),
                                     label_smoothing=config.smoothing)
        affect_loss = F.mse_loss(predicted, torch.from_numpy(affect[rows].astype(np.float32)))
        return genre_loss + config.affect_weight * affect_loss, {"genre": genre_loss.item(),
                                                                 "affect": affect_loss.item()}

    return loop.fit(model, loss_of, config, checkpoint, **run)


def spoil(batch: np.ndarray, white: np.ndarray, rng: np.random.Generator, config: Config,
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
        spoiled[row, rng.integers(config.dull_bands, bands) :] = lowest
    return spoiled


def make() -> None:
    """The music tagger: about 15 minutes on one core, resumable."""
    torch.manual_seed(SEED)
    model = MusicTagger(len(GENRES))
    mel, key = bundling.computed_of_clips(partial(mels, model), "tagger", LISTENER_SEED, N_TRAIN)
    items = bundling.first_items(LISTENER_SEED, N_TRAIN)
    curve = train(model, mel, np.array([GENRES.index(f.genre) for f in items]),
                  np.array([(f.valence, f.arousal) for f in items], np.float32),
                  bundling.checkpoint("tagger"), seed=SEED, key=key)
    bundling.write("tagger", {"config.json": {"labels": GENRES, **model.settings},
                              "model.safetensors": bundling.halved(model),
                              "curves.csv": curve}, key)


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled tagger reaches on held-out clips, as they are and spoiled, and how far FAD
    moves with the spoiling: (table, hash of the sounds).
    """
    encoder, rate = pretrained.load("tagger", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, true_affect = render.sounds(TEST_SEED, range(N_TEST), CLIP_SECONDS)
    genres = np.array([GENRES.index(f.genre) for f in bundling.first_items(TEST_SEED, N_TEST)])
    rms = np.sqrt(np.square(sounds).mean(axis=1, keepdims=True))
    noise = rms * np.random.default_rng(SEED).standard_normal(sounds.shape, dtype=np.float32)
    conditions = {"as they are": (1, 0), "6 dB softer": (0.5, 0), "hiss 40 dB below": (1, 0.01),
                  "hiss 20 dB below": (1, 0.1), "hiss as loud": (1, 1)}
    half, rows, reference = len(sounds) // 2, [], None
    for condition, (gain, hiss) in conditions.items():
        spoiled = sounds * np.float32(gain) + np.float32(hiss) * noise
        right = embedders.logits_of_clips(encoder, spoiled, rate).argmax(1) == genres
        found = [{"measure": "genre_accuracy", **bundling.share(right),
                  "null": np.bincount(genres).max() / len(genres)}]
        predicted = embedders.mean_over_windows(encoder, encoder.affect, 2, spoiled, rate)
        for row in affect.agreement(true_affect, predicted).to_dict("records"):
            found += [{"measure": f"{row['axis']}_ccc", "value": row["ccc"],
                       **{k: row[k] for k in ("low", "high", "null", "n")}},
                      {"measure": f"{row['axis']}_r2", "value": row["r2"], "n": row["n"]}]
        vectors = embedders.embed_clips(encoder, spoiled, rate)
        reference = vectors[:half] if reference is None else reference
        found.append({"measure": "fad_to_other_half", "n": half,
                      "value": distances.fad(reference, vectors[half:])})
        rows += [{"clips": condition, **row} for row in found]
    return pd.DataFrame(rows), provenance.content_hash(sounds)
