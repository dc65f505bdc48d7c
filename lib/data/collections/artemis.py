"""ArtEmis: what people feel before 80,000 paintings of WikiArt, in words and one of nine labels."""

from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout

URL = "https://www.artemisdataset.org"
LICENCE = "its own terms (research, not to be passed on); pictures as WikiArt states"
WHERE = f"ask for artemis_dataset_release_v0.csv at {URL}"
PLACES = ("artemis_dataset_release_v0.csv", "official_data/artemis_dataset_release_v0.csv")
LABELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness",
          "something else")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row an utterance, grouped by painting."""
    table = comments(folder)
    there = {style: layout.list_files(Path(folder), layout.PICTURES, f"wikiart/{style}")
             for style in set(table["style"])}
    return layout.to_manifest(
        "artemis", LICENCE, URL, modality="image", item_id=table["comment_id"],
        group_id="artemis-" + table["painting"], emotion=table["emotion"], comment=table["comment"],
        path=[there[style].get(name) for style, name in zip(table["style"], table["painting"],
                                                            strict=True)])


def comments(folder: Path | str) -> pd.DataFrame:
    """The utterances in the file's order: ``comment_id, painting, style, emotion, comment``."""
    file = layout.find_file(folder, PLACES, "ArtEmis' utterances", WHERE)
    table = layout.read_table(file, ("art_style", "painting", "emotion", "utterance"))
    table = table.dropna(subset=["painting", "utterance"], ignore_index=True)
    emotion = table["emotion"].str.lower()
    if unknown := sorted(set(emotion.dropna()) - set(LABELS)):
        raise KlangfarbeError(f"labels out of {', '.join(LABELS)} in {file}",
                              ", ".join(map(repr, unknown[:3])),
                              "check that this is ArtEmis' own table")
    return pd.DataFrame({"comment_id": [f"artemis-{k:06d}" for k in range(len(table))],
                         "painting": table["painting"], "style": table["art_style"],
                         "emotion": emotion, "comment": table["utterance"]})
