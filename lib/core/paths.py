"""Where everything lies. No other module builds a path of its own from the repository's root."""

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from lib.core.errors import KlangfarbeError

ROOT = Path(__file__).resolve().parents[2]
# below it lies all that runs write; a rehearsal has its own, so that it touches no real run
WORK = Path(os.environ.get("KLANGFARBE_WORK") or ROOT)
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"
MINIATURES = DATA / "miniatures"
PROCESSED = WORK / "data" / "processed"
RAW = DATA / "raw"
RESULTS = WORK / "results"
REFERENCE = ROOT / "results" / "reference"
RUNS = WORK / "papermill_runs"
HERE = platform.node()  # a temporary file's name holds who writes it
REAL_DATA_VARIABLE = "KLANGFARBE_REAL_DATA"


class Folder(type(Path())):
    """A path that was given as a folder's, with a slash at its end."""


def results_dir(profile: str, notebook: str) -> Path:
    """The folder a notebook writes to, made if absent: ``results/<profile>/<notebook>/``."""
    folder = RESULTS / profile / notebook
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def real_data(collection: str) -> Path:
    """The folder of one real collection, below the path in ``KLANGFARBE_REAL_DATA``."""
    root = os.environ.get(REAL_DATA_VARIABLE)
    if not root:
        raise KlangfarbeError(
            f"the real collections' folder in the environment variable {REAL_DATA_VARIABLE}",
            "nothing", f"export {REAL_DATA_VARIABLE}=/path/to/collections (see data/README.md)")
    folder = Path(root) / collection
    if not folder.is_dir():
        raise KlangfarbeError(f"the collection {collection!r} in {root}", "no such folder",
                              "see data/README.md for where to get it")
    return folder


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a path beside `path`: renamed to it when the block ends well, else removed."""
    path, temporary = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        start = f".{path.stem[:40]}.{HERE}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(path.suffix, start, path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise KlangfarbeError(f"to write {path}", error.strerror or str(error),
                              "free some space; what stood there is untouched") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sweep(*folders: Path) -> None:
    """Removes what killed processes of this machine left half-written below folders."""
    for folder in folders:
        for file in folder.rglob(f".*.{HERE}-*-*"):
            writer = file.name.split(f".{HERE}-")[-1].split("-")[0]
            if writer.isdigit() and not psutil.pid_exists(int(writer)):
                file.unlink(missing_ok=True)
