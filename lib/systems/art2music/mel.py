"""System 4's one mel-spectrogram: what the decoder predicts, what the vocoder hears, and the one
line between their two scales.

    sound [B, N] ──STFT 1024 / 256, 80 Slaney bands──► ln-mel [B, M, T] in [−11.5, 2.5] ──unit──► [B, M, T] in [−1, 1]     (the decoder's)
                                                       (the vocoder's)                  ◄──ln───

The released code has two loaders: the decoder's mels lie in [−1, 1], the vocoder's are natural
logarithms, and nothing shows that the two meet. Here both are this file, and notebook 43's
ground-truth round trip crosses it.

Source: text 003, §III-A.5 (22.05 kHz, FFT 1024, hop 256, 80 bands, [−1, 1], T = 896). Frame t is
centred on (t + ½)·hop, so N = T·hop.
Notebook: 42, 43.
"""

import functools

import numpy as np
import torch

from lib.models.spectral_codec import Mel
from lib.signal import audio

RATE_HZ, HOP, N_MELS = audio.SAMPLE_RATE_HZ, audio.MEL["hop_length"], audio.MEL["n_mels"]
# silence's floor; 2.5 is above a full-scale sine in the loudest band
LOWEST, HIGHEST = float(np.log(1e-5)), 2.5


def n_frames(seconds: float) -> int:
    """T of a clip, at least 1: 10.4 s have the published 896."""
    return max(1, round(seconds * RATE_HZ / HOP))


def ln_mel(sounds):
    """Sounds [B, N] (array or tensor, 22.05 kHz, [−1, 1]) → ln-mel, a tensor [B, M, T], T = N //
    256, with its gradient.
    """
    sounds = torch.as_tensor(sounds, dtype=torch.float32)
    whole = sounds[:, : sounds.shape[1] // HOP * HOP]
    return _analysis(str(sounds.device))(whole).transpose(1, 2)  # [B, M, T]


def to_unit(ln):
    """ln-mel → [−1, 1], clipped: linear, −1 at the floor, 1 at :data:`HIGHEST`. Any shape, array or
    tensor.
    """
    return (2 * (ln - LOWEST) / (HIGHEST - LOWEST) - 1).clip(-1, 1)


def to_ln(unit):
    """[−1, 1] → ln-mel, the inverse of :func:`to_unit`."""
    return (unit.clip(-1, 1) + 1) * (HIGHEST - LOWEST) / 2 + LOWEST


@functools.cache
def _analysis(device: str):
    return Mel(RATE_HZ, audio.MEL["n_fft"], HOP, N_MELS).to(device)
