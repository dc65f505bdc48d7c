"""Collections of texts: EmoBank. Notebook: 04."""

from pathlib import Path

from lib.data.collections import layout
from lib.signal import affect

PUBLISHED_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def emobank(folder: Path) -> dict:
    """A row a sentence, grouped by the document it stands in. Source: Buechel & Hahn 2017."""
    file = layout.find_file("emobank", folder, ("corpus/emobank.csv", "emobank.csv"))
    # one of the sentences is the word None
    sentences = layout.read_table(file, ("id", "split", "V", "A", "text"), words=True,
                                  numbers=("V", "A"))
    ids = "emobank-" + sentences["id"]  # document_from_to; a headline's has one number, no document
    return {"modality": "text", "item_id": ids, "comment": sentences["text"],
            "group_id": ids.str.replace(r"_\d+_\d+$", "", regex=True),
            "split": sentences["split"].map(PUBLISHED_SPLITS),
            "points": affect.to_unit(sentences[["V", "A"]], "emobank")}
