"""The evaluation table: a system beside its chance level, its ceiling and its baselines, each with
interval, n and verdict (a paired test, Holm's correction over the table).  Notebook: 05, 33, 35."""

import re
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
    """One metric as one table uses it, ``metric(reference, view(outputs))``, a function with a
    card: of items [N] numbers, averaged; of rows one of N aligned rows; of sets one of two sets."""
    name: str                                           # heading in the table
    metric: Callable
    reference: np.ndarray                               # what the outputs are compared with
    of: str = ITEMS
    view: Callable[[np.ndarray], np.ndarray] = np.asarray  # an encoder, a judge, a column
    published: Mapping[str, float] = field(default_factory=dict)  # row → number as a paper has it
    printed: str = ""                                   # the paper's direction where it differs
    encoder: Mapping | str = ""                         # the network behind: its card or its name


def evaluate_table(outputs: Mapping[str, np.ndarray], measures: Sequence[Measure], *,
                   groups: np.ndarray | None = None, seed: int = 0, n_resamples: int = 1000,
                   n_shuffles: int = 200, n_swaps: int = 999) -> pd.DataFrame:
    """The table, :data:`COLUMNS`, of row name → raw outputs [N, …] of the same N conditions, the
    system first; all is resampled by groups [N]. ``low, high``: 95 % (bootstrap; jackknife for
    sets; the central 95 % of the shuffles for the null). ``system_is``: better or worse than that
    row where the paired test says so after Holm's correction over the table."""
    sizes = {name: len(rows) for name, rows in outputs.items()}
    if len(set(sizes.values())) != 1 or min(sizes.values()) < 2:
        raise KlangfarbeError("outputs of one length ≥ 2, the system's first", str(sizes),
                              "generate one output per condition for each row")
    table = pd.DataFrame([row for measure in measures for row in _rows(
        outputs, measure, groups, seed, n_resamples, n_shuffles, n_swaps)])
    p_holm = table["p"].to_numpy(float, copy=True)
    tested = ~np.isnan(p_holm)
    p_holm[tested] = stats.holm(p_holm[tested])
    verdicts = np.select([~tested, ~(p_holm < 0.05), table["gain"].to_numpy() > 0],
                         ["", UNSURE, BETTER], WORSE)
    return table.assign(p_holm=p_holm, system_is=verdicts).reindex(columns=list(COLUMNS))


def _named(encoder: Mapping | str, wanted: str) -> str:
    # name, revision and hash of the network behind; a metric whose input wants one has no blank
    if isinstance(encoder, str):
        return encoder or ("not named" if re.search("encoder|tagger", wanted) else "")
    digits = (encoder.get("revision", "")[:12], encoder["sha256"][:12])
    return " ".join((encoder["name"], *filter(None, digits)))


def _rows(outputs: Mapping[str, np.ndarray], measure: Measure, groups: np.ndarray | None, seed: int,
          n_resamples: int, n_shuffles: int, n_swaps: int) -> list[dict]:
    card, metric = cards.card(measure.metric), measure.metric
    reference = np.asarray(measure.reference)
    seen = {name: measure.view(rows) for name, rows in outputs.items()}
    ours = next(iter(seen.values()))
    if measure.of != SETS and len(reference) != len(ours):
        raise KlangfarbeError(f"{len(ours)} rows", str(len(reference)), f"align {measure.name}")
    if measure.of != SETS and np.issubdtype(reference.dtype, np.number) and reference.ndim == 1:
        seen.setdefault(MEAN, np.full(len(ours), reference.mean()))
    few = len(ours) < card.minimum_n
    base = {"measure": measure.name, "direction": card.direction, "n": len(ours), "seed": seed,
            "encoder": _named(measure.encoder, card.input), "p": np.nan, "gain": 0.0,
            "note": f"n below the metric's minimum of {card.minimum_n}" if few else ""}
    def number(rows: np.ndarray, target: np.ndarray = reference) -> float:
        return float(np.mean(metric(target, rows)))
    found, settings = [], {"groups": groups, "seed": seed}
    for name, rows in seen.items():
        row = base | {"row": name, "value": number(rows)}
        if measure.of == SETS:
            row["low"], row["high"] = stats.jackknife(number, rows, **settings)
        else:
            each = np.asarray(metric(reference, rows), np.float64)
            averaged = measure.of == ITEMS
            data = [each] if averaged else [reference, rows]
            row["low"], row["high"] = stats.bootstrap(np.mean if averaged else metric, *data,
                                                      n_resamples=n_resamples, **settings)
        if found and card.sign and rows.shape == ours.shape:
            row["gain"] = card.sign * (found[0]["value"] - row["value"])
            if measure.of == ITEMS:  # a mean over rows: flipping signs is the same test, quicker
                row["p"] = stats.sign_flip_test(np.asarray(metric(reference, ours), np.float64)
                                                - each, n_flips=n_swaps, **settings)
            else:
                row["p"] = stats.swap_test(number, ours, rows, n_swaps=n_swaps, **settings)
        found.append(row)
    if measure.of == SETS:
        found.append(base | {"row": SHUFFLED, "value": np.nan, "n": 0, "note": "a comparison of "
                             "sets cannot see the condition: shuffled outputs are the same set"})
        order, n_left = np.random.default_rng(seed).permutation(len(reference)), len(reference) // 2
        left, right = np.sort(order[:n_left]), np.sort(order[n_left:])
        found.append(base | {"row": REAL, "value": number(reference[left], reference[right]),
                             "n": n_left, "note": "two halves of the reference"})
    else:
        values = stats.permutation_null(lambda target, some: number(some, target), reference, ours,
                                        n_shuffles=n_shuffles, **settings)
        low, high = np.quantile(values, [0.025, 0.975])
        found.append(base | {"row": SHUFFLED, "value": values.mean(), "low": low, "high": high})
    return found + [base | {"row": f"published: {name}", "value": value, "n": np.nan,
                            "note": "as printed", "direction": measure.printed or card.direction}
                    for name, value in measure.published.items()]
