"""System 1, Bridging Paintings and Music: a painting becomes music by way of an emotion word, a caption and a musical description."""
