"""People's judgements: do raters agree (Krippendorff's α), and who wins when two are compared
(Bradley and Terry)?
"""

from typing import NamedTuple

import numpy as np

from lib.core.errors import KlangfarbeError

LEVELS = ("nominal", "ordinal", "interval", "ratio")
N_STEPS, CLOSE = 20_000, 1e-9
TAIL = (1 - 0.95) / 2


class Strengths(NamedTuple):
    """Strengths [K] in log odds, their mean 0, with the ends of their intervals; `n` comparisons by
    `groups` groups.
    """

    strengths: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: float
    groups: int


def krippendorff_alpha(ratings: np.ndarray, level: str = "ordinal") -> float:
    """Krippendorff's α = 1 − D_observed / D_expected: the disagreement of pairs of ratings of one
    item, over that of any two ratings, [raters, items].

    Card: estimates: reliability of ratings · direction: ↑ · range: (−1, 1]; 1 full agreement, 0
        chance, below 0 systematic disagreement · unit: none · input: ratings [raters, items], NaN
        where somebody did not rate; the level (ordinal for Likert scales) is stated · aggregation:
        over all pairs of ratings of an item, all items together · blind to: whether raters are
        right; a habit that all share · minimum n: 20 (items rated by two or more) ·
        source: Krippendorff (2011), Computing Krippendorff's alpha-reliability
    """
    ratings = np.asarray(ratings, np.float64)
    if level not in LEVELS:
        raise KlangfarbeError(f"a level out of {', '.join(LEVELS)}", repr(level),
                              "Likert scales are ordinal")
    if ratings.ndim != 2 or np.isinf(ratings).any():
        raise KlangfarbeError("ratings [raters, items]", str(ratings.shape),
                              "give raters as rows, NaN for gaps")
    paired = ratings[:, np.isfinite(ratings).sum(axis=0) >= 2]
    values = np.unique(paired[np.isfinite(paired)])
    if len(values) < 2 or (level == "ratio" and values[0] < 0):
        raise KlangfarbeError("items rated twice, ratings that differ, ratios of at least 0",
                              f"{len(values)} values", "without variation α is undefined")
    counts = (paired[:, :, None] == values).sum(axis=0).astype(np.float64)    # [items, V]
    weights = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = weights.T @ counts - np.diag(weights.sum(axis=0))          # [V, V]
    totals = coincidences.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    if level == "nominal":
        distance = 1.0 - np.eye(len(values))
    elif level == "ordinal":  # ratings between two values, each end counted half
        middle = np.cumsum(totals) - totals / 2
        distance = np.square(middle[:, None] - middle)
    else:
        distance = np.square(values[:, None] - values)
        if level == "ratio":
            distance /= np.maximum(np.square(values[:, None] + values), np.finfo(float).tiny)
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def bradley_terry(wins: np.ndarray, *, n_resamples: int = 1000, seed: int = 0) -> Strengths:
    """Strengths from pairwise choices: P(i beats j) = 1 / (1 + exp(s_j − s_i)), by maximum
    likelihood, with 95 % intervals. Wins of row over column, diagonal 0: [K, K] whole numbers (each
    comparison is drawn on its own), or [G, K, K] (groups are drawn).

    A resample in which somebody wins or loses everything has no finite strengths: it counts as −∞
    for the lower ends and +∞ for the upper ones.

    Card: estimates: how likely each is to be chosen over each other one · direction: ↑ · range:
        (−∞, ∞), mean 0; a difference of 1 is odds of e to 1 · unit: log odds · input: wins [K, K],
        row over column, a tie half a win to both; or [G, K, K], one table a listener (or
        painting) · aggregation: all comparisons; interval by drawing whole groups with replacement,
        percentiles · blind to: circles (A over B over C over A); what nobody compared · minimum n:
        30 (comparisons) · source: Bradley & Terry (1952), Biometrika 39; Hunter (2004), Annals of
        Statistics 32, eq. 3; Ford (1957) on what it takes
    """
    wins = np.asarray(wins, np.float64)
    tables = wins[None] if wins.ndim == 2 else wins
    if tables.ndim != 3 or tables.shape[1] != tables.shape[2] or tables.shape[1] < 2 or not len(
            tables):
        raise KlangfarbeError("wins [K, K] or [G, K, K]", str(wins.shape),
                              "give a row and a column per contestant")
    if not np.isfinite(tables).all() or tables.min() < 0 or tables.diagonal(axis1=1, axis2=2).any():
        raise KlangfarbeError("wins ≥ 0, none on the diagonal",
                              "negative, missing or diagonal values",
                              "count wins of row over column")
    whole = tables.sum(axis=0)
    reach = _reach(whole[None])[0]
    if not reach.all():
        parts = " · ".join(f"{{{', '.join(map(str, np.flatnonzero(part)))}}}"
                           for part in np.unique(reach & reach.T, axis=0)[::-1])
        raise KlangfarbeError(
            "a table in which everybody both wins and loses, directly or through others",
            f"parts that are not linked both ways: {parts}",
            "compare more pairs, or leave these out: no finite strengths fit")
    rng, total, n_groups = np.random.default_rng(seed), whole.sum(), len(tables)
    if n_groups > 1:
        drawn = np.einsum("rg,gij->rij", rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups),
                                                         n_resamples), tables)
    elif np.array_equal(whole, np.round(whole)):
        n_groups = int(total)
        drawn = rng.multinomial(n_groups, (whole / total).reshape(-1),
                                n_resamples).reshape(n_resamples, *whole.shape).astype(float)
    else:
        raise KlangfarbeError("whole numbers of wins, or a table per listener",
                              f"{total} comparisons", "with ties, give [G, K, K]")
    # finite strengths require a chain of wins from everybody to everybody else (Ford)
    defined = _reach(drawn).all(axis=(1, 2))
    if (~defined).mean() >= TAIL:
        raise KlangfarbeError("resamples with finite strengths",
                              f"{(~defined).mean():.1%} of them fall apart",
                              "collect more comparisons of those who nearly always win or lose")
    fitted, n_lost = _fit(drawn[defined]), (~defined).sum()
    low, high = (np.quantile(np.concatenate([fitted, np.full((n_lost, len(whole)), end)]), q,
                             axis=0, method=method)
                 for end, q, method in ((-np.inf, TAIL, "higher"), (np.inf, 1 - TAIL, "lower")))
    return Strengths(_fit(whole[None])[0], low, high, float(total), n_groups)


def _fit(tables: np.ndarray) -> np.ndarray:
    """All tables [R, K, K] at once → strengths [R, K], mean 0. With p = exp(s), w_i the wins of i
    and n_ij the comparisons of i with j, Hunter's steps p_i ← w_i / Σ_j n_ij / (p_i + p_j) until
    every item's expected wins equal its wins.
    """
    won, met = tables.sum(axis=2), tables + tables.transpose(0, 2, 1)
    power = np.ones_like(won)
    open_rows = np.arange(len(tables))
    for _ in range(N_STEPS):
        p = power[open_rows]
        share = met[open_rows] / (p[:, :, None] + p[:, None, :])
        expected = p * share.sum(axis=2)
        power[open_rows] = won[open_rows] / share.sum(axis=2)
        power[open_rows] /= np.exp(np.log(power[open_rows]).mean(axis=1, keepdims=True))
        open_rows = open_rows[np.abs(expected - won[open_rows]).max(axis=1) > CLOSE
                              * won[open_rows].sum(axis=1)]
        if not len(open_rows):
            return np.log(power)
    raise KlangfarbeError("strengths that settle",
                          f"{len(open_rows)} tables not after {N_STEPS} steps",
                          "compare weak links more often")


def _reach(tables: np.ndarray) -> np.ndarray:
    """Who beats whom directly or through others, bool [R, K, K]; everybody reaches himself."""
    reach = (tables > 0) | np.eye(tables.shape[1], dtype=bool)
    for _ in range(int(np.ceil(np.log2(tables.shape[1])))):
        reach = reach.astype(np.float32) @ reach.astype(np.float32) > 0
    return reach
