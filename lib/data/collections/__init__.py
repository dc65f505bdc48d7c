"""Readers of real collections, from a folder as its publisher ships it to a manifest's columns.

They open no sound and no picture. ``registry.COLLECTIONS[name].manifest(folder)`` calls them; what
is known of each collection stands in data/README.md, "Cards".
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
