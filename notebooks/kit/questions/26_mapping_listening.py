# %% [markdown]
# A fair plan: who hears which picture with which system? Write `balanced`, so that every listener
# hears every system equally often, and every picture is heard with every system equally often
# (numbers of pictures and listeners are multiples of the number of systems). Then neither a
# generous listener nor a lovely picture favours a system.
# %%
import numpy as np

# %% answer
def balanced(n_listeners: int, n_pictures: int, n_systems: int) -> np.ndarray:
    """The system, 0 … n_systems − 1, that each listener hears with each picture:
    whole numbers [n_listeners, n_pictures]."""
    ### BEGIN SOLUTION
    return np.add.outer(np.arange(n_listeners), np.arange(n_pictures)) % n_systems
    ### END SOLUTION

# %% test
plan = balanced(6, 9, 3)
assert plan.shape == (6, 9) and set(plan.flat) == {0, 1, 2}
assert all(np.bincount(row, minlength=3).tolist() == [3, 3, 3] for row in plan)
### BEGIN HIDDEN TESTS
plan = balanced(6, 9, 3)
assert all(np.bincount(column, minlength=3).tolist() == [2, 2, 2] for column in plan.T)
rng = np.random.default_rng(0)
generous, lovely = rng.normal(size=(12, 1)), rng.normal(size=20)
plan, answers = balanced(12, 20, 4), generous + lovely  # nobody prefers a system
assert np.allclose([answers[plan == system].mean() for system in range(4)], answers.mean())
### END HIDDEN TESTS
