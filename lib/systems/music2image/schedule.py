"""The diffusion model's noise schedules and samplers.

Source: Nichol & Dhariwal (2021), eq. 17, for the cosine; Lin et al. (2024), algorithm 1 and §3.3,
for zero terminal SNR and trailing steps; Lu et al. (2022), algorithm 2, for DPM-Solver++; Ho et al.
(2020), algorithm 2, for the ancestral sampler. Notebook: 33, 34.
"""

import functools
import math

import numpy as np
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from lib.core.errors import KlangfarbeError
from lib.systems.music2image.config import CHOICES

SCHEDULES = CHOICES["schedule"]


@functools.lru_cache
def alphas_bar(name: str, n_steps: int = 1000) -> np.ndarray:
    """ᾱ_t, float64 [T], falling: the share of the picture's variance left after t + 1 steps.

    ``published``: β_t = 1 − f(t+1)/f(t), f(t) = cos²(π/2·(t/T + .008)/1.008), clipped to [.001,
    .02] as released. ``zero_terminal_snr``: its √ᾱ, shifted and scaled so that it ends at 0.
    """
    f = np.cos((np.arange(n_steps + 1) / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2
    root = np.sqrt(np.cumprod(1 - np.clip(1 - f[1:] / f[:-1], 0.001, 0.02)))
    if name == "zero_terminal_snr":
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    left = root**2
    left.flags.writeable = False  # the cache gives every caller the same array
    return left


def betas(name: str, n_steps: int = 1000) -> np.ndarray:
    """β_t = 1 − ᾱ_t/ᾱ_{t−1}, float64 [T] in (0, 1]."""
    left = alphas_bar(name, n_steps)
    return 1 - left / np.concatenate([[1.0], left[:-1]])


def snr(name: str, n_steps: int = 1000) -> np.ndarray:
    """Signal-to-noise ratio ᾱ_t/(1 − ᾱ_t), float64 [T]."""
    left = alphas_bar(name, n_steps)
    return left / (1 - left)


def predict_x0(x_t: torch.Tensor, predicted: torch.Tensor, t: int, name: str,
               prediction: str) -> torch.Tensor:
    """The picture a prediction implies, (x_t − √(1−ᾱ)·ε̂)/√ᾱ or √ᾱ·x_t − √(1−ᾱ)·v̂, clipped to
    [−1, 1].
    """
    left = float(alphas_bar(name)[int(t)])
    if prediction == "epsilon":
        return ((x_t - (1 - left) ** 0.5 * predicted) / left**0.5).clamp(-1, 1)
    return (left**0.5 * x_t - (1 - left) ** 0.5 * predicted).clamp(-1, 1)


def sampler(kind: str, n_sampling: int, name: str, prediction: str,
            n_steps: int = 1000) -> DDPMScheduler | DPMSolverMultistepScheduler:
    """diffusers' scheduler: ``ancestral`` (DDPM) or ``dpm_solver`` (DPM-Solver++, order 2), from
    t = T − 1 on, the predicted picture clipped to [−1, 1]. The solver divides by √ᾱ, so under zero
    terminal SNR diffusers gives it ᾱ_T = 2⁻²⁴ for 0.
    """
    for setting, value in (("schedule", name), ("sampler", kind), ("prediction", prediction)):
        if value not in CHOICES[setting]:
            raise KlangfarbeError(f"a {setting} out of {', '.join(CHOICES[setting])}", repr(value),
                                  "name one of them")
    if not 1 <= n_sampling <= n_steps:
        raise KlangfarbeError(f"1 to {n_steps} sampling steps", str(n_sampling),
                              "20 are enough for dpm_solver")
    shared = {"num_train_timesteps": n_steps, "trained_betas": betas(name, n_steps),
              "timestep_spacing": "trailing",
              "prediction_type": "epsilon" if prediction == "epsilon" else "v_prediction"}
    if kind == "ancestral":
        chosen = DDPMScheduler(**shared, clip_sample=True)
    else:  # thresholding at a maximum of 1 is this solver's way of clipping
        chosen = DPMSolverMultistepScheduler(**shared, algorithm_type="dpmsolver++", solver_order=2,
                                             final_sigmas_type="zero",
                                             rescale_betas_zero_snr=name == "zero_terminal_snr",
                                             thresholding=True, dynamic_thresholding_ratio=1.0,
                                             sample_max_value=1.0)
    chosen.set_timesteps(n_sampling)
    return chosen
