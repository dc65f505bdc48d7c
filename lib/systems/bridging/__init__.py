"""Bridging Paintings and Music (Hisariya & Liang): painting, word, caption, description, music."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
