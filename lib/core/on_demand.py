"""Packages whose modules load when they are first asked for, as ``signal.audio`` is behind
``from lib import signal``."""

import pkgutil
from collections.abc import Callable, Iterable
from typing import Any

import lazy_loader


def submodules(package: str, path: Iterable[str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package with this name and ``__path__``."""
    return lazy_loader.attach(package, [module.name for module in pkgutil.iter_modules(path)])[0]
