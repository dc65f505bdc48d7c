# %% [markdown]
# Write `noise_ceiling` (exercise 3): how often does a prediction find its own target? Take the
# *targets'* mean off both, compare all with all by cosine, and count who is nearest to himself.
# %%
import numpy as np

# %% answer
def noise_ceiling(made: np.ndarray, targets: np.ndarray) -> float:
    """Share, in [0, 1], of predictions [N, D] whose nearest target [N, D] is their own."""
    ### BEGIN SOLUTION
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    centre = targets.mean(0)
    nearest = (unit(made - centre) @ unit(targets - centre).T).argmax(1)
    return float((nearest == np.arange(len(made))).mean())
    ### END SOLUTION

# %% test
rng, D, N, shares = np.random.default_rng(0), 64, 500, {}
for rho in (0.1, 0.3, 0.9):
    known, rest = (np.sqrt(part) * rng.normal(size=(N, D)) for part in (rho, 1 - rho))
    shares[rho] = noise_ceiling(2 + known, 2 + known + rest)
assert 10 / N < shares[0.1] < shares[0.3] < shares[0.9] and shares[0.9] > 0.99
### BEGIN HIDDEN TESTS
targets = rng.normal(size=(N, D))
assert noise_ceiling(targets, targets) == 1
assert noise_ceiling(np.roll(targets, 1, axis=0), targets) == 0
assert noise_ceiling(targets + 50, targets) < 0.2  # it is the targets' mean that is taken off
assert noise_ceiling(2 + 1e-9 * rng.normal(size=(N, D)), 2 + targets) < 0.02  # the mean vector
assert noise_ceiling(5 * targets[:3] - 4 * targets[:3].mean(0), targets[:3]) == 1
### END HIDDEN TESTS
