"""Features of many sounds, kept on disk: computed once, found again by what they are computed from,
resumed after a kill.
"""

import functools
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.signal import audio, constant_q, features

CHUNK = 40  # sounds a file: what a kill can cost


def table(recipe: bytes, indices: Sequence[int], sound_of: Callable[[int], np.ndarray], *,
          n_jobs: int = 0, label: str = "features") -> np.ndarray:
    """Features of sounds that a function makes, float32 [n, 135], computed chunk by chunk; a chunk
    that is on disk is not computed again.

    The folder's name is a hash over `recipe`, `indices` and the code of the features.

    Args:
        recipe: bytes that say what the sounds are (the code and settings that make them, or the
            files' own hashes).
        sound_of: index → mono sound [N] at 22 050 Hz; called in worker processes, so it must be a
            module's function or a ``functools.partial`` of one.
        n_jobs: processes, see :func:`lib.signal.features.jobs`.
    """
    indices = [int(i) for i in indices]
    code = [Path(module.__file__).read_bytes() for module in (features, constant_q)]
    folder = paths.PROCESSED / "features" / provenance.content_hash(recipe, np.array(indices),
                                                                    *code)
    chunks = {folder / f"{start:06d}.npy": indices[start : start + CHUNK]
              for start in range(0, len(indices), CHUNK)}
    missing = [file for file, chunk in chunks.items() if _read(file, len(chunk)) is None]
    for file in tqdm(missing, desc=label, file=sys.stderr, mininterval=2.0, ascii=True,
                     disable=not missing):
        rows = features.in_processes(functools.partial(_row, sound_of), chunks[file], n_jobs)
        artefacts.write(file, np.stack(rows))
    rows = [artefacts.read(file) for file in chunks]
    return np.concatenate(rows) if rows else np.zeros((0, len(features.NAMES)), np.float32)


def of_files(files: Sequence[Path | str], *, seconds: float | None = 45.0, n_jobs: int = 0,
             label: str = "features") -> np.ndarray:
    """Features of sound files (the middle `seconds` of each), float32 [n, 135], kept by the files'
    content: a renamed file is known again.
    """
    files = [Path(file) for file in files]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise KlangfarbeError("sound files", f"{missing[0]}: no such file", "check the path")
    recipe = repr(seconds).encode() + b"".join(hashlib.sha256(file.read_bytes()).digest()
                                               for file in files)
    sound_of = functools.partial(_load, files, seconds)
    return table(recipe, range(len(files)), sound_of, n_jobs=n_jobs, label=label)


def _load(files: list[Path], seconds: float | None, index: int) -> np.ndarray:
    return audio.load(files[index], seconds=seconds)


def _row(sound_of: Callable[[int], np.ndarray], index: int) -> np.ndarray:
    return features.extract(sound_of(index))


def _read(file: Path, n_rows: int) -> np.ndarray | None:
    """A chunk, or ``None`` where it is absent, damaged, or not [n_rows, 135]."""
    try:
        rows = artefacts.read(file)
    except KlangfarbeError:
        return None
    return rows if rows.shape == (n_rows, len(features.NAMES)) else None
