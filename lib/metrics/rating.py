"""People's judgements: do raters agree (Krippendorff), and who wins (Bradley and Terry)?"""

from collections import namedtuple

import numpy as np

from lib.core.errors import KlangfarbeError

LEVELS = ("nominal", "ordinal", "interval")
N_STEPS, CLOSE = 20_000, 1e-9
TAIL = (1 - 0.95) / 2
# strengths [K] in log odds, mean 0, the ends of their 95 % intervals; n comparisons by groups
Strengths = namedtuple("Strengths", "strengths low high n groups")


def krippendorff_alpha(ratings: np.ndarray, level: str = "ordinal") -> float:
    """Krippendorff's α = 1 − D_observed / D_expected: the disagreement of pairs of ratings of one
    item, over that of any two ratings, [raters, items].
    Card: estimates: reliability of ratings · direction: ↑ · range: (−1, 1]; 1 full agreement, 0
        chance, below 0 systematic disagreement · unit: none · input: ratings, NaN where somebody
        did not rate; the level (ordinal for Likert scales) · aggregation: over all pairs of ratings
        of an item, all items together · blind to: whether raters are right; a habit that all
        share · minimum n: 20 (items rated by two or more) · source: Krippendorff (2011)
    """
    ratings = np.asarray(ratings, np.float64)
    if level not in LEVELS or ratings.ndim != 2 or np.isinf(ratings).any():
        raise KlangfarbeError(f"ratings [raters, items] of a level out of {', '.join(LEVELS)}",
                              f"{ratings.shape}, {level!r}", "give NaN for gaps")
    paired = ratings[:, np.isfinite(ratings).sum(axis=0) >= 2]
    values = np.unique(paired[np.isfinite(paired)])
    if len(values) < 2:
        raise KlangfarbeError("items rated twice, ratings that differ", f"{len(values)} values",
                              "without variation α is undefined")
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
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def bradley_terry(wins: np.ndarray, *, n_resamples: int = 1000, seed: int = 0) -> Strengths:
    """Strengths from pairwise choices, P(i beats j) = 1 / (1 + exp(s_j − s_i)), by maximum
    likelihood, from wins [K, K] (each comparison is drawn on its own) or [G, K, K] (groups are). A
    resample in which somebody wins or loses everything counts as −∞ and +∞.
    Card: estimates: how likely each is to be chosen over each other one · direction: ↑ · range:
        (−∞, ∞), mean 0; a difference of 1 is odds of e to 1 · unit: log odds · input: wins of row
        over column, a tie half a win to both; or one such table a listener · aggregation: all
        comparisons; percentiles over groups drawn with replacement · blind to: circles (A over B
        over C over A); what nobody compared · minimum n: 30 (comparisons) · source: Bradley & Terry
        (1952), Biometrika 39; Hunter (2004), Annals of Statistics 32, eq. 3; Ford (1957)
    """
    wins = np.asarray(wins, np.float64)
    tables = wins[None] if wins.ndim == 2 else wins
    if (tables.ndim != 3 or tables.shape[1] != tables.shape[2] or tables.size < 4
            or not (np.isfinite(tables) & (tables >= 0)).all() or np.einsum("gkk->", tables)):
        raise KlangfarbeError("wins [K, K] or [G, K, K], at least 0, none on the diagonal",
                              str(wins.shape), "count wins of row over column")
    whole = tables.sum(axis=0)
    reach = _reach(whole[None])[0]
    if not reach.all():
        parts = " · ".join(f"{{{', '.join(map(str, np.flatnonzero(part)))}}}"
                           for part in np.unique(reach & reach.T, axis=0)[::-1])
        raise KlangfarbeError("a table in which everybody wins and loses, if through others",
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
    worst, best = (np.concatenate([fitted, np.full((n_lost, len(whole)), end)])
                   for end in (-np.inf, np.inf))
    low = np.quantile(worst, TAIL, axis=0, method="higher")
    high = np.quantile(best, 1 - TAIL, axis=0, method="lower")
    return Strengths(_fit(whole[None])[0], low, high, float(total), n_groups)


def _fit(tables: np.ndarray) -> np.ndarray:
    """Tables [R, K, K] → strengths [R, K], mean 0, by Hunter's steps p_i ← w_i / Σ_j n_ij / (p_i +
    p_j), p = exp(s), w_i the wins of i, n_ij its comparisons with j, until wins are as expected.
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
    raise KlangfarbeError("strengths that settle", f"{len(open_rows)} tables that do not",
                          "compare weak links more often")


def _reach(tables: np.ndarray) -> np.ndarray:
    """Who beats whom directly or through others, bool [R, K, K]; everybody reaches himself."""
    reach = (tables > 0) | np.eye(tables.shape[1], dtype=bool)
    for _ in range(int(np.ceil(np.log2(tables.shape[1])))):
        reach = reach.astype(np.float32) @ reach.astype(np.float32) > 0
    return reach
