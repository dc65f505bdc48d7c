"""Real collections, a file each: ``URL``, ``LICENCE``, ``WHERE`` and ``manifest(folder)``.

An adapter takes the folder as its publisher ships it, converts valence and arousal to [−1, 1] and
opens no sound and no picture; ``path`` is null where a file is not there. What is known of each
collection stands in data/README.md, "Cards".
"""

import pkgutil

import lazy_loader

NAMES = ("deam", "emomusic", "pmemo", "emotify", "vgmidi", "oasis", "wikiart_emotions", "cgna10766",
         "mirex", "imemnet", "melbench", "artemis", "musiccaps", "art2mus")
__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
