"""How each bundled miniature was made: ``python -m lib miniature NAME`` makes it again from its seed."""

from collections.abc import Callable
from dataclasses import dataclass

from lib import artefacts, paths, repro

SEED = 0
LISTENER_SEED = 4  # the listening miniatures' own collection: no generator trains on it and nothing is tested on it
CLIP_SECONDS = 10.0
N_TRAIN, N_CHOICE, N_TEST = 3600, 300, 400  # clips: to train, to choose settings by, to report (of TEST_SEED)


@dataclass(frozen=True)
class Recipe:
    """A miniature's recipe: what it is for, the files it makes below ``data/miniatures/``, and the function that makes them."""

    what: str
    files: tuple[str, ...]
    make: Callable[[], None]


def make_picture_judge() -> None:
    """The independent judge: kernel ridge over colour and texture of 1,000 atelier pictures of ``JUDGE_SEED``."""
    from lib.data import atelier
    from lib.data.atelier import paint
    from lib.metrics import affect, judge

    pictures, truth = paint.pictures(atelier.JUDGE_SEED, range(1000), size=32)
    fitted = judge.PictureJudge().fit(pictures, truth)
    bundle("judge/picture_judge.skops", fitted.estimator, repro.content_hash(pictures))
    fresh, fresh_truth = paint.pictures(atelier.TEST_SEED, range(400), size=32)
    table = affect.agreement(fresh_truth, fitted.predict(fresh))
    artefacts.write(paths.MINIATURES / "judge" / "picture_judge.csv", table)
    print(table.round(3).to_string(index=False))


def make_forest() -> None:
    """The forest behind ``hear`` and ``paint MUSIC`` in a fresh clone, and its score on fresh pieces."""
    from lib.systems.music2image import forest

    model, score, data_hash = forest.make_miniature()
    bundle(f"{forest.NOTEBOOK}/forest.skops", model, data_hash)
    artefacts.write(paths.MINIATURES / forest.NOTEBOOK / "scores.csv", score)
    print(score.round(3).to_string(index=False))


def make_unet() -> None:
    """The neutral and the emotional diffusion model (about 50 minutes on one core, resumable)."""
    from lib.systems.music2image import pretraining

    pretraining.make()


def make_tagger() -> None:
    """The music tagger (genre, valence, arousal; embeddings for Fréchet distances): about 15 minutes on one core, resumable."""
    from functools import partial

    import torch

    from lib import foundations, training
    from lib.data import atelier
    from lib.data.atelier import factors, render
    from lib.foundations import train_tagger
    from lib.models.tagger import MusicTagger

    training.set_threads()
    torch.manual_seed(SEED)
    model = MusicTagger(len(factors.GENRES))
    mel, key = heard(partial(train_tagger.mels, model), "tagger", LISTENER_SEED, range(N_TRAIN))
    genres, felt = _truth(LISTENER_SEED, range(N_TRAIN))
    curve = train_tagger.train(model, mel, genres, felt, paths.PROCESSED / "listening" / "tagger.safetensors", seed=SEED, key=key)
    bundle("tagger/config.json", {"labels": factors.GENRES, **model.settings}, key)
    bundle("tagger/model.safetensors", _halved(model), key)
    bundle("tagger/curves.csv", _means(curve), key)
    encoder = foundations.load("tagger", device="cpu")
    sounds, felt = render.sounds(atelier.TEST_SEED, range(N_TEST), CLIP_SECONDS)
    table = _tagger_table(encoder, sounds, _truth(atelier.TEST_SEED, range(N_TEST))[0], felt, render.SAMPLE_RATE_HZ)
    bundle("tagger/heldout.csv", table, repro.content_hash(sounds))
    print(table.round(3).to_string(index=False))


def _tagger_table(encoder, sounds, genres, felt, sample_rate_hz: int):
    """What the tagger reaches on clips it never heard, as they are and spoiled, and how far FAD moves with the spoiling."""
    import numpy as np
    import pandas as pd

    from lib.metrics import affect, embedders, frechet

    rms = np.sqrt(np.square(sounds).mean(axis=1, keepdims=True))
    noise = rms * np.random.default_rng(SEED).standard_normal(sounds.shape, dtype=np.float32)
    ways = {"as they are": (1, 0), "6 dB softer": (0.5, 0), "hiss 40 dB below": (1, 0.01), "hiss 20 dB below": (1, 0.1),
            "hiss as loud": (1, 1)}
    half, rows, reference = len(sounds) // 2, [], None

    def add(clips: str, measure: str, value: float, n: int, **more):
        rows.append({"clips": clips, "measure": measure, "value": value, **more, "n": n})

    for condition, (gain, hiss) in ways.items():
        spoiled = sounds * np.float32(gain) + np.float32(hiss) * noise
        right = embedders.logits_of_clips(encoder, spoiled, sample_rate_hz).argmax(1) == genres
        add(condition, "genre_accuracy", right.mean(), len(right), **_wilson(right), null=np.bincount(genres).max() / len(genres))
        heard_as = embedders.mean_over_windows(encoder, encoder.affect, 2, spoiled, sample_rate_hz)
        for row in affect.agreement(felt, heard_as).to_dict("records"):
            add(condition, f"{row['axis']}_ccc", row["ccc"], row["n"], **{k: row[k] for k in ("low", "high", "null")})
            add(condition, f"{row['axis']}_r2", row["r2"], row["n"])
        vectors = embedders.embed_clips(encoder, spoiled, sample_rate_hz)
        reference = vectors[:half] if reference is None else reference
        add(condition, "fad_to_other_half", frechet.fad(reference, vectors[half:]), half)
    return pd.DataFrame(rows)


def _wilson(right) -> dict:
    """95 % interval of a share (Wilson), which stays inside [0, 1] where every answer is right: ``low``, ``high``."""
    from scipy.stats import binomtest

    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {"low": interval.low, "high": interval.high}


def make_text_audio() -> None:
    """The text-audio encoder (a tiny CLAP): about 20 minutes on one core, resumable."""
    from functools import partial

    import pandas as pd

    from lib import foundations, training
    from lib.data import atelier
    from lib.data.atelier import render, words
    from lib.data.atelier.factors import draw
    from lib.foundations import train_text_audio
    from lib.metrics import embedders, retrieval, text_audio

    training.set_threads()
    items = [draw(LISTENER_SEED, i) for i in range(N_TRAIN)]
    descriptions, tags = [words.description(f) for f in items], [words.tags(f) for f in items]
    tokenizer = train_text_audio.tokenizer([*descriptions, *(", ".join(t) for t in tags)])
    model, extractor = train_text_audio.build(len(tokenizer), seed=SEED)
    mel, key = heard(partial(train_text_audio.mels, extractor), "text_audio", LISTENER_SEED, range(N_TRAIN))
    curve = train_text_audio.train(model, tokenizer, mel, descriptions, tags, paths.PROCESSED / "listening" / "text_audio.safetensors",
                                   seed=SEED, key=key)
    folder = paths.MINIATURES / "text_audio"
    for part in (model.half(), extractor, tokenizer):
        part.save_pretrained(folder)
    for file in sorted(folder.glob("*.json")) + sorted(folder.glob("*.safetensors")):
        if not file.name.endswith(artefacts.PROVENANCE_SUFFIX):
            file.chmod(0o644)
            artefacts.write(file.with_name(file.name + artefacts.PROVENANCE_SUFFIX), repro.provenance("mini", SEED, key))
    bundle("text_audio/curves.csv", _means(curve), key)
    encoder = foundations.load("text_audio", device="cpu")
    sounds, _ = render.sounds(atelier.TEST_SEED, range(N_TEST), CLIP_SECONDS)
    said = [words.description(draw(atelier.TEST_SEED, i)) for i in range(N_TEST)]
    audio, text = embedders.embed_clips(encoder, sounds, render.SAMPLE_RATE_HZ), encoder.embed_text(said)
    ranks = pd.concat([retrieval.ranks(text[i : i + 100], audio[i : i + 100]) for i in range(0, N_TEST, 100)])
    check = text_audio.trusted(encoder, sounds, render.SAMPLE_RATE_HZ, said)
    table = pd.DataFrame([
        {"measure": "r_at_1_of_100", "value": ranks["r_at_1"].mean(), **_wilson(ranks["r_at_1"] > 0.5), "null": 0.01, "n": N_TEST},
        {"measure": "r_at_10_of_100", "value": ranks["r_at_10"].mean(), "null": 0.1, "n": N_TEST},
        {"measure": "median_rank_of_100", "value": ranks["rank"].median(), "null": 50.5, "n": N_TEST},
        {"measure": "two_caption_rate", "value": check.rate, "null": 0.5, "n": check.n}])
    bundle("text_audio/heldout.csv", table, repro.content_hash(sounds))
    print(table.round(3).to_string(index=False))


def make_image_text() -> None:
    """The picture-text encoder (a tiny CLIP): about 20 minutes on one core, resumable."""
    from lib import miniatures_pictures

    miniatures_pictures.make_image_text()


def make_captioner() -> None:
    """The captioner (a tiny BLIP): about 7 minutes on one core, resumable."""
    from lib import miniatures_captioner

    miniatures_captioner.make_captioner()


def make_codec() -> None:
    """The codec (about 25 minutes on one shared core, resumable)."""
    from lib import miniatures_codec

    miniatures_codec.make()


def make_describer() -> None:
    """The describer (a tiny Llama): about 12 minutes on one shared core, resumable."""
    from lib import miniatures_words

    miniatures_words.make_describer()


def make_text_encoder() -> None:
    """The text encoder (the encoder of a tiny T5): about 4 minutes on one core, resumable."""
    from lib import miniatures_texts

    miniatures_texts.make_text_encoder()


def make_sentences() -> None:
    """The sentence encoder (a tiny BERT): about 5 minutes on one shared core, resumable."""
    from lib import miniatures_texts

    miniatures_texts.make_sentences()


def _truth(seed: int, indices: range):
    """Genre numbers [N] and (valence, arousal) [N, 2] of atelier items."""
    import numpy as np

    from lib.data.atelier.factors import GENRES, draw

    items = [draw(seed, i) for i in indices]
    return np.array([GENRES.index(f.genre) for f in items]), np.array([(f.valence, f.arousal) for f in items], np.float32)


def _halved(model) -> dict:
    """A network's tensors in half precision, as they are bundled."""
    return {name: t.half() if t.is_floating_point() else t for name, t in model.state_dict().items()}


def _means(curve: list[dict], every: int = 50):
    """A curve as a table of means of `every` steps."""
    import pandas as pd

    table = pd.DataFrame(curve)
    return table.groupby((table["step"] - 1) // every).mean().assign(step=lambda t: (t.index + 1) * every)


def heard(mels: Callable, name: str, seed: int, indices: range, chunk: int = 50):
    """Mels of atelier clips, rendered once and kept under ``data/processed/listening/`` until the renderer or the mel changes.

    Args:
        mels: float32 [n, samples] → [n, …], applied to `chunk` clips at a time. name: of the mel, for the file.

    Returns:
        (array [N, …] mapped from disk, key: hash of the first clips' sound and mel and of the range).
    """
    import numpy as np

    from lib import training
    from lib.data.atelier import render

    sounds, _ = render.sounds(seed, indices[:2], CLIP_SECONDS)
    first = mels(sounds)
    key = repro.content_hash(sounds, first, repr((seed, indices)).encode())
    path = paths.PROCESSED / "listening" / f"{name}-{key}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = np.zeros((len(indices), *first.shape[1:]), first.dtype)
        for at in training.progress(len(indices) // chunk + (len(indices) % chunk > 0), f"render {name}"):
            part = indices[at * chunk : (at + 1) * chunk]
            made[at * chunk : at * chunk + len(part)] = mels(render.sounds(seed, part, CLIP_SECONDS)[0])
        artefacts.write(path, made)
    return np.load(path, mmap_mode="r", allow_pickle=False), key


def bundle(file: str, content, data_hash: str) -> None:
    """Writes a miniature with its provenance beside it."""
    path = artefacts.write(paths.MINIATURES / file, content)
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX), repro.provenance("mini", SEED, data_hash))
    print(f"{file}: {path.stat().st_size / 1e6:.2f} MB")


RECIPES = {
    "picture_judge": Recipe("reads valence and arousal from a picture", ("judge/picture_judge.skops",), make_picture_judge),
    "forest": Recipe("hears valence and arousal in music", ("31_music2image_forest/forest.skops",), make_forest),
    "unet": Recipe("paints from valence and arousal", ("33_music2image_diffusion/unet_neutral.safetensors",
                                                       "33_music2image_diffusion/unet.safetensors"), make_unet),
    "tagger": Recipe("hears genre, valence and arousal; embeds music for metrics",
                     ("tagger/config.json", "tagger/model.safetensors"), make_tagger),
    "codec": Recipe("turns sound into four numbers 25 times a second, and back",
                    ("codec/config.json", "codec/model.safetensors"), make_codec),
    "text_audio": Recipe("says how near a text and a sound are (a tiny CLAP)",
                         tuple(f"text_audio/{name}" for name in ("config.json", "model.safetensors", "preprocessor_config.json",
                                                                 "tokenizer.json", "tokenizer_config.json")), make_text_audio),
    "image_text": Recipe("says how near a text and a picture are (a tiny CLIP)",
                         tuple(f"image_text/{name}" for name in ("open_clip_config.json", "open_clip_model.safetensors",
                                                                 "tokenizer.json", "tokenizer_config.json")), make_image_text),
    "captioner": Recipe("says what it sees and, led by an emotion word, how it feels (a tiny BLIP)",
                        tuple(f"captioner/{name}" for name in ("config.json", "model.safetensors", "preprocessor_config.json",
                                                               "tokenizer.json", "tokenizer_config.json")), make_captioner),
    "describer": Recipe("rewrites a caption and its emotion word as a musical description (a tiny Llama)",
                        tuple(f"describer/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json",
                                                               "tokenizer_config.json")), make_describer),
    "text_encoder": Recipe("gives a state for each token of a text (the encoder of a tiny T5)",
                           tuple(f"text_encoder/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json",
                                                                     "tokenizer_config.json")), make_text_encoder),
    "sentences": Recipe("says how alike two texts feel (a tiny BERT)",
                        tuple(f"sentences/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json",
                                                               "tokenizer_config.json", "1_Pooling/config.json")), make_sentences),
}
