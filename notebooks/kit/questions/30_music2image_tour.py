# %% [markdown]
# Write `bits` (exercise 3): the entropy, in bits, of points that are rounded to a grid of
# `n` × `n` equally spaced values from −1 to 1 (both ends are values; take `np.round`).
# %%
import numpy as np

# %% answer
def bits(points: np.ndarray, n: int) -> float:
    """Bits that points [N, 2] in [−1, 1] keep on an n × n grid (n ≥ 2), at most 2·log₂n."""
    ### BEGIN SOLUTION
    cells = np.round((points + 1) / 2 * (n - 1))
    p = np.unique(cells, axis=0, return_counts=True)[1] / len(points)
    return float(-(p * np.log2(p)).sum())
    ### END SOLUTION

# %% test
corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.8
assert np.isclose(bits(corners, 2), 2)
assert np.isclose(bits(np.repeat(corners[:1], 9, axis=0), 5), 0)
kinds = np.stack(np.meshgrid(np.linspace(-0.9, 0.9, 8), np.linspace(-0.9, 0.9, 8)), -1)
assert np.isclose(bits(kinds.reshape(-1, 2), 5), 4.50, atol=0.01)  # of at most 4.64
### BEGIN HIDDEN TESTS
grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5)), -1).reshape(-1, 2)
assert np.isclose(bits(grid, 5), np.log2(25)) and np.isclose(bits(grid + 0.1, 5), np.log2(25))
points = np.random.default_rng(0).uniform(-1, 1, (5000, 2))
assert bits(points, 2) < bits(points, 3) < bits(points, 9) <= 2 * np.log2(9)
### END HIDDEN TESTS
