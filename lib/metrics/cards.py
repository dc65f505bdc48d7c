"""What each metric estimates, in which direction it is better, and what it cannot see: the
paragraph ``Card:`` of its docstring, ``name: text`` on a new line or after " · ".  Notebook: 05."""

import importlib
import inspect
import pkgutil
import re
from collections import namedtuple
from collections.abc import Callable

from lib import metrics
from lib.core.errors import KlangfarbeError

FIELDS = ("estimates", "direction", "range", "unit", "input", "aggregation", "blind to",
          "minimum n", "source")
DIRECTIONS = {"↑": 1, "↓": -1, "–": 0}
BLOCK = re.compile(r"^Card:(.+?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
FIELD = re.compile(rf"(?:^|·)\s*({'|'.join(FIELDS)}):\s", re.MULTILINE)


# sign: +1 where more is better, −1 where less is, 0 where neither
Card = namedtuple("Card", ("name", *(field.replace(" ", "_") for field in FIELDS), "sign"))


def card(function: Callable) -> Card:
    """The card in a metric's docstring; refused where a field is missing or has no meaning."""
    name = f"{function.__module__.removeprefix('lib.metrics.')}.{function.__name__}"
    block = BLOCK.search(inspect.getdoc(function) or "")
    _, *parts = FIELD.split(block[1] if block else "")
    found = {name: " ".join(text.removesuffix("·").split())
             for name, text in zip(parts[::2], parts[1::2], strict=True)}
    number = re.match(r"\d+", found.get("minimum n", ""))
    if not number or found.get("direction") not in DIRECTIONS or not all(map(found.get, FIELDS)):
        raise KlangfarbeError(f"on the card of {name} the fields {', '.join(FIELDS)}, a direction "
                              f"out of {' '.join(DIRECTIONS)}", str(found), "mend its docstring")
    values: dict = found | {"minimum n": int(number[0])}
    return Card(name, *map(values.get, FIELDS), DIRECTIONS[found["direction"]])


def every() -> list[Card]:
    """The cards of all metrics, by name."""
    modules = [importlib.import_module(f"lib.metrics.{module.name}")
               for module in pkgutil.iter_modules(metrics.__path__)]
    return [card(function) for module in modules
            for _, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__
            and BLOCK.search(inspect.getdoc(function) or "")]
