# %% [markdown]
# Write `lead` (exercise 3): the classifier's word where it is sure, no word where it is not.
# `EMOTIONS` is in the order of the probabilities.
# %%
import numpy as np

from lib import signal

EMOTIONS = list(signal.affect.EMOTION_POINTS)

# %% answer
def lead(probabilities: np.ndarray, least: float) -> str | None:
    """The likeliest of EMOTIONS (probabilities [5]) if its own is at least `least`, else None."""
    ### BEGIN SOLUTION
    return EMOTIONS[int(probabilities.argmax())] if probabilities.max() >= least else None
    ### END SOLUTION

# %% test
assert lead(np.array([0.1, 0.6, 0.1, 0.1, 0.1]), 0.5) == EMOTIONS[1]
assert lead(np.array([0.1, 0.6, 0.1, 0.1, 0.1]), 0.7) is None
assert lead(np.array([0.1, 0.1, 0.1, 0.1, 0.6]), 0.6) == EMOTIONS[4]
### BEGIN HIDDEN TESTS
rows = np.random.default_rng(0).dirichlet(np.ones(5), 200)
assert all(lead(row, 0.0) == EMOTIONS[np.argsort(row)[-1]] for row in rows)
assert all(lead(row, 1.01) is None for row in rows)
assert [lead(row, 0.5) is None for row in rows] == [row.max() < 0.5 for row in rows]
### END HIDDEN TESTS
