"""The atelier as files for other programs: PNG pictures, FLAC pieces, MIDI scores, and one manifest
of words and affect. Notebook: 02.
"""

from pathlib import Path

import soundfile

from lib.core import artefacts
from lib.data import manifest, splits
from lib.data.atelier import words
from lib.data.atelier.compose import compose
from lib.data.atelier.factors import draw, ratings
from lib.data.atelier.paint import paint
from lib.data.atelier.render import render
from lib.signal import audio
from lib.training import loop

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def rows(seed: int, n_items: int, *, disagreement: float = 0.0, midi: bool = False) -> list[dict]:
    """Manifest rows of items 0 … n−1 of collection `seed`: a picture and a piece each (and its
    score with `midi`), in one group and so in one split; labels as :func:`factors.ratings`."""
    items = [draw(seed, index) for index in range(n_items)]
    points = ratings(items, disagreement=disagreement).tolist() if items else []
    parts = ["train"] * n_items
    if n_items >= len(FRACTIONS):
        parts = splits.by_group([f.item_id for f in items], FRACTIONS, seed)
    kinds = [("image", "png"), ("audio", "flac")] + [("midi", "mid")] * midi
    return [{"split": split, "group_id": f.item_id, "source": "atelier",
             "licence": "CC0 (made here)", "valence": valence, "arousal": arousal,
             "caption": words.caption(f), "comment": words.comment(f),
             "description": words.description(f), "emotion": words.emotion_word(f),
             "item_id": f"{f.item_id}-{modality}", "modality": modality,
             "path": f"{modality}/{f.item_id}.{suffix}",
             "genre": f.style if modality == "image" else f.genre}
            for f, (valence, arousal), split in zip(items, points, parts, strict=True)
            for modality, suffix in kinds]


def write_files(folder: Path | str, seed: int, n_items: int, *, size: int = 128,
                seconds: float = 10.0, midi: bool = False) -> manifest.Built:
    """Paints and plays what is not there yet, then builds the manifest: ``image/*.png``,
    ``audio/*.flac`` and ``midi/*.mid`` in `folder`; a killed run can be repeated."""
    folder = Path(folder)
    for index in loop.progress(n_items, "atelier"):
        item = draw(seed, index)
        picture, sound, notes = (folder / kind / f"{item.item_id}.{suffix}" for kind, suffix
                                 in (("image", "png"), ("audio", "flac"), ("midi", "mid")))
        if not picture.is_file():
            artefacts.write(picture, paint(item, size))
        if sound.is_file() and (notes.is_file() or not midi):
            continue
        score = compose(item, seconds)
        if midi:
            with artefacts.atomic(notes) as temporary:
                score.write(str(temporary))
        with artefacts.atomic(sound) as temporary:
            soundfile.write(temporary, render(score, seconds), audio.SAMPLE_RATE_HZ)
    return manifest.build(rows(seed, n_items, midi=midi), folder, root=folder)
