# %% [markdown]
# Write `best_of` (exercise 3): for each painting the take that is liked best. (And remember what
# that does to whoever liked it.)
# %%
import numpy as np

# %% answer
def best_of(takes: np.ndarray, likes: np.ndarray) -> np.ndarray:
    """Takes [k, N, samples] and how much each is liked [k, N] → the liked ones [N, samples]."""
    ### BEGIN SOLUTION
    return takes[np.argmax(likes, axis=0), np.arange(takes.shape[1])]
    ### END SOLUTION

# %% test
toy = np.arange(6.0).reshape(2, 3, 1)
assert best_of(toy, np.array([[1, 0, 1], [0, 1, 0]]))[:, 0].tolist() == [0, 4, 2]
assert np.array_equal(best_of(toy[:1], np.ones((1, 3))), toy[0])
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(0)
takes, likes = rng.normal(size=(4, 30, 7)), rng.normal(size=(4, 30))
chosen = best_of(takes, likes)
assert chosen.shape == (30, 7)
assert all(np.array_equal(chosen[n], takes[likes[:, n].argmax(), n]) for n in range(30))
### END HIDDEN TESTS
