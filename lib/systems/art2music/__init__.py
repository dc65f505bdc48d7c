"""Art2Music (Hong et al.): a painting and a comment become a fused vector, a mel-spectrogram and
sound. Begin with :mod:`.generate`.
"""
