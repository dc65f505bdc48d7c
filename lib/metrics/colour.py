"""How colourful and how bright pictures are: what "grey" means, as a number."""

import numpy as np

from lib.core.errors import KlangfarbeError


def saturation(pictures: np.ndarray, side: int = 8) -> np.ndarray:
    """Mean saturation of square pictures uint8 [N, H, H, 3] → float64 [N] in [0, 1]: HSV's S, (max
    − min)/max, 0 for any grey and for black, of the picture averaged to side² blocks: left-over
    noise of a half-trained painter is colourful pixel by pixel and grey from two steps away.
    Card: estimates: how colourful a picture is · direction: – · range: [0, 1] · unit: none ·
        input: pixels 0–255, averaged to side² blocks · aggregation: mean over blocks, one number a
        picture · blind to: which colours, and whether they fit one another · minimum n: 1 ·
        source: Smith (1978), Color gamut transform pairs
    """
    count, height = pictures.shape[:2]
    if height % side or pictures.shape[2] != height:
        raise KlangfarbeError(f"square pictures of a side divisible by {side}", str(pictures.shape),
                              "give another side")
    blocks = pictures.reshape(count, side, height // side, side, height // side, 3).mean((2, 4))
    top, low = blocks.max(axis=-1), blocks.min(axis=-1)
    return ((top - low) / np.maximum(top, 1)).mean(axis=(1, 2))


def brightness(pictures: np.ndarray) -> np.ndarray:
    """Mean luma of pictures uint8 [N, H, W, 3] → float64 [N]: .299 R + .587 G + .114 B, of 255.
    Card: estimates: how light a picture is · direction: – · range: [0, 1] · unit: none · input:
        pixels 0–255, gamma-encoded as stored · aggregation: mean over pixels, one number a
        picture · blind to: contrast: half black, half white is medium grey · minimum n: 1 ·
        source: ITU-R BT.601, luma
    """
    return (pictures @ np.array([0.299, 0.587, 0.114]) / 255).mean(axis=(1, 2))
