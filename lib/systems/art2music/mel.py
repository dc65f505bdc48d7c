"""The one mel-spectrogram of both stages, and the line between their two scales.

    sound [B, N] ──STFT 1024 / 256, 80 Slaney bands──► ln-mel [B, M, T] in [−11.5, 2.5] (vocoder)
    ln-mel ──to_unit──► mel [B, M, T] in [−1, 1] (decoder) ──to_ln──► ln-mel

The released code has a loader for each, and nothing joins the two. Frame t is centred on
(t + ½)·hop, so N = T·hop.

Source: Hong et al. §III-A.5. Known deviation: a short clip is padded with silence (−1); the paper
pads with 0 after scaling, a steady noise of medium level. Notebook: 42, 43.
"""

import functools

import numpy as np
import torch

from lib.models.spectral_codec import Mel
from lib.signal import audio

RATE_HZ, HOP, N_MELS = audio.SAMPLE_RATE_HZ, audio.MEL["hop_length"], audio.MEL["n_mels"]
# the floor of silence; 2.5 is above a full-scale sine in the loudest band
LOWEST, HIGHEST = float(np.log(1e-5)), 2.5


def n_frames(seconds: float) -> int:
    """T of a clip, at least 1: 10.4 s have the published 896."""
    return max(1, round(seconds * RATE_HZ / HOP))


@functools.cache
def _analysis(device: str) -> Mel:
    return Mel(RATE_HZ, audio.MEL["n_fft"], HOP, N_MELS).to(device)


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
