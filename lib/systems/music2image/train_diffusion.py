"""System 3, second decoder: a denoising diffusion model that paints from valence and arousal.

    training     picture x_0 ──► x_t = √ᾱ_t·x_0 + √(1−ᾱ_t)·ε ──► U-Net(x_t, t, E) ──► ε̂ or v̂ [B, 3, H, W] ──► mean (target − prediction)²
                                                                   ▲
                 (V, A) [B, 2] ──MLP──► E [B, 256] ── with probability p_null the null instead
                                         └─ every residual block: H·(1 + γ(E)) + β(E)

    painting     x_T ~ N(0, I) ──► 20 steps (DPM-Solver++) or 1000 (ancestral) of  ε̂ = ε̂_null + s·(ε̂_emotion − ε̂_null) ──► picture

Source: text 002, Generate Image from Music Emotion, §2.6 and §4; Ho et al. (2020); Ho & Salimans
(2021) for guidance; Salimans & Ho (2022) for v; Nichol & Dhariwal (2021) for the cosine schedule;
Lin et al. (2024) for zero terminal SNR, trailing steps and guidance rescale; Lu et al. (2022) for
DPM-Solver++.

Known deviations and choices where the text is silent: widths, batch size, learning rate, guidance
scale and the share of dropped
labels are not given: ours · group norm stands for instance norm · E is added to the time step's
vector, so γ and β depend on both · the null condition (0, 0), the clipped cosine betas and the
missing moving average are the released code's and stay the defaults; the profiles this machine
trains use a learned null, zero terminal SNR with v, and a moving average (notebook 34 measures
why).
Notebook: 33, 34.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.models.emotion_unet import EmotionUNet
from lib.signal import images
from lib.systems.music2image import schedule
from lib.training import loop

NOTEBOOK = "33_music2image_diffusion"
CHOICES = {"schedule": schedule.SCHEDULES, "prediction": schedule.PREDICTIONS,
           "null": ("zero", "learned"), "start": ("scratch", "neutral"),
           "sampler": schedule.SAMPLERS}


@dataclass(frozen=True)
class Config:
    """Sizes and settings; the defaults are the published ones, and the released code's where the
    text is silent.

    Attributes:
        size, channels, layers, attention_levels, embedding, patch: see
            :class:`lib.models.emotion_unet.EmotionUNet`.
        n_pictures: how many pictures to learn from; batch_size, n_steps: of training.
        learning_rate, warm_up, decay: Adam's rate, steps of its linear rise, and share of the steps
            in which it falls to 0 at the end.
        n_diffusion: T. schedule: ``published`` (cosine betas clipped to [.001, .02]) or
            ``zero_terminal_snr``.
        prediction: ``epsilon`` or ``v``. null: ``zero``, the point (0, 0), or ``learned``. p_null:
            share of labels dropped.
        ema_decay: of the averaged network, 0 for none. start: ``scratch`` or ``neutral`` (the
            bundled network that never saw a label).
        guidance: s. guidance_rescale: φ of Lin et al., 0 for none. sampler, n_sampling: how to
            paint, in how many steps.
        n_slow: steps of the ancestral sampler where the two are compared. n_judged: pictures
            painted for one measurement.
    """

    size: int = 128
    channels: tuple[int, ...] = (64, 128, 256, 256)
    layers: int = 2
    attention_levels: int = 2
    embedding: int = 256
    patch: int = 1
    n_pictures: int = 1311
    batch_size: int = 16
    n_steps: int = 123_000  # 1,500 epochs of 1,311 pictures
    learning_rate: float = 2e-4
    warm_up: int = 0
    decay: float = 0.0
    n_diffusion: int = 1000
    schedule: str = "published"
    prediction: str = "epsilon"
    null: str = "zero"
    p_null: float = 0.1
    ema_decay: float = 0.0
    start: str = "scratch"
    guidance: float = 3.0
    guidance_rescale: float = 0.0
    sampler: str = "ancestral"
    n_sampling: int = 1000
    n_slow: int = 1000
    n_judged: int = 512

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise KlangfarbeError(f"{name} out of {', '.join(allowed)}",
                                      repr(getattr(self, name)), "name one of them")
        if self.schedule == "zero_terminal_snr" and self.prediction == "epsilon":
            raise KlangfarbeError("prediction 'v' under zero_terminal_snr", "'epsilon'",
                                  "at t = T the picture cannot be told from ε alone: x_0 = (x_T − ε)/0")


CORRECTED = {"schedule": "zero_terminal_snr", "prediction": "v", "null": "learned"}
_FAST = {"sampler": "dpm_solver", "n_sampling": 20, "guidance": 2.0}
_SMALL = {"size": 32, "channels": (48, 64, 64), "layers": 1, "attention_levels": 1, "patch": 2,
          "start": "neutral", "ema_decay": 0.99, **_FAST, **CORRECTED}
PROFILES = {
    "smoke": Config(n_pictures=64, batch_size=8, n_steps=12, learning_rate=5e-4, n_slow=40,
                    n_judged=24, **_SMALL | {"n_sampling": 8}),
    "mini": Config(n_pictures=1000, batch_size=16, n_steps=500, learning_rate=5e-4, warm_up=50,
                   decay=0.5, n_judged=64, **_SMALL),
    "gpu": Config(size=64, channels=(128, 256, 256, 512), n_pictures=20_000, batch_size=128,
                  n_steps=60_000, warm_up=1000, ema_decay=0.9995, **_FAST, **CORRECTED),
    "paper": Config(),
}


class Models(NamedTuple):
    """The network that trains and its moving average (or ``None``)."""

    network: object
    average: loop.MovingAverage | None

    @property
    def painter(self):
        """The network to paint with: the average where there is one."""
        return self.network if self.average is None else self.average.module


def build(config: Config, seed: int = 0, device: str = "cpu"):
    """A fresh network (or the neutral one, where ``config.start`` says so), its average, and its
    optimiser: (Models, AdamW).

    The same seed gives the same weights on every device. On device ``"meta"`` the network has
    shapes and no numbers: enough to trace the largest config.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta" if device == "meta" else "cpu"):
        torch.manual_seed(seed)
        network = EmotionUNet(config.size, config.channels, layers=config.layers,
                              attention_levels=config.attention_levels, embedding=config.embedding,
                              null=config.null, patch=config.patch)
    if config.start == "neutral":
        network.load_state_dict(artefacts.read(artefacts.find(NOTEBOOK, "any",
                                                              "unet_neutral.safetensors")))
        network.emotion_from_null()
    network = network.to(device)
    average = loop.MovingAverage(network, config.ema_decay) if config.ema_decay else None
    return Models(network, average), torch.optim.AdamW(network.parameters(), config.learning_rate,
                                                       weight_decay=1e-4)


def batches(pictures: np.ndarray, affect: np.ndarray, config: Config, seed: int,
            start: int = 0) -> Iterator[tuple]:
    """Endless (step, x_0 [B, 3, H, W], affect [B, 2]) from `start` on: the same at a step whether
    resumed or not.

    Args:
        pictures: uint8 [N, size, size, 3]. affect: [N, 2] in [−1, 1].
    """
    if len(pictures) != len(affect) or pictures.shape[1:] != (config.size, config.size, 3):
        raise KlangfarbeError(f"N pictures [{config.size}, {config.size}, 3] and N affects",
                              f"{pictures.shape} and {np.shape(affect)}",
                              "draw them with atelier.paint.pictures(seed, indices, config.size)")
    affect = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    order = loop.batches(len(pictures), config.batch_size, np.random.default_rng(seed))
    for step, rows in itertools.islice(enumerate(order), start, None):
        yield step, images.to_tensor(pictures[rows]), affect[rows]


def learning_rate(config: Config, step: int) -> float:
    """Adam's rate at a step: a linear rise over ``warm_up``, then flat, then a linear fall to 0
    over the last ``decay`` of the steps.
    """
    rise = min(1.0, (step + 1) / config.warm_up) if config.warm_up else 1.0
    falling = config.decay * config.n_steps
    return config.learning_rate * rise * (min(1.0, (config.n_steps - step) / falling) if falling
                                          else 1.0)


def train_step(models: Models, optimiser, x_0, affect, config: Config, draw, step: int = 0,
               rows: slice = slice(None)) -> float:
    """One step of denoising score matching; returns the loss.

    Args:
        x_0: [B, 3, H, W] in [−1, 1]; affect: [B, 2].
        draw: the ``torch.Generator`` that time steps, noise and dropped labels come from.
        rows: of the batch, those this process learns from (:mod:`lib.training.parallel`); the dice
            fall for all.

    Source: Ho et al. (2020), algorithm 1; Salimans & Ho (2022), appendix D; Ho & Salimans (2021),
    algorithm 1.  Notebook: 33.
    """
    where = draw.device
    x_0, affect = x_0.to(where), affect.to(where)
    # ᾱ [T]
    left = torch.tensor(schedule.alphas_bar(config.schedule, config.n_diffusion),
                        dtype=torch.float32, device=where)
    t = torch.randint(0, config.n_diffusion, (len(x_0),), generator=draw, device=where)
    # ε ~ N(0, I)
    noise = torch.randn(x_0.shape, generator=draw, device=where)
    # these are shown the null instead
    dropped = torch.rand(len(x_0), generator=draw, device=where) < config.p_null
    signal, spread = (root[t].view(-1, 1, 1, 1) for root in (left.sqrt(), (1 - left).sqrt()))

    # q(x_t | x_0)
    x_t = signal * x_0 + spread * noise
    # ε, or v = √ᾱ·ε − √(1−ᾱ)·x_0
    target = noise if config.prediction == "epsilon" else signal * noise - spread * x_0
    loss = (target[rows] - models.network(x_t[rows], t[rows], affect[rows],
                                          dropped[rows])).square().mean()

    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config, step)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(models.network.parameters(), 1.0)
    optimiser.step()
    if models.average is not None:
        models.average.update(models.network)
    return float(loss.detach())


def guided(network, x_t, t, affect, guidance: float, rescale: float = 0.0):
    """The guided prediction null + s·(emotion − null), [B, 3, H, W]: s = 0 ignores the emotion, 1
    is the plain conditional one.

    With `rescale` φ > 0 its standard deviation is brought back towards the conditional one's,
    picture by picture.

    Source: text 002, §2.6 "Classifier-Free Guidance"; Lin et al. (2024), eq. 15–16.  Notebook: 33.
    """
    is_null = torch.ones(len(x_t), dtype=torch.bool, device=x_t.device)
    if guidance in (0.0, 1.0):
        return network(x_t, t, affect, is_null if guidance == 0 else None)
    both = network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([affect, affect]),
                   torch.cat([~is_null, is_null]))
    emotion, null = both.chunk(2)
    mixed = null + guidance * (emotion - null)
    if rescale:
        ratio = emotion.std((1, 2, 3), keepdim=True) / mixed.std((1, 2, 3), keepdim=True)
        mixed = mixed * (rescale * ratio + 1 - rescale)
    return mixed


def generate(models: Models, affect, config: Config, seed: int = 0, *,
             guidance: float | None = None, sampler: str = "", n_sampling: int = 0, network=None,
             one_noise: bool = False) -> np.ndarray:
    """Paints: affects [N, 2] → uint8 [N, H, W, 3]; the same starting noise for the same seed,
    whatever the affects.

    Args:
        guidance: s. sampler, n_sampling: which and in how many steps. Left out: the config's.
        network: paint with this one (``models.network`` for the raw weights); default: the average
            where there is one.
        one_noise: begin every picture from the same noise, so that they differ by their affect
            alone (the solver adds none on the way).

    Raises:
        KlangfarbeError: affects of another shape, or a number of steps out of range.

    Source: Ho et al. (2020), algorithm 2; Lu et al. (2022), algorithm 2.  Notebook: 33.
    """
    network = models.painter if network is None else network
    where = next(network.parameters()).device
    affect = torch.as_tensor(np.asarray(affect), dtype=torch.float32, device=where)
    guidance = config.guidance if guidance is None else float(guidance)
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(1 if one_noise else len(affect), 3, config.size, config.size,
                    generator=draw).to(where).expand(len(affect), -1, -1, -1)
    steps = schedule.sampler(sampler or config.sampler, n_sampling or config.n_sampling,
                             config.schedule, config.prediction, config.n_diffusion)
    with torch.no_grad():
        for t in steps.timesteps:
            predicted = guided(network, x, t.to(where).expand(len(x)), affect, guidance,
                               config.guidance_rescale)
            x = steps.step(predicted, t, x, generator=draw).prev_sample
    return images.from_tensor(x)


def key(config: Config, seed: int, pictures: np.ndarray, models: Models) -> str:
    """What is being trained: a hash of config, seed, data, first weights and the kind of device,
    each of which has its own dice.
    """
    first = models.network.unet.conv_in.weight.detach()
    return provenance.content_hash(pictures, first.cpu().numpy(),
                                   repr((config, seed, first.device.type)).encode())


def save_checkpoint(path: Path, models: Models, optimiser, draw, step: int, curve: list[float],
                    key: str = "") -> None:
    """Everything training needs to go on after `step` steps as if it had not stopped.

    `key` says what is being trained (:func:`key`): :func:`load_checkpoint` passes over another's.
    """
    tensors = {f"network.{key}": value for key, value in models.network.state_dict().items()}
    if models.average is not None:
        tensors |= {f"average.{key}": value for key,
                    value in models.average.module.state_dict().items()}
    tensors |= loop.flat_optimizer(optimiser) | {"draw": draw.get_state()}
    updates = models.average.updates if models.average is not None else 0
    loop.save_checkpoint(path, tensors,
                         {"step": step, "updates": updates, "curve": curve, "key": key})


def load_checkpoint(path: Path, models: Models, optimiser, draw,
                    key: str = "") -> tuple[int, list[float]]:
    """Puts the newest checkpoint back into freshly built models: (steps done, curve); (0, []) where
    there is none of this `key`.
    """
    found = loop.load_checkpoint(path)
    if found is None or found[1]["key"] != key:
        return 0, []
    tensors, state = found
    for name, module in [("network", models.network)] + ([("average", models.average.module)]
                                                         if models.average is not None else []):
        module.load_state_dict({key[len(name) + 1:]: value for key,
                                value in tensors.items() if key.startswith(name + ".")})
    loop.restore_optimizer(optimiser, tensors)
    draw.set_state(tensors["draw"].cpu())
    if models.average is not None:
        models.average.updates = state["updates"]
    return state["step"], state["curve"]


def weights(models: Models) -> dict:
    """The painting network's weights in half precision, for ``artefacts.save(…,
    "unet.safetensors")``.
    """
    return {name: value.half() for name, value in models.painter.state_dict().items()}


def load(profile: str) -> tuple[Models, Config]:
    """The trained painter of a profile (notebook 33's result, else the bundled miniature) and the
    config it was trained with.
    """
    stored = artefacts.load(NOTEBOOK, profile, "unet.json")
    config = Config(**stored | {"channels": tuple(stored["channels"]), "start": "scratch",
                                "ema_decay": 0.0})
    models, _ = build(config)
    models.network.load_state_dict(artefacts.load(NOTEBOOK, profile, "unet.safetensors"))
    models.network.eval()
    return models, config
