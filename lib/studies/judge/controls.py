"""Is the judge to be believed? The same paintings and comments with sounds that are not theirs, and
the same once more.

    N items ──cases──► own · another's sound · silence · own, parts in another order · own, once more ──panel──► scores
                       └ own − another's > 0?    └ own − silence > 0?    └ 0?           └ 0?

A judge that gives *another's* sound as much as the own one rates politeness, not music. Items are
resampled, never cases.

Source: ours; text 003, §IV-C, rates three samples once.  Notebook: 46.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, spearmanr

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.studies.judge import backends, panel

OWN, ANOTHER, SILENCE, TURNED, AGAIN = "own", "another", "silence", "turned", "again"
CONDITIONS = (OWN, ANOTHER, SILENCE, TURNED, AGAIN)


def cases(pictures: np.ndarray, texts: Sequence[str], sounds: np.ndarray, rate_hz: int,
          others: np.ndarray | None = None,
          conditions: Sequence[str] = CONDITIONS) -> list[backends.Case]:
    """N items under each condition, named ``0007 own`` and so on.

    Args:
        pictures: uint8 [N, H, W, 3]. texts: N. sounds: float32 [N, samples]. others: [N], whose
            sound item n is given as *another's*;
            ``None``: that of the item half-way round.
        conditions: out of :data:`CONDITIONS`.

    Raises:
        KlangfarbeError: fewer than two items, other lengths, no such condition, or an item that is
            its own other.
    """
    n = len(pictures)
    others = np.roll(np.arange(n), n // 2) if others is None else np.asarray(others)
    if not n == len(texts) == len(sounds) == len(others) or n < 2 or (others
                                                                      == np.arange(
            n)).any() or not set(conditions) <= {*CONDITIONS}:
        raise KlangfarbeError(f"two items or more, each with picture, text, sound and another item; conditions out of {CONDITIONS}",
                              f"{n}, {len(texts)}, {len(sounds)}, {len(others)}; {', '.join(conditions)}", "align them")
    heard = {OWN: sounds, ANOTHER: sounds[others], SILENCE: np.zeros_like(sounds), TURNED: sounds,
             AGAIN: sounds}
    return [backends.Case(f"{item:04d} {name}", pictures[item], texts[item], heard[name][item],
                          rate_hz, backends.ORDERS[1] if name == TURNED else backends.ORDERS[0])
            for name in conditions for item in range(n)]


def table(answers):
    """Answers of ``panel.judge`` as a table, a row an item, a column a condition: scores, NaN where
    there is none.
    """
    named = [name.split(" ", 1) for name in answers["case"]]
    scores = answers.assign(item=[item for item, _ in named], condition=[name for _, name in named],
                            score=answers["score"].astype(float))
    return scores.pivot(index="item", columns="condition",
                        values="score").reindex(columns=list(CONDITIONS))


def found(answers, *, seed: int = 0) -> list[tuple]:
    """What the controls say, a tuple (quantity, value, low, high, n) each; 95 %, bootstrap over
    items that have both scores.

    ``judge_own``; ``judge_real_minus_shuffled`` and ``judge_real_minus_silence``, higher is better;
    ``judge_order`` and ``judge_repeat``, mean |difference|, lower is better; ``judge_rated``, the
    share of cases with a rating (Wilson's interval).
    """
    scores, rated, rows = table(answers), int((answers["status"] == panel.RATED).sum()), []
    if len(answers):
        ends = binomtest(rated, len(answers)).proportion_ci(method="wilson")
        rows.append(("judge_rated", rated / len(answers), float(ends.low), float(ends.high),
                     len(answers)))
    for quantity, values in (("judge_own", scores[OWN]),
                             ("judge_real_minus_shuffled", scores[OWN] - scores[ANOTHER]),
                             ("judge_real_minus_silence", scores[OWN] - scores[SILENCE]),
                             ("judge_order", (scores[OWN] - scores[TURNED]).abs()),
                             ("judge_repeat", (scores[OWN] - scores[AGAIN]).abs())):
        values = values.dropna().to_numpy()
        if len(values) > 1:
            rows.append((quantity, float(values.mean()),
                         *stats.bootstrap(np.mean, values, seed=seed), len(values)))
    return rows


def with_listeners(scores: np.ndarray, heard: np.ndarray, *,
                   seed: int = 0) -> tuple[float, float, float, int]:
    """A judge's scores [N] against people's mean ratings of the same clips [N]: Spearman's ρ,
    (value, low, high, n), 95 %.

    Raises:
        KlangfarbeError: fewer than five clips that both have rated.
    """
    scores, heard = np.asarray(scores, float), np.asarray(heard, float)
    both = np.isfinite(scores) & np.isfinite(heard)
    if both.sum() < 5:
        raise KlangfarbeError("five clips or more that judge and listeners have rated",
                              str(int(both.sum())), "ask for more ratings")

    def rho(a, b) -> float:
        return float(np.nan_to_num(spearmanr(a, b).statistic))

    return rho(scores[both], heard[both]), *stats.bootstrap(rho, scores[both], heard[both],
                                                            seed=seed), int(both.sum())
