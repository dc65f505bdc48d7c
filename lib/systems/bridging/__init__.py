"""Bridging Paintings and Music (Hisariya & Liang): a painting becomes music by way of an emotion word,
a caption and a musical description. Begin with :mod:`.generate`.
"""
