# %% [markdown]
# Write `guide`: classifier-free guidance with rescaling (exercise 2; Ho & Salimans 2022, Lin et al.
# 2024). The guided prediction is `null + s · (emotion − null)`. Brought to the deviation of
# `emotion`, it takes a share φ = `rescale` of the answer; as it was, the share 1 − φ. A deviation
# is one picture's, over channels and pixels.
# %%
import torch

# %% answer
def guide(emotion: torch.Tensor, null: torch.Tensor, s: float,
          rescale: float = 0.0) -> torch.Tensor:
    """Predictions [B, C, H, W] with and without emotion → the guided one, [B, C, H, W]."""
    ### BEGIN SOLUTION
    mixed = null + s * (emotion - null)
    ratio = emotion.std((1, 2, 3), keepdim=True) / mixed.std((1, 2, 3), keepdim=True)
    return mixed * (rescale * ratio + 1 - rescale)
    ### END SOLUTION

# %% test
emotion, null = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0))
assert torch.allclose(guide(emotion, null, 1.0), emotion, atol=1e-6)
assert torch.allclose(guide(emotion, null, 0.0), null, atol=1e-6)
assert torch.allclose(guide(emotion, null, 3.0), 3 * emotion - 2 * null, atol=1e-5)
### BEGIN HIDDEN TESTS
deviation = lambda x: x.std((1, 2, 3))
assert torch.allclose(deviation(guide(emotion, null, 4.0, 1.0)), deviation(emotion), rtol=1e-4)
plain, half, whole = (guide(emotion, null, 4.0, phi) for phi in (0.0, 0.5, 1.0))
assert torch.allclose(half, (plain + whole) / 2, atol=1e-5)
assert torch.allclose(guide(emotion[:1], null[:1], 4.0, 0.7), guide(emotion, null, 4.0, 0.7)[:1],
                      atol=1e-5)  # a picture does not depend on its neighbours
### END HIDDEN TESTS
