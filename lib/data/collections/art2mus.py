"""Art2Mus: 10,000 pairs of a painting (WikiArt) and a track (Free Music Archive), by their ids."""

from pathlib import Path, PurePosixPath

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout

URL = "https://github.com/justivanr/art2mus_"
LICENCE = "none found for the list; tracks Creative Commons, pictures as WikiArt states"
WHERE = f"download data/extra/image_audio_subset_df.json from {URL}"
PLACES = ("image_audio_subset_df.json", "data/extra/image_audio_subset_df.json")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a painting, grouped by painter, and a row a track."""
    table = pairs(folder)
    items = [(kind, PurePosixPath(place) / name)
             for kind, place in (("image", "images"), ("audio", "fma_large"))
             for name in sorted(set(table[kind]))]
    return layout.to_manifest(
        "art2mus", LICENCE, URL, modality=[kind for kind, _ in items],
        item_id=[f"art2mus-{kind}-{path.stem}" for kind, path in items],
        path=[str(path) if (Path(folder) / path).is_file() else None for _, path in items],
        group_id=[f"art2mus-{path.stem}" for _, path in items],
        artists=[path.name.split("_")[0] if kind == "image" else None for kind, path in items])


def pairs(folder: Path | str) -> pd.DataFrame:
    """The pairs in the list's order: ``image`` (file name), ``audio`` (path in ``fma_large/``)."""
    file = layout.find_file(folder, PLACES, "Art2Mus' list of pairs", WHERE)
    try:
        table = pd.read_json(file)
        sounds = [name.split("fma_large/")[-1] for name in table["Audio"]]
        return pd.DataFrame({"image": table["Image"].astype(str), "audio": sounds})
    except (ValueError, KeyError, AttributeError) as error:
        raise KlangfarbeError(f"columns Image and Audio in {file}",
                              f"{type(error).__name__}: {str(error)[:80]}",
                              "download it again") from error
