"""Saving and loading what notebooks make: safetensors, parquet, npy, json, skops, png. Never
pickle, always atomic.

An artefact is a file below ``results/<profile>/<notebook>/`` with a provenance file beside it.
Where a notebook's artefact is absent, :func:`load` falls back to the miniature bundled under
``data/miniatures/<notebook>/`` and prints which it took.
"""

import contextlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError

PROVENANCE_SUFFIX = ".provenance.json"
BUNDLED = "bundled"  # no profile of this name has results: asking for it gives the miniatures
# The types our forests and judges are made of: skops refuses every other.
TRUSTED_SKOPS_TYPES = ("numpy.dtype", "sklearn.tree._tree.Tree", "sklearn._loss.link.IdentityLink")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder; renamed to `path` when the block ends well,
    removed when it fails.

    A reader sees the old file or the new one, never half of one; what stood there before an error
    still stands.

    Raises:
        KlangfarbeError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.",
                                        suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise KlangfarbeError(f"to write {path}", error.strerror or str(error),
                              "free some space or choose another folder; what stood there before "
                              "is untouched") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write(path: Path, content) -> Path:
    """Writes `content` atomically in the form the suffix of `path` names, and returns the path.

    ``.safetensors``: dict of tensors · ``.parquet``, ``.csv``: DataFrame · ``.npy``: array ·
    ``.json``: JSON · ``.skops``: scikit-learn estimator · ``.png``, ``.jpg``: uint8 [H, W, 3] or a
    matplotlib figure · ``.svg``: a matplotlib figure · ``.mp3``: bytes
    (:func:`lib.signal.audio.encode_mp3`) · ``.txt``, ``.html``, ``.md``, ``.ipynb``: text.
    """
    path = Path(path)
    suffix = path.suffix
    with atomic(path) as temporary:
        if suffix == ".safetensors":
            # torch is slow to load, and the command line must not need it
            from safetensors import SafetensorError
            from safetensors.torch import save_file

            try:
                save_file({name: tensor.detach().cpu().contiguous() for name,
                           tensor in content.items()}, temporary)
            except SafetensorError as error:  # its own name for a full disk
                raise OSError(str(error)) from error
        elif suffix == ".parquet":
            content.to_parquet(temporary)
        elif suffix == ".csv":
            content.to_csv(temporary, index=False, float_format="%.6g")
        elif suffix == ".npy":
            with open(temporary, "wb") as file:
                np.save(file, content, allow_pickle=False)
        elif suffix == ".json":
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=_plain)
                                 + "\n", encoding="utf-8")
        elif suffix == ".skops":
            import skops.io  # slow: it loads scikit-learn

            # a forest shrinks to a third
            skops.io.dump(content, temporary, compression=zipfile.ZIP_DEFLATED)
        elif suffix in (".png", ".jpg", ".svg"):
            _write_picture(temporary, content)
        elif suffix == ".mp3":
            temporary.write_bytes(content)
        elif suffix in (".txt", ".html", ".md", ".ipynb"):
            temporary.write_text(content, encoding="utf-8")
        else:
            raise KlangfarbeError(
                "a suffix out of safetensors, parquet, csv, npy, json, skops, png, jpg, svg, "
                "mp3, txt, html, md", repr(suffix), "rename the file")
    return path


def read(path: Path):
    """Reads what :func:`write` wrote. Nothing is unpickled.

    Raises:
        KlangfarbeError: absent, damaged, or of a form this function does not read.
    """
    path = Path(path)
    if not path.is_file():
        raise KlangfarbeError(f"the file {path}", "no such file",
                              "make it first, or check its name")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # slow: it loads torch

            return load_file(path)
        if path.suffix in (".parquet", ".csv"):
            import pandas as pd  # slow, and most artefacts are no tables

            return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        if path.suffix == ".skops":
            import skops.io  # slow: it loads scikit-learn

            return skops.io.load(path, trusted=list(TRUSTED_SKOPS_TYPES))
    except KlangfarbeError:
        raise
    # each library has its own error for a damaged file; the reader needs one line
    except Exception as error:
        raise KlangfarbeError(f"a whole {path.suffix[1:]} file at {path}",
                              f"{type(error).__name__}: {str(error)[:120]}",
                              "delete it and make it again") from error
    raise KlangfarbeError("a suffix out of safetensors, parquet, csv, npy, json, skops",
                          repr(path.suffix), "rename the file")


def save(content, notebook: str, profile: str, name: str, *, seed: int,
         data_hash: str = "") -> Path:
    """Writes an artefact to ``results/<profile>/<notebook>/<name>`` with its provenance beside
    it.
    """
    path = write(paths.results_dir(profile, notebook) / name, content)
    write(path.with_name(path.name + PROVENANCE_SUFFIX),
          provenance.provenance(profile, seed, data_hash))
    return path


def find(notebook: str, profile: str, name: str) -> Path:
    """Where an artefact lies: the profile's results, else the bundled miniature.

    Raises:
        KlangfarbeError: neither is there; the line names the notebook that makes it.
    """
    made = paths.RESULTS / profile / notebook / name
    if made.is_file():
        return made
    bundled = paths.MINIATURES / notebook / name
    if bundled.is_file():
        return bundled
    raise KlangfarbeError(f"{name} of notebook {notebook} at profile {profile}",
                          "neither a result nor a miniature",
                          f'make it: make run PROFILE={profile} NOTEBOOKS="{notebook[:2]}"')


def load(notebook: str, profile: str, name: str):
    """Loads an artefact and prints whether it is this profile's result or the miniature."""
    path = find(notebook, profile, name)
    source = ("bundled miniature" if paths.MINIATURES in path.parents
              else f"made by notebook {notebook[:2]} at {profile}")
    print(f"{name}: {source}")
    return read(path)


def _plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _write_picture(path: Path, content) -> None:
    # not straight to the file: Pillow's JPEG writer does not notice a full disk
    made = io.BytesIO()
    if path.suffix == ".svg":
        # words stay words; the same bytes again
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "klangfarbe"}):
            content.savefig(made, format="svg", bbox_inches="tight", metadata={"Date": None})
    elif hasattr(content, "savefig"):
        content.savefig(made, dpi=90, bbox_inches="tight", format=path.suffix[1:])
    else:
        Image.fromarray(np.asarray(content)).save(made,
                                                  format="JPEG" if path.suffix == ".jpg" else "PNG")
    path.write_bytes(made.getvalue())
