"""MeLBench: triplets of picture, text and music, the data of MeLFusion and half of DATASET_AIMUS.

One triplet a line: ``{"captions": "a slow …", "location": "…/x.wav", "img_path": "…/y.jpg"}``.

Source: Chowdhury, Nag, Joseph, Srinivasan & Manocha (2024), "MeLFusion: synthesizing music from
image and language cues using diffusion models"; Deepika §5.1. Notebook: 04.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout

URL = "https://github.com/schowdhury671/melfusion"
LICENCE = "none found; sounds and pictures of their makers"
WHERE = f"ask the authors for the lists ({URL}) and put them, sounds and pictures into one folder"
KEYS = {"text": ("captions", "caption", "text"), "audio": ("location", "audio", "audio_path"),
        "image": ("img_path", "image", "image_path")}
PLACES = [f"{place}*{suffix}" for suffix in (".json", ".jsonl", ".csv") for place in ("", "data/")]
# what a file's name holds → its split
SPLITS = (("valid", "validation"), ("val", "validation"), ("test", "test"), ("train", "train"))


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a picture and a row a sound; ``split`` is null where one stands in two splits."""
    table, parts = triplets(folder), []
    for kind in ("image", "audio"):
        once = table.groupby(kind)["split"].transform("nunique") == 1
        split = table.groupby(kind)["split"].transform("first").where(once, None)
        items = table.assign(modality=kind, path=table[kind], split=split)
        parts.append(items.drop_duplicates(kind))
    rows = pd.concat(parts)
    stems = [PurePosixPath(name).with_suffix("") for name in rows["path"]]
    return layout.to_manifest(
        "melbench", LICENCE, URL, modality=rows["modality"], genre=rows["genre"],
        split=rows["split"], description=rows["text"],
        group_id=map("melbench-{}".format, rows["group"]),
        item_id=map("melbench-{}-{}".format, rows["modality"], stems),
        path=[name if (Path(folder) / name).is_file() else None for name in rows["path"]])


def triplets(folder: Path | str) -> pd.DataFrame:
    """``image, text, audio, genre, split, group`` (of all that share a picture or a sound)."""
    folder, rows, below = Path(folder), [], {}
    layout.find_file(folder, PLACES, "MeLBench's list of triplets", WHERE)
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in layout.AUDIO + layout.PICTURES:
            below.setdefault(file.name, []).append(file.relative_to(folder).as_posix())
    lists = sorted(file for place in PLACES for file in folder.glob(place))
    for file in lists:
        split = next((part for word, part in SPLITS if word in file.stem.lower()), None)
        for record in _records(file):
            row = {field: layout.text(next((record[key] for key in keys if key in record), None))
                   for field, keys in KEYS.items()}
            if lacking := [KEYS[field][0] for field, value in row.items() if value is None]:
                raise KlangfarbeError(
                    f"{', '.join(keys[0] for keys in KEYS.values())} in each triplet of {file}",
                    f"no {', '.join(lacking)} among {', '.join(map(str, record))[:200]}",
                    "use the published list as it is")
            rows.append(row | {kind: _locate(row[kind], below) for kind in ("image", "audio")}
                        | {"split": split, "genre": layout.text(record.get("genre"))})
    if not rows:
        raise KlangfarbeError(f"triplets in {', '.join(f.name for f in lists)}", "none", WHERE)
    table = pd.DataFrame(rows, columns=["image", "text", "audio", "genre", "split"], dtype=object)
    # groups: connected components of the graph whose edges are the triplets
    image, sound = pd.factorize(table["image"])[0], pd.factorize(table["audio"])[0]
    n_images, n_sounds = image.max() + 1, sound.max() + 1
    edges = coo_array((np.ones(len(table)), (image, n_images + sound)),
                      shape=(n_images + n_sounds,) * 2)
    return table.assign(group=connected_components(edges, directed=False)[1][image].tolist())


def _records(file: Path) -> list[dict]:
    """A list's rows: lines of JSON, one JSON array, or a csv."""
    if file.suffix == ".csv":
        return layout.read_table(file, ()).to_dict("records")
    try:
        lines = not file.read_text(encoding="utf-8", errors="replace").lstrip().startswith("[")
        return pd.read_json(file, lines=lines, dtype=False, convert_dates=False,
                            encoding_errors="replace").to_dict("records")
    except ValueError as error:
        raise KlangfarbeError(f"lines of JSON in {file}", str(error)[:100],
                              "download it again") from error


def _locate(written: str, below: dict[str, list[str]]) -> str:
    """The file below the folder whose last parts agree best, else the path's own last two parts."""
    parts = PurePosixPath(written.replace("\\", "/")).parts

    def agreeing(candidate: str) -> int:
        tail = PurePosixPath(candidate).parts
        return max((n for n in range(1, len(parts) + 1) if tail[-n:] == parts[-n:]), default=0)

    return max(below.get(parts[-1], ()), key=agreeing,
               default="/".join(part for part in parts[-2:] if part != "/"))
