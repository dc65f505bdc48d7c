"""The one mel-spectrogram of both stages: ln-mel in [−11.5, 2.5] for the vocoder, [−1, 1] for the
decoder; frame t is centred on (t + ½)·hop, N = T·hop. Source: Hong et al. §III-A.5. Known
deviation: short clips end in silence (−1), not in 0, a steady noise. Notebook: 42, 43."""

import functools

import numpy as np
import torch

from lib.models.spectral_codec import Mel
from lib.signal import audio

RATE_HZ, HOP, N_MELS = audio.SAMPLE_RATE_HZ, audio.MEL["hop_length"], audio.MEL["n_mels"]
_analysis = functools.cache(lambda device: Mel(RATE_HZ, audio.MEL["n_fft"], HOP, N_MELS).to(device))
LOWEST, HIGHEST = float(np.log(1e-5)), 2.5  # silence; more than a full-scale sine in any band


def n_frames(seconds: float) -> int:
    """T of a clip, at least 1: 10.4 s have the published 896."""
    return max(1, round(seconds * RATE_HZ / HOP))


def ln_mel(sounds: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Sounds [B, N] at 22.05 kHz in [−1, 1] → ln-mel [B, M, N // 256], differentiable."""
    sounds = torch.as_tensor(sounds, dtype=torch.float32)
    whole = sounds[:, : sounds.shape[1] // HOP * HOP]
    return _analysis(str(sounds.device))(whole).transpose(1, 2)  # [B, M, T]


def to_unit(ln):
    """ln-mel → [−1, 1], clipped; array or tensor of any shape."""
    return (2 * (ln - LOWEST) / (HIGHEST - LOWEST) - 1).clip(-1, 1)


def to_ln(unit):
    """[−1, 1] → ln-mel, the inverse of :func:`to_unit`."""
    return (unit.clip(-1, 1) + 1) * (HIGHEST - LOWEST) / 2 + LOWEST


def padded_mel(sounds: np.ndarray, n_frames: int) -> np.ndarray:
    """Sounds [B, N] → mels float16 [B, M, n_frames] in [−1, 1]; cut, or padded with silence."""
    sounds = sounds[:, : n_frames * HOP]
    sounds = np.pad(sounds, ((0, 0), (0, n_frames * HOP - sounds.shape[1])))
    return to_unit(ln_mel(sounds)).numpy().astype(np.float16)
