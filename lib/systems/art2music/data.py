"""ArtiCaps: paintings with comments and music with captions, paired because the two *texts* are
alike, and what training reads of them.

    comments ──sentence encoder──► [N, D] ─┐ nearest     triplets: painting, comment, clip;
    captions ──sentence encoder──► [M, D] ─┴─caption──►  one clip belongs to many comments
    published   matched over everything, then split 8 : 1 : 1 by triplet: both sides share clips
    corrected   paintings are split, clips are split, and each comment is matched within its part
    painting ──CLIP──► v [D], prompt ──CLIP──► u [D], clip ──mel.py──► [M, T] in [−1, 1]

Source: Hong et al. §III-A.1 to 3, §III-A.5, §III-B.1, §IV-A.1, Table I. Known deviation: a
synthetic painting has `comments_each` viewers who feel the same in other words, each with
ArtEmis's label nearest to the painting's point. Notebook: 41, 42.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import leakage, memmaps, splits
from lib.data.atelier import TRAIN_SEED, compose, factors, paint, render, words
from lib.systems.art2music import keywords, mel
from lib.systems.art2music.config import SPLITS, DataConfig

SETTINGS = ("with_audio_keywords", "comment_only")  # what the prompt says
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
# atelier clips are items from this index on; viewers are this far apart
CLIPS_FROM, VIEWERS_APART = 50_000, 1_000_000
CHUNK = 1024


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
        rows, counts = np.unique(self.pairs.loc[self.pairs["split"] == "train", "clip_row"],
                                 return_counts=True)
        return np.average(self.mels[rows].astype(np.float32), axis=0,
                          weights=counts).astype(np.float32)


def atelier_texts(config: DataConfig, collection: int = TRAIN_SEED,
                  first: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The synthetic comments (a row a comment) of paintings from index `first` on, and clips from
    `CLIPS_FROM` later."""
    lexicon, comments, clips = keywords.atelier_lexicon(), [], []
    for index in range(first, first + config.n_paintings):
        item = factors.draw(collection, index)
        emotion = keywords.emotion_label(item.valence, item.arousal)
        for viewer in range(config.comments_each):
            # the same painting in another viewer's words
            comment = words.comment(replace(item, index=index + viewer * VIEWERS_APART))
            found = keywords.extract(comment, lexicon, emotion=emotion)
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


def prepare_texts(comments: pd.DataFrame, captions: pd.DataFrame,
                  lexicon: dict[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Real comments (``painting, comment``, where known ``comment_id, emotion``) and captions
    (``clip, caption``, where known ``labels, keywords``) in the form of :func:`atelier_texts`."""
    for name, table, needed in (("comments", comments, ("painting", "comment")),
                                ("captions", captions, ("clip", "caption"))):
        if lacking := [column for column in needed if column not in table]:
            raise KlangfarbeError(f"{name} with {' and '.join(needed)}", f"no {', '.join(lacking)}",
                                  "rename the columns")
        if not len(table) or not table[needed[1]].fillna("").str.strip().all():
            raise KlangfarbeError(f"{name}, each with a text", f"{len(table)} rows, some of them "
                                  "without", "leave empty ones out")
    comments, captions = comments.reset_index(drop=True), captions.reset_index(drop=True)
    if "comment_id" not in comments:
        comments = comments.assign(comment_id=[f"comment-{k:06d}" for k in range(len(comments))])
    emotions = comments["emotion"].fillna("") if "emotion" in comments else [""] * len(comments)
    found = [", ".join(keywords.extract(text, lexicon, emotion=emotion))
             for text, emotion in zip(comments["comment"], emotions, strict=True)]
    known = {name: captions[name].fillna("") if name in captions else ""
             for name in ("labels", "keywords")}
    return comments.assign(emotion=emotions, keywords=found), captions.assign(**known)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32 [N, D]."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
    if not len(vectors) or not np.isfinite(length).all() or not length.all():
        raise KlangfarbeError("vectors [N, D], finite, none of them 0", f"{vectors.shape}",
                              "leave empty texts out")
    return vectors / length


def nearest(queries: np.ndarray, keys: np.ndarray, *,
            chunk: int = CHUNK) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of `keys` [M, D] for each of `queries` [N, D] by cosine, of equals the first:
    (index int64 [N], cosine float32 [N]); in chunks, for 443,662 comments and 4,717 captions."""
    queries, transposed = normalise(queries), np.ascontiguousarray(normalise(keys).T)
    if queries.shape[1] != len(transposed):
        raise KlangfarbeError(f"vectors of one width, {len(transposed)}", str(queries.shape),
                              "embed both sides by one encoder")
    buffer = np.empty((min(chunk, len(queries)), transposed.shape[1]), np.float32)
    index, score = np.empty(len(queries), np.int64), np.empty(len(queries), np.float32)
    for start in range(0, len(queries), chunk):
        rows = slice(start, start + chunk)
        cosines = np.matmul(queries[rows], transposed, out=buffer[: len(queries[rows])])
        index[rows] = cosines.argmax(axis=1)
        score[rows] = cosines[np.arange(len(cosines)), index[rows]]
    return index, score


def match_pairs(comments: pd.DataFrame, clips: pd.DataFrame, encoder, split: str = "corrected",
                seed: int = 0) -> pd.DataFrame:
    """Every comment with its nearest clip and its split, in order: ``comment_id, image_id,
    audio_id, clip_row, score, split, image_group, audio_group``."""
    if split not in SPLITS:
        raise KlangfarbeError(f"a split out of {', '.join(SPLITS)}", repr(split),
                              "name one of them")
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


def prompt(comment, clip, setting: str = "with_audio_keywords") -> str:
    """The composite text of a triplet as printed in Hong et al. §III-A.3; ``comment_only`` leaves
    out what belongs to the target clip."""
    if setting not in SETTINGS:
        raise KlangfarbeError(f"a setting out of {', '.join(SETTINGS)}", repr(setting),
                              "name one of them")
    text = (f"Art Commentary: {comment['comment'].rstrip('.')}. "
            f"Painting Emotion: {comment['keywords']}.")
    if setting == "comment_only":
        return text
    return f"{text} Audio: {clip['labels']}. Audio keywords: {clip['keywords']}."


def prompts(comments: pd.DataFrame, clips: pd.DataFrame, setting: str) -> list[str]:
    """:func:`prompt` of every comment and its clip, row by row."""
    return [prompt(comment, clip, setting)
            for comment, clip in zip(comments.to_dict("records"), clips.to_dict("records"),
                                     strict=True)]


def check_leakage(pairs: pd.DataFrame, comments: pd.DataFrame, clips: pd.DataFrame, setting: str):
    """:func:`lib.data.leakage.check` of pairs and of the prompts made from them."""
    matched = clips.iloc[pairs["clip_row"].to_numpy()]
    condition = pd.DataFrame({"text": prompts(comments, matched, setting),
                              "keywords": matched["keywords"].to_numpy()})
    return leakage.check(pairs=pairs, condition=condition)


def embed_inputs(pictures: np.ndarray, comments: list[str], found: list[str],
                 clip) -> tuple[np.ndarray, np.ndarray]:
    """Vectors v, u [N, D] of paintings and of comments with their keywords, without a clip's
    fields."""
    texts = [prompt({"comment": comment, "keywords": words}, {}, "comment_only")
             for comment, words in zip(comments, found, strict=True)]
    return clip.embed_pictures(pictures), clip.embed_text(texts)


def load_atelier(config: DataConfig, clip, sentence_encoder, *, split: str | None = None,
                 seed: int = 0) -> Dataset:
    """The synthetic triplets with all that training reads, stored; `split`: by default the
    config's."""
    def cached(name: str, depends_on: tuple, n: int, shape: tuple, dtype, compute) -> np.ndarray:
        key = provenance.content_hash(repr((name, depends_on, shape, code)).encode())[:16]
        return memmaps.cached_rows(paths.PROCESSED / "art2music" / key, name, n, shape, dtype,
                                   compute)

    code = provenance.package_hash(paint), provenance.package_hash(compose)
    comments, clips = atelier_texts(config)
    pairs = match_pairs(comments, clips, sentence_encoder, split or config.split, seed)
    names, place = np.unique(comments["painting"].to_numpy(), return_inverse=True)
    indices = comments.groupby("painting")["index"].first().loc[names].to_numpy()
    pictures = cached("pictures", (TRAIN_SEED, tuple(indices), config.side), len(names),
                      (config.side, config.side, 3), np.uint8,
                      lambda rows: paint.pictures(TRAIN_SEED, indices[rows], config.side)[0])
    items, n_frames = clips["index"].to_numpy(), mel.n_frames(config.seconds)
    mels = cached("mels", (TRAIN_SEED, tuple(items), config.seconds), len(clips),
                  (mel.N_MELS, n_frames), np.float16, lambda rows: mel.padded_mel(
                      render.sounds(TRAIN_SEED, items[rows], config.seconds)[0], n_frames))
    matched = clips.iloc[pairs["clip_row"].to_numpy()]
    texts = {setting: clip.embed_text(prompts(comments, matched, setting)) for setting in SETTINGS}
    vectors = np.concatenate([clip.embed_pictures(np.asarray(pictures[start : start + 64]))
                              for start in range(0, len(names), 64)])
    return Dataset(pairs, comments, clips, vectors[place], texts, mels)
