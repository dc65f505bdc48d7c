"""Training of the bundled music tagger: random five-second crops of cached mels, spoiled as
recordings and generators spoil sound.

Trained on clean renders alone it names every genre, and 42 of 100 once white noise 20 dB below the
music is added: a judge of generated sound must not read the noise floor. So crops are turned up and
down, hiss is laid under them, treble is cut, bands and frames are masked. Its data come in as
arrays; the recipe that renders them is ``python -m lib miniature tagger``.
Notebook: 05.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from lib.core import provenance
from lib.models.music_tagger import FLOOR
from lib.training import fit


@dataclass(frozen=True)
class Config:
    """How the tagger was trained; ours, so there are no published values."""

    n_steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 2e-3
    gain_db: float = 6.0             # each crop is turned up or down by up to this much
    p_hiss: float = 0.6              # share of crops with noise under them,
    hiss_dbfs: tuple[float, float] = (-90.0, -35.0)  # as loud as this
    # share of crops without the treble, cut anywhere above the lowest `dull_bands`
    p_dull: float = 0.3
    dull_bands: int = 64
    n_masks: int = 2                 # along bands and along frames
    mask_bands: int = 12
    mask_frames: int = 24
    smoothing: float = 0.05
    affect_weight: float = 4.0


def mels(model, sounds: np.ndarray) -> np.ndarray:
    """ln-mels of whole clips, float32 [N, samples] → float16 [N, M, T], to be cached."""
    with torch.inference_mode():
        return model.mel(torch.from_numpy(np.ascontiguousarray(sounds))).half().numpy()


def train(model, mel: np.ndarray, genres: np.ndarray, affect: np.ndarray, checkpoint: Path,
          config: Config = Config(), *, seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        model: lib.models.music_tagger.MusicTagger.
        mel: float16 [N, M, T] of whole clips. genres: int [N]. affect: [N, 2] in [−1, 1].
        key: hash of the data.
    """
    frames = model.window_samples // model.hop_length + 1
    lowest = float(np.log(FLOOR))
    # [M] mel power of white noise of RMS 1
    white = (model.bands.sum(0) * model.hann.square().sum()).numpy()

    def loss_of(rng):
        rows = rng.choice(len(mel), min(config.batch_size, len(mel)), replace=False)
        starts = rng.integers(0, mel.shape[2] - frames + 1, len(rows))
        batch = np.stack([mel[r, :, s : s + frames] for r,
                          s in zip(rows, starts, strict=True)]).astype(np.float32)
        gains = rng.uniform(-1, 1, len(rows)) * config.gain_db * np.log(10) / 10
        batch = np.maximum(batch + gains[:, None, None].astype(np.float32), lowest)
        batch = _spoil(batch, white, rng, config, lowest)
        _mask(batch, rng, config, lowest)
        logits, felt = model.heads(model.embed(torch.from_numpy(batch)))
        target = torch.from_numpy(affect[rows].astype(np.float32))
        genre_loss = F.cross_entropy(logits, torch.from_numpy(genres[rows]),
                                     label_smoothing=config.smoothing)
        affect_loss = F.mse_loss(felt, target)
        return genre_loss + config.affect_weight * affect_loss, {"genre": genre_loss.item(),
                                                                 "affect": affect_loss.item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed)


def _spoil(batch: np.ndarray, white: np.ndarray, rng: np.random.Generator, config: Config,
           lowest: float) -> np.ndarray:
    """Hiss of random loudness and tilt under some crops, no treble in some. [B, M, T] → [B, M,
    T].
    """
    count, bands, frames = batch.shape
    level = rng.uniform(*config.hiss_dbfs, count) * np.log(10) / 10
    level[rng.random(count) > config.p_hiss] = -np.inf
    # ±6.5 dB from bass to treble
    tilt = rng.uniform(-1.5, 1.5, count)[:, None] * np.linspace(-1, 1, bands)
    # drawn once; each crop starts elsewhere in it
    texture = rng.gamma(2.0, 0.5, (bands, 2 * frames)).astype(np.float32)
    starts = rng.integers(0, frames, count)
    rough = np.stack([texture[:, start : start + frames] for start in starts])
    spoiled = np.log(np.exp(batch) + (np.exp(level[:, None] + tilt)
                                      * white).astype(np.float32)[:, :, None] * rough)
    for row in np.flatnonzero(rng.random(count) < config.p_dull):
        spoiled[row, rng.integers(config.dull_bands, bands) :] = lowest
    return spoiled


def _mask(batch: np.ndarray, rng: np.random.Generator, config: Config, value: float) -> None:
    """SpecAugment's masks (Park et al. 2019), in place: other bands and frames silenced in every
    crop.
    """
    _, bands, frames = batch.shape
    for crop in batch:
        for _ in range(config.n_masks):
            width = rng.integers(0, config.mask_bands + 1)
            low = rng.integers(0, bands - width + 1)
            crop[low : low + width] = value
            width = rng.integers(0, config.mask_frames + 1)
            low = rng.integers(0, frames - width + 1)
            crop[:, low : low + width] = value
