"""Bridging Paintings and Music (Hisariya & Liang): a painting becomes music by way of an emotion
word, a caption and a musical description. Start reading at :mod:`.generate`.
"""
