"""The four systems; in each ``train_<network>.py`` (build, train_step, train), ``generate.py`` …"""

import pandas as pd

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)

SYSTEMS = {
    "bridging": {"system": "Bridging Paintings and Music", "in → out": "painting → music",
                 "bridge": "emotion word, caption, musical description", "decoder": "MusicGen"},
    "mapping": {"system": "Cross-modal embedding mappings", "in → out": "image → music",
                "bridge": "a 1024-d conditioning vector", "decoder": "MusicGen"},
    "music2image": {"system": "Generate Image from Music Emotion", "in → out": "music → picture",
                    "bridge": "valence and arousal", "decoder": "WGAN-GP; diffusion"},
    "art2music": {"system": "Art2Music", "in → out": "painting + comment → music",
                  "bridge": "fused CLIP vector", "decoder": "BiLSTM mel → HiFi-GAN"}}


def table() -> pd.DataFrame:
    """The four systems by their source texts, as the README and notebook 00 print them."""
    return pd.DataFrame([{"module": name, **facts} for name, facts in SYSTEMS.items()])
