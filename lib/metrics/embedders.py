"""What a metric asks of the network behind it: protocols, fixed windows, and a card that names the
checkpoint by its content.

A metric never knows which network it was given. It knows the rate the network hears at, the length
of its windows and the hash of its weights; :mod:`lib.pretrained` makes objects that answer to these
protocols, and so can any other code.

Windows, one policy for every metric (``WINDOWS``): they lie end to end from the clip's first
sample. What is left over, if it is half a window or more, gives one more window that ends with the
clip; less is dropped. A clip shorter than a window is repeated until the window is full. Nothing is
drawn at random: the same clip gives the same number for ever.

Notebook: 05.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import soxr

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError

WINDOWS = ("end to end from the start; a rest of half a window or more gives a last one that ends "
           "with the clip; short clips are repeated")
MIN_SECONDS = 0.5


@runtime_checkable
class AudioEmbedder(Protocol):
    """Turns windows of sound into vectors.

    Attributes:
        name: checkpoint's name, as a table prints it. sha256: hash of its weights and
            configuration.
        sample_rate_hz: the rate it hears at. window_seconds: length of one window. width: D.
    """

    name: str
    sha256: str
    sample_rate_hz: int
    window_seconds: float
    width: int

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → [N, D]."""
        ...


@runtime_checkable
class TextAudioEncoder(AudioEmbedder, Protocol):
    """Sounds and sentences in one space."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → [N, D]."""
        ...


@runtime_checkable
class ImageEmbedder(Protocol):
    """Turns pictures into vectors; ``name``, ``sha256`` and ``width`` as in
    :class:`AudioEmbedder`.
    """

    name: str
    sha256: str
    width: int

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → [N, D]."""
        ...


@runtime_checkable
class ImageMusicEncoder(AudioEmbedder, Protocol):
    """Sounds and pictures in one space."""

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → [N, D]."""
        ...


@runtime_checkable
class Tagger(AudioEmbedder, Protocol):
    """An embedder that also names what it hears: C labels."""

    labels: tuple[str, ...]

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → logits [N, C]."""
        ...


def windows(sound: np.ndarray, sample_rate_hz: float, encoder: AudioEmbedder) -> np.ndarray:
    """Cuts a clip into the windows an encoder hears, at the encoder's own rate; the policy stands
    at the head of this module.
    """
    sound = np.asarray(sound, np.float32)
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise KlangfarbeError("a mono clip [samples] of finite values",
                              f"{sound.shape}, {int((~np.isfinite(sound)).sum())} not finite",
                              "average the channels and export it again")
    if not 1000 <= sample_rate_hz <= 400_000 or len(sound) < MIN_SECONDS * sample_rate_hz:
        raise KlangfarbeError(f"at least {MIN_SECONDS} s of sound at 1,000 to 400,000 Hz",
                              f"{len(sound)} samples at {sample_rate_hz} Hz",
                              "check the rate, or give a longer clip")
    if sample_rate_hz != encoder.sample_rate_hz:
        sound = soxr.resample(sound, sample_rate_hz, encoder.sample_rate_hz)
    length = round(encoder.window_seconds * encoder.sample_rate_hz)
    if len(sound) < length:
        return np.resize(sound, (1, length))
    whole, rest = divmod(len(sound), length)
    cut = sound[: whole * length].reshape(whole, length)
    return np.concatenate([cut, sound[None, -length:]]) if 2 * rest >= length else cut


def embed_clips(encoder: AudioEmbedder, sounds: Sequence[np.ndarray], sample_rate_hz: float, *,
                batch: int = 32, cached: bool = False) -> np.ndarray:
    """One vector a clip: the mean of its windows' vectors, as the encoder gives them (not
    normalised again).

    Args:
        encoder: answers to :class:`AudioEmbedder`.
        sounds: N clips, each [samples] mono at `sample_rate_hz`; lengths may differ.
        batch: windows at a time; it does not change the result.
        cached: keep the result under ``data/processed/embeddings/``, named by the hash of
            checkpoint, clips and rate.

    Returns:
        float64 [N, D].
    """
    if not cached:
        return mean_over_windows(encoder, encoder.embed, encoder.width, sounds, sample_rate_hz,
                                 batch)
    key = provenance.content_hash(f"{encoder.sha256} {sample_rate_hz} {WINDOWS}".encode(),
                                  *(np.asarray(s, np.float32) for s in sounds))
    path = paths.PROCESSED / "embeddings" / f"{key}.npy"
    if not path.is_file():
        artefacts.write(path, embed_clips(encoder, sounds, sample_rate_hz, batch=batch))
    return artefacts.read(path)


def logits_of_clips(encoder: Tagger, sounds: Sequence[np.ndarray], sample_rate_hz: float, *,
                    batch: int = 32) -> np.ndarray:
    """One row of logits a clip, the mean of its windows' logits: float64 [N, C]. Arguments as
    :func:`embed_clips`.
    """
    return mean_over_windows(encoder, encoder.logits, len(encoder.labels), sounds, sample_rate_hz,
                             batch)


def predict_affect(tagger: Tagger, sounds: Sequence[np.ndarray],
                   sample_rate_hz: float) -> np.ndarray:
    """Valence and arousal of each clip, the mean of its windows': float64 [N, 2] in [−1, 1]."""
    return mean_over_windows(tagger, tagger.affect, 2, list(sounds), sample_rate_hz)


def embed_pictures(encoder: ImageEmbedder, pictures: np.ndarray, *, batch: int = 32) -> np.ndarray:
    """One vector a picture: uint8 [N, H, W, 3] → float64 [N, D]."""
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8 or not len(
        pictures):
        raise KlangfarbeError("pictures uint8 [N, H, W, 3], N ≥ 1",
                              f"{pictures.dtype} {pictures.shape}",
                              "convert with images.from_tensor")
    return np.concatenate([check_vectors(encoder, encoder.embed_pictures(pictures[i : i + batch]),
                                   len(pictures[i : i + batch]), encoder.width)
                           for i in range(0, len(pictures), batch)])


def card(encoder: AudioEmbedder | ImageEmbedder) -> dict:
    """What a table prints about the network behind a number.

    Returns:
        ``name``, ``sha256``, ``width``; where the encoder has them ``revision`` and ``licence``;
        for a network that hears also ``sample_rate_hz``, ``window_seconds`` and ``windows`` (the
        policy).
    """
    told = {name: getattr(encoder, name)
            for name in ("name", "sha256", "revision", "licence", "width")
            if hasattr(encoder, name)}
    if hasattr(encoder, "sample_rate_hz"):
        told |= {"sample_rate_hz": encoder.sample_rate_hz, "window_seconds": encoder.window_seconds,
                 "windows": WINDOWS}
    return told


def check_vectors(encoder, vectors: np.ndarray, count: int, width: int) -> np.ndarray:
    """An encoder's answer as float64 [count, width]."""
    vectors = np.asarray(vectors, np.float64)
    if vectors.shape != (count, width):
        raise KlangfarbeError(f"vectors [{count}, {width}] from {encoder.name}", str(vectors.shape),
                              "mend its width or its output")
    if not np.isfinite(vectors).all():
        raise KlangfarbeError(f"finite vectors from {encoder.name}", "NaN or infinity",
                              "load its weights again; in half precision, try float32")
    return vectors


def mean_over_windows(encoder: AudioEmbedder, answer: Callable, width: int,
                      sounds: Sequence[np.ndarray], sample_rate_hz: float,
                      batch: int = 32) -> np.ndarray:
    """Any answer of an encoder, averaged over each clip's windows: `answer` takes windows [B,
    samples] and gives [B, width].

    Returns:
        float64 [N, width].
    """
    if len(sounds) == 0 or batch < 1:
        raise KlangfarbeError("at least one clip and a batch of at least 1",
                              f"{len(sounds)} clips, batch {batch}", "give some clips")
    sums, counts = np.zeros((len(sounds), width)), np.zeros(len(sounds))
    for owners, cut in _batches(encoder, sounds, sample_rate_hz, batch):
        np.add.at(sums, owners, check_vectors(encoder, answer(cut), len(cut), width))
        np.add.at(counts, owners, 1)
    return sums / counts[:, None]


def _batches(encoder, sounds: Sequence[np.ndarray], sample_rate_hz: float,
             batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(which clip each window is of [B], windows [B, samples]), batches running on from clip to
    clip.
    """
    owners, waiting = [], []
    for index, sound in enumerate(sounds):
        for window in windows(sound, sample_rate_hz, encoder):
            owners.append(index)
            waiting.append(window)
            if len(waiting) == batch:
                yield np.array(owners), np.stack(waiting)
                owners, waiting = [], []
    if waiting:
        yield np.array(owners), np.stack(waiting)
