"""Listeners whose truth is known, to test the analysis with: never evidence (the ledger refuses
them). Listener r's answer to system s on picture i, on a scale of 0 to 100 and before rounding:

    y = 50 + g_r · (μ_s + p_i + q_is + h_rs − 50) + b_r + e

Choices follow Bradley and Terry; who listens gives silence next to nothing.  Notebook: 26."""

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import t

from lib.studies.listening import analysis, design
from lib.studies.listening.questions import CHOICE_NAMES, COMPARE, FIELDS, NAMES, RATE

OF_QUALITY, OF_RELEVANCE = ("quality", "novelty", "aesthetics", "ovl"), ("relationship", "rel")
HABITS = ("clicks anywhere", "always the same")
# answers as study.answers gives them, marked; each rater's bias, gain, habit ("": listens)
Simulated = namedtuple("Simulated", "answers raters")
# share of studies whose interval leaves out 0, for each difference (of 0–100); where it passes 80 %
# (else NaN); median half intervals; the share at difference 0; answers on the two systems
Power = namedtuple("Power", "differences found smallest half_width mean_half_width false_alarms n")


@dataclass(frozen=True)
class Spread:
    """Standard deviations, points of 0–100."""
    rater: float = 10.0        # b: a listener's bias
    item: float = 6.0          # p: the picture's own
    rater_system: float = 5.0  # h: a listener's leaning to a system
    item_system: float = 6.0   # q: the picture's
    residual: float = 15.0     # e
    gain: float = 0.15         # of ln g: the use of the scale


@dataclass(frozen=True)
class Truth:
    """What simulated listeners hear, and how many do not listen."""
    means: Mapping[str, tuple[float, float]]  # system → (mean quality, mean relevance), 0–100
    spread: Spread = field(default_factory=Spread)
    inattentive: float = 0.0  # share; half click anywhere, half always the same
    choice_scale: float = 10.0  # points per log odds


def listen(plan: design.Plan, truth: Truth, seed: int = 0) -> Simulated:
    """Lets simulated listeners answer every page of a plan, one at each place."""
    rng, spread, names = np.random.default_rng(seed), truth.spread, list(truth.means)
    table = plan.trials.merge(plan.key, on="code", how="left", validate="many_to_one")
    table = table.sort_values(["place", "trial"], ignore_index=True)
    place, what, n = table["place"].to_numpy(), table["what"].to_numpy(), len(table)
    n_raters, n_systems = place.max() + 1, len(names) + 1
    item, images = table["image"].factorize()
    system = np.array([names.index(s) if s in names else len(names) for s in table["system"]])
    bias, gain = rng.normal(0, spread.rater, n_raters), np.exp(rng.normal(0, spread.gain, n_raters))
    lazy = rng.permutation(n_raters)[: round(truth.inattentive * n_raters)]
    habit = np.full(n_raters, "", object)
    habit[lazy] = np.resize(np.array(HABITS, object), len(lazy))
    latent = {}  # name → [pages], before the scale's ends and rounding
    for which, asked in enumerate((OF_QUALITY, OF_RELEVANCE)):
        mu = np.array([truth.means[s][which] for s in names] + [np.nan])[system]
        mu = mu + (rng.normal(0, spread.item, len(images))[item]
                   + rng.normal(0, spread.item_system, (len(images), n_systems))[item, system]
                   + rng.normal(0, spread.rater_system, (n_raters, n_systems))[place, system])
        mu[what == design.WRONG] = (70.0, 10.0)[which]  # a wrong pair sounds well, does not fit
        for name in asked:
            latent[name] = (50 + gain[place] * (mu - 50) + bias[place]
                            + rng.normal(0, spread.residual, n))
            latent[name][what == design.SILENCE] = rng.normal(0, 6, (what == design.SILENCE).sum())
    anywhere = rng.uniform(0, 100, (n, len(NAMES)))
    same = rng.uniform(40, 95, n_raters)[place]
    columns: dict = dict.fromkeys(FIELDS)
    for k, name in enumerate(NAMES):
        y = np.where(habit[place] == HABITS[0], anywhere[:, k], latent[name])
        y = np.where(habit[place] == HABITS[1], same, y)
        columns[name] = np.where(table["kind"] == RATE, _answer(name, np.nan_to_num(y)), np.nan)
    for which, name in enumerate(CHOICE_NAMES):
        at = {s: truth.means[s][which] for s in names}
        left, right = (np.array([at.get(s, 0) for s in table[side]])
                       for side in ("system", "other_system"))
        ahead = np.where(habit[place] == "", (left - right) / truth.choice_scale, 0.0)
        chosen = np.where(rng.random(n) < 1 / (1 + np.exp(-ahead)), "left", "right")
        columns[name] = pd.Series(chosen, dtype=object).where(table["kind"] == COMPARE, None)
    raters = np.array([f"simulated-{p:03}" for p in range(n_raters)])
    columns |= {"study": "simulated", "rater": raters[place], "trial": table["trial"],
                "kind": table["kind"], "code": table["code"], "plays": 1, "heard": True,
                "seconds": rng.gamma(8, 4, n).round(1), "at": "", "simulated": True}
    answers = pd.DataFrame(columns).join(table[["what", "system", "item", "other_system"]])
    answers.attrs["faults"] = []
    return Simulated(answers, pd.DataFrame({"rater": raters, "bias": bias, "gain": gain,
                                            "habit": habit}))


def expected(truth: Truth, name: str) -> dict[str, float]:
    """Each system's mean answer over endless attentive listeners and pictures, on its scale."""
    rng, spread, n = np.random.default_rng(0), truth.spread, 200_000
    within = np.sqrt(spread.item**2 + spread.item_system**2 + spread.rater_system**2)
    shared, bias = rng.normal(0, within, n), rng.normal(0, spread.rater, n)
    noise, gain = rng.normal(0, spread.residual, n), np.exp(rng.normal(0, spread.gain, n))
    means = {system: both[name in OF_RELEVANCE] for system, both in truth.means.items()}
    return {system: float(_answer(name, 50 + gain * (mean + shared - 50) + bias + noise).mean())
            for system, mean in means.items()}


def _answer(name: str, latent: np.ndarray) -> np.ndarray:
    steps = 100 if name in ("ovl", "rel") else 5
    return np.clip(np.round(latent * steps / 100), 0, steps)


def power(n_raters: int = 30, per_rater: int = 20, *, n_systems: int = 2, n_items: int = 100,
          spread: Spread | None = None, differences: np.ndarray | None = None,
          n_repeats: int = 400, seed: int = 0) -> Power:
    """The power of a planned study (pages of each listener, shared by `n_systems`) for a difference
    of two systems. They are simulated alike: δ more on one moves the estimate, not its error."""
    spread, rng = spread or Spread(), np.random.default_rng(seed)
    differences = np.asarray(np.arange(0, 20.01, 0.25) if differences is None else differences)
    rater = np.repeat(np.arange(n_raters), per_rater)
    item = design.deal(n_items, n_raters, per_rater, rng).reshape(-1)
    system = design.equitable(rater, item, n_systems, rng)
    rater, item, system = (values[system < 2] for values in (rater, item, system))
    def draw(deviation: float, *shape: int) -> np.ndarray:
        return rng.normal(0, deviation, (n_repeats, *shape))
    y = (draw(spread.rater, n_raters)[:, rater] + draw(spread.item, n_items)[:, item]
         + draw(spread.residual, len(rater)))  # [repeats, N]
    y += (draw(spread.rater_system, n_raters, 2)[:, rater, system]
          + draw(spread.item_system, n_items, 2)[:, item, system])
    first = system == 0
    estimate, n, freedom, error, _ = analysis.contrast(y, first, rater, item)
    reach = t.ppf(0.975, freedom) * error
    own = y[:, first]
    alone, fewer = analysis.two_way((own - own.mean(axis=1, keepdims=True)) / own.shape[1],
                                    rater[first], item[first])
    found = (np.abs(estimate[None] + differences[:, None]) > reach[None]).mean(axis=1)
    enough = np.flatnonzero(found >= 0.8)
    return Power(differences, found, float(differences[enough[0]]) if len(enough) else np.nan,
                 float(np.median(reach)), float(np.median(t.ppf(0.975, fewer) * alone)),
                 float((np.abs(estimate) > reach).mean()), n)
