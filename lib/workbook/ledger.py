"""The ledger: every claim of the sources with the published number, ours, and a computed verdict.

    data/claims.csv      id · claim · where · published · tested by · rule      one row a claim
    data/published.csv   claim · quantity · value · unit · direction · where    numbers as printed
    notebooks ──save──►  results/<profile>/<notebook>/evidence.csv              numbers we measured
                                 └──fill──► verdicts ──► show (table), draw (forest plot)

A rule is conditions joined by *and*: ``ccc_valence > null and rms_margin > 0``; one is true where
the whole 95 % interval lies on its side, false where it lies on the other side, else open. One
false: *does not hold*; one unmeasured: *not measured*; one open: *inconclusive*; else *holds*."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES

CLAIMS, PUBLISHED = paths.DATA / "claims.csv", paths.DATA / "published.csv"
EVIDENCE, STORED = "evidence.csv", "reference"
HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
EMPTY, UNTESTABLE = "not measured", "not testable here"
COLUMNS = ("claim", "quantity", "value", "low", "high", "null", "n", "seed", "data")
# told apart without green or red, and dark enough to be read
COLOURS = {HOLDS: "#00599c", FAILS: "#b34700", OPEN: "black", EMPTY: "#707070",
           UNTESTABLE: "#707070"}
CONDITION = re.compile(r"([a-z]\w*) ([<>]) (null|-?\d*\.?\d+|[a-z]\w*)")


class Ledger(NamedTuple):
    """A row per claim and data it was tested on, with its verdict; a row per number measured."""
    claims: pd.DataFrame
    quantities: pd.DataFrame


def conditions(rule: str) -> list[tuple[str, str, str]]:
    """``"a > null and b < 0.5"`` → ``[("a", ">", "null"), ("b", "<", "0.5")]``."""
    matches = [CONDITION.fullmatch(part.strip()) for part in rule.split(" and ")]
    if None in matches:
        raise KlangfarbeError("conditions like 'ccc_valence > null', joined by 'and'", repr(rule),
                              "mend the rule in data/claims.csv")
    return [(match[1], match[2], match[3]) for match in matches if match]


def verdict(rule: str, measured: Mapping[str, Mapping[str, float]]) -> str:
    """The verdict of a rule on quantities with ``low, high`` and, where asked for, ``null``."""
    answers, unknown = [], {"low": np.nan, "high": np.nan, "null": np.nan}
    for name, sign, bound in conditions(rule):
        known = measured.get(name, unknown)
        if bound == "null":
            low = high = known["null"]
        elif bound[0].isalpha():
            low, high = (measured.get(bound, unknown)[end] for end in ("low", "high"))
        else:
            low = high = float(bound)
        right, wrong = known["low"] > high, known["high"] < low
        if sign == "<":
            right, wrong = wrong, right
        missing = not np.isfinite([known["low"], known["high"], low, high]).all()
        answers.append(EMPTY if missing else HOLDS if right else FAILS if wrong else OPEN)
    return next((answer for answer in (FAILS, EMPTY, OPEN) if answer in answers), HOLDS)


def evidence(claim: str, quantity: str, value: float, low: float, high: float, n: int, *,
             null: float = np.nan, data: str = "atelier") -> dict:
    """A measured number as a row of ``evidence.csv``: the claim's id, the rule's name for it, 95 %
    interval, how many pieces or runs, the end of the null's central 95 % to pass, its data."""
    return {"claim": claim, "quantity": quantity, "value": float(value), "low": float(low),
            "high": float(high), "null": float(null), "n": int(n), "data": data}


def from_table(table: pd.DataFrame, claim: str, names: Mapping[str, tuple[str, str]], *,
               data: str = "atelier") -> list[dict]:
    """Evidence out of an evaluation table; `names`: quantity → (measure, row). The null is the
    shuffled condition's upper end where the measure is better upwards, else its lower end."""
    rows = []
    for quantity, (measure, row) in names.items():
        of = table[table["measure"] == measure].set_index("row")
        if row not in of.index:
            raise KlangfarbeError(f"a row {row!r} of the measure {measure!r}",
                                  ", ".join(of.index) or "no such measure", "check the table")
        null = of.loc["shuffled condition", "low" if of.loc[row, "direction"] == "↓" else "high"]
        rows.append(evidence(claim, quantity, *of.loc[row, ["value", "low", "high", "n"]],
                             null=null, data=data))
    return rows


def save(rows: Iterable[dict], notebook: str, profile: str, *, seed: int,
         data_hash: str = "") -> pd.DataFrame:
    """Checks rows of evidence, writes them to the notebook's ``evidence.csv``, returns a table."""
    table = pd.DataFrame([row | {"seed": seed} for row in rows], columns=list(COLUMNS))
    rules = dict(artefacts.read(CLAIMS)[["id", "rule"]].to_numpy())
    for claim, quantity, value, low, high, null, n in table.iloc[:, :7].to_numpy():
        name = f"{claim} {quantity}"
        if claim not in rules:
            raise KlangfarbeError(f"claims out of {', '.join(rules)}", name, "give the claim's id")
        if not np.isfinite([value, low, high]).all() or low > high or n < 1:
            raise KlangfarbeError("a finite value with low ≤ high and n ≥ 1",
                                  f"{name}: {value} [{low}, {high}], n {n}", "measure it again")
        compared = {(quantity, bound) for quantity, _, bound in conditions(rules[claim])}
        if (quantity, "null") in compared and not np.isfinite(null):
            raise KlangfarbeError(f"a null for {name}, which its rule compares with", "none",
                                  "shuffle the condition and give the null's end")
    twice = table[table.duplicated(["claim", "quantity", "data"])]
    if len(twice):
        raise KlangfarbeError("each quantity once", " ".join(twice.iloc[0, :2]), "name it apart")
    artefacts.save(table, notebook, profile, EVIDENCE, seed=seed, data_hash=data_hash)
    return table


def published(claim: str) -> dict[str, float]:
    """What the source prints for a claim (``"reference"``: others' numbers): quantity → number."""
    table = artefacts.read(PUBLISHED)
    return dict(table[table["claim"] == claim][["quantity", "value"]].itertuples(index=False))


def fill(profile: str) -> Ledger:
    """The ledger over the evidence of a profile's notebooks and of real collections. ``claims``:
    those of the file with ``data, verdict, would_fill``, a row for each data; ``quantities``:
    :data:`COLUMNS`, ``published, inside`` (is that in our interval?), ``notebook, verdict``."""
    files = sorted((paths.RESULTS / profile).glob(f"*/{EVIDENCE}"))
    real = paths.REFERENCE / "real" / EVIDENCE
    files += [real] if real.is_file() and real not in files else []
    tables = [artefacts.read(file).assign(notebook=file.parent.name) for file in files]
    tables = [table for table in tables if len(table)]
    q = pd.concat(tables or [pd.DataFrame(columns=[*COLUMNS, "notebook"])], ignore_index=True)
    printed = artefacts.read(PUBLISHED)[["claim", "quantity", "value"]]
    q = q.merge(printed.rename(columns={"value": "published"}), "left", ["claim", "quantity"])
    inside = np.where(q["published"].between(q["low"], q["high"]), "yes", "no")
    q["inside"] = np.where(q["published"].isna(), "", inside)
    rows = []
    for claim in artefacts.read(CLAIMS).fillna("").to_dict("records"):
        of = q[q["claim"] == claim["id"]]
        for data, part in of.groupby("data", sort=False) if len(of) else [("", of)]:
            answer, hint = verdict(claim["rule"], part.set_index("quantity").to_dict("index")), ""
            missing = {name for name, *_ in conditions(claim["rule"])} - set(part["quantity"])
            if claim["not_testable"]:
                answer = f"{UNTESTABLE}: {claim['not_testable']}"
            elif answer == EMPTY and missing:  # what is stored is a run at mini
                notebooks, more, params = claim["filled_by"].partition(" PARAMS=")
                hint = (f'make run PROFILE={"mini" if profile == STORED else profile} '
                        f'NOTEBOOKS="{notebooks}"{more}{params} ({", ".join(sorted(missing))})')
            rows.append(claim | {"data": data, "verdict": answer, "would_fill": hint})
    claims = pd.DataFrame(rows)
    answers = claims.set_index(["id", "data"])["verdict"]
    q["verdict"] = [answers[claim, data] for claim, data in zip(q["claim"], q["data"])]
    return Ledger(claims, q)


def show(ledger: Ledger) -> pd.DataFrame:
    """The ledger to be read, a row a claim; empty cells say what would fill them."""
    table, ours = ledger.claims.rename(columns={"data": "on"}), []
    claim: Any
    for claim in ledger.claims.itertuples():
        used = {name for name, *_ in conditions(claim.rule)}
        numbers = [f"{q.quantity} {q.value:.3g} [{q.low:.3g}, {q.high:.3g}]"
                   + (f", null {q.null:.2g}" if np.isfinite(q.null) else "")
                   + f", n {q.n}, seed {q.seed}"
                   for q in evidence_of(ledger, claim) if q.quantity in used]
        ours.append("; ".join([*numbers, claim.would_fill] if claim.would_fill else numbers))
    table["ours"] = ours
    return table.loc[:, ["id", "claim", "published", "ours", "on", "rule", "verdict"]]


def evidence_of(ledger: Ledger, claim) -> list:
    """The rows of ``quantities`` that belong to a row of ``claims``."""
    q = ledger.quantities
    return list(q[(q["claim"] == claim.id) & (q["data"] == claim.data)].itertuples())


def print_claims(profile: str) -> None:
    """Prints every claim with its verdict and our numbers."""
    known = PROFILES | {STORED: "the mini run stored with the repository, and real collections"}
    if profile not in known:
        raise KlangfarbeError(f"a profile out of {', '.join(known)}", repr(profile), "name one")
    print(f"{profile}: {known[profile]}\n")
    for name, claim, _, ours, data, _, answer in show(fill(profile)).to_numpy():
        print(f"{name:5} {answer:18} {claim}{f' ({data})' if data else ''}\n      {ours}")


def draw(ledger: Ledger) -> Figure:
    """The forest plot: a line per number, on its own scale, grey where no rule asks for it."""
    rows = [(claim, q) for claim in ledger.claims.itertuples() if (of := evidence_of(ledger, claim))
            for q in (None, *of)]
    figure, axis = plt.subplots(figsize=(6.5, max(1.0, 0.2 * len(rows) + 0.4)))
    claim: Any
    for line, (claim, q) in enumerate(rows):
        colour = COLOURS[claim.verdict.split(":")[0]]
        if q is None:
            axis.text(-0.6, line, f"{claim.id}  {claim.claim} ({claim.data}): {claim.verdict}",
                      va="center", fontsize=8, color=colour)
            continue
        bound = {name: bound for name, _, bound in conditions(claim.rule)}.get(q.quantity, "")
        colour = colour if bound else "0.4"
        edge = float(bound) if bound and not bound[0].isalpha() else np.nan
        marks = np.array([q.low, q.value, q.high, q.null, q.published, edge], float)
        known = [0.0, *(x for x in np.delete(marks, 1) if np.isfinite(x))]
        marks = (marks - min(known)) / (max(known) - min(known) or 1.0)
        low, value, high, null, printed, edge = marks
        axis.plot([low, high], [line, line], color=colour, lw=2, solid_capstyle="butt")
        axis.plot(value, line, "o", color=colour, ms=4)
        axis.plot(null, line, "|", color="0.3", ms=8)
        axis.plot([edge, edge], [line - 0.4, line + 0.4], ":", color="0.3", lw=1)
        axis.plot(printed, line, "D", mfc="none", mec="0.2", ms=4)
        axis.text(-0.05, line, q.quantity, ha="right", va="center", fontsize=8, color="0.3")
        axis.text(1.05, line, f"{q.value:.3g} [{q.low:.3g}, {q.high:.3g}]  n {q.n}", va="center",
                  fontsize=8, color=colour)
    axis.set(xlim=(-0.03, 1.03), ylim=(len(rows) - 0.5, -0.5))
    axis.set_axis_off()
    axis.set_title("● ours, 95 % interval · | null · ┊ the rule's bound · ◇ published · "
                   "each line on its own scale", fontsize=8)
    return figure
