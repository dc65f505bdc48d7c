"""The evaluation table: a system beside its chance level, its ceiling and its baselines, each with
interval, n and a verdict (a paired test, Holm's correction over the table).  Notebook: 05, 33, 35.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import cards, stats

ITEMS, ROWS, SETS = "items", "rows", "sets"
SHUFFLED, REAL, ROUND_TRIP, RETRIEVAL, MEAN = ("shuffled condition", "real against real",
                                               "round trip", "retrieval", "mean predictor")
BETTER, WORSE, UNSURE = "better", "worse", "inconclusive"
COLUMNS = ("measure", "row", "value", "low", "high", "n", "seed", "direction", "p_holm",
           "system_is", "encoder", "note")


@dataclass(frozen=True)
class Measure:
    """One metric as it is used in one table.

    Attributes:
        name: heading in the table, e.g. ``"CCC valence"``.
        metric: a function with a card, called as ``metric(reference, outputs)``.
        reference: what the outputs are compared with, in the metric's own representation: [N, …]
            aligned with the outputs, or, for ``of="sets"``, a set of any size.
        of: ``"items"`` (the metric gives [N] numbers, averaged), ``"rows"`` (one number from N
            aligned rows, such as a correlation), ``"sets"`` (one number from two sets; the order of
            the rows means nothing).
        view: raw outputs [N, …] → that representation (an encoder, a judge, a column).
        reference_groups: groups of a set's reference, for the halves of *real against real*.
        published: row → number as a paper prints it; shown beside ours, never as ours.
        printed: direction as the paper prints it where it differs from the card's; it stands on the
            published rows alone.
        encoder: the network the numbers depend on: the card of an encoder
            (:func:`lib.metrics.embedders.card`) or a judge's name.
    """

    name: str
    metric: Callable
    reference: np.ndarray
    of: str = ITEMS
    view: Callable[[np.ndarray], np.ndarray] = np.asarray
    reference_groups: np.ndarray | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    printed: str = ""
    encoder: Mapping | str = ""


def evaluate_table(outputs: Mapping[str, np.ndarray], measures: Sequence[Measure], *,
          groups: np.ndarray | None = None, seed: int = 0, n_resamples: int = 1000,
          n_shuffles: int = 200, n_swaps: int = 999):
    """The table of one system.

    Args:
        outputs: row name → raw outputs [N, …], all for the same N conditions. The first is the
            system; the others are its baselines and ceilings (the constants ``ROUND_TRIP,
            RETRIEVAL`` of this module and any other name). The mean predictor is added here where
            the metric compares numbers with a target.
        measures: what to measure.
        groups: [N] painting or piece of each condition, the unit of every resampling.
        n_resamples, n_shuffles, n_swaps: for intervals, null and tests. A test never gives p below
            1/(1 + n_swaps).

    Returns:
        DataFrame with :data:`COLUMNS`, the rows of each measure in the order *system, baselines,
        mean predictor, shuffled condition, real against real, published*. ``low, high``: 95 %
        (bootstrap over groups; jackknife for sets; the central 95 % of the shuffles for the null).
        ``system_is``: better or worse than that row where the paired test says so after Holm's
        correction over the table, else *inconclusive*. A row that a metric cannot have is there,
        empty, with the reason in ``note``.

    Source: METRICS, first paragraph.
    """
    sizes = {name: len(rows) for name, rows in outputs.items()}
    if len(set(sizes.values())) != 1 or min(sizes.values()) < 2:
        raise KlangfarbeError("outputs of one length ≥ 2, the system's first", str(sizes),
                              "generate one output per condition for each row")
    table = pd.DataFrame([row for measure in measures
                          for row in _rows(outputs, measure, groups, seed, n_resamples, n_shuffles,
                                           n_swaps)])
    tested = table.index[table["p"].notna()]
    table["p_holm"] = np.nan
    table.loc[tested, "p_holm"] = stats.holm(table.loc[tested,
                                                        "p"].to_numpy()) if len(tested) else []
    sure = table["p_holm"] < 0.05
    table["system_is"] = np.select([table["p"].isna(), ~sure, table["gain"] > 0],
                                   ["", UNSURE, BETTER], WORSE)
    return table[list(COLUMNS)]


def _rows(outputs, measure: Measure, groups, seed: int, n_resamples: int, n_shuffles: int,
          n_swaps: int) -> list[dict]:
    """The rows of one measure."""
    card = cards.card(measure.metric)
    reference = np.asarray(measure.reference)
    seen = {name: measure.view(rows) for name, rows in outputs.items()}
    system, count = next(iter(seen)), len(next(iter(seen.values())))
    if measure.of not in (ITEMS, ROWS, SETS):
        raise KlangfarbeError(f"a measure of {ITEMS}, {ROWS} or {SETS}", repr(measure.of),
                              "say what the metric compares")
    if measure.of != SETS and len(reference) != count:
        raise KlangfarbeError(f"a reference of {count} rows for {measure.name}",
                              str(len(reference)), "align it with the outputs, or say of='sets'")
    if measure.of != SETS and np.issubdtype(reference.dtype,
                                            np.number) and reference.ndim == 1 and MEAN not in seen:
        seen[MEAN] = np.full(count, reference.mean())
    few = f"n below the metric's minimum of {card.minimum_n}" if count < card.minimum_n else ""
    encoder = (measure.encoder if isinstance(measure.encoder, str)
               else f"{measure.encoder['name']} {measure.encoder['sha256'][:12]}")
    base = {"measure": measure.name, "direction": card.direction, "n": count, "seed": seed,
            "encoder": encoder, "note": few, "p": np.nan, "gain": 0.0}

    def number(rows: np.ndarray, target: np.ndarray = reference) -> float:
        return float(np.mean(measure.metric(target, rows)))

    found = []
    ours = number(seen[system])
    for name, rows in seen.items():
        value = number(rows)
        row = base | {"row": name, "value": value}
        row["low"], row["high"] = _interval(measure, rows, groups, seed, n_resamples)
        if name != system and card.sign and rows.shape == seen[system].shape:
            row |= {"p": _p(measure, number, seen[system], rows, groups, seed, n_swaps),
                    "gain": card.sign * (ours - value)}
        found.append(row)
    found.append(base | {"row": SHUFFLED} | _null(measure, seen[system], groups, seed, n_shuffles))
    if measure.of == SETS:
        found.append(base | {"row": REAL} | _real(measure, number, seed))
    found += [base | {"row": f"published: {name}", "value": value, "n": np.nan,
                      "note": "as printed", "direction": measure.printed or card.direction}
              for name, value in measure.published.items()]
    return found


def _interval(measure: Measure, rows: np.ndarray, groups, seed: int,
              n_resamples: int) -> tuple[float, float]:
    reference = np.asarray(measure.reference)
    if measure.of == SETS:
        return stats.jackknife(lambda some: float(measure.metric(reference, some)), rows,
                               groups=groups, seed=seed)
    if measure.of == ITEMS:
        each = np.asarray(measure.metric(reference, rows), np.float64)
        return stats.bootstrap(np.mean, each, groups=groups, seed=seed, n_resamples=n_resamples)
    return stats.bootstrap(measure.metric, reference, rows, groups=groups, seed=seed,
                           n_resamples=n_resamples)


def _p(measure: Measure, number: Callable, ours: np.ndarray, theirs: np.ndarray, groups, seed: int,
       n_swaps: int) -> float:
    if measure.of == ITEMS:  # a mean over rows: flipping signs is the same test, and quicker
        difference = np.asarray(measure.metric(measure.reference, ours),
                                np.float64) - measure.metric(measure.reference, theirs)
        return stats.sign_flip_test(difference, groups, n_flips=n_swaps, seed=seed)
    return stats.swap_test(number, ours, theirs, groups, n_swaps=n_swaps, seed=seed)


def _null(measure: Measure, rows: np.ndarray, groups, seed: int, n_shuffles: int) -> dict:
    if measure.of == SETS:
        return {"value": np.nan, "n": 0, "note": "a comparison of sets cannot see the condition: "
                "shuffled outputs are the same set"}
    values = stats.permutation_null(lambda target,
                                    some: float(np.mean(measure.metric(target, some))),
                                    np.asarray(measure.reference), rows, groups=groups,
                                    n_shuffles=n_shuffles, seed=seed)
    low, high = np.quantile(values, [0.025, 0.975])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def _real(measure: Measure, number: Callable, seed: int) -> dict:
    """One half of the reference against the other, whole groups on either side."""
    reference = np.asarray(measure.reference)
    labels = np.arange(len(reference)) if measure.reference_groups is None else np.asarray(
        measure.reference_groups)
    names = np.random.default_rng(seed).permutation(np.unique(labels))
    left = np.isin(labels, names[: len(names) // 2])
    return {"value": number(reference[left], reference[~left]),
            "n": int(min(left.sum(), (~left).sum())), "note": "two halves of the reference"}
