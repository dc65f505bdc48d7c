"""The independent judge of pictures, seen by no generator: colour, texture → valence, arousal."""

from typing import Any

import numpy as np
from PIL import Image
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.core import artefacts, paths

# every picture is judged at 32², so that a 32² sample and a 224² painting meet the same eyes
JUDGE_SIZE = 32


def picture_features(pictures: np.ndarray) -> np.ndarray:
    """Colour (brightness, saturation, opponent colours, hue) and texture (gradients, contrast of
    halves, symmetry) of pictures uint8 [N, H, W, 3], area-averaged to 32²: float32 [N, F]."""
    count, height, width, _ = pictures.shape
    if height % JUDGE_SIZE == 0 and width % JUDGE_SIZE == 0:  # whole blocks
        small = pictures.reshape(count, JUDGE_SIZE, height // JUDGE_SIZE, JUDGE_SIZE,
                                 width // JUDGE_SIZE, 3).mean((2, 4), dtype=np.float32)
    else:
        small = np.stack([np.asarray(Image.fromarray(picture).resize(
            (JUDGE_SIZE, JUDGE_SIZE), Image.Resampling.BOX), np.float32) for picture in pictures])
    rgb = small / np.float32(255)  # [N, 32, 32, 3]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    top, low = rgb.max(-1), rgb.min(-1)
    saturation = (top - low) / np.maximum(top, 1e-3)
    grey = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    hue = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    across, down = np.diff(grey, axis=2)[:, :-1], np.diff(grey, axis=1)[:, :, :-1]
    edge, angle = np.hypot(across, down), np.arctan2(down, across)
    coarse = grey.reshape(count, 8, 4, 8, 4).mean((2, 4))
    columns = []
    for channel in (grey, top, saturation, top - low, red_green, yellow_blue):
        columns += [channel.mean((1, 2)), channel.std((1, 2)),
                    *(np.quantile(channel, q, axis=(1, 2)) for q in (0.1, 0.5, 0.9))]
    columns += [((top - low) * turn(k * hue)).mean((1, 2))
                for turn in (np.cos, np.sin) for k in (1, 2, 3)]
    columns += [edge.mean((1, 2)), edge.std((1, 2)), np.quantile(edge, 0.5, axis=(1, 2)),
                np.quantile(edge, 0.9, axis=(1, 2)), (edge > 0.1).mean((1, 2))]
    columns += [(edge * turn(k * angle)).mean((1, 2)) for k in (2, 4) for turn in (np.cos, np.sin)]
    columns += [coarse.std((1, 2)), (grey - coarse.repeat(4, 1).repeat(4, 2)).std((1, 2)),
                grey[:, :16].mean((1, 2)) - grey[:, 16:].mean((1, 2)),
                np.abs(grey - grey[:, :, ::-1]).mean((1, 2)),
                np.abs(grey - grey[:, ::-1]).mean((1, 2)),
                saturation[:, :16].mean((1, 2)) - saturation[:, 16:].mean((1, 2))]
    return np.stack(columns, axis=1).astype(np.float32)


class PictureRegressor:
    """Standardised :func:`picture_features` → kernel ridge; its CCC is its numbers' ceiling."""

    def __init__(self, estimator: Any = None):
        self.estimator = estimator

    def fit(self, pictures: np.ndarray, affect: np.ndarray) -> "PictureRegressor":
        """Fits on pictures uint8 [N, H, W, 3] and their affect [N, 2] in [−1, 1]."""
        features = picture_features(pictures).astype(np.float64)
        # width of the kernel: the mean squared distance of standardised rows is twice their number
        ridge = KernelRidge(kernel="rbf", gamma=0.25 / features.shape[1]).set_params(alpha=0.1)
        self.estimator = make_pipeline(StandardScaler(), ridge).fit(features, affect)
        return self

    def predict(self, pictures: np.ndarray) -> np.ndarray:
        """(valence, arousal) of pictures uint8 [N, H, W, 3]: float64 [N, 2], clipped to [−1, 1]."""
        return np.clip(self.estimator.predict(picture_features(pictures).astype(np.float64)), -1, 1)


def load_picture_regressor() -> PictureRegressor:
    """The bundled judge of every profile, fitted on atelier pictures of ``JUDGE_SEED``."""
    return PictureRegressor(artefacts.read(paths.MINIATURES / "judge" / "picture_judge.skops"))
