# %% [markdown]
# Write `doubt` (exercise 3): how strange a picture is, as one minus the mean cosine with the
# *three* nearest training pictures. All vectors have unit length.
# %%
import numpy as np

# %% answer
def doubt(vector: np.ndarray, known: np.ndarray) -> float:
    """From 0 (trained on three times) to 2; vector [D], known [N, D] with N ≥ 3."""
    ### BEGIN SOLUTION
    return float(1 - np.sort(known @ vector)[-3:].mean())
    ### END SOLUTION

# %% test
one = np.eye(8)[0]
assert np.isclose(doubt(one, np.repeat(one[None], 3, axis=0)), 0)
assert np.isclose(doubt(one, np.eye(8)[1:]), 1)
assert np.isclose(doubt(one, -np.repeat(one[None], 3, axis=0)), 2)
### BEGIN HIDDEN TESTS
assert np.isclose(doubt(one, np.eye(8)), 2 / 3)  # itself, and two at right angles
half = np.array([0.6, 0.8] + [0] * 6)
assert np.isclose(doubt(one, np.stack([half, -half, one, np.eye(8)[1]])), 1 - (1 + 0.6 + 0) / 3)
### END HIDDEN TESTS
