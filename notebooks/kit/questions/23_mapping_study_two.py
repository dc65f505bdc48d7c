# %% [markdown]
# Write `angle` (exercise 3): the cosine between the gradients of any two losses with respect to the
# same weights, all weights put into one vector. The graph must survive, so that a third loss can be
# asked afterwards.
# %%
import torch
import torch.nn.functional as F

# %% answer
def angle(one: torch.Tensor, other: torch.Tensor, weights: list) -> float:
    """Cosine between the gradients of two scalar losses with respect to `weights`, in [−1, 1]."""
    ### BEGIN SOLUTION
    a, b = (torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights, retain_graph=True)])
            for loss in (one, other))
    return float(F.cosine_similarity(a, b, dim=0))
    ### END SOLUTION

# %% test
w, b = torch.ones(3, requires_grad=True), torch.zeros(1, requires_grad=True)
loss = (w * torch.tensor([3.0, 4.0, 0.0])).sum() + 0 * b.sum()
assert abs(angle(loss, 2 * loss, [w, b]) - 1) < 1e-6
assert abs(angle(loss, -loss, [w, b]) + 1) < 1e-6
assert abs(angle(loss, w[0] + 0 * b.sum(), [w, b]) - 0.6) < 1e-6
### BEGIN HIDDEN TESTS
squares, line = w.square().sum() + (b + 2).square().sum(), w.sum() + b.sum()
expected = (2 * 3 + 4) / ((3 * 4 + 16) ** 0.5 * 4**0.5)
assert abs(angle(squares, line, [w, b]) - expected) < 1e-6
assert abs(angle(squares, line, [w, b]) - angle(line, squares, [w, b])) < 1e-6
assert w.grad is None  # asking leaves no gradient behind
### END HIDDEN TESTS
