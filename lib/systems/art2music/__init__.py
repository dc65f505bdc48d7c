"""Art2Music (Hong et al.): painting and comment, fused vector, mel, sound. Begin: ``generate``."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
