"""Pictures in and out: one clear line for a bad file, letterbox bars, squares, sheets."""

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from lib.core.errors import KlangfarbeError

# text beside a PNG's pixels, bytes: more than any camera writes, less than would hurt
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**26


def load(path: Path | str, *, size: int | None = None) -> np.ndarray:
    """A picture file → sRGB uint8 [H, W, 3] without black letterbox bars, upright, on white where
    it is transparent; with `size`, the centre square at H = W = `size`."""
    # Pillow warns of large scans, which are welcome, and of damaged metadata, which are not used.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    path = Path(path)
    try:
        if not path.is_file() or path.stat().st_size == 0:
            raise OSError(0, "a folder" if path.is_dir() else "empty (0 bytes)" if path.is_file()
                          else "no such file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                upright = _in_srgb(ImageOps.exif_transpose(opened))
                if upright.has_transparency_data and not upright.mode.startswith(("I", "F")):
                    white = Image.new("RGBA", upright.size, "white")
                    upright = Image.alpha_composite(white, upright.convert("RGBA"))
                picture = crop_bars(_to_rgb(upright))
    except (OSError, MemoryError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError,
            RuntimeError) as error:  # each decoder has its own for a damaged file
        got = ("no picture format is recognised in it" if isinstance(error, UnidentifiedImageError)
               else getattr(error, "strerror", None) or error)
        raise KlangfarbeError("a whole picture (png, jpg, webp) of at most 178 million pixels",
                              f"{str(path)[:200]}: {got}",
                              "check the path, copy it again, or export it anew") from error
    return picture if size is None else square(picture, size)


def _in_srgb(picture: Any) -> Any:
    """A Pillow picture in the colours that its profile means, as every browser shows them."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a damaged profile means nothing
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        shown: Any = ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"),
                                          outputMode=mode)
        # most profiles are sRGB's own: there and back is rounding alone
        if picture.mode != mode or np.ptp(np.asarray(ImageChops.difference(
                picture.convert("RGB"), shown.convert("RGB")))) > 3:
            return shown
    return picture


def _to_rgb(picture) -> np.ndarray:
    """uint8 [H, W, 3]; deeper greys, which PIL would clip, on the range of the bits they need."""
    if picture.mode.startswith(("I", "F")):
        grey = np.nan_to_num(np.asarray(picture, np.float64))
        tops = ((255.0, 1023.0, 4095.0, 16383.0, 65535.0) if picture.mode.startswith("I")
                else (1.0, 255.0, 65535.0))
        top = next((t for t in tops if grey.max() <= t), float(grey.max()))
        return np.repeat((255 * np.clip(grey / top, 0, 1)).astype(np.uint8)[:, :, None], 3, axis=2)
    return np.asarray(picture.convert("RGB"))


def crop_bars(picture: np.ndarray, darkness: int = 12) -> np.ndarray:
    """Removes dark rows and columns at the edges: [H, W, 3] → [h, w, 3]; all dark: left."""
    light = (picture > darkness).any(axis=2)
    rows, columns = (np.flatnonzero(light.mean(axis=axis) > 0.02) for axis in (1, 0))
    if len(rows) < 8 or len(columns) < 8:
        return picture
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def squeezed(picture: np.ndarray, side: int) -> np.ndarray:
    """A whole picture uint8 [H, W, 3] squeezed to [side, side, 3]."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """Centre square, resized by area averaging: uint8 [H, W, 3] → uint8 [size, size, 3]."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    cut = Image.fromarray(picture[top : top + side, left : left + side])
    return np.asarray(cut.resize((size, size),
                                 Image.Resampling.BOX if size < side else Image.Resampling.BICUBIC))


def squares(pictures, size: int) -> np.ndarray:
    """Pictures uint8 [H, W, 3] of any sizes, each through :func:`square`: [N, size, size, 3]."""
    for picture in pictures:
        kind, shape = getattr(picture, "dtype", type(picture).__name__), np.shape(picture)
        if kind != np.uint8 or len(shape) != 3 or shape[-1] != 3 or not min(shape):
            raise KlangfarbeError("pictures uint8 [H, W, 3]", f"{kind} {shape}",
                                  "load them with images.load")
    same = [p if p.shape == (size, size, 3) else square(p, size) for p in pictures]
    return np.stack(same) if same else np.zeros((0, size, size, 3), np.uint8)


def to_tensor(pictures: np.ndarray):
    """uint8 [B, H, W, 3] → float32 tensor [B, 3, H, W] in [−1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def from_tensor(tensor) -> np.ndarray:
    """float tensor [B, 3, H, W] in [−1, 1] → uint8 [B, H, W, 3]; values outside are clipped."""
    scaled = ((tensor.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def sheet(pictures: np.ndarray, columns: int, gap: int = 2, scale: int = 1) -> np.ndarray:
    """Contact sheet on white, pixels enlarged `scale` times: uint8 [B, H, W, 3] → [H', W', 3]."""
    pictures = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = picture
    return canvas
