"""Metric cards: what each metric estimates, in which direction it is better, and what it cannot
see, read from its own docstring.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from lib import metrics
from lib.core.errors import KlangfarbeError

FIELDS = ("estimates", "direction", "range", "unit", "input", "aggregation", "blind to",
          "minimum n", "source")
DIRECTIONS = {"↑": 1, "↓": -1, "–": 0}
HEADING = "Card:"


class Card(NamedTuple):
    """One metric's card; `sign` is +1 where more is better, −1 where less is, 0 where neither."""

    name: str
    estimates: str
    direction: str
    range: str
    unit: str
    input: str
    aggregation: str
    blind_to: str
    minimum_n: int
    source: str

    @property
    def sign(self) -> int:
        """+1 ↑, −1 ↓, 0 –."""
        return DIRECTIONS[self.direction]


def card(function: Callable) -> Card:
    """The card in a metric's docstring.

    Raises:
        KlangfarbeError: no card, a field missing, empty or unknown, or a direction that is none of
            ↑ ↓ –.
    """
    name = f"{function.__module__.removeprefix('lib.metrics.')}.{function.__name__}"
    lines = iter((inspect.getdoc(function) or "").splitlines())
    if not any(line.strip() == HEADING for line in lines):
        raise KlangfarbeError(f"a metric card in the docstring of {name}", "none",
                              f"write the block '{HEADING}' with {', '.join(FIELDS)}")
    found, field = {}, ""
    for line in lines:
        start = re.match(r" {4}(\w[\w ]*?): +(.*)", line)
        if start:
            field = start[1]
            found[field] = start[2].strip()
        elif field and line.startswith(" " * 8):
            found[field] += " " + line.strip()
        elif line.strip() or field:
            break
    wrong = sorted(set(FIELDS) ^ set(found)) + [field for field in FIELDS
                                                if not found.get(field, "?")]
    number = re.match(r"\d+", found.get("minimum n", ""))
    if wrong or found["direction"] not in DIRECTIONS or not number:
        got = ", ".join(wrong) or f"{found['direction']} / {found['minimum n']}"
        raise KlangfarbeError(f"the fields {', '.join(FIELDS)} on the card of {name}, a direction out of {' '.join(DIRECTIONS)}"
                              ", a whole minimum n", got, "mend its docstring")
    return Card(name, **{field.replace(" ", "_"): int(number[0]) if field == "minimum n"
                         else found[field] for field in FIELDS})


def every() -> dict[str, Callable]:
    """All metrics that carry a card: ``module.function`` → the function."""
    found = {}
    for module in pkgutil.iter_modules(metrics.__path__):
        loaded = importlib.import_module(f"lib.metrics.{module.name}")
        for name, function in vars(loaded).items():
            if inspect.isfunction(
                function) and function.__module__ == loaded.__name__ and f"\n    {HEADING}\n" in (
                function.__doc__ or ""):
                found[f"{module.name}.{name}"] = function
    return dict(sorted(found.items()))


def table():
    """All cards as a DataFrame, a row a metric, columns as in :class:`Card`.  Notebook: 05."""
    return pd.DataFrame([card(function) for function in every().values()], columns=Card._fields)
