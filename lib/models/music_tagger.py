"""A small network that listens: what genre five seconds of music are, and how they feel. Its mel is
finer than ``audio.MEL``, whose bands cannot tell major from minor. Source: ours; the form is that
of VGGish (Hershey et al. 2017, §3), smaller.  Notebook: 05."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from lib.core.errors import checked

FLOOR = 1e-5  # power below which a band counts as silent: −50 dB under a full-scale band


class MusicTagger(nn.Module):
    """Mel CNN of levels of `widths`, with two heads; `settings` are its ``config.json``."""
    def __init__(self, n_genres: int = 10, widths: tuple[int, ...] = (32, 64, 96, 160),
                 embedding: int = 96, *, sample_rate_hz: int = 22_050, window_seconds: float = 5.0,
                 n_fft: int = 2048, hop_length: int = 512, n_mels: int = 128,
                 lowest_hz: float = 30.0, highest_hz: float = 10_000.0):
        self.settings = {name: value for name, value in locals().items()
                         if name not in ("self", "n_genres", "__class__")}
        super().__init__()
        self.sample_rate_hz, self.window_seconds = sample_rate_hz, window_seconds
        self.n_fft, self.hop_length, self.width = n_fft, hop_length, embedding
        self.window_samples = round(sample_rate_hz * window_seconds)
        self.bands = nn.Buffer(melscale_fbanks(n_fft // 2 + 1, lowest_hz, highest_hz, n_mels,
                                               sample_rate_hz, norm="slaney", mel_scale="slaney"),
                               persistent=False)                                          # [F, M]
        self.hann = nn.Buffer(torch.hann_window(n_fft), persistent=False)
        levels, before = [], 1
        for width in widths:
            levels += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                       nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.levels = nn.Sequential(*levels)
        self.squeeze = nn.Linear(before * (math.ceil(n_mels / 2 ** len(widths)) + 1), embedding)
        self.drop = nn.Dropout(0.2)
        self.genre = nn.Linear(embedding, n_genres)
        self.affect = nn.Linear(embedding, 2)

    def mel(self, windows: Tensor) -> Tensor:
        """[B, N] of any N → ln of mel power [B, M, T]."""
        spectrum = torch.stft(windows, self.n_fft, self.hop_length, window=self.hann,
                              return_complex=True)
        power = spectrum.abs().square().transpose(1, 2) @ self.bands                   # [B, T, M]
        return torch.log(power + FLOOR).transpose(1, 2)

    def embed(self, mel: Tensor) -> Tensor:
        """ln-mel [B, M, T] → embedding [B, D], not rectified."""
        cells = self.levels((mel.unsqueeze(1) + 4.0) / 4.0)                # [B, C, M/16, T/16]
        return self.squeeze(torch.cat([cells.mean(3).flatten(1), cells.amax((2, 3))], dim=1))

    def heads(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding [B, D] → genre logits [B, G], (valence, arousal) in (−1.2, 1.2) [B, 2]."""
        active = self.drop(F.relu(embedding))
        return self.genre(active), 1.2 * torch.tanh(self.affect(active))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows [B, N] → genre logits [B, G], affect [B, 2], embedding [B, D]."""
        checked(windows, "windows", ("B", self.window_samples),
                "cut them with metrics.embedders.windows")
        embedding = self.embed(self.mel(windows))
        return *self.heads(embedding), embedding
