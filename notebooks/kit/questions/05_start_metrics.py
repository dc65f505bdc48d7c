# %% [markdown]
# Write `liveliness` (exercise 3), a metric by which the average cannot win: take the cepstra
# [T, K] of reference and generated sound, the standard deviation of each coefficient over time,
# summed over the coefficients; return generated over reference.
# %%
import numpy as np

# %% answer
def liveliness(reference: np.ndarray, generated: np.ndarray) -> float:
    """How much cepstra [T, K] vary over time, relative to the reference's [T', K]: 1 as much, below
    1 smeared."""
    ### BEGIN SOLUTION
    return float(generated.std(axis=0).sum() / reference.std(axis=0).sum())
    ### END SOLUTION

# %% test
takes = np.random.default_rng(0).normal(size=(8, 4000, 13))
assert np.isclose(liveliness(takes[0], takes[0]), 1)
assert np.isclose(liveliness(takes[0], 0.5 * takes[0] + 3), 0.5)
assert np.isclose(liveliness(takes[0], takes.mean(0)), 1 / np.sqrt(8), atol=0.02)
### BEGIN HIDDEN TESTS
assert liveliness(takes[0], np.repeat(takes[1][:1], 50, axis=0)) < 1e-9
loud = takes[1] * np.array([100] + [1] * 12)  # one lively coefficient of thirteen
assert np.isclose(liveliness(takes[0], loud), (100 + 12) / 13, rtol=0.05)
assert np.isclose(liveliness(takes[0][:2000], takes[0]), 1, atol=0.05)
### END HIDDEN TESTS
