"""Generate Image from Music Emotion (Zhang): music becomes a point, the point a picture."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
