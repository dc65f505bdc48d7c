"""ArtiCaps: paintings with comments and music with captions, paired because their *texts* are
alike, and what training reads of them. Source: Hong et al. §III-A, §III-B.1, §IV-A.1, Table I.
Known deviations: a synthetic painting has several viewers who feel the same in other words; parts
of speech are not looked at. Notebook: 41, 42."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.core import provenance
from lib.data import leakage, memmaps, splits
from lib.data.atelier import TRAIN_SEED, compose, factors, lexicon, paint, render, words
from lib.systems import evaluation
from lib.systems.art2music import mel
from lib.systems.art2music.config import DataConfig

SPLITS = ("published", "corrected")  # by triplet; by painting and by clip
SETTINGS = ("with_audio_keywords", "comment_only")  # what the prompt says
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
# atelier clips are items from this index on; viewers are this far apart
CLIPS_FROM, VIEWERS_APART, CHUNK = 50_000, 1_000_000, 1024
# ArtEmis's eight emotions on the affect plane, in tenths, after Russell (1980): our choice
ARTEMIS = {"amusement": (6, 4), "awe": (5, 7), "contentment": (7, -5), "excitement": (7, 8),
           "anger": (-7, 7), "disgust": (-8, 2), "fear": (-6, 8), "sadness": (-7, -5)}
ELSE, ELSE_WITHIN = "something else", 2.0
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


@dataclass(frozen=True)
class Dataset:
    """N triplets out of C clips."""
    pairs: pd.DataFrame  # of match_pairs, N rows
    comments: pd.DataFrame  # N rows
    clips: pd.DataFrame  # C rows
    vectors: np.ndarray  # CLIP's of each comment's painting, float32 [N, D]
    texts: dict[str, np.ndarray]  # setting → CLIP's of each prompt, float32 [N, D]
    mels: np.ndarray  # float16 [C, M, T] in [−1, 1]

    def mels_of(self, rows: np.ndarray) -> np.ndarray:
        """Mels of triplets, float32 [b, M, T]."""
        return self.mels[self.pairs["clip_row"].to_numpy()[rows]].astype(np.float32)

    @property
    def mean_mel(self) -> np.ndarray:
        """The mean mel of the training triplets, which depends on no painting: float32 [M, T]."""
        known = self.pairs.loc[self.pairs["split"] == "train", "clip_row"]
        rows, counts = np.unique(known, return_counts=True)
        mels = self.mels[rows].astype(np.float32)
        return np.average(mels, axis=0, weights=counts).astype(np.float32)


@functools.cache
def atelier_lexicon() -> dict[str, int]:
    """The synthetic collection's own lexicon: its single words, scored −5 … 5 by valence."""
    return {word: round(valence / 2) for group in (lexicon.MOODS, lexicon.FEELINGS)
            for word, (valence, _) in group.items() if WORD.fullmatch(word)}


def emotion_label(valence: float, arousal: float) -> str:
    """The nearest of ArtEmis's emotions to a point in [−1, 1]²."""
    v, a = 10 * valence, 10 * arousal
    if v * v + a * a < ELSE_WITHIN**2:
        return ELSE
    return min(ARTEMIS, key=lambda name: (ARTEMIS[name][0] - v) ** 2 + (ARTEMIS[name][1] - a) ** 2)


def extract_keywords(text: str, scores: Mapping[str, int], emotion: str = "") -> tuple[str, ...]:
    """The words of a text that a lexicon scores, once each, in order, after the emotion."""
    found = [word for word in WORD.findall(text.lower()) if word in scores]
    return tuple(dict.fromkeys([emotion, *found] if emotion and emotion != ELSE else found))


def atelier_texts(config: DataConfig, collection: int = TRAIN_SEED, first: int = 0) -> tuple:
    """The synthetic comments (a row a comment) of paintings from index `first` on, and clips."""
    comments, clips = [], []
    for index in range(first, first + config.n_paintings):
        item = factors.draw(collection, index)
        emotion = emotion_label(item.valence, item.arousal)
        for viewer in range(config.comments_each):
            # the same painting in another viewer's words
            comment = words.comment(replace(item, index=index + viewer * VIEWERS_APART))
            found = extract_keywords(comment, atelier_lexicon(), emotion)
            comments.append({"comment_id": f"{item.item_id}-{viewer}", "painting": item.item_id,
                             "index": index, "comment": comment, "emotion": emotion,
                             "keywords": ", ".join(found), "valence": item.valence,
                             "arousal": item.arousal})
    for index in range(first + CLIPS_FROM, first + CLIPS_FROM + config.n_clips):
        item = factors.draw(collection, index)
        clips.append({"clip": item.item_id, "index": index, "caption": words.description(item),
                      "labels": f"Music, {item.genre.replace('_', ' ').capitalize()}",
                      "keywords": ", ".join(words.tags(item)), "valence": item.valence,
                      "arousal": item.arousal})
    return pd.DataFrame(comments), pd.DataFrame(clips)


def nearest(queries: np.ndarray, keys: np.ndarray, *, chunk: int = CHUNK) -> tuple:
    """The nearest key [M, D] of each query [N, D] by cosine, in chunks: (index, cosine) [N]."""
    queries, keys = (evaluation.unit(np.asarray(some, np.float32)) for some in (queries, keys))
    transposed = np.ascontiguousarray(keys.T)
    buffer = np.empty((min(chunk, len(queries)), len(keys)), np.float32)
    index, score = np.empty(len(queries), np.int64), np.empty(len(queries), np.float32)
    for start in range(0, len(queries), chunk):
        rows = slice(start, start + chunk)
        cosines = np.matmul(queries[rows], transposed, out=buffer[: len(queries[rows])])
        index[rows] = cosines.argmax(axis=1)
        score[rows] = cosines[np.arange(len(cosines)), index[rows]]
    return index, score


def match_pairs(comments, clips, encoder, split: str = "corrected", seed: int = 0) -> pd.DataFrame:
    """Every comment's nearest clip (``clip_row, score``), split and groups, a row a comment."""
    said = encoder.embed_text(list(comments["comment"]))
    captions = encoder.embed_text(list(clips["caption"]))
    if split == "published":
        row, score = nearest(said, captions)
        part = np.random.default_rng(seed).choice(list(FRACTIONS), len(comments),
                                                  p=list(FRACTIONS.values()))
    else:
        part = np.array(splits.by_group(list(comments["painting"]), FRACTIONS, seed))
        clip_part = np.array(splits.by_group(list(clips["clip"]), FRACTIONS, seed + 1))
        row, score = np.empty(len(comments), np.int64), np.empty(len(comments), np.float32)
        for name in FRACTIONS:
            here, there = np.flatnonzero(part == name), np.flatnonzero(clip_part == name)
            found, score[here] = nearest(said[here], captions[there])
            row[here] = there[found]
    clip, painting = clips["clip"].to_numpy()[row], comments["painting"].to_numpy()
    return pd.DataFrame({"comment_id": comments["comment_id"].to_numpy(), "image_id": painting,
                         "audio_id": clip, "clip_row": row, "score": score, "split": part,
                         "image_group": painting, "audio_group": clip})


def prompt(comment: Mapping, clip: Mapping, setting: str = "with_audio_keywords") -> str:
    """The composite text (Hong et al. §III-A.3); ``comment_only`` leaves out the clip's part."""
    text = (f"Art Commentary: {comment['comment'].rstrip('.')}. "
            f"Painting Emotion: {comment['keywords']}.")
    if setting == "comment_only":
        return text
    return f"{text} Audio: {clip['labels']}. Audio keywords: {clip['keywords']}."


def prompts(comments: pd.DataFrame, clips: pd.DataFrame, setting: str) -> list[str]:
    """:func:`prompt` of every comment and its clip, row by row."""
    rows = zip(comments.to_dict("records"), clips.to_dict("records"), strict=True)
    return [prompt(comment, clip, setting) for comment, clip in rows]


def check_leakage(pairs: pd.DataFrame, comments: pd.DataFrame, clips: pd.DataFrame, setting: str):
    """:func:`lib.data.leakage.check` of pairs and of the prompts made from them."""
    matched = clips.iloc[pairs["clip_row"].to_numpy()]
    condition = pd.DataFrame({"text": prompts(comments, matched, setting),
                              "keywords": matched["keywords"].to_numpy()})
    return leakage.check(pairs=pairs, condition=condition)


def embed_inputs(pictures: np.ndarray, comments: list[str], found: list[str], clip) -> tuple:
    """Vectors v, u [N, D] of paintings and of comments with keywords, without a clip's fields."""
    texts = [prompt({"comment": comment, "keywords": some}, {}, "comment_only")
             for comment, some in zip(comments, found, strict=True)]
    return clip.embed_pictures(pictures), clip.embed_text(texts)


def load_atelier(config: DataConfig, clip, sentence_encoder, *, split="", seed: int = 0) -> Dataset:
    """The synthetic triplets with all that training reads, stored; `split`: else the config's."""
    comments, clips = atelier_texts(config)
    pairs = match_pairs(comments, clips, sentence_encoder, split or config.split, seed)
    names, place = np.unique(comments["painting"].to_numpy(), return_inverse=True)
    indices = comments.groupby("painting")["index"].first().loc[names].to_numpy()
    side, seconds, items = config.side, config.seconds, clips["index"].to_numpy()
    depends_on = TRAIN_SEED, *map(provenance.package_hash, (paint, compose)), side, seconds
    shape = mel.N_MELS, mel.n_frames(seconds)
    pictures = memmaps.cached_rows(
        memmaps.cache_folder(*depends_on, tuple(indices)), "pictures", len(names),
        (side, side, 3), np.uint8, lambda rows: paint.pictures(TRAIN_SEED, indices[rows], side)[0])
    mels = memmaps.cached_rows(
        memmaps.cache_folder(*depends_on, tuple(items)), "mels", len(clips), shape, np.float16,
        lambda rows: mel.padded_mel(render.sounds(TRAIN_SEED, items[rows], seconds)[0], shape[1]))
    matched = clips.iloc[pairs["clip_row"].to_numpy()]
    texts = {setting: clip.embed_text(prompts(comments, matched, setting)) for setting in SETTINGS}
    vectors = np.concatenate([clip.embed_pictures(np.asarray(pictures[start : start + 64]))
                              for start in range(0, len(names), 64)])
    return Dataset(pairs, comments, clips, vectors[place], texts, mels)
