"""How the bundled picture–text encoder was made and what it reaches: ``python -m lib miniature
image_text``.
"""

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import paint, words
from lib.data.atelier.factors import draw
from lib.data.atelier.lexicon import SEEN
from lib.metrics import retrieval
from lib.recipes import train_image_text
from lib.recipes.bundling import N_TEST, SEED, first_items, mean, means, painted, vouch, write
from lib.recipes.train_image_text import both
from lib.training import loop

# this miniature's own collection: no generator trains on it and nothing is tested on it
PICTURE_SEED = 6
SIZE = 64
N_TRAIN, AMONG, VERSIONS = 8000, 100, 10


def make() -> None:
    """The picture–text encoder (a tiny CLIP): painting 3 minutes, training 15 on one busy core
    (resumable), measuring 2.
    """
    model, words, curve, key = trained()
    vouch("image_text",
          [file.name for file in train_image_text.save(paths.MINIATURES / "image_text", model,
                                                       words)], key)
    write("image_text", {"curves.csv": means(curve)}, key)


def measure():
    """What the bundled encoder finds among held-out paintings: (table, hash of the pictures)."""
    return table(pretrained.load("image_text", device="cpu"))


def trained():
    """The network, trained or taken up from its checkpoint: (CLIP, tokenizer, curve, key of data
    and settings).
    """
    loop.set_threads()
    pictures, captions, comments, key = material()
    words = train_image_text.tokenizer([train_image_text.both(*pair)
                                        for pair in zip(captions, comments, strict=True)])
    model = train_image_text.build(len(words), seed=SEED)
    curve = train_image_text.train(model, words, pictures, captions, comments,
                                   paths.PROCESSED / "pictures" / "image_text.safetensors",
                                   seed=SEED, key=key)
    return model, words, curve, key


def material():
    """The training pictures and what is said of them: (uint8 [N, 64, 64, 3], captions, comments,
    key).
    """
    items = first_items(PICTURE_SEED, N_TRAIN)
    pictures, key = painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    return pictures, [words.caption(f) for f in items], [words.comment(f) for f in items], key


def table(encoder, seed: int | None = None, n: int = N_TEST):
    """What the encoder finds among paintings it never saw, with the words it never read.

    - ``…_r_at_1_of_100``: the right picture comes first for its caption, its comment, or both; and
    the right text for its picture.
    - ``caption_r_at_1_of_100_subject``: any picture of the caption's subject counts. Several of a
    hundred share one, and a caption
      speaks of nothing else: `ceiling` of the line above it is the share that a reader of captions
      could reach by knowing subjects.
    - ``distinct_captions_of_100``, ``distinct_subjects_of_100``: how many different ones a hundred
    have, on average.
    - ``subject_zero_shot``: the nearest of 32 subjects, each the mean of its phrases.
    - ``emotion_…``: one scene (subject, style, composition the same) painted at ten points of the
    affect plane; the comment on one of
      them must find its painting among the ten, or beside the next one.
    - ``two_caption_rate``: the right text against another painting's, each text's mean over all
    pictures taken off first.

    Args:
        encoder: as ``foundations.load("image_text")`` gives it. seed: the collection; ``None``:
            ``TEST_SEED``. n: a multiple of 100.

    Returns:
        (DataFrame ``measure, value, low, high, null, ceiling, n``, hash of the pictures).
    """
    seed = atelier.TEST_SEED if seed is None else seed
    items = first_items(seed, n)
    pictures = painted(seed, range(n), SIZE)[0]
    subjects = np.array([list(SEEN).index(f.subject) for f in items])
    said = {"caption": [words.caption(f) for f in items],
            "comment": [words.comment(f) for f in items]}
    said["both"] = [both(*pair) for pair in zip(said["caption"], said["comment"], strict=True)]
    seen, read = encoder.embed_pictures(pictures), {name: encoder.embed_text(texts) for name,
                                                    texts in said.items()}
    hundreds = [slice(i, i + AMONG) for i in range(0, n, AMONG)]
    rows = []

    def add(measure: str, right, null: float, ceiling: float = np.nan) -> None:
        rows.append({"measure": measure, **mean(right), "null": null, "ceiling": ceiling})

    def found(queries, targets, groups=None):
        return pd.concat([retrieval.ranks(queries[h], targets[h],
                                          None if groups is None else groups[h]) for h in hundreds])

    kinds = [np.unique(subjects[h], return_counts=True)[1] for h in hundreds]
    for name, vectors in read.items():
        ceiling = np.mean([len(k) / AMONG for k in kinds]) if name == "caption" else np.nan
        add(f"{name}_r_at_1_of_100", found(vectors, seen)["r_at_1"], 1 / AMONG, ceiling)
    add("both_r_at_10_of_100", found(read["both"], seen)["r_at_10"], 10 / AMONG)
    add("picture_to_both_r_at_1_of_100", found(seen, read["both"])["r_at_1"], 1 / AMONG)
    by_luck = np.mean([(k**2).sum() / AMONG**2 for k in kinds])
    add("caption_r_at_1_of_100_subject", found(read["caption"], seen, subjects)["r_at_1"], by_luck)
    rows += [{"measure": f"distinct_{name}_of_100",
              "value": np.mean([len(set(of[h])) for h in hundreds]), "n": n} for name,
             of in (("captions", said["caption"]), ("subjects", subjects.tolist()))]
    names = np.stack([encoder.embed_text(list(phrases)).mean(0) for _, phrases in SEEN.values()])
    add("subject_zero_shot", (seen @ names.T).argmax(1) == subjects, 1 / len(SEEN))
    add("two_caption_rate", two_caption(seen, read["both"]), 0.5)

    plane = np.random.default_rng(seed).uniform(-1, 1, (n // 4, VERSIONS, 2)).round(3)
    first, beside = [], []
    for index, points in enumerate(plane, start=n):
        same = [draw(seed, index, valence=v, arousal=a) for v, a in points]
        cosine = encoder.embed_text([words.comment(f) for f in same]) @ encoder.embed_pictures(
            np.stack([paint.paint(f, SIZE) for f in same])).T  # [texts, pictures]
        first.append((cosine.argmax(1) == np.arange(VERSIONS)).mean())
        beside.append((np.diagonal(cosine) > np.diagonal(np.roll(cosine, -1, axis=1))).mean())
    add("emotion_alone_r_at_1_of_10", np.array(first), 1 / VERSIONS)
    add("emotion_alone_of_2", np.array(beside), 0.5)
    return pd.DataFrame(rows), provenance.content_hash(np.asarray(pictures), plane)


def two_caption(seen: np.ndarray, read: np.ndarray) -> np.ndarray:
    """For each picture whether its own text lies nearer than the next picture's, as
    :func:`lib.metrics.text_audio.trusted` asks of sounds.

    Args:
        seen, read: unit vectors [N, D], text i says what picture i shows.

    Returns:
        bool [N].
    """
    cosine = np.asarray(seen, np.float64) @ np.asarray(read, np.float64).T  # [pictures, texts]
    cosine -= cosine.mean(axis=0)
    return np.diagonal(cosine) - np.diagonal(np.roll(cosine, -1, axis=1)) > 1e-9
