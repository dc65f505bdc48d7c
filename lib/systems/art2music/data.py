"""ArtiCaps: paintings with comments and music with captions, laid side by side because the two
*texts* are alike.

    comments ──sentence encoder──► [N, D] ─┐
                                           ├─ nearest caption of each (matching.py) ─► triplets: painting, comment, clip
    captions ──sentence encoder──► [M, D] ─┘                                            one clip goes with many comments

    published   matched over everything, then dealt 8 : 1 : 1 triplet by triplet: painting and clip stand on both sides
    corrected   paintings dealt, clips dealt, and each comment matched with the clips of its own side alone

Source: text 003, §III-A.1 to 3, §IV-A.1, Table I.

Known deviations: on the atelier a painting has `comments_each` viewers who feel the same in other
words, each with ArtEmis's label nearest to the painting's point. Notebook: 41.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import leakage, splits
from lib.data.atelier import TRAIN_SEED, factors, words
from lib.systems.art2music import keywords, matching

SPLITS = ("published", "corrected")
SETTINGS = ("with_audio_keywords", "comment_only")
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
# atelier clips are items from this index on; viewers are this far apart
CLIPS_FROM, VIEWERS_APART = 50_000, 1_000_000
COMMENTS = ("comment_id", "painting", "index", "comment", "emotion", "keywords", "valence",
            "arousal")
CLIPS = ("clip", "index", "caption", "labels", "keywords", "valence", "arousal")


@dataclass(frozen=True)
class Config:
    """How much data. The defaults are the published numbers.

    Attributes:
        n_paintings, comments_each: 80,000 works with 455,000 comments, of which 443,662 are used;
            5.5 each.
        n_clips: 4,717. seconds: of a clip; 10.4 s are 896 frames. side: of the paintings.
        matcher: of foundations' ``sentences``. split: ``published`` or ``corrected``.
    """

    n_paintings: int = 80_000
    comments_each: int = 6
    n_clips: int = 4_717
    seconds: float = 10.4
    side: int = 224
    matcher: str = "sentence-transformers/paraphrase-TinyBERT-L6-v2"
    split: str = "published"

    def __post_init__(self):
        if self.split not in SPLITS or min(self.n_paintings,
                                           self.n_clips) < 10 or self.comments_each < 1:
            raise KlangfarbeError(
                f"a split out of {', '.join(SPLITS)}, ten paintings and clips or more, "
                f"a comment each", f"{self}", "change what is too small")


_ATELIER = {"side": 128, "matcher": "miniature", "split": "corrected"}
PROFILES = {
    "smoke": Config(**_ATELIER, n_paintings=20, comments_each=2, n_clips=20, seconds=1.0),
    "mini": Config(**_ATELIER, n_paintings=400, comments_each=2, n_clips=240, seconds=5.0),
    "gpu": Config(**_ATELIER, n_paintings=8_000, comments_each=6, n_clips=4_000),
    "paper": Config(),
}


def of(profile: str, **changes) -> Config:
    """A profile's settings with your own changes on top."""
    if profile not in PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(PROFILES)}", repr(profile),
                              "name one of them")
    return replace(PROFILES[profile], **changes)


def atelier_texts(config: Config, collection: int | None = None, first: int = 0) -> tuple:
    """The atelier's two sides: DataFrames of :data:`COMMENTS` (a row a comment) and of
    :data:`CLIPS`.

    Args:
        collection: the atelier's seed; ``None``: the one to train on. first: index of the first
            painting; clips begin `CLIPS_FROM` later.
    """
    collection = TRAIN_SEED if collection is None else collection
    lexicon, told, heard = keywords.atelier_lexicon(), [], []
    for index in range(first, first + config.n_paintings):
        item = factors.draw(collection, index)
        emotion = keywords.emotion_label(item.valence, item.arousal)
        for viewer in range(config.comments_each):
            # the same painting, another's words
            comment = words.comment(replace(item, index=index + viewer * VIEWERS_APART))
            told.append((f"{item.item_id}-{viewer}", item.item_id, index, comment, emotion,
                         ", ".join(keywords.extract(comment, lexicon, emotion=emotion)),
                         item.valence, item.arousal))
    for index in range(first + CLIPS_FROM, first + CLIPS_FROM + config.n_clips):
        item = factors.draw(collection, index)
        heard.append((item.item_id, index, words.description(item),
                      f"Music, {item.genre.replace('_', ' ').capitalize()}",
                      ", ".join(words.tags(item)), item.valence, item.arousal))
    return pd.DataFrame(told, columns=COMMENTS), pd.DataFrame(heard, columns=CLIPS)


def prepare_texts(comments, captions, lexicon, speaks=None) -> tuple:
    """Real comments and captions as the two sides that :func:`paired`, :func:`prompts` and
    ``consistency.compared`` read.

    Args:
        comments: DataFrame with ``painting, comment`` (ArtEmis' ``comments``, or one's own);
            ``comment_id, emotion`` where known.
        captions: DataFrame with ``clip, caption`` (MusicCaps' ``captions``); ``labels, keywords``
            where known.
        lexicon, speaks: as ``keywords.of``.

    Raises:
        KlangfarbeError: a column that lacks, no row, or an empty text.
    """
    for name, table, needed in (("comments", comments, ("painting", "comment")),
                                ("captions", captions, ("clip", "caption"))):
        if lacking := [column for column in needed if column not in table]:
            raise KlangfarbeError(f"{name} with {' and '.join(needed)}", f"no {', '.join(lacking)}",
                                  "rename the columns")
        if not len(table) or not table[needed[1]].fillna("").str.strip().all():
            raise KlangfarbeError(f"{name}, each with a text",
                                  f"{len(table)} rows, some of them without",
                                  "leave empty ones out")
    told, heard = comments.reset_index(drop=True), captions.reset_index(drop=True)
    emotions = told["emotion"].fillna("") if "emotion" in told else [""] * len(told)
    words = [", ".join(keywords.extract(text, lexicon, speaks, emotion=emotion))
             for text, emotion in zip(told["comment"], emotions, strict=True)]
    names = told["comment_id"] if "comment_id" in told else [f"comment-{k:06d}"
                                                             for k in range(len(told))]
    told = told.assign(comment_id=names, emotion=emotions, keywords=words)
    return told, heard.assign(**{name: heard[name].fillna("") if name in heard else ""
                                 for name in ("labels", "keywords")})


def match_pairs(comments, clips, encoder, split: str = "corrected", seed: int = 0, where=None):
    """Every comment with its nearest clip, and which part of the data the two belong to.

    Args:
        comments, clips: of :func:`sides`, or of collections with ``comment_id, painting, comment``
            and ``clip, caption``. encoder: has ``embed_text``. split: ``published`` or
            ``corrected``. where: folder of :func:`matching.top_one`, or ``None``.

    Returns:
        DataFrame ``comment_id, image_id, audio_id, clip_row, score, split, image_group,
        audio_group``, a row a comment in their order;
        ``clip_row``: position among `clips`.

    Raises:
        KlangfarbeError: no such split, or too few paintings or clips to deal.
    """
    if split not in SPLITS:
        raise KlangfarbeError(f"a split out of {', '.join(SPLITS)}", repr(split),
                              "name one of them")
    said, sounding = encoder.embed_text(list(comments["comment"])), encoder.embed_text(
        list(clips["caption"]))
    if split == "published":
        row, score = matching.nearest(said, sounding, where and where / "all")
        part = np.random.default_rng(seed).choice(list(FRACTIONS), len(comments),
                                                  p=list(FRACTIONS.values()))
    else:
        part = np.array(splits.by_group(list(comments["painting"]), FRACTIONS, seed))
        theirs = np.array(splits.by_group(list(clips["clip"]), FRACTIONS, seed + 1))
        row, score = np.empty(len(comments), np.int64), np.empty(len(comments), np.float32)
        for name in FRACTIONS:
            here, there = np.flatnonzero(part == name), np.flatnonzero(theirs == name)
            found, score[here] = matching.nearest(said[here], sounding[there],
                                                  where and where / name)
            row[here] = there[found]
    clip = clips["clip"].to_numpy()[row]
    return pd.DataFrame({"comment_id": comments["comment_id"].to_numpy(),
                         "image_id": comments["painting"].to_numpy(), "audio_id": clip,
                         "clip_row": row, "score": score, "split": part,
                         "image_group": comments["painting"].to_numpy(), "audio_group": clip})


def prompt(comment, clip, setting: str = "with_audio_keywords") -> str:
    """The composite text of a triplet, as printed in §III-A.3.

    Args:
        comment, clip: rows (mappings) of both sides. setting: ``comment_only`` leaves out what is
            the target clip's own.

    Raises:
        KlangfarbeError: no such setting.
    """
    if setting not in SETTINGS:
        raise KlangfarbeError(f"a setting out of {', '.join(SETTINGS)}", repr(setting),
                              "name one of them")
    text = (f"Art Commentary: {comment['comment'].rstrip('.')}. Painting Emotion: "
            f"{comment['keywords']}.")
    return (text if setting == "comment_only"
            else f"{text} Audio: {clip['labels']}. Audio keywords: {clip['keywords']}.")


def prompts(pairs, comments, clips, setting: str) -> list[str]:
    """:func:`prompt` of every row of :func:`paired`."""
    heard = clips.iloc[pairs["clip_row"].to_numpy()]
    return [prompt(one, other, setting) for one,
            other in zip(comments.to_dict("records"), heard.to_dict("records"), strict=True)]


def check_leakage(pairs, comments, clips, setting: str):
    """What the leak linter finds in pairs and in what the model is told:
    ``lib.data.leakage.check``'s answer.
    """
    heard = clips.iloc[pairs["clip_row"].to_numpy()]
    condition = pd.DataFrame({"text": prompts(pairs, comments, clips, setting),
                              "keywords": heard["keywords"].to_numpy()})
    return leakage.check(pairs=pairs, condition=condition)
