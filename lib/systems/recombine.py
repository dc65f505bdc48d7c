"""Any bridge with any decoder: the representation that one system makes of a painting or a piece,
mapped linearly into the input space of another system's decoder.

    painting ─┬─ word, caption, text ─T5─► words   ─┐              ┌─► MusicGen   (words, vector)
              ├─ CLIP ─► projection ─────► vector  ─┼─ linear map ─┼─► flow, HiFi-GAN     (fused)
    comment ──┴─ CLIP, CLIP ─► fusion ───► fused   ─┤   (ridge)    └─► diffusion        (numbers)
    piece ────── features ─► forest ─────► numbers ─┘

The linear maps are fitted to pairs of representations of the same training item, never to valence
and arousal: what arrives is what the bridge carries and a linear map can pass on.
Source: ours; "stitching" of two networks as in Lenc & Vedaldi (2015).  Notebook: 92.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.signal import features, images
from lib.systems.art2music import data, keywords, mel, train_flow, train_vocoder
from lib.systems.art2music import generate as art2music
from lib.systems.bridging import generate as bridging
from lib.systems.bridging import prompts, train_classifier
from lib.systems.mapping import data as mapping_data
from lib.systems.mapping import generate as mapping
from lib.systems.mapping import train_projection
from lib.systems.music2image import train_diffusion, train_forest

# representation → the system that makes it
BRIDGES = {"words": "bridging", "vector": "mapping", "fused": "art2music", "numbers": "music2image"}
# decoder → the bridges it was trained with
DECODERS = {"MusicGen": ("words", "vector"), "flow": ("fused",), "diffusion": ("numbers",)}
# the bridge whose space a decoder's linear map predicts
LEARNT_FROM = {decoder: own[-1] for decoder, own in DECODERS.items()}
ITEMS_FROM = 960_000  # in TEST_SEED; not those of notebook 90
TRUTH = "the truth"  # valence and arousal themselves, as a perfect bridge


@dataclass(frozen=True)
class Config:
    """Test items, and training items of the linear maps; side and seconds: ``compare.PROFILES``."""

    n_items: int = 400
    n_learnt: int = 2_000

    def __post_init__(self):
        if min(self.n_items, self.n_learnt) < 4:
            raise KlangfarbeError("four items, four to learn from", str(self), "draw more")


PROFILES = {"smoke": Config(6, 12), "mini": Config(100, 240), "gpu": Config(), "paper": Config()}


class Systems(NamedTuple):
    """The systems as their ``load`` gives them; of music2image, forest, diffusion model
    and sizes."""

    bridging: Any
    mapping: Any
    art2music: Any
    forest: Any
    painter: Any
    sizes: Any


def load(profile: str) -> Systems:
    """Every part of a profile, or its bundled miniature; each says which it is."""
    return Systems(bridging.load(profile), mapping.load(profile), art2music.load(profile),
                   artefacts.load(train_forest.NOTEBOOK, profile, "forest.skops"),
                   *train_diffusion.load(profile))


def encode(parts: Systems, pictures: np.ndarray, comments: list[str] | None,
           sounds: np.ndarray | None, rate_hz: int = 0) -> tuple[dict, list[str]]:
    """N pictures uint8 [N, H, W, 3], comments (``None``: the captioner's) and own pieces float32
    [N, samples] (``None``: no ``numbers``) as each bridge represents them, bridge → float32 [N,
    D_b] (``words``: the description's states, averaged), and the N descriptions themselves.
    """
    sizes = [len(some) for some in (pictures, comments, sounds) if some is not None]
    if len(set(sizes)) > 1:
        raise KlangfarbeError("a comment and a piece to each picture, or none at all", f"{sizes}",
                              "align them")
    seen = images.squares(pictures, parts.bridging.config.side)
    sure = train_classifier.predict(parts.bridging.classifier, seen, parts.bridging.temperature)
    leading = [train_classifier.EMOTIONS[k] for k in sure.argmax(1)]
    settings = parts.bridging.config.prompts
    said = list(prompts.generate_texts(seen, leading, parts.bridging.captioner,
                                       parts.bridging.describer, seed=settings.seed,
                                       describe_from=settings.describe_from).description)
    vectors = parts.mapping.clip.embed_pictures(images.squares(pictures, parts.mapping.side))
    shown = images.squares(pictures, parts.art2music.side)
    told = comments or parts.bridging.captioner.caption(shown, [None] * len(shown))
    felt = [", ".join(keywords.extract(comment, keywords.atelier_lexicon())) for comment in told]
    inputs = data.embed_inputs(shown, told, felt, parts.art2music.clip)
    found = {"words": mapping_data.text_targets(said, parts.mapping.generator)[:, 0],
             "vector": train_projection.predict(parts.mapping.projection,
                                                vectors).reshape(len(pictures), -1),
             "fused": train_flow.fuse(parts.art2music.stage, *inputs)}
    if sounds is not None:
        found["numbers"] = train_forest.predict(parts.forest,
                                                features.extract_many(list(sounds), 1, rate_hz))
    return {name: np.asarray(some, np.float32) for name, some in found.items()}, said


def fit_linear_map(inputs: np.ndarray, targets: np.ndarray):
    """Ridge regression from one bridge's representations [K, D_a] to another's [K, D_b], columns
    standardised, the penalty chosen by leave-one-out.
    """
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13))).fit(inputs, targets)


def map_to_decoders(test: dict, known: dict) -> dict[tuple[str, str], np.ndarray]:
    """Every bridge's test items [N, D_b] as every decoder's input, (bridge, decoder) → [N, D], by
    linear maps of known items [K, D_b]; a decoder's own bridges are passed on as they are.
    """
    inputs = {}
    for decoder, own in DECODERS.items():
        for bridge, encoded in test.items():
            if bridge in own:
                inputs[bridge, decoder] = encoded
            else:
                linear = fit_linear_map(known[bridge], known[LEARNT_FROM[decoder]])
                inputs[bridge, decoder] = linear.predict(encoded)
    return inputs


def decode(parts: Systems, decoder: str, inputs: np.ndarray, *, seed: int = 0,
           seconds: float = 8.0) -> tuple[np.ndarray, int]:
    """What a decoder makes of its own inputs [N, D]: (sounds float32 [N, samples], their rate), or
    (pictures uint8 [N, H, W, 3], 0).
    """
    inputs = np.asarray(inputs, np.float32)
    if decoder == "MusicGen":
        player = parts.mapping.generator
        vectors = inputs.reshape(len(inputs), inputs.shape[1] // player.width, -1)
        return mapping.generate_music(player, vectors, parts.mapping.config, seed,
                                      seconds=seconds), player.sample_rate_hz
    if decoder == "flow":
        made = train_flow.sample(parts.art2music.stage, inputs, parts.art2music.config, seed=seed,
                                 seconds=seconds)
        return train_vocoder.vocode(parts.art2music.vocoder, mel.to_ln(made)), mel.RATE_HZ
    if decoder == "diffusion":
        return train_diffusion.generate(parts.painter, np.clip(inputs, -1, 1), parts.sizes, seed), 0
    raise KlangfarbeError(f"a decoder out of {', '.join(DECODERS)}", repr(decoder), "name one")


def variance_components(truth: np.ndarray, found: np.ndarray, score) -> dict[str, float]:
    """Who decides how much arrives of the truth [N, 2] in what was found [N, B, D, 2]: the standard
    deviation of the means by score of B ``bridges`` and D ``decoders``, and the ``rest``.
    """
    table = np.array([[score(truth, found[:, b, d]) for d in range(found.shape[2])]
                      for b in range(found.shape[1])])
    rows, columns = table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns[None] + table.mean()
    return {"bridges": float(rows.std()), "decoders": float(columns.std()),
            "rest": float(np.sqrt(np.square(rest).mean()))}
