# %% [markdown]
# Write `guided` (exercise 3): a flow's path from noise, in `n` equal Euler steps at
# $t = 0, 1/n, \dots$, along $V_\varnothing + s\,(V_{\mathbf h} - V_\varnothing)$. The network can
# be any function `velocity(x, t, h)`; `nobody` is the $\mathbf h$ of $V_\varnothing$.
# %%
import numpy as np

# %% answer
def guided(velocity, noise: np.ndarray, h: np.ndarray, nobody: np.ndarray, s: float,
           n: int) -> np.ndarray:
    """Where the path from `noise` [B, D] ends at t = 1; h, nobody [B, D_h]; s = 1: no guidance."""
    ### BEGIN SOLUTION
    x = noise.copy()
    for step in range(n):
        plain = velocity(x, step / n, nobody)
        x = x + (plain + s * (velocity(x, step / n, h) - plain)) / n
    return x
    ### END SOLUTION

# %% test
noise, h, nobody = np.zeros((2, 3)), np.ones((2, 3)), np.zeros((2, 3))
towards = lambda x, t, h: h - noise  # a straight line: any number of steps ends at h
for n in (1, 2, 32):
    assert np.allclose(guided(towards, noise, h, nobody, 1.0, n), h)
assert np.allclose(guided(towards, noise, h, nobody, 2.5, 4), 2.5)
assert np.allclose(guided(towards, noise, h, nobody, 0.0, 4), nobody)
### BEGIN HIDDEN TESTS
decays = lambda x, t, h: -x + h  # x' = h − x: Euler's n steps leave (1 − 1/n)^n of the start
start = np.random.default_rng(0).normal(size=(2, 3))
kept = start.copy()
assert np.allclose(guided(decays, start, h, nobody, 1.0, 8), h + (start - h) * (7 / 8) ** 8)
assert np.array_equal(start, kept)
late = lambda x, t, h: np.full_like(x, t)
assert np.allclose(guided(late, noise, h, nobody, 1.0, 4), (0 + 1 + 2 + 3) / 16)
### END HIDDEN TESTS
