"""IMEMNet: which clip goes with which picture, and what a split of such pairs gives away.

    <split>_matching.txt: "2009-114 frame_fhsdrmuzjxe7ad1o 0.72…"   clip 114 of song 2009, a picture, how well they match

Ids only: sounds (DEAM) and pictures are not in the lists. The largest of the three, ``train``, is
optional: see data/README.md.

Source: Zhao et al. (2020), "Emotion-based end-to-end matching between image and music in
valence-arousal space"; text 001, §5.1.
Notebook: 04, 21.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data import splits
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### IMEMNet
- **What.** Pairs of a clip of DEAM's songs and a picture (of IAPS, NAPS or EMOTIC) with a matching score: the lists at hand have 26,115 (`test`) and 8,795 (`val`) pairs of 6,912 clips of 360 songs and 5,040 pictures; the source counts more than 140,000 in all. IMEMNet-C adds a point for each picture and clip, and captions.
- **Where.** <https://github.com/linkAmy/IMEMNet> (`val_matching.txt`, `test_matching.txt`; `train_matching.txt` and the clips are linked there), points from <https://github.com/schoi828/IMEMNet-C>. Pictures and songs only from IAPS, NAPS, EMOTIC and DEAM themselves, the first two with a form.
- **Licence.** None stated for the lists; IMEMNet-C's page says that each source's own agreement holds.
- **Layout.** `<train|val|test>_matching.txt`, a pair a line: `song-clip picture score`; at least one of the three. `image_va.csv` and `music_va.csv` (IMEMNet-C) in the same folder, or in `imemnet_c/` beside it, are read where they are. Pictures in `images/<id>.jpg`, clips in `music/<song-clip>.wav`, where you put them: the publishers ship no folder for both.
- **Scale.** The points 0–1 (V/A −1…1 here = 2x − 1), normalised by their authors over all sources. Group: the song for clips, the picture itself for pictures. Split: that of the list, where an item stands in one list only.
- **Known defects.** (1) The lists are no split: all 90 songs and 1,598 of 1,750 clips of `val` stand in `test`, too, and 4,114 of its 8,795 pairs. (2) 7 and 9 pairs stand twice in their own list. (3) Songs and pictures form two linked groups (22,004 and 12,906 pairs): no split by both ends can keep all pairs. (4) By its paper's account the score is computed from the two points; no listener was asked about a pair. (5) 14 pictures have two points in `image_va.csv`; the first is taken. About 4 % of the pairs' pictures have none.
"""  # noqa: E501  (cards are read as text)

URL = "https://github.com/linkAmy/IMEMNet"
LICENCE = "none stated; the sources' own agreements hold"
WHERE = f"download val_matching.txt and test_matching.txt from {URL}"
LISTS = ("train", "val", "test")
ENDS = ("clip", "song", "image")
POINTS = {"image": "image_va.csv", "audio": "music_va.csv"}  # of IMEMNet-C
# how the column of names may be called
IDS = ("img", "image", "image id", "clip", "clip id", "music", "music id")


def manifest(folder: Path | str):
    """Every clip and every picture of the lists; points and captions where IMEMNet-C's tables are,
    paths where the files are.

    Args:
        folder: with at least one of the three lists.

    Raises:
        KlangfarbeError: as :func:`read`; or a table of points of another form or scale.
    """
    folder = Path(folder)
    table = read(folder)
    files = {"image": layout.list_files(folder / "images", folder, layout.PICTURES),
             "audio": layout.list_files(folder / "music", folder, layout.AUDIO)}
    known = {kind: _points(folder, name, kind) for kind, name in POINTS.items()}
    lists = {"train": "train", "val": "validation", "test": "test"}
    rows = []
    for end, kind in (("clip", "audio"), ("image", "image")):
        for item, of_item in table.groupby(end, sort=True):
            valence, arousal, caption = known[kind].get(item, (None, None, None))
            where = of_item["published"].unique()
            rows.append({"item_id": f"imemnet-{kind}-{item}", "modality": kind, "path": files[kind].get(item), "source": "imemnet",
                         "group_id": f"imemnet-{kind}-{of_item['song'].iloc[0] if kind == 'audio' else item}",
                         "split": lists[where[0]] if len(where) == 1 else None, "valence": valence, "arousal": arousal,
                         "description": caption, "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)


def _points(folder: Path, name: str, kind: str) -> dict[str, tuple]:
    """Item → (valence, arousal, caption) out of a table of IMEMNet-C; nothing where it is
    absent.
    """
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
    return {row: (*point, layout.text(said)) for row, point,
            said in zip(table["item"], unit.tolist(),
                        table[words] if words else [None] * len(table), strict=True)}


def read(folder: Path | str):
    """The lists that are there, as one table: DataFrame ``clip, song, image, score, published``
    (the list's own name), a row a line.

    Raises:
        KlangfarbeError: no list, or a line that is not clip, picture and score.
    """
    layout.find_file(folder, [f"{name}_matching.txt" for name in ("test", "val", "train")],
                   "one of IMEMNet's three lists", WHERE)
    parts = []
    for name in LISTS:
        path = Path(folder) / f"{name}_matching.txt"
        if path.is_file():
            found = _lines(path)
            if found.shape[1] != 3 or not found[0].str.fullmatch(r"\d+-\d+").all():
                raise KlangfarbeError(f"lines of song-clip, picture and score in {path.name}",
                                      " ".join(found.iloc[0].astype(str))[:60],
                                      "use the published list as it is")
            parts.append(found.set_axis(["clip", "image", "score"], axis=1).assign(published=name))
    table = pd.concat(parts, ignore_index=True)
    try:
        table = table.astype({"score": float})
    except ValueError as error:
        raise KlangfarbeError("a number as each pair's score", str(error)[:80],
                              "use the published list as it is") from error
    return table.assign(song=table["clip"].str.rsplit("-",
                                                      n=1).str[0])[["clip", "song", "image",
                                                                    "score", "published"]]


def _lines(path: Path):
    try:
        return pd.read_csv(path, sep=" ", header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # pandas' own faults are ValueErrors
        raise KlangfarbeError(f"lines of song-clip, picture and score in {path.name}",
                              f"{type(error).__name__}: {str(error)[:80]}",
                              "download it again") from error


def overlap(table, split: np.ndarray):
    """How much of a test set training has met: DataFrame, a row an end of :data:`ENDS`.

    Args:
        table: with the columns of :data:`ENDS`. split: ``train``, ``test`` or anything else [N].

    Returns:
        ``of`` (different ones in the test set), ``met`` (how many of these are in training too),
        ``pairs`` (share of the test pairs whose clip, song or picture is in training).

    Raises:
        KlangfarbeError: no test pair.
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


def split_both_ends(table, fractions: dict[str, float], seed: int = 0) -> np.ndarray:
    """A split of a graph that hangs together: songs are dealt, pictures are dealt, and a pair whose
    ends disagree is left out ("").

    Of shares p₁, p₂, … about p₁² + p₂² + … of the pairs remain; nothing in the test set was met
    before.
    """
    song, image = (splits.by_group(table[end], fractions, seed + k) for k,
                   end in enumerate(("song", "image")))
    return np.where(song == image, song, "")
