"""Networks of the WGAN-GP, growing from 4² upwards, with the Emotional Residual Unit: pictures
[B, 3, H, W], H = W = 4·2^stage, and affects [B, 2] (valence, arousal), both in [−1, 1]. Source:
Zhang §2.5; Gulrajani et al. (2017), eq. 3 and §4; Karras et al. (2018), §3 and §4.1; Miyato &
Koyama (2018) for the critic's projection.  Notebook: 32."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.core.errors import checked

SLOPE = 0.2  # of leaky ReLU, below zero


class Growth(NamedTuple):
    """How far the networks have grown: `alpha` in [0, 1] is the newest stage's share."""
    stage: int
    alpha: float

    @property
    def size(self) -> int:
        return 4 * 2**self.stage


class Painted(NamedTuple):
    """What the generator returns: the picture E, and the map M, which feature matching reads."""
    picture: Tensor  # [B, 3, H, W] in (−1, 1)
    map: Tensor  # [B, 3, H, W], any range


class Convolution(nn.Module):
    """[B, n_in, H, W] → [B, n_out, H, W]; a linear layer on [B, n_in]; `equalised`: the scale acts
    in use (Karras et al. §4.1), so that Adam moves all layers at one relative speed."""
    def __init__(self, n_in: int, n_out: int, kernel: int, *, equalised: bool, gain: float = 2.0):
        super().__init__()
        scale = (gain / (n_in * kernel**2)) ** 0.5
        self.scale = scale if equalised else 1.0
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel, kernel)
                                   * (1.0 if equalised else scale))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor, *, frozen: bool = False) -> Tensor:
        weight, bias = (p.detach() if frozen else p for p in (self.weight, self.bias))
        if x.dim() == 2:
            return F.linear(x, weight[:, :, 0, 0] * self.scale, bias)
        return F.conv2d(x, weight * self.scale, bias, padding=weight.shape[-1] // 2)


class AffectiveMaps(nn.Module):
    """v = σ(Conv[V, M]), a = σ(Conv[A, M]), [B, 3, H, W]; generator and critic share them."""
    def __init__(self, *, equalised: bool):
        super().__init__()
        self.valence = Convolution(4, 3, 3, equalised=equalised, gain=1.0)
        self.arousal = Convolution(4, 3, 3, equalised=equalised, gain=1.0)

    def forward(self, picture: Tensor, affect: Tensor, *,
                frozen: bool = False) -> tuple[Tensor, Tensor]:
        planes = _planes(affect, picture)
        v = torch.sigmoid(self.valence(torch.cat([planes[:, :1], picture], 1), frozen=frozen))
        a = torch.sigmoid(self.arousal(torch.cat([planes[:, 1:], picture], 1), frozen=frozen))
        return v, a


class EmotionalResidualUnit(nn.Module):
    """B = v ⊗ M ⊕ a ⊗ M, E = tanh(Conv[B, [V, A]]): the map M [B, 3, H, W] weighed twice."""
    def __init__(self, *, equalised: bool):
        super().__init__()
        self.maps = AffectiveMaps(equalised=equalised)
        self.out = Convolution(5, 3, 3, equalised=equalised, gain=1.0)

    def forward(self, generated: Tensor, affect: Tensor) -> Painted:
        v, a = self.maps(generated, affect)
        weighed = v * generated + a * generated  # B of the paper
        planes = torch.cat([weighed, _planes(affect, generated)], 1)
        return Painted(torch.tanh(self.out(planes)), generated)


class Generator(nn.Module):
    """Noise [B, n_noise], affect [B, 2] → picture and map, by `depth` convolutions a stage."""
    def __init__(self, channels: Sequence[int], n_noise: int, depth: int, *, equalised: bool,
                 pixel_norm: bool):
        super().__init__()
        self.n_noise = n_noise
        self.norm = _unit_mean_square if pixel_norm else nn.Identity()
        self.start = Convolution(n_noise + 2, channels[0] * 16, 1, equalised=equalised)
        before = (channels[0], *channels[:-1])
        self.blocks: Any = nn.ModuleList(_block((n, *[m] * depth), equalised)
                                         for n, m in zip(before, channels, strict=True))
        self.to_picture = nn.ModuleList(Convolution(m, 3, 1, equalised=equalised, gain=1.0)
                                        for m in channels)
        self.unit = EmotionalResidualUnit(equalised=equalised)

    def forward(self, noise: Tensor, affect: Tensor, growth: Growth) -> Painted:
        checked(affect, "affect", ("B", 2), "give one row (valence, arousal) a picture")
        start = self.start(torch.cat([self.norm(noise), affect], 1)).unflatten(1, (-1, 4, 4))
        hidden = below = self.norm(F.leaky_relu(start, SLOPE))  # [B, C, 4, 4]
        for stage in range(growth.stage + 1):
            below = hidden
            hidden = _enlarge(hidden) if stage else hidden
            for convolution in self.blocks[stage]:
                hidden = self.norm(F.leaky_relu(convolution(hidden), SLOPE))
        painted = self.unit(self.to_picture[growth.stage](hidden), affect)
        if growth.stage and growth.alpha < 1:
            coarse = _enlarge(self.unit(self.to_picture[growth.stage - 1](below), affect).picture)
            return painted._replace(picture=torch.lerp(coarse, painted.picture, growth.alpha))
        return painted


class Critic(nn.Module):
    """Picture [B, 3, H, W], affect [B, 2] → one unbounded score [B], higher for real; without
    `batch_deviation` it cannot notice that all pictures are alike."""
    def __init__(self, channels: Sequence[int], maps: AffectiveMaps, depth: int, *, equalised: bool,
                 batch_deviation: bool):
        super().__init__()
        self.batch_deviation = batch_deviation
        self.affective_maps = maps.__call__  # a method is not registered: it owns no maps
        self.from_picture = nn.ModuleList(Convolution(5, m, 1, equalised=equalised)
                                          for m in channels)
        after = (channels[0], *channels[:-1])
        self.blocks: Any = nn.ModuleList(
            _block((m + (batch_deviation and stage == 0), *[m] * (depth - 1), n), equalised)
            for stage, (m, n) in enumerate(zip(channels, after, strict=True)))
        self.vector = Convolution(channels[0] * 16, channels[0], 1, equalised=equalised)
        self.score = Convolution(channels[0], 1, 1, equalised=equalised, gain=1.0)
        self.affect = Convolution(2, channels[0], 1, equalised=equalised, gain=1.0)

    def forward(self, picture: Tensor, affect: Tensor, growth: Growth) -> Tensor:
        checked(picture, "pictures", ("B", 3, growth.size, growth.size), "resize to growth.size")
        def read(picture, stage):
            seen = torch.cat([picture, _planes(affect, picture)], 1)
            return F.leaky_relu(self.from_picture[stage](seen), SLOPE)
        hidden = read(picture, growth.stage)
        for stage in range(growth.stage, -1, -1):
            if stage == 0 and self.batch_deviation:  # one number for the whole batch
                deviation = ((hidden - hidden.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
                hidden = torch.cat([hidden, deviation.expand(len(hidden), 1, 4, 4)], 1)
            for convolution in self.blocks[stage]:
                hidden = F.leaky_relu(convolution(hidden), SLOPE)
            hidden = F.avg_pool2d(hidden, 2) if stage else hidden
            if 0 < stage == growth.stage and growth.alpha < 1:
                hidden = torch.lerp(read(F.avg_pool2d(picture, 2), stage - 1), hidden, growth.alpha)
        vector = F.leaky_relu(self.vector(hidden.flatten(1)), SLOPE)  # [B, C]
        return self.score(vector)[:, 0] + (vector * self.affect(affect)).mean(1)


def at_growth(pictures: Tensor, growth: Growth) -> Tensor:
    """Real pictures [B, 3, H, H] averaged to [B, 3, size, size], as soft as fakes while α < 1."""
    pictures = F.avg_pool2d(pictures, pictures.shape[-1] // growth.size)
    if growth.stage and growth.alpha < 1:
        pictures = torch.lerp(_enlarge(F.avg_pool2d(pictures, 2)), pictures, growth.alpha)
    return pictures


def gradient_penalty(score_of: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor,
                     mix: Tensor) -> Tensor:
    """E[(‖∇ score(x̂)‖₂ − 1)²], x̂ = mix·real + (1 − mix)·fake; one norm over a whole picture."""
    mix = mix.view(-1, *[1] * (real.dim() - 1))
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    gradient, = torch.autograd.grad(score_of(between).sum(), between, create_graph=True)
    norm = gradient.flatten(1).square().sum(1).add(1e-12).sqrt()  # a root has no slope at 0
    return (norm - 1).square().mean()


def _planes(affect: Tensor, picture: Tensor) -> Tensor:
    return affect[:, :, None, None].expand(-1, -1, *picture.shape[2:])  # [B, 2, H, W]


def _block(widths: Sequence[int], equalised: bool) -> nn.ModuleList:
    return nn.ModuleList(Convolution(n, m, 3, equalised=equalised)
                         for n, m in itertools.pairwise(widths))


def _enlarge(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")  # [B, C, 2H, 2W]


def _unit_mean_square(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
