"""Settings of every stage; the defaults are the published ones. Ours: the critic's learning rate,
the parts of a batch; Study I's λ₃ stands in Table 5.1 only. Source: Deepika §4.2.3, §4.3.2,
§4.3.4, §4.3.5, §5.1, §5.4, Table 5.1."""

import functools
from dataclasses import dataclass, replace
from typing import Any

from lib.core.errors import KlangfarbeError
from lib.systems import interface

RANGE_80_DB = 9.21  # 80 dB in nats of amplitude: what spectrograms scaled to [0, 1] usually span


@dataclass(frozen=True)
class DataConfig:
    """Which data, and how much of it."""
    origin: str = "published"  # IMEMNet and MELBench; or "atelier"
    n_pairs: int = 15_000  # of both collections, half from each (the text also has 13,000, 187k)
    clip_seconds: float = 10.0
    n_views: int = 4  # stored versions of a picture: itself and augmented ones
    image_side: int = 224
    pictures_per_sound: int = 2  # pictures of one emotion that share a sound


@dataclass(frozen=True)
class ProjectionConfig:
    """One projection, its training and the sampling from it; the defaults are Study II's."""
    study: str = "two"  # or "one": the network
    n_tokens: int = 1  # vectors the music model attends to
    hidden: int = 768
    heads: int = 12
    dropout: float = 0.1
    latent: str = "mae"  # or "mse"
    mel: str = "mae"  # or "mse", of ln-mels in units of `mel_unit` nats
    mel_unit: float = RANGE_80_DB
    gain: float = 1.0  # of Study I's last LayerNorm at the start; the targets' scale saves steps
    w_latent: float = 1.0  # a weight of 0 leaves a loss out
    w_mel: float = 0.5
    w_adversarial: float = 0.2
    w_features: float = 0.1
    audible: int = 64  # items of a batch that are decoded to sound, `window_seconds` of each
    window_seconds: float = 10.0
    learning_rate: float = 3e-4
    weight_decay: float = 1e-2
    critic_rate: float = 3e-4
    batch_size: int = 64
    epochs: int = 60
    patience: int = 10  # epochs without a better validation loss
    decoder_epochs: int | None = None  # so many last ones with all losses, no early stop; None: all
    max_norm: float = 1.0  # of the gradient
    accumulate: int = 16  # parts of a batch that are decoded one after the other
    bfloat16: bool = True  # of decoder, codec and critic while training (the text: AMP, §5.4)
    guidance: float = 3.0  # of MusicGen's sampling, as the next two
    top_k: int = 250
    temperature: float = 1.0
    n_at_once: int = 64  # clips of 10 s in one batch, at most: .2 GB of cache each

    def __post_init__(self):
        weights = self.w_latent + self.w_mel + self.w_adversarial + self.w_features
        if self.study not in ("one", "two") or {self.latent, self.mel} - {"mae", "mse"} \
                or not weights > 0 or min(self.n_tokens, self.accumulate) < 1:
            raise KlangfarbeError("study one or two, mae or mse, a loss with a weight, a token, "
                                  "a part",
                                  f"{self}", "leave out what you changed")

    @property
    def uses_decoder(self) -> bool:
        """Whether a loss goes through the music model's decoder."""
        return bool(self.w_mel or self.w_features or (self.w_adversarial and self.study == "two"))

    @property
    def sampling(self) -> dict:
        """What MusicGen's sampling takes."""
        return {"top_k": self.top_k, "temperature": self.temperature, "guidance": self.guidance}


_STUDY_ONE = ProjectionConfig(study="one", mel="mse", w_features=0.0, audible=32,
                              learning_rate=1e-4, weight_decay=1e-3, batch_size=32, epochs=100,
                              accumulate=8)


@dataclass(frozen=True)
class Config:
    """The whole chain."""
    clip: str = "openai/clip-vit-base-patch32"
    generator: str = "facebook/musicgen-small"
    captioner: str = "Salesforce/blip2-opt-2.7b"
    describer: str = "meta-llama/Llama-3.1-8B-Instruct"
    text_audio: str = "laion/clap-htsat-unfused"  # IMSM's ("PANNs or CLAP"); ours needs words, too
    embedder: str = "clap"  # FAD's, of lib.metrics.embedders ("CLAP and PANNs", which is wider)
    side: int = 224  # a picture is cut square and resized to this before CLIP sees it
    data: DataConfig = DataConfig()
    study_one: ProjectionConfig = _STUDY_ONE
    study_two: ProjectionConfig = ProjectionConfig()


# At 3e-4 the critic soon knows every real sound and pulls the vector off (cosine .61 for .64).
_WHOLE = {"accumulate": 1, "bfloat16": False}
_ONE, _TWO = replace(_STUDY_ONE, **_WHOLE), ProjectionConfig(**_WHOLE)
_DATA = DataConfig("atelier", n_pairs=13_000, image_side=128)
# what knows the atelier: who writes about its paintings and measures its music
_ATELIER: dict[str, Any] = {"captioner": "miniature", "describer": "miniature",
                            "text_audio": "miniature", "embedder": "tagger"}
_MINIATURES = Config(clip="miniature", generator="miniature", side=128, **_ATELIER)
PROFILES = {
    "smoke": replace(
        _MINIATURES,
        data=replace(_DATA, n_pairs=60, clip_seconds=2.0, n_views=2, image_side=64),
        study_one=replace(_ONE, hidden=48, heads=4, gain=0.1, audible=2, window_seconds=0.5,
                          critic_rate=1e-4, epochs=2),
        study_two=replace(_TWO, hidden=48, heads=4, audible=4, window_seconds=1.0, epochs=2)),
    "mini": replace(
        _MINIATURES, data=replace(_DATA, n_pairs=600, clip_seconds=8.0),
        study_one=replace(_ONE, gain=0.1, audible=2, window_seconds=0.5, critic_rate=1e-4,
                          epochs=8, learning_rate=1e-3),
        study_two=replace(_TWO, audible=4, window_seconds=0.5, critic_rate=1e-4, epochs=24,
                          learning_rate=1e-3)),
    "gpu": Config(**_ATELIER, data=_DATA, study_one=replace(_ONE, audible=16, window_seconds=4.0),
                  study_two=replace(_TWO, audible=16, window_seconds=4.0)),
    "paper": Config()}
get_config = functools.partial(interface.get_config, PROFILES)  # of a profile's name
