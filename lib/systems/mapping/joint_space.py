"""A space for pictures and sounds that was not trained: their similarity to the same sentences.

    picture ──CLIP──► cosine with each of P sentences ─┐
    sound ──CLAP────► cosine with each of P sentences ─┴─ standardised each, unit length ─► [P]

IMSM can use it after the same check as any other encoder of ``lib.metrics.embedders``.

Source: Moschella et al. (2023), "Relative representations enable zero-shot latent space
communication"; Deepika §6.1.2 takes CLIP's and an audio network's vectors as if in one space.
Notebook: 24, 27.
"""

import hashlib

import numpy as np

from lib.data.atelier import TEST_SEED, paint, render
from lib.data.atelier.lexicon import FEELINGS, MOODS
from lib.metrics import embedders, text_audio
from lib.signal.affect import EMOTION_POINTS
from lib.systems import evaluation
from lib.systems.mapping import data

# TEST_SEED's items that the space is checked on
CHECKED_FROM, N_CHECKED, SECONDS = 690_000, 80, 5.0


class JointSpace:
    """Pictures and sounds as their similarity to P sentences, standardised by the mean and spread
    over some of either (some sentences are near to everything), none of them a test item."""

    def __init__(self, clip, clap, pictures: np.ndarray, sounds, sample_rate_hz: float):
        of_pictures, of_music = emotion_sentences()
        self._clip, self._clap = clip, clap
        self._of_pictures = _unit(clip.embed_text(of_pictures))
        self._of_music = _unit(clap.embed_text(of_music))
        self.name, self.width = f"anchors of {clip.name} and {clap.name}", len(of_pictures)
        self.sample_rate_hz, self.window_seconds = clap.sample_rate_hz, clap.window_seconds
        self.sha256 = hashlib.sha256("\n".join([clip.sha256, clap.sha256, *of_pictures,
                                                *of_music]).encode()).hexdigest()
        similar = (_unit(embedders.embed_pictures(clip, pictures)) @ self._of_pictures.T,
                   _unit(embedders.embed_clips(clap, sounds, sample_rate_hz)) @ self._of_music.T)
        self._mean = [x.mean(0) for x in similar]
        self._spread = [np.maximum(x.std(0), 1e-6) for x in similar]

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → float64 [N, P]."""
        similar = _unit(self._clip.embed_pictures(pictures)) @ self._of_pictures.T
        return _unit((similar - self._mean[0]) / self._spread[0])

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] at ``sample_rate_hz`` → float64 [N, P]."""
        similar = _unit(self._clap.embed(windows)) @ self._of_music.T
        return _unit((similar - self._mean[1]) / self._spread[1])


def fit(clip, clap, pairs: data.PairedData, rate_hz: int, *, n: int = 150,
        seed: int = 0) -> JointSpace:
    """The space standardised by `n` training pairs, whose sounds are at `rate_hz`."""
    rows = np.sort(np.random.default_rng(seed).permutation(pairs.rows("train"))[:n])
    sounds = [np.asarray(pairs.sounds[row, : round(SECONDS * rate_hz)], np.float32) for row in rows]
    return JointSpace(clip, clap, pairs.pictures[rows], sounds, rate_hz)


def check(space: JointSpace, side: int = 128, seed: int = 0):
    """``text_audio.verify_encoder`` on fresh items, a painting and its own piece; refuses a space
    at chance."""
    items = range(CHECKED_FROM, CHECKED_FROM + N_CHECKED)
    return text_audio.verify_encoder(space, list(render.sounds(TEST_SEED, items, SECONDS)[0]),
                                     render.SAMPLE_RATE_HZ,
                                     paint.pictures(TEST_SEED, items, side)[0], seed=seed)


def emotion_sentences() -> tuple[list[str], list[str]]:
    """P sentences about pictures, P about music: the lexicons' three words nearest to each
    emotion."""
    def nearest(lexicon: dict, point) -> list[str]:
        return sorted(lexicon, key=lambda word: (lexicon[word][0] / 10 - point[0]) ** 2
                      + (lexicon[word][1] / 10 - point[1]) ** 2)[:3]

    points = EMOTION_POINTS.values()
    return ([f"a painting. it feels {word}." for at in points for word in nearest(FEELINGS, at)],
            [f"a {word} piece of music." for at in points for word in nearest(MOODS, at)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return evaluation.unit(np.asarray(vectors, np.float64))
