"""Spectral distances of two sounds at several windows: what codec and small vocoder learn by.

Source: Arik et al. (2018) for spectral convergence; Kong, Kim & Bae (2020), equation 3, for ln-mel
L1.  Notebook: 03, 43.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lib.models.spectral_codec import Mel, Pitches, magnitude, quarter_tones

SCALES = ((512, 40), (1024, 64), (2048, 128))  # window and mel bands; the hop is a quarter
LONGEST = 5292  # and one longer window, in quarter tones
CONVERGENCE = (512, 2048, LONGEST)  # windows whose spectral convergence is taken


class SpectralLosses(nn.Module):
    """Generated, true [B, N] → means over windows of ln-mel L1 and ‖|S| − |Ŝ|‖ / ‖|S|‖."""

    def __init__(self, sample_rate_hz: int):
        super().__init__()
        tones = quarter_tones(32.703, 169)
        tones = tones[tones < 0.48 * sample_rate_hz]
        self.filters: Any = nn.ModuleList(
            [*(Mel(sample_rate_hz, n_fft, n_fft // 4, n_mels) for n_fft, n_mels in SCALES),
             Pitches(sample_rate_hz, tones, LONGEST, LONGEST // 4)])

    def forward(self, generated: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        distances, convergences = [], []
        for bank in self.filters:
            whole = generated.shape[1] // bank.frames.hop_length * bank.frames.hop_length
            ours, theirs = (magnitude(bank.frames.analyse(sound[:, :whole]))
                            for sound in (generated, true))
            distances.append((bank.of(ours) - bank.of(theirs)).abs().mean())
            if bank.frames.n_fft in CONVERGENCE:
                convergences.append(((ours - theirs).norm(dim=(1, 2))
                                     / theirs.norm(dim=(1, 2)).clamp_min(1e-3)).mean())
        zero = torch.zeros(())
        return (sum(distances, zero) / len(distances),
                sum(convergences, zero) / len(convergences))
