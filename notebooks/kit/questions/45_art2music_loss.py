# %% [markdown]
# Exercise 3 asks at which step a part of the data begins to fall behind. Write `falls_behind`: the
# first step from which on the part's validation loss exceeds the whole's by more than `margin` at
# *every* later step, too. Otherwise None: to be behind once and catch up again does not count.
# %%
import numpy as np

# %% answer
def falls_behind(steps: np.ndarray, part: np.ndarray, whole: np.ndarray,
                 margin: float = 0.0) -> int | None:
    """The step, of `steps` [S], from which on part [S] lies above whole [S] + margin; or None."""
    ### BEGIN SOLUTION
    behind = part > whole + margin
    if not behind[-1]:
        return None
    caught_up = np.flatnonzero(~behind)
    return int(steps[caught_up[-1] + 1 if len(caught_up) else 0])
    ### END SOLUTION

# %% test
steps = np.array([20, 40, 60, 80])
whole = np.array([0.9, 0.7, 0.6, 0.5])
assert falls_behind(steps, whole + [0, 0.1, 0.2, 0.2], whole) == 40
assert falls_behind(steps, whole + [0.1, 0.1, 0.2, 0], whole) is None
assert falls_behind(steps, whole + [0.1, 0, 0.2, 0.2], whole) == 60
### BEGIN HIDDEN TESTS
assert falls_behind(steps, whole + 1, whole) == 20
assert falls_behind(steps, whole, whole) is None
assert falls_behind(steps, whole + [0, 0.1, 0.2, 0.2], whole, margin=0.15) == 60
assert falls_behind(steps, whole - 1, whole) is None
### END HIDDEN TESTS
