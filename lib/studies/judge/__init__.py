"""A language model as a judge of painting, comment and music, and controls that show whether it can
be believed.

    painting, comment, sound ──the published prompt──► backend ──JSON──► validated rating 0–10
    the same with another sound, silence, another order, once more ──► control scores

rating.py: prompt and form · backends.py, local.py: whom to ask · collect.py: asking without losing
an answer · controls.py: cases and scores. A refused or unreadable answer is counted and left out.

Source: Hong et al. §IV-C, Tables VIII and IX; the controls are ours.  Notebook: 46.
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
