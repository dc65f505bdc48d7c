"""MusicCaps: 5,521 clips of ten seconds out of AudioSet, each described by a musician, in words and
in a list of aspects.
"""

import ast
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout

CARD = """\
### MusicCaps
- **What.** 5,521 ten-second clips of YouTube videos in AudioSet, each with a caption of about four sentences and a list of aspects by one of ten musicians (Agostinelli et al. 2023, *MusicLM*). System 4's music: 4,717 of them "after cleaning".
- **Where.** The table: <https://www.kaggle.com/datasets/googleai/musiccaps>, or by `python -m lib data fetch musiccaps`. The sound is not in it: `ytid`, `start_s` and `end_s` say where it is.
- **Licence.** CC BY-SA 4.0 for the text; the recordings belong to their makers.
- **Layout.** `musiccaps-public.csv` (`ytid, start_s, end_s, audioset_positive_labels, aspect_list, caption, author_id, is_balanced_subset, is_audioset_eval`). Clips in `clips/<ytid>.wav` (or mp3, flac, ogg), where you put them.
- **Scale.** None: no valence or arousal. `caption`; `description`: the aspects, joined by commas. Split: `test` where the clip is in AudioSet's evaluation set, else `train`. Group: the video.
- **Known defects.** (1) Labels are AudioSet's ids (`/m/04rlf`), not words: text 003's prompt shows words. (2) Videos vanish; which 4,717 were left in 2024 the text does not say. (3) The caption repeats the aspects in sentences, so a keyword of the one is a leak of the other. (4) Some captions name a recording's faults first (*low quality*), which a sentiment lexicon reads as feeling.
"""  # noqa: E501  (cards are read as text)

URL = "https://www.kaggle.com/datasets/googleai/musiccaps"
LICENCE = "CC BY-SA 4.0 (text); recordings belong to their makers"
WHERE = f"download musiccaps-public.csv from {URL}, or: python -m lib data fetch musiccaps"
COLUMNS = ("ytid", "start_s", "audioset_positive_labels", "aspect_list", "caption",
           "is_audioset_eval")


def manifest(folder: Path | str):
    """A row a clip; ``path`` is null where its sound is not there.

    Raises:
        KlangfarbeError: as :func:`captions`.
    """
    folder, table = Path(folder), captions(folder)
    sounds = layout.list_files(folder / "clips", folder, layout.AUDIO)
    rows = [{"item_id": row.clip, "modality": "audio", "source": "musiccaps",
             "group_id": f"musiccaps-{row.ytid}", "split": row.split, "path": sounds.get(row.ytid),
             "caption": row.caption, "description": row.keywords, "licence": LICENCE,
             "origin_url": URL} for row in table.itertuples()]
    return manifests.frame(rows)


def captions(folder: Path | str):
    """The clips in the table's order: DataFrame ``clip, ytid, caption, labels, keywords, split``,
    for ``articaps.brought``.

    ``labels``: AudioSet's ids as written. ``keywords``: the aspects, joined by commas.

    Raises:
        KlangfarbeError: the table is missing, lacks a column, or has a list of aspects that is
            none.
    """
    file = layout.find_file(folder, ["musiccaps-public.csv"], "MusicCaps' table", WHERE)
    table = layout.read_table(file, COLUMNS)
    names = [f"musiccaps-{row.ytid}-{row.start_s}" for row in table.itertuples()]
    aspects = [_listed(text, file) for text in table["aspect_list"]]
    table = table.assign(clip=names, labels=table["audioset_positive_labels"], keywords=aspects,
                         split=table["is_audioset_eval"].map({True: "test", False: "train"}))
    return table[["clip", "ytid", "caption", "labels", "keywords", "split"]]


def _listed(text: str, file: Path) -> str:
    """``"['a', 'b']"`` → ``"a, b"``."""
    try:
        return ", ".join(str(word).strip() for word in ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError) as error:
        raise KlangfarbeError(f"lists of aspects like ['slow', 'piano'] in {file}", repr(text)[:80],
                              "download it again") from error
