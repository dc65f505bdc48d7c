"""The bundled music tagger, trained on five-second crops, spoiled as recordings spoil sound: else
it names 42 of 100 genres under white noise 20 dB below the music.  Notebook: 05."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from lib import pretrained
from lib.data.atelier import TEST_SEED, render
from lib.data.atelier.factors import GENRES
from lib.metrics import affect, embedders
from lib.models.music_tagger import FLOOR, MusicTagger
from lib.recipes import bundling
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED
from lib.systems import stored
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
          config: Config = Config(), **run) -> list[dict]:
    """Trains in place on mels float16 [N, M, T], genres int [N] and affect [N, 2]; a curve."""
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
                for part, widest in ((crop, config.mask_bands), (crop.T, config.mask_frames)):
                    width = rng.integers(0, widest + 1)
                    low = rng.integers(0, len(part) - width + 1)
                    part[low : low + width] = lowest
        logits, predicted = model.heads(model.embed(torch.from_numpy(batch)))
        genre_loss = F.cross_entropy(logits, torch.from_numpy(genres[rows]),
                                     label_smoothing=config.smoothing)
        affect_loss = F.mse_loss(predicted, torch.from_numpy(affect[rows].astype(np.float32)))
        return genre_loss + config.affect_weight * affect_loss, {"genre": genre_loss.item(),
                                                                 "affect": affect_loss.item()}
    return loop.fit(model, loss_of, config, **run)


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


def make() -> tuple:
    """The music tagger: about 15 minutes on one core, resumable."""
    torch.manual_seed(SEED)
    model = MusicTagger(len(GENRES))
    mel, key = bundling.computed_of_clips(partial(mels, model), "tagger", LISTENER_SEED, N_TRAIN)
    items = bundling.first_items(LISTENER_SEED, N_TRAIN)
    curve = train(model, mel, np.array([GENRES.index(f.genre) for f in items]),
                  np.array([(f.valence, f.arousal) for f in items], np.float32),
                  **bundling.run("tagger", key))
    return {"config.json": {"labels": GENRES, **model.settings}, "curves.csv": curve,
            "model.safetensors": stored.half(model)}, key


def measure() -> tuple:
    """What the bundled tagger names and hears in held-out clips."""
    encoder, rate = pretrained.load("tagger", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, true_affect = render.sounds(TEST_SEED, range(N_TEST), CLIP_SECONDS)
    genres = np.array([GENRES.index(f.genre) for f in bundling.first_items(TEST_SEED, N_TEST)])
    right = embedders.logits_of_clips(encoder, list(sounds), rate).argmax(1) == genres
    rows = [{"measure": "genre_accuracy", **bundling.share(right),
             "null": np.bincount(genres).max() / len(genres)}]
    agreement = affect.agreement(true_affect,
                                 embedders.predict_affect(encoder, list(sounds), rate))
    rows += [{"measure": f"{row['axis']}_r2", "value": row["r2"], "n": row["n"]}
             for row in agreement.to_dict("records")]
    return [{"clips": "as they are", **row} for row in rows], sounds
