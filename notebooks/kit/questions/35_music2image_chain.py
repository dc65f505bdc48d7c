# %% [markdown]
# Write `product_rule` (exercise 3): for each axis, the product of the two links' correlations
# (meant with heard, heard with read) and the chain's own correlation (meant with read). They agree
# where the painter does not care *why* the listener was wrong.
# %%
import numpy as np

# %% answer
def product_rule(meant: np.ndarray, heard: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Points [N, 2] three times → [2 axes, 2]: ρ₁ρ₂, and the chain's own ρ."""
    ### BEGIN SOLUTION
    r = lambda a, b, axis: np.corrcoef(a[:, axis], b[:, axis])[0, 1]
    return np.array([[r(meant, heard, axis) * r(heard, read, axis), r(meant, read, axis)]
                     for axis in (0, 1)])
    ### END SOLUTION

# %% test
rng = np.random.default_rng(0)
meant = rng.normal(size=(20_000, 2))
heard = 0.8 * meant + 0.6 * rng.normal(size=meant.shape)
read = 0.6 * heard + 0.8 * rng.normal(size=meant.shape)
found = product_rule(meant, heard, read)
assert found.shape == (2, 2) and np.allclose(found, 0.48, atol=0.02)
### BEGIN HIDDEN TESTS
assert np.allclose(product_rule(meant, meant, meant), 1)
knows = heard - meant  # a painter who paints the listener's error and nothing else
product, chain = product_rule(meant, heard, knows)[0]
assert product > 0.2 and abs(chain + 0.32) < 0.03
turned = product_rule(meant * [1, -1], heard, read)
assert np.allclose(turned, found * [[1, 1], [-1, -1]])
### END HIDDEN TESTS
