"""Training of the bundled codec: two-second crops, spectra at four scales, a quantiser that starts
from k-means.

No sample is compared with a sample: the ear does not hear phase, and neither do these losses. Its
data come in as arrays; the recipe that renders them is ``python -m lib miniature codec``.
Notebook: 03.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from lib.core import provenance
from lib.models.quantiser import perplexity
from lib.models.spectral_codec import FLOOR, Discriminators
from lib.models.spectral_losses import LONGEST, SCALES, SpectralLosses
from lib.training import fit, loop


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
    p_fewer: float = 0.2             # share of crops told with fewer codebooks than all
    w_mel: float = 1.0
    w_convergence: float = 1.0       # of the windows of CONVERGENCE
    w_notes: float = 0.5
    w_commitment: float = 0.25
    adversarial_from: int = -1       # step from which a discriminator joins in; −1: never
    w_adversarial: float = 0.1
    w_feature: float = 0.2
    # the networks' products in half precision, twice as fast where the processor has it
    bfloat16: bool = True


def note_loss(tones, peaks):
    """Mean |ln tones − ln peaks| where either sounds, weighted by the root of their amplitudes: soft notes count, silence hardly.

    Without it the spectra alone must teach the oscillators, and a network that cannot place a note
    yet does best to hum none.

    Args:
        tones: amplitudes the decoder gives its oscillators, [B, T, P]. peaks: those of the true
            sound (:meth:`lib.models.spectral_codec.Pitches.peaks`), [B, T / 2, P].

    Returns:
        Scalar, in nepers. Amplitudes below 1e-5 count as 1e-5.
    """
    true, told = peaks.clamp_min(FLOOR).repeat_interleave(2, dim=1), tones.clamp_min(FLOOR)
    weight = true.sqrt() + told.detach().sqrt() + FLOOR**0.5
    return (weight * (true.log() - told.log()).abs()).sum() / weight.sum()


def adversarial_losses(critics, made, true):
    """Hinge losses of maker and critics in one pass, so that one optimiser moves both.

    The maker's losses see the critics' weights as constants; the critics' loss sees the made sound
    as a constant.

    Args:
        critics: lib.models.spectral_codec.Critics. made, true: sounds [B, N].

    Returns:
        (fooling: mean max(0, 1 − verdict on the made), feature: L1 between layers on made and true,
        relative to the true ones,
        judging: mean max(0, 1 − verdict on the true) + max(0, 1 + verdict on the made)), averaged
            over windows.

    Source: Défossez et al. (2023), EnCodec, eq. 1 to 3.
    """
    fixed = {name: weight.detach() for name, weight in critics.named_parameters()}
    fooled, real, caught = torch.func.functional_call(critics, fixed,
                                                      (made,)), critics(true), critics(
        made.detach())
    count, fooling, feature, judging = len(real), 0.0, 0.0, 0.0
    for of_made, of_true, of_caught in zip(fooled, real, caught, strict=True):
        fooling = fooling + F.relu(1 - of_made[-1]).mean() / count
        judging = judging + (F.relu(1 - of_true[-1]).mean()
                             + F.relu(1 + of_caught[-1]).mean()) / count
        pairs = [(a, b.detach()) for a, b in zip(of_made[:-1], of_true[:-1], strict=True)]
        feature = feature + sum((a - b).abs().mean() / b.abs().mean().clamp_min(1e-6) for a,
                                b in pairs) / (len(pairs) * count)
    return fooling, feature, judging


def train(model, sounds: np.ndarray, checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "", every: int = 100) -> list[dict]:
    """Trains in place and returns the curve: the losses, and the perplexity, in a batch, of the
    codebook that is used least.

    Args:
        model: lib.models.spectral_codec.SpectralCodec. sounds: float32 [N, samples] at its rate, at
            least ``crop_seconds`` long.
        key: hash of the data.
    """
    losses = SpectralLosses(model.sample_rate_hz)
    n_samples = round(config.crop_seconds
                      * model.sample_rate_hz) // model.samples_per_step * model.samples_per_step
    trained = torch.nn.Module()
    trained.codec, trained.critics = model, Discriminators() if config.adversarial_from >= 0 else None
    # in the checkpoint, so that a resumed run knows
    trained.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def crops(rng, count: int):
        rows, starts = rng.integers(0, len(sounds),
                                    count), rng.integers(0, sounds.shape[1] - n_samples + 1, count)
        batch = np.stack([sounds[r, s : s + n_samples] for r, s in zip(rows, starts, strict=True)])
        gains = 10 ** (-config.gain_db * rng.random(count) / 20)
        # [B, 1, N]
        return torch.from_numpy(batch * gains[:, None].astype(np.float32))[:, None]

    def latents(sound):
        with loop.autocast(sound.device.type, config.bfloat16):
            return model.latents(sound).float()

    def loss_of(rng):
        step = int(trained.steps)
        trained.steps += 1
        if step == config.unquantised_steps:
            with torch.no_grad():
                z = torch.cat([latents(crops(rng, 32))
                               for _ in range(-(-config.start_crops // 32))])
            model.quantiser.start(z.reshape(-1, z.shape[2]), seed,
                                  per_batch=config.batch_size * n_samples // model.samples_per_step)
        sound = crops(rng, config.batch_size)
        z = latents(sound)
        told, commitment, used = z, z.new_zeros(()), float("nan")
        if step >= config.unquantised_steps:
            keep = np.where(rng.random(len(sound)) < config.p_fewer,
                            rng.integers(1, model.n_codebooks + 1, len(sound)), model.n_codebooks)
            told, commitment, codes = model.quantiser(z, torch.from_numpy(keep))
            used = float(perplexity(codes, model.codebook_size).min())
        with loop.autocast(sound.device.type, config.bfloat16):
            spoken = model.spoken(told)
        made = model.sounded(*spoken)
        mel, convergence = losses(made, sound[:, 0])
        notes = note_loss(spoken[1], model.pitches.peaks(model.pitches(sound[:, 0])))
        loss = config.w_mel * mel + config.w_convergence * convergence + config.w_notes * notes + config.w_commitment * commitment
        curve = {"mel": mel.item(), "convergence": convergence.item(), "notes": notes.item(),
                 "commitment": commitment.item(), "perplexity": used}
        if trained.critics is not None and step >= config.adversarial_from:
            fooling, feature, judging = adversarial_losses(trained.critics, made, sound[:, 0])
            loss = loss + config.w_adversarial * fooling + config.w_feature * feature + judging
            curve |= {"fooling": fooling.item(), "feature": feature.item(),
                      "judging": judging.item()}
        return loss, curve

    key = provenance.content_hash(repr((asdict(config), model.settings, SCALES, LONGEST, seed,
                                        key)).encode())
    return fit.fit(trained, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed, every=every)
