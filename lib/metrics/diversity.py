"""Has a generator collapsed, and how colourful and bright are its pictures?"""

import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform

from lib.core.errors import KlangfarbeError
from lib.metrics import stats

NEIGHBOUR = 3  # the balls of precision and recall reach to this one


def pairwise_distance(features: np.ndarray) -> float:
    """Mean Euclidean distance between all pairs of rows of [N ≥ 2, F]; 0 when all are the same.
    Card: estimates: how spread out a set of outputs is · direction: ↑ · range: [0, ∞) · unit: the
        features' unit; say it relative to the real set's own distance · input: features of one
        encoder · aggregation: mean over all pairs · blind to: whether the pictures are good: noise
        is diverse · minimum n: 30 · source: Che et al. (2017), mode regularised GANs"""
    return float(pdist(np.asarray(features, np.float64)).mean())


def precision_recall(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Improved precision (share of fakes inside some real picture's ball) and recall (of reals
    inside some fake's ball, near 0 on collapse), [N, F] and [M, F]. Compare at one N only.
    Card: estimates: (precision, recall): the share of fakes that look real, the share of reals that
        are covered · direction: ↑ · range: [0, 1] · unit: none · input: features of one encoder ·
        aggregation: over all pictures; balls reach to the third neighbour · blind to: how far
        outside a ball a picture lies; one outlier with a huge ball raises either · minimum n: 100 ·
        source: Kynkäänniemi et al. (2019), eq. 1–2"""
    across = cdist(real, fake)
    # column 0 is the row itself
    real_radius, fake_radius = (np.sort(cdist(some, some), axis=1)[:, NEIGHBOUR]
                                for some in (real, fake))
    return (float((across <= real_radius[:, None]).any(axis=0).mean()),
            float((across <= fake_radius).any(axis=1).mean()))


def sameness(pictures: np.ndarray, reference: np.ndarray) -> float:
    """Mean correlation between all pairs of pictures, the reference's mean picture taken from each.
    Card: estimates: how much the outputs repeat one another · direction: ↓ · range: [−1/(N−1), 1],
        1 when all are the same up to contrast · unit: none · input: pixels, the real set's mean
        picture taken away · aggregation: mean over all pairs · blind to: pictures that repeat one
        another shifted or mirrored; whether they are good · minimum n: 30 · source: ours"""
    count, mean = len(pictures), np.asarray(reference, np.float64).mean(0)
    rows = (np.asarray(pictures, np.float64) - mean).reshape(count, -1)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return float((np.sum(rows.sum(0) ** 2) - np.sum(rows**2)) / (count * (count - 1)))


def ranks(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Features' ranks among the reference's, 0 below to 1 above all: [N, F], [M, F] → [N, F]."""
    ladder = np.sort(np.asarray(reference, np.float64), axis=0)
    columns = np.asarray(features, np.float64).T
    left, right = (np.stack([np.searchsorted(rung, column, side) for rung, column
                             in zip(ladder.T, columns, strict=True)], axis=1)
                   for side in ("left", "right"))
    return (left + right) / (2 * len(ladder))


def collapse(real: np.ndarray, fake: np.ndarray, *, seed: int = 0,
             n_resamples: int = 200) -> dict[str, float]:
    """``spread`` (mean pairwise distance, 1: as the real set's; ``_low, _high``: bootstrap),
    ``precision``, ``recall`` (Wilson's) of :func:`ranks` of as many real and painted, [N, F]."""
    if len(real) != len(fake):
        raise KlangfarbeError("as many real as painted pictures: the measures depend on N",
                              f"{len(real)} and {len(fake)}", "draw as many")
    fake, real = ranks(fake, real), ranks(real, real)
    between = squareform(pdist(fake)) / pairwise_distance(real)
    def spread(rows: np.ndarray) -> float:  # a picture drawn twice is not its own neighbour
        return float(between[np.ix_(rows, rows)].sum()
                     / max(1, (rows[:, None] != rows[None]).sum()))
    everyone = np.arange(len(fake))
    low, high = stats.bootstrap(spread, everyone, n_resamples=n_resamples, seed=seed)
    precision, recall = precision_recall(real, fake)
    _, recall_low, recall_high = stats.proportion(everyone < round(recall * len(real)))
    return {"spread": spread(everyone), "spread_low": low, "spread_high": high,
            "precision": precision, "recall": recall, "recall_low": recall_low,
            "recall_high": recall_high, "n": len(fake)}


def saturation(pictures: np.ndarray, side: int = 8) -> np.ndarray:
    """Mean of HSV's S, (max − min)/max, of square pictures uint8 [N, H, H, 3] → float64 [N]; of
    blocks: a half-trained painter's noise is colourful by pixel and grey from two steps away.
    Card: estimates: how colourful a picture is · direction: – · range: [0, 1], 0 for grey and black
        · unit: none · input: pixels 0–255, averaged to side² blocks · aggregation: mean over
        blocks, one number a picture · blind to: which colours, and whether they fit one another ·
        minimum n: 1 · source: Smith (1978), Color gamut transform pairs"""
    count, height = pictures.shape[:2]
    blocks = pictures.reshape(count, side, height // side, side, height // side, 3).mean((2, 4))
    top, low = blocks.max(axis=-1), blocks.min(axis=-1)
    return ((top - low) / np.maximum(top, 1)).mean(axis=(1, 2))


def brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean luma of pictures uint8 [N, H, W, 3] → float64 [N]: .299 R + .587 G + .114 B, of 255.
    Card: estimates: how light a picture is · direction: – · range: [0, 1] · unit: none · input:
        pixels 0–255 as stored · aggregation: mean over pixels, one a picture · blind to: contrast:
        half black, half white is grey · minimum n: 1 · source: ITU-R BT.601, luma"""
    return (pictures @ np.array([0.299, 0.587, 0.114]) / 255).mean(axis=(1, 2))
