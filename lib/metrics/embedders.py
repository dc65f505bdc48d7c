"""What a metric asks of the network behind it: ``name, sha256, width`` D; of one that hears
``sample_rate_hz, window_seconds, embed(windows [N, samples])`` → [N, D]; also ``embed_text``,
``embed_pictures`` → [N, D] in the same space, or a tagger's ``labels, logits, affect``.
:mod:`lib.pretrained` makes such objects. Windows are never drawn at random.  Notebook: 05."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import soxr

from lib.core.errors import KlangfarbeError

WINDOWS = ("end to end from the start; a rest of half a window or more gives a last one that ends "
           "with the clip; short clips are repeated")
MIN_SECONDS = 0.5
SAME = 1e-9  # cosines this close are a tie: less than that is the order of the additions
BATCH = 32   # windows, pictures or sentences at a time


def windows(sound: np.ndarray, sample_rate_hz: float, encoder) -> np.ndarray:
    """A clip [samples] cut into the windows an encoder hears, at its own rate: [W, samples]."""
    sound = np.asarray(sound, np.float32)
    if (sound.ndim != 1 or not np.isfinite(sound).all() or not 1000 <= sample_rate_hz <= 400_000
            or len(sound) < MIN_SECONDS * sample_rate_hz):
        raise KlangfarbeError(f"a mono clip of finite values, {MIN_SECONDS} s or more, 1–400 kHz",
                              f"{sound.shape} at {sample_rate_hz} Hz", "check both")
    if sample_rate_hz != encoder.sample_rate_hz:
        sound = soxr.resample(sound, sample_rate_hz, encoder.sample_rate_hz)
    length = round(encoder.window_seconds * encoder.sample_rate_hz)
    if len(sound) < length:
        return np.resize(sound, (1, length))
    whole, rest = divmod(len(sound), length)
    cut = sound[: whole * length].reshape(whole, length)
    return np.concatenate([cut, sound[None, -length:]]) if 2 * rest >= length else cut


def embed_clips(encoder, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """One vector a clip, the mean of its windows', not normalised again: float64 [N, D]."""
    return mean_over_windows(encoder, encoder.embed, encoder.width, sounds, sample_rate_hz)


def logits_of_clips(tagger, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """One row of logits a clip, the mean of its windows': float64 [N, C]."""
    return mean_over_windows(tagger, tagger.logits, len(tagger.labels), sounds, sample_rate_hz)


def predict_affect(tagger, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """Valence and arousal of each clip, the mean of its windows': float64 [N, 2] in [−1, 1]."""
    return mean_over_windows(tagger, tagger.affect, 2, sounds, sample_rate_hz)


def mean_over_windows(encoder, answer: Callable, width: int, sounds: Sequence[np.ndarray],
                      sample_rate_hz: float) -> np.ndarray:
    """An encoder's answers (windows [B, samples] → [B, width]), means over clips: [N, width]."""
    sums, counts, waiting = np.zeros((len(sounds), width)), np.zeros(len(sounds)), []
    for index, sound in enumerate(sounds):
        waiting += [(index, window) for window in windows(sound, sample_rate_hz, encoder)]
        while len(waiting) >= BATCH or (waiting and index == len(sounds) - 1):
            owners, cut = zip(*waiting[:BATCH], strict=True)
            vectors = check_vectors(encoder, answer(np.stack(cut)), len(cut), width)
            np.add.at(sums, list(owners), vectors)
            np.add.at(counts, list(owners), 1)
            waiting = waiting[BATCH:]
    return sums / counts[:, None]


def embed_pictures(encoder, pictures: np.ndarray) -> np.ndarray:
    """One vector a picture: uint8 [N, H, W, 3] → float64 [N, D]."""
    return in_batches(encoder, encoder.embed_pictures, pictures)


def in_batches(encoder, answer: Callable, some: Sequence | np.ndarray) -> np.ndarray:
    """An encoder's vectors of N pictures or sentences: float64 [N, D]."""
    parts = [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
    return np.concatenate([check_vectors(encoder, answer(part), len(part), encoder.width)
                           for part in parts])


def ranks(queries: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    """Where item i stands among all [N, D] by cosine with query i: ``rank, r_at_1, r_at_5,
    r_at_10``, in *expectation* over the orders of ties.
    Card: estimates: whether a painting and its words or music find one another · direction: ↑ ·
        range: R@k in [0, 1]; rank in [1, N], ↓ · unit: none · input: embeddings of an encoder that
        did not build the pairs · aggregation: mean over queries (median for the rank) · blind to:
        whether the items are good; depends on N (guessing gives k/N): compare at one N only ·
        minimum n: 50 · source: Karpathy & Fei-Fei (2015), §4.1; ties as McSherry & Najork (2008)"""
    cosine = unit(queries) @ unit(items).T
    own = np.diagonal(cosine)[:, None]
    better = (cosine > own + SAME).sum(axis=1)
    tied = (np.abs(cosine - own) <= SAME).sum(axis=1)  # with itself
    return pd.DataFrame({"rank": better + (tied + 1) / 2,
                         **{f"r_at_{k}": np.clip((k - better) / tied, 0, 1) for k in (1, 5, 10)}})


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [N, D] divided by their lengths, float64; zeros or NaN are refused."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not ((lengths > 0) & np.isfinite(lengths)).all():
        raise KlangfarbeError("finite vectors with a direction", "zeros, NaN or infinity",
                              "look for blank inputs; load the encoder's weights again")
    return vectors / lengths


def card(encoder) -> dict:
    """What a table prints about the network behind a number."""
    names = ("name", "sha256", "revision", "licence", "width", "sample_rate_hz", "window_seconds")
    found = {name: getattr(encoder, name) for name in names if hasattr(encoder, name)}
    return found | ({"windows": WINDOWS} if "sample_rate_hz" in found else {})


def check_vectors(encoder, vectors: np.ndarray, count: int, width: int) -> np.ndarray:
    """An encoder's answer as float64 [count, width]; another shape or NaN is refused."""
    vectors = np.asarray(vectors, np.float64)
    if vectors.shape != (count, width) or not np.isfinite(vectors).all():
        raise KlangfarbeError(f"finite vectors [{count}, {width}] from {encoder.name}",
                              f"{vectors.shape}", "load its weights again; try float32")
    return vectors
