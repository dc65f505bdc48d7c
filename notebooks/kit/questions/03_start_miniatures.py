# %% [markdown]
# Write `used_bits_per_second` (exercise 3). A code that occurs with share $p$ costs
# $-\log_2 p$ bits if names are given wisely (Shannon 1948), so a codebook costs the entropy of its
# codes, each step; codebooks are counted separately and their costs added.
# %%
import numpy as np
import torch

# %% answer
def used_bits_per_second(codes: torch.Tensor, codebook_size: int, frame_rate_hz: float) -> float:
    """Bits a second of whole-number codes [B, K, S] in 0 … V − 1; at most K·log₂V a step."""
    ### BEGIN SOLUTION
    bits = 0.0
    for codebook in codes.unbind(1):
        p = torch.bincount(codebook.flatten(), minlength=codebook_size).double() / codebook.numel()
        bits -= float((p[p > 0] * p[p > 0].log2()).sum())
    return frame_rate_hz * bits
    ### END SOLUTION

# %% test
even = torch.arange(8).view(1, 1, 8).repeat(1, 4, 1)  # four codebooks, eight codes evenly
assert np.isclose(used_bits_per_second(even, 8, 25), 25 * 4 * 3)
assert used_bits_per_second(torch.zeros(1, 4, 8, dtype=torch.long), 8, 25) == 0
### BEGIN HIDDEN TESTS
skewed = torch.tensor([[[0, 0, 0, 1], [0, 1, 2, 3]]])
assert np.isclose(used_bits_per_second(skewed, 16, 2.0), 2 * (2 - 0.75 * np.log2(3) + 2))
drawn = torch.randint(0, 64, (2, 3, 500), generator=torch.Generator().manual_seed(0))
assert 0 < used_bits_per_second(drawn, 64, 50) < 50 * 3 * 6
### END HIDDEN TESTS
