"""VGGish, which the Fréchet audio distance was defined with: .975 s of sound at 16 kHz as a
log-mel picture, 128 numbers. Names and shapes of weights are torchvggish's, so that the published
ones fit. Source: Hershey et al. (2017), §3; Kilgour et al. (2019), §2.2; AudioSet's vggish_input
and mel_features for the front end.  Notebook: 05."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib.core.errors import checked

SAMPLE_RATE_HZ, N_FRAMES, N_MELS = 16_000, 96, 64
FRAME, HOP, N_FFT = 400, 160, 512  # samples; 25 and 10 ms
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
OFFSET = 0.01  # added to a band's amplitude before the logarithm


class VGGish(nn.Module):
    """Convolutions of `widths`, a pooling after each level, then three linear layers."""
    sample_rate_hz = SAMPLE_RATE_HZ
    window_samples = (N_FRAMES - 1) * HOP + FRAME
    window_seconds = window_samples / SAMPLE_RATE_HZ  # .975
    hop_seconds = N_FRAMES * HOP / SAMPLE_RATE_HZ     # .96, from one window to the next

    def __init__(self, widths: Sequence[Sequence[int]] = ((64,), (128,), (256, 256), (512, 512)),
                 hidden: int = 4096, width: int = 128):
        super().__init__()
        self.width = width
        self.bands = nn.Buffer(mel_bands(), persistent=False)  # [F, M]
        self.hann = nn.Buffer(torch.hann_window(FRAME), persistent=False)
        layers, before = [], 1
        for level in widths:
            for channels in level:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        cells = (N_FRAMES >> len(widths)) * (N_MELS >> len(widths))
        # Published with a last ReLU, after which AudioSet's own embeddings are whitened and cut to
        # 8 bits. Distances are taken between the values before it, which no cut has touched.
        self.embeddings = nn.Sequential(nn.Linear(before * cells, hidden), nn.ReLU(),
                                        nn.Linear(hidden, hidden), nn.ReLU(),
                                        nn.Linear(hidden, width))

    def mel(self, windows: Tensor) -> Tensor:
        """Windows [B, 15600] in [−1, 1] → ln of mel amplitude [B, T 96, M 64]."""
        frames = windows.unfold(-1, FRAME, HOP) * self.hann            # [B, T, 400]
        amplitude = torch.fft.rfft(frames, N_FFT).abs()                # [B, T, F]
        return torch.log(amplitude @ self.bands + OFFSET)

    def embed(self, windows: Tensor) -> Tensor:
        """Windows [B, 15600] → embeddings [B, 128]."""
        checked(windows, "windows", ("B", self.window_samples),
                "cut them with metrics.embedders.windows")
        cells = self.features(self.mel(windows)[:, None])              # [B, C, 6, 4]
        # TensorFlow's order, which the linear layers' weights are in: channels last
        return self.embeddings(cells.permute(0, 2, 3, 1).flatten(1))


def mel_bands() -> Tensor:
    """Triangles [F 257, M 64], straight in *mel* (HTK's scale), where librosa's are in hertz."""
    from transformers.audio_utils import mel_filter_bank  # slow: only some networks need it

    bands = mel_filter_bank(N_FFT // 2 + 1, N_MELS, LOWEST_HZ, HIGHEST_HZ, SAMPLE_RATE_HZ,
                            mel_scale="kaldi", triangularize_in_mel_space=True)
    bands[0] = 0  # a constant is no sound
    return torch.from_numpy(bands).float()
