"""Paths, profiles, errors, artefacts and provenance: what everything else stands on."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
