"""IMEMNet's published matchings: which clip goes with which picture, and what a split of such pairs gives away.

    <split>_matching.txt: "2009-114 frame_fhsdrmuzjxe7ad1o 0.72…"   clip 114 of song 2009, a picture, how well they match

Ids only: sounds (DEAM) and pictures are not in the lists. The largest of the three, ``train``, is optional: see data/README.md.

Source: Zhao et al. (2020), "Emotion-based end-to-end matching between image and music in valence-arousal space"; text 001, §5.1.
Notebook: 21.
"""

from pathlib import Path

import numpy as np

from lib.errors import KlangfarbeError

LISTS = ("train", "val", "test")
ENDS = ("clip", "song", "image")


def read(folder: Path):
    """The lists that are there, as one table: DataFrame ``clip, song, image, score, published`` (the list's own name), a row a line.

    Raises:
        KlangfarbeError: no list, or a line that is not clip, picture and score.
    """
    import pandas as pd

    parts = []
    for name in LISTS:
        path = Path(folder) / f"{name}_matching.txt"
        if path.is_file():
            found = pd.read_csv(path, sep=" ", header=None, dtype=str, keep_default_na=False)
            if found.shape[1] != 3 or not found[0].str.fullmatch(r"\d+-\d+").all():
                raise KlangfarbeError(f"lines of song-clip, picture and score in {path.name}", " ".join(found.iloc[0].astype(str))[:60],
                                      "use the published list as it is")
            parts.append(found.set_axis(["clip", "image", "score"], axis=1).assign(published=name))
    if not parts:
        raise KlangfarbeError(f"one of {', '.join(f'{name}_matching.txt' for name in LISTS)}", "none", "see data/README.md")
    table = pd.concat(parts, ignore_index=True).astype({"score": float})
    return table.assign(song=table["clip"].str.rsplit("-", n=1).str[0])[["clip", "song", "image", "score", "published"]]


def known(table, split: np.ndarray):
    """How much of a test set training has met: DataFrame, a row an end of :data:`ENDS`.

    Args:
        table: with the columns of :data:`ENDS`. split: ``train``, ``test`` or anything else [N].

    Returns:
        ``of`` (different ones in the test set), ``met`` (how many of these are in training too), ``pairs`` (share of the test pairs whose
        clip, song or picture is in training).

    Raises:
        KlangfarbeError: no test pair.
    """
    import pandas as pd

    split = np.asarray(split)
    if not (split == "test").any():
        raise KlangfarbeError("pairs in the test set", "none", "deal them out first")
    rows = []
    for end in ENDS:
        here, there = table.loc[split == "test", end], set(table.loc[split == "train", end])
        different = pd.Series(here.unique())
        rows.append({"end": end, "of": len(different), "met": int(different.isin(there).sum()), "pairs": float(here.isin(there).mean())})
    return pd.DataFrame(rows).set_index("end")


def two_sided(table, fractions: dict[str, float], seed: int = 0) -> np.ndarray:
    """A split of a graph that hangs together: songs are dealt, pictures are dealt, and a pair whose ends disagree is left out ("").

    Of shares p₁, p₂, … about p₁² + p₂² + … of the pairs remain; nothing in the test set was met before.
    """
    from lib.data import splits

    song, image = (splits.by_group(table[end], fractions, seed + k) for k, end in enumerate(("song", "image")))
    return np.where(song == image, song, "")
