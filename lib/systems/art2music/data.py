"""ArtiCaps: paintings with comments and music with captions, paired because their *texts* are
alike, and what training reads of them. Source: Hong et al. §III-A, §III-B.1, §IV-A.1, Table I.
Known deviations: keywords are not filtered by part of speech, which needs a tagger that none of our
packages brings along (a lexicon of feeling has few other words); of "Opinion Lexicon [19]", which
cites AFINN, we take AFINN; which 50,000 triplets are used is not said: ours touch nothing that the
corrected split tests with; a synthetic painting has several viewers who feel alike in other words.
Notebook: 41, 42."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.data import leakage, memmaps, registry, splits
from lib.data.atelier import TRAIN_SEED, compose, factors, lexicon, paint, render, words
from lib.data.collections import layout, music, pictures
from lib.signal import affect, audio, images
from lib.systems import evaluation
from lib.systems.art2music import mel
from lib.systems.art2music.config import DataConfig

SPLITS = ("published", "corrected")  # by triplet; by painting and by clip
SETTINGS = ("with_audio_keywords", "comment_only")  # what the prompt says
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
# atelier clips are items from this index on; viewers are this far apart
CLIPS_FROM, VIEWERS_APART = 50_000, 1_000_000
CHUNK, AT_ONCE = 1024, 64  # texts, pictures at a time
# the names of AudioSet's labels, which MusicCaps has as ids: a heading, then index, id, name
LABELS = "class_labels_indices.csv"
LABELS_FROM = "https://research.google.com/audioset/download.html"
AFINN = "lexicons/afinn/AFINN-111.txt"  # Nielsen (2011), a word and a score a line
AFINN_FROM = "http://www2.compute.dtu.dk/pubdb/pubs/6010-full.html"
ELSE, ELSE_WITHIN = "something else", 0.2
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


def load_lexicon(config: DataConfig) -> dict[str, int]:
    """The scores of words, −5 … 5: AFINN's for the published collections, else the atelier's."""
    if config.collection == "atelier":
        return atelier_lexicon()
    if not (file := registry.root() / AFINN).is_file():
        raise KlangfarbeError(f"AFINN's words in {file}", "no such file",
                              f"get it from {AFINN_FROM} and put it there")
    table = pd.read_csv(file, sep="\t", header=None, keep_default_na=False)
    return dict(zip(table[0].tolist(), table[1].tolist(), strict=True))


def emotion_label(valence: float, arousal: float) -> str:
    """The nearest of ArtEmis's emotions to a point in [−1, 1]²."""
    if valence**2 + arousal**2 < ELSE_WITHIN**2:
        return ELSE
    points = affect.ARTEMIS_POINTS
    return min(points, key=lambda name: (points[name][0] - valence) ** 2
               + (points[name][1] - arousal) ** 2)


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


def published_texts(config: DataConfig) -> tuple:
    """:func:`atelier_texts` of ArtEmis and MusicCaps, whose paintings and sounds are at hand, with
    their files, ``path``; a point is that of the comment's emotion, a clip's is not known."""
    artemis, musiccaps = (registry.find_folder(registry.COLLECTIONS[name].folders)
                          for name in ("artemis", "musiccaps"))
    works, scores = pictures.artemis(artemis), load_lexicon(config)
    comments = pictures.artemis_comments(artemis).assign(path=list(works["path"]))
    comments = _at_hand(comments, artemis, "paintings in wikiart/<style>/")
    comments["emotion"] = comments["emotion"].fillna(ELSE)
    comments["index"] = pd.factorize(comments["painting"])[0]
    comments["keywords"] = [", ".join(extract_keywords(text, scores, emotion)) for text, emotion
                            in zip(comments["comment"], comments["emotion"], strict=True)]
    points = np.array([affect.ARTEMIS_POINTS.get(name, (0, 0)) for name in comments["emotion"]])
    sounds = layout.list_files(musiccaps, layout.AUDIO, "clips")
    clips = music.captions(musiccaps)
    clips = _at_hand(clips.assign(path=clips["ytid"].map(sounds.get)), musiccaps, "sounds in clips")
    return (comments.assign(valence=points[:, 0], arousal=points[:, 1]),
            clips.assign(index=range(len(clips)), valence=np.nan, arousal=np.nan,
                         labels=label_names(musiccaps, clips["labels"])))


def _at_hand(table: pd.DataFrame, folder, what: str) -> pd.DataFrame:
    there = table.dropna(subset=["path"], ignore_index=True)
    if there.empty:
        raise KlangfarbeError(f"{what} of {folder}", "none", "see data/README.md for the layout")
    return there.assign(path=[str(folder / name) for name in there["path"]])


def label_names(folder, labels) -> list[str]:
    """AudioSet's ids as MusicCaps joins them → names, by AudioSet's own table in its folder."""
    if not (folder / LABELS).is_file():
        raise KlangfarbeError(f"AudioSet's names of labels in {folder / LABELS}", "no such file",
                              f"get it from {LABELS_FROM} and put it there")
    table = layout.read_table(folder / LABELS, ("index", "mid", "display_name"))
    names = dict(zip(table["mid"], table["display_name"], strict=True))
    ids = [written.split(",") for written in labels]
    if unknown := sorted({one for some in ids for one in some} - set(names)):
        raise KlangfarbeError(f"labels that {folder / LABELS} names", ", ".join(unknown[:3]),
                              f"take the whole file from {LABELS_FROM}")
    return [", ".join(names[one] for one in some) for some in ids]


def read_texts(config: DataConfig) -> tuple:
    """Comments (a row a comment) and clips of the config's collection."""
    return (atelier_texts if config.collection == "atelier" else published_texts)(config)


def read_pictures(config: DataConfig, comments: pd.DataFrame, seed: int = TRAIN_SEED) -> np.ndarray:
    """The paintings of some comments, uint8 [N, side, side, 3]; `seed` is the atelier's."""
    if config.collection == "atelier":
        return paint.pictures(seed, comments["index"].to_numpy(), config.side)[0]
    return np.stack([images.load(path, size=config.side) for path in comments["path"]])


def read_sounds(config: DataConfig, clips: pd.DataFrame, seed: int = TRAIN_SEED) -> np.ndarray:
    """Clips as sounds float32 [N, samples] at 22.05 kHz, cut at the middle or ended in silence."""
    if config.collection == "atelier":
        return render.sounds(seed, clips["index"].to_numpy(), config.seconds)[0]
    sounds = np.zeros((len(clips), round(config.seconds * mel.RATE_HZ)), np.float32)
    for row, path in zip(sounds, clips["path"], strict=True):
        heard = audio.load(path, seconds=config.seconds)[: len(row)]
        row[: len(heard)] = heard
    return sounds


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
        part, clip_part = by_painting_and_clip(comments, clips, seed)
        row, score = np.empty(len(comments), np.int64), np.empty(len(comments), np.float32)
        for name in FRACTIONS:
            here, there = np.flatnonzero(part == name), np.flatnonzero(clip_part == name)
            found, score[here] = nearest(said[here], captions[there])
            row[here] = there[found]
    clip, painting = clips["clip"].to_numpy()[row], comments["painting"].to_numpy()
    return pd.DataFrame({"comment_id": comments["comment_id"].to_numpy(), "image_id": painting,
                         "audio_id": clip, "clip_row": row, "score": score, "split": part,
                         "image_group": painting, "audio_group": clip})


def by_painting_and_clip(comments, clips, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The corrected split: the part of each comment and of each clip."""
    return (splits.by_group(list(comments["painting"]), FRACTIONS, seed),
            splits.by_group(list(clips["clip"]), FRACTIONS, seed + 1))


def triplets(config: DataConfig, encoder, split: str, seed: int = 0) -> tuple:
    """Comments, clips and :func:`match_pairs`, as many triplets as the config says."""
    comments, clips = read_texts(config)
    pairs = match_pairs(comments, clips, encoder, split, seed)
    if config.n_triplets:
        usable = np.ones(len(pairs), bool)
        if split == "published":  # without what the corrected split tests with
            part, clip_part = by_painting_and_clip(comments, clips, seed)
            usable = (part != "test") & (clip_part[pairs["clip_row"]] != "test")
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(usable))
        rows = np.sort(rows[: config.n_triplets])
        comments, pairs = (some.iloc[rows].reset_index(drop=True) for some in (comments, pairs))
    return comments, clips, pairs


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


def in_chunks(embed, some, size: int) -> np.ndarray:
    """``embed(some)`` of N texts or paintings, `size` at a time: [N, D]."""
    return np.concatenate([embed(some[start : start + size])
                           for start in range(0, len(some), size)])


def load(config: DataConfig, clip, sentence_encoder, *, split="", seed: int = 0) -> Dataset:
    """The triplets with all that training reads, stored; `split`: else the config's."""
    comments, clips, pairs = triplets(config, sentence_encoder, split or config.split, seed)
    names, first, place = np.unique(comments["painting"].to_numpy(), return_index=True,
                                    return_inverse=True)
    works, side, seconds = comments.iloc[first], config.side, config.seconds
    depends_on = TRAIN_SEED, *map(provenance.package_hash, (paint, compose)), side, seconds
    n_frames, column = mel.n_frames(seconds), "path" if "path" in clips else "index"
    paintings = memmaps.cached_rows(
        memmaps.cache_folder(*depends_on, tuple(works[column].to_numpy())), "pictures", len(names),
        (side, side, 3), np.uint8, lambda rows: read_pictures(config, works.iloc[rows]))
    mels = memmaps.cached_rows(
        memmaps.cache_folder(*depends_on, tuple(clips[column].to_numpy())), "mels", len(clips),
        (mel.N_MELS, n_frames), np.float16,
        lambda rows: mel.padded_mel(read_sounds(config, clips.iloc[rows]), n_frames))
    matched = clips.iloc[pairs["clip_row"].to_numpy()]
    texts = {setting: in_chunks(clip.embed_text, prompts(comments, matched, setting), CHUNK)
             for setting in SETTINGS}
    vectors = in_chunks(clip.embed_pictures, paintings, AT_ONCE)[place]
    return Dataset(pairs, comments, clips, vectors, texts, mels)
