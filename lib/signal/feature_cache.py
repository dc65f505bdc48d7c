"""Features of many sounds, kept on disk: made once, found again by what they are made from, resumed
after a kill.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.signal import audio, features, features_cqt, features_rows
from lib.training import loop

CHUNK = 40  # sounds a file: what a kill can cost


def table(recipe: bytes, indices: Sequence[int], sound_of: Callable[[int], np.ndarray], *,
          n_jobs: int = 0, label: str = "features") -> np.ndarray:
    """Features of sounds that a function makes, computed chunk by chunk; a chunk that is on disk is
    not computed again.

    The folder's name is a hash over `recipe`, `indices` and the code of the features: another sound
    or another definition can never be mistaken for this one. A chunk counts once it is whole
    (written aside, then renamed); one that cannot be read, or has the wrong shape, is made again.

    Args:
        recipe: bytes that say what the sounds are (the code and the settings that make them, or the
            files' own hashes).
        indices: which sounds.
        sound_of: index → mono sound [N] at 22 050 Hz; called in the worker processes, so it must be
            a module's function or a ``functools.partial`` of one.
        n_jobs: processes, as in :func:`lib.signal.features.extract_many`.
        label: of the progress bar.

    Returns:
        float32 [n, 135] in the order of `indices`.

    Notebook: 31_music2image_forest
    """
    indices = [int(i) for i in indices]
    folder = paths.PROCESSED / "features" / provenance.content_hash(recipe, np.array(indices),
                                                                    *_code())
    starts = range(0, len(indices), CHUNK)
    found = {start: _whole(folder / f"{start:06d}.npy", len(indices[start : start + CHUNK]))
             for start in starts}
    missing = [start for start in starts if found[start] is None]
    for step in loop.progress(len(missing), label) if missing else ():
        start = missing[step]
        rows = _rows(indices[start : start + CHUNK], sound_of, features.jobs(n_jobs))
        artefacts.write(folder / f"{start:06d}.npy", rows)
        found[start] = rows
    return np.concatenate([found[start]
                           for start in starts]) if indices else np.zeros((0, len(features.NAMES)),
                                                                          np.float32)


def of_files(files: Sequence[Path | str], *, seconds: float | None = 45.0, n_jobs: int = 0,
             label: str = "features") -> np.ndarray:
    """Features of sound files (the middle `seconds` of each), kept by the files' content: a renamed
    file is known again.

    Returns:
        float32 [n, 135] in the order of `files`.

    Raises:
        KlangfarbeError: a file that :func:`lib.signal.audio.load` refuses; what was computed before
            it is kept.
    """
    files = [Path(file) for file in files]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise KlangfarbeError("sound files", f"{missing[0]}: no such file", "check the path")
    recipe = repr(seconds).encode() + b"".join(hashlib.sha256(file.read_bytes()).digest()
                                               for file in files)
    return table(recipe, range(len(files)), _Loader(files, seconds), n_jobs=n_jobs, label=label)


class _Loader:
    """Loads file `index`; a class because worker processes must be able to receive it."""

    def __init__(self, files: list[Path], seconds: float | None):
        self.files, self.seconds = files, seconds

    def __call__(self, index: int) -> np.ndarray:
        return audio.load(self.files[index], seconds=self.seconds)


def _row(sound_of: Callable[[int], np.ndarray], index: int) -> np.ndarray:
    return features.extract(sound_of(index))


def _rows(indices: list[int], sound_of: Callable[[int], np.ndarray], n_jobs: int) -> np.ndarray:
    if n_jobs == 1 or len(indices) == 1:
        return np.stack([_row(sound_of, index) for index in indices])
    # here: what numba has to compile must not be compiled by several at once (lib.core.workers)
    first = _row(sound_of, indices[0])
    return np.stack([first, *joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(_row)(sound_of, index)
                                                            for index in indices[1:])])


def _code() -> list[bytes]:
    return [Path(module.__file__).read_bytes()
            for module in (features, features_cqt, features_rows)]


def _whole(path: Path, n_rows: int) -> np.ndarray | None:
    """The chunk at `path`, or ``None`` where it is absent, damaged, or not [n_rows, 135]."""
    try:
        rows = artefacts.read(path)
    except KlangfarbeError:
        return None
    return rows if rows.shape == (n_rows, len(features.NAMES)) else None
