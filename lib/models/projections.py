"""Networks of mapping: a picture's vector v [B, 512] becomes n (published: 1) vectors m [B, n,
1024] that a music model attends to, by Study I or II, against an adversary (whose form is ours).
Source: Deepika §4.2.2, §4.3.3.  Notebook: 22, 23."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import checked

DO = "use the encoder the projection was trained with"


class StudyOne(nn.Module):
    """v → linear, LayerNorm, GELU, one transformer block, linear, LayerNorm (§4.2.2: 12 heads)."""
    def __init__(self, width_in: int = 512, width_out: int = 1024, n_tokens: int = 1,
                 hidden: int = 768, heads: int = 12, dropout: float = 0.1):
        super().__init__()
        self.n_tokens, self.width_in = n_tokens, width_in
        self.enter = nn.Linear(width_in, n_tokens * hidden)
        self.norm = nn.LayerNorm(hidden)
        self.attention_norm, self.forward_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(),
                                          nn.Dropout(dropout), nn.Linear(4 * hidden, hidden),
                                          nn.Dropout(dropout))
        self.leave = nn.Sequential(nn.Linear(hidden, width_out), nn.LayerNorm(width_out))
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        h = self.enter(checked(vectors, "vectors", ("B", self.width_in), DO))
        h = F.gelu(self.norm(h.unflatten(1, (self.n_tokens, -1))))             # [B, n, hidden]
        seen = self.attention_norm(h)
        h = h + self.attention(seen, seen, seen, need_weights=False)[0]
        h = h + self.feed_forward(self.forward_norm(h))
        return self.leave(h)


class StudyTwo(nn.Module):
    """h = LayerNorm(W₁v + b₁), m = W₂ ReLU(h) + b₂, dropout after *each* layer, as §4.3.3 says."""
    def __init__(self, width_in: int = 512, width_out: int = 1024, n_tokens: int = 1,
                 hidden: int = 768, dropout: float = 0.1):
        super().__init__()
        self.n_tokens, self.width_in = n_tokens, width_in
        self.first, self.norm = nn.Linear(width_in, hidden), nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, n_tokens * width_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        h = self.first(checked(vectors, "vectors", ("B", self.width_in), DO))
        h = torch.relu(self.norm(self.dropout(h)))                             # [B, hidden]
        return self.dropout(self.second(h)).unflatten(1, (self.n_tokens, -1))


class VectorCritic(nn.Module):
    """Study I's adversary: conditions [B, n, D] → one logit an item [B], above 0 for real."""
    def __init__(self, width: int, hidden: int = 128):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(0.2),
                                    nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
                                    nn.Linear(hidden, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layers(vectors).mean((1, 2))


class SoundCritic(nn.Module):
    """Study II's adversary: ln-mel [B, T, M] → one logit an item [B], the mean over patches."""
    def __init__(self, n_mels: int = 128, width: int = 32):
        super().__init__()
        self.n_mels = n_mels
        self.layers = nn.Sequential(nn.Conv2d(1, width, 5, 2, 2), nn.LeakyReLU(0.2),
                                    nn.Conv2d(width, 2 * width, 5, 2, 2), nn.LeakyReLU(0.2),
                                    nn.Conv2d(2 * width, 2 * width, 3, 2, 1), nn.LeakyReLU(0.2),
                                    nn.Conv2d(2 * width, 1, 3, 1, 1))

    def forward(self, mel: Tensor) -> Tensor:
        return self.layers((mel.unsqueeze(1) + 6) / 3).mean((1, 2, 3))  # ln-mels lie around −6 ± 3
