"""Learning cross-modal embedding mappings (Deepika): picture, one vector, music."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
