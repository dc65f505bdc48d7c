# %% [markdown]
# Write `adapted` (exercise 3): the forest is taught people's scale by a least-squares line (with an
# offset) from its two numbers to theirs, and each track is predicted by a line that never saw it:
# leave out one group, fit on the others, predict the one.
# %%
import numpy as np

# %% answer
def adapted(points: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The forest's points [N, 2], on people's scale (truth [N, 2]); groups [N]: the tracks."""
    ### BEGIN SOLUTION
    inputs = np.column_stack([points, np.ones(len(points))])
    predicted = np.empty_like(truth, dtype=float)
    for group in np.unique(groups):
        unseen = groups == group
        line = np.linalg.lstsq(inputs[~unseen], truth[~unseen], rcond=None)[0]
        predicted[unseen] = inputs[unseen] @ line
    return predicted
    ### END SOLUTION

# %% test
where = np.random.default_rng(0).uniform(-1, 1, (60, 2))
said = where / 3 + 0.1
assert np.allclose(adapted(where, said, np.arange(60)), said)
### BEGIN HIDDEN TESTS
tracks = np.repeat(np.arange(20), 3)
odd = said.copy()
odd[tracks == 4] = 50.0  # one track that nobody else is like: its own line may not know it
assert np.abs(adapted(where, odd, tracks)[tracks == 4]).max() < 5
others = np.delete(np.arange(60), np.flatnonzero(tracks == 4))
fit = np.linalg.lstsq(np.column_stack([where, np.ones(60)])[others], odd[others], rcond=None)[0]
assert np.allclose(adapted(where, odd, tracks)[tracks == 4],
                   np.column_stack([where, np.ones(60)])[tracks == 4] @ fit)
### END HIDDEN TESTS
