"""Collections of pictures: OASIS, CGnA10766, WikiArt Emotions, ArtEmis. Notebook: 04."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

OASIS_COLUMNS = ("Theme", "Category", "Source", "Valence_mean", "Valence_SD", "Valence_N",
                 "Arousal_mean", "Arousal_SD", "Arousal_N")
CGNA_HEADINGS = (("image", "file", "filename", "file_name", "image_name", "imagename", "img",
                  "name", "id", "image_id", "picture"), ("valence", "v"), ("arousal", "a"))
WIKIART_URL = "http://saifmohammad.com/WebPages/wikiartemotions.html"
WIKIART_PLACES = ("WikiArt-Emotions-All.tsv", "WikiArt-Emotions/WikiArt-Emotions-All.tsv",
                  "emotion_labelled.csv")
SEEN = {"image and title": "Art (image+title): ", "image": "ImageOnly: "}
ARTEMIS_LABELS = (*affect.ARTEMIS_POINTS, "something else")


def oasis(folder: Path) -> dict:
    """A row a photograph; photographs of one subject are a group."""
    photos = _oasis_table(folder)
    there = layout.list_files(folder, layout.PICTURES, "images", "Images")
    subjects = photos["Theme"].str.replace(r"[ _]*[0-9]+$", "", regex=True)
    ids = photos["id" if "id" in photos.columns else photos.columns[0]]
    return {"modality": "image", "item_id": "oasis-" + ids.astype(str),
            "group_id": "oasis-" + subjects, "caption": subjects.str.lower(),
            "genre": photos["Category"].str.lower(),
            "points": affect.to_unit(photos[["Valence_mean", "Arousal_mean"]], "oasis"),
            "path": [name if name and (folder / name).is_file() else there.get(theme)
                     for name, theme in zip(*layout.texts(photos, "file"), photos["Theme"])]}


def _oasis_table(folder: Path) -> Any:
    file = layout.find_file("oasis", folder, ["OASIS.csv"])
    return layout.read_table(file, OASIS_COLUMNS, numbers=OASIS_COLUMNS[3:])


def oasis_reliability(folder: Path) -> dict[str, float]:
    """How well two panels' means agree, per axis: 1 − mean(SD²/N) / variance of the means."""
    photos = _oasis_table(folder)
    if "file" in photos.columns:
        photos = photos[photos["file"].notna()]
    return {axis.lower(): float(1 - (photos[f"{axis}_SD"] ** 2 / photos[f"{axis}_N"]).mean()
                                / photos[f"{axis}_mean"].var()) for axis in ("Valence", "Arousal")}


def cgna10766(folder: Path) -> dict:
    """A row a photograph, from whatever table with known headings is in the unpacked archive."""
    file = layout.find_file("cgna10766", folder, ("*.csv", "*/*.csv", "*.tsv", "*/*.tsv", "*.txt"))
    ratings = layout.read_table(file, (), separator="," if file.suffix == ".csv" else "\t")
    columns = [next((name for name in ratings.columns
                     if name.lower().replace("mean", "").strip(" _-.()") in known), None)
               for known in CGNA_HEADINGS]
    if None in columns:
        known = ", ".join(CGNA_HEADINGS[columns.index(None)])
        raise KlangfarbeError(f"a column out of {known} in {file}",
                              ", ".join(ratings.columns)[:200], "rename the column and try again")
    ratings = layout.read_table(file, (), separator="," if file.suffix == ".csv" else "\t",
                                numbers=filter(None, columns[1:]))
    pictures = {}
    for place in ("", *sorted(p.name for p in folder.iterdir() if p.is_dir())):
        pictures = layout.list_files(folder, layout.PICTURES, place) | pictures
    stems = [Path(str(name)).stem for name in ratings[columns[0]]]
    return {"modality": "image", "item_id": [f"cgna10766-{stem}" for stem in stems],
            "path": [pictures.get(stem) for stem in stems],
            "points": affect.to_unit(ratings[columns[1:]].to_numpy(), "cgna10766")}


def wikiart_emotions(folder: Path, paintings_only=False, seen="image and title") -> dict:
    """A row a work; `seen`, a key of :data:`SEEN`, is what the annotators saw."""
    works, emotions = wikiart_shares(folder, seen), list(affect.WIKIART_POINTS)
    if paintings_only:
        works = works[works["painting"]]
    shares = works[emotions].to_numpy()
    points, named = affect.from_emotions(shares, affect.WIKIART_POINTS), shares.sum(axis=1) > 0
    points[~named] = np.nan
    there = layout.list_files(folder, layout.PICTURES, "images", "emotion_labelled")
    return {"modality": "image", "item_id": "wikiart-" + works["id"], "points": points,
        "path": works["id"].map(there.get), "genre": works["category"],
        "emotion": [emotions[k] if some else None for k, some in zip(shares.argmax(axis=1), named)],
        "caption": [f"{title or 'untitled'} by {artist or 'an unknown artist'}"
        for title, artist in zip(works["title"], works["artist"], strict=True)],
        "origin_url": [url or WIKIART_URL for url in works["url"]]}


def wikiart_shares(folder: Path, seen: str = "image and title") -> Any:
    """WikiArt's ``id, artist, title, category, url, painting``, each emotion's share of raters."""
    file = layout.find_file("wikiart_emotions", folder, WIKIART_PLACES)
    joined = file.suffix == ".csv"
    columns = (["wikiart_emotions_id", "artist", "title", "category"] if joined
               else ["ID", "Artist", "Title", "Category"])
    shares = [SEEN[seen] + emotion for emotion in affect.WIKIART_POINTS]
    works = layout.read_table(file, [*columns[:3], "Is painting", *shares],
                              separator="," if joined else "\t", numbers=shares)
    about = layout.texts(works, *columns, "Painting Info URL")
    table = pd.DataFrame(zip(*about, strict=True), dtype=object,
                         columns=["id", "artist", "title", "category", "url"])
    return table.assign(painting=works["Is painting"] == "yes",
                        **dict(zip(affect.WIKIART_POINTS, works[shares].to_numpy().T, strict=True)))


def artemis(folder: Path) -> dict:
    """A row an utterance, grouped by painting."""
    table = artemis_comments(folder)
    there = {style: layout.list_files(folder, layout.PICTURES, f"wikiart/{style}")
             for style in set(table["style"])}
    return {"modality": "image", "item_id": table["comment_id"], "emotion": table["emotion"],
            "group_id": "artemis-" + table["painting"], "comment": table["comment"],
            "path": [there[style].get(name) for style, name
                     in zip(table["style"], table["painting"], strict=True)]}


def artemis_comments(folder: Path) -> pd.DataFrame:
    """ArtEmis' utterances in its order: ``comment_id, painting, style, emotion, comment``."""
    name = "artemis_dataset_release_v0.csv"
    table = _artemis_table(layout.find_file("artemis", folder, (name, f"official_data/{name}")))
    return pd.DataFrame({"comment_id": [f"artemis-{k:06d}" for k in range(len(table))],
                         "painting": table["painting"], "style": table["art_style"],
                         "emotion": table["emotion"], "comment": table["utterance"]})


def artemis_subset(folder: Path) -> dict:
    """A row a painting, grouped by artist: the emotion that most viewers named, at its point of
    :data:`affect.ARTEMIS_POINTS`, and the sentences of these viewers as one comment."""
    places = ("Dataset/1k_batch.csv", "1k_batch.csv", "artemis_1k.csv")
    works = _artemis_table(layout.find_file("artemis_subset", folder, places))
    names, *urls = layout.texts(works, "painting", "Link", "wikiart_url")
    there = layout.list_files(folder, layout.PICTURES, "images")
    return {"modality": "image", "item_id": "artemis_subset-" + works["painting"],
            "path": [there.get(str(name)) for name in names],
            "artists": works["painting"].str.split("_").str[0],
            "points": [affect.ARTEMIS_POINTS.get(name, (None, None)) for name in works["emotion"]],
            "emotion": works["emotion"], "comment": works["utterance"], "genre": works["art_style"],
            "origin_url": [link or url for link, url in zip(*urls, strict=True)]}


def _artemis_table(file: Path) -> Any:
    table = layout.read_table(file, ("art_style", "painting", "emotion", "utterance"))
    table = table.dropna(subset=["painting", "utterance"], ignore_index=True)
    table["emotion"] = table["emotion"].str.lower()
    if unknown := sorted(set(table["emotion"].dropna()) - set(ARTEMIS_LABELS)):
        raise KlangfarbeError(f"labels out of {', '.join(ARTEMIS_LABELS)} in {file}",
                              ", ".join(map(repr, unknown[:3])), "check that it is ArtEmis' table")
    return table
