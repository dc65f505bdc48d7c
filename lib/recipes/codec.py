"""The bundled codec, trained on two-second crops with spectral losses at four scales (phase is not
compared); the quantiser starts from k-means.  Notebook: 03."""

from collections.abc import Callable
from dataclasses import dataclass

import librosa
import numpy as np
import torch

from lib import pretrained
from lib.data.atelier import TEST_SEED, render
from lib.metrics import control, spectral
from lib.models.quantiser import perplexity
from lib.models.spectral_codec import FLOOR, SpectralCodec, SpectralLosses, Texture
from lib.pretrained.codec import KIND
from lib.recipes import bundling
from lib.systems import stored
from lib.training import loop

# the codec's own collection: nothing is tested on it, and no other network is trained on it
CODEC_SEED, N_TRAIN = 5, 2000
N_TEST, TEST_SECONDS = 150, 8.0
N_CONTROLS = 80  # tempo and key, slow to find, are measured on the first so many
SAME_TEMPO = 0.05  # tempi this near are one: librosa's lags lie 4 to 5 % apart at 120 BPM


@dataclass(frozen=True)
class Config:
    """How the codec was trained; ours, so there are no published values."""
    n_steps: int = 2400
    batch_size: int = 16
    crop_seconds: float = 2.0
    learning_rate: float = 1.5e-3
    unquantised_steps: int = 100     # then the codebooks start from k-means of `start_crops` crops
    start_crops: int = 256
    gain_db: float = 6.0             # each crop is turned down by up to this much
    p_fewer: float = 0.2             # share of crops decoded from fewer codebooks than all
    w_mel: float = 1.0
    w_convergence: float = 1.0
    w_notes: float = 0.5
    w_commitment: float = 0.25
    w_texture: float = 0.0
    bfloat16: bool = True


# how its decoder was trained on, under codes that stay as they are
POLISH = Config(learning_rate=1e-3, w_texture=2.0)


def note_loss(tones: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
    """Mean |ln tones [B, T, P] − ln peaks [B, T/2, P]|, weighted by the root of the amplitudes."""
    # without it a network that cannot place a note yet does best to play none
    target, output = peaks.clamp_min(FLOOR).repeat_interleave(2, dim=1), tones.clamp_min(FLOOR)
    weight = target.sqrt() + output.detach().sqrt() + FLOOR**0.5
    return (weight * (target.log() - output.log()).abs()).sum() / weight.sum()


def crops_of(model: SpectralCodec, sounds: np.ndarray, config: Config) -> Callable:
    """What draws crops: generator, count → [count, 1, samples]."""
    length, step = round(config.crop_seconds * model.sample_rate_hz), model.samples_per_step
    def crops(rng: np.random.Generator, count: int) -> torch.Tensor:
        rows = rng.integers(0, len(sounds), count)
        batch = bundling.crops(rng, sounds, rows, length // step * step)
        gains = 10 ** (-config.gain_db * rng.random(count) / 20)
        return torch.from_numpy(batch * gains[:, None].astype(np.float32))[:, None]
    return crops


def train(model: SpectralCodec, sounds: np.ndarray, config: Config = Config(), *, key: str = "",
          seed: int = 0, **run) -> list[dict]:
    """Trains in place on sounds float32 [N, samples]; a curve: losses, the least perplexity."""
    losses, n_codebooks = SpectralLosses(model.sample_rate_hz), model.n_codebooks
    crops = crops_of(model, sounds, config)
    trained = torch.nn.Module()
    trained.codec = model
    # in the checkpoint, so that a resumed run knows when the quantiser starts
    trained.register_buffer("steps", steps := torch.zeros((), dtype=torch.long))
    def latents(sound):
        with loop.autocast(sound.device.type, config.bfloat16):
            return model.latents(sound).float()
    def loss_of(rng):
        step = int(steps)
        steps.add_(1)
        if step == config.unquantised_steps:
            with torch.no_grad():
                z = torch.cat([latents(crops(rng, 32)) for _ in range(0, config.start_crops, 32)])
            model.quantiser.start(z.reshape(-1, z.shape[2]), seed,
                                  per_batch=config.batch_size * z.shape[1])
        sound = crops(rng, config.batch_size)
        z = latents(sound)
        quantised, commitment, used = z, z.new_zeros(()), float("nan")
        if step >= config.unquantised_steps:
            keep = how_many(rng, len(sound), n_codebooks, config.p_fewer)
            quantised, commitment, codes = model.quantiser(z, keep)
            used = float(perplexity(codes, model.codebook_size).min())
        with loop.autocast(sound.device.type, config.bfloat16):
            spectrum, tones = model.spectrum_and_tones(quantised)
        mel, convergence = losses(model.synthesise(spectrum, tones), sound[:, 0])
        notes = note_loss(tones, model.pitches.peaks(model.pitches(sound[:, 0])))
        loss = (config.w_mel * mel + config.w_convergence * convergence + config.w_notes * notes
                + config.w_commitment * commitment)
        return loss, {"mel": mel.item(), "convergence": convergence.item(), "notes": notes.item(),
                      "commitment": commitment.item(), "perplexity": used}
    return loop.fit(trained, loss_of, config, seed=seed, key=f"{model.settings} {key}", **run)


def how_many(rng: np.random.Generator, count: int, n_codebooks: int, p_fewer: float):
    """How many codebooks each of `count` crops is decoded from: all, or by chance fewer."""
    return torch.from_numpy(np.where(rng.random(count) < p_fewer,
                                     rng.integers(1, n_codebooks + 1, count), n_codebooks))


def polish(model: SpectralCodec, sounds: np.ndarray, config: Config = POLISH, *, key: str = "",
           seed: int = 0, **run) -> list[dict]:
    """Trains the decoder on in place: encoder and codebooks, so the codes, stay; a curve."""
    losses, texture = SpectralLosses(model.sample_rate_hz), Texture(model.sample_rate_hz)
    crops = crops_of(model, sounds, config)
    for part in (model.enter, model.encoder, model.halve):
        part.requires_grad_(False)
    def loss_of(rng):
        sound = crops(rng, config.batch_size)
        keep = how_many(rng, len(sound), model.n_codebooks, config.p_fewer)
        with torch.no_grad():
            codes = model.encode(sound)
            vectors = torch.cat([model.quantiser.decode(c[None, :k])
                                 for c, k in zip(codes, keep, strict=True)])
        with loop.autocast(sound.device.type, config.bfloat16):
            spectrum, tones = model.spectrum_and_tones(vectors)
        generated = model.synthesise(spectrum, tones)
        mel, convergence = losses(generated, sound[:, 0])
        rough = texture(generated, sound[:, 0])
        notes = note_loss(tones, model.pitches.peaks(model.pitches(sound[:, 0])))
        loss = (config.w_mel * mel + config.w_convergence * convergence + config.w_notes * notes
                + config.w_texture * rough)
        return loss, {"mel": mel.item(), "convergence": convergence.item(), "notes": notes.item(),
                      "texture": rough.item()}
    return loop.fit(model, loss_of, config, seed=seed, key=f"{model.settings} {key}", **run)


def make() -> tuple:
    """The codec: rendering 2 minutes, training about an hour on one core, resumable."""
    sounds, key = bundling.computed_of_clips(lambda clips: np.asarray(clips, np.float32), "codec",
                                             CODEC_SEED, N_TRAIN)
    torch.manual_seed(bundling.SEED)
    model = SpectralCodec()
    curve = train(model, sounds, **bundling.run("codec", key))
    # as it is stored: what encodes must stay to the last digit
    second = polish(model.half().float(), sounds, **bundling.run("codec_polish", key))
    return {"config.json": {"model_type": KIND, **model.settings},
            "model.safetensors": stored.half(model), "curves.csv": curve,
            "curves_polish.csv": second}, key


def measure() -> tuple:
    """What the round trip keeps of held-out music; `null`: the same against the next clip."""
    codec = pretrained.load("codec", device="cpu")
    rate, n_codebooks, rows = codec.sample_rate_hz, codec.n_codebooks, []
    sounds = render.sounds(TEST_SEED, range(N_TEST), TEST_SECONDS)[0]
    codes = torch.cat([codec.encode(sounds[i : i + 16, None]) for i in range(0, N_TEST, 16)])
    def distances(others):
        return np.array([np.abs(ln_mel(a, rate) - ln_mel(b, rate)).mean()
                         for a, b in zip(sounds, others, strict=True)])
    null = distances(np.roll(sounds, 1, axis=0)).mean()
    for k in range(1, n_codebooks + 1):
        after = np.concatenate([codec.decode(part[:, :k], sounds.shape[1]).cpu().numpy()[:, 0]
                                for part in codes.split(16)])
        rows.append({"measure": "ln_mel_l1", "codebooks": k, "null": null,
                     **bundling.estimate(np.mean, distances(after))})
    rows += [{"measure": "perplexity", "codebooks": k, "value": used, "n": N_TEST}
             for k, used in enumerate(perplexity(codes, codec.codebook_size).tolist(), start=1)]
    few = [list(clips[:N_CONTROLS]) for clips in (sounds, after)]
    tempi = [control.measure_controls(clips, rate)["tempo_bpm"].to_numpy() for clips in few]
    keys = [np.array([key_of(clip, rate) for clip in clips]) for clips in few]
    for measure, same, (a, b) in (
            ("tempo_agrees", lambda a, b: np.abs(b / a - 1) <= SAME_TEMPO, tempi),
            ("key_agrees", np.equal, keys)):
        rows.append({"measure": measure, "codebooks": n_codebooks, **bundling.share(same(a, b)),
                     "null": same(a, np.roll(b, 1)).mean()})
    return rows, sounds


def ln_mel(sound: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """ln-mel [64, T] of a sound [N], by librosa: floor 1e-5, FFT 1024, hop 256."""
    amplitude = np.abs(librosa.stft(sound, n_fft=1024, hop_length=256))
    bands = spectral.mel_filters(sample_rate_hz, 1024, 64) @ amplitude
    return np.log(np.maximum(bands, spectral.MEL_FLOOR))


def key_of(sound: np.ndarray, sample_rate_hz: int) -> int:
    """The key that fits a sound [N] best: 0 … 11 major on C … B, 12 … 23 minor."""
    chroma = librosa.feature.chroma_cqt(y=sound, sr=sample_rate_hz)
    weighted = chroma @ librosa.feature.rms(y=sound)[0, : chroma.shape[1]]
    profiles = [np.roll(profile, tonic) for profile in (control.MAJOR, control.MINOR)
                for tonic in range(12)]
    return int(np.argmax([control.correlation(profile, weighted) for profile in profiles]))
