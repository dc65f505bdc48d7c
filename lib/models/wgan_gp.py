"""Networks of the WGAN-GP: affective maps, Emotional Residual Unit, a generator and a critic that
grow from 4² upwards.

Axes: B batch, C channels, H = W side, S stage (side 4·2^S). A picture is float [B, 3, H, W] in [−1,
1], an affect [B, 2] (valence, arousal) in [−1, 1]. Nothing here normalises over the batch: the
gradient penalty is a condition on *each* picture.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from lib.core.errors import KlangfarbeError

SLOPE = 0.2  # of leaky ReLU, below zero


class Growth(NamedTuple):
    """How far the networks have grown: the newest stage's side is 4·2^stage, and `alpha` in [0, 1]
    is its share.
    """

    stage: int
    alpha: float

    @property
    def size(self) -> int:
        return 4 * 2**self.stage


class Painted(NamedTuple):
    """What the generator returns: the picture E, and the newest stage's map M, which feature
    matching reads.
    """

    picture: torch.Tensor  # [B, 3, H, W] in (−1, 1)
    map: torch.Tensor  # [B, 3, H, W], any range


class Convolution(nn.Module):
    """Convolution, same size; with `equalised` its weights are N(0, 1) and scaled when used instead
    of when drawn.

    Adam moves every weight by about the learning rate, whatever its size. Drawn at unit variance
    and scaled in use, all layers move at one relative speed: the equalised learning rate.

    Source: He et al. (2015), eq. 10 (the scale); Karras et al. (2018), §4.1 (when it is applied).
    Notebook: 32.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, *, equalised: bool, gain: float = 2.0):
        super().__init__()
        scale = (gain / (n_in * kernel**2)) ** 0.5
        self.scale = scale if equalised else 1.0
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel, kernel)
                                   * (1.0 if equalised else scale))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: torch.Tensor, *, frozen: bool = False) -> torch.Tensor:
        """[B, n_in, H, W] → [B, n_out, H, W]; `frozen` lets the gradient reach `x` and not the
        weights.
        """
        weight, bias = (self.weight.detach(),
                        self.bias.detach()) if frozen else (self.weight, self.bias)
        return F.conv2d(x, weight * self.scale, bias, padding=weight.shape[-1] // 2)


class Dense(Convolution):
    """A linear layer, [B, n_in] → [B, n_out], with the same option: a convolution over one
    pixel.
    """

    def __init__(self, n_in: int, n_out: int, *, equalised: bool, gain: float = 2.0):
        super().__init__(n_in, n_out, 1, equalised=equalised, gain=gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight[:, :, 0, 0] * self.scale, self.bias)


class AffectiveMaps(nn.Module):
    """v = σ(Conv[V, M]) and a = σ(Conv[A, M]): where, and in which colour, a picture answers a
    valence and an arousal.

    The generator's Emotional Residual Unit and the critic read pictures through the *same* two
    convolutions, one a painted M, the other a real picture; that is what makes their maps
    comparable.

    Source: Zhang §2.5, first two equations.  Notebook: 32.
    """

    def __init__(self, *, equalised: bool):
        super().__init__()
        self.valence = Convolution(4, 3, 3, equalised=equalised, gain=1.0)
        self.arousal = Convolution(4, 3, 3, equalised=equalised, gain=1.0)

    def forward(self, picture: torch.Tensor, affect: torch.Tensor, *,
                frozen: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, 3, H, W], [B, 2] → v and a, each [B, 3, H, W] in (0, 1); `frozen`: the gradient
        reaches the picture alone.
        """
        planes = affect_planes(affect, picture.shape[-1])  # [B, 2, H, W]
        v = torch.sigmoid(self.valence(torch.cat([planes[:, :1], picture], 1), frozen=frozen))
        a = torch.sigmoid(self.arousal(torch.cat([planes[:, 1:], picture], 1), frozen=frozen))
        return v, a


class EmotionalResidualUnit(nn.Module):
    """B = v ⊗ M ⊕ a ⊗ M, E = tanh(Conv[B, [V, A]]): the generated map M weighed twice, by valence
    and by arousal, and added.

    Source: Park & Lee (2021); Zhang §2.5, equations for v, a, B and E.  Notebook: 32.
    """

    def __init__(self, *, equalised: bool):
        super().__init__()
        self.maps = AffectiveMaps(equalised=equalised)
        self.out = Convolution(5, 3, 3, equalised=equalised, gain=1.0)

    def forward(self, generated: torch.Tensor, affect: torch.Tensor) -> Painted:
        """M [B, 3, H, W] (any range), affect [B, 2] → E [B, 3, H, W] in (−1, 1), with M."""
        v, a = self.maps(generated, affect)
        weighed = v * generated + a * generated  # B of the paper
        picture = torch.tanh(self.out(torch.cat([weighed,
                                                 affect_planes(affect, generated.shape[-1])], 1)))
        return Painted(picture, generated)


class Generator(nn.Module):
    """Noise and affect → picture. One convolution block a stage, each with its own 1×1 way out to
    three colours, then one ERU for all.

    Args:
        channels: width of each stage, from 4² up; its length fixes the largest side, 4·2^(len−1).
        n_noise: width of the noise z. depth: convolutions a stage.
        equalised: equalised learning rate. pixel_norm: scale each pixel's channels to unit mean
            square after a block.
    """

    def __init__(self, channels: Sequence[int], n_noise: int, depth: int, *, equalised: bool,
                 pixel_norm: bool):
        super().__init__()
        self.n_noise, self.pixel_norm = n_noise, pixel_norm
        self.start = Dense(n_noise + 2, channels[0] * 16, equalised=equalised)
        before = (channels[0], *channels[:-1])
        self.blocks = nn.ModuleList(_block((n, *[m] * depth), equalised) for n,
                                    m in zip(before, channels, strict=True))
        self.to_picture = nn.ModuleList(Convolution(m, 3, 1, equalised=equalised, gain=1.0)
                                        for m in channels)
        self.unit = EmotionalResidualUnit(equalised=equalised)

    def forward(self, noise: torch.Tensor, affect: torch.Tensor, growth: Growth) -> Painted:
        """noise [B, n_noise], affect [B, 2] → :class:`Painted` at ``growth.size``.

        The picture is (1 − α)·enlarged(previous stage's) + α·(newest stage's); the map is the
        newest stage's.
        """
        _check_affect(affect)
        _check_growth(growth, len(self.blocks))
        if self.pixel_norm:
            noise = _unit_mean_square(noise)
        # [B, C, 4, 4]
        hidden = self._activate(self.start(torch.cat([noise, affect], 1)).unflatten(1, (-1, 4, 4)))
        for stage in range(growth.stage + 1):
            below = hidden
            hidden = _enlarge(hidden) if stage else hidden
            for convolution in self.blocks[stage]:
                hidden = self._activate(convolution(hidden))
        painted = self.unit(self.to_picture[growth.stage](hidden), affect)
        if growth.stage and growth.alpha < 1:
            coarse = self.unit(self.to_picture[growth.stage - 1](below), affect).picture
            painted = painted._replace(picture=torch.lerp(_enlarge(coarse), painted.picture,
                                                          growth.alpha))
        return painted

    def _activate(self, x: torch.Tensor) -> torch.Tensor:
        x = F.leaky_relu(x, SLOPE)
        return _unit_mean_square(x) if self.pixel_norm else x


class Critic(nn.Module):
    """Picture and the affect it was made or labelled with → one unbounded score a picture, higher
    for real.

    The affect enters twice: as two more channels V and A of the picture, and at the end as an inner
    product with the picture's vector (projection), which asks "real, *given this affect*?".

    Args:
        channels, depth: as the generator's. maps: the two convolutions of the generator's Emotional
            Residual Unit, which the critic shares; it reads real pictures through them and does not
            own them, so they are not among its parameters.
        batch_deviation: append the batch's standard deviation as a channel at 4²: a critic that
            sees one picture at a time cannot notice that all of them are alike.

    Source: Gulrajani et al. (2017), §4 (no normalisation over the batch); Miyato & Koyama (2018)
    (projection);
        Karras et al. (2018), §3 (batch deviation).  Notebook: 32.
    """

    def __init__(self, channels: Sequence[int], maps: AffectiveMaps, depth: int, *, equalised: bool,
                 batch_deviation: bool):
        super().__init__()
        self.batch_deviation = batch_deviation
        # a tuple: torch registers nothing in it, the generator stays the owner
        self._shared = (maps,)
        self.from_picture = nn.ModuleList(Convolution(5, m, 1, equalised=equalised)
                                          for m in channels)
        after = (channels[0], *channels[:-1])
        self.blocks = nn.ModuleList(_block((m + (batch_deviation and stage == 0),
                                            *[m] * (depth - 1), n), equalised) for stage,
                                    (m, n) in enumerate(zip(channels, after, strict=True)))
        self.vector = Dense(channels[0] * 16, channels[0], equalised=equalised)
        self.score = Dense(channels[0], 1, equalised=equalised, gain=1.0)
        self.affect = Dense(2, channels[0], equalised=equalised, gain=1.0)

    def forward(self, picture: torch.Tensor, affect: torch.Tensor, growth: Growth) -> torch.Tensor:
        """picture [B, 3, H, W] at ``growth.size``, affect [B, 2] → score [B]."""
        _check_affect(affect)
        _check_growth(growth, len(self.blocks))
        if picture.shape[1:] != (3, growth.size, growth.size):
            raise KlangfarbeError(
                f"pictures [B, 3, {growth.size}, {growth.size}] at stage {growth.stage}",
                str(tuple(picture.shape)), "resize them to growth.size")
        hidden = self._read(picture, affect, growth.stage)
        for stage in range(growth.stage, 0, -1):
            hidden = F.avg_pool2d(self._block(hidden, stage), 2)
            if stage == growth.stage and growth.alpha < 1:
                hidden = torch.lerp(self._read(F.avg_pool2d(picture, 2), affect, stage - 1), hidden,
                                    growth.alpha)
        if self.batch_deviation:
            # one number for the whole batch
            deviation = ((hidden - hidden.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
            hidden = torch.cat([hidden, deviation.expand(len(hidden), 1, 4, 4)], 1)
        vector = F.leaky_relu(self.vector(self._block(hidden, 0).flatten(1)), SLOPE)  # [B, C]
        agreement = (vector * self.affect(affect)).mean(1)
        return self.score(vector)[:, 0] + agreement

    def affective_maps(self, picture: torch.Tensor, affect: torch.Tensor, *,
                       frozen: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """v and a of a picture [B, 3, H, W] through the shared :class:`AffectiveMaps`: two tensors
        [B, 3, H, W] in (0, 1).
        """
        return self._shared[0](picture, affect, frozen=frozen)

    def _read(self, picture, affect, stage):
        planes = affect_planes(affect, picture.shape[-1])
        return F.leaky_relu(self.from_picture[stage](torch.cat([picture, planes], 1)), SLOPE)

    def _block(self, hidden, stage):
        for convolution in self.blocks[stage]:
            hidden = F.leaky_relu(convolution(hidden), SLOPE)
        return hidden


def affect_planes(affect: torch.Tensor, size: int) -> torch.Tensor:
    """The paper's matrices V and A, filled with one value each: [B, 2] → [B, 2, size, size]."""
    return affect[:, :, None, None].expand(-1, -1, size, size)


def at_growth(pictures: torch.Tensor, growth: Growth) -> torch.Tensor:
    """Real pictures as the growing critic must see them: area-averaged to ``growth.size`` and,
    while α < 1, as soft as the fakes.

    [B, 3, H, H] with H a multiple of ``growth.size`` → [B, 3, size, size].
    """
    pictures = F.avg_pool2d(pictures, pictures.shape[-1] // growth.size)
    if growth.stage and growth.alpha < 1:
        pictures = torch.lerp(_enlarge(F.avg_pool2d(pictures, 2)), pictures, growth.alpha)
    return pictures


def gradient_penalty(score_of, real: torch.Tensor, fake: torch.Tensor,
                     mix: torch.Tensor) -> torch.Tensor:
    """E[(‖∇ score(x̂)‖₂ − 1)²], x̂ = mix·real + (1 − mix)·fake, the norm over *all* of a picture's
    dimensions; a scalar ≥ 0.

    Args:
        score_of: [B, …] → [B].
        real, fake: [B, …]. mix: [B] in [0, 1], one number a pair.

    Source: Gulrajani et al. (2017), eq. 3.  Notebook: 32.
    """
    mix = mix.view(-1, *[1] * (real.dim() - 1))
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    gradient, = torch.autograd.grad(score_of(between).sum(), between, create_graph=True)
    # the 1e-12: a root has no slope at 0
    norm = gradient.flatten(1).square().sum(1).add(1e-12).sqrt()
    return (norm - 1).square().mean()


def _block(widths: Sequence[int], equalised: bool) -> nn.ModuleList:
    return nn.ModuleList(Convolution(n, m, 3, equalised=equalised) for n,
                         m in itertools.pairwise(widths))


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _unit_mean_square(x: torch.Tensor) -> torch.Tensor:
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def _check_affect(affect: torch.Tensor) -> None:
    if affect.dim() != 2 or affect.shape[1] != 2:
        raise KlangfarbeError("affect [B, 2] (valence, arousal)", str(tuple(affect.shape)),
                              "give one row a picture")


def _check_growth(growth: Growth, n_stages: int) -> None:
    if not (0 <= growth.stage < n_stages and 0 <= growth.alpha <= 1):
        raise KlangfarbeError(f"a stage below {n_stages} and alpha in [0, 1]",
                              f"stage {growth.stage}, alpha {growth.alpha:g}",
                              "take it from gan.growth_at(config, step)")
