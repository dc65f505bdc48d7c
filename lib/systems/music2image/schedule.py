"""How fast a picture drowns in noise, and the two ways back: the diffusion model's schedules and
samplers.

Source: Nichol & Dhariwal (2021) for the cosine, Lin et al. (2024) for zero terminal SNR and
trailing steps, Lu et al. (2022) for DPM-Solver++, Ho et al. (2020) for the ancestral sampler.
Notebook: 33, 34.
"""

import functools
import math

import numpy as np
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

from lib.core.errors import KlangfarbeError

SCHEDULES = ("published", "zero_terminal_snr")
PREDICTIONS = ("epsilon", "v")
SAMPLERS = ("ancestral", "dpm_solver")


@functools.lru_cache
def alphas_bar(name: str, n_steps: int = 1000) -> np.ndarray:
    """ᾱ_t of a schedule, float64 [T], falling: the share of the picture's variance that is left
    after t + 1 steps of noise.

    ``published``: β_t = 1 − f(t+1)/f(t) with f(t) = cos²(π/2·(t/T + .008)/1.008), clipped to [.001,
    .02], as the released code does.
    ``zero_terminal_snr``: the same, with √ᾱ shifted and stretched so that it begins where it began
    and ends at exactly 0.

    Source: Nichol & Dhariwal (2021), eq. 17; Lin et al. (2024), algorithm 1.  Notebook: 33, 34.
    """
    if name not in SCHEDULES:
        raise KlangfarbeError(f"a schedule out of {', '.join(SCHEDULES)}", repr(name),
                              "name one of them")
    f = np.cos((np.arange(n_steps + 1) / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2
    root = np.sqrt(np.cumprod(1 - np.clip(1 - f[1:] / f[:-1], 0.001, 0.02)))
    if name == "zero_terminal_snr":
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    left = root**2
    left.flags.writeable = False
    return left


def betas(name: str, n_steps: int = 1000) -> np.ndarray:
    """β_t = 1 − ᾱ_t/ᾱ_{t−1}, float64 [T] in (0, 1]: what diffusers' schedulers are given."""
    left = alphas_bar(name, n_steps)
    return 1 - left / np.concatenate([[1.0], left[:-1]])


def snr(name: str, n_steps: int = 1000) -> np.ndarray:
    """Signal-to-noise ratio ᾱ_t/(1 − ᾱ_t), float64 [T]: 0 means that nothing of the picture is
    left.
    """
    left = alphas_bar(name, n_steps)
    return left / (1 - left)


def foreseen(x_t, predicted, t: int, name: str, prediction: str, n_steps: int = 1000):
    """The picture a prediction amounts to, clipped to [−1, 1]: (x_t − √(1−ᾱ)·ε̂)/√ᾱ, or √ᾱ·x_t −
    √(1−ᾱ)·v̂; shapes [B, 3, H, W].
    """
    left = float(alphas_bar(name, n_steps)[int(t)])
    if prediction == "epsilon":
        return ((x_t - (1 - left) ** 0.5 * predicted) / left**0.5).clamp(-1, 1)
    return (left**0.5 * x_t - (1 - left) ** 0.5 * predicted).clamp(-1, 1)


def sampler(kind: str, n_sampling: int, name: str, prediction: str, n_steps: int = 1000):
    """diffusers' scheduler, ready to step: ``ancestral`` (DDPM, fresh noise at every step) or
    ``dpm_solver`` (DPM-Solver++, second order).

    Both start at t = T − 1 (trailing steps) and clip the picture they foresee to [−1, 1]. The
    solver divides by √ᾱ, so under zero terminal SNR diffusers gives it ᾱ_T = 2⁻²⁴ for 0.

    Args:
        kind: out of :data:`SAMPLERS`. n_sampling: network calls a picture (twice that under
            guidance), 1 … `n_steps`.
        name: of the schedule the network learned. prediction: ``epsilon`` or ``v``. n_steps: T.

    Source: Ho et al. (2020), algorithm 2; Lu et al. (2022), algorithm 2; Lin et al. (2024), §3.3.
    Notebook: 33.
    """
    for what, value, allowed in (("sampler", kind, SAMPLERS),
                                 ("prediction", prediction, PREDICTIONS)):
        if value not in allowed:
            raise KlangfarbeError(f"a {what} out of {', '.join(allowed)}", repr(value),
                                  "name one of them")
    if not 1 <= n_sampling <= n_steps:
        raise KlangfarbeError(f"1 to {n_steps} sampling steps", str(n_sampling),
                              "20 are enough for dpm_solver")
    shared = {"num_train_timesteps": n_steps, "trained_betas": betas(name, n_steps),
              "timestep_spacing": "trailing",
              "prediction_type": "epsilon" if prediction == "epsilon" else "v_prediction"}
    if kind == "ancestral":
        chosen = DDPMScheduler(**shared, clip_sample=True)
    else:
        # thresholding at a maximum of 1 is the solver's way of clipping to [−1, 1]
        chosen = DPMSolverMultistepScheduler(**shared, algorithm_type="dpmsolver++", solver_order=2,
                                             final_sigmas_type="zero",
                                             rescale_betas_zero_snr=name == "zero_terminal_snr",
                                             thresholding=True, dynamic_thresholding_ratio=1.0,
                                             sample_max_value=1.0)
    chosen.set_timesteps(n_sampling)
    return chosen
