"""Generate Image from Music Emotion (Zhang): a piece of music becomes a picture by way of valence
and arousal. Start reading at :mod:`.generate`.
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
