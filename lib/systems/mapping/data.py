"""The paired data, and everything that training reads, computed once and stored as memory maps.

    emotion-tagged pairs (IMEMNet)   ┐
    genre-tagged triplets (MELBench) ┴─► linked groups ─► 80 · 10 · 10 %, no group in two splits
    picture ──CLIP──► v [V, D_in], of every view
       └─► emotion ─► caption ─► directive ──T5, projected──► [L, D] ──n means──► [n, D]  Study II's
    sound ──codec──► codes [K, S] ──MusicGen's embeddings, Σ over K──► [S, D] ──n means──► Study I's
IMEMNet's lists are two linked groups, one of them 63 % of all, so that the text's split (80/10/10,
no picture or sound twice) cannot be had. Ours: a picture keeps the clip with the highest score
alone; what is linked then is what shares a song, and whole songs are split. No pair is lost, where
:func:`lib.data.collections.pairs.split_both_ends` loses a third and tests on a hundredth.
Source: Deepika §4.2.1, §4.3.2, §5.1 to §5.3, Table 3.1; §5.6 for the other texts. Notebook: 21."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from lib.core import artefacts, errors, paths, provenance
from lib.data import leakage, manifest, memmaps, registry, splits
from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, render, words
from lib.data.collections import pairs as collections
from lib.data.splits import linked_groups
from lib.pretrained.captioner import unled
from lib.signal import affect, audio, images
from lib.systems import evaluation
from lib.systems.mapping.config import DataConfig

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
COLUMNS = ["pair", "image", "image_group", "audio", "audio_group", "source", "emotion", "genre",
           "text", "split", "linked"]
IDS = {"image": "image_id", "audio": "audio_id"}  # column → the leakage check's name of it
UNKNOWN = "unknown"
JITTER, BLUR = 0.1, (0.1, 1.0)
PICTURES_FROM, PIECES_FROM, TRIPLETS_FROM = 300_000, 320_000, 340_000  # in the atelier; ours only
TEXTS = ("enriched",  # emotion word, caption, directive by the prompt of Table 3.1
         "caption",   # no LLM: emotion word and caption
         "own",       # no enrichment: the music's own description
         "open",      # the other prompt, §5.6
         "plain")     # no emotion word: caption and directive of the picture alone


@dataclass(frozen=True)
class PairedData:
    """N pairs, in the order of ``table`` (:func:`merge_collections`)."""
    table: pd.DataFrame
    pictures: np.ndarray  # uint8 [N, H, W, 3]
    vectors: Any = None  # float32 [N, V, D_in]; view 0 is the picture itself
    sounds: Any = None  # float16 [N, samples] at the codec's rate
    codes: Any = None  # int16 [N, K, S]
    words: tuple[str, ...] = ()  # the emotion words that lead the captions
    labels: Any = None  # of Source, the styles filled in

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split."""
        return np.flatnonzero(self.table["split"] == split)


class Source(NamedTuple):
    """Pairs by name, what is known of them, and how they are seen and heard."""
    table: pd.DataFrame  # of merge_collections
    labels: pd.DataFrame  # word, valence, arousal, style, subject of the picture; heard_genre
    pictures: Callable[[Sequence[str], int], np.ndarray]  # names, side → uint8 [N, side, side, 3]
    sounds: Callable[[Sequence[str], float, int], np.ndarray]  # names, s, Hz → float32 [N, samples]
    twins: Callable  # rows, s, Hz → the rows [M] with another such sound, float32 [M, samples]


def merge_collections(emotion_tagged, genre_tagged, seed: int = 0) -> pd.DataFrame:
    """Both collections in one table, each stratum of both tags split by whole linked groups."""
    parts = []
    for source, table, tag in (("emotion-tagged", emotion_tagged, "emotion"),
                               ("genre-tagged", genre_tagged, "genre")):
        if missing := [name for name in ("image", "audio", tag)
                       if name not in table or table[name].isna().to_numpy().any()]:
            raise errors.KlangfarbeError(f"{source} pairs with image, audio and {tag}",
                                         f"missing: {', '.join(missing)}", "fill them in")
        parts.append(table.reindex(columns=COLUMNS).assign(source=source).fillna(
            {"emotion": UNKNOWN, "genre": UNKNOWN, "image_group": table["image"],
             "audio_group": table["audio"]}))
    merged: Any = pd.concat(parts, ignore_index=True)
    merged["pair"] = merged["image"] + "+" + merged["audio"]
    if len(twice := merged.loc[merged["pair"].duplicated(), "pair"]):
        raise errors.KlangfarbeError("each pair once", f"{len(twice)} twice, e.g. {twice.iloc[0]}",
                                     "drop the copies: they would leak between the splits")
    merged["linked"] = linked_groups(merged["image_group"], merged["audio_group"])
    tags = (merged["emotion"] + " · " + merged["genre"]).groupby(merged["linked"])
    label = tags.agg(lambda values: values.mode().iloc[0])
    rare = label.map(label.value_counts()) < len(FRACTIONS)
    label[rare] = UNKNOWN
    if (label == UNKNOWN).sum() < len(FRACTIONS):
        label[label == UNKNOWN] = label[~rare].mode().iloc[0] if (~rare).any() else UNKNOWN
    stratum, merged["split"] = merged["linked"].map(label), ""
    for name in stratum.unique():
        rows = stratum == name
        merged.loc[rows, "split"] = splits.by_group(merged.loc[rows, "linked"], FRACTIONS, seed)
    return merged[COLUMNS]


def check_leakage(table: pd.DataFrame):
    """:func:`lib.data.leakage.check` of a merged table."""
    return leakage.check(pairs=table.rename(columns=IDS))


def assert_unseen(table: pd.DataFrame, training_table: pd.DataFrame) -> None:
    """Refuses pictures (``image``) and pieces (``audio``, ``real``) of the training table."""
    evaluation.assert_unseen(training_table.rename(columns=IDS), table, "image",
                             *(side for side in ("audio", "real") if side in table))


def atelier_collections(config: DataConfig, collection: int = TRAIN_SEED) -> tuple:
    """The atelier as the two: paintings with pieces of other items of their emotion, each for
    `pictures_per_sound`; and paintings with their own piece, its description and genre."""
    n_emotion, next_piece, tagged = config.n_pairs // 2, PIECES_FROM, []
    unused: dict[str, list] = {}
    for k in range(n_emotion):
        item = factors.draw(collection, PICTURES_FROM + k)
        emotion = words.emotion_word(item)
        while not unused.get(emotion):  # pieces of other emotions are kept for later
            piece = factors.draw(collection, next_piece)
            next_piece += 1
            unused.setdefault(words.emotion_word(piece),
                              []).extend([piece.item_id] * config.pictures_per_sound)
        tagged.append({"image": item.item_id, "audio": unused[emotion].pop(0), "emotion": emotion})
    triplets = [factors.draw(collection, TRIPLETS_FROM + k)
                for k in range(config.n_pairs - n_emotion)]
    return pd.DataFrame(tagged), pd.DataFrame([
        {"image": item.item_id, "audio": item.item_id, "genre": item.genre,
         "text": words.description(item)} for item in triplets])


def atelier_items(names) -> list:
    """The atelier's items of the names in ``image`` or ``audio``, a list of ``Factors``."""
    return [factors.draw(*map(int, str(name).split("-")[1:])) for name in names]


def atelier_labels(table: pd.DataFrame) -> pd.DataFrame:
    """``word, valence, arousal, style, subject`` of each picture, ``heard_genre`` of its sound."""
    pairs = zip(atelier_items(table["image"]), atelier_items(table["audio"]), strict=True)
    return pd.DataFrame([{"word": words.emotion_word(item), "valence": item.valence,
                          "arousal": item.arousal, "style": item.style, "subject": item.subject,
                          "heard_genre": piece.genre} for item, piece in pairs], index=table.index)


def open_pairs(config: DataConfig, *, seed: int = 0, known: pd.DataFrame | None = None) -> Source:
    """A config's pairs; beside `known`, the table of a training, such as that training never met:
    of the published collections equally many of either, of the atelier another seed's."""
    if config.origin == "published":
        return open_published(config.n_pairs, seed, known)
    return open_atelier(config, TRAIN_SEED if known is None else TEST_SEED, seed)


def open_atelier(config: DataConfig, collection: int = TRAIN_SEED, seed: int = 0) -> Source:
    """The atelier's pairs."""
    table = merge_collections(*atelier_collections(config, collection), seed=seed)

    def twins(rows: np.ndarray, seconds: float, rate_hz: int) -> tuple:
        pieces, index = [], 360_000  # items that nothing else uses
        for source, item in zip(table["source"].iloc[rows], atelier_items(
                table["image"].iloc[rows]), strict=True):
            # of the picture's emotion, or, where the first was composed from it, of its very point
            exact = {} if source == "emotion-tagged" else {"valence": item.valence,
                                                           "arousal": item.arousal}
            word = words.emotion_word(item)
            while words.emotion_word(piece := factors.draw(item.seed, index, **exact)) != word:
                index += 1
            pieces.append(piece)
            index += 1
        return rows, render.render_items(pieces, seconds, rate_hz)

    return Source(
        table, atelier_labels(table),
        lambda names, side: np.stack([images.square(paint.paint(item), side)
                                      for item in atelier_items(names)]),
        lambda names, seconds, rate_hz: render.render_items(atelier_items(names), seconds, rate_hz),
        twins)


def open_published(n: int, seed: int = 0, known: Any = None) -> Source:
    """`n` pairs, half from IMEMNet (the best scores) and half from MELBench (drawn by the seed)."""
    tagged: Any = read_published(seed)
    points = tagged[0].set_index("image")
    if known is not None:
        tagged = [unmet(table, known) for table in tagged]
        n = min(n, 2 * min(map(len, tagged)))
    table: Any = merge_collections(tagged[0].head(n // 2), tagged[1].head(n - n // 2), seed)
    print(f"published collections: {len(table)} pairs of IMEMNet's {len(tagged[0])} pictures and "
          f"MELBench's {len(tagged[1])} triplets")
    axes = {axis: table["image"].map(points[axis]) for axis in ("valence", "arousal")}
    labels = pd.DataFrame({"word": table["emotion"], **axes, "style": UNKNOWN, "subject": UNKNOWN,
                           "heard_genre": table["genre"]})
    others = table["image"].map(points["other"])

    def twins(rows: np.ndarray, seconds: float, rate_hz: int) -> tuple:
        rows = rows[others.iloc[rows].notna().to_numpy()]
        return rows, read_sounds(others.iloc[rows], seconds, rate_hz)

    return Source(table, labels, read_pictures, read_sounds, twins)


def read_published(seed: int = 0) -> list[pd.DataFrame]:
    """Both collections where their files are whole; a name is a path below ``registry.root()``.
    IMEMNet: each picture with its best clip and the next one (``other``), best scores first, its
    point in IMEMNet-C and the word nearest to it. MELBench: triplets in an order of the seed."""
    points: Any
    (music, points), (texts, whole) = map(_whole_files, ("imemnet", "melbench"))
    lists: Any = collections.read_imemnet(registry.root() / music).sample(frac=1, random_state=seed)
    points = points.set_index(points["item_id"].str.removeprefix("imemnet-"))
    lists = lists.assign(image="image-" + lists["image"], clip="audio-" + lists["clip"])
    lists = lists[lists["clip"].isin(points.index)
                  & lists["image"].isin(points.index[points["valence"].notna()])]
    if not len(lists):
        raise errors.KlangfarbeError(
            f"IMEMNet's images/, music/ and IMEMNet-C's image_va.csv in {registry.root() / music}",
            "no pair with all three", "python -m lib data fetch imemnet")
    lists = lists.sort_values("score", ascending=False, kind="stable")
    best = lists.drop_duplicates("image")
    others = lists.drop(best.index).drop_duplicates("image").set_index("image")["clip"]
    at, path = points.loc[best["image"]], f"{music}/" + points["path"]
    emotion_tagged = pd.DataFrame({
        "image": path[best["image"]].array, "audio": path[best["clip"]].array,
        "audio_group": f"{music}/" + best["song"].array,
        "other": best["image"].map(others).map(path).array,
        "valence": at["valence"].array, "arousal": at["arousal"].array,
        "emotion": [*map(affect.emotion_word, at["valence"], at["arousal"])]})
    triplets: Any = collections.triplets(registry.root() / texts).sample(frac=1, random_state=seed)
    triplets = triplets[triplets[["image", "audio"]].isin([*whole["path"]]).all(axis=1)
                        & triplets["genre"].notna()].drop_duplicates(["image", "audio"])
    return [emotion_tagged, triplets.assign(**{end: f"{texts}/" + triplets[end]
                                               for end in ("image", "audio")})]


def _whole_files(collection: str) -> tuple[str, pd.DataFrame]:
    row = registry.COLLECTIONS[collection]
    folder = registry.find_folder(row.folders)
    rows = row.manifest(folder)
    built = manifest.build(rows[rows["path"].notna()], paths.PROCESSED / "mapping" / collection,
                           root=folder)
    print(f"{collection}: {manifest.summary(built)}")
    return folder.relative_to(registry.root()).as_posix(), built.manifest


def unmet(tagged: Any, known: Any) -> Any:
    """The pairs of a collection no end of which the training with `known` has met."""
    met = known.loc[known["split"] != "test", ["image", "audio", "audio_group"]].to_numpy()
    ends = tagged.reindex(columns=["image", "audio", "audio_group"])
    return tagged[~ends.isin(set(met.ravel())).any(axis=1)]


def unmet_paintings(config: DataConfig, seed: int = 0) -> Any:
    """IMEMNet's pairs that the training of `config` did not meet, the test's and those left over,
    words by turns: ``image, audio, emotion, valence, arousal``."""
    tagged, n = read_published(seed), config.n_pairs
    known = merge_collections(tagged[0].head(n // 2), tagged[1].head(n - n // 2), seed)
    table = unmet(tagged[0], known)
    return table.iloc[np.argsort(table.groupby("emotion").cumcount(), kind="stable")]


def read_pictures(names: Sequence[str], side: int) -> np.ndarray:
    """Files below ``registry.root()`` → uint8 [N, side, side, 3], the centre squares."""
    return np.stack([images.load(registry.root() / name, size=side) for name in names])


def read_sounds(names: Sequence[str], seconds: float, rate_hz: int) -> np.ndarray:
    """Files → float32 [N, samples], the middle `seconds`, zeros behind what is shorter (§5.2)."""
    sounds = np.zeros((len(names), round(seconds * rate_hz)), np.float32)
    for row, name in zip(sounds, names, strict=True):
        sound = audio.load(registry.root() / name, seconds=seconds, sample_rate_hz=rate_hz)
        row[: len(sound)] = sound[: len(row)]
    return sounds


def augment(pictures: np.ndarray, n_views: int, seeds) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3], a seed each → [N, n_views, H, W, 3], themselves first (§5.2)."""
    from torchvision.transforms import v2  # a second, and needed here alone
    transform = v2.Compose([v2.RandomHorizontalFlip(0.5), v2.ColorJitter(JITTER, JITTER, JITTER),
                            v2.GaussianBlur(3, BLUR)])
    views = np.repeat(np.asarray(pictures)[:, None], n_views, axis=1)
    with torch.random.fork_rng(devices=[]):
        for row, seed in enumerate(seeds):
            torch.manual_seed(int(seed))
            for view in range(1, n_views):
                picture = torch.from_numpy(views[row, 0].copy()).permute(2, 0, 1)
                views[row, view] = transform(picture).permute(1, 2, 0).numpy()
    return views


def prepare(source: Source, config: DataConfig, generator, clip,
            predict_emotions: Callable | None = None, *, seed: int = 0) -> PairedData:
    """The pairs' arrays, made or read where stored; `predict_emotions`: pictures → N words, which
    lead the captions (§5.6: a classifier's); without it they are the pictures' own."""
    table, labels = source.table, source.labels
    n, side, codec = len(table), config.image_side, generator.codec
    n_samples = round(config.clip_seconds * codec.sample_rate_hz)
    folder = memmaps.cache_folder("pictures", list(table["image"]), side,
                                  provenance.package_hash(paint))
    pictures = np.asarray(memmaps.cached_rows(
        folder, "pictures", n, (side, side, 3), np.uint8,
        lambda rows: source.pictures(list(table["image"].iloc[rows]), side)))
    folder = memmaps.cache_folder(list(table["pair"]), provenance.content_hash(pictures),
                                  clip.sha256, codec.sha256, config, seed)

    @functools.lru_cache(64)  # a piece may go with several pictures
    def sound_of(name: str) -> np.ndarray:
        return source.sounds([name], config.clip_seconds,
                             codec.sample_rate_hz)[0, :n_samples].astype(np.float16)

    def encode(rows):
        # a sound once, each by itself: the windows of a batch do not fit a processor's cache
        names = table["audio"].iloc[rows]
        codes = {name: codec.encode(sounds[row].astype(np.float32)[None, None])[0].cpu().numpy()
                 for name, row in dict(zip(names, rows, strict=True)).items()}
        return np.stack([codes[name] for name in names])

    def embed(rows):
        views = augment(pictures[rows], config.n_views, seed * 1_000_003 + rows)
        vectors = clip.embed_pictures(views.reshape(-1, *views.shape[2:]))
        return vectors.reshape(len(rows), config.n_views, -1)

    emotions = list(labels["word"]) if predict_emotions is None else predict_emotions(pictures)
    # pictures and sounds side by side; only the views draw random numbers
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(memmaps.cached_rows, folder, "vectors", n,
                              (config.n_views, clip.width), np.float32, embed)
        sounds = memmaps.cached_rows(
            folder, "sounds", n, (n_samples,), np.float16,
            lambda rows: np.stack([sound_of(name) for name in table["audio"].iloc[rows]]))
        codes = memmaps.cached_rows(
            folder, "codes", n, (codec.n_codebooks, -(-n_samples // codec.samples_per_step)),
            np.int16, encode, workers=2)
        vectors = waiting.result()
    if set(labels["style"]) == {UNKNOWN}:  # a guess by CLIP; three eighths, as in the atelier
        abstract, other = clip.embed_text(["an abstract picture", "a picture of people and things"])
        rank = pd.Series(vectors[:, 0] @ (abstract - other)).rank(pct=True)
        labels = labels.assign(style=np.where(rank > 0.625, "abstract", "figurative"))
    return PairedData(table, pictures, vectors, sounds, codes, tuple(emotions), labels)


def write_texts(pairs, kind: str, captioner, describer, captions: dict | None = None) -> list[str]:
    """Each pair's text of a kind out of :data:`TEXTS`; `captions` are kept from kind to kind."""
    if kind == "own":
        return list(pairs.table["text"].fillna(""))
    captions, with_emotion = {} if captions is None else captions, kind != "plain"
    emotions = list(pairs.words) if with_emotion else [None] * len(pairs.words)
    if with_emotion not in captions:
        captions[with_emotion] = captioner.caption(pairs.pictures, emotions)
    if kind == "caption":
        return list(captions[with_emotion])
    # the emotion stands in front of the prompt, not inside the caption
    inputs = [(unled(caption, emotion) if emotion else caption, emotion)
              for caption, emotion in zip(captions[with_emotion], emotions, strict=True)]
    # equal inputs get equal texts; those of one length together need less padding
    unique = sorted(set(inputs), key=lambda pair: (len(pair[0]), pair[0], str(pair[1])))
    written = describer.describe([caption for caption, _ in unique],
                                 [emotion for _, emotion in unique] if with_emotion else None,
                                 prompt="open" if kind == "open" else "mapping")
    text_of = dict(zip(unique, written, strict=True))
    return [text_of[pair] for pair in inputs]


def write_all_texts(pairs: PairedData, captioner, describer, kinds=TEXTS) -> pd.DataFrame:
    """Several kinds of text of every pair: columns ``pair, word`` and one a kind."""
    captions: dict = {}
    texts = {kind: write_texts(pairs, kind, captioner, describer, captions) for kind in kinds}
    return pd.DataFrame({"pair": list(pairs.table["pair"]), "word": list(pairs.words), **texts})


def load_texts(pairs: PairedData, profile: str, captioner, describer) -> pd.DataFrame:
    """Notebook 21's :func:`write_all_texts` where it ran on these pairs, else written now."""
    try:
        texts = artefacts.load("21_mapping_data", profile, "texts.parquet")
        if list(texts["pair"]) == list(pairs.table["pair"]):
            return texts
    except errors.KlangfarbeError as missing:
        print(f"the texts are written now ({missing.do})")
    return write_all_texts(pairs, captioner, describer)


def text_targets(texts: Sequence[str], generator, n_tokens: int = 1) -> np.ndarray:
    """Texts → conditions of the decoder's width, float32 [N, n_tokens, D]; 0 for an empty text."""
    targets = np.zeros((len(texts), n_tokens, generator.width), np.float32)
    rows = [row for row, text in enumerate(texts) if text.strip()]
    for at in range(0, len(rows), 64):
        batch = rows[at : at + 64]
        states, mask = generator.states([texts[row] for row in batch])
        targets[batch] = segment_means(generator.condition(states, mask).cpu().numpy(),
                                       mask.cpu().numpy(), n_tokens)
    return targets


def audio_targets(codes: np.ndarray, generator, n_tokens: int = 1) -> np.ndarray:
    """Codes int [N, K, S] → float32 [N, n, D]: the decoder's embeddings, Σ over K, means over S."""
    embeddings = generator.network.decoder.model.decoder.embed_tokens
    targets = []
    with torch.inference_mode():
        for at in range(0, len(codes), 64):
            batch = torch.as_tensor(np.asarray(codes[at : at + 64], np.int64)).to(generator.device)
            summed: Any = sum(table(batch[:, k]) for k, table in enumerate(embeddings))  # [B, S, D]
            targets.append(segment_means(summed.float().cpu().numpy(),
                                         np.ones(summed.shape[:2], bool), n_tokens))
    return np.concatenate(targets)


def segment_means(states: np.ndarray, mask: np.ndarray, n_segments: int) -> np.ndarray:
    """States [N, L, D], mask [N, L] → [N, n_segments, D]: means of each row's own l states, segment
    k from ⌊kl/n⌋ to ⌈(k+1)l/n⌉; with fewer states than segments neighbours repeat."""
    means = np.empty((len(states), n_segments, states.shape[2]), np.float32)
    for row, keep in enumerate(mask.astype(bool)):
        own = states[row][keep]
        for k in range(n_segments):
            first, last = k * len(own) // n_segments, -(-(k + 1) * len(own) // n_segments)
            means[row, k] = own[first:last].mean(0)
    return means
