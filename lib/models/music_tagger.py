"""A small network that listens: what genre five seconds of music are, and how they feel.

    sound [B, N] ──ln-mel──► [B, 1, M, T] ──4 × (convolution, ÷2)──► [B, C, M/16, T/16]
        ──mean over time, maximum over all──► embedding [B, D] ─┬─► genre logits [B, G]
                                                                └─► (valence, arousal) [B, 2]

The mel is finer than the workbook's usual one (lib.signal.audio.MEL): a chord's third moves by a
semitone, 26 Hz at 440 Hz, and bands of 1,024 samples cannot tell major from minor there.

Notebook: 05.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from lib.core.errors import KlangfarbeError

FLOOR = 1e-5  # power below which a band counts as silent: −50 dB under a full-scale band


class MusicTagger(nn.Module):
    """Mel CNN with two heads; the layer below the heads is the embedding that Fréchet distances are
    measured in.

    Args:
        n_genres: G. widths: channels of the four levels; each halves bands and frames. embedding:
            D.
        sample_rate_hz, window_seconds: what it was trained on; it refuses windows of another
            length.
        n_fft, hop_length, n_mels: of the mel; lowest_hz, highest_hz: its range.

    Attributes:
        settings: the arguments it was built with, `n_genres` aside: what its ``config.json`` holds
            beside the labels.

    Source: ours; the form is that of VGGish (Hershey et al. 2017, §3), smaller.  Notebook: 05.
    """

    def __init__(self, n_genres: int = 10, widths: tuple[int, ...] = (32, 64, 96, 160),
                 embedding: int = 96, *, sample_rate_hz: int = 22_050, window_seconds: float = 5.0,
                 n_fft: int = 2048, hop_length: int = 512, n_mels: int = 128,
                 lowest_hz: float = 30.0, highest_hz: float = 10_000.0):
        super().__init__()
        self.settings = {"widths": tuple(widths), "embedding": embedding,
                         "sample_rate_hz": sample_rate_hz, "window_seconds": window_seconds,
                         "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels,
                         "lowest_hz": lowest_hz, "highest_hz": highest_hz}
        self.sample_rate_hz, self.window_seconds = sample_rate_hz, window_seconds
        self.n_fft, self.hop_length = n_fft, hop_length
        bands = melscale_fbanks(n_fft // 2 + 1, lowest_hz, highest_hz, n_mels, sample_rate_hz,
                                norm="slaney", mel_scale="slaney")
        self.register_buffer("bands", bands, persistent=False)                            # [F, M]
        self.register_buffer("hann", torch.hann_window(n_fft), persistent=False)
        levels, before = [], 1
        for width in widths:
            levels += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                       nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.levels = nn.Sequential(*levels)
        rows = math.ceil(n_mels / 2 ** len(widths))
        self.squeeze = nn.Linear(before * (rows + 1), embedding)
        self.drop = nn.Dropout(0.2)
        self.genre = nn.Linear(embedding, n_genres)
        self.affect = nn.Linear(embedding, 2)

    @property
    def window_samples(self) -> int:
        """N, the length of one window."""
        return round(self.sample_rate_hz * self.window_seconds)

    def mel(self, windows: torch.Tensor) -> torch.Tensor:
        """ln of mel power, [B, N] → [B, M, T]. Any N: training takes whole clips through it
        once.
        """
        spectrum = torch.stft(windows, self.n_fft, self.hop_length, window=self.hann,
                              return_complex=True)
        # [B, T, M]
        power = spectrum.abs().square().transpose(1, 2) @ self.bands
        return torch.log(power + FLOOR).transpose(1, 2)

    def embed(self, mel: torch.Tensor) -> torch.Tensor:
        """ln-mel [B, M, T] → embedding [B, D], not rectified: Fréchet distances suppose something
        like a Gaussian.
        """
        # [B, C, M/16, T/16]
        found = self.levels((mel.unsqueeze(1) + 4.0) / 4.0)
        pooled = torch.cat([found.mean(3).flatten(1), found.amax((2, 3))], dim=1)
        return self.squeeze(pooled)

    def heads(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding [B, D] → genre logits [B, G], (valence, arousal) in (−1.2, 1.2) [B, 2]."""
        active = self.drop(F.relu(embedding))
        return self.genre(active), 1.2 * torch.tanh(self.affect(active))

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Windows [B, N] → genre logits [B, G], affect [B, 2], embedding [B, D].

        Raises:
            KlangfarbeError: windows of another length than it was trained on.
        """
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise KlangfarbeError(f"windows [B, {self.window_samples}]", str(tuple(windows.shape)),
                                  "cut them with metrics.embedders.windows")
        embedding = self.embed(self.mel(windows))
        return *self.heads(embedding), embedding
