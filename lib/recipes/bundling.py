"""What every recipe shares: material rendered or painted once, files written with their provenance,
shares with their intervals.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lib.core import artefacts, paths, provenance
from lib.data.atelier import paint, render
from lib.data.atelier.factors import draw
from lib.metrics import stats
from lib.training import loop

SEED = 0
CLIP_SECONDS = 10.0
N_TEST = 400  # items of TEST_SEED that most figures are measured on


def first_items(seed: int, n: int) -> list:
    """The first n items of a collection."""
    return [draw(seed, index) for index in range(n)]


def heard(make: Callable, name: str, seed: int, indices: range, chunk: int = 50):
    """What is made of atelier clips, rendered once and kept under ``data/processed/listening/``
    until the renderer or `make` changes.

    Args:
        make: float32 [n, samples] → [n, …], applied to `chunk` clips at a time. name: of what it
            makes, for the file.

    Returns:
        (array [N, …] mapped from disk, key: hash of the first clips' sound, of what is made of it,
        and of the range).
    """
    sounds, _ = render.sounds(seed, indices[:2], CLIP_SECONDS)
    first = make(sounds)
    key = provenance.content_hash(sounds, first, repr((seed, indices)).encode())

    def part(indices):
        return make(render.sounds(seed, indices, CLIP_SECONDS)[0])

    return _kept(paths.PROCESSED / "listening" / f"{name}-{key}.npy", part, indices, first,
                 chunk), key


def painted(seed: int, indices: range, size: int, chunk: int = 100):
    """Atelier pictures, painted once and kept under ``data/processed/pictures/`` until the painter
    changes.

    Returns:
        (uint8 [N, size, size, 3] mapped from disk, key: hash of the first pictures and of the
        range).
    """
    first = paint.pictures(seed, indices[:4], size)[0]
    key = provenance.content_hash(first, repr((seed, indices)).encode())

    def part(indices):
        return paint.pictures(seed, indices, size)[0]

    return _kept(paths.PROCESSED / "pictures" / f"{size}-{key}.npy", part, indices, first,
                 chunk), key


def _kept(path, part: Callable, indices: range, first, chunk: int):
    if not path.is_file():
        made = np.zeros((len(indices), *first.shape[1:]), first.dtype)
        for at in loop.progress(-(-len(indices) // chunk), path.stem):
            made[at * chunk : (at + 1) * chunk] = part(indices[at * chunk : (at + 1) * chunk])
        path.parent.mkdir(parents=True, exist_ok=True)
        artefacts.write(path, made)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def halved(model) -> dict:
    """A network's tensors in half precision, as they are bundled."""
    return {name: t.half() if t.is_floating_point() else t for name,
            t in model.state_dict().items()}


def write(name: str, contents: dict, data_hash: str) -> None:
    """Writes files below ``data/miniatures/``, each with its provenance beside it.

    Args:
        name: of the folder. contents: file name → what :func:`lib.core.artefacts.write` takes.
    """
    for file, content in contents.items():
        artefacts.write(paths.MINIATURES / name / file, content)
        vouch(name, [file], data_hash)


def vouch(name: str, files: Iterable[str], data_hash: str) -> None:
    """Puts provenance beside files that another library wrote, and says their size."""
    for file in files:
        path = paths.MINIATURES / name / file
        path.chmod(0o644)
        artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX),
                        provenance.provenance("mini", SEED, data_hash))
        print(f"{name}/{file}: {path.stat().st_size / 1e6:.2f} MB")


def save(name: str, parts: Iterable, curve: list[dict], data_hash: str) -> None:
    """Writes networks and tokenizers in the hub's layout, and the curve; each file with its
    provenance.

    Args:
        parts: each with ``save_pretrained``.
    """
    folder = paths.MINIATURES / name
    for part in parts:
        part.save_pretrained(folder)
    artefacts.write(folder / "curves.csv", means(curve))
    vouch(name, sorted(file.name for file in folder.iterdir()
                       if file.suffix in (".json", ".safetensors", ".csv") and
                       not file.name.endswith(artefacts.PROVENANCE_SUFFIX)
                       and file.name != "heldout.csv"), data_hash)


def means(curve: list[dict], every: int = 50):
    """A curve as a table of means of `every` steps."""
    table = pd.DataFrame(curve)
    return table.groupby((table["step"] - 1)
                         // every).mean().assign(step=lambda t: (t.index + 1) * every)


def share(right) -> dict:
    """A share with its 95 % interval (Wilson, which stays inside [0, 1] where every answer is
    right) and n.
    """
    right = np.asarray(right)
    interval = binomtest(int(np.count_nonzero(right > 0.5)),
                         len(right)).proportion_ci(method="wilson")
    return {"value": float(np.mean(right)), "low": interval.low, "high": interval.high,
            "n": len(right)}


def mean(values) -> dict:
    """A mean with its 95 % interval and n: Wilson's of single answers, the bootstrap's over items
    where each gives a number.
    """
    values = np.asarray(values, np.float64)
    if np.isin(values, (0, 1)).all():
        return share(values)
    low, high = stats.bootstrap(np.mean, values)
    return {"value": values.mean(), "low": low, "high": high, "n": len(values)}
