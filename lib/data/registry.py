"""Which real collections there are, who uses them, where they are looked for, how to get them."""

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch

from lib.core import paths
from lib.core.errors import KlangfarbeError


@dataclass(frozen=True)
class Collection:
    """One collection: its adapter's name, what it is, which systems (1 … 4) use it."""

    name: str
    what: str
    used_by: str
    folders: tuple[str, ...]  # looked for in root(), the publisher's own name first
    files: tuple[tuple[str, str], ...] = ()  # to be had without a form: address, our copy's SHA-256
    stands_in: bool = False  # no data of the four sources, but of a form that runs the same code

    @property
    def adapter(self):
        """The module with ``URL``, ``LICENCE``, ``WHERE`` and ``manifest(folder)``."""
        return importlib.import_module(f"lib.data.collections.{self.name}")


_RAW = "https://raw.githubusercontent.com/"
_MUSICCAPS = f"{_RAW}ben-ogden/musiccaps/dad6d3542777453324326d60f72484e7b9210b4a/google/musiccaps/"
_ART2MUS = f"{_RAW}justivanr/art2mus_/21ab344a4299ae22ace203f54dbbc7e236d0b666/data/extra/"
_IMEMNET = f"{_RAW}linkAmy/IMEMNet/e9bf84491903be7020a3c97b47666005f796ea36/"
COLLECTIONS = {row.name: row for row in (
    Collection("wikiart_emotions", "paintings, twenty emotions", "1, 4",
               ("wikiart_emotions", "wikiart_paintings")),
    Collection("mirex", "songs and MIDI, mood adjectives", "1", ("mirex", "MIREX-like_mood")),
    Collection("imemnet", "pairs of clip and picture, scored", "2", ("imemnet", "IMEMNet"), (
        (f"{_IMEMNET}val_matching.txt",
         "151038c10538d7d2e1760fb7b4056d63e97691a036505459298b2fb292c5bb1c"),
        (f"{_IMEMNET}test_matching.txt",
         "1b4b64da2936b6fcf04a61647e0b93a57182a2f9a962c7e1d86650f742ac11a4"),
        (f"{_RAW}schoi828/IMEMNet-C/a56911bcc63152cf1aeb1f9a5b96e6311ecb82a0/image_va.csv",
         "7533754109d628f304cd51ccb77949649f4320fa7ae225c84973cff348f83510"))),
    Collection("melbench", "triplets of picture, text and music", "2", ("melbench", "MeLBench")),
    Collection("deam", "music, valence and arousal", "3", ("deam", "DEAM", "mer_annotations/deam")),
    Collection("pmemo", "pop choruses, valence and arousal", "3",
               ("pmemo", "PMEmo2019", "mer_annotations/pmemo")),
    Collection("cgna10766", "photographs, valence and arousal", "3", ("cgna10766", "CGnA10766")),
    Collection("artemis", "comments on paintings, nine emotions", "4", ("artemis", "ArtEmis")),
    Collection("musiccaps", "captions of ten-second clips", "4", ("musiccaps", "MusicCaps"), (
        (f"{_MUSICCAPS}musiccaps-public.csv",
         "8cc109ac507b5e5aed8ea73a5c8f897a9d0793f7397427e000adf4c05f6021c7"),)),
    Collection("emomusic", "music, valence and arousal; DEAM's first year", "3",
               ("emomusic", "mer_annotations/emomusic", "deam_audio_sample"), stands_in=True),
    Collection("emotify", "music, nine felt emotions", "3", ("emotify",), stands_in=True),
    Collection("oasis", "photographs, valence and arousal", "3", ("oasis",), stands_in=True),
    Collection("vgmidi", "MIDI phrases, two signs", "1, 3", ("vgmidi", "vgmidi_phrases"),
               stands_in=True),
    Collection("art2mus", "pairs of painting and track", "2", ("art2mus", "art2mus_pairs"), (
        (f"{_ART2MUS}image_audio_subset_df.json",
         "26e44c891ffcc4b67a16b794edcbae2ed3d3db45b08d165c63edf0abf30a3b81"),), stands_in=True))}


def root() -> Path:
    """``KLANGFARBE_REAL_DATA`` where it is set, else ``data/raw``."""
    return Path(os.environ.get(paths.REAL_DATA_VARIABLE) or paths.RAW)


def existing_folders(row: Collection) -> list[Path]:
    """A collection's folders that are there: it may lie in parts, or under two names (once)."""
    found: dict[Path, Path] = {}
    for place in filter(Path.is_dir, (root() / folder for folder in row.folders)):
        found.setdefault(place.resolve(), place)
    return list(found.values())


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
    return (f"{row.name}: {row.what}\n  1. {row.adapter.WHERE}\n     ({about['Where']})\n"
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
                                  f"{folder} by hand: {row.adapter.WHERE}") from error
    return found
