"""The bundled codec, trained on two-second crops with spectral losses at four scales (phase is not
compared), the quantiser from k-means on; then its decoder alone against critics of spectrograms.
Source: Siuzdak (2023), "Vocos", §3; Lim & Ye (2017) for the hinge loss.  Notebook: 03."""

from dataclasses import dataclass

import librosa
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from lib import pretrained
from lib.data.atelier import TEST_SEED, render
from lib.metrics import control, spectral
from lib.models.quantiser import perplexity
from lib.models.spectral_codec import FLOOR, Frames, SpectralCodec, SpectralLosses, magnitude
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
    n_steps: int = 5000
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
    bfloat16: bool = True


@dataclass(frozen=True)
class Polish:
    """How the decoder was trained afterwards, on codes that no longer move."""
    n_steps: int = 1500
    batch_size: int = 12
    crop_seconds: float = 1.0
    learning_rate: float = 4e-4
    w_convergence: float = 1.0
    w_notes: float = 0.5
    w_critics: float = 0.05
    w_features: float = 0.1
    bfloat16: bool = True


def note_loss(tones: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
    """Mean |ln tones [B, T, P] − ln peaks [B, T/2, P]|, weighted by the root of the amplitudes."""
    # without it a network that cannot place a note yet does best to play none
    target, output = peaks.clamp_min(FLOOR).repeat_interleave(2, dim=1), tones.clamp_min(FLOOR)
    weight = target.sqrt() + output.detach().sqrt() + FLOOR**0.5
    return (weight * (target.log() - output.log()).abs()).sum() / weight.sum()


class Critics(nn.Module):
    """Sound [B, N] → scores of patches of its ln-spectrograms, [B, 1, T, F/16] a window, and what
    the layers saw."""
    def __init__(self, windows: tuple[int, ...] = (512, 1024, 2048), width: int = 16):
        super().__init__()
        self.frames = nn.ModuleList(Frames(window, window // 4) for window in windows)
        self.layers = nn.ModuleList(nn.ModuleList(weight_norm(nn.Conv2d(
            deep, wide, (3, 9), (1, stride), (1, 4))) for deep, wide, stride in
            ((1, width, 2), (width, width, 2), (width, width, 2), (width, 2 * width, 2),
             (2 * width, 1, 1))) for _ in windows)

    def forward(self, sound: torch.Tensor) -> tuple[list, list]:
        scores, seen = [], []
        for frames, layers in zip(self.frames, self.layers, strict=True):
            x = magnitude(frames.analyse(sound)).clamp_min(FLOOR).log()[:, None]
            for layer in layers[:-1]:
                seen.append(x := F.leaky_relu(layer(x), 0.1))
            scores.append(layers[-1](x).float())
        return scores, seen


def polish(model: SpectralCodec, sounds: np.ndarray, config: Polish = Polish(), *, key: str = "",
           seed: int = 0, **run) -> list[dict]:
    """Trains the decoder in place, its codes as they are, against critics that train beside it."""
    losses, trained = SpectralLosses(model.sample_rate_hz), nn.Module()
    trained.decoder = nn.ModuleList([model.spread, model.decoder, model.head, model.tones])
    trained.critics = critics = Critics()
    n_samples = (round(config.crop_seconds * model.sample_rate_hz) // model.samples_per_step
                 * model.samples_per_step)
    def loss_of(rng):
        rows = rng.integers(0, len(sounds), config.batch_size)
        sound = torch.from_numpy(bundling.crops(rng, sounds, rows, n_samples))
        with loop.autocast("cpu", config.bfloat16):
            with torch.no_grad():
                vectors = model.quantiser.decode(model.encode(sound[:, None]))
            spectrum, tones = model.spectrum_and_tones(vectors)
        made = model.synthesise(spectrum, tones)
        mel, convergence = losses(made, sound)
        notes = note_loss(tones, model.pitches.peaks(model.pitches(sound)))
        with loop.autocast("cpu", config.bfloat16):
            told = sum(F.relu(1 - real).mean() + F.relu(1 + fake).mean()
                       for real, fake in zip(critics(sound)[0], critics(made.detach())[0],
                                             strict=True))
            critics.requires_grad_(False)
            scores, seen = critics(made)
            with torch.no_grad():
                wanted = critics(sound)[1]
            critics.requires_grad_(True)
        fooled = -sum(score.mean() for score in scores)
        features = sum((a - b).abs().mean().float() for a, b in zip(seen, wanted, strict=True))
        loss = (mel + config.w_convergence * convergence + config.w_notes * notes + told
                + config.w_critics * fooled + config.w_features * features)
        return loss, {"mel": mel.item(), "convergence": convergence.item(), "notes": notes.item(),
                      "critics": told.item(), "fooled": fooled.item(), "features": features.item()}
    return loop.fit(trained, loss_of, config, seed=seed, key=f"{model.settings} {key}", **run)


def train(model: SpectralCodec, sounds: np.ndarray, config: Config = Config(), *, key: str = "",
          seed: int = 0, **run) -> list[dict]:
    """Trains in place on sounds float32 [N, samples]; a curve: losses, the least perplexity."""
    losses, n_codebooks = SpectralLosses(model.sample_rate_hz), model.n_codebooks
    n_steps = round(config.crop_seconds * model.sample_rate_hz) // model.samples_per_step
    n_samples = n_steps * model.samples_per_step
    trained = torch.nn.Module()
    trained.codec = model
    # in the checkpoint, so that a resumed run knows when the quantiser starts
    trained.register_buffer("steps", steps := torch.zeros((), dtype=torch.long))
    def crops(rng, count: int):
        batch = bundling.crops(rng, sounds, rng.integers(0, len(sounds), count), n_samples)
        gains = 10 ** (-config.gain_db * rng.random(count) / 20)
        return torch.from_numpy(batch * gains[:, None].astype(np.float32))[:, None]  # [B, 1, N]
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
                                  per_batch=config.batch_size * n_steps)
        sound = crops(rng, config.batch_size)
        z = latents(sound)
        quantised, commitment, used = z, z.new_zeros(()), float("nan")
        if step >= config.unquantised_steps:
            keep = np.where(rng.random(len(sound)) < config.p_fewer,
                            rng.integers(1, n_codebooks + 1, len(sound)), n_codebooks)
            quantised, commitment, codes = model.quantiser(z, torch.from_numpy(keep))
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


def make() -> tuple:
    """The codec: rendering 2 minutes, training about 25 on one core, resumable."""
    sounds, key = bundling.computed_of_clips(lambda clips: np.asarray(clips, np.float32), "codec",
                                             CODEC_SEED, N_TRAIN)
    torch.manual_seed(bundling.SEED)
    model = SpectralCodec()
    curve = train(model, sounds, **bundling.run("codec", key))
    return {"config.json": {"model_type": KIND, **model.settings},
            "model.safetensors": stored.half(model), "curves.csv": curve}, key


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
