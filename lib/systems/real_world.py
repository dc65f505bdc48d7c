"""Pictures, music and comments from outside the atelier. Networks that packages carry look and
listen (lib.pretrained.real_world); heads, fitted in notebook 06 on what people said and bundled
with cards, read feeling off their features. What is the atelier's, which has parts of its own, is
told apart first. Source: ours; Rahimi & Recht (2007) for the random features.  Notebook: 06, 93."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import readable
from lib.metrics import embedders
from lib.signal import affect

FOLDER = paths.MINIATURES / "real_world"
SURE = 0.6     # a half of the works less likely than this is called unsure
SPREAD = 0.55  # standard deviation of valence and of arousal in the atelier
SIDES = 0.2    # weight of 4Q's sides beside Emotify's points: about half of their spread
SEEN_AT = 260  # pixels a side, at which EfficientNet-Lite2 looks
N_RANDOM = 2000
# which of musicnn's features a head of music reads: the last layer and the tags, or the pools
HEARS = {"emotions": slice(0, 250), "sides": slice(250, None)}
# By which scores of a ridge on 0 and 1 become shares: for 1,624 works, artists held out, the
# likeliest genre has .63 on average and is right in .63.
GENRE_SHARPNESS = 6.0


@dataclass(frozen=True)
class Head:
    """Features [N, D], standardised (and spread by a kernel's random features where `gamma` is
    not 0), to K numbers, linearly."""
    mean: np.ndarray    # float32 [D]
    scale: np.ndarray   # float32 [D]
    weight: np.ndarray  # float32 [D or N_RANDOM, K]
    bias: np.ndarray    # float32 [K]
    gamma: float = 0.0

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features [N, D] → float64 [N, K]."""
        rows = (np.asarray(features, np.float64) - self.mean) / self.scale
        return spread(rows, self.gamma) @ self.weight + self.bias


def spread(rows: np.ndarray, gamma: float) -> np.ndarray:
    """Standardised features [N, D] → [N, N_RANDOM], whose products are about
    exp(−gamma · |x − y|² / D), the same at every call; `gamma` 0: as they are."""
    if not gamma:
        return rows
    # the old generator, whose numbers no version of NumPy may change
    random = np.random.RandomState(0)
    waves = random.normal(0, np.sqrt(2 * gamma / rows.shape[1]), (rows.shape[1], N_RANDOM))
    return np.sqrt(2 / N_RANDOM) * np.cos(rows @ waves + random.uniform(0, 2 * np.pi, N_RANDOM))


def fit(features: np.ndarray, targets: np.ndarray, gamma: float = 0.0) -> Head:
    """Ridge regression of targets [N, K] on features [N, D]; the penalty of each target by
    leave-one-out on these items alone."""
    from sklearn.linear_model import RidgeCV  # slow, and hear and paint fit nothing

    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    penalties = np.logspace(-2, 2.5, 12) if gamma else np.logspace(1, 6, 16)
    line = RidgeCV(penalties, alpha_per_target=True).fit(
        spread((features - mean) / scale, gamma), targets.reshape(len(targets), -1))
    # of a single target scikit-learn gives one axis less
    weight = np.reshape(np.asarray(line.coef_), (-1, line.n_features_in_)).T
    small = [np.asarray(some, np.float32)
             for some in (mean, scale, weight, np.ravel(line.intercept_))]
    return Head(*small, gamma=gamma)


def save(kind: str, heads: dict[str, Head], card: dict) -> None:
    """Writes the heads of "pictures", "music" or "comments" and their card, to be bundled."""
    tensors = {f"{name}.{part}": torch.from_numpy(np.ascontiguousarray(value))
               for name, head in heads.items() for part, value in vars(head).items()
               if part != "gamma"}
    gammas = {name: head.gamma for name, head in heads.items()}
    artefacts.write(FOLDER / f"{kind}.safetensors", tensors)
    artefacts.write(FOLDER / f"{kind}.json", {"gamma": gammas} | card)


@functools.cache
@readable("heads and their cards, whole", "real_world", "git checkout data/miniatures")
def load(kind: str) -> tuple[dict[str, Head], dict]:
    """The bundled heads of "pictures", "music" or "comments" by name, and their card."""
    tensors, card = (artefacts.read(FOLDER / f"{kind}.{form}") for form in ("safetensors", "json"))
    parts = ("mean", "scale", "weight", "bias")
    return {name: Head(*(tensors[f"{name}.{part}"].numpy() for part in parts), gamma=gamma)
            for name, gamma in card["gamma"].items()}, card


@functools.cache
def _encoder(part: str):
    return pretrained.load(part, pretrained.PACKAGE, device="cpu")


def picture_features(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 [H, W, 3] → float32 [N, 2400], EfficientNet-Lite2's."""
    return _encoder("picture_features").embed_pictures(pictures)


def music_features(sounds: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
    """Sounds float32 [samples] → float32 [N, 1756], musicnn's, means over windows of 3 s."""
    encoder = _encoder("music_tags")
    return embedders.mean_over_windows(encoder, encoder.features, encoder.n_features, sounds,
                                       sample_rate_hz).astype(np.float32)


@functools.cache
def _vader() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()  # it reads its lexicon: once


def vader_features(texts: Sequence[str]) -> np.ndarray:
    """VADER's shares of negative, neutral and positive words and their sum in [−1, 1]: N texts →
    float32 [N, 4]. Source: Hutto & Gilbert (2014)."""
    scores = [_vader().polarity_scores(text) for text in texts]
    return np.array([[score[name] for name in ("neg", "neu", "pos", "compound")]
                     for score in scores], np.float32).reshape(-1, 4)


def comment_features(texts: Sequence[str]) -> np.ndarray:
    """N texts → float32 [N, 388]: MiniLM's vector, what a text speaks of, and VADER's numbers, how
    it is meant. Short texts go first, so that little of a batch is padding."""
    texts, encoder = list(texts), _encoder("sentences")
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.empty((len(texts), encoder.width), np.float32)
    vectors[order] = encoder.embed_text([texts[row] for row in order])
    return np.hstack([vectors, vader_features(texts)])


def combine(shares: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """What is felt in music, [N, 2] in arbitrary units: the point of Emotify's nine emotions by
    their predicted shares [N, 9], moved towards the side that 4Q's head hears, [N, 2]."""
    return affect.from_emotions(np.maximum(shares, 0), affect.GEMS_POINTS) + SIDES * sides


def felt(kind: str, heads: dict[str, Head], features: np.ndarray) -> np.ndarray:
    """What a kind's heads read off features [N, D]: [N, 2], unscaled."""
    if kind == "music":
        return combine(*(heads[name](features[:, part]) for name, part in HEARS.items()))
    return heads["affect"](features)


class Felt(NamedTuple):
    """What the real world's parts say of a picture or a piece."""
    atelier: bool       # it looks or sounds like the atelier's: then the atelier's parts speak
    valence: float      # in [−1, 1], as people place such works, whose spread is narrow
    arousal: float
    point: np.ndarray   # [2], where it lies in the atelier: as many standard deviations from 0
    pleasant: float     # probability that people find it more pleasant than half of such works
    genre: str = ""     # a painting's likeliest, with its probability
    genre_share: float = 0.0

    @property
    def told(self) -> str:
        """Which half of such works it belongs to, as sure as that is, and where it would lie."""
        sure = max(self.pleasant, 1 - self.pleasant)
        half = f"{'more' if self.pleasant >= 0.5 else 'less'} pleasant than most, {sure:.0%} sure"
        genre = f"a {self.genre} ({self.genre_share:.0%}), " if self.genre else ""
        return (f"{genre}{half if sure >= SURE else f'pleasant or not: unsure ({sure:.0%})'}; "
                f"valence {self.valence:+.2f}, arousal {self.arousal:+.2f} as people place it")


def feel(kind: str, features: np.ndarray) -> list[Felt]:
    """What the bundled heads read off features of "pictures" or "music" [N, D]."""
    heads, card = load(kind)
    # in standard deviations of what is read off works that were held out
    steps = (felt(kind, heads, features) - card["mean"]) / card["spread"]
    valence, arousal = (card["people_mean"] + card["people_spread"] * np.array(card["r"])
                        * steps).T
    slope, middle = card["pleasant"]
    pleasant = 1 / (1 + np.exp(-(slope * steps[:, 0] + middle)))
    atelier = heads["atelier"](features)[:, 0] > 0
    points = np.clip(SPREAD * steps, -1, 1)
    genres = [("", 0.0)] * len(features)
    if "genre" in heads:
        scores = np.exp(GENRE_SHARPNESS * heads["genre"](features))
        shares = scores / scores.sum(axis=1, keepdims=True)
        genres = [(card["genres"][k], float(row[k])) for row, k in
                  zip(shares, shares.argmax(axis=1))]
    return [Felt(bool(a), float(v), float(e), point, float(p), *genre) for a, v, e, point, p, genre
            in zip(atelier, valence, arousal, points, pleasant, genres)]


def read(texts: Sequence[str]) -> np.ndarray:
    """Where comments would lie in the atelier, [N, 2]."""
    heads, card = load("comments")
    steps = (felt("comments", heads, comment_features(texts)) - card["mean"]) / card["spread"]
    return np.clip(SPREAD * steps, -1, 1)


def look(pictures: Sequence[np.ndarray]) -> list[Felt]:
    """What the bundled heads see in pictures uint8 [H, W, 3]."""
    return feel("pictures", picture_features(pictures))


def listen(sounds: Sequence[np.ndarray], sample_rate_hz: int) -> list[Felt]:
    """What the bundled heads hear in sounds float32 [samples]."""
    return feel("music", music_features(sounds, sample_rate_hz))


def terms(points: np.ndarray) -> np.ndarray:
    """Points of the plane [N, 2] → v, a, va, v², a², float64 [N, 5]."""
    v, a = np.asarray(points, np.float64).T
    return np.stack([v, a, v * a, v * v, a * a], axis=1)


def clip_vectors(what: str, points: np.ndarray) -> np.ndarray:
    """Unit vectors float32 [N, D] that the bundled CLIP gives the atelier's pictures ("image") or
    comments ("text") of these points [N, 2], on average: what a network of the atelier can read."""
    vectors = load("atelier")[0][what](terms(points))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
