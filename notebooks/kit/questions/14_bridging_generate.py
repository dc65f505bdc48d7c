# %% [markdown]
# Write `nucleus` (exercise 3; Holtzman et al. 2020): keep the fewest codes that together hold a
# share $q$ of the probability. The likeliest is always kept.
# %%
import torch

# %% answer
def nucleus(logits: torch.Tensor, q: float = 0.9) -> torch.Tensor:
    """Which codes of logits [..., V] are kept, booleans [..., V]."""
    ### BEGIN SOLUTION
    p, order = torch.softmax(logits.float(), -1).sort(-1, descending=True)
    before = p.cumsum(-1) - p
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < q)
    ### END SOLUTION

# %% test
logits = torch.tensor([1.0, 8, 2, 4, 1]).log()
for q, kept in ((0.45, [0, 1, 0, 0, 0]), (0.7, [0, 1, 0, 1, 0]), (0.8, [0, 1, 1, 1, 0])):
    assert nucleus(logits, q).int().tolist() == kept
assert nucleus(logits.expand(3, 2, 5), 0.7).shape == (3, 2, 5)
### BEGIN HIDDEN TESTS
many = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 3
p, kept = many.softmax(-1), nucleus(many, 0.9)
assert ((p * kept).sum(-1) >= 0.9 - 1e-5).all()
least = torch.where(kept, p, 2.0).min(-1).values  # without its rarest code it no longer holds q
assert ((p * kept).sum(-1) - least < 0.9 + 1e-5).all()
assert (least > torch.where(kept, -1.0, p).max(-1).values).all()
assert (nucleus(many, 1e-9).sum(-1) == 1).all()
### END HIDDEN TESTS
