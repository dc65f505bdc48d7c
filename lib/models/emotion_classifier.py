"""A painting becomes one of five emotion words: residual network, bidirectional GRUs, attention.
Source: Hisariya & Liang §IV.A, equations 1–4, Figure 2 (no widths: `hidden`, `heads`, `dropout` are
ours); He et al. (2016) for the residual network.  Notebook: 11."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import KlangfarbeError, checked

SIDES = {"resnet50": 224, "small": 56}  # of the pictures; 7 × 7 cells either way
SEQUENCES = ("grid", "single")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as published weights ask


class Residual(nn.Module):
    """relu(x + two 3 × 3 convolutions of x): [B, C, H, W] → [B, width, H/stride, W/stride]."""
    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.past = nn.Identity() if stride == 1 and channels == width else nn.Sequential(
            nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.past(x) + self.first(x))


class EmotionCNN(nn.Module):
    """Pictures [B, 3, side, side] in [−1, 1] → logits [B, n_classes]; `sequence` "grid" reads 49
    cells row by row, "single" their mean, as released: there GRU and attention do nothing; `width`:
    of the ResNet50's narrow convolutions, 64 as published, or of the small one's first."""
    def __init__(self, n_classes: int = 5, backbone: str = "resnet50", sequence: str = "grid",
                 hidden: int = 256, heads: int = 8, dropout: float = 0.5, width: int = 64):
        super().__init__()
        if backbone not in SIDES or sequence not in SEQUENCES:
            raise KlangfarbeError(f"a backbone out of {[*SIDES]}, a sequence out of {SEQUENCES}",
                                  f"{backbone!r}, {sequence!r}", "name one of each")
        self.sequence, self.side = sequence, SIDES[backbone]
        self.backbone, channels = nn.Sequential(), 4 * width
        if backbone == "resnet50":
            import torchvision  # a second, and needed for the published size alone
            parts = dict(torchvision.models.resnet50(width_per_group=width).named_children())
            channels = parts.pop("fc").in_features
            parts.pop("avgpool")
            for name, part in parts.items():
                self.backbone.add_module(name, part)  # the names of published weights stay
        else:  # 56² → 28², 28², 14², 7²
            self.backbone.extend([nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(), Residual(width, width), Residual(width, 2 * width, 2),
                                  Residual(2 * width, channels, 2)])
        self.gru = nn.GRU(channels, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(2 * hidden, heads, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.classes = nn.Linear(2 * hidden, n_classes)
        self.mean = nn.Buffer(torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.std = nn.Buffer(torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def cells(self, pictures: Tensor) -> Tensor:
        checked(pictures, "pictures", ("B", 3, self.side, self.side),
                "cut them with images.square and images.to_tensor")
        return self.backbone(((pictures + 1) / 2 - self.mean) / self.std)     # [B, C, 7, 7]

    def steps(self, cells: Tensor) -> Tensor:
        read = cells.float().flatten(2).transpose(1, 2)                       # [B, 49, C]
        return read if self.sequence == "grid" else read.mean(1, keepdim=True)

    def head(self, cells: Tensor) -> Tensor:
        states, _ = self.gru(self.steps(cells))                               # [B, S, 2·hidden]
        mixed, _ = self.attention(states, states, states, need_weights=False)
        return self.classes(self.drop(mixed.mean(1)))                         # [B, n_classes]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.cells(pictures))
