"""IMEMNet: which clip of DEAM matches which picture, and what a split of such pairs gives away.

A line of ``<split>_matching.txt``: ``2009-114 frame_fhsdrmuzjxe7ad1o 0.72…`` (clip 114 of song
2009, a picture, the matching score). Ids only: sounds and pictures are not in the lists.

Source: Zhao et al. (2020), "Emotion-based end-to-end matching between image and music in
valence-arousal space"; Deepika §5.1. Notebook: 04, 21.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.data.collections import layout
from lib.signal import affect

URL = "https://github.com/linkAmy/IMEMNet"
LICENCE = "none stated; the sources' own agreements hold"
WHERE = f"download val_matching.txt and test_matching.txt from {URL}"
LISTS = {"train": "train", "val": "validation", "test": "test"}
ENDS = ("clip", "song", "image")
POINTS = {"image": "image_va.csv", "audio": "music_va.csv"}  # of IMEMNet-C
# how the column of names may be called
IDS = ("img", "image", "image id", "clip", "clip id", "music", "music id")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a clip, grouped by song, and a row a picture; points and captions where IMEMNet-C's
    tables are there, ``split`` where an item stands in one list only.
    """
    folder = Path(folder)
    table, rows = read(folder), []
    files = {"image": layout.list_files(folder / "images", folder, layout.PICTURES),
             "audio": layout.list_files(folder / "music", folder, layout.AUDIO)}
    for end, kind in (("clip", "audio"), ("image", "image")):
        known = _points(folder, POINTS[kind], kind)
        for item, of_item in table.groupby(end, sort=True):
            valence, arousal, caption = known.get(item, (None, None, None))
            lists = of_item["published"].unique()
            group = of_item["song"].iloc[0] if kind == "audio" else item
            rows.append({"item_id": f"imemnet-{kind}-{item}", "modality": kind,
                         "path": files[kind].get(item), "group_id": f"imemnet-{kind}-{group}",
                         "split": LISTS[lists[0]] if len(lists) == 1 else None,
                         "valence": valence, "arousal": arousal, "description": caption})
    return layout.to_manifest(rows, "imemnet", LICENCE, URL)


def _points(folder: Path, name: str, kind: str) -> dict[str, tuple]:
    """Item → (valence, arousal, caption) of a table of IMEMNet-C; empty where it is absent."""
    file = next((f for f in (folder / name, folder.parent / "imemnet_c" / name) if f.is_file()),
                None)
    if file is None:
        return {}
    table = layout.read_table(file, ("valence", "arousal"))
    item = next((c for c in table.columns if c.lower().replace("_", " ") in IDS), None)
    if item is None:
        raise KlangfarbeError(f"a column of {kind} ids in {file}", ", ".join(table.columns)[:200],
                              "use the published table as it is")
    table = table.assign(item=table[item].astype(str)).drop_duplicates("item")
    unit = affect.to_unit(table[["valence", "arousal"]].to_numpy(), "imemnet")
    words = next((c for c in table.columns if c.lower() == "caption"), None)
    captions = table[words] if words else [None] * len(table)
    return {row: (*point, layout.text(caption)) for row, point, caption
            in zip(table["item"], unit.tolist(), captions, strict=True)}


def read(folder: Path | str) -> pd.DataFrame:
    """The lists that are there, a row a line: ``clip, song, image, score, published`` (the
    list).
    """
    layout.find_file(folder, [f"{name}_matching.txt" for name in ("test", "val", "train")],
                     "one of IMEMNet's three lists", WHERE)
    parts = []
    for name in LISTS:
        path = Path(folder) / f"{name}_matching.txt"
        if path.is_file():
            parts.append(_lines(path).assign(published=name))
    table = pd.concat(parts, ignore_index=True)
    try:
        table = table.astype({"score": float})
    except ValueError as error:
        raise KlangfarbeError("a number as each pair's score", str(error)[:80],
                              "use the published list as it is") from error
    table["song"] = table["clip"].str.rsplit("-", n=1).str[0]
    return table[["clip", "song", "image", "score", "published"]]


def _lines(path: Path) -> pd.DataFrame:
    expected = f"lines of song-clip, picture and score in {path.name}"
    try:
        found = pd.read_csv(path, sep=" ", header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # pandas' own faults are ValueErrors
        raise KlangfarbeError(expected, f"{type(error).__name__}: {str(error)[:80]}",
                              "download it again") from error
    if found.shape[1] != 3 or not found[0].str.fullmatch(r"\d+-\d+").all():
        raise KlangfarbeError(expected, " ".join(found.iloc[0].astype(str))[:60],
                              "use the published list as it is")
    return found.set_axis(["clip", "image", "score"], axis=1)


def overlap(table: pd.DataFrame, split: np.ndarray) -> pd.DataFrame:
    """How much of a test set stands in training too, a row an end of :data:`ENDS`.

    Args:
        table: with the columns of :data:`ENDS`. split: ``train``, ``test`` or anything else [N].

    Returns:
        ``of`` (different ones in the test set), ``met`` (how many of these are in training),
        ``pairs`` (share of the test pairs whose clip, song or picture is in training).
    """
    split = np.asarray(split)
    if not (split == "test").any():
        raise KlangfarbeError("pairs in the test set", "none", "deal them out first")
    rows = []
    for end in ENDS:
        here, there = table.loc[split == "test", end], set(table.loc[split == "train", end])
        different = pd.Series(here.unique())
        rows.append({"end": end, "of": len(different), "met": int(different.isin(there).sum()),
                     "pairs": float(here.isin(there).mean())})
    return pd.DataFrame(rows).set_index("end")


def split_both_ends(table: pd.DataFrame, fractions: dict[str, float], seed: int = 0) -> np.ndarray:
    """Splits songs and pictures, and leaves out ("") a pair whose ends disagree.

    Of shares p₁, p₂, … about p₁² + p₂² + … of the pairs remain; nothing in the test set was met
    before.
    """
    song, image = (splits.by_group(table[end], fractions, seed + k)
                   for k, end in enumerate(("song", "image")))
    return np.where(song == image, song, "")
