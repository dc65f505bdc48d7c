"""Sound and pictures: reading, features, the valence–arousal plane, figures."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
