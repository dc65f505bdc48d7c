"""How much of a target a picture can know: the ceiling of all that system 2 trains, and what a
cosine is worth beneath it.

    targets [N, D] ─┬─ by what a picture shows (emotion, style …) ──► explained: R² of the groups' means, beside luck
                    └─ beside another piece to the same picture ─────► shared: what two pieces have in common, and nothing else can be known

A target is m = μ + g + r: the mean of all, what depends on the picture, the rest. No network finds r. With S = E|m − μ|² and the share
ρ = E|g|² / S, the best prediction is μ + g, and its cosine with m is close to √((|μ|² + ρS) / (|μ|² + S)), for ρ = 0 too: :func:`cosine`.

Notebook: 21, 22, 23.
"""

from collections.abc import Sequence

import numpy as np
import soxr

from lib.core.errors import KlangfarbeError
from lib.data import memmaps
from lib.data.atelier import render, words
from lib.data.atelier.compose import compose
from lib.data.atelier.factors import draw
from lib.metrics import stats
from lib.signal.audio import SAMPLE_RATE_HZ
from lib.systems.mapping import data

TWINS_FROM = 360_000  # the atelier's items that are other pieces to system 2's pictures


def share(targets: np.ndarray, labels: Sequence) -> float:
    """R² of the groups' means over all dimensions together, corrected for the number of groups: 0
    is expected where labels say nothing.

    1 − (SSW / (N − k)) / (SST / (N − 1)), SSW within groups, SST around the common mean; below 0 by
    luck at times.

    Args:
        targets: [N, D]. labels: N, of k kinds.

    Raises:
        KlangfarbeError: as many groups as rows.
    """
    x = np.asarray(targets, np.float64)
    names, member = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    if not len(names) < len(x):
        raise KlangfarbeError("fewer groups than rows", f"{len(names)} of {len(x)}",
                              "group by something that repeats")
    belongs = np.eye(len(names))[member]  # [N, k]
    means = (belongs.T @ x) / belongs.sum(0)[:, None]
    within = np.square(x - means[member]).sum() / (len(x) - len(names))
    return float(1 - within / (np.square(x - x.mean(0)).sum() / (len(x) - 1)))


def explained(targets: np.ndarray, labels: Sequence, *, n_shuffles: int = 200, n_blocks: int = 20,
              seed: int = 0) -> dict:
    """:func:`share` with an interval (by leaving out blocks of rows) and what luck reaches (labels
    dealt anew).

    Args:
        targets: [N, D], rows that have nothing to do with one another: one of each linked group.

    Returns:
        ``value, low, high`` (95 %), ``null`` (97.5th percentile of luck), ``groups`` and ``n``.
    """
    targets, labels = np.asarray(targets, np.float64), np.asarray(labels).astype(str)
    rng = np.random.default_rng(seed)
    luck = [share(targets, labels[rng.permutation(len(labels))]) for _ in range(n_shuffles)]
    low, high = stats.jackknife(lambda rows: share(targets[rows], labels[rows]),
                                np.arange(len(labels)), n_blocks=n_blocks, seed=seed)
    return {"value": share(targets, labels), "low": low, "high": high,
            "null": float(np.quantile(luck, 0.975)), "groups": len(set(labels)), "n": len(labels)}


def shared(targets: np.ndarray, twins: np.ndarray, mean: np.ndarray) -> float:
    """What two targets of one picture have in common, ρ: ⟨m − μ, m′ − μ⟩ over the mean of |m − μ|² and |m′ − μ|².

    Their rests are drawn apart and have nothing in common; so what they share is what the picture
    decides. Unbiased, whatever g is.

    Args:
        targets, twins: [N, D], row i of both for picture i. mean: μ [D], of other rows.
    """
    a, b = (np.asarray(some, np.float64) - np.asarray(mean, np.float64)
            for some in (targets, twins))
    return float((a * b).sum() / (0.5 * (np.square(a).sum() + np.square(b).sum())))


def cosine(targets: np.ndarray, rho: float | np.ndarray = 0.0):
    """The cosine that a prediction of the share ρ can expect: √((|μ|² + ρS) / (|μ|² + S)); targets [N, D], ρ = 0 for the mean vector."""
    x = np.asarray(targets, np.float64)
    mu = np.square(x.mean(0)).sum()
    spread = np.square(x - x.mean(0)).sum(1).mean()
    return np.sqrt((mu + np.clip(rho, 0, 1) * spread) / (mu + spread))


def twins(material, rows: np.ndarray, generator, seconds: float) -> np.ndarray:
    """Codes int16 [n, K, S] of another piece to each of these pictures of the atelier, stored like
    the material's own.

    To a genre-tagged pair a piece of the same valence and arousal; to an emotion-tagged pair one of
    the same word: that, and no more, is what either collection's rule for pairing lets a picture
    know.

    Args:
        material: of :func:`lib.systems.mapping.targets.atelier`. rows: of its table. seconds:
            ``clip_seconds`` of its config.
    """
    codec, pieces = generator.codec, _pieces(material.table.iloc[rows])

    def heard(some: np.ndarray) -> np.ndarray:
        sounds = [soxr.resample(render.render(compose(pieces[k], seconds), seconds), SAMPLE_RATE_HZ,
                                codec.sample_rate_hz) for k in some]
        n_samples = round(seconds * codec.sample_rate_hz)
        return codec.encode(np.stack([sound[:n_samples]
                                      for sound in sounds])[:, None]).cpu().numpy()

    where = memmaps.cache_folder("twins", material.where.name, [int(row) for row in rows])
    return memmaps.cached_rows(where, "codes", len(rows), material.codes.shape[1:], np.int16, heard)


def _pieces(table) -> list:
    found, at = [], TWINS_FROM
    for source, item in zip(table["source"], data.items(table["image"]), strict=True):
        exact = {} if source == "emotion-tagged" else {"valence": item.valence,
                                                       "arousal": item.arousal}
        while True:
            piece = draw(item.seed, at, **exact)
            at += 1
            if exact or words.emotion_word(piece) == words.emotion_word(item):
                found.append(piece)
                break
    return found
