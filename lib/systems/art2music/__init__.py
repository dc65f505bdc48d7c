"""System 4, Art2Music: a painting and a comment become a fused vector, a mel-spectrogram and sound.

    painting ──CLIP──► v ─┐
    comment  ──CLIP──► u ─┴─► gated residual projector ─► h ─► BiLSTM decoder ─► mel [−1, 1] ──mel.py──► ln-mel ─► HiFi-GAN ─► sound
                              models/feeling.py                                                           models/hifigan.py

What stands: the networks and the one mel between them. Not yet: data, training, notebooks, ``hear``.

Source: texts 003 and 004, "Art2Music".
"""
