"""musicnn, a tagger of music: three seconds at 16 kHz as a log-mel picture, filters that look
across bands (timbre) or along time (rhythm), three layers that add up, two pools. Sizes and order
of operations are the published package's. Source: Pons & Serra (2019), "musicnn", §2; Pons et al.
(2018), §3.  Notebook: 06."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

from lib.core.errors import checked

SAMPLE_RATE_HZ, N_FRAMES, N_MELS = 16_000, 187, 96
N_FFT, HOP = 512, 256
TIMBRE = ((7, 38), (7, 67))                # frames × bands
RHYTHM = (128, 64, 32)                     # frames; one band wide
EPSILON = 1e-3                             # of the batch norms, Keras' default


class ConvNorm(nn.Module):
    """A convolution without padding, ReLU, batch norm; the published order."""
    def __init__(self, before: int, after: int, kernel: tuple[int, int]):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel)
        self.norm = nn.BatchNorm2d(after, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.conv(x)))


class Musicnn(nn.Module):
    """`n_tags` tags of windows of :data:`N_FRAMES` frames."""
    sample_rate_hz = SAMPLE_RATE_HZ
    window_samples = N_FRAMES * HOP
    window_seconds = window_samples / SAMPLE_RATE_HZ  # 2.992

    def __init__(self, n_tags: int = 50, timbre: int = 204, rhythm: int = 51, middle: int = 64,
                 hidden: int = 200):
        super().__init__()
        self.width = hidden
        self.bands = nn.Buffer(melscale_fbanks(N_FFT // 2 + 1, 0.0, SAMPLE_RATE_HZ / 2, N_MELS,
                                               SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"),
                               persistent=False)                       # [F, M]
        self.hann = nn.Buffer(torch.hann_window(N_FFT), persistent=False)
        self.norm = nn.BatchNorm2d(1, eps=EPSILON)
        self.timbre = nn.ModuleList(ConvNorm(1, timbre, kernel) for kernel in TIMBRE)
        self.rhythm = nn.ModuleList(ConvNorm(1, rhythm, (frames, 1)) for frames in RHYTHM)
        front = timbre * len(TIMBRE) + rhythm * len(RHYTHM)            # 561
        self.middle = nn.ModuleList(ConvNorm(1, middle, (7, width)) for width in
                                    (front, middle, middle))
        pooled = 2 * (front + 3 * middle)                              # 1,506
        self.pool_norm = nn.BatchNorm1d(pooled, eps=EPSILON)
        self.dense = nn.Linear(pooled, hidden)
        self.dense_norm = nn.BatchNorm1d(hidden, eps=EPSILON)
        self.tags = nn.Linear(hidden, n_tags)

    def mel(self, windows: Tensor) -> Tensor:
        """Windows [B, 47872] in [−1, 1] → log10(1 + 10⁴ · mel power), [B, T 187, M 96]."""
        spectrum = torch.stft(windows, N_FFT, HOP, window=self.hann, pad_mode="constant",
                              return_complex=True)                     # [B, F, T + 1]
        power = spectrum[..., :N_FRAMES].abs().square().transpose(1, 2) @ self.bands
        return torch.log10(1 + 1e4 * power)

    def pools(self, mel: Tensor) -> Tensor:
        """log-mels [B, T, M] → each channel's maximum and mean over time, in turn, [B, 1506]."""
        x = self.norm(mel[:, None])                                    # [B, 1, T, M]
        front = [block(F.pad(x, (0, 0, 3, 3))).amax(3) for block in self.timbre]
        for block, frames in zip(self.rhythm, RHYTHM):                 # as TensorFlow pads "same"
            left = (frames - 1) // 2
            front.append(block(F.pad(x, (0, 0, left, frames - 1 - left))).amax(3))
        levels = [torch.cat(front, dim=1)]                             # [B, C, T]
        for k, block in enumerate(self.middle):
            rows = F.pad(levels[-1].transpose(1, 2)[:, None], (0, 0, 3, 3))
            level = block(rows)[..., 0]
            levels.append(level + levels[-1] if k else level)
        found = torch.cat(levels, dim=1)                               # [B, 753, T]
        return torch.stack([found.amax(2), found.mean(2)], dim=2).flatten(1)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows [B, 47872] → embeddings [B, 200], logits of the tags [B, G], pools [B, 1506]."""
        checked(windows, "windows", ("B", self.window_samples),
                "cut them with metrics.embedders.windows")
        pools = self.pools(self.mel(windows))
        hidden = self.dense_norm(F.relu(self.dense(self.pool_norm(pools))))
        return hidden, self.tags(hidden), pools
