"""A language model as a judge of painting, comment and music, and controls that show whether it can
be believed. A refused or unreadable answer is counted and left out.
Source: Hong et al. §IV-C, Tables VIII and IX; the controls are ours.  Notebook: 46."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
