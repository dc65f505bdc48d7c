"""What a metric asks of the network behind it: ``name, sha256, width`` D; of one that hears
``sample_rate_hz, window_seconds, embed(windows [N, samples])`` → [N, D]; also ``embed_text``,
``embed_pictures`` → [N, D] in the same space, or a tagger's ``labels, logits, affect``.
:mod:`lib.pretrained` makes such objects, :func:`load` by the name that a config gives. Windows are
never drawn at random.  Notebook: 05."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soxr

from lib import pretrained
from lib.core.errors import KlangfarbeError, one_of
from lib.pretrained.audioset import VGGISH

# Name in a config → part and source of lib.pretrained. "musicnn", out of a package, hears real
# sound where no hub is at hand. "tagger" is the bundled one: no published
# tagger of genre and affect has safetensors on the hub. "vggish" makes S1's FAD; "clap" and "panns"
# make S2's, "clap" the CLAP scores of both. No source names a classifier for its KL: S1's is of
# "audio features", S2's of mel energy; a KL between tags is ours, by "panns" (PaSST is not here).
EMBEDDERS = {"tagger": ("tagger", pretrained.MINIATURE), "vggish": ("vggish", VGGISH),
             "panns": ("panns", "nicofarr/panns_Cnn14"),
             "musicnn": ("music_tags", pretrained.PACKAGE),
             "clap": ("text_audio", "laion/clap-htsat-unfused")}
WINDOWS = ("end to end from the start; a rest of half a window or more gives a last one that ends "
           "with the clip; short clips are repeated")
EXAMPLES = "one every hop from the start, as published; the rest is left out"
MIN_SECONDS = 0.5
SAME = 1e-9  # cosines this close are a tie: less than that is the order of the additions
BATCH = 32   # windows, pictures or sentences at a time


def load(name: str, source: str | Path = "", *, device: str | None = None):
    """The encoder that a config names, out of :data:`EMBEDDERS`; `source`: another checkpoint of
    the same part, a folder or a name on the hub. Out of reach it is an error, never another one."""
    one_of(EMBEDDERS, name, "an embedder")
    part, known = EMBEDDERS[name]
    return pretrained.load(part, source or known, device=device)


def windows(sound: np.ndarray, sample_rate_hz: float, encoder) -> np.ndarray:
    """A clip [samples] cut into the windows an encoder hears, at its own rate: [W, samples], as
    :data:`WINDOWS` says, or :data:`EXAMPLES` where the encoder has ``hop_seconds`` (VGGish)."""
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
    if hasattr(encoder, "hop_seconds"):
        hop = round(encoder.hop_seconds * encoder.sample_rate_hz)
        return np.lib.stride_tricks.sliding_window_view(sound, length)[::hop]
    whole, rest = divmod(len(sound), length)
    cut = sound[: whole * length].reshape(whole, length)
    return np.concatenate([cut, sound[None, -length:]]) if 2 * rest >= length else cut


def embed_clips(encoder, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """One vector a clip, the mean of its windows', not normalised again: float64 [N, D]."""
    return mean_over_windows(encoder, encoder.embed, encoder.width, sounds, sample_rate_hz)


def embed_windows(encoder, sounds: Sequence[np.ndarray],
                  sample_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """A vector a window, float64 [W, D], and the number of its clip, int [W]: the rows that a FAD
    by VGGish is published with, which are its groups, too."""
    return over_windows(encoder, encoder.embed, encoder.width, sounds, sample_rate_hz)


def logits_of_clips(tagger, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """One row of logits a clip, the mean of its windows': float64 [N, C]."""
    return mean_over_windows(tagger, tagger.logits, len(tagger.labels), sounds, sample_rate_hz)


def predict_affect(tagger, sounds: Sequence[np.ndarray], sample_rate_hz: float) -> np.ndarray:
    """Valence and arousal of each clip, the mean of its windows': float64 [N, 2] in [−1, 1]."""
    return mean_over_windows(tagger, tagger.affect, 2, sounds, sample_rate_hz)


def mean_over_windows(encoder, answer: Callable, width: int, sounds: Sequence[np.ndarray],
                      sample_rate_hz: float) -> np.ndarray:
    """An encoder's answers (windows [B, samples] → [B, width]), means over clips: [N, width]."""
    vectors, owners = over_windows(encoder, answer, width, sounds, sample_rate_hz)
    sums = np.zeros((len(sounds), width))
    np.add.at(sums, owners, vectors)
    return sums / np.bincount(owners, minlength=len(sounds))[:, None]


def over_windows(encoder, answer: Callable, width: int, sounds: Sequence[np.ndarray],
                 sample_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """An encoder's answers of every window [W, width], and the number of its clip [W]."""
    vectors, owners, waiting = [np.zeros((0, width))], [], []
    for index, sound in enumerate(sounds):
        cut = windows(sound, sample_rate_hz, encoder)
        owners += [index] * len(cut)
        waiting += list(cut)
        while len(waiting) >= BATCH or (waiting and index == len(sounds) - 1):
            batch, waiting = np.stack(waiting[:BATCH]), waiting[BATCH:]
            vectors.append(check_vectors(encoder, answer(batch), len(batch), width))
    return np.concatenate(vectors), np.array(owners, int)


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
    names = ("name", "sha256", "revision", "licence", "width", "sample_rate_hz", "window_seconds",
             "hop_seconds")
    found = {name: getattr(encoder, name) for name in names if hasattr(encoder, name)}
    cut = EXAMPLES if "hop_seconds" in found else WINDOWS
    return found | ({"windows": cut} if "sample_rate_hz" in found else {})


def check_vectors(encoder, vectors: np.ndarray, count: int, width: int) -> np.ndarray:
    """An encoder's answer as float64 [count, width]; another shape or NaN is refused."""
    vectors = np.asarray(vectors, np.float64)
    if vectors.shape != (count, width) or not np.isfinite(vectors).all():
        raise KlangfarbeError(f"finite vectors [{count}, {width}] from {encoder.name}",
                              f"{vectors.shape}", "load its weights again; try float32")
    return vectors
