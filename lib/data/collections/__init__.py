"""Readers of real collections, from a folder as its publisher ships it to a manifest's columns;
registry.py calls them, and data/README.md says what is known of each."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
