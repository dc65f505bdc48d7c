"""System 4's networks: two vectors become one, and that one becomes a mel-spectrogram.

    picture v [B, D] ─┐
    text    u [B, D] ─┴─► gated residual projector ─► h [B, H] ──+ positions──► 4-layer BiLSTM ──► mel [B, M, T]

Source: text 003, §III-B.1 (equation 1), §III-B.2, §IV-A.2 (sizes).
Notebook: 42.
"""

import torch
from torch import nn

from lib.errors import KlangfarbeError


class GatedResidualProjector(nn.Module):
    """Picture and text vectors [B, D], [B, D] → h [B, H].

    h = g ⊙ W_x x + (1 − g) ⊙ r,  g = σ(W_g [x; r]),  x = [v; u],  r = W_r u.

    The text gives r "a residual path from the text feature" and h 512 numbers for 1,024: r has to be brought to H, so W_r is ours.

    Source: text 003, equation 1.
    """

    def __init__(self, width_in: int = 1024, hidden: int = 512):
        super().__init__()
        self.width_in = width_in
        self.fuse = nn.Linear(2 * width_in, hidden, bias=False)               # W_x
        self.residual = nn.Linear(width_in, hidden, bias=False)               # W_r
        self.gate = nn.Linear(2 * width_in + hidden, hidden, bias=False)      # W_g

    def forward(self, picture: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """[B, D] twice → [B, H]."""
        return self.parts(picture, text)[0]

    def parts(self, picture: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(h, g), both [B, H]; g, in (0, 1), is how much of h comes from picture and text together."""
        for name, given in (("picture", picture), ("text", text)):
            if given.ndim != 2 or given.shape[1] != self.width_in:
                raise KlangfarbeError(f"{name} vectors [B, {self.width_in}]", str(tuple(given.shape)),
                                      "use the encoder it was trained with")
        x, r = torch.cat([picture, text], dim=1), self.residual(text)         # [B, 2D], [B, H]
        g = torch.sigmoid(self.gate(torch.cat([x, r], dim=1)))
        return g * self.fuse(x) + (1 - g) * r, g


class MelDecoder(nn.Module):
    """h [B, H] → mel [B, M, T] in the [−1, 1] scale (not clipped, so that an error beyond the ends still has a gradient).

    Args:
        at_once: frames that one step of the LSTM gives; 1 as published. hidden: of the LSTM, each way. layers: of it.

    Source: text 003, §III-B.2: "projected into a sequence format and encoded with positional embeddings", then the BiLSTM.
    """

    def __init__(self, width_in: int = 512, n_frames: int = 896, n_mels: int = 80, hidden: int = 512, layers: int = 4, at_once: int = 1):
        super().__init__()
        if n_frames < 1 or at_once < 1:
            raise KlangfarbeError("one frame or more, one or more at once", f"{n_frames}, {at_once}", "change seconds or at_once")
        self.n_frames, self.n_mels, self.at_once = n_frames, n_mels, at_once
        n_steps = -(-n_frames // at_once)
        self.enter = nn.Linear(width_in, hidden)
        self.positions = nn.Parameter(torch.randn(n_steps, hidden) * 0.1)
        self.bilstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.to_mel = nn.Linear(2 * hidden, at_once * n_mels)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """[B, H] → [B, M, T]."""
        steps = self.enter(h)[:, None] + self.positions                       # [B, S, hidden]
        states, _ = self.bilstm(steps)                                        # [B, S, 2·hidden]
        mel = self.to_mel(states).unflatten(2, (self.at_once, self.n_mels)).flatten(1, 2)  # [B, S·r, M]
        return mel[:, : self.n_frames].transpose(1, 2)
