"""OASIS: 900 photographs with normative valence and arousal."""

import re
from pathlib import Path

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### OASIS (Open Affective Standardized Image Set)
- **What.** 900 photographs (persons 346, scenery 220, objects 200, animals 134), each rated for valence and arousal by about a hundred people.
- **Where.** <https://www.benedekkurdi.com/#oasis>: `OASIS.csv` and the folder of images.
- **Licence.** Open access for research; the column `Source` names where each photograph came from (Pixabay, Wikipedia, Flickr, …). Some are distressing, some of the persons are nude: none may be shown without looking first.
- **Layout.** `OASIS.csv` (its first heading is empty: `I1` … `I900`), `images/<Theme>.jpg`. Also read: `OASIS.csv` with the columns `id` and `file`.
- **Scale.** 1–7. Group: the theme without its number (`Dog 16` → `Dog`), so that photographs of one subject stay together.
- **Known defects.** (1) Rows without a photograph: the copy the tests use has 684 rows and 428 photographs (no persons); their labels stay, `path` is null. (2) Lines end in CR alone. (3) The plane is not filled: valence spans 1.1–6.5, arousal 1.7–5.7 of 1–7. (4) The reduced copy is re-encoded at 256 × 205.
"""  # noqa: E501  (cards are read as text)

URL = "https://www.benedekkurdi.com/#oasis"
LICENCE = "open access for research"
WHERE = f"download OASIS.csv and the images from {URL}"
COLUMNS = ("Theme", "Category", "Source", "Valence_mean", "Valence_SD", "Valence_N", "Arousal_mean",
           "Arousal_SD", "Arousal_N")


def manifest(folder: Path | str):
    """OASIS' rows; ``path`` is null where the photograph is not there.

    Args:
        folder: as its publisher ships it, or with a column ``file``.

    Raises:
        KlangfarbeError: ``OASIS.csv`` is missing or has other columns.
    """
    folder = Path(folder)
    photos = layout.read_table(layout.find_file(folder, ["OASIS.csv"], "OASIS' table of norms",
                                                WHERE), COLUMNS)
    names = "id" if "id" in photos.columns else photos.columns[0]
    unit = affect.to_unit(photos[["Valence_mean", "Arousal_mean"]].to_numpy(), "oasis")
    there = {}
    for place in ("images", "Images"):
        there = there or layout.list_files(folder / place, folder, layout.PICTURES)
    rows = []
    for (valence, arousal), record in zip(unit, photos.to_dict("records"), strict=True):
        named = layout.text(record.get("file"))
        path = named if named and (folder / named).is_file() else there.get(record["Theme"])
        subject = re.sub(r"[ _]*[0-9]+$", "", record["Theme"])
        rows.append({"item_id": f"oasis-{record[names]}", "modality": "image", "path": path,
                     "source": "oasis", "group_id": f"oasis-{subject}", "caption": subject.lower(),
                     "genre": record["Category"].lower(), "valence": valence, "arousal": arousal,
                     "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)


def reliability(folder: Path | str) -> dict[str, float]:
    """How well one panel's means agree with another's of the same size: 1 − mean(SD²/N) / variance
    of the means, per axis.

    Over the photographs that are there (rows with a file, where the table says so).
    """
    photos = layout.read_table(layout.find_file(folder, ["OASIS.csv"], "OASIS' table of norms",
                                                WHERE), COLUMNS)
    if "file" in photos.columns:
        photos = photos[photos["file"].notna()]
    return {axis.lower(): float(1 - (photos[f"{axis}_SD"] ** 2 / photos[f"{axis}_N"]).mean()
                                / photos[f"{axis}_mean"].var()) for axis in ("Valence", "Arousal")}
