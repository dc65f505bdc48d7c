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
    table, sounds = captions(folder), layout.list_files(Path(folder), layout.AUDIO, "clips")
    return layout.to_manifest(
        "musiccaps", LICENCE, URL, modality="audio", item_id=table["clip"], split=table["split"],
        group_id="musiccaps-" + table["ytid"], path=map(sounds.get, table["ytid"]),
        caption=table["caption"], description=table["keywords"])


def captions(folder: Path | str) -> pd.DataFrame:
    """``clip, ytid, caption, labels`` (of AudioSet), ``keywords`` (between commas), ``split``."""
    file = layout.find_file(folder, ["musiccaps-public.csv"], "MusicCaps' table", WHERE)
    table, keywords = layout.read_table(file, COLUMNS), []
    for written in table["aspect_list"]:  # "['a', 'b']"
        try:
            keywords.append(", ".join(str(word).strip() for word in ast.literal_eval(written)))
        except (ValueError, SyntaxError, TypeError) as error:
            raise KlangfarbeError(f"lists of aspects like ['slow', 'piano'] in {file}",
                                  repr(written)[:80], "download it again") from error
    clips = [f"musiccaps-{row.ytid}-{row.start_s}" for row in table.itertuples()]
    return pd.DataFrame({"clip": clips, "ytid": table["ytid"], "caption": table["caption"],
                         "labels": table["audioset_positive_labels"], "keywords": keywords,
                         "split": table["is_audioset_eval"].map({True: "test", False: "train"})})
