"""The atelier as files: PNG pictures, FLAC pieces, MIDI scores, and one manifest of words and
affect.

Training draws its items in memory (``paint.pictures``, ``render.sounds``); this is for other
programs. Notebook: 02.
"""

from pathlib import Path

import soundfile

from lib.core import artefacts
from lib.data import manifest, splits
from lib.data.atelier import words
from lib.data.atelier.compose import compose
from lib.data.atelier.factors import Factors, draw, ratings
from lib.data.atelier.paint import paint
from lib.data.atelier.render import render
from lib.signal import audio
from lib.training import loop

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
LICENCE = "CC0 (made here)"


def rows(seed: int, n_items: int, *, disagreement: float = 0.0, midi: bool = False) -> list[dict]:
    """Manifest rows of items 0 … n−1 of collection `seed`: a picture and a piece each (and its
    score with `midi`), in one group and so in one split.

    Args:
        disagreement: standard deviation of the simulated raters; 0: the labels are the truth.
    """
    items = [draw(seed, index) for index in range(n_items)]
    points = ratings(items, disagreement=disagreement) if items else []
    parts = splits.by_group([f.item_id for f in items], FRACTIONS,
                            seed) if n_items >= len(FRACTIONS) else ["train"] * n_items
    found = []
    for factors, point, split in zip(items, points, parts, strict=True):
        shared = {"split": split, "group_id": factors.item_id, "source": "atelier",
                  "licence": LICENCE, "valence": float(point[0]), "arousal": float(point[1]),
                  **_words(factors)}
        for modality, suffix in (("image", "png"),
                                 ("audio", "flac")) + ((("midi", "mid"),) if midi else ()):
            found.append({**shared, "item_id": f"{factors.item_id}-{modality}",
                          "modality": modality, "path": f"{modality}/{factors.item_id}.{suffix}",
                          "genre": factors.style if modality == "image" else factors.genre})
    return found


def write_files(folder: Path | str, seed: int, n_items: int, *, size: int = 128,
                seconds: float = 10.0, disagreement: float = 0.0,
                midi: bool = False) -> manifest.Built:
    """Paints and plays what is not there yet, then builds the manifest; a killed run can be
    repeated.

    Args:
        folder: gets ``image/*.png``, ``audio/*.flac``, ``midi/*.mid`` and the manifest.
        size: pixels a side. seconds: length of a piece. disagreement, midi: see :func:`rows`.
    """
    folder = Path(folder)
    table = rows(seed, n_items, disagreement=disagreement, midi=midi)
    for index in loop.progress(n_items, "atelier"):
        factors = draw(seed, index)
        _write_picture(folder / "image" / f"{factors.item_id}.png", factors, size)
        _write_piece(folder / "audio" / f"{factors.item_id}.flac",
                     folder / "midi" / f"{factors.item_id}.mid", factors, seconds, midi)
    return manifest.build(table, folder, root=folder)


def _write_picture(path: Path, factors: Factors, size: int) -> None:
    if not path.is_file():
        artefacts.write(path, paint(factors, size))


def _write_piece(sound_path: Path, score_path: Path, factors: Factors, seconds: float,
                 midi: bool) -> None:
    if sound_path.is_file() and (score_path.is_file() or not midi):
        return
    score = compose(factors, seconds)
    if midi:
        with artefacts.atomic(score_path) as temporary:
            score.write(str(temporary))
    with artefacts.atomic(sound_path) as temporary:
        soundfile.write(temporary, render(score, seconds), audio.SAMPLE_RATE_HZ)


def _words(factors: Factors) -> dict[str, str]:
    return {"caption": words.caption(factors), "comment": words.comment(factors),
            "description": words.description(factors), "emotion": words.emotion_word(factors)}
