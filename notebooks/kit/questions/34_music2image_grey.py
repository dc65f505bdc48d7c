# %% [markdown]
# One suspect for grey pictures is a schedule that leaves some signal at the end: the network learns
# to read a picture's mean brightness there, and is given none when it paints. Write
# `zero_terminal_snr`, the cure of Lin et al. (2024, algorithm 1): shift and scale
# $\sqrt{\bar\alpha_t}$ so that its last value is 0 and its first stays, and return the new
# $\beta_t$, where $\bar\alpha_t = \prod_{i \le t} (1 - \beta_i)$.
# %%
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr  # only to compare with

# %% answer
def zero_terminal_snr(betas: torch.Tensor) -> torch.Tensor:
    """Betas [T] in (0, 1) → betas [T] whose last is 1, so that nothing of the picture is left."""
    ### BEGIN SOLUTION
    root = (1 - betas).cumprod(0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    left = root.square()
    return 1 - torch.cat([left[:1], left[1:] / left[:-1]])
    ### END SOLUTION

# %% test
betas = torch.linspace(1e-4, 0.02, 1000)
new = zero_terminal_snr(betas)
assert torch.isclose(new[-1], torch.tensor(1.0)) and torch.isclose(new[0], betas[0], rtol=1e-2)
assert (1 - betas).prod() > 1e-5 and (1 - new).prod() == 0
### BEGIN HIDDEN TESTS
assert torch.allclose(zero_terminal_snr(betas), rescale_zero_terminal_snr(betas), atol=1e-6)
steep = torch.linspace(0.01, 0.4, 20)
assert torch.allclose(zero_terminal_snr(steep), rescale_zero_terminal_snr(steep), atol=1e-6)
### END HIDDEN TESTS
