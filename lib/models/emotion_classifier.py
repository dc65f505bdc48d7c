"""A painting becomes one of five emotion words: a residual network, two bidirectional GRUs,
attention, dropout, five logits.

    pictures [B, 3, H, W] ─► residual network ─► [B, C, 7, 7] ─► steps ─► [B, S, C] ─► 2 × BiGRU
        ─► [B, S, 2·hidden] ─► attention over steps ─► mean over steps ─► dropout ─► linear
        ─► logits [B, 5]
        sequence="grid":   S = 49, the grid's cells row by row
        sequence="single": S = 1, their mean, as the released code has it

Over one step a recurrent network has nothing to remember and attention nothing to choose from: the
state it starts from is zero, so the recurrent weights never act, and a softmax over one key is 1,
so queries and keys never act (:func:`unused_weights`).

Source: Hisariya & Liang §III.A, equations 1–4, Figure 2; He et al. (2016) for the residual network.
The paper gives no widths: `hidden`, `heads` and `dropout` are ours.  Notebook: 11.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.models import resnet50 as published

from lib.core.errors import KlangfarbeError

GRID = 7  # the last stage has 7 × 7 cells, as ResNet50's has at 224²
SIDES = {"resnet50": 224, "small": 56}
SEQUENCES = ("grid", "single")
# of ImageNet, which published weights were trained on
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Residual(nn.Module):
    """relu(x + two 3 × 3 convolutions of x); a first stride halves the picture. [B, C, H, W] → [B,
    width, H/stride, W/stride].
    """

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1, bias=False),
                                   nn.BatchNorm2d(width), nn.ReLU(),
                                   nn.Conv2d(width, width, 3, 1, 1, bias=False),
                                   nn.BatchNorm2d(width))
        self.past = nn.Identity() if stride == 1 and channels == width else nn.Sequential(
            nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] → [B, width, H/stride, W/stride], rectified."""
        return F.relu(self.past(x) + self.first(x))


def small(width: int = 24) -> tuple[nn.Sequential, int]:
    """A residual network of three stages for pictures of 56²: (network to [B, 4·width, 7, 7],
    4·width).
    """
    stem = [nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]        # 28²
    # 28², 14², 7²
    stages = [Residual(width, width), Residual(width, 2 * width, 2),
              Residual(2 * width, 4 * width, 2)]
    return nn.Sequential(*stem, *stages), 4 * width


def resnet50() -> tuple[nn.Sequential, int]:
    """torchvision's ResNet50 without its pool and its classes, untrained: (network to [B, 2048, 7,
    7] at 224², 2048).
    """
    whole = published(weights=None)
    kept = [(name, part) for name, part in whole.named_children() if name not in ("avgpool", "fc")]
    body = nn.Sequential()
    for name, part in kept:
        body.add_module(name, part)  # the names of published weights stay
    return body, whole.fc.in_features


class EmotionCNN(nn.Module):
    """The emotion classifier of system 1.

    Args:
        n_classes: how many words. backbone: ``"resnet50"`` (pictures of 224²) or ``"small"`` (56²).
        sequence: ``"grid"``: 49 steps; ``"single"``: one, as released.
        hidden: width of each direction of each GRU. heads: of the attention; they divide 2·hidden.
        dropout: before the last layer. width: of the small backbone's first stage.

    Raises:
        KlangfarbeError: an unknown backbone or sequence, or heads that do not divide 2·hidden.
    """

    def __init__(self, n_classes: int = 5, backbone: str = "resnet50", sequence: str = "grid",
                 hidden: int = 256, heads: int = 8, dropout: float = 0.5, width: int = 24):
        super().__init__()
        if backbone not in SIDES or sequence not in SEQUENCES:
            raise KlangfarbeError(f"a backbone out of {', '.join(SIDES)} and a sequence out of "
                                  f"{', '.join(SEQUENCES)}", f"{backbone!r}, {sequence!r}",
                                  "name one of each")
        if 2 * hidden % heads:
            raise KlangfarbeError(f"heads that divide 2·hidden = {2 * hidden}", str(heads),
                                  "give 4 or 8")
        self.sequence, self.side = sequence, SIDES[backbone]
        self.backbone, channels = resnet50() if backbone == "resnet50" else small(width)
        self.gru = nn.GRU(channels, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(2 * hidden, heads, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.classes = nn.Linear(2 * hidden, n_classes)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def cells(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [B, 3, side, side] in [−1, 1] → the residual network's features [B, C, 7,
        7].
        """
        if pictures.ndim != 4 or pictures.shape[1:] != (3, self.side, self.side):
            raise KlangfarbeError(f"pictures [B, 3, {self.side}, {self.side}]",
                                  str(tuple(pictures.shape)),
                                  "cut them with images.square and images.to_tensor")
        return self.backbone(((pictures + 1) / 2 - self.mean) / self.std)

    def steps(self, cells: torch.Tensor) -> torch.Tensor:
        """Cells [B, C, 7, 7] → what the GRU reads: [B, 49, C] row by row, or their mean [B, 1,
        C].
        """
        # [B, 49, C]
        read = cells.float().flatten(2).transpose(1, 2)
        return read if self.sequence == "grid" else read.mean(1, keepdim=True)

    def attend(self, states: torch.Tensor, *,
               weights: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """States [B, S, 2·hidden] → mixed states of that shape and, if asked for, weights [B,
        heads, S, S] whose rows sum to 1.
        """
        return self.attention(states, states, states, need_weights=weights,
                              average_attn_weights=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [B, 3, side, side] in [−1, 1] → logits [B, n_classes]."""
        return self.head(self.cells(pictures))

    def head(self, cells: torch.Tensor) -> torch.Tensor:
        """Cells [B, C, 7, 7] → logits [B, n_classes], in full precision whatever the cells'
        type.
        """
        # [B, S, 2·hidden]
        states, _ = self.gru(self.steps(cells))
        mixed, _ = self.attend(states)
        return self.classes(self.drop(mixed.mean(1)))

    def looks(self, pictures: torch.Tensor) -> torch.Tensor:
        """How much each cell is attended to, [B, 7, 7], each picture's sum 1: attention, averaged
        over heads and query steps.
        """
        if self.sequence != "grid":
            raise KlangfarbeError('a classifier with sequence="grid"', 'sequence="single"',
                                  "it has one step and so nothing to choose from")
        states, _ = self.gru(self.steps(self.cells(pictures)))
        # [B, heads, 49, 49]
        _, weights = self.attend(states, weights=True)
        return weights.mean((1, 2)).unflatten(1, (GRID, GRID))

    @torch.no_grad()
    def trace(self, pictures: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
        """Each stage's name and shape for these pictures, in order."""
        cells = self.cells(pictures)
        steps = self.steps(cells)
        states, _ = self.gru(steps)
        mixed, weights = self.attend(states, weights=True)
        stages = {"pictures": pictures, "cells": cells, "steps": steps, "GRU states": states,
                  "attention weights": weights, "mixed states": mixed,
                  "mean over steps": mixed.mean(1), "logits": self.classes(mixed.mean(1))}
        return [(name, tuple(found.shape)) for name, found in stages.items()]


def unused_weights(model: EmotionCNN, pictures: torch.Tensor) -> dict[str, int]:
    """Weights of GRUs and attention that no picture can train: name → how many of its numbers have
    no gradient at all.

    Queries and keys share a tensor with values, hence the count. Biases of keys, which a softmax
    cancels, are left out.
    """
    model.zero_grad()
    was_training = model.training
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels round: a gradient of 0 comes out as 1e-9
        logits = model.eval()(pictures)
        (logits * torch.arange(1, logits.shape[1] + 1, device=logits.device)).sum().backward()
    unused = {}
    for name, weight in model.named_parameters():
        if name.startswith(("gru.weight", "attention.in_proj_weight")):
            count = int((weight.grad == 0).sum()) if weight.grad is not None else weight.numel()
            if count:
                unused[name] = count
    model.zero_grad()
    model.train(was_training)
    return unused
