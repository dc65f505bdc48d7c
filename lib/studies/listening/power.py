"""Before anybody is asked: which difference would so many listeners, with so many pages each, find?

The planned study is simulated many times with two systems that differ by nothing; adding a
difference δ to one of them moves the estimate by δ and leaves its error as it is, so one set of
simulations gives the whole curve.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from lib.core.errors import KlangfarbeError
from lib.studies.listening import analysis, design
from lib.studies.listening.simulate import Spread


class Curve(NamedTuple):
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


def curve(n_raters: int = 30, per_rater: int = 20, *, n_systems: int = 2, n_items: int = 100,
          spread: Spread | None = None, differences: np.ndarray | None = None, share: float = 0.8,
          n_repeats: int = 400, seed: int = 0) -> Curve:
    """The power of a planned study for the difference between two of its systems.

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
    return Curve(differences, found, float(differences[enough[0]]) if len(enough) else np.nan,
                 float(np.median(reach)), float(np.median(t.ppf(0.975, fewer) * alone)),
                 float((np.abs(estimate) > reach).mean()), n)
