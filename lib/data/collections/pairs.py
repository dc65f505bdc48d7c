"""Collections of pairs, and what a split of pairs gives away. Notebook: 04, 21.
Source: Zhao et al. (2020), IMEMNet; Chowdhury et al. (2024), MeLFusion; Deepika §5.1."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError, readable
from lib.data import splits
from lib.data.collections import layout
from lib.signal import affect

LISTS = {"train": "train", "val": "validation", "test": "test"}  # <name>_matching.txt of IMEMNet
IDS = ("img", "image", "image id", "clip", "clip id", "music", "music id")  # of IMEMNet-C's tables
MELBENCH = ("*.json*", "data/*.json*")
ART2MUS = ("image_audio_subset_df.json", "data/extra/image_audio_subset_df.json")


def imemnet(folder: Path) -> dict:
    """A row a clip, grouped by song, and a row a picture; points where IMEMNet-C's tables are."""
    table, parts = read_imemnet(folder), []
    for kind, end, group, suffixes, place, points in (
            ("audio", "clip", "song", layout.AUDIO, "music", "music_va.csv"),
            ("image", "image", "image", layout.PICTURES, "images", "image_va.csv")):
        items = table.drop_duplicates(end).set_index(end, drop=False)
        once = table.groupby(end)["published"].nunique() == 1
        files = layout.list_files(folder, suffixes, place)
        parts.append(pd.DataFrame({"item_id": f"imemnet-{kind}-" + items[end], "modality": kind,
            "group_id": f"imemnet-{kind}-" + items[group], "path": items[end].map(files),
            "split": items["published"].map(LISTS).where(once)}).join(_points(folder, points)))
    rows = pd.concat(parts).astype(object)
    return dict(rows.where(rows.notna(), None))


def _points(folder: Path, name: str) -> Any:
    file = next(filter(Path.is_file, (folder / name, folder.parent / "imemnet_c" / name)), None)
    if file is None:
        return pd.DataFrame({"valence": [], "arousal": [], "description": []})
    table = layout.read_table(file, ("valence", "arousal"), numbers=("valence", "arousal"))
    item = next((c for c in table.columns if c.lower().replace("_", " ") in IDS), None)
    if item is None:
        raise KlangfarbeError(f"a column of ids in {file}", ", ".join(table.columns)[:200],
                              "use the published table as it is")
    table.columns = ["description" if c.lower() == "caption" else c for c in table.columns]
    table[["valence", "arousal"]] = affect.to_unit(table[["valence", "arousal"]], "imemnet")
    table = table.set_index(table[item].astype(str)).reindex(
        columns=["valence", "arousal", "description"])
    return table[~table.index.duplicated()]


def read_imemnet(folder: Path | str) -> Any:
    """IMEMNet's lists (``2009-114 frame_fh 0.72``): ``clip, song, image, score, published``."""
    files = {name: Path(folder) / f"{name}_matching.txt" for name in ("test", "val", "train")}
    layout.find_file("imemnet", Path(folder), [file.name for file in files.values()])
    files = {name: files[name] for name in LISTS if files[name].is_file()}
    with readable("lists of lines of song-clip, picture and score", folder):
        table: Any = pd.concat([
            pd.read_csv(file, sep=" ", names=["clip", "image", "score"], dtype=str,
                        keep_default_na=False).assign(published=name)
            for name, file in files.items()], ignore_index=True)
        table["score"] = table["score"].astype(float)
        faulty = table[table.isna().any(axis=1) | ~table["clip"].str.fullmatch(r"\d+-\d+")]
        if len(faulty) or table["published"].nunique() < len(files):
            raise ValueError(faulty.iloc[0].to_list() if len(faulty) else "an empty list")
    table["song"] = table["clip"].str.rsplit("-", n=1).str[0]
    return table[["clip", "song", "image", "score", "published"]]


def overlap(table: pd.DataFrame, split: np.ndarray) -> Any:
    """Of test clips, songs, images: ``of`` (number), ``met`` in training, ``pairs`` (share)."""
    split, rows = np.asarray(split), {}
    if not (split == "test").any():
        raise KlangfarbeError("pairs in the test set", "none", "deal them out first")
    for end in ("clip", "song", "image"):
        here = table.loc[split == "test", end]
        met = here.isin(set(table.loc[split == "train", end]))
        rows[end] = {"of": here.nunique(), "met": here[met].nunique(), "pairs": float(met.mean())}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("end")


def split_both_ends(table: pd.DataFrame, fractions: dict[str, float], seed: int = 0) -> np.ndarray:
    """Splits songs and pictures; "" where a pair's ends disagree, so that no test end was met."""
    song, image = (splits.by_group(table[end], fractions, seed + k)
                   for k, end in enumerate(("song", "image")))
    return np.where(song == image, song, "")


def melbench(folder: Path) -> dict:
    """A row a picture and a row a sound; ``split`` is null where one stands in two splits."""
    table, parts = triplets(folder), []
    for kind in ("image", "audio"):
        split = table.groupby(kind)["split"]
        split = split.transform("first").where(split.transform("nunique") == 1, None)
        items = table.assign(modality=kind, path=table[kind], split=split)
        parts.append(items.drop_duplicates(kind))
    rows = pd.concat(parts)
    stems = [PurePosixPath(name).with_suffix("") for name in rows["path"]]
    return {"modality": rows["modality"], "genre": rows["genre"], "split": rows["split"],
            "description": rows["text"], "group_id": map("melbench-{}".format, rows["group"]),
            "item_id": map("melbench-{}-{}".format, rows["modality"], stems),
            "path": [name if (folder / name).is_file() else None for name in rows["path"]]}


def triplets(folder: Path) -> pd.DataFrame:
    """MeLBench: ``image, text, audio, genre, split, group`` (of all that share either end)."""
    layout.find_file("melbench", folder, MELBENCH)
    parts, below = [], {file.name: file.relative_to(folder).as_posix() for file
                        in sorted(folder.rglob("*"), reverse=True)
                        if file.suffix.lower() in layout.AUDIO + layout.PICTURES}
    for file in sorted(file for place in MELBENCH for file in folder.glob(place)):
        # lines {"captions": …, "location": "…/x.wav", "img_path": "…/y.jpg"}, or one array
        with readable("captions, location and img_path in each line", file):
            lines = not file.read_text(encoding="utf-8", errors="replace").lstrip().startswith("[")
            table = pd.read_json(file, lines=lines, dtype={}, convert_dates=False,
                                 encoding_errors="replace")
            found = dict(zip(("text", "audio", "image", "genre"), layout.texts(
                table, "captions", "location", "img_path", "genre"), strict=True))
            if not len(table) or None in (*found["text"], *found["audio"], *found["image"]):
                raise ValueError(", ".join(map(str, table.columns)) or "no triplets")
        split = next((part for word, part in LISTS.items() if word in file.stem.lower()), None)
        parts.append(pd.DataFrame(found, dtype=object).assign(split=split))
    table = pd.concat(parts, ignore_index=True).astype(object)
    for kind in ("image", "audio"):     # the file of that name, else the path's last two parts
        names = [PurePosixPath(name.replace("\\", "/")) for name in table[kind]]
        table[kind] = [below.get(name.name, "/".join(name.parts[-2:])) for name in names]
    return table.assign(group=splits.linked_groups(table["image"], table["audio"]).tolist())


def art2mus(folder: Path) -> dict:
    """A row a painting, grouped by painter, and a row a track; the list pairs them by position."""
    file = layout.find_file("art2mus", folder, ART2MUS)
    with readable("columns Image and Audio", file):
        table = pd.read_json(file)
        names = {"images": table["Image"].astype(str),
                 "fma_large": [name.split("fma_large/")[-1] for name in table["Audio"]]}
    kinds, paths = zip(*((kind, PurePosixPath(place) / name) for kind, place
                         in (("image", "images"), ("audio", "fma_large"))
                         for name in sorted(set(names[place]))), strict=True)
    return {"modality": kinds, "group_id": [f"art2mus-{path.stem}" for path in paths],
            "item_id": [f"art2mus-{kind}-{path.stem}" for kind, path in zip(kinds, paths)],
            "path": [str(path) if (folder / path).is_file() else None for path in paths],
            "artists": [path.name.split("_")[0] if kind == "image" else None
                        for kind, path in zip(kinds, paths)]}
