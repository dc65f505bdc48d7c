"""MeLBench: triplets of picture, text and music, the data of MeLFusion and half of DATASET_AIMUS.

    {"captions": "a slow …", "location": "…/x.wav", "img_path": "…/y.jpg"}   one triplet a line; train, validation and test are files

Source: Chowdhury, Nag, Joseph, Srinivasan & Manocha (2024), "MeLFusion: synthesizing music from
image and language cues using diffusion models"; text 001, §5.1.
Notebook: 04.
"""

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout

CARD = """\
### MeLBench
- **What.** 11,250 triplets ⟨picture, text, music⟩ put together by hand for MeLFusion (Chowdhury, Nag, Joseph, Srinivasan & Manocha 2024); clips of 10 s, genres named. Half of what system 2 calls DATASET_AIMUS.
- **Where.** The authors' repository <https://github.com/schowdhury671/melfusion> and its project page; *no archive of the data was found while this adapter was written*, so ask the authors.
- **Licence.** None found; sounds and pictures belong to their makers.
- **Layout.** What the authors' training code reads: one or more files of lines of JSON (or one JSON array, or a csv) with `captions`, `location` (the sound) and `img_path` (the picture); the split is in the file's name (`…train…json`, `…valid…json`, `…test…json`), nowhere else. `genre` is read where there is such a key. Paths are looked for below the folder by their last parts, whatever machine they were written on.
- **Scale.** None: no valence or arousal. Group: everything that shares a picture or a sound, so that no split can divide a triplet or meet half of it twice.
- **Known defects.** (1) Not looked at by us: keys and file names are those of the code, the data could not be had, and the name of the genre's key is our guess. (2) The code's own file names (`extended_musiccaps_train_final.json`) say that its lists mix in MusicCaps' clips with pictures added: never test on MusicCaps what was trained here. (3) Splits are by triplet, by the files' names; whether a picture or sound stands in two is counted by `python -m lib data check`. (4) Captions of MusicCaps name the music; they tell a model what the picture does not show.
"""  # noqa: E501  (cards are read as text)

URL = "https://github.com/schowdhury671/melfusion"
LICENCE = "none found; sounds and pictures of their makers"
WHERE = f"ask the authors for the lists ({URL}) and put them, sounds and pictures into one folder"
KEYS = {"text": ("captions", "caption", "text"), "audio": ("location", "audio", "audio_path"),
        "image": ("img_path", "image", "image_path")}
LISTS = (".json", ".jsonl", ".csv")
# what a file's name holds → its split
SPLITS = (("valid", "validation"), ("val", "validation"), ("test", "test"), ("train", "train"))


def manifest(folder: Path | str):
    """A row a picture and a row a sound; ``path`` is null where the file is not there, ``split``
    where one stands in two splits.

    Raises:
        KlangfarbeError: as :func:`triplets`.
    """
    folder = Path(folder)
    table, rows = triplets(folder), []
    for kind in ("image", "audio"):
        for name, of_item in table.groupby(kind, sort=True):
            first, parts = of_item.iloc[0], of_item["split"].dropna().unique()
            rows.append({"item_id": f"melbench-{kind}-{PurePosixPath(name).with_suffix('')}",
                         "modality": kind, "source": "melbench",
                         "path": name if (folder / name).is_file() else None,
                         "group_id": f"melbench-{first['group']}",
                         "split": parts[0] if len(parts) == 1 else None,
                         "description": first["text"], "genre": first["genre"], "licence": LICENCE,
                         "origin_url": URL})
    return manifests.frame(rows)


def triplets(folder: Path | str):
    """The triplets as their lists have them: DataFrame ``image, text, audio, genre, split, group``.

    Args:
        folder: holds the lists, at its root or in ``data/``.

    Returns:
        ``image`` and ``audio`` relative to `folder` where the file is there (else the last two
        parts of the path that the list has); ``genre`` and ``split`` null where they are not told;
        ``group``: a number, equal for triplets that hang together.

    Raises:
        KlangfarbeError: no list, or one that lacks a key; the line names both.
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
            lacking = [KEYS[field][0] for field, value in row.items() if value is None]
            if lacking:
                raise KlangfarbeError(
                    f"{', '.join(keys[0] for keys in KEYS.values())} in each triplet of {file}",
                    f"no {', '.join(lacking)} among {', '.join(map(str, record))[:200]}",
                    "use the published list as it is")
            rows.append({**{kind: _placed(row[kind], below) for kind in ("image", "audio")},
                         "text": row["text"], "genre": layout.text(record.get("genre")),
                         "split": split})
    table = pd.DataFrame(rows, columns=["image", "text", "audio", "genre", "split"], dtype=object)
    if not len(table):
        raise KlangfarbeError(f"triplets in {', '.join(file.name for file in lists)}", "none",
                              WHERE)
    return table.assign(group=_linked(table["image"], table["audio"]))


def _records(file: Path) -> list[dict]:
    """A list's rows: lines of JSON, one JSON array, or a csv."""
    if file.suffix == ".csv":
        return layout.read_table(file, ()).to_dict("records")
    try:
        text = file.read_text(encoding="utf-8").strip()
        records = json.loads(text) if text.startswith("[") else [json.loads(line)
                                                                 for line in text.splitlines()
                                                                 if line.strip()]
    except ValueError as error:
        raise KlangfarbeError(f"lines of JSON in {file}", str(error)[:100],
                              "download it again") from error
    if not all(isinstance(record, dict) for record in records):
        raise KlangfarbeError(f"an object a triplet in {file}", "something else",
                              "use the published list as it is")
    return records


def _placed(written: str, below: dict[str, list[str]]) -> str:
    """The file below the folder whose last parts are those of the written path; the last two parts
    themselves where there is none.
    """
    parts = PurePosixPath(written.replace("\\", "/")).parts
    fits = below.get(parts[-1], [])
    same = [max((n for n in range(1, len(parts) + 1)
                 if PurePosixPath(fit).parts[-n:] == parts[-n:]), default=0) for fit in fits]
    return fits[same.index(max(same))] if fits else "/".join(part for part in parts[-2:]
                                                             if part != "/")


def _linked(images, sounds) -> list[int]:
    """The connected components of the graph whose edges are the triplets, numbered by first
    appearance.
    """
    image, sound = pd.factorize(images)[0], pd.factorize(sounds)[0]
    size = image.max() + 1 + sound.max() + 1
    edges = coo_array((np.ones(len(image)), (image, image.max() + 1 + sound)), shape=(size, size))
    return connected_components(edges, directed=False)[1][image].tolist()
