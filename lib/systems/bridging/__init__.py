"""Bridging Paintings and Music (Hisariya & Liang): a painting becomes music by way of an emotion
word, a caption and a musical description. Start reading at :mod:`.generate`."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
