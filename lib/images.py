"""Pictures in and out: loading with one clear line for a bad file, cropping letterbox bars, resizing, contact sheets."""

from pathlib import Path

import numpy as np

from lib.errors import KlangfarbeError


def load(path: Path | str, *, size: int | None = None) -> np.ndarray:
    """Loads a picture, crops black letterbox bars and the centre square, and resizes it.

    Returns:
        uint8 [H, W, 3]; H = W = `size` where it is given.

    Raises:
        KlangfarbeError: missing, empty, or not a picture.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.is_file():
        raise KlangfarbeError("a picture", f"{path}: no such file", "check the path")
    try:
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise KlangfarbeError("a picture (png, jpg, webp)", f"{path}: {error}", "open it in an image program and export it again") from error
    picture = crop_bars(picture)
    return picture if size is None else square(picture, size)


def crop_bars(picture: np.ndarray, darkness: int = 12) -> np.ndarray:
    """Removes uniformly dark rows and columns at the edges: uint8 [H, W, 3] → uint8 [h, w, 3]. A wholly dark picture stays."""
    lit = picture.max(axis=2) > darkness
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.02), np.flatnonzero(lit.mean(axis=0) > 0.02)
    if len(rows) < 8 or len(columns) < 8:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """Centre square, resized by area averaging: uint8 [H, W, 3] → uint8 [size, size, 3]."""
    from PIL import Image

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = Image.fromarray(picture[top : top + side, left : left + side])
    return np.asarray(cut.resize((size, size), Image.Resampling.BOX if size < side else Image.Resampling.BICUBIC))


def to_tensor(pictures: np.ndarray):
    """uint8 [B, H, W, 3] → float32 tensor [B, 3, H, W] in [−1, 1]: what the GAN and the diffusion model see."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def from_tensor(tensor) -> np.ndarray:
    """float tensor [B, 3, H, W] in [−1, 1] → uint8 [B, H, W, 3]; values outside are clipped."""
    scaled = ((tensor.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def sheet(pictures: np.ndarray, columns: int, gap: int = 2, scale: int = 1) -> np.ndarray:
    """Contact sheet: uint8 [B, H, W, 3] → uint8 [rows·(H+gap)−gap, columns·(W+gap)−gap, 3] on white, pixels enlarged `scale` times."""
    pictures = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = picture
    return canvas
