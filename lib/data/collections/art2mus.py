"""Art2Mus' pairs: 10,000 paintings of WikiArt, each with a track of the Free Music Archive. Ids
only, and each used once.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout

CARD = """\
### Art2Mus (pairs)
- **What.** 10,000 pairs of a painting (WikiArt's file name) and a track (its place in FMA's large set), matched by an embedding of both (Rinaldi, Fanelli, Castellano & Vessio 2024, *Art2Mus: artwork-to-music generation*). No part of any of the four sources: a list of pairs with real names on both sides, to stand beside IMEMNet's.
- **Where.** <https://github.com/justivanr/art2mus_>, `data/extra/image_audio_subset_df.json`; pictures and sounds from WikiArt and <https://github.com/mdeff/fma> themselves.
- **Licence.** None found at the repository's root; tracks under their own Creative Commons licences, pictures as WikiArt states.
- **Layout.** `image_audio_subset_df.json`: `{"Image": {"0": "<painter>_<title>.jpg", …}, "Audio": {"0": "…/fma_large/010/010425.mp3", …}}`. Pictures in `images/`, tracks in `fma_large/010/010425.mp3`, where you put them.
- **Scale.** None: no valence or arousal. Group: the painter (the name before `_`) for pictures; the track for sounds.
- **Known defects.** (1) No picture, no sound, no artist of the tracks. (2) Each picture and each track stands once, but a split by painting still shares its painters. (3) Who matched the pairs is an embedding, so a metric built on the same one would be asked about itself.
"""  # noqa: E501  (cards are read as text)

URL = "https://github.com/justivanr/art2mus_"
LICENCE = "none found for the list; tracks Creative Commons, pictures as WikiArt states"
WHERE = f"download data/extra/image_audio_subset_df.json from {URL}"


def manifest(folder: Path | str):
    """Every painting and every track of the pairs; ``path`` is null where the file is not there.

    Raises:
        KlangfarbeError: as :func:`pairs`.
    """
    folder, rows = Path(folder), []
    table = pairs(folder)
    there = {"image": "images/{}", "audio": "fma_large/{}"}
    for kind in ("image", "audio"):
        for name in sorted(set(table[kind])):
            path = there[kind].format(name)
            group = (f"artist:{name.split('_')[0]}" if kind == "image"
                     else f"art2mus-{PurePosixPath(name).stem}")
            rows.append({"item_id": f"art2mus-{kind}-{PurePosixPath(name).stem}", "modality": kind,
                         "source": "art2mus", "group_id": group,
                         "path": path if (folder / path).is_file() else None, "licence": LICENCE,
                         "origin_url": URL})
    return manifests.frame(rows)


def pairs(folder: Path | str):
    """The pairs in the list's order: DataFrame ``image`` (file name), ``audio`` (path below
    ``fma_large/``).

    Raises:
        KlangfarbeError: the list is missing, or is no table of pictures and tracks.
    """
    file = layout.find_file(folder, ["image_audio_subset_df.json",
                                   "data/extra/image_audio_subset_df.json"],
                          "Art2Mus' list of pairs", WHERE)
    try:
        table = pd.read_json(file)
        sounds = [name.split("fma_large/")[-1] for name in table["Audio"]]
        return pd.DataFrame({"image": table["Image"].astype(str), "audio": sounds})
    except (ValueError, KeyError, AttributeError) as error:
        raise KlangfarbeError(f"columns Image and Audio in {file}",
                              f"{type(error).__name__}: {str(error)[:80]}",
                              "download it again") from error
