"""What trainings share: the loop, MusicGen's loss, the count of FLOPs."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
