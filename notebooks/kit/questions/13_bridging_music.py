# %% [markdown]
# As released, M3 learns from the first item of each batch alone. Write `share_met` (exercise 3):
# shuffle the pairs anew each epoch (`rng.permutation`), cut them into batches, and note who comes
# first in one. A last batch that is short is left out.
# %%
import numpy as np

# %% answer
def share_met(n_pairs: int, batch_size: int, epochs: int, seed: int) -> float:
    """Share of pairs, in [0, 1], that are item 0 of a whole batch at least once in all epochs."""
    ### BEGIN SOLUTION
    rng, met = np.random.default_rng(seed), np.zeros(n_pairs, bool)
    for _ in range(epochs):
        met[rng.permutation(n_pairs)[: n_pairs - n_pairs % batch_size : batch_size]] = True
    return float(met.mean())
    ### END SOLUTION

# %% test
assert share_met(96, 16, 1, seed=0) == 1 / 16
assert share_met(5, 1, 1, seed=0) == 1
assert share_met(31, 16, 1, seed=0) == 1 / 31  # the second batch is short
counted = np.mean([share_met(960, 16, 40, seed) for seed in range(20)])
assert np.isclose(counted, 1 - (1 - 1 / 16) ** 40, atol=0.01)
### BEGIN HIDDEN TESTS
counted = np.mean([share_met(31, 16, 40, seed) for seed in range(300)])
assert np.isclose(counted, 1 - (1 - 1 / 31) ** 40, atol=0.02)
assert share_met(10, 16, 5, seed=0) == 0
assert share_met(96, 16, 40, seed=1) == share_met(96, 16, 40, seed=1)
### END HIDDEN TESTS
