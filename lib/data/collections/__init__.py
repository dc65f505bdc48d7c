"""Real collections, a file each: ``CARD`` (its data card) and ``manifest(folder)`` (its rows,
labels on one scale).

An adapter takes the folder as its publisher ships it, says exactly which file is missing and where
to get it, converts
valence and arousal once, and opens no sound and no picture: ``lib.data.manifest.build`` does that.
"""

NAMES = ("deam", "emomusic", "pmemo", "emotify", "vgmidi", "oasis", "wikiart_emotions", "cgna10766",
         "mirex", "imemnet", "melbench", "artemis", "musiccaps", "art2mus")
