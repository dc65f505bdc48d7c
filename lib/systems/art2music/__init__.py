"""System 4, Art2Music: a painting and a comment become a fused vector, a mel-spectrogram and sound.

    painting ──CLIP──► v ─┐
    comment  ──CLIP──► u ─┴─► gated residual projector ─► h ─► BiLSTM decoder ─► mel [−1, 1] ──mel.py──► ln-mel ─► HiFi-GAN ─► sound
                              models/feeling.py                                                           models/hifigan.py

What stands: ArtiCaps (articaps.py, matching.py, keywords.py, consistency.py), the mel between the stages (mel.py), both stages and a flow
(decoder.py, flow.py, vocoder.py), what they read (supply.py), the examination (exam.py). Not yet: notebooks 40 and 42 to 46, ``hear``.

Source: texts 003 and 004, "Art2Music".
"""
