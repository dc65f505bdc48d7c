"""Residual vector quantiser: each codebook codes what the earlier ones have left over.
Source: SoundStream (Zeghidour et al. 2021, §III-C); moving averages: van den Oord et al. (2017),
appendix A.1.  Notebook: 03."""

from typing import Any

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualQuantiser(nn.Module):
    """K codebooks [K, V, D], moving averages without a gradient; a code hit (`hits` [K, V]) less
    often than `dead_below` of an even use starts afresh."""
    def __init__(self, n_codebooks: int = 4, codebook_size: int = 512, width: int = 64, *,
                 decay: float = 0.99, dead_below: float = 0.1):
        super().__init__()
        self.n_codebooks, self.codebook_size, self.width = n_codebooks, codebook_size, width
        self.decay, self.dead_below = decay, dead_below
        self.codebooks = nn.Buffer(torch.randn(n_codebooks, codebook_size, width))
        self.hits = nn.Buffer(torch.ones(n_codebooks, codebook_size))

    def encode(self, vectors: Tensor, n_codebooks: int | None = None) -> Tensor:
        """z [B, S, D] → codes int64 [B, K, S], or the first `n_codebooks` of them."""
        residual, codes = vectors, []
        for codebook in self.codebooks[:n_codebooks]:
            codes.append(nearest(residual, codebook))
            residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, k, S], k ≤ K → sum of their vectors [B, S, D]."""
        each = [self.codebooks[k][codes[:, k]] for k in range(codes.shape[1])]
        return torch.stack(each, dim=1).sum(1)

    def soft_decode(self, shares: Tensor) -> Tensor:
        """Probabilities [B, k, S, V] → expected sum of vectors [B, S, D], with their gradient."""
        return torch.einsum("bksv,kvd->bsd", shares,
                            self.codebooks[: shares.shape[1]].to(shares.dtype))

    def forward(self, vectors: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """z [B, S, D] → quantised [B, S, D] with z's own gradient, commitment, codes [B, K, S];
        each item is decoded from its first `keep` [B] codebooks."""
        residual, parts, codes, commitment = vectors, [], [], vectors.new_zeros(())
        for k in range(self.n_codebooks):
            chosen = nearest(residual, self.codebooks[k])
            part = self.codebooks[k][chosen]
            commitment = commitment + F.mse_loss(residual, part)
            if self.training:
                self.move(k, residual.detach().reshape(-1, self.width), chosen.reshape(-1))
            residual = residual - part
            parts.append(part)
            codes.append(chosen)
        stacked = torch.stack(parts, dim=1)                                    # [B, K, S, D]
        if keep is not None:
            used = torch.arange(self.n_codebooks, device=keep.device) < keep[:, None]
            stacked = stacked * used[:, :, None, None]
        quantised = vectors + (stacked.sum(1) - vectors).detach()
        return quantised, commitment / self.n_codebooks, torch.stack(codes, dim=1)

    @torch.no_grad()
    def move(self, k: int, residuals: Tensor, chosen: Tensor) -> None:
        """hits ← γ·hits + (1 − γ)·n, vector ← (γ·hits·vector + (1 − γ)·Σ residuals) / new hits."""
        count = torch.bincount(chosen, minlength=self.codebook_size).to(residuals.dtype)
        total = torch.zeros_like(self.codebooks[k]).index_add_(0, chosen, residuals)
        kept, fresh = self.decay * self.hits[k], 1 - self.decay
        hits = kept + fresh * count
        moved = kept[:, None] * self.codebooks[k] + fresh * total
        codebook = moved / hits.clamp_min(1e-12)[:, None]
        even = len(residuals) / self.codebook_size
        dead = (hits < self.dead_below * even).nonzero().squeeze(1)
        if len(dead):
            at = torch.randint(len(residuals), (len(dead),), device=residuals.device)
            codebook[dead], hits[dead] = residuals[at], even
        self.codebooks[k], self.hits[k] = codebook, hits

    @torch.no_grad()
    def start(self, vectors: Tensor, seed: int = 0, per_batch: int | None = None) -> None:
        """Sets each codebook to k-means of what is left of vectors [N, D]."""
        residual = vectors
        for k in range(self.n_codebooks):
            settings: Any = {"init": "random", "n_init": 1, "max_iter": 12, "random_state": seed}
            fitted = KMeans(self.codebook_size, **settings).fit(residual.cpu().double().numpy())
            self.codebooks[k] = torch.from_numpy(fitted.cluster_centers_).to(self.codebooks)
            chosen = nearest(residual, self.codebooks[k])
            count = torch.bincount(chosen, minlength=self.codebook_size).to(self.hits)
            self.hits[k] = count * ((per_batch or len(vectors)) / len(vectors))
            residual = residual - self.codebooks[k][chosen]


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Which row of a codebook [V, D] lies nearest to each vector [..., D]: int64 [...]."""
    return (codebook.square().sum(1) - 2 * vectors.detach() @ codebook.T).argmin(-1)


def perplexity(codes: Tensor, codebook_size: int) -> Tensor:
    """Codes [B, K, S] → exp of each codebook's entropy [K]: how many codes it uses, in effect."""
    counts = torch.stack([torch.bincount(c.reshape(-1), minlength=codebook_size)
                          for c in codes.unbind(1)]).double()
    return torch.distributions.Categorical(probs=counts).entropy().exp()
