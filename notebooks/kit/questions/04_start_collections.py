# %% [markdown]
# Write `fullness` (exercise 3): the number of slices that a collection fills as if evenly,
# $\exp(-\sum_k p_k \ln p_k)$, where $p_k$ is the share of items in slice $k$. An empty slice adds
# nothing ($0 \ln 0 = 0$).
# %%
import numpy as np

# %% answer
def fullness(counts) -> float:
    """Slices filled as if evenly, from 1 to len(counts): exp of the entropy of the counts [K]."""
    ### BEGIN SOLUTION
    p = np.asarray(counts, dtype=float) / np.sum(counts)
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum()))
    ### END SOLUTION

# %% test
assert np.isclose(fullness([5] * 20), 20)
assert np.isclose(fullness([0, 0, 7, 0]), 1)
assert np.isclose(fullness([3, 3, 0, 0]), 2)
### BEGIN HIDDEN TESTS
counts = np.random.default_rng(0).integers(0, 50, 20)
assert np.isclose(fullness(counts), fullness(10 * counts))
assert 1 < fullness([9, 1]) < 2
assert np.isclose(fullness([1, 2, 4]), 7 / (2 ** (2 / 7) * 4 ** (4 / 7)))
### END HIDDEN TESTS
