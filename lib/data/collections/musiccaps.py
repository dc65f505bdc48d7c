"""MusicCaps: 5,521 clips of ten seconds out of AudioSet, each described by a musician."""

import ast
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout

URL = "https://www.kaggle.com/datasets/googleai/musiccaps"
LICENCE = "CC BY-SA 4.0 (text); recordings belong to their makers"
WHERE = f"download musiccaps-public.csv from {URL}, or: python -m lib data fetch musiccaps"
COLUMNS = ("ytid", "start_s", "audioset_positive_labels", "aspect_list", "caption",
           "is_audioset_eval")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a clip, grouped by video."""
    folder = Path(folder)
    sounds = layout.list_files(folder / "clips", folder, layout.AUDIO)
    rows = [{"item_id": row.clip, "group_id": f"musiccaps-{row.ytid}", "split": row.split,
             "path": sounds.get(row.ytid), "caption": row.caption, "description": row.keywords}
            for row in captions(folder).itertuples()]
    return layout.to_manifest(rows, "musiccaps", LICENCE, URL, modality="audio")


def captions(folder: Path | str) -> pd.DataFrame:
    """The clips in the table's order: ``clip, ytid, caption, labels, keywords, split``.

    ``labels`` are AudioSet's ids as written, ``keywords`` the aspects joined by commas.
    """
    file = layout.find_file(folder, ["musiccaps-public.csv"], "MusicCaps' table", WHERE)
    table = layout.read_table(file, COLUMNS)
    return pd.DataFrame({
        "clip": [f"musiccaps-{row.ytid}-{row.start_s}" for row in table.itertuples()],
        "ytid": table["ytid"], "caption": table["caption"],
        "labels": table["audioset_positive_labels"],
        "keywords": [_keywords(text, file) for text in table["aspect_list"]],
        "split": table["is_audioset_eval"].map({True: "test", False: "train"})})


def _keywords(text: str, file: Path) -> str:
    """``"['a', 'b']"`` → ``"a, b"``."""
    try:
        return ", ".join(str(word).strip() for word in ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError) as error:
        raise KlangfarbeError(f"lists of aspects like ['slow', 'piano'] in {file}", repr(text)[:80],
                              "download it again") from error
