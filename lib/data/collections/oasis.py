"""OASIS: 900 photographs with normative valence and arousal."""

import re
from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://www.benedekkurdi.com/#oasis"
LICENCE = "open access for research"
WHERE = f"download OASIS.csv and the images from {URL}"
COLUMNS = ("Theme", "Category", "Source", "Valence_mean", "Valence_SD", "Valence_N", "Arousal_mean",
           "Arousal_SD", "Arousal_N")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a photograph; photographs of one subject are a group."""
    folder = Path(folder)
    photos = _norms(folder)
    unit = affect.to_unit(photos[["Valence_mean", "Arousal_mean"]].to_numpy(), "oasis")
    ids = "id" if "id" in photos.columns else photos.columns[0]
    there = layout.list_first(folder, ("images", "Images"), layout.PICTURES)
    rows = []
    for (valence, arousal), record in zip(unit, photos.to_dict("records"), strict=True):
        named = layout.text(record.get("file"))
        subject = re.sub(r"[ _]*[0-9]+$", "", record["Theme"])
        rows.append({"item_id": f"oasis-{record[ids]}", "group_id": f"oasis-{subject}",
                     "path": named if named and (folder / named).is_file()
                     else there.get(record["Theme"]), "caption": subject.lower(),
                     "genre": record["Category"].lower(), "valence": valence, "arousal": arousal})
    return layout.to_manifest(rows, "oasis", LICENCE, URL, modality="image")


def reliability(folder: Path | str) -> dict[str, float]:
    """How well one panel's means agree with another's of the same size: 1 − mean(SD²/N) / variance
    of the means, per axis, over the photographs that are there.
    """
    photos = _norms(folder)
    if "file" in photos.columns:
        photos = photos[photos["file"].notna()]
    return {axis.lower(): float(1 - (photos[f"{axis}_SD"] ** 2 / photos[f"{axis}_N"]).mean()
                                / photos[f"{axis}_mean"].var()) for axis in ("Valence", "Arousal")}


def _norms(folder: Path | str) -> pd.DataFrame:
    return layout.read_table(layout.find_file(folder, ["OASIS.csv"], "OASIS' table of norms",
                                              WHERE), COLUMNS)
