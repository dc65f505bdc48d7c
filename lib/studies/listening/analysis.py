"""From answers to what may be said: who is left out, each system's mean, which differences are more
than luck. Answers of one listener resemble each other, and so do those to one picture: every 95 %
interval counts listeners *and* pictures (two-way clustering)."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.studies.listening import design
from lib.studies.listening.questions import QUESTIONS
from lib.studies.listening.study import RULE

NO_LISTENER = "no listener yet: nothing was measured"


def attention(answers, rule: Mapping = RULE) -> pd.DataFrame:
    """Each listener against the rule: checks, highest answers to them, failures, time, verdict."""
    rows = []
    for rater, own in answers.groupby("rater"):
        silent = own.loc[own["what"] == design.SILENCE, "ovl"].astype(float)
        wrong = own.loc[own["what"] == design.WRONG, "rel"].astype(float)
        failed = int((silent > rule["silent_ovl"]).sum() + (wrong > rule["wrong_rel"]).sum())
        rows.append((rater, len(silent) + len(wrong), silent.max(), wrong.max(), failed,
                     own["seconds"].median(), failed <= rule["max_failed"]))
    return pd.DataFrame(rows, columns=["rater", "checks", "silent_ovl", "wrong_rel", "failed",
                                       "seconds", "kept"])


def kept(answers, rule: Mapping = RULE):
    """The answers that count: of listeners who passed, without the attention checks."""
    found = attention(answers, rule)
    passed = set(found.loc[found["kept"].astype(bool), "rater"])
    return answers[answers["rater"].isin(passed)
                   & answers["what"].isin([design.PAIR, design.COMPARISON])].reset_index(drop=True)


def agreement(answers, name: str, *, n_resamples: int = 200, seed: int = 0) -> dict:
    """Krippendorff's α of one question over clips that two or more rated, interval over clips. A
    listener's bias lowers α as well: it asks whether the *numbers* agree, not only the order."""
    matrix = _rated(answers, name).pivot_table(index="code", columns="rater", values=name)
    clips = matrix[matrix.notna().sum(axis=1) >= 2].to_numpy()  # [clips, raters], NaN: none
    high = next(question.high for question in QUESTIONS if question.name == name)
    level = "ordinal" if high == 5 else "interval"
    ends = stats.bootstrap(lambda some: stats.krippendorff_alpha(some.T, level), clips,
                           n_resamples=n_resamples, seed=seed)
    return {"question": name, "level": level, "low": ends[0], "high": ends[1], "n": len(clips),
            "value": stats.krippendorff_alpha(clips.T, level), "raters": clips.shape[1]}


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


def contrasts(answers, name: str) -> pd.DataFrame:
    """Every two systems: the difference of means a − b with its intervals; ``p`` of the two-way
    error (could other listeners *and pictures* have given it by luck?), ``p_holm`` corrected."""
    rated, rows = _rated(answers, name), []
    for a, b in combinations(sorted(rated["system"].unique()), 2):
        own = rated[rated["system"].isin([a, b])]
        (gap,), n, freedom, (error,), (naive,) = contrast(
            own[name].to_numpy(float)[None], (own["system"] == a).to_numpy(),
            own["rater"].to_numpy(), own["item"].to_numpy())
        rows.append({"question": name, "a": a, "b": b, "difference": gap,
                     **_intervals(gap, error, freedom, naive, n - 2),
                     "p": 2 * t.sf(abs(gap) / error, freedom), "raters": own["rater"].nunique(),
                     "n": n})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=stats.holm(table["p"].to_numpy()))


def _intervals(value: float, error, freedom: int, naive, naive_freedom: int) -> dict:
    reach, narrow = t.ppf(0.975, freedom) * error, t.ppf(0.975, naive_freedom) * naive
    return {"low": value - reach, "high": value + reach, "naive_low": value - narrow,
            "naive_high": value + narrow}


def contrast(y: np.ndarray, is_a: np.ndarray, rater: np.ndarray, item: np.ndarray) -> tuple:
    """Two systems in y [R, N]: difference of means [R], N, freedom, two-way, naive error [R]."""
    n_a, n_b = is_a.sum(), (~is_a).sum()
    mean_a, mean_b = y[:, is_a].mean(axis=1), y[:, ~is_a].mean(axis=1)
    residual = y - np.where(is_a, mean_a[:, None], mean_b[:, None])
    error, freedom = two_way(residual * np.where(is_a, 1 / n_a, -1 / n_b), rater, item)
    naive = np.sqrt((residual[:, is_a] ** 2).sum(axis=1) / (n_a - 1) / n_a
                    + (residual[:, ~is_a] ** 2).sum(axis=1) / (n_b - 1) / n_b)
    return mean_a - mean_b, len(is_a), freedom, error, naive


def two_way(parts: np.ndarray, rater: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, int]:
    """Standard error of a sum of `parts` [N] or [R, N] that hang together within listeners and
    within pictures, V = V_rater + V_item − V_both, at least the larger; and degrees of freedom.
    Source: Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29, eq. 2.5."""
    parts = np.asarray(parts, np.float64)
    (_, r), (_, i) = (np.unique(some, return_inverse=True) for some in (rater, item))
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


def ratings_for_ledger(answers):
    """The answers that may become evidence: a person's; a simulated row is refused."""
    if len(answers) and answers["simulated"].fillna(True).astype(bool).any():
        raise KlangfarbeError("ratings by people", "simulated ones",
                              "the ledger takes what somebody heard; simulation is for teaching")
    return answers


def table(answers, rule: Mapping = RULE) -> pd.DataFrame:
    """What may be printed of a study: the means, or the sentence that nobody has listened yet."""
    counted = kept(ratings_for_ledger(answers), rule)
    rated = counted[counted["what"] == design.PAIR]
    if rated["rater"].nunique() < 2 or rated["item"].nunique() < 2:
        heard = f"{rated['rater'].nunique()} listener so far: too few for an interval"
        return pd.DataFrame({"question": [q.name for q in QUESTIONS],
                             "result": heard if len(rated) else NO_LISTENER})
    return pd.concat([means(counted, q.name) for q in QUESTIONS], ignore_index=True)


def _rated(answers, name: str):
    own = answers[(answers["what"] == design.PAIR) & answers[name].notna()]
    if not len(own):
        raise KlangfarbeError("ratings", NO_LISTENER, "ask listeners first")
    return own.assign(**{name: own[name].astype(float)})
