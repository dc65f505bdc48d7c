"""CGnA10766: 10,766 photographs with valence and arousal, the source of the landscapes of Generate
Image from Music Emotion.
"""

from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### CGnA10766
- **What.** 10,766 photographs from the web with mean valence and arousal, collected by crowdsourcing for *Building Emotional Machines* (Kim, Kim, Kim & Lee 2018).
- **Where.** <https://doi.org/10.6084/m9.figshare.5383105>.
- **Licence.** As figshare states it for the annotations; the photographs belong to their makers.
- **Layout.** One table (`*.csv`, `*.tsv` or `*.txt`) with a column for the picture's file name and columns for valence and arousal, and the pictures in the same folder or one below. *The files could not be had while this adapter was written*: it finds the columns by their headings, in any case and with or without `mean`, and says which headings it saw when it does not.
- **Scale.** 1–9. Group: the picture.
- **Known defects.** (1) Not looked at by us, see the layout. (2) Generate Image from Music Emotion uses 1,311 landscapes chosen by hand, and the list of them is not published. (3) By the source's own account extreme and negative emotions are rare.
"""  # noqa: E501  (cards are read as text)

URL = "https://doi.org/10.6084/m9.figshare.5383105"
LICENCE = "as figshare states; photographs of their makers"
WHERE = f"download and unpack the archive from {URL}"
FILE_HEADINGS = ("image", "file", "filename", "file_name", "image_name", "imagename", "img", "name",
                 "id", "image_id", "picture")


def manifest(folder: Path | str):
    """CGnA10766's rows; ``path`` is null where the photograph is not there.

    Args:
        folder: the unpacked archive.

    Raises:
        KlangfarbeError: no table, or none of its headings is known; the line lists what there is.
    """
    folder = Path(folder)
    file = layout.find_file(folder, ["*.csv", "*/*.csv", "*.tsv", "*/*.tsv", "*.txt"],
                          "CGnA10766's table of ratings", WHERE)
    ratings = layout.read_table(file, (), separator="," if file.suffix == ".csv" else "\t")
    name, valence, arousal = (_heading(ratings.columns, file, known)
                              for known in (FILE_HEADINGS, ("valence", "v"), ("arousal", "a")))
    unit = affect.to_unit(ratings[[valence, arousal]].to_numpy(), "cgna10766")
    pictures = dict(layout.list_files(folder, folder, layout.PICTURES))
    for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
        pictures = {**layout.list_files(inner, folder, layout.PICTURES), **pictures}
    rows = []
    for (v, a), picture in zip(unit, ratings[name], strict=True):
        stem = Path(str(picture)).stem
        rows.append({"item_id": f"cgna10766-{stem}", "modality": "image",
                     "path": pictures.get(stem), "source": "cgna10766",
                     "group_id": f"cgna10766-{stem}", "valence": v, "arousal": a,
                     "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)


def _heading(columns, file: Path, known: tuple[str, ...]) -> str:
    """The first column whose heading, lower-cased and without ``mean``, is one of `known`."""
    for column in columns:
        plain = column.lower().replace("mean", "").strip(" _-.()")
        if plain in known:
            return column
    raise KlangfarbeError(f"a column out of {', '.join(known)} in {file}", ", ".join(columns)[:200],
                          "rename the column and try again")
