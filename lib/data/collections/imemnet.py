"""IMEMNet: which clip of DEAM matches which picture, and what a split of such pairs gives away.

A line of ``<split>_matching.txt``: ``2009-114 frame_fhsdrmuzjxe7ad1o 0.72…`` (clip 114 of song
2009, a picture, the matching score).

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
IDS = ("img", "image", "image id", "clip", "clip id", "music", "music id")  # its column of names


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a clip, grouped by song, and a row a picture; points where IMEMNet-C's tables are."""
    folder, table, parts = Path(folder), read(folder), []
    for kind, end, group, suffixes, place in (("audio", "clip", "song", layout.AUDIO, "music"),
                                              ("image", "image", "image", layout.PICTURES,
                                               "images")):
        items = table.drop_duplicates(end).set_index(end, drop=False)
        once = table.groupby(end)["published"].nunique() == 1
        known = _points(folder, POINTS[kind], kind)
        files = layout.list_files(folder, suffixes, place)
        parts.append(pd.DataFrame({
            "item_id": f"imemnet-{kind}-" + items[end], "modality": kind,
            "group_id": f"imemnet-{kind}-" + items[group], "path": items[end].map(files),
            "split": items["published"].map(LISTS).where(once)}).join(known))
    rows = pd.concat(parts).astype(object)
    return layout.to_manifest("imemnet", LICENCE, URL, **rows.where(rows.notna(), None))


def _points(folder: Path, name: str, kind: str) -> pd.DataFrame:
    """Item → ``valence, arousal, description`` of a table of IMEMNet-C; empty where absent."""
    file = next(filter(Path.is_file, (folder / name, folder.parent / "imemnet_c" / name)), None)
    if file is None:
        return pd.DataFrame({"valence": [], "arousal": [], "description": []})
    table = layout.read_table(file, ("valence", "arousal"))
    item = next((c for c in table.columns if c.lower().replace("_", " ") in IDS), None)
    if item is None:
        raise KlangfarbeError(f"a column of {kind} ids in {file}", ", ".join(table.columns)[:200],
                              "use the published table as it is")
    table.columns = ["description" if c.lower() == "caption" else c for c in table.columns]
    table[["valence", "arousal"]] = affect.to_unit(table[["valence", "arousal"]], "imemnet")
    table = table.set_index(table[item].astype(str)).reindex(
        columns=["valence", "arousal", "description"])
    return table[~table.index.duplicated()]


def read(folder: Path | str) -> pd.DataFrame:
    """The lists that are there, a row a line: ``clip, song, image, score, published``."""
    layout.find_file(folder, [f"{name}_matching.txt" for name in ("test", "val", "train")],
                     "one of IMEMNet's three lists", WHERE)
    files = {name: file for name in LISTS
             if (file := Path(folder) / f"{name}_matching.txt").is_file()}
    try:
        table = pd.concat([pd.read_csv(file, sep=" ", names=["clip", "image", "score"], dtype=str,
                                       keep_default_na=False).assign(published=name)
                           for name, file in files.items()], ignore_index=True)
        table["score"] = table["score"].astype(float)
        faulty = table[table.isna().any(axis=1) | ~table["clip"].str.fullmatch(r"\d+-\d+")]
        if len(faulty) or table["published"].nunique() < len(files):
            raise ValueError(faulty.iloc[0].to_list() if len(faulty) else "an empty list")
    except (ValueError, OSError) as error:  # pandas' own faults are ValueErrors
        raise KlangfarbeError(f"lines of song-clip, picture and score in {folder}'s lists",
                              f"{type(error).__name__}: {str(error)[:80]}",
                              "use the published list as it is") from error
    table["song"] = table["clip"].str.rsplit("-", n=1).str[0]
    return table[["clip", "song", "image", "score", "published"]]


def overlap(table: pd.DataFrame, split: np.ndarray) -> pd.DataFrame:
    """How much of a test set stands in training too, a row an end of :data:`ENDS`: ``of`` (ends in
    the test set), ``met`` (of these in training), ``pairs`` (share of the test pairs whose end is
    in training); `split` [N] is ``train``, ``test`` or anything else.
    """
    split, rows = np.asarray(split), {}
    if not (split == "test").any():
        raise KlangfarbeError("pairs in the test set", "none", "deal them out first")
    for end in ENDS:
        here = table.loc[split == "test", end]
        met = here.isin(set(table.loc[split == "train", end]))
        rows[end] = {"of": here.nunique(), "met": here[met].nunique(), "pairs": float(met.mean())}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("end")


def split_both_ends(table: pd.DataFrame, fractions: dict[str, float], seed: int = 0) -> np.ndarray:
    """Splits songs and pictures; "" where a pair's ends disagree, so that no test end was met."""
    song, image = (splits.by_group(table[end], fractions, seed + k)
                   for k, end in enumerate(("song", "image")))
    return np.where(song == image, song, "")
