"""System 4's networks: two vectors become one, and that one becomes a mel-spectrogram.

    picture v [B, D] ─┐
    text    u [B, D] ─┴─► gated residual projector ─► h [B, H]
        ──+ positions──► 4-layer BiLSTM ──► mel [B, M, T]

Source: Hong et al. §III-B.1 (equation 1), §III-B.2, §IV-A.2 (sizes).  Notebook: 42.
"""

import torch
from torch import nn

from lib.core.errors import KlangfarbeError


class GatedResidualProjector(nn.Module):
    """Picture and text vectors [B, D], [B, D] → h [B, H].

    h = g ⊙ W_x x + (1 − g) ⊙ r,  g = σ(W_g [x; r]),  x = [v; u],  r = W_r u.

    The paper gives r "a residual path from the text feature" and h 512 numbers for 1,024: r has to
    be brought to H, so W_r is ours.
    """

    def __init__(self, width_in: int = 1024, hidden: int = 512):
        super().__init__()
        self.width_in = width_in
        self.fuse = nn.Linear(2 * width_in, hidden, bias=False)               # W_x
        self.residual = nn.Linear(width_in, hidden, bias=False)               # W_r
        self.gate = nn.Linear(2 * width_in + hidden, hidden, bias=False)      # W_g

    def forward(self, picture: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.parts(picture, text)[0]

    def parts(self, picture: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(h, g), both [B, H]; g, in (0, 1), is how much of h comes from picture and text
        together.
        """
        for name, given in (("picture", picture), ("text", text)):
            if given.ndim != 2 or given.shape[1] != self.width_in:
                raise KlangfarbeError(f"{name} vectors [B, {self.width_in}]",
                                      str(tuple(given.shape)),
                                      "use the encoder it was trained with")
        x, r = torch.cat([picture, text], dim=1), self.residual(text)         # [B, 2D], [B, H]
        g = torch.sigmoid(self.gate(torch.cat([x, r], dim=1)))
        return g * self.fuse(x) + (1 - g) * r, g


class MelDecoder(nn.Module):
    """h [B, H] → mel [B, M, T] in the [−1, 1] scale (not clipped, so that an error beyond the ends
    still has a gradient).

    Args:
        at_once: frames that one step of the LSTM gives; 1 as published. hidden: of the LSTM, each
            way. layers: of it.

    Source: Hong et al. §III-B.2: "projected into a sequence format and encoded with positional
    embeddings", then the BiLSTM.
    """

    def __init__(self, width_in: int = 512, n_frames: int = 896, n_mels: int = 80,
                 hidden: int = 512, layers: int = 4, at_once: int = 1):
        super().__init__()
        if n_frames < 1 or at_once < 1:
            raise KlangfarbeError("one frame or more, one or more at once",
                                  f"{n_frames}, {at_once}", "change seconds or at_once")
        self.n_frames, self.n_mels, self.at_once = n_frames, n_mels, at_once
        n_steps = -(-n_frames // at_once)
        self.enter = nn.Linear(width_in, hidden)
        self.positions = nn.Parameter(torch.randn(n_steps, hidden) * 0.1)
        self.bilstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.to_mel = nn.Linear(2 * hidden, at_once * n_mels)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        steps = self.enter(h)[:, None] + self.positions                       # [B, S, hidden]
        states, _ = self.bilstm(steps)                                        # [B, S, 2·hidden]
        # [B, S·r, M]
        mel = self.to_mel(states).unflatten(2, (self.at_once, self.n_mels)).flatten(1, 2)
        return mel[:, : self.n_frames].transpose(1, 2)


class Flow(nn.Module):
    """The velocity that carries noise to a mel: x [B, k, S], time t [B] in [0, 1], h [B, H] → v [B,
    k, S].

    x stands for a mel: S patches of `at_once` frames each, k principal components a patch
    (:meth:`encode`, :meth:`decode`). Residual convolutions along the patches, each twice as
    far-reaching as the one before (cycled after four); t and h scale and shift each.
    """

    def __init__(self, width_in: int, n_mels: int = 80, at_once: int = 8, components: int = 48,
                 channels: int = 64, blocks: int = 6):
        super().__init__()
        self.n_mels, self.at_once, self.components = n_mels, at_once, components
        self.register_buffer("mean", torch.zeros(n_mels * at_once))
        self.register_buffer("basis", torch.zeros(components, n_mels * at_once))  # rows of length 1
        self.register_buffer("scale", torch.ones(components))
        self.condition = nn.Sequential(nn.Linear(width_in + 64, channels), nn.SiLU())
        self.enter, self.leave = nn.Conv1d(components, channels, 3,
                                           padding=1), nn.Conv1d(channels, components, 1)
        reach = [2 ** (k % 4) for k in range(blocks)]
        self.blocks = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 3, padding=r, dilation=r)
                                    for r in reach)
        self.turn = nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in reach)
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in reach)
        nn.init.zeros_(self.leave.weight)

    def patches(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel [B, M, T] → patches [B, M·r, S]; what does not fill a patch is left out."""
        # [B, M, S, r]
        whole = mel[:, :, : mel.shape[2] // self.at_once
                    * self.at_once].unflatten(2, (-1, self.at_once))
        return whole.permute(0, 1, 3, 2).flatten(1, 2)

    def encode(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel [B, M, T] → z [B, k, S]."""
        return torch.einsum("kp,bps->bks", self.basis,
                            self.patches(mel) - self.mean[:, None]) / self.scale[:, None]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """z [B, k, S] → mel [B, M, S·r]."""
        patches = torch.einsum("kp,bks->bps", self.basis,
                               z * self.scale[:, None]) + self.mean[:, None]
        return patches.unflatten(1, (self.n_mels, self.at_once)).permute(0, 1, 3, 2).flatten(2)

    def forward(self, x: torch.Tensor, t: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        angle = 1000 * t[:, None] * torch.exp(-6.9 * torch.arange(32, device=x.device) / 32)
        condition = self.condition(torch.cat([h, angle.sin(), angle.cos()], dim=1))  # [B, C]
        y = self.enter(x)
        for block, turn, mix in zip(self.blocks, self.turn, self.mix, strict=True):
            scale, shift = turn(condition)[..., None].chunk(2, dim=1)                # [B, C, 1]
            a, b = block(y * (1 + scale) + shift).chunk(2, dim=1)
            y = y + mix(torch.tanh(a) * torch.sigmoid(b))
        return self.leave(torch.nn.functional.silu(y))
