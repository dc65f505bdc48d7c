"""CGnA10766: 10,766 photographs of the web with crowdsourced valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

URL = "https://doi.org/10.6084/m9.figshare.5383105"
LICENCE = "as figshare states; photographs of their makers"
WHERE = f"download and unpack the archive from {URL}"
PLACES = ("*.csv", "*/*.csv", "*.tsv", "*/*.tsv", "*.txt")
HEADINGS = (("image", "file", "filename", "file_name", "image_name", "imagename", "img", "name",
             "id", "image_id", "picture"), ("valence", "v"), ("arousal", "a"))


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a photograph, from whatever table with known headings is in the unpacked archive."""
    folder = Path(folder)
    file = layout.find_file(folder, PLACES, "CGnA10766's table of ratings", WHERE)
    ratings = layout.read_table(file, (), separator="," if file.suffix == ".csv" else "\t")
    columns = []
    for known in HEADINGS:
        found = [name for name in ratings.columns
                 if name.lower().replace("mean", "").strip(" _-.()") in known]
        if not found:
            raise KlangfarbeError(f"a column out of {', '.join(known)} in {file}",
                                  ", ".join(ratings.columns)[:200],
                                  "rename the column and try again")
        columns.append(found[0])
    pictures = {}
    for place in ("", *sorted(p.name for p in folder.iterdir() if p.is_dir())):
        pictures = layout.list_files(folder, layout.PICTURES, place) | pictures
    stems = [Path(str(name)).stem for name in ratings[columns[0]]]
    return layout.to_manifest("cgna10766", LICENCE, URL, modality="image",
                              item_id=[f"cgna10766-{stem}" for stem in stems],
                              path=[pictures.get(stem) for stem in stems],
                              points=affect.to_unit(ratings[columns[1:]].to_numpy(), "cgna10766"))
