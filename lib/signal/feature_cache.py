"""Features of many sounds, kept on disk by what they are computed from, resumed after a kill."""

import functools
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.signal import audio, features

CHUNK = 40  # sounds a file: what a kill can cost


def table(recipe: bytes, indices: Sequence[int], sound_of: Callable[[int], np.ndarray], *,
          n_jobs: int = 0, label: str = "features") -> np.ndarray:
    """Features of sounds, float32 [n, 135]; a chunk on disk is not computed again. `recipe`: bytes
    that say what the sounds are; `sound_of`: index → mono sound [N] at 22 050 Hz, picklable.
    """
    indices = [int(i) for i in indices]
    code = Path(features.__file__).read_bytes()
    folder = paths.PROCESSED / "features" / provenance.content_hash(recipe, np.array(indices), code)
    chunks = {folder / f"{start:06d}.npy": indices[start : start + CHUNK]
              for start in range(0, len(indices), CHUNK)}
    missing = [file for file, chunk in chunks.items() if not _is_whole(file, len(chunk))]
    for file in tqdm(missing, desc=label, file=sys.stderr, mininterval=2.0, ascii=True,
                     disable=not missing):
        rows = features.in_processes(functools.partial(_row, sound_of), chunks[file], n_jobs)
        artefacts.write(file, np.stack(rows))
    return np.concatenate([np.zeros((0, len(features.NAMES)), np.float32),
                           *(artefacts.read(file) for file in chunks)])


def of_files(files: Sequence[Path | str], *, seconds: float | None = 45.0,
             n_jobs: int = 0) -> np.ndarray:
    """Features of sound files' middle `seconds`, float32 [n, 135], kept by the files' content."""
    files = [Path(file) for file in files]
    if missing := [file for file in files if not file.is_file()]:
        raise KlangfarbeError("sound files", f"{missing[0]}: no such file", "check the path")
    recipe = repr(seconds).encode() + b"".join(hashlib.sha256(file.read_bytes()).digest()
                                               for file in files)
    sound_of = functools.partial(_load, files, seconds)
    return table(recipe, range(len(files)), sound_of, n_jobs=n_jobs)


def _load(files: list[Path], seconds: float | None, index: int) -> np.ndarray:
    return audio.load(files[index], seconds=seconds)


def _row(sound_of: Callable[[int], np.ndarray], index: int) -> np.ndarray:
    return features.extract(sound_of(index))


def _is_whole(file: Path, n_rows: int) -> bool:
    try:
        return artefacts.read(file).shape == (n_rows, len(features.NAMES))
    except KlangfarbeError:  # absent or damaged
        return False
