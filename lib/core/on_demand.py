"""Imports no larger than what is used: packages whose modules load when first asked for, as
``signal.audio`` is behind ``from lib import signal``; libraries without what they would load
beside themselves."""

import contextlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import lazy_loader

COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def submodules(package: str, path: Iterable[str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package with this name and ``__path__``."""
    return lazy_loader.attach(package, [module.name for module in pkgutil.iter_modules(path)])[0]


def unmarked(function: Callable | None = None, *_, **__):
    """A decorator, with settings or without, that changes nothing."""
    return function or unmarked


@contextlib.contextmanager
def light(library: str, *absent: str) -> Iterator[None]:
    """For the import of a `library`, unless it has begun elsewhere: in this block the packages
    `absent` look as if they were not installed, and torch's compiler, which diffusers and timm
    load to mark functions for it, is a stand-in that marks nothing: for networks that nobody
    compiles, a second or two of a command's start."""
    if library in sys.modules:  # it has looked around already, and knows what there is
        yield
        return
    compiler = ModuleType(COMPILER[0])
    vars(compiler).update(dict.fromkeys(("allow_in_graph", "disable", "is_compile_supported"),
                                        unmarked))
    stand_ins: dict[str, Any] = dict.fromkeys(absent) | {
        name: compiler for name in COMPILER if COMPILER[0] not in sys.modules}
    loaded = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(loaded)
