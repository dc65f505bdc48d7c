"""How the bundled music tagger was made and what it hears: ``python -m lib miniature tagger``."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import factors, render
from lib.data.atelier.factors import GENRES, draw
from lib.metrics import affect, distances, embedders
from lib.models.music_tagger import MusicTagger
from lib.recipes import train_tagger
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED, halved, heard, means, share, write
from lib.training import loop

# the listening miniatures' own collection: no generator trains on it and nothing is tested on it
LISTENER_SEED = 4
N_TRAIN = 3600


def make() -> None:
    """The music tagger: about 15 minutes on one core, resumable."""
    loop.set_threads()
    torch.manual_seed(SEED)
    model = MusicTagger(len(factors.GENRES))
    mel, key = heard(partial(train_tagger.mels, model), "tagger", LISTENER_SEED, range(N_TRAIN))
    genres, felt = truth(LISTENER_SEED, range(N_TRAIN))
    curve = train_tagger.train(model, mel, genres, felt,
                               paths.PROCESSED / "listening" / "tagger.safetensors", seed=SEED,
                               key=key)
    write("tagger", {"config.json": {"labels": factors.GENRES, **model.settings},
                     "model.safetensors": halved(model), "curves.csv": means(curve)}, key)


def measure():
    """What the bundled tagger reaches on held-out clips: (table, hash of the sounds)."""
    sounds, felt = render.sounds(atelier.TEST_SEED, range(N_TEST), CLIP_SECONDS)
    genres = truth(atelier.TEST_SEED, range(N_TEST))[0]
    return table(pretrained.load("tagger", device="cpu"), sounds, genres, felt,
                 render.SAMPLE_RATE_HZ), provenance.content_hash(sounds)


def truth(seed: int, indices: range):
    """Genre numbers [N] and (valence, arousal) [N, 2] of atelier items."""
    items = [draw(seed, i) for i in indices]
    return np.array([GENRES.index(f.genre)
                     for f in items]), np.array([(f.valence, f.arousal) for f in items], np.float32)


def table(encoder, sounds, genres, felt, sample_rate_hz: int):
    """What the tagger reaches on clips it never heard, as they are and spoiled, and how far FAD
    moves with the spoiling.
    """
    rms = np.sqrt(np.square(sounds).mean(axis=1, keepdims=True))
    noise = rms * np.random.default_rng(SEED).standard_normal(sounds.shape, dtype=np.float32)
    ways = {"as they are": (1, 0), "6 dB softer": (0.5, 0), "hiss 40 dB below": (1, 0.01),
            "hiss 20 dB below": (1, 0.1), "hiss as loud": (1, 1)}
    half, rows, reference = len(sounds) // 2, [], None

    def add(clips: str, measure: str, **more):
        rows.append({"clips": clips, "measure": measure, **more})

    for condition, (gain, hiss) in ways.items():
        spoiled = sounds * np.float32(gain) + np.float32(hiss) * noise
        right = embedders.logits_of_clips(encoder, spoiled, sample_rate_hz).argmax(1) == genres
        add(condition, "genre_accuracy", **share(right),
            null=np.bincount(genres).max() / len(genres))
        heard_as = embedders.mean_over_windows(encoder, encoder.affect, 2, spoiled, sample_rate_hz)
        for row in affect.agreement(felt, heard_as).to_dict("records"):
            add(condition, f"{row['axis']}_ccc", value=row["ccc"],
                **{k: row[k] for k in ("low", "high", "null", "n")})
            add(condition, f"{row['axis']}_r2", value=row["r2"], n=row["n"])
        vectors = embedders.embed_clips(encoder, spoiled, sample_rate_hz)
        reference = vectors[:half] if reference is None else reference
        add(condition, "fad_to_other_half", value=distances.fad(reference, vectors[half:]), n=half)
    return pd.DataFrame(rows)
