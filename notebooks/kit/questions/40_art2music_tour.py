# %% [markdown]
# Exercise 2 compares five seeds with five sentences. Write `apart`: the mean distance, on the
# plane, of two *different* points of a set.
# %%
import numpy as np

# %% answer
def apart(points: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of different points [N, 2], N ≥ 2."""
    ### BEGIN SOLUTION
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return float(distances[np.triu_indices(len(points), 1)].mean())
    ### END SOLUTION

# %% test
assert np.isclose(apart(np.array([[0.0, 0], [0.3, 0.4]])), 0.5)
assert apart(np.zeros((5, 2))) == 0
corners = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
assert np.isclose(apart(corners), (4 + 2 * np.sqrt(2)) / 6)
### BEGIN HIDDEN TESTS
points = np.random.default_rng(0).normal(size=(40, 2))
pairs = [np.hypot(*(a - b)) for k, a in enumerate(points) for b in points[:k]]
assert np.isclose(apart(points), np.mean(pairs))
assert np.isclose(apart(2 * points + 5), 2 * apart(points))
### END HIDDEN TESTS
