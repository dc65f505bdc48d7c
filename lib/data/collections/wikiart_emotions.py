"""WikiArt Emotions: 4,105 works and the share of viewers who named each of twenty emotions."""

from pathlib import Path

import numpy as np
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
    """A row a work; `seen`, a key of :data:`SEEN`, is what the annotators saw."""
    if seen not in SEEN:
        raise KlangfarbeError(f"what was seen, out of {', '.join(SEEN)}", repr(seen),
                              "name one of them")
    file = layout.find_file(folder, PLACES, "WikiArt Emotions' table of shares", WHERE)
    joined = file.suffix == ".csv"
    columns = (["wikiart_emotions_id", "artist", "title", "category"] if joined
               else ["ID", "Artist", "Title", "Category"])
    emotions = np.array(list(affect.WIKIART_POINTS), object)
    shares_of = [SEEN[seen] + emotion for emotion in emotions]
    works = layout.read_table(file, [*columns[:3], "Is painting", *shares_of],
                              separator="," if joined else "\t")
    if paintings_only:
        works = works[works["Is painting"] == "yes"]
    shares, unknown = works[shares_of].to_numpy(), [None] * len(works)
    points, named = affect.from_emotions(shares, affect.WIKIART_POINTS), shares.sum(axis=1) > 0
    points[~named] = np.nan
    ids, artists, titles, genres, urls = (
        [layout.text(value) for value in works.get(column, unknown)]
        for column in (*columns, "Painting Info URL"))
    there = layout.list_files(Path(folder), layout.PICTURES,
                              "emotion_labelled" if joined else "images")
    return layout.to_manifest(
        "wikiart_emotions", LICENCE, URL, modality="image", points=points, genre=genres,
        item_id=[f"wikiart-{work}" for work in ids], path=[there.get(work) for work in ids],
        emotion=np.where(named, emotions[shares.argmax(axis=1)], None),
        caption=[f"{title or 'untitled'} by {artist or 'an unknown artist'}"
                 for title, artist in zip(titles, artists, strict=True)],
        origin_url=[url or URL for url in urls])
