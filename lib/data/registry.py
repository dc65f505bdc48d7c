"""Which real collections there are, who uses them, where they are looked for, how to get them."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pooch

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import manifest
from lib.data.collections import music, pairs, pictures


@dataclass(frozen=True)
class Collection:
    """One real collection."""

    name: str
    what: str
    used_by: str                # systems, 1 … 4
    read: Callable[..., dict]   # folder → the manifest's columns [N], or one text for all rows
    folders: tuple[str, ...]    # looked for in root(), the publisher's own name first
    url: str
    licence: str
    files: tuple[tuple[str, str], ...] = ()  # to be had without a form: address, SHA-256
    stands_in: bool = False     # no data of the four sources, but of a form that runs the same code

    def manifest(self, folder: Path | str, **settings) -> Any:
        """The checked manifest of the collection in `folder`, on [−1, 1]; ``path`` is null where a
        file is not there. A row's group is its artist's, else its ``group_id``, else its own."""
        columns = {"group_id": None, "source": self.name, "licence": self.licence,
                   "origin_url": self.url} | self.read(Path(folder), **settings)
        points, artists = columns.pop("points", None), columns.pop("artists", None)
        if points is not None:
            columns["valence"], columns["arousal"] = np.array(points, float).reshape(-1, 2).T
        table = pd.DataFrame({name: of if isinstance(of, str | None) else list(of)
                              for name, of in columns.items()})
        groups = table["group_id"].where(table["group_id"].notna(), table["item_id"])
        if artists is not None:
            groups = [f"artist:{artist}" if artist else group
                      for artist, group in zip(artists, groups, strict=True)]
        return manifest.frame(table.assign(group_id=groups).to_dict("records"))


_RAW = "https://raw.githubusercontent.com/"
_IMEMNET = f"{_RAW}linkAmy/IMEMNet/e9bf84491903be7020a3c97b47666005f796ea36/"
COLLECTIONS = {row.name: row for row in (
    Collection("wikiart_emotions", "paintings, twenty emotions", "1, 4", pictures.wikiart_emotions,
               ("wikiart_emotions", "wikiart_paintings"), pictures.WIKIART_URL,
               "annotations for research only, pictures as WikiArt states"),
    Collection("mirex", "songs and MIDI, mood adjectives", "1", music.mirex,
               ("mirex", "MIREX-like_mood"), "http://mir.dei.uc.pt",
               "research only, songs of their publishers"),
    Collection("imemnet", "pairs of clip and picture, scored", "2", pairs.imemnet,
               ("imemnet", "IMEMNet"), "https://github.com/linkAmy/IMEMNet",
               "none stated; the sources' own agreements hold", (
        (f"{_IMEMNET}val_matching.txt",
         "151038c10538d7d2e1760fb7b4056d63e97691a036505459298b2fb292c5bb1c"),
        (f"{_IMEMNET}test_matching.txt",
         "1b4b64da2936b6fcf04a61647e0b93a57182a2f9a962c7e1d86650f742ac11a4"),
        (f"{_RAW}schoi828/IMEMNet-C/a56911bcc63152cf1aeb1f9a5b96e6311ecb82a0/image_va.csv",
         "7533754109d628f304cd51ccb77949649f4320fa7ae225c84973cff348f83510"))),
    Collection("melbench", "triplets of picture, text and music", "2", pairs.melbench,
               ("melbench", "MeLBench"), "https://github.com/schowdhury671/melfusion",
               "none found; sounds and pictures of their makers"),
    Collection("deam", "music, valence and arousal", "3", music.deam,
               ("deam", "DEAM", "mer_annotations/deam"), "https://cvml.unige.ch/databases/DEAM/",
               "annotations CC BY-NC, audio Creative Commons"),
    Collection("pmemo", "pop choruses, valence and arousal", "3", music.pmemo,
               ("pmemo", "PMEmo2019", "mer_annotations/pmemo"),
               "https://github.com/HuiZhangDB/PMEmo", "research use"),
    Collection("cgna10766", "photographs, valence and arousal", "3", pictures.cgna10766,
               ("cgna10766", "CGnA10766"), "https://doi.org/10.6084/m9.figshare.5383105",
               "as figshare states; photographs of their makers"),
    Collection("artemis", "comments on paintings, nine emotions", "4", pictures.artemis,
               ("artemis", "ArtEmis"), "https://www.artemisdataset.org",
               "its own terms (research, not to be passed on); pictures as WikiArt states"),
    Collection("musiccaps", "captions of ten-second clips", "4", music.musiccaps,
               ("musiccaps", "MusicCaps"), "https://www.kaggle.com/datasets/googleai/musiccaps",
               "CC BY-SA 4.0 (text); recordings belong to their makers", (
        (f"{_RAW}ben-ogden/musiccaps/dad6d3542777453324326d60f72484e7b9210b4a/google/musiccaps/"
         "musiccaps-public.csv",
         "8cc109ac507b5e5aed8ea73a5c8f897a9d0793f7397427e000adf4c05f6021c7"),)),
    Collection("emomusic", "music, valence and arousal; DEAM's first year", "3", music.emomusic,
               ("emomusic", "mer_annotations/emomusic", "deam_audio_sample"),
               "https://cvml.unige.ch/databases/emoMusic/",
               "annotations CC BY-NC, audio Creative Commons", stands_in=True),
    Collection("emotify", "music, nine felt emotions", "3", music.emotify, ("emotify",),
               "https://www2.projects.science.uu.nl/memotion/emotifydata/",
               "ratings for research, recordings CC BY-NC-SA (Magnatune)", stands_in=True),
    Collection("oasis", "photographs, valence and arousal", "3", pictures.oasis, ("oasis",),
               "https://www.benedekkurdi.com/#oasis", "open access for research", stands_in=True),
    Collection("vgmidi", "MIDI phrases, two signs", "1, 3", music.vgmidi,
               ("vgmidi", "vgmidi_phrases"), "https://github.com/lucasnfe/vgmidi",
               "MIT (repository); melodies of their publishers", stands_in=True),
    Collection("art2mus", "pairs of painting and track", "2", pairs.art2mus,
               ("art2mus", "art2mus_pairs"), "https://github.com/justivanr/art2mus_",
               "none found for the list; tracks Creative Commons, pictures as WikiArt states", (
        (f"{_RAW}justivanr/art2mus_/21ab344a4299ae22ace203f54dbbc7e236d0b666/data/extra/"
         "image_audio_subset_df.json",
         "26e44c891ffcc4b67a16b794edcbae2ed3d3db45b08d165c63edf0abf30a3b81"),), stands_in=True))}


def root() -> Path:
    """``KLANGFARBE_REAL_DATA`` where it is set, else ``data/raw``."""
    return Path(os.environ.get(paths.REAL_DATA_VARIABLE) or paths.RAW)


def existing_folders(row: Collection) -> list[Path]:
    """A collection's folders that are there: it may lie in parts, or under two names (once)."""
    places = [root() / folder for folder in row.folders if (root() / folder).is_dir()]
    first = {place.resolve(): place for place in reversed(places)}
    return [place for place in places if first[place.resolve()] == place]


def find_folder(names: Sequence[str], inside: Sequence[str] = ("",)) -> Path:
    """The first folder of these names in :func:`root` that has one of the sub-folders `inside`."""
    for name in names:
        if any((root() / name / part).is_dir() for part in inside):
            return root() / name
    part = f" with {' or '.join(f'{part}/' for part in inside)}" if any(inside) else ""
    raise KlangfarbeError(f"the collection {names[0]}/{part} in {root()}", "no such folder",
                          "see data/README.md for where to get it and where to put it")


def card(name: str) -> dict[str, str]:
    """A collection's card in data/README.md, field → text: what, where, licence, layout, …"""
    readme = (paths.DATA / "README.md").read_text(encoding="utf-8")
    section = readme.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
    return dict(re.findall(r"^- \*\*(.+?)\.\*\* (.+)$", section, flags=re.M))


def instructions(row: Collection) -> str:
    """How one gets a collection: where from, what to do, where to put it, under which licence."""
    about = card(row.name)
    return (f"{row.name}: {row.what}\n  1. get it: {about['Where']}\n"
            f"  2. it belongs into {root() / row.folders[0]}, as {about['Layout']}\n"
            f"  3. python -m lib data check {row.name}\n  licence: {about['Licence']}")


def fetch(row: Collection) -> list[Path]:
    """Downloads a collection's files into its first folder, or compares what is there already."""
    folder, found = root() / row.folders[0], []
    pooch.get_logger().setLevel("ERROR")
    for url, sha256 in row.files:
        name = url.rsplit("/", 1)[-1]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found.append(Path(pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=name,
                                             path=folder)))
        except (OSError, ValueError) as error:  # requests' faults; another checksum
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
            raise KlangfarbeError(f"{name} from {url}", why, f"try again later, or put it into "
                                  f"{folder} by hand: {card(row.name)['Where']}") from error
    return found
