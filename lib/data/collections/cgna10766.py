"""CGnA10766: 10,766 photographs of the web with crowdsourced valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

URL = "https://doi.org/10.6084/m9.figshare.5383105"
LICENCE = "as figshare states; photographs of their makers"
WHERE = f"download and unpack the archive from {URL}"
HEADINGS = (("image", "file", "filename", "file_name", "image_name", "imagename", "img", "name",
             "id", "image_id", "picture"), ("valence", "v"), ("arousal", "a"))


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a photograph, from whatever table with known headings is in the unpacked archive."""
    folder = Path(folder)
    file = layout.find_file(folder, ["*.csv", "*/*.csv", "*.tsv", "*/*.tsv", "*.txt"],
                            "CGnA10766's table of ratings", WHERE)
    ratings = layout.read_table(file, (), separator="," if file.suffix == ".csv" else "\t")
    name, valence, arousal = (_heading(ratings.columns, file, known) for known in HEADINGS)
    unit = affect.to_unit(ratings[[valence, arousal]].to_numpy(), "cgna10766")
    pictures = layout.list_files(folder, folder, layout.PICTURES)
    for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
        pictures = {**layout.list_files(inner, folder, layout.PICTURES), **pictures}
    rows = []
    for (v, a), picture in zip(unit, ratings[name], strict=True):
        stem = Path(str(picture)).stem
        rows.append({"item_id": f"cgna10766-{stem}", "path": pictures.get(stem), "valence": v,
                     "arousal": a})
    return layout.to_manifest(rows, "cgna10766", LICENCE, URL, modality="image")


def _heading(columns, file: Path, known: tuple[str, ...]) -> str:
    """The first column whose heading, lower-cased and without ``mean``, is one of `known`."""
    for column in columns:
        if column.lower().replace("mean", "").strip(" _-.()") in known:
            return column
    raise KlangfarbeError(f"a column out of {', '.join(known)} in {file}", ", ".join(columns)[:200],
                          "rename the column and try again")
