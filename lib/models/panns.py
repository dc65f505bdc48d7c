"""CNN14 of PANNs: sound at 32 kHz, an embedding of 2,048 numbers and a logit for each of AudioSet's
527 classes. Names and shapes of weights are the published checkpoint's (Cnn14_mAP=0.431). Source:
Kong et al. (2020), table 2 and §III.A.  Notebook: 05."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks

SAMPLE_RATE_HZ, N_FFT, HOP, N_MELS = 32_000, 1024, 320, 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
FLOOR = 1e-10  # of power: −100 dB
WIDTHS, N_CLASSES = (64, 128, 256, 512, 1024, 2048), 527


class Cnn14(nn.Module):
    """Six blocks of `widths`, two convolutions each; mean over frequency, maximum plus mean over
    time. Its dropout, which is for training, is left out."""
    sample_rate_hz = SAMPLE_RATE_HZ
    window_seconds = 10.0  # AudioSet's clips

    def __init__(self, widths: Sequence[int] = WIDTHS):
        super().__init__()
        self.width = widths[-1]
        self.hann = nn.Buffer(torch.hann_window(N_FFT), persistent=False)
        self.logmel_extractor = nn.Module()  # the published file holds its mel bands; they are used
        self.logmel_extractor.melW = nn.Buffer(melscale_fbanks(
            N_FFT // 2 + 1, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE_HZ, norm="slaney",
            mel_scale="slaney"))                                       # [F, M]
        self.bn0 = nn.BatchNorm2d(N_MELS)
        def convolution(before, after):
            return nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.blocks = [f"conv_block{number}" for number in range(1, len(widths) + 1)]
        for name, before, after in zip(self.blocks, (1, *widths), widths):
            self.add_module(name, nn.Sequential(OrderedDict(
                conv1=convolution(before, after), bn1=nn.BatchNorm2d(after), relu1=nn.ReLU(),
                conv2=convolution(after, after), bn2=nn.BatchNorm2d(after), relu2=nn.ReLU())))
        self.fc1 = nn.Linear(self.width, self.width)
        self.fc_audioset = nn.Linear(self.width, N_CLASSES)

    def mel(self, windows: Tensor) -> Tensor:
        """Windows [B, N] in [−1, 1] → mel power in dB [B, T, M]."""
        spectrum = torch.stft(windows, N_FFT, HOP, window=self.hann, return_complex=True)
        power = spectrum.abs().square().transpose(1, 2) @ self.logmel_extractor.get_buffer("melW")
        return 10 * torch.log10(power.clamp(min=FLOOR))

    def embed(self, windows: Tensor) -> Tensor:
        """Windows [B, N], .32 s or longer → embeddings [B, 2048]."""
        cells = self.bn0(self.mel(windows)[:, None].transpose(1, 3)).transpose(1, 3)  # [B, 1, T, M]
        for name in self.blocks:
            cells = getattr(self, name)(cells)
            if name != self.blocks[-1]:
                cells = F.avg_pool2d(cells, 2)
        times = cells.mean(3)                                          # [B, C, T/32]
        return F.relu(self.fc1(times.amax(2) + times.mean(2)))

    def logits(self, windows: Tensor) -> Tensor:
        """Windows [B, N] → a logit of each class [B, 527]; the published output is its sigmoid."""
        return self.fc_audioset(self.embed(windows))
