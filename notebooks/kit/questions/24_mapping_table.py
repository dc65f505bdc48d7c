# %% [markdown]
# Exercise 3 asks whether a score varies more between pictures or between noises. Write
# `parts_of_variance`. Scores are [noises, pictures]. *Within* is the variance between the noises of
# one picture (divisor: noises − 1), averaged over pictures. *Between* is the variance of the
# pictures' means (divisor: pictures − 1) less what noise alone puts into those means,
# within / noises; below 0 it is 0.
# %%
import numpy as np

# %% answer
def parts_of_variance(scores: np.ndarray) -> tuple[float, float]:
    """(between pictures, within a picture) of scores [noises, pictures], both ≥ 0."""
    ### BEGIN SOLUTION
    within = scores.var(axis=0, ddof=1).mean()
    between = scores.mean(axis=0).var(ddof=1) - within / len(scores)
    return float(max(between, 0)), float(within)
    ### END SOLUTION

# %% test
assert np.allclose(parts_of_variance(np.array([[0.0, 2, 4], [0, 2, 4]])), (4, 0))
assert np.allclose(parts_of_variance(np.array([[0.0, 0], [2, 2]])), (0, 2))
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(0)
scores = 3 * rng.normal(size=4000) + 2 * rng.normal(size=(4, 4000))
assert np.allclose(parts_of_variance(scores), (9, 4), rtol=0.1)
noise = [parts_of_variance(rng.normal(size=(4, 30)))[0] for _ in range(200)]
assert min(noise) == 0 and np.mean(noise) < 0.08  # noise alone is not a difference of pictures
### END HIDDEN TESTS
