"""How the bundled text–audio encoder was made and what it finds: ``python -m lib miniature
text_audio``.
"""

from functools import partial

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import compose, render, words
from lib.data.atelier.factors import draw
from lib.metrics import embedders, retrieval, text_audio
from lib.recipes import train_text_audio
from lib.recipes.bundling import CLIP_SECONDS, N_TEST, SEED, first_items, heard, mean, save, share
from lib.recipes.tagger import LISTENER_SEED, N_TRAIN
from lib.training import loop

AMONG, N_SCENES, VERSIONS = 100, 40, 10


def make() -> None:
    """The text–audio encoder (a tiny CLAP): rendering 5 minutes, training 20 on one core
    (resumable).
    """
    loop.set_threads()
    items = first_items(LISTENER_SEED, N_TRAIN)
    descriptions, tags = [words.description(f) for f in items], [words.tags(f) for f in items]
    tokenizer = train_text_audio.tokenizer([*descriptions, *(", ".join(t) for t in tags)])
    model, extractor = train_text_audio.build(len(tokenizer), seed=SEED)
    mel, key = heard(partial(train_text_audio.mels, extractor), "text_audio", LISTENER_SEED,
                     range(N_TRAIN))
    curve = train_text_audio.train(model, tokenizer, mel, descriptions, tags,
                                   paths.PROCESSED / "listening" / "text_audio.safetensors",
                                   seed=SEED, key=key)
    save("text_audio", (model.half(), extractor, tokenizer), curve, key)


def measure():
    """What the bundled encoder finds among clips it never heard, with descriptions it never read:
    (table, hash of the sounds).

    - ``r_at_1_of_100``, ``r_at_10_of_100``, ``median_rank_of_100``: the right clip for a
    description.
    - ``two_caption_rate``: the right description against another piece's
    (:func:`lib.metrics.text_audio.trusted`).
    - ``emotion_alone_r_at_1_of_10``, ``…_of_2``: one piece of one genre composed at ten points of
    the affect plane; the description of
      each must find it among the ten, or beside the next one.
    """
    encoder, rate = pretrained.load("text_audio", device="cpu"), render.SAMPLE_RATE_HZ
    sounds, _ = render.sounds(atelier.TEST_SEED, range(N_TEST), CLIP_SECONDS)
    said = [words.description(f) for f in first_items(atelier.TEST_SEED, N_TEST)]
    audio, text = embedders.embed_clips(encoder, sounds, rate), encoder.embed_text(said)
    ranks = pd.concat([retrieval.ranks(text[i : i + AMONG], audio[i : i + AMONG])
                       for i in range(0, N_TEST, AMONG)])
    check = text_audio.verify_encoder(encoder, sounds, rate, said)
    first, beside = [], []
    for index, points in enumerate(np.random.default_rng(SEED).uniform(-1, 1,
                                                                       (N_SCENES, VERSIONS,
                                                                        2)).round(3), start=N_TEST):
        same = [draw(atelier.TEST_SEED, index, valence=v, arousal=a) for v, a in points]
        played = np.stack([render.render(compose.compose(f, CLIP_SECONDS), CLIP_SECONDS)
                           for f in same])
        cosine = encoder.embed_text([words.description(f)
                                     for f in same]) @ embedders.embed_clips(encoder, played,
                                                                             rate).T
        first.append((cosine.argmax(1) == np.arange(VERSIONS)).mean())
        beside.append((np.diagonal(cosine) > np.diagonal(np.roll(cosine, -1, axis=1))).mean())
    return pd.DataFrame([{"measure": f"r_at_1_of_{AMONG}", **share(ranks["r_at_1"]),
                          "null": 1 / AMONG}, {"measure": f"r_at_10_of_{AMONG}",
                                               **share(ranks["r_at_10"]), "null": 10 / AMONG},
                         {"measure": f"median_rank_of_{AMONG}", "value": ranks["rank"].median(),
                          "null": (AMONG + 1) / 2, "n": N_TEST},
                         {"measure": "two_caption_rate", "value": check.rate, "null": 0.5,
                          "n": check.n}, {"measure": f"emotion_alone_r_at_1_of_{VERSIONS}",
                                          **mean(first), "null": 1 / VERSIONS},
                         {"measure": "emotion_alone_of_2", **mean(beside),
                          "null": 0.5}]), provenance.content_hash(sounds)
