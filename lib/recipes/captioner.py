"""How the bundled captioner was made and what it says of paintings it never saw: ``python -m lib
miniature captioner``.
"""

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import words
from lib.data.atelier.factors import STYLES, SUBJECTS, draw
from lib.data.atelier.lexicon import FEELINGS, SEEN, STYLE_NAMES
from lib.pretrained.captioner import lead
from lib.recipes import train_captioner
from lib.recipes.bundling import SEED, first_items, means, painted, share, vouch, write
from lib.recipes.image_text import N_TRAIN, PICTURE_SEED, SIZE, material
from lib.signal import affect
from lib.training import loop

# of TEST_SEED; the first 400 were looked at while it was found how long the eye must learn
FRESH = range(400, 800)


def make() -> None:
    """The captioner (a tiny BLIP): the eye 4 minutes of one core, the words 3 (both resumable); the
    pictures are image_text's.
    """
    model, words, curves, key = trained()
    vouch("captioner",
          [file.name for file in train_captioner.save(paths.MINIATURES / "captioner", model,
                                                      words)], key)
    write("captioner", {f"curves_{phase}.csv": means(curve) for phase, curve in curves.items()},
          key)


def measure():
    """What the bundled captioner says of held-out paintings: (table, hash of the pictures)."""
    return table(pretrained.load("captioner", device="cpu"))


def trained():
    """The network, trained or taken up from its checkpoints: (BlipForConditionalGeneration,
    tokenizer, {phase: curve}, key of data).
    """
    loop.set_threads()
    pictures, captions, _, key = material()
    items, felt, where = first_items(PICTURE_SEED,
                                     N_TRAIN), feelings(), paths.PROCESSED / "pictures"
    tokenizer = train_captioner.tokenizer(captions, felt)
    model = train_captioner.build(len(tokenizer), seed=SEED)
    shown = np.array([subjects().index(item.subject) for item in items])
    eye = train_captioner.look(model, pictures, shown, where / "captioner_eye.safetensors",
                               seed=SEED, key=key)
    spoken = train_captioner.train(model, tokenizer, pictures, captions,
                                   [words.emotion_word(item) for item in items], felt,
                                   where / "captioner.safetensors", seed=SEED, key=key)
    return model, tokenizer, {"eye": eye, "words": spoken}, key


def subjects() -> list[str]:
    """The atelier's 32 subjects, style by style."""
    return [subject for group in SUBJECTS.values() for subject in group]


def feelings() -> dict[str, list[str]]:
    """S1's five words, each with the lexicon's feelings that lie nearest to it and to no other of
    the five.
    """
    return {word: [feeling for feeling,
                   (v, a) in FEELINGS.items() if affect.emotion_word(v / 10, a / 10) == word]
            for word in affect.EMOTION_POINTS}


def table(captioner, seed: int | None = None, indices: range = FRESH):
    """What the captioner says of paintings it never saw, led by nothing and led by a word drawn
    without looking at the painting.

    - ``…subject_named``: the caption holds a phrase of the right one of 32 subjects and of no
    other.
    - ``…manner_named``: what it says (phrases and names of styles) belongs to the right one of 8
    styles and to no other.
    - ``led_feeling_follows``: both feelings it names lie nearest to the word that led it; null: to
    the painting's own word.
    - ``led_form``: it goes on from its lead and ends with two different feelings.
    - ``unled_feeling``: it speaks of a feeling though nobody asked.

    Args:
        captioner: as ``foundations.load("captioner")`` gives it. seed, indices: the paintings;
            ``None``: of ``TEST_SEED``.

    Returns:
        (DataFrame ``measure, value, low, high, null, n``, hash of the pictures).
    """
    seed = atelier.TEST_SEED if seed is None else seed
    n, items = len(indices), [draw(seed, i) for i in indices]
    pictures, names, felt = painted(seed, indices, SIZE)[0], list(feelings()), feelings()
    asked = [names[k] for k in np.random.default_rng(seed).integers(0, len(names), n)]
    rows = []

    def add(measure: str, right, null: float = np.nan) -> None:
        rows.append({"measure": measure, **share(right), "null": null})

    most = [max(np.bincount([list(of).index(getattr(f, kind)) for f in items])) / n
            for kind, of in (("subject", subjects()), ("manner", STYLES))]
    said = {"unled": captioner.caption(pictures), "led": captioner.caption(pictures, asked)}
    for way, texts in said.items():
        heard = [named(text) for text in texts]
        add(f"{way}_subject_named", [h[0] == {f.subject} for h,
                                     f in zip(heard, items, strict=True)], most[0])
        add(f"{way}_manner_named", [h[1] == {f.style} for h, f in zip(heard, items, strict=True)],
            most[1])
    told = [spoken_feelings(text) for text in said["led"]]
    follows = {word: np.array([len(t) == 2 and set(t) <= set(felt[w]) for t,
                               w in zip(told, of, strict=True)]) for word,
               of in (("asked", asked), ("own", [words.emotion_word(f) for f in items]))}
    add("led_feeling_follows", follows["asked"], follows["own"].mean())
    add("led_form", [text.startswith(f"{lead(w)}: ") and text.endswith(".") and len(set(t)) == 2
                     for text, w, t in zip(said["led"], asked, told, strict=True)])
    add("unled_feeling", [bool(spoken_feelings(text)) for text in said["unled"]])
    return pd.DataFrame(rows), provenance.content_hash(np.asarray(pictures))


def named(text: str) -> tuple[set[str], set[str]]:
    """The subjects whose phrases a caption holds, and the styles that these and its names of
    styles belong to.
    """
    text = f" {text.lower()} "
    subjects = {subject for subject, (_, phrases) in SEEN.items()
                if any(phrase.lower() in text for phrase in phrases)}
    styles = {style for style, names in STYLE_NAMES.items() if any(name in text for name in names)}
    return subjects, styles | {style for style,
                               group in SUBJECTS.items() if subjects & set(group)}


def spoken_feelings(text: str) -> list[str]:
    """What stands behind "it feels" in a caption: two feelings where the form is kept, else an
    empty list.
    """
    _, mark, behind = text.rpartition(" it feels ")
    return [part.strip() for part in behind.rstrip(".").split(" and ")] if mark else []
