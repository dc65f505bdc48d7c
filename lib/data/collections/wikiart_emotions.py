"""WikiArt Emotions: 4,105 works of art and the share of annotators who named each of twenty
emotions.
"""

from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

URL = "http://saifmohammad.com/WebPages/wikiartemotions.html"
LICENCE = "annotations for research only, pictures as WikiArt states"
WHERE = f"download WikiArt-Emotions.zip from {URL} and unpack it there"
PLACES = ("WikiArt-Emotions-All.tsv", "WikiArt-Emotions/WikiArt-Emotions-All.tsv",
          "emotion_labelled.csv")
SEEN = {"image and title": "Art (image+title): ", "image": "ImageOnly: "}


def manifest(folder: Path | str, *, paintings_only: bool = False,
             seen: str = "image and title") -> pd.DataFrame:
    """A row a work, from the publisher's folder (pictures in ``images/``) or one with
    ``emotion_labelled.csv``.

    Args:
        paintings_only: leave out what is marked as no painting.
        seen: what the annotators saw, a key of :data:`SEEN`.
    """
    if seen not in SEEN:
        raise KlangfarbeError(f"what was seen, out of {', '.join(SEEN)}", repr(seen),
                              "name one of them")
    folder = Path(folder)
    file = layout.find_file(folder, PLACES, "WikiArt Emotions' table of shares", WHERE)
    joined = file.suffix == ".csv"
    identity, artist, title, category = (("wikiart_emotions_id", "artist", "title", "category")
                                         if joined else ("ID", "Artist", "Title", "Category"))
    emotions = list(affect.WIKIART_POINTS)
    shares_of = [SEEN[seen] + emotion for emotion in emotions]
    works = layout.read_table(file, [identity, artist, title, "Is painting", *shares_of],
                              separator="," if joined else "\t")
    if paintings_only:
        works = works[works["Is painting"] == "yes"]
    weights = works[shares_of].to_numpy()
    points = affect.from_emotions(weights, affect.WIKIART_POINTS)
    pictures = layout.list_files(folder / ("emotion_labelled" if joined else "images"), folder,
                                 layout.PICTURES)
    rows = []
    for shares, (valence, arousal), record in zip(weights, points, works.to_dict("records"),
                                                  strict=True):
        emotion = emotions[shares.argmax()]
        if not shares.sum() > 0:
            emotion = valence = arousal = None
        rows.append({"item_id": f"wikiart-{record[identity]}",
                     "path": pictures.get(str(record[identity])), "emotion": emotion,
                     "valence": valence, "arousal": arousal,
                     "caption": f"{layout.text(record[title]) or 'untitled'} by "
                                f"{layout.text(record[artist]) or 'an unknown artist'}",
                     "genre": layout.text(record.get(category)),
                     "origin_url": layout.text(record.get("Painting Info URL")) or URL})
    return layout.to_manifest(rows, "wikiart_emotions", LICENCE, URL, modality="image")
