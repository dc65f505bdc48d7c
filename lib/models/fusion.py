"""Networks of art2music: vectors of picture and text become one, h, and h a mel-spectrogram, by the
published :class:`MelDecoder`, positions through a 4-layer BiLSTM, or by the :class:`Flow`. Source:
Hong et al. §III-B.1 (equation 1), §III-B.2, §IV-A.2 (sizes).  Notebook: 42."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import checked


class GatedResidualProjector(nn.Module):
    """h = g ⊙ W_x x + (1 − g) ⊙ W_r u, x = [v; u], g = σ(W_g [x; W_r u]); W_r, D to H, is ours."""
    def __init__(self, width_in: int = 1024, hidden: int = 512):
        super().__init__()
        self.width_in = width_in
        self.fuse = nn.Linear(2 * width_in, hidden, bias=False)               # W_x
        self.residual = nn.Linear(width_in, hidden, bias=False)               # W_r
        self.gate = nn.Linear(2 * width_in + hidden, hidden, bias=False)      # W_g

    def forward(self, picture: Tensor, text: Tensor) -> Tensor:
        return self.parts(picture, text)[0]

    def parts(self, picture: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """(h, g), both [B, H]; g in (0, 1) is the share of picture and text together."""
        for name, given in (("picture", picture), ("text", text)):
            checked(given, f"{name} vectors", ("B", self.width_in),
                    "use the encoder it was trained with")
        x, r = torch.cat([picture, text], dim=1), self.residual(text)         # [B, 2D], [B, H]
        g = torch.sigmoid(self.gate(torch.cat([x, r], dim=1)))
        return g * self.fuse(x) + (1 - g) * r, g


class MelDecoder(nn.Module):
    """h [B, H] → mel [B, M, T], scaled to [−1, 1], not clipped; `at_once`: frames a BiLSTM step."""
    def __init__(self, width_in: int = 512, n_frames: int = 896, n_mels: int = 80,
                 hidden: int = 512, layers: int = 4, at_once: int = 1):
        super().__init__()
        self.n_frames, self.n_mels, self.at_once = n_frames, n_mels, at_once
        self.enter = nn.Linear(width_in, hidden)
        self.positions = nn.Parameter(torch.randn(-(-n_frames // at_once), hidden) * 0.1)
        self.bilstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.to_mel = nn.Linear(2 * hidden, at_once * n_mels)

    def forward(self, h: Tensor) -> Tensor:
        steps = self.enter(h)[:, None] + self.positions                       # [B, S, hidden]
        states, _ = self.bilstm(steps)                                        # [B, S, 2·hidden]
        mel = self.to_mel(states).unflatten(2, (self.at_once, self.n_mels))   # [B, S, r, M]
        return mel.flatten(1, 2)[:, : self.n_frames].transpose(1, 2)


class Flow(nn.Module):
    """Velocity from noise to mel: x [B, k, S], time t [B] in [0, 1], h [B, H] → v [B, k, S]; x is S
    patches of `at_once` frames, as k principal components each."""
    def __init__(self, width_in: int, n_mels: int = 80, at_once: int = 8, components: int = 48,
                 channels: int = 64, blocks: int = 6):
        super().__init__()
        self.n_mels, self.at_once, self.components = n_mels, at_once, components
        self.mean = nn.Buffer(torch.zeros(n_mels * at_once))
        self.basis = nn.Buffer(torch.zeros(components, n_mels * at_once))  # rows of length 1
        self.scale = nn.Buffer(torch.ones(components))
        self.condition = nn.Sequential(nn.Linear(width_in + 64, channels), nn.SiLU())
        self.enter = nn.Conv1d(components, channels, 3, padding=1)
        self.leave = nn.Conv1d(channels, components, 1)
        reach = [2 ** (k % 4) for k in range(blocks)]
        self.blocks = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 3, padding=r, dilation=r)
                                    for r in reach)
        self.turn = nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in reach)
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in reach)
        nn.init.zeros_(self.leave.weight)

    def patches(self, mel: Tensor) -> Tensor:
        """Mel [B, M, T] → patches [B, M·r, S]; what does not fill a patch is left out."""
        whole = mel[:, :, : mel.shape[2] // self.at_once * self.at_once]
        return whole.unflatten(2, (-1, self.at_once)).permute(0, 1, 3, 2).flatten(1, 2)

    def encode(self, mel: Tensor) -> Tensor:
        """Mel [B, M, T] → z [B, k, S]."""
        centred = self.patches(mel) - self.mean[:, None]
        return torch.einsum("kp,bps->bks", self.basis, centred) / self.scale[:, None]

    def decode(self, z: Tensor) -> Tensor:
        """z [B, k, S] → mel [B, M, S·r]."""
        patches = torch.einsum("kp,bks->bps", self.basis, z * self.scale[:, None])
        patches = (patches + self.mean[:, None]).unflatten(1, (self.n_mels, self.at_once))
        return patches.permute(0, 1, 3, 2).flatten(2)

    def forward(self, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
        angle = 1000 * t[:, None] * torch.exp(-6.9 * torch.arange(32, device=x.device) / 32)
        condition = self.condition(torch.cat([h, angle.sin(), angle.cos()], dim=1))  # [B, C]
        y = self.enter(x)
        for block, turn, mix in zip(self.blocks, self.turn, self.mix, strict=True):
            scale, shift = turn(condition)[..., None].chunk(2, dim=1)                # [B, C, 1]
            a, b = block(y * (1 + scale) + shift).chunk(2, dim=1)
            y = y + mix(torch.tanh(a) * torch.sigmoid(b))
        return self.leave(F.silu(y))
