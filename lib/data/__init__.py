"""Collections as one manifest: the atelier (made here), real ones (adapters), splits."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
