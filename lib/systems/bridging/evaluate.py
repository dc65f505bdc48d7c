"""System 1's examination: paintings nobody trained on, what each model plays to them, and what
plays beside the models.

    fresh paintings ─► word (true, classifier's) ─► caption, description ─► M1 … M4, the untuned start ─┐
          │  └─ nearest painting of the training set ─► the music it was paired with (retrieval) ───────┼─► rows ─► marks
    fresh pieces of the same word ─► one is the reference, one more is real music, and it through the codec ┘

Source: text 000, §V.C and Table 2.

Known deviations: the published test set is a tenth of the pairs, cut from pieces that training
knew; here paintings and pieces are the atelier's ``TEST_SEED``, at indices that nothing else in the
workbook draws, and the leak linter holds them against the training table · the published table does
not say which word led; here it is the painting's own, and the classifier's has a row of its own.
Notebook: 15.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.data.atelier import TEST_SEED, TRAIN_SEED, paint, render, words
from lib.data.atelier.factors import draw
from lib.metrics import embedders
from lib.signal import affect
from lib.systems.bridging import data, prompts, train_classifier, train_musicgen

EMOTIONS = tuple(affect.EMOTION_POINTS)
# indices in TEST_SEED: settings of the models were chosen on other ones
PAINTINGS_FROM, PIECES_FROM = 500_000, 600_000
MODELS = ("M4", "M3", "M2", "M1")                # the first is the system of the tables
GUESSED, START, REAL = "M4, classifier's word", "untuned start", "real piece"


@dataclass(frozen=True)
class Config:
    """How large the examination is. The defaults are a tenth of the published 1,200 pairs, and
    segments of 30 s.

    Attributes:
        n_paintings: a multiple of five, as many of each word. seconds: of every clip; what is heard
            in windows of 5 s needs no more.
        picture_size: side of the paintings.
    """

    n_paintings: int = 120
    seconds: float = 30.0
    picture_size: int = 128

    def __post_init__(self):
        if self.n_paintings < 10 or self.n_paintings % len(EMOTIONS) or self.seconds < 1:
            raise KlangfarbeError(
                "ten or more paintings, a multiple of five, and clips of a second or more",
                f"{self.n_paintings} and {self.seconds:g} s", "change n_paintings or seconds")


PROFILES = {
    "smoke": Config(n_paintings=15, seconds=2.0),
    "mini": Config(n_paintings=60, seconds=5.0),
    "gpu": Config(n_paintings=500),
    "paper": Config(),
}


class Material(NamedTuple):
    """N fresh paintings and their real music, rows aligned.

    Attributes:
        table: DataFrame ``painting, painting_group, emotion, valence, arousal`` (in [−1, 1], the
            painting's own) ``, piece, piece_group`` (the reference) ``, real, real_description``
            (another piece of the word, in the atelier's words).
        pictures: uint8 [N, H, W, 3]. reference, real: float32 [N, samples]. sample_rate_hz: of
            both.
    """

    table: "pandas.DataFrame"  # noqa: F821
    pictures: np.ndarray
    reference: np.ndarray
    real: np.ndarray
    sample_rate_hz: int


def material(config: Config, sample_rate_hz: int, training) -> Material:
    """Paintings and, for each, two real pieces of its word; rows of one word stand at every fifth
    place.

    Args:
        sample_rate_hz: the codec's. training: the table of :func:`lib.systems.bridging.data.pairs`
            that the models were trained on.

    Raises:
        KlangfarbeError: a painting or piece of the training table is among these.

    Notebook: 15.
    """
    each = config.n_paintings // len(EMOTIONS)
    seen, heard = _balanced(TEST_SEED, each,
                            PAINTINGS_FROM), _balanced(TEST_SEED, 2 * each, PIECES_FROM)
    reference, real = heard[: len(seen)], heard[len(seen) :]
    table = pd.DataFrame({"painting": [f.item_id for f in seen],
                          "painting_group": [f.item_id for f in seen],
                          "emotion": [words.emotion_word(f) for f in seen],
                          "valence": [f.valence for f in seen],
                          "arousal": [f.arousal for f in seen],
                          "piece": [f.item_id for f in reference],
                          "piece_group": [f.item_id for f in reference],
                          "real": [f.item_id for f in real],
                          "real_description": [words.description(f) for f in real]})
    unseen(table, training)
    pictures = np.stack([paint.paint(f, config.picture_size) for f in seen])
    return Material(table, pictures, *(render.render_items(some, config.seconds, sample_rate_hz)
                                       for some in (reference, real)), sample_rate_hz)


def unseen(table, training) -> None:
    """Refuses an examination that shares a painting or a piece with training, by the leak linter's
    check of groups and clips.

    Args:
        table: :class:`Material`'s. training: of ``pairs.pairs``; all of its splits count as known.

    Raises:
        KlangfarbeError: says which check found it.
    """
    known = pd.DataFrame({"image_id": training["painting"], "audio_id": training["segment"],
                          "image_group": training["painting_group"],
                          "audio_group": training["piece_group"], "split": "train"})
    fresh = [pd.DataFrame({"image_id": table["painting"], "audio_id": table[side] + "@0",
                           "image_group": table["painting_group"], "audio_group": table[side],
                           "split": "test"}) for side in ("piece", "real")]
    if found := leakage.check(pairs=pd.concat([known, *fresh], ignore_index=True)).findings:
        raise KlangfarbeError("paintings and pieces that training never saw",
                              f"{found[0].name}: {', '.join(found[0].examples)[:80]}",
                              "draw others: raise PAINTINGS_FROM or PIECES_FROM")


def leaders(material: Material, profile: str) -> tuple[dict[str, list[str]], np.ndarray | None]:
    """Who leads the captioner: ``{"true word": …, "classifier's word": …}``, N words each, and the
    classifier's probabilities [N, 5].

    Without a classifier (notebook 11's result or the bundled one) there is the true word alone and
    ``None``; a line says so.
    """
    true = {"true word": material.table["emotion"].tolist()}
    try:
        network, _, temperature = train_classifier.load(profile)
    except KlangfarbeError as absent:
        print(f"no classifier here, the true words alone lead ({absent.do})")
        return true, None
    probabilities = train_classifier.predict(network, material.pictures, temperature)
    return true | {"classifier's word": [EMOTIONS[k]
                                         for k in probabilities.argmax(1)]}, probabilities


def texts(material: Material, leading: Mapping[str, Sequence[str]], captioner, describer,
          told: str = "word") -> dict:
    """The text columns under each leader: ``leader → DataFrame emotion, caption, description``; the
    same word gives the same row.

    Args:
        leading: of :func:`leaders`. captioner, describer, told: as in ``words.texts``.
    """
    made = {}
    for leader, said in leading.items():
        first = next(iter(made.values()), None)
        changed = [row for row, word in enumerate(said)
                   if first is None or word != first["emotion"][row]]
        made[leader] = prompts.texts(material.pictures, said, captioner, describer,
                                     told=told) if first is None else first.copy()
        if first is not None and changed:
            some = prompts.texts(material.pictures[changed], [said[row] for row in changed],
                                 captioner, describer, told=told)
            made[leader].loc[changed] = some.to_numpy()
    return made


def play(players: Mapping[str, tuple], written: Mapping, seconds: float, start=None,
         seed: int = 0) -> dict[str, np.ndarray]:
    """What the models play: row → float32 [N, samples], :data:`MODELS` first; each model is told
    its own text column.

    Where the classifier's word is the true one, text and dice are the same, and so is the music:
    only the others are played anew.

    Args:
        players: ``m1 … m4`` → (MusicGenerator, music.Config), of ``players.load``. written: of
            :func:`texts`.
        start: the untuned MusicGenerator, told the description; ``None``: no such row.
    """
    def of(model: str, table, generator=None) -> np.ndarray:
        own, config = players[model][:2]
        return train_musicgen.generate(generator or own,
                                       table[train_musicgen.COLUMNS[model]].tolist(), config, seed,
                                       seconds=seconds)

    true, *others = written.values()
    rows = {name: of(name.lower(), true) for name in MODELS}
    for other in others:
        changed = np.flatnonzero(other["description"].to_numpy() != true["description"].to_numpy())
        rows[GUESSED] = rows["M4"].copy()
        if len(changed):
            rows[GUESSED][changed] = of("m4", other.iloc[changed])
    if start is not None:
        rows[START] = of("m4", true, start)
    return rows


def retrieved(material: Material, table, pieces, config, encoder,
              collection: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Retrieval: the training segment that was paired with the nearest training painting, by cosine
    in a picture encoder's space.

    Args:
        table, pieces, config: of ``pairs``, as the models were trained on them; only rows of
            ``train`` are looked at.
        encoder: an ImageEmbedder, ``foundations.load("image_text")``.

    Returns:
        (float32 [N, samples], as long as the material's; names of the training paintings [N]).
    """
    collection = TRAIN_SEED if collection is None else collection
    known = table[table["split"] == "train"].reset_index(drop=True)
    painted = np.stack([paint.paint(draw(collection, _index(name)), material.pictures.shape[1])
                        for name in known["painting"]])
    there, here = (embedders.embed_pictures(encoder, some) for some in (painted, material.pictures))
    there, here = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (there, here))
    # [N]
    nearest = (here @ there.T).argmax(1)
    wanted = known.iloc[np.unique(nearest)]
    length = material.reference.shape[1]
    sound = {name: np.resize(found, length) if len(found) < length else found[:length] for name,
             found in data.sounds(wanted, pieces, config, material.sample_rate_hz, collection)}
    return np.stack([sound[known["segment"][row]]
                     for row in nearest]), known["painting"].to_numpy()[nearest]


def through_codec(sounds: np.ndarray, codec, batch: int = 16) -> np.ndarray:
    """Sounds [N, samples] at the codec's rate, encoded and decoded: what no decoder of its tokens
    can pass.
    """
    parts = [codec.round_trip(sounds[at : at + batch, None])[:, 0].cpu().numpy()
             for at in range(0, len(sounds), batch)]
    return np.concatenate(parts)[:, : sounds.shape[1]].astype(np.float32)


def _balanced(collection: int, each: int, start: int) -> list:
    """The first `each` items of every word from an index on; the words take turns."""
    of, index = {word: [] for word in EMOTIONS}, start
    while min(len(items) for items in of.values()) < each:
        item = draw(collection, index)
        of[words.emotion_word(item)].append(item)
        index += 1
    return [of[word][k] for k in range(each) for word in EMOTIONS]


def _index(item_id: str) -> int:
    return int(item_id.rsplit("-", 1)[1])
