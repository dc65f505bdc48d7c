"""Listeners whose truth is known, to test the analysis with: never evidence. Every row says
``simulated=True``, and the ledger refuses it.

The answer of listener r to system s on picture i, on a scale of 0 to 100 and before rounding:

    y = 50 + g_r · (μ_s + p_i + q_is + h_rs − 50) + b_r + e

with the system's mean μ, the picture's own p and its leaning to a system q, the listener's leaning
h, bias b, use of the scale g, noise e. Likert answers are the same on six steps. Choices follow
Bradley and Terry: odds of ``exp((μ_left − μ_right) / choice_scale)``.
Everybody who listens gives silence next to nothing: an assumption, on which the attention checks
rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from lib.core.errors import KlangfarbeError
from lib.studies.listening import analysis, design
from lib.studies.listening.questions import COMPARE, FIELDS, NAMES, RATE

OF_QUALITY, OF_RELEVANCE = ("quality", "novelty", "aesthetics", "ovl"), ("relationship", "rel")
HABITS = ("clicks anywhere", "always the same")


@dataclass(frozen=True)
class Spread:
    """Standard deviations on the scale of 0 to 100: what one listening study's answers scatter by.

    Attributes:
        rater: bias of a listener (b). item: a picture's own effect (p). rater_system, item_system:
            a listener's and a picture's leaning to a system (h, q): these two keep a difference
            from being told more surely by more answers of the same few.
        residual: noise of one answer (e). gain: spread of the use of the scale around 1 (g), no
            unit.
    """

    rater: float = 10.0
    item: float = 6.0
    rater_system: float = 5.0
    item_system: float = 6.0
    residual: float = 15.0
    gain: float = 0.15


@dataclass(frozen=True)
class Truth:
    """What the simulated listeners are made of.

    Attributes:
        means: system → (mean quality, mean relevance), 0–100. spread: see :class:`Spread`.
        inattentive: share of listeners who do not listen: half click anywhere, half always the
            same.
        choice_scale: points per unit of log odds.
    """

    means: Mapping[str, tuple[float, float]]
    spread: Spread = field(default_factory=Spread)
    inattentive: float = 0.0
    choice_scale: float = 10.0


class Simulated(NamedTuple):
    """``answers``: as :func:`lib.studies.listening.study.answers` gives them, marked; ``raters``:
    each one's bias, gain, habit ("": listens).
    """

    answers: pd.DataFrame
    raters: pd.DataFrame


def listen(plan: design.Plan, truth: Truth, seed: int = 0) -> Simulated:
    """Lets simulated listeners answer every page of a plan, one at each place."""
    rng, spread = np.random.default_rng(seed), truth.spread
    table = plan.trials.merge(plan.key, on="code", how="left",
                              validate="many_to_one").sort_values(["place", "trial"],
                                                                  ignore_index=True)
    n_raters, place = int(table["place"].max()) + 1, table["place"].to_numpy()
    item, _ = pd.factorize(table["image"])
    names = list(truth.means)
    system = np.array([names.index(s) if s in names else len(names) for s in table["system"]])
    bias, gain = rng.normal(0, spread.rater, n_raters), np.exp(rng.normal(0, spread.gain, n_raters))
    habit = np.array([""] * n_raters, dtype=object)
    lazy = rng.permutation(n_raters)[: round(truth.inattentive * n_raters)]
    habit[lazy] = [HABITS[k % 2] for k in range(len(lazy))]
    columns = dict.fromkeys(FIELDS)
    latent = {}
    for which, asked in enumerate((OF_QUALITY, OF_RELEVANCE)):
        mu = np.array([truth.means[s][which] for s in names] + [np.nan])[system]
        leaning = (rng.normal(0, spread.item, item.max() + 1)[item]
                   + rng.normal(0, spread.item_system,
                                (item.max() + 1, len(names) + 1))[item, system]
                   + rng.normal(0, spread.rater_system, (n_raters, len(names) + 1))[place, system])
        mu = mu + leaning
        silent, wrong = (table["what"] == design.SILENCE).to_numpy(), (table["what"]
                                                                       == design.WRONG).to_numpy()
        mu[wrong] = (70.0, 10.0)[which]  # a wrong pair sounds well and does not fit
        for name in asked:
            latent[name] = 50 + gain[place] * (mu
                                               - 50) + bias[place] + rng.normal(0, spread.residual,
                                                                                len(table))
            latent[name][silent] = rng.normal(0, 6, silent.sum())
    for kind, some in (("clicks anywhere", rng.uniform(0, 100, (len(table), len(NAMES)))),
                       ("always the same", np.repeat(rng.uniform(40, 95, n_raters)[place][:, None],
                                                     len(NAMES), axis=1))):
        rows = habit[place] == kind
        for k, name in enumerate(NAMES):
            latent[name][rows] = some[rows, k]
    rated = (table["kind"] == RATE).to_numpy()
    for name in NAMES:
        columns[name] = np.where(rated, _answer(name, np.nan_to_num(latent[name])), np.nan)
    compared = (table["kind"] == COMPARE).to_numpy()
    for which, name in enumerate(("better", "fitting")):
        at = {s: truth.means[s][which] for s in names} | {"": 0.0}
        ahead = (table["system"].map(at).fillna(0)
                 - table["other_system"].map(at).fillna(0)).to_numpy() / truth.choice_scale
        ahead = np.where(habit[place] == "", ahead, 0.0)
        columns[name] = np.where(compared,
                                 np.where(rng.random(len(table)) < 1 / (1 + np.exp(-ahead)), "left",
                                          "right"), None)
    raters = [f"simulated-{p:03}" for p in range(n_raters)]
    columns |= {"study": "simulated", "rater": np.array(raters)[place], "trial": table["trial"],
                "kind": table["kind"], "code": table["code"], "plays": 1, "heard": True,
                "seconds": rng.gamma(8, 4, len(table)).round(1), "at": "", "simulated": True}
    answers = pd.concat([pd.DataFrame(columns, columns=list(FIELDS)),
                         table[["what", "system", "item", "other_system"]]], axis=1)
    answers.attrs["faults"] = []
    return Simulated(answers, pd.DataFrame({"rater": raters, "bias": bias, "gain": gain,
                                            "habit": habit}))


def expected(truth: Truth, name: str, *, n: int = 200_000, seed: int = 0) -> dict[str, float]:
    """Mean answer to a question for each system over endless attentive listeners and pictures, ends
    of the scale and rounding included.
    """
    rng, spread = np.random.default_rng(seed), truth.spread
    within = np.sqrt(spread.item**2 + spread.item_system**2 + spread.rater_system**2)
    shared, bias = rng.normal(0, within, n), rng.normal(0, spread.rater, n)
    noise, gain = rng.normal(0, spread.residual, n), np.exp(rng.normal(0, spread.gain, n))
    which = int(name in OF_RELEVANCE)
    return {system: float(_answer(name,
                                  50 + gain * (mean[which] + shared - 50) + bias + noise).mean())
            for system, mean in truth.means.items()}


def _answer(name: str, latent: np.ndarray) -> np.ndarray:
    """From 0–100 to the steps of a question's scale."""
    steps = 100 if name in ("ovl", "rel") else 5
    return np.clip(np.round(latent * steps / 100), 0, steps)


class Power(NamedTuple):
    """`found`: share of studies whose 95 % interval leaves out 0, for each of `differences` (points
    of 0–100); `smallest`: where it passes the share asked for (NaN where it does not);
    `half_width`: median half interval of the difference, `mean_half_width`: of one mean;
    `false_alarms`: the share at difference 0; `n`: answers on the two systems."""

    differences: np.ndarray
    found: np.ndarray
    smallest: float
    half_width: float
    mean_half_width: float
    false_alarms: float
    n: int


def power(n_raters: int = 30, per_rater: int = 20, *, n_systems: int = 2, n_items: int = 100,
          spread: Spread | None = None, differences: np.ndarray | None = None, share: float = 0.8,
          n_repeats: int = 400, seed: int = 0) -> Power:
    """The power of a planned study for the difference between two of its systems.

    The study is simulated many times with two systems that are alike; adding a difference δ to one
    of them moves the estimate by δ and leaves its error, so one set of simulations gives the curve.

    Args:
        n_raters, per_rater: listeners and pages of each. n_systems: how many systems share the
            pages. n_items: pictures.
        spread: what answers scatter by: an assumption, or the components of
            :func:`lib.studies.listening.analysis.mixed` from a pilot.
        share: of studies that shall find the difference.

    Raises:
        KlangfarbeError: a plan :func:`lib.studies.listening.design.deal` refuses, or in which one
            of the two is heard by fewer than two.
    """
    spread, rng = spread or Spread(), np.random.default_rng(seed)
    differences = np.arange(0, 20.01, 0.25) if differences is None else np.asarray(differences,
                                                                                   float)
    hands = design.deal(n_items, n_raters, per_rater, rng)
    rater, item = np.repeat(np.arange(n_raters), per_rater), hands.reshape(-1)
    system = design.equitable(rater, item, n_systems, rng)
    ours = system < 2
    rater, item, system = rater[ours], item[ours], system[ours]
    if len({*system}) < 2 or min(np.bincount(system)) < 2:
        raise KlangfarbeError("two answers or more on each of two systems",
                              str(np.bincount(system).tolist()), "plan more pages")

    def draw(deviation: float, *shape: int) -> np.ndarray:
        return rng.normal(0, deviation, (n_repeats, *shape))

    # [repeats, N]
    y = draw(spread.rater, n_raters)[:, rater] + draw(spread.item,
                                                      n_items)[:, item] + draw(spread.residual,
                                                                               len(rater))
    y += draw(spread.rater_system, n_raters, 2)[:, rater,
                                                system] + draw(spread.item_system, n_items,
                                                               2)[:, item, system]
    estimate, n, freedom, error, _ = analysis.contrast(y, system == 0, rater, item)
    reach = t.ppf(0.975, freedom) * error
    own = y[:, system == 0]
    alone, fewer = analysis.two_way((own - own.mean(axis=1, keepdims=True)) / own.shape[1],
                                    rater[system == 0], item[system == 0])
    found = (np.abs(estimate[None] + differences[:, None]) > reach[None]).mean(axis=1)
    enough = np.flatnonzero(found >= share)
    return Power(differences, found, float(differences[enough[0]]) if len(enough) else np.nan,
                 float(np.median(reach)), float(np.median(t.ppf(0.975, fewer) * alone)),
                 float((np.abs(estimate) > reach).mean()), n)
