"""The bundled music model, a small MusicGen, trained on crops of a piece's codes under its whole
description.  Source: Copet et al. (2023), §2.2 and §3.  Notebook: 03."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED, render
from lib.data.atelier.compose import describe
from lib.metrics import audio_quality, control, distances, embedders, stats
from lib.pretrained import musicgen
from lib.recipes import bundling
from lib.training import loop
from lib.training import musicgen as training

# the music model's own collection: no other network is trained on it, nothing is tested on it
MUSIC_SEED, N_TRAIN = 10, 4800
N_TEST, TEST_SECONDS = 120, 8.0
SOFT_DB = -60.0    # a second below this level, re full scale, counts as silent


@dataclass(frozen=True)
class Config:
    """The small decoder and its training; MusicGen-small has 24 layers of 1,024."""
    width: int = 256
    layers: int = 6
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    n_steps: int = 4000
    batch_size: int = 16
    crop_steps: int = 200       # of the codec: 8 s at 25 Hz
    learning_rate: float = 1e-3
    p_null: float = 0.1         # share of items trained without their condition, as published
    bfloat16: bool = True


def build(n_codebooks: int, codebook_size: int, text_width: int, config: Config = Config(),
          seed: int = 0) -> torch.nn.Module:
    """The untrained network: MusicgenForCausalLM and the projection of text states to its width."""
    torch.manual_seed(seed)
    return musicgen.untrained(
        {"vocab_size": codebook_size, "num_codebooks": n_codebooks, "hidden_size": config.width,
         "num_hidden_layers": config.layers, "num_attention_heads": config.heads,
         "ffn_dim": config.hidden, "dropout": config.dropout, "pad_token_id": codebook_size,
         "bos_token_id": codebook_size, "decoder_start_token_id": codebook_size}, text_width)


def train(network, codes: np.ndarray, states: Sequence[np.ndarray],
          config: Config = Config(), *, every: int = 100, **run) -> list[dict]:
    """Trains in place on codes int [N, K, S ≥ crop_steps] and states [L, D] a piece; a curve."""
    def loss_of(rng):
        rows = rng.integers(0, len(codes), config.batch_size)
        crops = bundling.crops(rng, codes, rows, config.crop_steps).astype(np.int64)
        batch = training.collate(list(crops), [states[row] for row in rows])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        batch.states, batch.mask = training.drop_conditions(batch.states, batch.mask,
                                                            config.p_null, generator)
        with loop.autocast("cpu", config.bfloat16):
            loss, each = training.loss(network, batch)
        return loss, {"loss": loss.item(),
                      **{f"codebook_{k}": value.item() for k, value in enumerate(each, 1)}}
    return loop.fit(network, loss_of, config, weight_decay=0.05, every=every, **run)


def make() -> tuple:
    """The music model: rendering 8 minutes, training about an hour on one core, resumable."""
    codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
    def encode(clips):
        return codec.encode(clips[:, None]).cpu().numpy().astype(np.int16)
    codes, key = bundling.computed_of_clips(encode, "codes", MUSIC_SEED, N_TRAIN)
    descriptions = bundling.texts_of(bundling.first_items(MUSIC_SEED, N_TRAIN))["description"]
    states, mask = text.states(descriptions)
    key = provenance.content_hash(f"{key} {codec.sha256} {text.sha256} {descriptions}".encode())
    network = build(codec.n_codebooks, codec.codebook_size, text.width, seed=bundling.SEED)
    curve = train(network, codes, [s[m] for s, m in zip(states, mask, strict=True)],
                  **bundling.run("musicgen", key))
    files = musicgen.contents(network, text, codec, dtype=torch.float16)
    return files | {"curves.csv": curve}, key


def measure() -> tuple:
    """What it plays to held-out descriptions, beside their pieces and the codec's round trip."""
    generator, tagger = (pretrained.load(part, device="cpu") for part in ("musicgen", "tagger"))
    items = bundling.first_items(TEST_SEED, N_TEST)
    real, others = (render.sounds(TEST_SEED, range(start, start + N_TEST), TEST_SECONDS)[0]
                    for start in (0, N_TEST))
    rate, codec = generator.sample_rate_hz, generator.codec
    texts, plans = bundling.texts_of(items)["description"], pd.DataFrame(map(describe, items))
    music = {"atelier": real, "round trip": codec.round_trip(real[:, None])[:, 0].cpu().numpy(),
             "generated": generator.generate(texts, TEST_SECONDS)}
    asked = {"tempo_bpm": plans["tempo_bpm"].to_numpy(float),
             "mode": np.where(plans["mode"] == "major", 1.0, -1.0),
             "loudness_db": plans["loudness"].to_numpy(float),       # MIDI velocity
             "brightness_hz": plans["register"].to_numpy(float)}     # MIDI pitch of the melody
    reference, rows = embedders.embed_clips(tagger, list(levelled(others)), rate), []
    for name, sounds in music.items():
        agreement = control.agreement(asked, control.measure_controls(list(sounds), rate))
        rows += [{"music": name, "measure": f"{row['control']}_r", "value": row["r"],
                  **{k: row[k] for k in ("low", "high", "null", "n")}}
                 for row in agreement.to_dict("records")]
        vectors = embedders.embed_clips(tagger, list(levelled(sounds)), rate)
        codes = codec.encode(sounds[:, None]).cpu().numpy()
        loops = [audio_quality.repetition(c, codec.frame_rate_hz, 1) for c in codes]
        low, high = stats.jackknife(lambda v: distances.kad(reference, v), vectors)
        rows.append({"music": name, "measure": "kad", "value": distances.kad(reference, vectors),
                     "low": low, "high": high, "n": N_TEST})
        values = {"fad": distances.fad(reference, vectors), "loops": np.mean(loops),
                  "silent_seconds": np.mean([silent(sound, rate) for sound in sounds])}
        rows += [{"music": name, "measure": measure, "value": value, "n": N_TEST}
                 for measure, value in values.items()]
    return rows, real


def levelled(sounds: np.ndarray, rms_db: float = -20.0) -> np.ndarray:
    """Sounds [n, N] brought to one RMS level: the tagger's distances measure loudness above all."""
    level = np.sqrt(np.square(sounds, dtype=np.float64).mean(axis=1, keepdims=True))
    return (sounds * (10 ** (rms_db / 20) / np.maximum(level, 1e-6))).astype(np.float32)


def silent(sound: np.ndarray, sample_rate_hz: int) -> bool:
    """Whether a sound [N] has a whole second, from its start, with an RMS below ``SOFT_DB``."""
    seconds = sound[: len(sound) // sample_rate_hz * sample_rate_hz].reshape(-1, sample_rate_hz)
    return bool((np.square(seconds, dtype=np.float64).mean(axis=1) < 10 ** (SOFT_DB / 10)).any())
