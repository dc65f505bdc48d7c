"""Saving and loading what notebooks make, never pickled, always atomic: a file below
``results/<profile>/<notebook>/`` with a provenance file beside it; where it is absent,
:func:`load` takes the miniature below ``data/miniatures/<notebook>/`` and says so."""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError, readable
from lib.core.paths import atomic

PROVENANCE_SUFFIX = ".provenance.json"
BUNDLED = "bundled"  # no profile of this name has results: asking for it gives the miniatures
FORMS = "a suffix out of safetensors, parquet, csv, npy, json, skops"
# the types our forests and regressors are made of: skops refuses every other
TRUSTED_SKOPS_TYPES = ["numpy.dtype", "sklearn.ensemble._forest.RandomForestRegressor",
                       "sklearn.kernel_ridge.KernelRidge", "sklearn.pipeline.Pipeline",
                       "sklearn.preprocessing._data.StandardScaler",
                       "sklearn.tree._classes.DecisionTreeRegressor", "sklearn.tree._tree.Tree"]
# No number in a config is larger: tables, windows and pictures are as long as these say.
LARGEST, LARGEST_OF = 2**20, {"rope_theta": 2**40, **dict.fromkeys((
    "height", "width", "shortest_edge", "size", "crop_size", "feature_size", "n_mels"), 4096),
    "n_fft": 2**14, "fft_window_size": 2**14, "long_fft": 2**14, "n_pitches": 2**10,
    "max_length_s": 300, "window_seconds": 300}
MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.arange, torch.linspace,
          torch.hann_window)
ROWS = (torch.arange, torch.linspace, torch.hann_window)
SLACK = 2**22  # numbers that a network makes beside its weights: positions, filters


def write(path: Path | str, content) -> Path:
    """Writes `content` atomically in the form the suffix of `path` names, and returns the path:
    ``.safetensors`` dict of tensors · ``.parquet``, ``.csv`` table · ``.npy`` array · ``.skops``
    estimator · ``.png``, ``.jpg`` uint8 [H, W, 3] or figure · ``.svg`` figure · bytes (``.mp3``,
    ``.mid``) · ``.json`` · text."""
    path = Path(path)
    with atomic(path) as temporary:
        match path.suffix.lower():
            case ".safetensors":
                try:
                    save_file({name: tensor.detach().cpu().contiguous()
                               for name, tensor in content.items()}, temporary)
                except SafetensorError as error:  # its own name for a full disk
                    raise OSError(str(error)) from error
            case ".parquet":
                content.to_parquet(temporary)
            case ".csv":
                content.to_csv(temporary, index=False, float_format="%.6g")
            case ".npy":
                np.save(temporary, content, allow_pickle=False)
            case ".json":
                text = json.dumps(content, indent=1, ensure_ascii=False, default=lambda value: str(
                    value) if isinstance(value, Path) else value.tolist())  # an array or its number
                temporary.write_text(text + "\n", encoding="utf-8")
            case ".skops":
                # a forest shrinks to a third
                _skops().dump(content, temporary, compression=zipfile.ZIP_DEFLATED)
            case ".png" | ".jpg" | ".jpeg" | ".svg":
                # not straight to the file: Pillow's JPEG writer does not notice a full disk
                temporary.write_bytes(_picture(path.suffix.lower(), content))
            case ".mp3" | ".mid":
                temporary.write_bytes(content)
            case ".txt" | ".html" | ".md" | ".ipynb":
                temporary.write_text(content, encoding="utf-8")
            case suffix:
                raise KlangfarbeError(f"{FORMS}, png, jpg, svg, mp3, txt, html, md",
                                      repr(suffix), "rename the file")
    return path


def read(path: Path | str) -> Any:
    """Reads what :func:`write` wrote. Nothing is unpickled."""
    path = Path(path)
    if not path.is_file():
        raise KlangfarbeError(f"the file {path}", "no such file", "make it, or check its name")
    with readable(f"a whole {path.suffix[1:]} file", path, "delete it and make it again"):
        match path.suffix:
            case ".safetensors":
                return load_file(path)
            case ".parquet":
                from pyarrow import parquet  # slow, and pandas does not look whether text is text
                parquet.read_table(path).validate(full=True)
                return pd.read_parquet(path)
            case ".csv":
                return pd.read_csv(path)
            case ".npy":
                return np.load(path, allow_pickle=False)
            case ".json":
                return json.loads(path.read_text(encoding="utf-8"))
            case ".skops":
                return _skops().load(path, trusted=TRUSTED_SKOPS_TYPES)
    raise KlangfarbeError(FORMS, repr(path.suffix), "rename the file")


def save(content, notebook: str, profile: str, name: str, *, seed: int,
         data_hash: str = "") -> Path:
    """Writes an artefact to ``results/<profile>/<notebook>/<name>``, its provenance beside it."""
    path = write(paths.results_dir(profile, notebook) / name, content)
    write(path.with_name(path.name + PROVENANCE_SUFFIX),
          provenance.provenance(profile, seed, data_hash))
    return path


def find(notebook: str, profile: str, name: str) -> Path:
    """Where an artefact lies: the profile's results, else the bundled miniature."""
    for path in (paths.RESULTS / profile / notebook / name, paths.MINIATURES / notebook / name):
        if path.is_file():
            return path
    raise KlangfarbeError(f"{name} of notebook {notebook} at {profile}, or a miniature", "neither",
                          f'make it: make run PROFILE={profile} NOTEBOOKS="{notebook[:2]}"')


def load(notebook: str, profile: str, name: str) -> Any:
    """Loads an artefact and prints whether it is this profile's result or the miniature."""
    path = find(notebook, profile, name)
    print(f"{name}: " + ("bundled miniature" if paths.MINIATURES in path.parents
                         else f"made by notebook {notebook[:2]} at {profile}"))
    return read(path)


def check_sizes(settings: dict) -> None:
    """Refuses settings by name, a config's, in which a number is beyond any network's."""
    waiting = list(settings.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, some) for some in value]
        elif (isinstance(value, int | float)
              and not abs(value) <= (most := LARGEST_OF.get(name, LARGEST))):  # NaN is not
            raise KlangfarbeError(f"{name} up to {most:,}", f"{value}"[:40], "mend that number")


class Bounded(TorchFunctionMode):
    """Within it the tensors that are made have no more numbers together than `path` (a safetensors
    file, or a folder of them) has bytes, and some: a size that is far off is told, not tried."""
    def __init__(self, path: Path):
        super().__init__()
        self.path, files = path, path.glob("*.safetensors") if path.is_dir() else [path]
        self.left = SLACK + sum(file.stat().st_size for file in files)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in MAKERS:
            self.left -= max(1024, _length(func, *args, **kwargs) if func in ROWS else
                             func(*args, **kwargs | {"device": "meta"}).numel())
            if self.left < 0:
                raise KlangfarbeError("a config of the weights' size", f"{self.path}: one far "
                                      "larger", "take both from one checkpoint")
        return func(*args, **kwargs)


def _length(func, *args, start=0, end=math.inf, step=1, steps=0, window_length=0, **_) -> int:
    """How long a row of numbers is that a function of :data:`ROWS` makes; to ask torch for one
    without its numbers would load its compiler."""
    if func is not torch.arange:
        return ((*args, steps, steps, steps)[2] if func is torch.linspace else
                (*args, window_length)[0])
    if len(args) == 1 and end == math.inf:
        args = (start, *args)
    start, end, step = (*args, *(start, end, step)[len(args):])
    return max(0, math.ceil((end - start) / step))


def _skops():
    """skops.io, imported without its list of scikit-learn's estimators, which it would trust and
    for which it loads all of scikit-learn: two thirds of the time."""
    import sklearn.utils  # slow, as the next: few commands read a forest
    every, sklearn.utils.all_estimators = sklearn.utils.all_estimators, list
    try:
        import skops.io  # slow
    finally:
        sklearn.utils.all_estimators = every
    return skops.io


def _picture(suffix: str, content) -> bytes:
    made = io.BytesIO()
    if suffix == ".svg":  # words stay words; the same bytes again
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "klangfarbe"}):
            content.savefig(made, format="svg", bbox_inches="tight", metadata={"Date": None})
    elif hasattr(content, "savefig"):
        content.savefig(made, dpi=90, bbox_inches="tight", format=suffix[1:])
    else:
        Image.fromarray(np.asarray(content)).save(made, "PNG" if suffix == ".png" else "JPEG")
    return made.getvalue()
