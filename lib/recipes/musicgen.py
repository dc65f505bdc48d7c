"""How the bundled music model was made and what it plays when asked: ``python -m lib miniature musicgen``."""

import numpy as np
import pandas as pd
import torch

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import render, words
from lib.data.atelier.compose import describe
from lib.metrics import control, distances, embedders
from lib.pretrained import musicgen
from lib.recipes import train_musicgen
from lib.recipes.bundling import SEED, first_items, heard, save
from lib.training import loop

MUSIC_SEED = 10  # the music model's own collection: neither the codec nor a listener has heard it, nothing is tested on it
N_TRAIN, N_TEST, TEST_SECONDS = 4800, 120, 8.0
SOFT_DB = -60.0    # a second below this level, re full scale, counts as silent
LOOP_S = (1.0, 4.0)  # a loop comes back after so many seconds


def make() -> None:
    """The music model: rendering 8 minutes, training about an hour on one core (resumable)."""
    loop.set_threads()
    codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
    codes, states, key = material(codec, text)
    network = train_musicgen.build(codec.n_codebooks, codec.codebook_size, text.width, seed=SEED)
    curve = train_musicgen.train(network, codes, states, paths.PROCESSED / "listening" / "musicgen.safetensors", seed=SEED, key=key)
    musicgen.save(paths.MINIATURES / "musicgen", network, text, codec, dtype=torch.float16)
    save("musicgen", (), curve, key)


def material(codec, text):
    """The training pieces: (codes int16 [N, K, S] mapped from disk, the states of each piece's description [L, D], key)."""
    codes, key = heard(lambda sounds: codec.encode(sounds[:, None]).cpu().numpy().astype(np.int16), "codes", MUSIC_SEED, range(N_TRAIN))
    said = [words.description(f) for f in first_items(MUSIC_SEED, N_TRAIN)]
    states, mask = text.states(said)
    key = provenance.content_hash(f"{key} {codec.sha256} {text.sha256} {said}".encode())
    return codes, [s[m] for s, m in zip(states, mask, strict=True)], key


def measure():
    """What the bundled music model plays when asked: (table, hash of the real sounds)."""
    return table(pretrained.load("musicgen", device="cpu"))


def asked_for(items) -> dict[str, np.ndarray]:
    """What descriptions ask for, [N] under the names of lib.metrics.control: BPM, ±1, MIDI velocity, MIDI pitch of the melody."""
    heard_of = [describe(f) for f in items]
    return {"tempo_bpm": np.array([h["tempo_bpm"] for h in heard_of], float),
            "mode": np.array([1.0 if h["mode"] == "major" else -1.0 for h in heard_of]),
            "loudness_db": np.array([h["loudness"] for h in heard_of], float),
            "brightness_hz": np.array([h["register"] for h in heard_of], float)}


def table(generator, n: int = N_TEST, seed: int | None = None, **settings):
    """What it plays when it reads descriptions it never read, beside the pieces these describe and beside the codec alone.

    - ``tempo_bpm_r``, ``mode_r``, ``loudness_db_r``, ``brightness_hz_r``: correlation of what was asked for with what is measured
      (:mod:`lib.metrics.control`); of ``atelier``: of the pieces themselves; of ``round trip``: of these through the codec.
    - ``fad``: the tagger's Fréchet distance to the pieces of the next ``n`` items, all clips brought to one level.
    - ``silent_seconds``: share of clips with a second below −60 dB. ``loops``: the share of code steps, all codebooks, that stood there
      one to four seconds before, at the lag where most did, averaged over clips.

    Args:
        generator: as ``foundations.load("musicgen")`` gives it. seed: the collection; ``None``: ``TEST_SEED``.
        settings: of lib.pretrained.musicgen_sampling.sample.

    Returns:
        (DataFrame ``music, measure, value, low, high, null, n``, hash of the real sounds).
    """
    seed = atelier.TEST_SEED if seed is None else seed
    items = first_items(seed, n)
    real, others = (render.sounds(seed, range(start, start + n), TEST_SECONDS)[0] for start in (0, n))
    rate, codec, tagger = generator.sample_rate_hz, generator.codec, pretrained.load("tagger", device="cpu")
    codes = codec.encode(real[:, None])
    music = {"atelier": real, "round trip": codec.decode(codes, real.shape[1])[:, 0].cpu().numpy(),
             "generated": generator.generate([words.description(f) for f in items], TEST_SECONDS, **settings)}
    asked, reference = asked_for(items), embedders.embed_clips(tagger, levelled(others), rate)
    rows = []
    for name, sounds in music.items():
        agreement = control.agreement(asked, control.measure_controls(list(sounds), rate))
        rows += [{"music": name, "measure": f"{row['control']}_r", **{k: row[k] for k in ("low", "high", "null", "n")}, "value": row["r"]}
                 for row in agreement.to_dict("records")]
        rows += [{"music": name, "measure": measure, "value": value, "n": n} for measure, value in (
            ("fad", distances.fad(reference, embedders.embed_clips(tagger, levelled(sounds), rate))),
            ("silent_seconds", np.mean([silent(sound, rate) for sound in sounds])),
            ("loops", np.mean([looped(c, codec.frame_rate_hz) for c in codec.encode(sounds[:, None]).cpu().numpy()])))]
    return pd.DataFrame(rows)[["music", "measure", "value", "low", "high", "null", "n"]], provenance.content_hash(real)


def levelled(sounds: np.ndarray, rms_db: float = -20.0) -> np.ndarray:
    """Sounds [n, N] brought to one RMS level: the tagger's distances hear loudness above all else."""
    level = np.sqrt(np.square(sounds, dtype=np.float64).mean(axis=1, keepdims=True))
    return (sounds * (10 ** (rms_db / 20) / np.maximum(level, 1e-6))).astype(np.float32)


def silent(sound: np.ndarray, sample_rate_hz: int) -> bool:
    """Whether a sound [N] has a whole second, counted from its start, whose RMS lies below ``SOFT_DB``."""
    seconds = sound[: len(sound) // sample_rate_hz * sample_rate_hz].reshape(-1, sample_rate_hz)
    return bool((np.square(seconds, dtype=np.float64).mean(axis=1) < 10 ** (SOFT_DB / 10)).any())


def looped(codes: np.ndarray, frame_rate_hz: float) -> float:
    """The largest share of steps of codes [K, S] that equal, in every codebook, those one lag of one to four seconds before."""
    lags = range(round(LOOP_S[0] * frame_rate_hz), min(round(LOOP_S[1] * frame_rate_hz), codes.shape[1] - 1) + 1)
    return max(float((codes[:, lag:] == codes[:, :-lag]).all(axis=0).mean()) for lag in lags)
