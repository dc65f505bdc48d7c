"""The ledger: every claim of the sources with the published number, ours, and a computed verdict.

    data/claims.csv      id · claim · where · quote · published · tested by · rule   a row a claim
    data/published.csv   claim · quantity · value · unit · direction · where    numbers as printed
    notebooks ──save──►  results/<profile>/<notebook>/evidence.csv              numbers we measured
                                 └──fill──► verdicts ──► show (table), draw (forest plot)

A rule is conditions joined by *and*: ``ccc_valence > null and rms_margin > 0``; one is true where
the whole 95 % interval lies on its side, false where it lies on the other side, else open. One
false: *does not hold*; one unmeasured: *not measured*; one open: *inconclusive*; else *holds*.

``fad > 0 where n > dimensions`` is open unless the second condition is true: a distance of few
clips, or a bound from another embedder's scale, decides nothing. Behind *where*, ``n`` is that of
the quantity. ``S1-1.clap_m4_minus_m3`` is a number that was measured for another claim."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError, one_of
from lib.core.profiles import PROFILES

CLAIMS, PUBLISHED = paths.DATA / "claims.csv", paths.DATA / "published.csv"
EVIDENCE, STORED = "evidence.csv", "reference"
HOLDS, FAILS, OPEN, EMPTY = "holds", "does not hold", "inconclusive", "not measured"
COLUMNS = ("claim", "quantity", "value", "low", "high", "null", "n", "seed", "data")
# told apart without green or red, and dark enough to be read
COLOURS = {HOLDS: "#00599c", FAILS: "#b34700", OPEN: "black", EMPTY: "#707070"}
NAME = r"(?:[SX]\d?-\d+\.)?[a-z]\w*"
CONDITION = re.compile(rf"({NAME}) ([<>]) (null|-?\d*\.?\d+|{NAME})(?: where (.+))?")
UNKNOWN = {"low": np.nan, "high": np.nan, "null": np.nan, "n": np.nan}


class Ledger(NamedTuple):
    """A row per claim and data it was tested on, with its verdict; a row per number measured."""
    claims: pd.DataFrame
    quantities: pd.DataFrame


def conditions(rule: str) -> list[tuple[str, str, str, str]]:
    """``"a > null and b < 5 where n > 9"`` → ``[(a, >, null, ""), (b, <, 5, "n > 9")]``."""
    matches = [CONDITION.fullmatch(part.strip()) for part in rule.split(" and ")]
    if None in matches:
        raise KlangfarbeError("conditions like 'ccc_valence > null', joined by 'and'", repr(rule),
                              "mend the rule in data/claims.csv")
    return [(match[1], match[2], match[3], match[4] or "") for match in matches if match]


def names(rule: str) -> set[str]:
    """Every quantity that a rule asks for."""
    found = {word for name, _, bound, where in conditions(rule)
             for word in (name, bound, *(names(where) if where else ()))}
    return {word for word in found - {"null", "n"} if word[0].isalpha()}


def verdict(rule: str, measured: Mapping[str, Mapping[str, float]]) -> str:
    """The verdict of a rule on quantities with ``low, high, n`` and, where asked for, ``null``."""
    answers = []
    for name, sign, bound, where in conditions(rule):
        known = measured.get(name, UNKNOWN)
        if bound == "null":
            low = high = known["null"]
        elif bound[0].isalpha():
            low, high = (measured.get(bound, UNKNOWN)[end] for end in ("low", "high"))
        else:
            low = high = float(bound)
        right, wrong = known["low"] > high, known["high"] < low
        if sign == "<":
            right, wrong = wrong, right
        missing = not np.isfinite([known["low"], known["high"], low, high]).all()
        unsettled = not (right or wrong) or not _decides(name, where, measured)
        answers.append(EMPTY if missing else OPEN if unsettled else HOLDS if right else FAILS)
    return next((answer for answer in (FAILS, EMPTY, OPEN) if answer in answers), HOLDS)


def _decides(name: str, where: str, measured: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether what stands behind *where* is so."""
    n = measured[name]["n"] if where and name in measured else np.nan
    return not where or verdict(where, {**measured, "n": {"low": n, "high": n}}) == HOLDS


def undecided(rule: str, measured: Mapping[str, Mapping[str, float]]) -> str:
    """The measured conditions that decide nothing, with what *where* was held against."""
    found = []
    for name, sign, bound, where in conditions(rule):
        if name in measured and not _decides(name, where, measured):
            told = [f", {word} {measured[word]['value']:.3g}" if word in measured
                    else f", {word} not measured" for word in sorted(names(where))]
            found.append(f"{name} {sign} {bound} decides nothing unless {where} "
                         f"(n {measured[name]['n']}{''.join(told)})")
    return "; ".join(found)


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
    compared = {name if "." in name else f"{claim}.{name}" for claim, rule in rules.items()
                for name, _, bound, _ in conditions(rule) if bound == "null"}
    for claim, quantity, value, low, high, null, n in table.iloc[:, :7].to_numpy():
        name = f"{claim} {quantity}"
        if claim not in rules:
            raise KlangfarbeError(f"claims out of {', '.join(rules)}", name, "give the claim's id")
        if not np.isfinite([value, low, high]).all() or low > high or n < 1:
            raise KlangfarbeError("a finite value with low ≤ high and n ≥ 1",
                                  f"{name}: {value} [{low}, {high}], n {n}", "measure it again")
        if f"{claim}.{quantity}" in compared and not np.isfinite(null):
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
    those of the file with ``data, verdict, would_fill``, a row for each data, and ``reason``: why a
    rule decides nothing, or why there is no evidence yet; ``quantities``: :data:`COLUMNS`,
    ``published, inside`` (is that in our interval?), ``notebook, verdict``."""
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
        of = _used(q, claim["id"], claim["rule"])
        for data, part in of.groupby("data", sort=False) if len(of) else [("", of)]:
            measured, hint = part.set_index("name").to_dict("index"), ""
            answer, missing = verdict(claim["rule"], measured), names(claim["rule"]) - {*measured}
            if answer == EMPTY and missing and claim["filled_by"]:  # what is stored is of mini
                notebooks, more, params = claim["filled_by"].partition(" PARAMS=")
                hint = (f'make run PROFILE={"mini" if profile == STORED else profile} '
                        f'NOTEBOOKS="{notebooks}"{more}{params} ({", ".join(sorted(missing))})')
            reason = claim["reason"] if answer == EMPTY else undecided(claim["rule"], measured)
            rows.append(claim | {"data": data, "verdict": answer, "would_fill": hint,
                                 "reason": reason})
    claims = pd.DataFrame(rows)
    answers = claims.set_index(["id", "data"])["verdict"]
    q["verdict"] = [answers[claim, data] for claim, data in zip(q["claim"], q["data"])]
    return Ledger(claims, q)


def _used(q: Any, claim: str, rule: str) -> Any:
    """Rows of a claim and those that its rule takes from others; ``name``: the rule's for each."""
    own, full = q["claim"] == claim, q["claim"] + "." + q["quantity"]
    return q.assign(name=q["quantity"].where(own, full))[own | full.isin(names(rule))]


def show(ledger: Ledger) -> pd.DataFrame:
    """The ledger to be read, a row a claim; empty cells say what would fill them."""
    table, ours = ledger.claims.rename(columns={"data": "on"}), []
    claim: Any
    for claim in ledger.claims.itertuples():
        used = names(claim.rule)
        numbers = [f"{q.name} {q.value:.3g} [{q.low:.3g}, {q.high:.3g}]"
                   + (f", null {q.null:.2g}" if np.isfinite(q.null) else "")
                   + f", n {q.n}, seed {q.seed}"
                   for q in evidence_of(ledger, claim) if q.name in used]
        ours.append("; ".join([*numbers, claim.would_fill] if claim.would_fill else numbers))
    table["ours"] = ours
    return table.loc[:, ["id", "claim", "published", "ours", "on", "rule", "verdict", "reason"]]


def evidence_of(ledger: Ledger, claim) -> list:
    """The rows of ``quantities`` that a row of ``claims`` rests on, with the rule's names."""
    of = _used(ledger.quantities, claim.id, claim.rule)
    return list(of[of["data"] == claim.data].itertuples())


def print_claims(profile: str) -> None:
    """Prints every claim with its verdict and our numbers."""
    known = PROFILES | {STORED: "the mini run stored with the repository, and real collections"}
    one_of(known, profile, "a profile")
    print(f"{profile}: {known[profile]}\n")
    for name, claim, _, ours, data, _, answer, reason in show(fill(profile)).to_numpy():
        print(f"{name:5} {answer:18} {claim}{f' ({data})' if data else ''}")
        print(*(f"      {line}\n" for line in (ours, reason) if line), sep="", end="")


def draw(ledger: Ledger) -> Figure:
    """The forest plot: a line per number, on its own scale, grey where no rule asks for it."""
    rows = [(claim, q) for claim in ledger.claims.itertuples() if (of := evidence_of(ledger, claim))
            for q in (None, *of)]
    figure, axis = plt.subplots(figsize=(6.5, max(1.0, 0.2 * len(rows) + 0.4)))
    claim: Any
    for line, (claim, q) in enumerate(rows):
        colour = COLOURS[claim.verdict]
        if q is None:
            axis.text(-0.6, line, f"{claim.id}  {claim.claim} ({claim.data}): {claim.verdict}",
                      va="center", fontsize=8, color=colour)
            continue
        bound = {name: bound for name, _, bound, _ in conditions(claim.rule)}.get(q.name, "")
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
        axis.text(-0.05, line, q.name, ha="right", va="center", fontsize=8, color="0.3")
        axis.text(1.05, line, f"{q.value:.3g} [{q.low:.3g}, {q.high:.3g}]  n {q.n}", va="center",
                  fontsize=8, color=colour)
    axis.set(xlim=(-0.03, 1.03), ylim=(len(rows) - 0.5, -0.5))
    axis.set_axis_off()
    axis.set_title("● ours, 95 % interval · | null · ┊ the rule's bound · ◇ published · "
                   "each line on its own scale", fontsize=8)
    return figure
