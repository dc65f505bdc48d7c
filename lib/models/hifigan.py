"""HiFi-GAN, ln-mel to sound: published generators V1 to V3, a "small" one of ours by inverse STFT,
multi-period and multi-scale discriminators, and the losses. Source: Kong, Kim & Bae (2020),
"HiFi-GAN", §2 and appendix A; Siuzdak (2023), "Vocos", for the inverse STFT.  Notebook: 43."""

import itertools
import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from lib.core.errors import checked
from lib.models.spectral_codec import ConvNeXt, Frames

SLOPE, ZERO = 0.1, torch.zeros(())  # of leaky ReLU, below zero; what sums start from
# of weight normalisation, the length and the direction
G, V = "parametrizations.weight.original0", "parametrizations.weight.original1"
# of the original's code
NAMES = {"conv_pre": "enter", "conv_post": "leave", "ups.": "up.", "convs1.": "first.",
         "convs2.": "second.", "convs.": "first."}
KINDS = {"weight": V, "weight_v": V, "weight_g": G, "bias": "bias"}
DO = "if it is [B, T, M], transpose(1, 2)"


class Residual(nn.Module):
    """x + convolutions of x, one after the other, each with another dilation; [B, C, T]."""
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], two_deep: bool):
        super().__init__()
        self.first = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel, dilation=d,
                                  padding=(kernel - 1) * d // 2)) for d in dilations)
        self.second = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel, padding=kernel // 2))
            for _ in dilations) if two_deep else None

    def forward(self, x: Tensor) -> Tensor:
        for number, first in enumerate(self.first):
            y = first(F.leaky_relu(x, SLOPE))
            x = x + (y if self.second is None else self.second[number](F.leaky_relu(y, SLOPE)))
        return x


class Generator(nn.Module):
    """ln-mel [B, M, T] → sound [B, T·hop] in [−1, 1]; V1, whose `channels` halve with each rate."""
    def __init__(self, channels: int = 512, rates: tuple[int, ...] = (8, 8, 2, 2),
                 kernels: tuple[int, ...] = (16, 16, 4, 4), reaches: tuple[int, ...] = (3, 7, 11),
                 dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3, two_deep: bool = True,
                 n_mels: int = 80):
        super().__init__()
        self.n_mels, self.hop_length = n_mels, math.prod(rates)
        self.enter = weight_norm(nn.Conv1d(n_mels, channels, 7, padding=3))
        self.up, width = nn.ModuleList(), channels
        self.blocks: Any = nn.ModuleList()
        for rate, kernel in zip(rates, kernels, strict=True):
            self.up.append(weight_norm(nn.ConvTranspose1d(width, width // 2, kernel, rate,
                                                          padding=(kernel - rate) // 2)))
            width //= 2
            self.blocks.append(nn.ModuleList(Residual(width, *form, two_deep) for form in
                                             zip(reaches, dilations, strict=True)))
        self.leave = weight_norm(nn.Conv1d(width, 1, 7, padding=3))
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                nn.init.normal_(module.get_parameter(V), 0.0, 0.01)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.enter(checked(mel, "ln-mel", ("B", self.n_mels, "T"), DO))
        for up, blocks in zip(self.up, self.blocks, strict=True):
            x = up(F.leaky_relu(x, SLOPE))
            x = sum((block(x) for block in blocks), ZERO) / len(blocks)
        return torch.tanh(self.leave(F.leaky_relu(x)))[:, 0]


class FrameGenerator(nn.Module):
    """ln-mel [B, M, T] → sound [B, T·hop] in [−1, 1], by a magnitude and a phase for each frame."""
    def __init__(self, channels: int = 128, blocks: int = 4, n_mels: int = 80, n_fft: int = 1024,
                 hop_length: int = 256):
        super().__init__()
        self.n_mels, self.hop_length = n_mels, hop_length
        self.enter = nn.Conv1d(n_mels, channels, 7, padding=3)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.Sequential(*(ConvNeXt(channels, blocks) for _ in range(blocks)),
                                    nn.LayerNorm(channels))
        self.leave = nn.Linear(channels, n_fft + 2)
        self.frames = Frames(n_fft, hop_length)

    def forward(self, mel: Tensor) -> Tensor:
        mel = checked(mel, "ln-mel", ("B", self.n_mels, "T"), DO)
        x = self.norm(self.enter((mel + 5) / 3).transpose(1, 2))                  # [B, T, C]
        ln_magnitude, phase = self.leave(self.blocks(x)).float().chunk(2, dim=2)  # [B, T, F]
        spectrum = torch.polar(ln_magnitude.clamp_max(6.0).exp(), phase)
        return self.frames.synthesise(spectrum).clamp(-1, 1)


SIZES = {"v1": Generator, "v2": partial(Generator, channels=128),
         "v3": partial(Generator, channels=256, rates=(8, 8, 4), kernels=(16, 16, 8),
                       reaches=(3, 5, 7), dilations=((1, 2), (2, 6), (3, 12)), two_deep=False),
         "small": FrameGenerator}


class Critic(nn.Module):
    """Sound [B, N], by `period` p folded to [B, 1, N/p, p] → (scores [B, n], a feature a layer)."""
    def __init__(self, layers: list[nn.Module], score: nn.Module, period: int | None = None):
        super().__init__()
        self.layers, self.score, self.period = nn.ModuleList(layers), score, period

    def forward(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = sound[:, None], []
        if self.period:
            x = F.pad(x, (0, -sound.shape[1] % self.period), mode="reflect")
            x = x.unflatten(2, (-1, self.period))
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        x = self.score(x)
        return x.flatten(1), [*features, x]


def period_critic(period: int, width: int = 32) -> Critic:
    """2-D convolutions whose kernels never reach across a period."""
    widths = itertools.pairwise((1, width, 4 * width, 16 * width, 32 * width, 32 * width))
    layers = [weight_norm(nn.Conv2d(a, b, (5, 1), (stride, 1), padding=(2, 0)))
              for (a, b), stride in zip(widths, (3, 3, 3, 3, 1), strict=True)]
    return Critic(layers, weight_norm(nn.Conv2d(32 * width, 1, (3, 1), padding=(1, 0))), period)


def scale_critic(width: int, norm) -> Critic:
    """Grouped 1-D convolutions, each under `norm`."""
    # channels in and out in widths, kernel, stride, groups
    form = ((1, 1, 15, 1, 1), (1, 1, 41, 2, 4), (1, 2, 41, 2, 16), (2, 4, 41, 4, 16),
            (4, 8, 41, 4, 16), (8, 8, 41, 1, 16), (8, 8, 5, 1, 1))
    layers = [norm(nn.Conv1d(1 if k == 0 else a * width, b * width, kernel, stride,
                             padding=kernel // 2, groups=min(groups, width)))
              for k, (a, b, kernel, stride, groups) in enumerate(form)]
    return Critic(layers, norm(nn.Conv1d(8 * width, 1, 3, padding=1)))


class Discriminators(nn.Module):
    """All of them, the multi-scale ones four times as wide: sound [B, N] → (scores, features)."""
    def __init__(self, width: int = 32, periods: tuple[int, ...] = (2, 3, 5, 7, 11),
                 scales: int = 3):
        super().__init__()
        self.periods = nn.ModuleList(period_critic(period, width) for period in periods)
        self.scales = nn.ModuleList(scale_critic(4 * width, weight_norm if n else spectral_norm)
                                    for n in range(scales))

    def forward(self, sound: Tensor) -> tuple[list, list]:
        outputs = [discriminator(sound) for discriminator in self.periods]
        for discriminator in self.scales:
            outputs.append(discriminator(sound))
            sound = F.avg_pool1d(sound[:, None], 4, 2, padding=2)[:, 0]
        return [scores for scores, _ in outputs], [features for _, features in outputs]


def discriminator_loss(real: list, fake: list) -> Tensor:
    """Real scores towards 1, fake ones towards 0, summed (Kong et al., equation 1)."""
    return sum(((1 - r).square().mean() + f.square().mean()
                for r, f in zip(real, fake, strict=True)), ZERO)


def generator_loss(fake: list) -> Tensor:
    """Fake scores towards 1, summed (Kong et al., equation 2)."""
    return sum(((1 - f).square().mean() for f in fake), ZERO)


def feature_loss(real: list, fake: list) -> Tensor:
    """Mean absolute difference of features, summed over all layers (Kong et al., equation 4)."""
    return sum((F.l1_loss(f, r.detach()) for of_real, of_fake in zip(real, fake, strict=True)
                for r, f in zip(of_real, of_fake, strict=True)), ZERO)


def from_original(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A generator's tensors by the names of the original's code (``ups.0.weight_g`` …; ``weight``
    where weight normalisation is folded in) → :class:`Generator`'s state. The published ones were
    trained on mels of up to 8 kHz, ours reach 11 kHz: what is loaded has to be tuned first."""
    state = {}
    for name, tensor in weights.items():
        layer, kind = name.rsplit(".", 1)
        number = re.search(r"resblocks\.(\d+)", layer)
        if number:  # three to a rate
            rate, reach = divmod(int(number[1]), 3)
            layer = layer.replace(number[0], f"blocks.{rate}.{reach}")
        for theirs, ours in NAMES.items():
            layer = layer.replace(theirs, ours)
        if kind == "weight":
            state[f"{layer}.{G}"] = tensor.flatten(1).norm(dim=1)[:, None, None]
        state[f"{layer}.{KINDS.get(kind, kind)}"] = tensor
    return state


def fold_weight_norm(network: nn.Module) -> nn.Module:
    """Folds weight normalisation into the weights, in place: for saving and generating."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return network.eval()
