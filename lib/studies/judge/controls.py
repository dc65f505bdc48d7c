"""Controls: the same paintings and comments with other sounds, and the same once more. A judge that
gives another's sound as much as the own one does not rate the music; order and repetition must not
matter. Items are resampled, never cases. Ours; Hong et al. §IV-C rates three samples once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.studies.judge import collect, rating

OWN, ANOTHER, SILENCE, TURNED, AGAIN = CONDITIONS = ("own", "another", "silence", "turned", "again")


def make_cases(pictures: np.ndarray, texts: Sequence[str], sounds: np.ndarray, rate_hz: int,
               others: np.ndarray | None = None,
               conditions: Sequence[str] = CONDITIONS) -> list[rating.Case]:
    """N items (pictures uint8 [N, H, W, 3], sounds float32 [N, samples]) under each condition,
    named ``0007 own`` …; others [N]: whose sound is *another's* (``None``: half-way round)."""
    n = len(pictures)
    others = np.roll(np.arange(n), n // 2) if others is None else np.asarray(others)
    aligned = n == len(texts) == len(sounds) == len(others) and n > 1
    if not aligned or (others == np.arange(n)).any() or not set(conditions) <= {*CONDITIONS}:
        raise KlangfarbeError(f"two items or more, each whole, and conditions out of {CONDITIONS}",
                              f"{n}, {len(texts)}, {len(sounds)}; {conditions}", "align them")
    given = {ANOTHER: sounds[others], SILENCE: np.zeros_like(sounds)}
    return [rating.Case(f"{item:04d} {name}", pictures[item], texts[item],
                        given.get(name, sounds)[item], rate_hz, rating.ORDERS[name == TURNED])
            for name in conditions for item in range(n)]


def score_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Scores of ``collect_ratings``, a row an item, a column a condition; NaN without a rating."""
    names = answers["case"].astype(str).str.split(" ", n=1).str
    scores = answers.assign(item=names[0], condition=names[1], score=answers["score"].astype(float))
    return scores.pivot(index="item", columns="condition",
                        values="score").reindex(columns=list(CONDITIONS))


def control_scores(answers: pd.DataFrame, *, seed: int = 0) -> list[tuple]:
    """Tuples (quantity, value, low, high, n), 95 %, bootstrap over items that have both scores;
    ``judge_order, judge_repeat``: mean |difference|; ``judge_rated``: share (Wilson's interval)."""
    scores, rows = score_table(answers), []
    if len(answers):
        rated = answers["status"].to_numpy() == collect.RATED
        rows.append(("judge_rated", *stats.proportion(rated), len(answers)))
    own = scores[OWN]
    for quantity, column in (("judge_own", own),
                             ("judge_real_minus_shuffled", own - scores[ANOTHER]),
                             ("judge_real_minus_silence", own - scores[SILENCE]),
                             ("judge_order", (own - scores[TURNED]).abs()),
                             ("judge_repeat", (own - scores[AGAIN]).abs())):
        values = column.dropna().to_numpy()
        if len(values) > 1:
            rows.append((quantity, float(values.mean()),
                         *stats.bootstrap(np.mean, values, seed=seed), len(values)))
    return rows
