"""CNN14 of PANNs: sound at 32 kHz, an embedding of 2,048 numbers and a logit for each of AudioSet's
527 classes. Names and shapes of weights are the published checkpoint's (Cnn14_mAP=0.431). Source:
Kong et al. (2020), table 2 and §III.A.  Notebook: 05."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

SAMPLE_RATE_HZ, N_FFT, HOP, N_MELS = 32_000, 1024, 320, 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
FLOOR = 1e-10  # of power: −100 dB


class Block(nn.Module):
    """Two convolutions with batch norm and ReLU, then the mean over `pool` × `pool` cells."""
    def __init__(self, before: int, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, cells: Tensor, pool: int) -> Tensor:
        """Cells [B, C, T, M] → [B, C', T/pool, M/pool]."""
        cells = F.relu(self.bn1(self.conv1(cells)))
        return F.avg_pool2d(F.relu(self.bn2(self.conv2(cells))), pool)


class Cnn14(nn.Module):
    """Six blocks of `widths`; mean over frequency, maximum plus mean over time. Its dropout, which
    is for training, is left out."""
    sample_rate_hz = SAMPLE_RATE_HZ
    window_seconds = 10.0  # AudioSet's clips
    hop_seconds = 10.0

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512, 1024, 2048),
                 n_classes: int = 527):
        super().__init__()
        self.width, self.n_classes = widths[-1], n_classes
        self.hann = nn.Buffer(torch.hann_window(N_FFT), persistent=False)
        self.logmel_extractor = nn.Module()  # the published file holds its mel bands; they are used
        self.logmel_extractor.melW = nn.Buffer(melscale_fbanks(
            N_FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE_HZ, norm="slaney",
            mel_scale="slaney"))                                       # [F, M]
        self.bn0 = nn.BatchNorm2d(N_MELS)
        for number, (before, channels) in enumerate(zip((1, *widths), widths), 1):
            self.add_module(f"conv_block{number}", Block(before, channels))
        self.n_blocks = len(widths)
        self.fc1 = nn.Linear(self.width, self.width)
        self.fc_audioset = nn.Linear(self.width, n_classes)

    def mel(self, windows: Tensor) -> Tensor:
        """Windows [B, N] in [−1, 1] → mel power in dB [B, T, M]."""
        spectrum = torch.stft(windows, N_FFT, HOP, window=self.hann, return_complex=True)
        power = spectrum.abs().square().transpose(1, 2) @ self.logmel_extractor.melW
        return 10 * torch.log10(power.clamp(min=FLOOR))

    def embed(self, windows: Tensor) -> Tensor:
        """Windows [B, N], .32 s or longer → embeddings [B, 2048]."""
        cells = self.bn0(self.mel(windows)[:, None].transpose(1, 3)).transpose(1, 3)  # [B, 1, T, M]
        for number in range(1, self.n_blocks + 1):
            cells = getattr(self, f"conv_block{number}")(cells, 2 if number < self.n_blocks else 1)
        times = cells.mean(3)                                          # [B, C, T/32]
        return F.relu(self.fc1(times.amax(2) + times.mean(2)))

    def logits(self, windows: Tensor) -> Tensor:
        """Windows [B, N] → a logit of each class [B, 527]; the published output is its sigmoid."""
        return self.fc_audioset(self.embed(windows))
