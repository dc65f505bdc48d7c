"""Collections as one manifest: the atelier (made here), real ones (adapters), splits."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
