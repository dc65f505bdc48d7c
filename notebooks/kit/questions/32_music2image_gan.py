# %% [markdown]
# Write `gradient_penalty`, that of WGAN-GP (Gulrajani et al. 2017): at points between real and
# painted pictures, $\hat x = \epsilon\, x + (1-\epsilon)\,\tilde x$ with one $\epsilon$ a picture,
# the mean over pictures of $(\lVert\nabla_{\hat x} D(\hat x)\rVert_2 - 1)^2$. It must be
# possible to train the critic on it.
# %%
import torch

# %% answer
def gradient_penalty(critic, real: torch.Tensor, fake: torch.Tensor,
                     epsilon: torch.Tensor) -> torch.Tensor:
    """Scalar; `critic` gives [B] of pictures [B, C, H, W]; real, fake [B, C, H, W], epsilon [B]."""
    ### BEGIN SOLUTION
    weight = epsilon.view(-1, 1, 1, 1)
    between = (weight * real + (1 - weight) * fake).detach().requires_grad_(True)
    gradient, = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    ### END SOLUTION

# %% test
draw = torch.Generator().manual_seed(0)
real, fake = torch.randn(2, 6, 3, 4, 4, generator=draw)
epsilon = torch.rand(6, generator=draw)
direction = torch.zeros(3, 4, 4)
direction[0, 0, 0], direction[2, 1, 3] = 3.0, 4.0
line = lambda x: (x * direction).sum((1, 2, 3))  # its gradient has length 5 everywhere
assert torch.isclose(gradient_penalty(line, real, fake, epsilon), torch.tensor(16.0))
assert torch.isclose(gradient_penalty(lambda x: line(x) / 5, real, fake, epsilon),
                     torch.tensor(0.0), atol=1e-8)
### BEGIN HIDDEN TESTS
bowl = lambda x: x.square().sum((1, 2, 3)) / 2  # its gradient is x itself
at = epsilon.view(-1, 1, 1, 1) * real + (1 - epsilon.view(-1, 1, 1, 1)) * fake
assert torch.isclose(gradient_penalty(bowl, real, fake, epsilon),
                     (at.flatten(1).norm(dim=1) - 1).square().mean(), rtol=1e-4)
slope = torch.tensor(2.0, requires_grad=True)
gradient_penalty(lambda x: slope * line(x), real, fake, epsilon).backward()
assert torch.isclose(slope.grad, torch.tensor(2 * (2 * 5 - 1) * 5.0))
### END HIDDEN TESTS
