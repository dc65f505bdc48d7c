"""A space for pictures and sounds that nobody trained: how much each is like a handful of
sentences.

    picture ──CLIP──► cosine with each of P sentences ─┐
                                                       ├─► the sentences' own means taken off, unit length ─► [P]
    sound ──CLAP────► cosine with each of P sentences ─┘

Neither network has met the other's material; both have read the same words. What a picture and a
sound have in common is what can be said of both. It answers to
``lib.metrics.embedders.ImageMusicEncoder``, so that IMSM can use it, after the same check as any
other.

Source: Moschella et al. (2023), "Relative representations enable zero-shot latent space
communication" (the idea of anchors); text 001, §6.1.2 takes CLIP's picture vector and an audio
network's as if they lay in one space, which they do not. Notebook: 24, 27.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, paint, render
from lib.data.atelier.lexicon import FEELINGS, MOODS
from lib.metrics import embedders, text_audio
from lib.signal.affect import EMOTION_POINTS

# TEST_SEED's items that the space is tried on; nothing else draws them
CHECKED_FROM, N_CHECKED, SECONDS = 690_000, 80, 5.0


class Anchors:
    """Pictures and sounds as their likeness to sentences.

    Args:
        sees: CLIP, ``foundations.load("image_text")``. hears: CLAP,
            ``foundations.load("text_audio")``. seen, heard: P sentences each, the same P things
            said of a picture and of music. pictures, sounds: some of either, whose mean likeness is
            taken off (a sentence that one network likes whatever it is given says nothing); neither
            may be a test item. sample_rate_hz: of the sounds.
    """

    def __init__(self, sees, hears, seen: Sequence[str], heard: Sequence[str], pictures: np.ndarray,
                 sounds, sample_rate_hz: float):
        if len(seen) != len(heard) or len(seen) < 3 or len(pictures) < 2 or len(sounds) < 2:
            raise KlangfarbeError(
                "three or more sentences for either, and two or more pictures and sounds",
                f"{len(seen)}, {len(heard)}, {len(pictures)}, {len(sounds)}",
                "give as many of one as of the other")
        self._sees, self._hears = sees, hears
        self._seen, self._heard = _unit(sees.embed_text(list(seen))), _unit(
            hears.embed_text(list(heard)))
        self.name, self.width = f"anchors of {sees.name} and {hears.name}", len(seen)
        self.sample_rate_hz, self.window_seconds = hears.sample_rate_hz, hears.window_seconds
        self.sha256 = hashlib.sha256("\n".join([sees.sha256, hears.sha256, *seen,
                                                *heard]).encode()).hexdigest()
        liked = _unit(embedders.embed_pictures(sees, pictures)) @ self._seen.T, \
            _unit(embedders.embed_clips(hears, sounds, sample_rate_hz)) @ self._heard.T
        self._offset, self._scale = [x.mean(0)
                                     for x in liked], [np.maximum(x.std(0), 1e-6) for x in liked]

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → float64 [N, P]."""
        return _unit((_unit(self._sees.embed_pictures(pictures)) @ self._seen.T - self._offset[0])
                     / self._scale[0])

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] at ``sample_rate_hz`` → float64 [N, P]."""
        return _unit((_unit(self._hears.embed(windows)) @ self._heard.T - self._offset[1])
                     / self._scale[1])


def fitted(sees, hears, known, rate_hz: int, *, n: int = 150, seed: int = 0) -> Anchors:
    """The space of :func:`of_emotions`, its offsets taken from training pairs.

    Args:
        sees, hears: as for :class:`Anchors`. known: a ``targets.Material``. rate_hz: of its sounds.
            n: how many pairs, evenly out of them.
    """
    rows = np.flatnonzero(known.table["split"] == "train")
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    sounds = [np.asarray(known.sounds[row, : round(SECONDS * rate_hz)], np.float32) for row in rows]
    return Anchors(sees, hears, *of_emotions(), known.pictures[rows], sounds, rate_hz)


def checked(space: Anchors, side: int = 128, seed: int = 0):
    """The space put to the two-caption check (``text_audio.verify_encoder``) with fresh atelier items: a
    painting and its own piece.

    Raises:
        KlangfarbeError: it finds a sound's picture among two no more often than luck.
    """
    items = range(CHECKED_FROM, CHECKED_FROM + N_CHECKED)
    sounds, _ = render.sounds(TEST_SEED, items, SECONDS)
    return text_audio.verify_encoder(space, list(sounds), render.SAMPLE_RATE_HZ,
                              paint.pictures(TEST_SEED, items, side)[0], seed=seed)


def of_emotions() -> tuple[list[str], list[str]]:
    """Sentences about feelings, said of a picture and of music: the words of the workbook's
    lexicons, near the five emotion words.
    """
    def nearest(lexicon: dict, point, n: int = 3) -> list[str]:
        return sorted(lexicon, key=lambda word: (lexicon[word][0] / 10 - point[0]) ** 2
                      + (lexicon[word][1] / 10 - point[1]) ** 2)[:n]

    pairs = [pair for point in EMOTION_POINTS.values()
             for pair in zip(nearest(FEELINGS, point), nearest(MOODS, point), strict=True)]
    return [f"a painting. it feels {feeling}." for feeling,
            _ in pairs], [f"a {mood} piece of music." for _, mood in pairs]


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
