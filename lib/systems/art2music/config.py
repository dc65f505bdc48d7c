"""Settings of every stage, by profile; the defaults are the published ones, the flow's are ours.
Source: Hong et al. §III-A.5, §IV-A.1 and 2; Kong, Kim & Bae (2020), "HiFi-GAN"."""

import functools
from dataclasses import dataclass, replace

from lib.core.errors import KlangfarbeError
from lib.signal import audio
from lib.systems import interface


@dataclass(frozen=True)
class DataConfig:
    """Which collection, and how much of it. ArtiCaps: 455,000 comments on 80,000 works, of which
    443,662 are matched with 4,717 clips and 50,000 are trained on; here, whatever is at hand."""
    collection: str = "published"  # ArtEmis and MusicCaps; else "atelier"
    n_paintings: int = 0  # of the atelier, with so many comments each, and so many clips
    comments_each: int = 0
    n_clips: int = 0
    n_triplets: int = 50_000  # drawn from the matched ones; 0: all
    seconds: float = 10.4  # of a clip: the published 896 mel frames
    side: int = 224  # of the paintings, in pixels
    sentence_encoder: str = "sentence-transformers/paraphrase-TinyBERT-L6-v2"
    keyword_encoder: str = "sentence-transformers/all-MiniLM-L6-v2"  # of Figure 1
    split: str = "published"  # by triplet; "corrected": by painting and by clip
    # what the leak linter finds in that split and is trained on all the same
    accepted: tuple[str, ...] = ("group_in_two_splits", "clip_reused_across_splits")


@dataclass(frozen=True)
class DecoderConfig:
    """Stage 1: the projector and the BiLSTM decoder."""
    hidden: int = 512  # H of the projector
    lstm: int = 512  # hidden units each way
    layers: int = 4
    at_once: int = 1  # mel frames per step of the LSTM
    seconds: float = 10.4
    high_weight: float = 1.5  # loss weight of the highest band; 1 is plain L1
    trains_projector: bool = True  # False: the optimiser holds the decoder alone, as released
    learning_rate: float = 1e-4
    batch_size: int = 32
    epochs: int = 10
    max_norm: float = 1.0  # of the gradient


@dataclass(frozen=True)
class FlowConfig:
    """The flow, our generative alternative to the decoder."""
    hidden: int = 512
    channels: int = 384
    blocks: int = 10
    at_once: int = 8  # mel frames per patch
    components: int = 128  # principal components kept of a patch
    seconds: float = 10.4  # of a training clip; any length can be generated
    learning_rate: float = 1e-3
    warm_up: int = 100
    batch_size: int = 32
    n_steps: int = 20_000
    decay: float = 0.999  # of the exponential moving average that generates
    max_norm: float = 1.0
    p_null: float = 0.15  # share of items whose h is shown as zeros, which guidance compares with
    guidance: float = 3.0
    n_euler: int = 32  # steps from noise to mel


@dataclass(frozen=True)
class VocoderConfig:
    """Stage 2: HiFi-GAN. The paper fine-tunes one and says neither which nor for how long: V1, its
    settings (Kong et al.) and the steps are our reading. Its authors publish pickles: convert one,
    or train from scratch."""
    size: str = "v1"  # out of lib.models.hifigan.SIZES
    channels: int = 0  # of the generator's first layer; 0: its size's own
    # what is trained on: "miniature", or a folder or hub name of a generator as model.safetensors,
    # in the original's parameter names (checkpoints.convert_original makes it); "": from scratch
    initial: str = ""
    segment: int = 8192  # samples of a training window, a multiple of the hop
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.99)
    decay: float = 0.999  # of the learning rate, per thousand steps
    cosine: bool = False  # instead, a warm-up and half a cosine over all steps
    warm_up: int = 0
    batch_size: int = 16
    n_steps: int = 500_000
    max_norm: float = 1e3
    w_mel: float = 45.0
    w_feature: float = 2.0
    w_spectral: float = 0.0  # of the spectral losses, not published
    critics_from: int = 0  # step at which the discriminators begin to take part
    critic_width: int = 32
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: int = 3
    predicted_share: float = 0.5  # of windows whose input is the predicted mel, not the true one

    def __post_init__(self):
        if self.segment % audio.MEL["hop_length"] or not 0 <= self.predicted_share <= 1:
            raise KlangfarbeError("segments of whole hops, a share in [0, 1]", str(self),
                                  "segment=8192 is the published one")


@dataclass(frozen=True)
class Config:
    """The whole system."""
    data: DataConfig = DataConfig()
    decoder: DecoderConfig = DecoderConfig()
    flow: FlowConfig = FlowConfig()
    vocoder: VocoderConfig = VocoderConfig()
    test_paintings: int = 5_000  # one comment each
    test_clips: int = 0  # of the atelier, that they are matched with
    n_others: int = 20  # references a sound is held against for chance in MCD and LSD; 0: all
    embedder: str = "vggish"  # of FAD, KAD and the cosine; out of lib.metrics.embedders.EMBEDDERS
    rival: str = "facebook/musicgen-small"  # timed beside this system in notebook 45
    smallest_share: float = 0.2  # of the triplets: 10,000 of 50,000
    # whose vocoder plays notebook 45's mels and whose flow is judged in 46; "": the profile's own
    played_by: str = ""
    image_text: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    captioner: str = "Salesforce/blip-image-captioning-large"
    side: int = 224  # paintings are cut square and resized to this when music is generated


_ATELIER = DataConfig("atelier", comments_each=6, n_triplets=0, side=128, split="corrected",
                      sentence_encoder="miniature", keyword_encoder="miniature", accepted=())
_DECODER = DecoderConfig(hidden=64, lstm=32, at_once=8, learning_rate=2e-3)
_FLOW = FlowConfig(hidden=64, channels=64, blocks=6, components=48, learning_rate=3e-3, warm_up=30,
                   decay=0.99, n_euler=16)
_VOCODER = VocoderConfig("small", segment=12_288, cosine=True, w_spectral=45.0, critic_width=4,
                         periods=(2, 5, 11), scales=2, max_norm=100.0, batch_size=8)
_TUNED = replace(_VOCODER, initial="miniature")
_SMALL = Config(embedder="tagger", rival="miniature", smallest_share=0.25, image_text="miniature",
                captioner="miniature", side=128, played_by="bundled")

PROFILES = {
    "smoke": replace(
        _SMALL, data=replace(_ATELIER, n_paintings=20, comments_each=2, n_clips=20, seconds=1.0),
        decoder=replace(_DECODER, lstm=16, seconds=1.0, epochs=2),
        flow=replace(_FLOW, channels=16, components=8, n_euler=4, seconds=1.0, n_steps=6),
        vocoder=replace(_TUNED, segment=4096, batch_size=2, n_steps=3, critics_from=2),
        test_paintings=12, test_clips=16),
    "mini": replace(
        _SMALL, data=replace(_ATELIER, n_paintings=400, comments_each=2, n_clips=240, seconds=5.0),
        decoder=replace(_DECODER, seconds=5.0), flow=replace(_FLOW, seconds=5.0, n_steps=800),
        vocoder=replace(_TUNED, n_steps=24, critics_from=16), test_paintings=64, test_clips=96),
    "gpu": Config(replace(_ATELIER, n_paintings=8_000, n_clips=4_000),
                  vocoder=VocoderConfig(n_steps=20_000), test_paintings=600, test_clips=600,
                  embedder="tagger", n_others=0, smallest_share=0.25),
    "paper": Config()}
# the bundled vocoder, which notebook 43 continues to train
MINIATURE_VOCODER = replace(_VOCODER, n_steps=4500, learning_rate=2e-3, warm_up=100,
                            critics_from=3500, predicted_share=0.0)
DATA_NAMES = {"atelier": "atelier", "published": "ArtEmis, MusicCaps (real)"}  # in the ledger
get_config = functools.partial(interface.get_config, PROFILES)  # of a profile's name
