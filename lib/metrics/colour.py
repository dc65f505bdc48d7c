"""How colourful and how bright pictures are: what "grey" means, as a number."""

import numpy as np


def saturation(pictures: np.ndarray) -> np.ndarray:
    """Mean saturation of each picture, uint8 [N, H, W, 3] → float64 [N] in [0, 1]: HSV's S, (max − min)/max a pixel, 0 for any grey.

    Black counts as grey. It cannot see which colours, nor whether they fit one another.

    Source: Smith (1978), Color gamut transform pairs.  Notebook: 33, 34.
    """
    top, low = pictures.max(axis=-1).astype(np.float64), pictures.min(axis=-1)
    return ((top - low) / np.maximum(top, 1)).mean(axis=(1, 2))


def brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean luma of each picture, uint8 [N, H, W, 3] → float64 [N] in [0, 1] (weights .299, .587, .114)."""
    return (pictures @ np.array([0.299, 0.587, 0.114]) / 255).mean(axis=(1, 2))
