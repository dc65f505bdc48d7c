"""How far two sounds lie apart in their spectra at several scales; phase is not compared.

Source: Arik et al. (2018) for spectral convergence; Kong et al. (2020), eq. 3, for ln-mel L1.
Notebook: 03, 43.
"""

import torch
from torch import nn

from lib.models.spectral_codec import Mel, Pitches, magnitude, quarter_tones

SCALES = ((512, 40), (1024, 64), (2048, 128))  # window, mel bands; the hop is a quarter
LONGEST = 5292  # the window of one more scale, in quarter tones
CONVERGENCE = (512, 2048, LONGEST)  # windows that spectral convergence is measured in


class SpectralLoss(nn.Module):
    """Two sounds [B, N] → (mean over scales of ln-mel L1, mean over ``CONVERGENCE`` of spectral
    convergence ‖|S| − |Ŝ|‖ / ‖|S|‖ of each item, so that soft clips count like loud ones).
    """

    def __init__(self, sample_rate_hz: int, scales: tuple[tuple[int, int], ...] = SCALES):
        super().__init__()
        centres = quarter_tones(32.703, 169)
        centres = centres[centres < 0.48 * sample_rate_hz]
        self.views = nn.ModuleList([*(Mel(sample_rate_hz, n_fft, n_fft // 4, n_mels)
                                      for n_fft, n_mels in scales),
                                    Pitches(sample_rate_hz, centres, LONGEST, LONGEST // 4)])

    def forward(self, output: torch.Tensor,
                target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, N], [B, N] → two scalars."""
        distances, convergences = [], []
        for view in self.views:
            whole = output.shape[1] // view.frames.hop_length * view.frames.hop_length
            ours, theirs = (magnitude(view.frames.analyse(sound[:, :whole]))
                            for sound in (output, target))
            distances.append((view.of(ours) - view.of(theirs)).abs().mean())
            if view.frames.n_fft in CONVERGENCE:
                convergences.append(((ours - theirs).norm(dim=(1, 2))
                                     / theirs.norm(dim=(1, 2)).clamp_min(1e-3)).mean())
        return (sum(distances) / len(distances),
                sum(convergences) / max(1, len(convergences)))
