"""The paired data: a painting and a segment of a piece that carry the same emotion word, shuffled
within each emotion, 80 · 10 · 10 % of them for training, validation and test. The atelier's, or the
published collections': WikiArt-Emotions' paintings and the MIREX-like mood dataset's MIDI files.
Source: Hisariya & Liang §V.A (classes chosen by hand, no rule given; ours is :data:`GROUPS`);
Mohammad & Kiritchenko (2018) for the ratings and the threshold of 40 %. How the 1,200 pairs came
about is left open: here every painting and every segment is used at most once.
Notebook: 11 to 15."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
import soxr

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import collections, leakage, manifest, registry, splits
from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, render, words
from lib.models.emotion_classifier import SIDES
from lib.signal import affect, audio, images
from lib.systems import evaluation
from lib.systems.bridging import train_classifier
from lib.systems.bridging.config import FRACTIONS, ClassifierConfig, DataConfig, get_config

EMOTIONS = tuple(affect.EMOTION_POINTS)
# what a split of pairs at random brings with it, and the published protocol therefore accepts
ACCEPTED = {"published": {"group_in_two_splits", "near_duplicates"}, "corrected": set()}
IDS = {"painting": "image_id", "segment": "audio_id", "painting_group": "image_group",
       "piece_group": "audio_group"}  # column → the leakage check's name of it
PIECES_FROM = 100_000  # first index of the atelier's pieces; its paintings begin at 0
# each emotion under the nearest word, save happiness, fear, and humility (else five are neutral)
GROUPS = {"happy": ("happiness", "love", "gratitude", "optimism", "trust", "agreeableness"),
          "fun": ("surprise", "anticipation"),
          "angry": ("anger", "disgust", "disagreeableness", "arrogance", "fear"),
          "sad": ("sadness", "pessimism", "regret", "shame", "shyness"),
          "neutral": ("neutral", "humility")}
RATE_HZ, SIDE = 32_000, 384  # of the rendered pieces; of the pictures, what BLIP-large sees
WIKIART, MIREX = (registry.COLLECTIONS[name] for name in ("wikiart_emotions", "mirex"))
PAINTINGS, MUSIC = WIKIART.folders, MIREX.folders


class Data(NamedTuple):
    """The paired data of a profile, and how to see and hear it."""
    config: DataConfig  # where they come from, how they are split
    table: pd.DataFrame  # of make_pairs
    paintings: pd.DataFrame  # painting, painting_group, emotion; index, or the manifest's columns
    pieces: pd.DataFrame  # piece, piece_group, emotion, seconds; index, or description, sound
    rejects: pd.DataFrame  # item, file, reason: damaged, or shorter than a segment
    pictures: Callable[[Sequence[str], int], np.ndarray]  # names, side → uint8 [N, side, side, 3]
    side: int  # at which the captioner sees the pictures
    clips: Callable[[pd.DataFrame, int], Sequence[np.ndarray]]  # rows, rate → N × float32 [samples]

    @property
    def origin(self) -> str:
        """What the ledger calls them."""
        return "atelier" if self.config.origin == "atelier" else "WikiArt-Emotions, MIREX"


class HeldOut(NamedTuple):
    """N paintings that no training saw, each with real music of its emotion."""
    table: Any  # painting, emotion, valence, arousal, piece, description (of the piece)
    pictures: Callable[[int], np.ndarray]  # the first n → uint8 [n, side, side, 3]
    sounds: Callable[[float, int], np.ndarray]  # seconds, rate → float32 [N, samples]


def load_data(profile: str, *, seed: int = 0, how: str = "") -> Data:
    """A profile's paired data: the atelier's, or at ``paper`` the published collections'; split as
    the profile's config says, or by `how`."""
    config = get_config(profile).data
    config = replace(config, how=how or config.how)
    if config.origin == "published":
        data = load_published(registry.find_folder(PAINTINGS, ("images", "emotion_labelled")),
                              registry.find_folder(MUSIC), config,
                              paths.PROCESSED / "bridging" / "published", seed)
        print(f"published collections: {len(data.table)} pairs of {len(data.paintings)} paintings "
              f"and {data.table['piece'].nunique()} of {len(data.pieces)} pieces; "
              f"{len(data.rejects)} files set aside")
        return data
    tables = []
    for name, n, start in (("painting", config.n_paintings, 0),
                           ("piece", config.n_pieces, PIECES_FROM)):
        each = -(-n // len(EMOTIONS))
        drawn = evaluation.draw_by_emotion(TRAIN_SEED, dict.fromkeys(EMOTIONS, each), start)
        rows = [(item.item_id, item.item_id, word, item.index) for word in EMOTIONS
                for item in drawn[word][:each]]
        table = pd.DataFrame(rows, columns=[name, f"{name}_group", "emotion", "index"])
        tables.append(table.sort_values("index", ignore_index=True))
    paintings, pieces = tables[0], tables[1].assign(seconds=float(config.piece_seconds))
    index: Any = pd.concat([paintings.set_index("painting"), pieces.set_index("piece")])["index"]

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        painted, _ = paint.pictures(TRAIN_SEED, index.loc[list(names)], min(side, paint.MASTER))
        return images.squares(painted, side)

    def clips(rows: pd.DataFrame, rate_hz: int) -> list[np.ndarray]:
        length, sounds = round(config.segment_seconds * rate_hz), {}
        for piece, some in rows.groupby("piece", sort=False):  # each is rendered once
            sound = render.sounds(TRAIN_SEED, [int(index[piece])], config.piece_seconds)[0][0]
            if rate_hz != audio.SAMPLE_RATE_HZ:
                sound = soxr.resample(sound, audio.SAMPLE_RATE_HZ, rate_hz)
            for name, start_s in zip(some["segment"], some["start_s"], strict=True):
                start = round(start_s * rate_hz)
                sounds[name] = np.asarray(sound[start : start + length], np.float32)
        return [sounds[name] for name in rows["segment"]]

    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    rejects = pd.DataFrame(columns=["item", "file", "reason"], dtype=object)
    return Data(config, table, paintings, pieces, rejects, pictures, paint.MASTER, clips)


def load_published(paintings_folder: Path, music_folder: Path, config: DataConfig,
                   work_folder: Path, seed: int = 0) -> Data:
    """The published collections' paired data; `work_folder` keeps what is rendered and checked."""
    sounds = work_folder / "sounds"
    pieces, broken_pieces = render_pieces(music_folder, sounds, shortest_s=config.segment_seconds)
    rows, broken_paintings = intact_paintings(paintings_folder, work_folder)
    n_segments: Any = (pieces["seconds"] / config.segment_seconds + 1e-9).astype(int).groupby(
        pieces["emotion"]).sum()
    rows = select_paintings(rows, config.n_paintings, dict(n_segments), seed)
    paintings: Any = rows.rename(columns={"item_id": "painting", "artist": "painting_group"})
    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    path_of, sound_of = (table.set_index(name)[column] for table, name, column in
                         ((paintings, "painting", "path"), (pieces, "piece", "sound")))

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        return images.squares([images.load(paintings_folder / path_of[name], size=side)
                               for name in names], side)

    def clips(some: pd.DataFrame, rate_hz: int) -> Clips:
        return Clips([sounds / sound_of[piece] for piece in some["piece"]],
                     some["start_s"].tolist(), config.segment_seconds, rate_hz)

    return Data(config, table, paintings, pieces, pd.concat(
        [broken_paintings, broken_pieces], ignore_index=True), pictures, SIDE, clips)


def classifier_paintings(data: Data, config: ClassifierConfig, seed: int = 0) -> tuple:
    """What the classifier trains on, uint8 [N, side, side, 3] and rows with ``split``: the
    atelier's own paintings for it, else those of the published pairs, in their split."""
    if data.config.origin == "atelier":
        return train_classifier.atelier_paintings(config)
    rows = pairs_by_turns(data, FRACTIONS)
    rows = rows.sample(min(config.n_paintings, len(rows)), random_state=seed)
    rows = rows.rename(columns={"painting": "item_id", "painting_group": "group_id"})
    columns = ["item_id", "group_id", "split", "emotion", "valence", "arousal"]
    table: Any = manifest.frame(rows[columns].assign(modality="image", source=WIKIART.name,
                                                     licence=WIKIART.licence))
    return data.pictures(table["item_id"], SIDES[config.backbone]), table


def held_out(data: Data, n: int, first: int, *, of_each: bool = False) -> HeldOut:
    """`n` paintings (`of_each`: of each emotion, by turns): the atelier's test items from `first`
    on, each with its own piece; else pairs that were not trained on, as many as there are."""
    if data.config.origin == "published":
        rows = pairs_by_turns(data, ("validation", "test"))
        if of_each:  # as many of each as of the rarest
            turns = int(rows["emotion"].value_counts().reindex(EMOTIONS, fill_value=0).min())
            rows, n = rows[rows["turn"] < turns], n * len(EMOTIONS)
        rows = rows.head(n).reset_index(drop=True)
        return HeldOut(rows, lambda n: data.pictures(rows["painting"][:n], data.side),
                       lambda seconds, rate_hz: beginnings(data, rows, seconds, rate_hz))
    if of_each:
        found = evaluation.draw_by_emotion(TEST_SEED, dict.fromkeys(EMOTIONS, n), first)
        items = [found[word][k] for k in range(n) for word in EMOTIONS]
    else:
        items = [factors.draw(TEST_SEED, first + k) for k in range(n)]
    table = pd.DataFrame([{
        "painting": item.item_id, "emotion": words.emotion_word(item), "valence": item.valence,
        "arousal": item.arousal, "piece": item.item_id, "description": words.description(item)}
        for item in items])

    def sounds(seconds: float, rate_hz: int) -> np.ndarray:
        made = render.sounds(TEST_SEED, [item.index for item in items], seconds)[0]
        return soxr.resample(made.T, render.SAMPLE_RATE_HZ, rate_hz).T

    return HeldOut(table, lambda n: np.stack([paint.paint(item) for item in items[:n]]), sounds)


def pairs_by_turns(data: Data, parts: Collection[str]) -> Any:
    """Published pairs of some splits by turns of their words (``turn``: 0, 1, …), with ``valence,
    arousal`` of the painting and ``description`` of the piece."""
    rows = data.table[data.table["split"].isin(list(parts))]
    rows = rows.merge(data.paintings[["painting", "valence", "arousal"]], on="painting")
    rows: Any = rows.merge(data.pieces[["piece", "description"]], on="piece")
    rows = rows.assign(turn=rows.groupby("emotion").cumcount(),
                       place=rows["emotion"].map(EMOTIONS.index))
    return rows.sort_values(["turn", "place"], ignore_index=True)


def beginnings(data: Data, rows: pd.DataFrame, seconds: float, rate_hz: int) -> np.ndarray:
    """The first `seconds` (at most) of the rows' segments: float32 [N, samples]."""
    return np.stack([clip[: round(seconds * rate_hz)] for clip in data.clips(rows, rate_hz)])


def make_pairs(paintings: Any, pieces: Any, *, how: str = "published", seed: int = 0,
               segment_seconds: float = 30.0) -> Any:
    """Pairs of ``painting, painting_group, emotion`` and ``piece, piece_group, emotion, seconds``:
    ``published`` splits the pairs, ``corrected`` whole pieces and painters before pairing."""
    counts = np.floor(pieces["seconds"].to_numpy(float) / segment_seconds + 1e-9).astype(int)
    segments = pieces.loc[pieces.index.repeat(counts), ["piece", "piece_group", "emotion"]]
    segments = segments.reset_index(drop=True).assign(seconds=float(segment_seconds))
    segments["start_s"] = segments.groupby("piece", sort=False).cumcount() * segment_seconds
    segments["segment"] = segments["piece"] + "@" + segments["start_s"].map("{:g}".format)
    if how == "corrected":
        paintings = _split_groups(paintings, "painting_group", seed)
        segments = _split_groups(segments, "piece_group", seed)
    known, parts = {*paintings["emotion"], *segments["emotion"]}, []
    for number, emotion in enumerate(word for word in EMOTIONS if word in known):
        sides = [table[table["emotion"] == emotion] for table in (paintings, segments)]
        if not all(map(len, sides)):
            raise KlangfarbeError(f"paintings and segments of every emotion, {emotion} too",
                                  f"{len(sides[0])} and {len(sides[1])}",
                                  "leave the emotion out on both sides, or give shorter segments")
        rng = np.random.default_rng([seed, number])
        for split in FRACTIONS if how == "corrected" else (None,):
            some: Any = [side[side["split"] == split] if split else side for side in sides]
            n = min(map(len, some))  # both shuffled, side by side; the longer's rest is left out
            ours, theirs = (side.iloc[rng.permutation(len(side))[:n]].reset_index(drop=True)
                            for side in some)
            if how == "published":
                n_train = round(FRACTIONS["train"] * n)
                split = np.repeat(list(FRACTIONS), [n_train, (n - n_train + 1) // 2,
                                                    (n - n_train) // 2])
            parts.append(ours[["painting", "painting_group"]].join(theirs).assign(split=split))
    columns = ["painting", "painting_group", "piece", "piece_group", "segment", "start_s",
               "seconds", "emotion", "split"]
    return pd.concat(parts, ignore_index=True)[columns]


def check_leakage(table: pd.DataFrame):
    """What the leakage check finds in a table of pairs."""
    return leakage.check(pairs=table.rename(columns=IDS))


def assert_no_leakage(checked: leakage.Checked, how: str) -> None:
    """Prints what a check found and stops there, but for what belongs to a split as published."""
    found = {finding.name for finding in checked.findings}
    leakage.assert_no_leakage(checked, found & ACCEPTED[how])


def _split_groups(table: Any, column: str, seed: int) -> pd.DataFrame:
    # no group on two sides; a group counts for its most frequent emotion
    main = table.groupby(column)["emotion"].agg(lambda emotions: emotions.mode().iloc[0])
    parts = [rows.assign(split=splits.by_group(rows[column], FRACTIONS, seed))
             for _, rows in table.groupby(table[column].map(main), sort=False)]
    return pd.concat(parts).sort_index()


def five_words(shares) -> pd.DataFrame:
    """Shares [N, 20] of ``affect.WIKIART_POINTS`` → the largest of each word's group and
    ``emotion``, the word whose share is the only largest and at least 40 %, else ``None``."""
    shares, names = np.asarray(shares, np.float64), list(affect.WIKIART_POINTS)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise KlangfarbeError("shares of annotators in [0, 1]", "others, or gaps",
                              "divide counts by annotators")
    words = np.array(EMOTIONS, dtype=object)
    best = np.stack([shares[:, [*map(names.index, GROUPS[word])]].max(1) for word in words], axis=1)
    ranked = np.sort(best, axis=1)
    sure = (ranked[:, -1] >= 0.4) & (ranked[:, -1] > ranked[:, -2])
    return pd.DataFrame(best, columns=list(words)).assign(
        emotion=pd.Series(np.where(sure, words[best.argmax(1)], np.array(None)), dtype=object))


def label_wikiart(folder: Path) -> pd.DataFrame:
    """WikiArt-Emotions' manifest with ``emotion`` (or null), ``artist`` and the words' shares."""
    rows = WIKIART.manifest(folder, paintings_only=True)
    rated = collections.pictures.wikiart_shares(folder)
    rated = rated.set_index("wikiart-" + rated["id"]).loc[rows["item_id"]]
    words = five_words(rated[list(affect.WIKIART_POINTS)]).set_index(rows.index)
    rows = rows.assign(artist=rated["artist"].to_numpy(object), **words)
    rows["artist"] = rows["artist"].where(rows["artist"].notna(), rows["item_id"])
    return rows


def intact_paintings(folder: Path, work_folder: Path) -> tuple:
    """Paintings with a word whose picture is whole, and the rejects ``item, file, reason``."""
    rows: Any = label_wikiart(folder).dropna(subset=["path", "emotion"])
    if not len(rows):
        raise KlangfarbeError(f"pictures of paintings in {folder}", "none",
                              "fetch them as images/<ID>.jpg (see data/README.md)")
    built = manifest.build(rows[list(manifest.COLUMNS)].to_dict("records"),
                           Path(work_folder) / "paintings", root=folder)
    rejects = built.rejects.rename(columns={"item_id": "item", "path": "file"})
    rows = rows[rows["item_id"].isin(built.manifest["item_id"])].reset_index(drop=True)
    return rows, rejects[["item", "file", "reason"]]


def select_paintings(rows: Any, n: int, at_most: dict[str, int], seed: int = 0) -> Any:
    """`n` paintings, words as evenly as `at_most` lets, the surest; `seed` orders equals."""
    ranked = np.sort(rows[list(EMOTIONS)].to_numpy(float), axis=1)
    rows = rows.assign(share=ranked[:, -1], lead=ranked[:, -1] - ranked[:, -2],
                       order=np.random.default_rng(seed).permutation(len(rows)))
    counts = {word: min(count, at_most.get(word, count))
              for word, count in rows["emotion"].value_counts().to_dict().items()}
    quota = {}
    for place, word in enumerate(sorted(counts, key=lambda word: (counts[word], word))):
        quota[word] = min(counts[word], (n - sum(quota.values())) // (len(counts) - place))
    best = rows.sort_values(["share", "lead", "order"], ascending=False)
    best = best[best.groupby("emotion").cumcount() < best["emotion"].map(quota)]
    return best.sort_index().drop(columns=["lead", "order"]).reset_index(drop=True)


def render_pieces(folder: Path, sounds: Path, *, shortest_s: float) -> tuple:
    """MIREX's MIDI files as FLAC below `sounds`: all pieces that can be played, 193 or 196, each
    with the word nearest to its adjective's point, and the rejects ``item, file, reason``."""
    rows: Any = MIREX.manifest(folder)
    rows, scores = rows[rows["modality"] == "midi"], collections.music.mirex_home(folder) / "MIDIs"
    renders, broken = render.render_folder(scores, sounds, sample_rate_hz=RATE_HZ)
    rows = rows.assign(file=[(Path(folder) / path).relative_to(scores).as_posix()
                             for path in rows["path"]],
                       piece=rows["item_id"].str.removesuffix("-midi").astype(object),
                       piece_group=rows["group_id"].astype(object), adjective=rows["emotion"],
                       emotion=[affect.emotion_word(*point) for point
                                in zip(rows["valence"], rows["arousal"], strict=True)],
                       description=rows["emotion"] + " music"  # all that its makers say of it
                       + (", " + rows["genre"].str.lower()).fillna(""))
    pieces, broken = rows.merge(renders, on="file"), rows.merge(broken, on="file")
    pieces["reason"] = pieces["seconds"].map("{:.1f} s, shorter than a segment".format)
    rejects = pd.concat([table[["piece", "file", "reason"]] for table in (
        broken, pieces[pieces["seconds"] < shortest_s])], ignore_index=True)
    pieces = pieces[pieces["seconds"] >= shortest_s].reset_index(drop=True)
    return pieces, rejects.rename(columns={"piece": "item"})


@dataclass
class Clips(Sequence):
    """Segments of rendered pieces, each read when asked for: float32 [seconds · sample_rate_hz]."""
    files: list[Path]
    starts_s: list[float]
    seconds: float
    sample_rate_hz: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> np.ndarray:
        sound, _ = soundfile.read(self.files[row], round(self.seconds * RATE_HZ),
                                  round(self.starts_s[row] * RATE_HZ), dtype="float32")
        if self.sample_rate_hz != RATE_HZ:
            sound = soxr.resample(sound, RATE_HZ, self.sample_rate_hz)
        length = round(self.seconds * self.sample_rate_hz)  # resampling may end a sample early
        return np.pad(sound[:length], (0, length - min(length, len(sound))))
