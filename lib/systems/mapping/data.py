"""System 2's paired data, DATASET_AIMUS: an emotion-tagged and a genre-tagged collection of
picture–music pairs, merged.

    emotion-tagged pairs (IMEMNet)         ┐
                                           ├─► one table ─► linked groups ─► 80 · 10 · 10 %, by emotion and genre, no group on two sides
    genre-tagged triplets (MeLBench)       ┘

A sound that goes with many pictures links them all: whatever is linked, directly or by others, lies
on one side of the split.

Source: text 001, §5.1 to §5.3.

Known deviations: the text counts 15,000 pairs, then 10,400 + 1,300 + 1,300 = 13,000, and "over
187k" elsewhere; `n_pairs` is 15,000 · augmented pictures are stored as a few views of each, not
drawn anew in every epoch · sounds are said to run at 24 kHz; MusicGen's codec runs at 32 kHz, and
the checkpoint decides · the atelier stands in for both collections below the paper profile: pairs
of one emotion word for the first, a painting with its own piece and description for the second.
Notebook: 21.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torchvision.transforms import v2

from lib.core.errors import KlangfarbeError
from lib.data import leakage, splits
from lib.data.atelier import TRAIN_SEED, words
from lib.data.atelier.factors import draw
from lib.data.atelier.words import emotion_word

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
COLUMNS = ("pair", "image", "image_group", "audio", "audio_group", "source", "emotion", "genre",
           "text", "split")
UNKNOWN = "unknown"
# the atelier's items that are system 2's own
PICTURES_FROM, PIECES_FROM, TRIPLETS_FROM = 300_000, 320_000, 340_000
JITTER, BLUR = 0.1, (0.1, 1.0)


@dataclass(frozen=True)
class Config:
    """How much data; the defaults are the published numbers.

    Attributes:
        n_pairs: of both collections together, half from each on the atelier. clip_seconds: of every
            sound.
        n_views: pictures' versions whose vectors are stored: the picture itself and `n_views` − 1
            augmented ones.
        image_side: pixels. pictures_per_sound: how many pictures of one word share a sound in the
            emotion-tagged collection.
    """

    n_pairs: int = 15_000
    clip_seconds: float = 10.0
    n_views: int = 4
    image_side: int = 224
    pictures_per_sound: int = 2


PROFILES = {
    "smoke": Config(n_pairs=60, clip_seconds=2.0, n_views=2, image_side=64),
    "mini": Config(n_pairs=600, clip_seconds=8.0, image_side=128),
    "gpu": Config(n_pairs=13_000, image_side=128),
    "paper": Config(),
}


def merged(emotion_tagged, genre_tagged, seed: int = 0):
    """Both collections as one table with a split: DataFrame of :data:`COLUMNS`, a row a pair.

    Args:
        emotion_tagged, genre_tagged: DataFrames ``image, audio, emotion`` and ``image, audio,
            genre``; where known also ``image_group``, ``audio_group`` (else the item itself),
            ``text`` and the other tag. seed: of the deal.

    Raises:
        KlangfarbeError: a column that lacks, a pair that comes twice, or fewer linked groups than
            splits.
    """
    parts = []
    for source, table, tag in (("emotion-tagged", emotion_tagged, "emotion"),
                               ("genre-tagged", genre_tagged, "genre")):
        if lacking := [name for name in ("image", "audio", tag)
                       if name not in table or table[name].isna().any()]:
            raise KlangfarbeError(f"{source} pairs with image, audio and {tag}",
                                  f"lacking: {', '.join(lacking)}", "fill them in")
        known = {name: table.get(name, pd.Series(UNKNOWN, table.index)).fillna(UNKNOWN)
                 for name in ("emotion", "genre")}
        groups = {f"{side}_group": table.get(f"{side}_group", table[side]).fillna(table[side])
                  for side in ("image", "audio")}
        parts.append(table[["image", "audio"]].assign(source=source, text=table.get("text"),
                                                      **known, **groups))
    whole = pd.concat(parts, ignore_index=True)
    if len(twice := whole[whole.duplicated(["image", "audio"])]):
        raise KlangfarbeError("each pair once", f"{len(twice)} twice, e.g. "
                              f"{twice['image'].iloc[0]} with {twice['audio'].iloc[0]}",
                              "drop the copies: they would be their own leak")
    whole["pair"] = whole["image"] + "+" + whole["audio"]
    whole["linked"] = linked(whole["image_group"], whole["audio_group"])
    whole["split"] = _dealt(whole, seed)
    return whole[[*COLUMNS, "linked"]]


def linked(image_groups, audio_groups) -> np.ndarray:
    """The connected component [N] of each pair, in the graph whose nodes are image groups and audio
    groups and whose edges are pairs.
    """
    left, right = pd.factorize(pd.Series(list(image_groups)))[0], pd.factorize(
        pd.Series(list(audio_groups)))[0]
    n_left, n = int(left.max(initial=-1)) + 1, int(left.max(initial=-1)) + int(
        right.max(initial=-1)) + 2
    graph = coo_matrix((np.ones(len(left)), (left, n_left + right)), shape=(n, n))
    return connected_components(graph, directed=False)[1][left]


def looked_at(table):
    """What the leak linter finds in :func:`merged`'s table: ``lib.data.leakage.check``'s answer,
    for ``report`` and ``assert_no_leakage``.
    """
    names = {"image": "image_id", "audio": "audio_id"}
    return leakage.check(pairs=table.rename(columns=names)[["image_id", "audio_id", "image_group",
                                                            "audio_group", "split"]])


def atelier(config: Config, collection: int | None = None) -> tuple:
    """The atelier as the two collections: (emotion-tagged, genre-tagged), for :func:`merged`, with
    ``picture_index, piece_index``.

    Emotion-tagged: paintings and pieces of different items that share the word, a sound for
    `pictures_per_sound` of them. Genre-tagged: an item's painting, its own piece, that piece's
    description and genre.
    """
    collection = TRAIN_SEED if collection is None else collection
    n = config.n_pairs // 2
    seen = [draw(collection, PICTURES_FROM + k) for k in range(n)]
    free: dict[str, list] = {}
    at, rows = 0, []
    for item in seen:
        word = words.emotion_word(item)
        if not free.get(word):  # the next piece of that word; others met on the way wait for theirs
            while True:
                piece = draw(collection, PIECES_FROM + at)
                at += 1
                free.setdefault(words.emotion_word(piece),
                                []).extend([piece] * config.pictures_per_sound)
                if words.emotion_word(piece) == word:
                    break
        piece = free[word].pop(0)
        rows.append({"image": item.item_id, "audio": piece.item_id, "emotion": word,
                     "picture_index": item.index, "piece_index": piece.index})
    triplets = [draw(collection, TRIPLETS_FROM + k) for k in range(config.n_pairs - n)]
    own = [{"image": item.item_id, "audio": item.item_id, "genre": item.genre,
            "text": words.description(item), "picture_index": item.index, "piece_index": item.index}
           for item in triplets]
    return pd.DataFrame(rows), pd.DataFrame(own)


def items(names) -> list:
    """The atelier's items by their names, as :func:`atelier` writes them into ``image`` and
    ``audio``: a list of ``Factors``.
    """
    return [draw(*map(int, str(name).split("-")[1:])) for name in names]


def truth(table):
    """What the atelier knows of each pair and the tags do not say: DataFrame, a row a pair of
    :func:`merged`'s table.

    Columns ``word, valence, arousal, style, subject`` of the picture; ``heard_genre, heard_word``
    of the sound.
    """
    seen, heard = items(table["image"]), items(table["audio"])
    return pd.DataFrame(
        {"word": [emotion_word(item) for item in seen],
         **{name: [getattr(item, name) for item in seen]
            for name in ("valence", "arousal", "style", "subject")},
         "heard_genre": [item.genre for item in heard],
         "heard_word": [emotion_word(item) for item in heard]},
        index=table.index,
    )


def views(pictures: np.ndarray, n_views: int, seeds) -> np.ndarray:
    """Each picture and its augmented versions, uint8 [N, H, W, 3] → [N, n_views, H, W, 3]; view 0
    is the picture itself.

    Flipped with probability ½, brightness, contrast and saturation within ±10 %, blurred with σ in
    [.1, 1].

    Args:
        seeds: N whole numbers, one a picture, so that a picture's views do not depend on its
            neighbours.

    Source: text 001, §5.2 (there drawn anew in every epoch).
    """
    if n_views < 1:
        raise KlangfarbeError("at least 1 view", str(n_views), "1 leaves the pictures as they are")
    change = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.ColorJitter(JITTER, JITTER, JITTER),
                         v2.GaussianBlur(3, BLUR)])
    made = np.repeat(np.asarray(pictures)[:, None], n_views, axis=1)
    with torch.random.fork_rng(devices=[]):
        for row, seed in enumerate(seeds):
            torch.manual_seed(int(seed))
            for view in range(1, n_views):
                made[row, view] = change(torch.from_numpy(made[row, 0].copy()).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    return made


def _dealt(table, seed: int) -> np.ndarray:
    """A split [N] for each pair: linked groups are dealt whole, each stratum of emotion and genre
    by itself.
    """
    label = (table["emotion"] + " · "
             + table["genre"]).groupby(table["linked"]).agg(lambda words: words.mode().iloc[0])
    rare = label.map(label.value_counts()) < len(FRACTIONS)
    label[rare] = UNKNOWN
    if (label == UNKNOWN).sum() < len(FRACTIONS):
        label[label == UNKNOWN] = label[~rare].mode().iloc[0] if (~rare).any() else UNKNOWN
    stratum = table["linked"].map(label)
    split = np.empty(len(table), dtype=object)
    for name in stratum.unique():
        rows = (stratum == name).to_numpy()
        split[rows] = splits.by_group(table.loc[rows, "linked"], FRACTIONS, seed)
    return split
