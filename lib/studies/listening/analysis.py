"""From answers to what may be said: who is left out, how far listeners agree, each system's mean,
which differences are more than luck.

Answers of one listener resemble each other, and so do answers to one picture: 600 answers are not
600 independent ones. Every 95 % interval here counts listeners *and* pictures (two-way clustering).
"""

import warnings
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.formula.api as formulas
from scipy.stats import norm, t

from lib.core.errors import KlangfarbeError
from lib.metrics import rating, stats
from lib.studies.listening import design
from lib.studies.listening.questions import CHOICE_NAMES, QUESTIONS, question
from lib.studies.listening.study import Rule

NO_LISTENER = "no listener yet: nothing was measured"


def attention(answers, rule: Rule | None = None) -> pd.DataFrame:
    """Each listener against the rule: checks, highest answers to them, failures, time, verdict."""
    rule, rows = rule or Rule(), []
    for rater, own in answers.groupby("rater"):
        silent = own.loc[own["what"] == design.SILENCE, "ovl"].astype(float)
        wrong = own.loc[own["what"] == design.WRONG, "rel"].astype(float)
        failed = int((silent > rule.silent_ovl).sum() + (wrong > rule.wrong_rel).sum())
        rows.append((rater, len(silent) + len(wrong), silent.max(), wrong.max(), failed,
                     own["seconds"].median(), failed <= rule.max_failed))
    return pd.DataFrame(rows, columns=["rater", "checks", "silent_ovl", "wrong_rel", "failed",
                                       "seconds", "kept"])


def kept(answers, rule: Rule | None = None):
    """The answers that count: of listeners who passed, without the attention checks."""
    found = attention(answers, rule)
    passed = set(found.loc[found["kept"].astype(bool), "rater"])
    return answers[answers["rater"].isin(passed)
                   & answers["what"].isin([design.PAIR, design.COMPARISON])].reset_index(drop=True)


def agreement(answers, name: str, *, n_resamples: int = 200, seed: int = 0) -> dict:
    """Krippendorff's α of one question over clips that two or more rated, BCa interval over clips.
    A listener's bias lowers α as well: it asks whether the *numbers* agree, not only the order.
    """
    matrix = _rated(answers, name).pivot_table(index="code", columns="rater",
                                               values=name).to_numpy()  # [clips, raters], NaN: none
    matrix = matrix[np.isfinite(matrix).sum(axis=1) >= 2]
    level = "ordinal" if question(name).high == 5 else "interval"
    if len(matrix) < 2:
        raise KlangfarbeError("clips that two listeners rated", str(len(matrix)),
                              "wait for more listeners")

    def alpha(clips: np.ndarray) -> float:
        return rating.krippendorff_alpha(clips.T, level)

    low, high = stats.bootstrap(alpha, matrix, n_resamples=n_resamples, seed=seed)
    return {"question": name, "level": level, "value": alpha(matrix), "low": low, "high": high,
            "n": len(matrix), "raters": matrix.shape[1]}


def means(answers, name: str) -> pd.DataFrame:
    """Each system's mean answer with the interval over listeners and pictures and the naive one."""
    rows = []
    for system, own in _rated(answers, name).groupby("system"):
        y = own[name].to_numpy(float)
        error, freedom = two_way((y - y.mean()) / len(y), own["rater"].to_numpy(),
                                 own["item"].to_numpy())
        naive = y.std(ddof=1) / np.sqrt(len(y))
        rows.append({"question": name, "system": system, "value": y.mean(),
                     **_intervals(y.mean(), error, freedom, naive, len(y) - 1), "n": len(y),
                     "raters": own["rater"].nunique(), "items": own["item"].nunique()})
    return pd.DataFrame(rows)


def contrasts(answers, name: str, *, seed: int = 0) -> pd.DataFrame:
    """Every two systems: the difference of means a − b with its intervals, and two paired tests,
    both corrected Holm's way. ``p`` is of the two-way error: could other listeners *and other
    pictures* have given this difference by luck? ``p_within``, a sign flip within listeners, needs
    no normal distribution, but what it finds is true of these pictures. Claims go by ``p_holm``.
    """
    rated, rows = _rated(answers, name), []
    by_rater = rated.pivot_table(index="rater", columns="system", values=name)
    for a, b in combinations(sorted(rated["system"].unique()), 2):
        own = rated[rated["system"].isin([a, b])]
        (gap,), n, freedom, (error,), (naive,) = contrast(
            own[name].to_numpy(float)[None], (own["system"] == a).to_numpy(),
            own["rater"].to_numpy(), own["item"].to_numpy())
        each = (by_rater[a] - by_rater[b]).dropna().to_numpy()
        rows.append({"question": name, "a": a, "b": b, "difference": gap,
                     **_intervals(gap, error, freedom, naive, n - 2),
                     "p": 2 * t.sf(abs(gap) / error, freedom), "p_holm": np.nan,
                     "p_within": stats.sign_flip_test(each, seed=seed), "p_within_holm": np.nan,
                     "raters": len(each), "n": n})
    table = pd.DataFrame(rows)
    for p in ("p", "p_within"):
        table[f"{p}_holm"] = stats.holm(table[p].to_numpy())
    return table


def _intervals(value: float, error, freedom: int, naive, naive_freedom: int) -> dict:
    reach, narrow = t.ppf(0.975, freedom) * error, t.ppf(0.975, naive_freedom) * naive
    return {"low": value - reach, "high": value + reach, "naive_low": value - narrow,
            "naive_high": value + narrow}


def contrast(y: np.ndarray, is_a: np.ndarray, rater: np.ndarray, item: np.ndarray) -> tuple:
    """Two systems in R data sets of one design, y [R, N]: difference of means [R], N, degrees of
    freedom, two-way standard error [R], naive one [R].
    """
    n_a, n_b = is_a.sum(), (~is_a).sum()
    mean_a, mean_b = y[:, is_a].mean(axis=1), y[:, ~is_a].mean(axis=1)
    residual = y - np.where(is_a, mean_a[:, None], mean_b[:, None])
    error, freedom = two_way(residual * np.where(is_a, 1 / n_a, -1 / n_b), rater, item)
    naive = np.sqrt((residual[:, is_a] ** 2).sum(axis=1) / (n_a - 1) / n_a
                    + (residual[:, ~is_a] ** 2).sum(axis=1) / (n_b - 1) / n_b)
    return mean_a - mean_b, len(is_a), freedom, error, naive


def two_way(parts: np.ndarray, rater: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, int]:
    """Standard error, a number or [R], of a sum of `parts` [N] or [R, N] that hang together within
    listeners and within pictures, and its degrees of freedom: one less than the fewer of the two.
    V = V_rater + V_item − V_both (both count an answer's own share), at least the larger of them.

    Source: Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29, eq. 2.5.
    """
    parts = np.asarray(parts, np.float64)
    _, r = np.unique(rater, return_inverse=True)
    _, i = np.unique(item, return_inverse=True)
    counts = r.max(initial=-1) + 1, i.max(initial=-1) + 1
    if min(counts) < 2:
        raise KlangfarbeError("at least two listeners and two pictures",
                              f"{counts[0]} and {counts[1]}", "wait for more answers")
    variances = []
    for member in (r, i, np.unique(r * counts[1] + i, return_inverse=True)[1]):
        n = member.max() + 1
        order = np.argsort(member, kind="stable")
        sums = np.add.reduceat(parts[..., order], np.searchsorted(member[order], np.arange(n)),
                               axis=-1)
        variances.append(n / (n - 1) * (sums**2).sum(axis=-1))
    of_raters, of_items, of_both = variances
    total = np.maximum(of_raters + of_items - of_both, np.maximum(of_raters, of_items))
    return np.sqrt(total), min(counts) - 1


class Mixed(NamedTuple):
    """Each system's mean with interval; standard deviations by source; whether the fit settled."""
    effects: pd.DataFrame
    components: dict[str, float]
    converged: bool


def mixed(answers, name: str) -> Mixed:
    """A linear mixed model by REML: systems fixed; listeners, pictures, and both crossed with
    systems random. Its components say *why* an interval is wide, and feed simulate.power.

    Source: Baayen, Davidson & Bates (2008), J. Memory and Language 59, on crossed random effects.
    """
    rated = _rated(answers, name).rename(columns={name: "y"})[["y", "system", "rater", "item"]]
    parts = {"item": "0 + C(item)", "item_system": "0 + C(item):C(system)",
             "rater": "0 + C(rater)", "rater_system": "0 + C(rater):C(system)"}
    model = formulas.mixedlm("y ~ 0 + C(system)", rated, groups=np.ones(len(rated)),
                             vc_formula=parts, re_formula="0")
    with warnings.catch_warnings():
        # a component on its bound of 0 is told by `components`, not by a warning
        warnings.simplefilter("ignore")
        fit = model.fit(reml=True, method=["lbfgs", "powell"])
    counts = rated.groupby("system").size()
    reach, found = norm.ppf(0.975) * fit.bse_fe.to_numpy(), fit.fe_params.to_numpy()
    effects = pd.DataFrame({"question": name, "system": list(counts.index), "value": found,
                            "low": found - reach, "high": found + reach, "n": counts.to_numpy()})
    spread = np.sqrt(np.maximum([*fit.vcomp, fit.scale], 0))
    return Mixed(effects, dict(zip([*sorted(parts), "residual"], map(float, spread), strict=True)),
                 bool(fit.converged))


def preferences(answers, name: str, *, n_resamples: int = 1000,
                seed: int = 0) -> pd.DataFrame:
    """Bradley–Terry strengths (log odds, mean 0) from comparisons, intervals over listeners."""
    if name not in CHOICE_NAMES:
        raise KlangfarbeError(f"a choice out of {', '.join(CHOICE_NAMES)}", repr(name),
                              "ratings are for means()")
    own = answers[answers["what"] == design.COMPARISON]
    if not len(own):
        raise KlangfarbeError("comparisons", NO_LISTENER, "ask listeners first")
    left_won = own[name] == "left"
    winner = own["system"].where(left_won, own["other_system"])
    loser = own["other_system"].where(left_won, own["system"])
    systems, raters = sorted({*winner, *loser}), sorted(own["rater"].unique())
    wins = np.zeros((len(raters), len(systems), len(systems)))
    np.add.at(wins, (np.searchsorted(raters, own["rater"]), np.searchsorted(systems, winner),
                     np.searchsorted(systems, loser)), 1)
    found = rating.bradley_terry(wins, n_resamples=n_resamples, seed=seed)
    return pd.DataFrame({"question": name, "system": systems, "strength": found.strengths,
                         "low": found.low, "high": found.high,
                         "wins": wins.sum(axis=(0, 2)).astype(int), "n": int(found.n),
                         "raters": found.groups})


def ratings_for_ledger(answers):
    """The answers that may become evidence: a person's; a simulated row is refused."""
    if len(answers) and answers["simulated"].fillna(True).astype(bool).any():
        raise KlangfarbeError("ratings by people", "simulated ones",
                              "the ledger takes what somebody heard; simulation is for teaching")
    return answers


def table(answers, rule: Rule | None = None) -> pd.DataFrame:
    """What may be printed of a study: the means, or the sentence that nobody has listened yet."""
    counted = kept(ratings_for_ledger(answers), rule)
    rated = counted[counted["what"] == design.PAIR]
    if rated["rater"].nunique() < 2 or rated["item"].nunique() < 2:
        heard = f"{rated['rater'].nunique()} listener so far: too few for an interval"
        return pd.DataFrame({"question": [q.name for q in QUESTIONS],
                             "result": heard if len(rated) else NO_LISTENER})
    return pd.concat([means(counted, q.name) for q in QUESTIONS], ignore_index=True)


def _rated(answers, name: str):
    """The rows of rated pairs, with a number for an answer."""
    question(name)
    own = answers[(answers["what"] == design.PAIR) & answers[name].notna()]
    if not len(own):
        raise KlangfarbeError("ratings", NO_LISTENER, "ask listeners first")
    return own.assign(**{name: own[name].astype(float)})
