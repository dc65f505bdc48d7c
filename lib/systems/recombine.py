"""Any bridge with any decoder, by linear maps fitted to pairs of representations, never to valence
and arousal. Source: ours; "stitching" as in Lenc & Vedaldi (2015). Notebook: 92."""

from types import SimpleNamespace

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib.core.errors import KlangfarbeError
from lib.signal import features, images
from lib.systems import art2music, bridging, compare, mapping, music2image

# representation → the system that makes it
BRIDGES = {"words": "bridging", "vector": "mapping", "fused": "art2music", "numbers": "music2image"}
# decoder → the bridges it was trained with; linear maps lead to the last one's space
DECODERS = {"MusicGen": ("words", "vector"), "flow": ("fused",), "diffusion": ("numbers",)}
ITEMS_FROM = 960_000  # in TEST_SEED; not those of notebook 90
PROFILES = {"smoke": compare.Config(6, 12, seconds=1.0), "gpu": compare.Config(n_known=2_000),
            "mini": compare.Config(48, 240, seconds=4.0), "paper": compare.Config(n_known=2_000)}


def load(profile: str) -> SimpleNamespace:
    """Every part: ``bridging, mapping, art2music``; of music2image ``forest, painter, sizes``."""
    return SimpleNamespace(
        bridging=bridging.generate.load(profile), mapping=mapping.generate.load(profile),
        art2music=art2music.generate.load(profile), **dict(zip(
            ("forest", "painter", "sizes"), music2image.generate.load(profile), strict=True)))


def encode(parts, pictures: np.ndarray, comments: list[str] | None,
           sounds: np.ndarray | None, rate_hz: int = 0) -> tuple[dict, list[str]]:
    """N pictures uint8 [N, H, W, 3], comments (``None``: the captioner's), own pieces float32 [N,
    samples] (``None``: no ``numbers``) → (bridge → float32 [N, D_b], the N descriptions)."""
    own, settings = parts.bridging, parts.bridging.config.prompts
    seen = images.squares(pictures, own.config.side)
    sure = bridging.train_classifier.predict(own.classifier, seen, own.temperature)
    said = list(bridging.prompts.generate_texts(
        seen, [bridging.prompts.EMOTIONS[k] for k in sure.argmax(1)], own.captioner, own.describer,
        seed=settings.seed, describe_from=settings.describe_from).description)
    vectors = parts.mapping.clip.embed_pictures(images.squares(pictures, parts.mapping.side))
    shown, data = images.squares(pictures, parts.art2music.side), art2music.data
    told = comments or own.captioner.caption(shown, [None] * len(shown))
    felt = [", ".join(data.extract_keywords(some, parts.art2music.lexicon)) for some in told]
    inputs = data.embed_inputs(shown, told, felt, parts.art2music.clip)
    found = {"words": mapping.data.text_targets(said, parts.mapping.generator)[:, 0],  # averaged
             "vector": mapping.train_projection.predict(parts.mapping.projection,
                                                        vectors).reshape(len(pictures), -1),
             "fused": art2music.train_flow.fuse(parts.art2music.stage, *inputs)}
    if sounds is not None:
        found["numbers"] = music2image.train_forest.predict(
            parts.forest, features.extract_many(list(sounds), 1, rate_hz))
    return {name: np.asarray(some, np.float32) for name, some in found.items()}, said


def fit_linear_map(inputs: np.ndarray, targets: np.ndarray):
    """Ridge regression of [K, D_b] on [K, D_a], standardised, penalty by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13))).fit(inputs, targets)


def decode(parts, decoder: str, inputs: np.ndarray, *, seed: int = 0,
           seconds: float = 8.0) -> tuple[np.ndarray, int]:
    """What a decoder makes of inputs [N, D]: (sounds [N, samples], rate) or (pictures, 0)."""
    inputs = np.asarray(inputs, np.float32)
    if decoder == "MusicGen":
        player = parts.mapping.generator
        vectors = inputs.reshape(len(inputs), inputs.shape[1] // player.width, -1)
        return mapping.generate.generate_music(player, vectors, parts.mapping.config, seed,
                                               seconds=seconds), player.sample_rate_hz
    if decoder == "flow":
        own, mel = parts.art2music, art2music.mel
        made = art2music.train_flow.sample(own.stage, inputs, own.config, seed=seed,
                                           seconds=seconds)
        return art2music.train_vocoder.vocode(own.vocoder, mel.to_ln(made)), mel.RATE_HZ
    if decoder == "diffusion":
        return music2image.train_diffusion.generate(parts.painter, np.clip(inputs, -1, 1),
                                                    parts.sizes, seed), 0
    raise KlangfarbeError(f"a decoder out of {', '.join(DECODERS)}", repr(decoder), "name one")
