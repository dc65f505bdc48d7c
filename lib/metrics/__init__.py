"""Measures, judges and statistics; each says what it estimates and what it cannot see."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
