"""OASIS: 900 photographs with normative valence and arousal."""

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
    folder, photos = Path(folder), _norms(folder)
    there = layout.list_files(folder, layout.PICTURES, "images", "Images")
    named = [layout.text(name) for name in photos.get("file", [None] * len(photos))]
    subjects = photos["Theme"].str.replace(r"[ _]*[0-9]+$", "", regex=True)
    ids = photos["id" if "id" in photos.columns else photos.columns[0]]
    return layout.to_manifest(
        "oasis", LICENCE, URL, modality="image", item_id="oasis-" + ids.astype(str),
        group_id="oasis-" + subjects, caption=subjects.str.lower(),
        genre=photos["Category"].str.lower(),
        points=affect.to_unit(photos[["Valence_mean", "Arousal_mean"]], "oasis"),
        path=[name if name and (folder / name).is_file() else there.get(theme)
              for name, theme in zip(named, photos["Theme"], strict=True)])


def reliability(folder: Path | str) -> dict[str, float]:
    """How well two panels' means agree, per axis: 1 − mean(SD²/N) / variance of the means."""
    photos = _norms(folder)
    if "file" in photos.columns:
        photos = photos[photos["file"].notna()]
    return {axis.lower(): float(1 - (photos[f"{axis}_SD"] ** 2 / photos[f"{axis}_N"]).mean()
                                / photos[f"{axis}_mean"].var()) for axis in ("Valence", "Arousal")}


def _norms(folder: Path | str) -> pd.DataFrame:
    file = layout.find_file(folder, ["OASIS.csv"], "OASIS' table of norms", WHERE)
    return layout.read_table(file, COLUMNS)
