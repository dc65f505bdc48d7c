"""MeLBench: triplets of picture, text and music, the data of MeLFusion and half of DATASET_AIMUS.

One triplet a line: ``{"captions": "a slow …", "location": "…/x.wav", "img_path": "…/y.jpg"}``;
train, validation and test are files.

Source: Chowdhury, Nag, Joseph, Srinivasan & Manocha (2024), "MeLFusion: synthesizing music from
image and language cues using diffusion models"; Deepika §5.1. Notebook: 04.
"""

import json
from collections import defaultdict
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
LISTS = (".json", ".jsonl", ".csv")
# what a file's name holds → its split
SPLITS = (("valid", "validation"), ("val", "validation"), ("test", "test"), ("train", "train"))


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a picture and a row a sound; ``split`` is null where one stands in two splits."""
    folder = Path(folder)
    table, rows = triplets(folder), []
    for kind in ("image", "audio"):
        for name, of_item in table.groupby(kind, sort=True):
            first, parts = of_item.iloc[0], of_item["split"].dropna().unique()
            rows.append({"item_id": f"melbench-{kind}-{PurePosixPath(name).with_suffix('')}",
                         "modality": kind, "path": name if (folder / name).is_file() else None,
                         "group_id": f"melbench-{first['group']}", "genre": first["genre"],
                         "split": parts[0] if len(parts) == 1 else None,
                         "description": first["text"]})
    return layout.to_manifest(rows, "melbench", LICENCE, URL)


def triplets(folder: Path | str) -> pd.DataFrame:
    """The triplets as their lists have them: ``image, text, audio, genre, split, group``.

    ``image`` and ``audio`` are relative to `folder` where the file is there, else the last two
    parts of the path in the list; triplets that share a picture or a sound have one ``group``.
    """
    folder = Path(folder)
    layout.find_file(folder, [f"{place}*{suffix}" for suffix in LISTS for place in ("", "data/")],
                     "MeLBench's list of triplets", WHERE)
    lists = sorted(file for place in (folder, folder / "data") for file in place.glob("*")
                   if file.suffix in LISTS)
    below = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in layout.AUDIO + layout.PICTURES:
            below[file.name].append(file.relative_to(folder).as_posix())
    rows = []
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
            rows.append({**row, "image": _locate(row["image"], below),
                         "audio": _locate(row["audio"], below), "split": split,
                         "genre": layout.text(record.get("genre"))})
    if not rows:
        raise KlangfarbeError(f"triplets in {', '.join(file.name for file in lists)}", "none",
                              WHERE)
    table = pd.DataFrame(rows, columns=["image", "text", "audio", "genre", "split"], dtype=object)
    return table.assign(group=_linked(table["image"], table["audio"]))


def _records(file: Path) -> list[dict]:
    """A list's rows: lines of JSON, one JSON array, or a csv."""
    if file.suffix == ".csv":
        return layout.read_table(file, ()).to_dict("records")
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    try:
        records = (json.loads(text) if text.startswith("[")
                   else [json.loads(line) for line in text.splitlines() if line.strip()])
    except ValueError as error:
        raise KlangfarbeError(f"lines of JSON in {file}", str(error)[:100],
                              "download it again") from error
    if not all(isinstance(record, dict) for record in records):
        raise KlangfarbeError(f"an object a triplet in {file}", "something else",
                              "use the published list as it is")
    return records


def _locate(written: str, below: dict[str, list[str]]) -> str:
    """The file below the folder whose last parts agree best with the written path; the path's own
    last two parts where there is none.
    """
    parts = PurePosixPath(written.replace("\\", "/")).parts

    def agreeing(candidate: str) -> int:
        tail = PurePosixPath(candidate).parts
        return max((n for n in range(1, len(parts) + 1) if tail[-n:] == parts[-n:]), default=0)

    if candidates := below.get(parts[-1]):
        return max(candidates, key=agreeing)
    return "/".join(part for part in parts[-2:] if part != "/")


def _linked(images: pd.Series, sounds: pd.Series) -> list[int]:
    """Connected components of the graph whose edges are the triplets, by first appearance."""
    image, sound = pd.factorize(images)[0], pd.factorize(sounds)[0]
    size = image.max() + 1 + sound.max() + 1
    edges = coo_array((np.ones(len(image)), (image, image.max() + 1 + sound)), shape=(size, size))
    return connected_components(edges, directed=False)[1][image].tolist()
