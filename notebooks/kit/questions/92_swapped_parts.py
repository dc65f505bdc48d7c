# %% [markdown]
# Fifteen couples of bridge and decoder: who is the bottleneck? Write `effects`: the table's mean,
# how much each bridge lies above it (its row's mean less the table's), how much each decoder does
# (columns), and the share of the table's variance that these two kinds of numbers leave over.
# %%
import numpy as np

# %% answer
def effects(table: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Agreement of couples [bridges, decoders] → mean, bridges' effects, decoders' effects, the
    share of variance left over, in [0, 1] (0 for a table that does not vary)."""
    ### BEGIN SOLUTION
    mean = table.mean()
    bridges, decoders = table.mean(1) - mean, table.mean(0) - mean
    rest = table - mean - bridges[:, None] - decoders
    share = rest.var() / table.var() if table.var() > 0 else 0.0
    return float(mean), bridges, decoders, float(share)
    ### END SOLUTION

# %% test
table = 0.4 + np.array([[0.1], [0.0], [-0.1]]) + np.array([0.2, -0.2])
mean, bridges, decoders, left = effects(table)
assert np.isclose(mean, 0.4) and np.allclose(bridges, [0.1, 0, -0.1])
assert np.allclose(decoders, [0.2, -0.2]) and np.isclose(left, 0)
### BEGIN HIDDEN TESTS
assert np.isclose(effects(np.array([[1.0, -1], [-1, 1]]))[3], 1)  # each suits one partner alone
assert effects(np.ones((3, 4)))[3] == 0
some = np.random.default_rng(0).normal(size=(5, 3))
mean, bridges, decoders, left = effects(some)
assert np.isclose(bridges.sum(), 0) and np.isclose(decoders.sum(), 0)
assert np.isclose(3 * (bridges**2).sum() + 5 * (decoders**2).sum() + left * some.var() * 15,
                  some.var() * 15)
### END HIDDEN TESTS
