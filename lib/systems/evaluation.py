"""What the evaluations of bridging, mapping and art2music share: a row of clips is a structured
array [N], which ``lib.metrics.evaluation_table`` compares with others. Notebook: 15, 24, 44."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.data.atelier import factors, words
from lib.metrics import affect, distances, embedders, stats
from lib.metrics.evaluation_table import ROWS, SETS, Measure
from lib.signal import affect as plane
from lib.signal.audio import SILENCE_RMS

LEVEL = 0.05  # RMS of every clip before sets are compared


class TestSet(NamedTuple):
    """N fresh paintings with two real pieces of their emotion, rows aligned."""
    table: pd.DataFrame  # the painting, its emotion, valence, arousal; the names of both pieces
    pictures: np.ndarray  # uint8 [N, H, W, 3]
    reference: np.ndarray  # float32 [N, samples], as the next
    real: np.ndarray


def draw_by_emotion(seed: int, wanted: Mapping, start: int) -> dict[str, list]:
    """Atelier items from `start` on, as many as `wanted` of each emotion or more: word → items."""
    items, index = {word: [] for word in wanted}, start
    while any(len(items[word]) < count for word, count in wanted.items()):
        item = factors.draw(seed, index)
        items[words.emotion_word(item)].append(item)
        index += 1
    return items


def assert_unseen(known: pd.DataFrame, table: pd.DataFrame, image: str, *sounds: str) -> None:
    """Refuses a table whose columns `image` and `sounds` name what `known` pairs hold."""
    columns = ["image_id", "audio_id", "image_group", "audio_group"]
    fresh = [table[[image, name, image, name]].set_axis(columns, axis=1) for name in sounds]
    pairs = pd.concat([known.assign(split="train"), *(some.assign(split="test") for some in fresh)],
                      ignore_index=True)
    if findings := leakage.check(pairs=pairs).findings:
        raise KlangfarbeError("pictures and pieces that training never saw", f"{findings[0].name}: "
                              f"{findings[0].what}", "draw others, from a higher index on")


def nearest(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """For each query [N, D] the row of the nearest key [K, D] by cosine: int [N] (retrieval)."""
    return (unit(queries) @ unit(keys).T).argmax(1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [N, D] divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of rows [N, D], or [N, n, D] averaged over n, with others: float64 [N]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosines = (a * b).sum(-1) / np.maximum(norms, 1e-12)
    return cosines.mean(-1) if cosines.ndim == 2 else cosines


def match_loudness(sounds: np.ndarray) -> np.ndarray:
    """Sounds [N, samples] at one RMS, float32; silent ones stay as they are."""
    level = np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=1, keepdims=True))
    gain = np.where(level > SILENCE_RMS, LEVEL / np.maximum(level, SILENCE_RMS), 1)
    return (sounds * gain).astype(np.float32)


def structured(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Columns [N, …] as one structured array [N]."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    rows = np.empty(len(next(iter(arrays.values()))),
                    [(name, values.dtype, values.shape[1:]) for name, values in arrays.items()])
    for name, values in arrays.items():
        rows[name] = values
    return rows


def hear_affect(tagger, sounds: np.ndarray, rate_hz: int) -> dict[str, np.ndarray]:
    """``affect`` [N, 2] of sounds by the tagger and the nearest ``word`` out of five, [N]."""
    points = embedders.predict_affect(tagger, list(sounds), rate_hz)
    return {"affect": points, "word": np.array([plane.emotion_word(*at) for at in points], "U8")}


def emotion_recognised(target: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Whether the emotion word heard is the one asked for: words [N] twice → float64 [N], 1 or 0.
    Card: estimates: share of outputs in which the asked emotion is heard · direction: ↑ · range:
        [0, 1] · unit: none · input: words out of five; the heard one nearest to valence and arousal
        as a regressor that conditioned nothing predicts them · aggregation: mean over rows ·
        blind to: how near a miss was; what the regressor predicts for everything · minimum n: 50 ·
        source: Hisariya & Liang, §V.A (the five words)"""
    return (np.asarray(target) == np.asarray(predicted)).astype(np.float64)


def affect_measures(table: pd.DataFrame, encoder: Mapping) -> list[Measure]:
    """CCC of rows' ``affect`` with a table's two axes, then their ``word`` with its ``emotion``."""
    return [*(Measure(f"CCC {axis}", affect.ccc, table[axis].to_numpy(), of=ROWS, encoder=encoder,
                      view=lambda rows, column=column: rows["affect"][:, column].astype(float))
              for column, axis in enumerate(("valence", "arousal"))),
            Measure("word heard", emotion_recognised, table["emotion"].to_numpy("U8"),
                    view=lambda rows: rows["word"], encoder=encoder)]


def kad_measure(reference: np.ndarray, encoder: Mapping) -> Measure:
    """KAD of rows' ``embedding`` against the reference's, at the reference's own bandwidth."""
    kad = functools.partial(distances.kad, bandwidth=distances.median_distance(reference))
    return Measure("KAD", with_card(distances.kad, kad), reference, of=SETS,
                   view=lambda rows: rows["embedding"], encoder=encoder)


def with_card(metric: Callable, function: Callable, *, ranked: bool = True) -> Callable:
    """`function` under `metric`'s name and card; not `ranked`: without direction, untested."""
    @functools.wraps(metric)
    def renamed(reference, outputs):
        return function(reference, outputs)
    if not ranked:
        for arrow in "↓↑":
            renamed.__doc__ = (renamed.__doc__ or "").replace(f"direction: {arrow}", "direction: –")
    return renamed


def precomputed(metric: Callable, *, ranked: bool = True) -> Callable:
    """`metric`'s card on ``scores[i, j]`` of output i against condition j, the reference [N, 1]."""
    return with_card(metric, lambda condition, scores:
                     np.take_along_axis(scores, condition, axis=1)[:, 0], ranked=ranked)


def published_values(*claims: str) -> dict[str, float]:
    """Quantity → value as printed in a paper, for some claims of ``data/published.csv``."""
    printed = pd.read_csv(paths.ROOT / "data" / "published.csv", index_col="quantity")
    return printed.loc[printed["claim"].isin(claims), "value"].to_dict()


def frechet_table(rows: Mapping[str, np.ndarray], reference: np.ndarray, *, groups: np.ndarray,
                  seed: int = 0, n_folds: int = 10) -> pd.DataFrame:
    """``measure, row, value, low, high, n`` of FAD, FAD∞ (jackknife) and of the real's halves."""
    real, lines = reference["embedding"], []
    for name, row in rows.items():
        fake = row["embedding"]
        low, high = stats.jackknife(functools.partial(distances.fad, real), fake, groups=groups,
                                    seed=seed)
        limit = distances.fad_infinity(real, fake, groups=groups, seed=seed, n_folds=n_folds)
        lines += [("FAD", name, distances.fad(real, fake), low, high, len(fake)),
                  ("FAD∞", name, *limit[:3], len(fake))]
    half = np.random.default_rng(seed).permutation(len(real))[: len(real) // 2]
    ceiling = distances.fad(real[half], np.delete(real, half, axis=0))
    lines.append(("FAD", "real against real", ceiling, np.nan, np.nan, len(half)))
    return pd.DataFrame(lines, columns=["measure", "row", "value", "low", "high", "n"])


def fad_difference(reference: np.ndarray, ours: np.ndarray, theirs: np.ndarray, groups: np.ndarray,
                   *, seed: int = 0) -> tuple[float, float, float]:
    """FAD of ours − of theirs, the bias cancelled: (value, low, high), 95 %, jackknife of both."""
    def difference(rows: np.ndarray) -> float:
        return distances.fad(reference, ours[rows]) - distances.fad(reference, theirs[rows])
    rows = np.arange(len(ours))
    return difference(rows), *stats.jackknife(difference, rows, groups=groups, seed=seed)


def agreement(target: np.ndarray, predicted: np.ndarray) -> float:
    """CCC of valence and of arousal, [N, 2] twice, averaged over the two: [−1, 1] ↑."""
    return float(np.mean([affect.ccc(target[:, axis], predicted[:, axis]) for axis in (0, 1)]))


def agreement_difference(target: np.ndarray, ours: np.ndarray, theirs: np.ndarray,
                         groups: np.ndarray | None, *, seed: int = 0) -> tuple[float, float, float]:
    """:func:`agreement` of ours minus theirs: (value, low, high), 95 %, bootstrap over groups."""
    def difference(some, one, other):
        return agreement(some, one) - agreement(some, other)
    return difference(target, ours, theirs), *stats.bootstrap(difference, target, ours, theirs,
                                                              groups=groups, seed=seed)
