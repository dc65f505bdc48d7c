"""Settings of every stage; the defaults are the published ones. Source: Hisariya & Liang §IV.A to D
(networks, fine-tuning), §V.A (data), §V.B (evaluation), §V.C (training)."""

import functools
from dataclasses import dataclass, replace

from lib.core.errors import KlangfarbeError, one_of
from lib.systems import interface
from lib.systems.bridging.original_code import FAULTS

TEXT_COLUMNS = {"m1": "emotion", "m2": "caption", "m3": "description", "m4": "description"}
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
HOW = ("published", "corrected")


@dataclass(frozen=True)
class DataConfig:
    """How much data, and how long a segment is; 193 pieces of 187 s give the published 1,200."""
    origin: str = "published"  # or "atelier"
    n_paintings: int = 1200
    n_pieces: int = 193
    piece_seconds: float = 187.0  # of the atelier
    segment_seconds: float = 30.0
    how: str = "published"  # "corrected" splits pieces and painters before pairing

    def __post_init__(self):
        one_of(HOW, self.how, "a split")


@dataclass(frozen=True)
class ClassifierConfig:
    """The network and its training; the paper gives neither widths nor rates, these are ours."""
    backbone: str = "resnet50"
    sequence: str = "grid"  # "single": the released code's
    hidden: int = 256
    heads: int = 8
    dropout: float = 0.5
    width: int = 64  # of the ResNet50's narrow convolutions, or of the small one's first
    initial: str = "timm/resnet50.tv_in1k"  # folder or hub name of its weights; "": none
    n_paintings: int = 1200  # of the atelier
    n_steps: int = 900
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warm_up: int = 50
    bfloat16: bool = False  # of the residual network while training
    balanced: bool = False  # every class is drawn equally often
    every: int = 100  # steps between checkpoints and validations


@dataclass(frozen=True)
class PromptConfig:
    """The two networks that write, as sources of :func:`lib.pretrained.load`."""
    captioner: str = "Salesforce/blip-image-captioning-large"
    describer: str = "tiiuae/falcon-rw-1b"
    describe_from: str = "caption"  # or "word": the word, and the caption without lead and feelings
    seed: int | None = None  # of drawn descriptions; None: the likeliest one


@dataclass(frozen=True)
class MusicGenConfig:
    """One fine-tuning and its sampling; the defaults are Model 4's."""
    model: str = "m4"  # m1 to m4, which names the text column
    start: str = "facebook/musicgen-small"
    stored: bool = True  # states and codes of whole texts and fixed chunks are computed once
    chunk: str = "fixed"  # a segment's first clip_seconds; or "random"
    word_dropout: float = 0.0  # share of a text's words left out
    dropped: float = 0.0  # share of conditions left out
    # parts that do not train. "We freeze the initial layer" (§IV.D, of M4 alone) names none; read
    # as the one that T5's states come in by, whose output storing fixes
    frozen: tuple[str, ...] = ("enc_to_dec_proj",)
    faults: tuple[str, ...] = ()  # out of original_code.FAULTS
    accumulate: int = 1  # micro-batches a step
    lora: int = 0  # rank; 0: every weight trains
    bfloat16: bool = False
    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-4
    warm_up: int = 100
    max_norm: float = 1.0
    clip_seconds: float = 30.0
    top_k: int = 250
    temperature: float = 1.0
    guidance: float = 3.0  # 1 switches it off
    n_at_once: int = 16  # texts sampled in one batch
    every: int = 60  # steps between checkpoints; here an epoch

    def __post_init__(self):
        if unknown := {self.model, *self.faults} - {*TEXT_COLUMNS, *FAULTS}:
            raise KlangfarbeError(f"a model out of {', '.join(TEXT_COLUMNS)} and faults out of "
                                  f"{', '.join(FAULTS)}", ", ".join(unknown), "mend the spelling")
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise KlangfarbeError("a batch_size that accumulate divides",
                                  f"{self.batch_size} and {self.accumulate}", "4 × 4, say")

    def for_model(self, model: str) -> "MusicGenConfig":
        """These settings for M4, or for M1 to M3, which follow MusicGen's own recipe."""
        if model == "m4":
            return replace(self, model=model, stored=True, chunk="fixed", word_dropout=0.0,
                           dropped=0.0)
        return replace(self, model=model, stored=False, chunk="random", word_dropout=0.3,
                       dropped=0.1, frozen=())


@dataclass(frozen=True)
class EvaluationConfig:
    """The networks that measure; the bundled tagger predicts valence and arousal everywhere."""
    embedder: str = "vggish"  # of FAD and KAD, a name of lib.metrics.embedders
    classes: str = "panns"  # of the paired KL, which is ours: the paper names no classifier
    text_audio: str = "laion/clap-htsat-unfused"  # of CLAP, a source of lib.pretrained.load


@dataclass(frozen=True)
class Config:
    """The whole chain."""
    model: str = "m4"  # which of the four fine-tuned decoders plays
    side: int = 384  # a painting is cut square and resized to this; BLIP-large sees 384
    data: DataConfig = DataConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    prompts: PromptConfig = PromptConfig()
    music: MusicGenConfig = MusicGenConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seeds: tuple[int, ...] = (0,)  # of M1 to M4's trainings; the first is played, all are compared
    test_paintings: int = 120  # a multiple of five, as many of each emotion; a tenth of 1,200 pairs
    test_seconds: float = 30.0
    bundled: bool = False  # what was not trained at this profile is bundled, else refused


_CLASSIFIER = ClassifierConfig(backbone="small", initial="", heads=4, dropout=0.3, width=24,
                               learning_rate=2e-3, bfloat16=True)
_PROMPTS = PromptConfig(captioner="miniature", describer="miniature", describe_from="word")
_EVALUATION = EvaluationConfig("tagger", "tagger", "miniature")
_DATA = DataConfig("atelier", how="corrected")
# At 1e-4 and 6e-4 M4's validation loss falls less in two epochs than at 3e-4. Nothing is frozen:
# so M4's difference from M3 stays that of storing, and the stored runs stay comparable.
_MUSIC = MusicGenConfig(start="miniature", bfloat16=True, learning_rate=3e-4, batch_size=8,
                        frozen=(), every=20)

PROFILES = {
    "smoke": Config(
        side=128, prompts=_PROMPTS, test_paintings=15, test_seconds=2.0, bundled=True,
        evaluation=_EVALUATION, seeds=(0, 1),
        data=replace(_DATA, n_paintings=50, n_pieces=25, piece_seconds=4.0, segment_seconds=2.0),
        classifier=replace(_CLASSIFIER, hidden=16, width=8, n_paintings=100, n_steps=12, warm_up=4,
                           every=6),
        music=replace(_MUSIC, epochs=1, warm_up=2, clip_seconds=2.0)),
    "mini": Config(
        side=128, prompts=_PROMPTS, test_paintings=50, test_seconds=5.0, bundled=True,
        evaluation=_EVALUATION, seeds=(0, 1, 2),
        data=replace(_DATA, n_paintings=150, n_pieces=50, piece_seconds=30.0, segment_seconds=10.0),
        classifier=replace(_CLASSIFIER, hidden=32, n_paintings=2000, n_steps=400),
        music=replace(_MUSIC, epochs=2, warm_up=4, clip_seconds=5.0, n_at_once=60)),
    "gpu": Config(
        prompts=_PROMPTS, data=_DATA, test_paintings=500, evaluation=_EVALUATION,
        classifier=ClassifierConfig(initial="", n_paintings=20_000, batch_size=64, n_steps=6000,
                                    learning_rate=3e-4, bfloat16=True, every=1000),
        music=MusicGenConfig(bfloat16=True, epochs=10, frozen=())),
    "paper": Config()}
get_config = functools.partial(interface.get_config, PROFILES)  # of a profile's name
