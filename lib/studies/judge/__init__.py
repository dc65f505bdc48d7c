"""A language model as a judge of painting, comment and music, and controls that show whether it can
be believed. A refused or unreadable answer is counted and left out.
Source: Hong et al. §IV-C, Tables VIII and IX; the controls are ours.  Notebook: 46."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
