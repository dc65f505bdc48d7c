"""Readers of real collections, from a folder as its publisher ships it to a manifest's columns;
registry.py calls them, and data/README.md says what is known of each."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
