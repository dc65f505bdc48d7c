"""Pictures, music and comments from outside the atelier. Networks that packages carry look and
listen (lib.pretrained.real_world); linear heads, fitted on what people said (notebook 06) and
bundled with a card, read valence, arousal and more off their features. Whether something is of the
atelier, which has parts of its own, is told first, by the same features.  Notebook: 06, 93."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts, paths
from lib.metrics import embedders
from lib.signal import affect

FOLDER = paths.MINIATURES / "real_world"
GENRES = ("abstract", "cityscape", "genre painting", "landscape", "portrait", "religious painting",
          "still life")
SURE = 0.6  # a sign of valence that is less likely than this is called unsure
SPREAD = 0.55  # standard deviation of valence and of arousal in the atelier
# As a linear map of these, vectors of the atelier's items follow from where they lie in the plane.
TERMS = (lambda v, a: v, lambda v, a: a, lambda v, a: v * a, lambda v, a: v * v, lambda v, a: a * a)


class Head(NamedTuple):
    """A linear map of features [N, D] to K numbers."""
    weight: np.ndarray  # float32 [D, K]
    bias: np.ndarray    # float32 [K]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(features, np.float64) @ self.weight + self.bias


def head_of(pipeline: Any) -> Head:
    """A fitted StandardScaler and linear model as one map of the features as they are."""
    scaler, line = pipeline[0], pipeline[-1]
    weight = np.atleast_2d(line.coef_).T / scaler.scale_[:, None]
    return Head(weight.astype(np.float32),
                (line.intercept_ - scaler.mean_ @ weight).astype(np.float32))


def save(kind: str, heads: dict[str, Head], card: dict) -> None:
    """Writes the heads of pictures, music or comments and their card, to be bundled."""
    tensors = {f"{name}.{part}": torch.from_numpy(np.ascontiguousarray(value))
               for name, head in heads.items() for part, value in head._asdict().items()}
    artefacts.write(FOLDER / f"{kind}.safetensors", tensors)
    artefacts.write(FOLDER / f"{kind}.json", card)


@functools.cache
def load(kind: str) -> tuple[dict[str, Head], dict]:
    """The bundled heads of "pictures", "music" or "comments" by name, and their card."""
    tensors = artefacts.read(FOLDER / f"{kind}.safetensors")
    names = dict.fromkeys(name.rsplit(".", 1)[0] for name in tensors)
    return ({name: Head(*(tensors[f"{name}.{part}"].numpy() for part in Head._fields))
             for name in names}, artefacts.read(FOLDER / f"{kind}.json"))


class Felt(NamedTuple):
    """What is read off a picture or a piece."""
    atelier: bool     # one of the atelier's: then the atelier's own parts speak
    valence: float    # in [−1, 1] on the scale of people's ratings, whose spread is narrow
    arousal: float
    positive: float   # probability that people's valence is above the collection's middle
    genre: str = ""   # of a painting, with its probability
    genre_probability: float = 0.0

    @property
    def point(self) -> np.ndarray:
        """Where it would lie in the atelier: as far from the mean, in standard deviations, [2]."""
        return to_atelier(np.array([[self.valence, self.arousal]]), "pictures")[0]


def picture_features(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 [H, W, 3] → float32 [N, D]: EfficientNet-Lite2's, a mean over the picture and
    its mirror image."""
    encoder = _encoder("picture_features")
    mirrored = [picture[:, ::-1] for picture in pictures]
    return (encoder.embed_pictures(pictures) + encoder.embed_pictures(mirrored)) / 2


def music_features(sounds: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
    """Sounds float32 [samples] → float32 [N, D]: musicnn's pools, means over windows."""
    encoder = _encoder("music_tags")
    return embedders.mean_over_windows(encoder, encoder.pools, encoder.model.n_pooled, sounds,
                                       sample_rate_hz).astype(np.float32)


@functools.cache
def _encoder(part: str):
    return pretrained.load(part, pretrained.PACKAGE, device="cpu")
