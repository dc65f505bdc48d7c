"""Learning cross-modal embedding mappings (Deepika): picture, one vector, music."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
