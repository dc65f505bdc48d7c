"""Metric cards: what each metric estimates, in which direction it is better, and what it cannot
see, read from its own docstring.

A card is the docstring's block ``Card:``: fields ``name: text``, each on a new line (continued
lines are indented further) or after " · ".  Notebook: 05.
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
BLOCK = re.compile(r"^Card:\n((?: {4}.*\n?)+)", re.MULTILINE)
FIELD = re.compile(r"(?:^ {4}| · )(\w[\w ]*?): +", re.MULTILINE)


class Card(NamedTuple):
    """One metric's card."""

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
        """+1 where more is better (↑), −1 where less is (↓), 0 where neither (–)."""
        return DIRECTIONS[self.direction]


def card(function: Callable) -> Card:
    """The card in a metric's docstring.

    Raises:
        KlangfarbeError: no card, a field missing, empty or unknown, or no such direction.
    """
    name = f"{function.__module__.removeprefix('lib.metrics.')}.{function.__name__}"
    block = BLOCK.search(inspect.getdoc(function) or "")
    if not block:
        raise KlangfarbeError(f"a metric card in the docstring of {name}", "none",
                              f"write the block 'Card:' with {', '.join(FIELDS)}")
    _, *parts = FIELD.split(block[1])
    found = {field: " ".join(text.split()) for field, text in zip(parts[::2], parts[1::2],
                                                                  strict=True)}
    wrong = sorted(set(FIELDS) ^ {field for field, text in found.items() if text})
    number = re.match(r"\d+", found.get("minimum n", ""))
    if wrong or found["direction"] not in DIRECTIONS or not number:
        got = ", ".join(wrong) or f"{found['direction']} / {found['minimum n']}"
        raise KlangfarbeError(f"the fields {', '.join(FIELDS)} on the card of {name}, a direction "
                              f"out of {' '.join(DIRECTIONS)}, a whole minimum n", got,
                              "mend its docstring")
    found["minimum n"] = int(number[0])
    return Card(name, *(found[field] for field in FIELDS))


def every() -> dict[str, Callable]:
    """All metrics that carry a card: ``module.function`` → the function."""
    found = {}
    for module in pkgutil.iter_modules(metrics.__path__):
        loaded = importlib.import_module(f"lib.metrics.{module.name}")
        for name, function in vars(loaded).items():
            if (inspect.isfunction(function) and function.__module__ == loaded.__name__
                    and "\n    Card:\n" in (function.__doc__ or "")):
                found[f"{module.name}.{name}"] = function
    return dict(sorted(found.items()))


def table() -> pd.DataFrame:
    """All cards, a row a metric, columns as in :class:`Card`."""
    return pd.DataFrame([card(function) for function in every().values()], columns=Card._fields)
