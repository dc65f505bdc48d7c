# %% [markdown]
# Write `confident` (exercise 3): the AUC over the `share` of works whose predictions lie farthest
# from the predictions' median. A work is positive where its truth is above 0. Where the works that
# are left are all positive, or all negative, say .5.
# %%
import numpy as np
from sklearn.metrics import roc_auc_score

# %% answer
def confident(truth: np.ndarray, told: np.ndarray, share: float) -> float:
    """AUC, in [0, 1], over the `share` of works [N] that are told farthest from the median."""
    ### BEGIN SOLUTION
    distance = np.abs(told - np.median(told))
    kept = distance >= np.quantile(distance, 1 - share)
    positive = truth[kept] > 0
    return roc_auc_score(positive, told[kept]) if 0 < positive.sum() < kept.sum() else 0.5
    ### END SOLUTION

# %% test
rng = np.random.default_rng(0)
truth = rng.normal(size=4000)
told = 0.35 * truth + np.sqrt(1 - 0.35**2) * rng.normal(size=4000)  # r = .35, as of paintings
assert np.isclose(confident(truth, told, 1.0), roc_auc_score(truth > 0, told))
assert np.isclose(confident(truth, told, 0.2), 0.76, atol=0.01)
### BEGIN HIDDEN TESTS
assert confident(np.ones(10), np.arange(10.0), 0.5) == 0.5
assert np.isclose(confident(truth, told + 100, 0.2), confident(truth, told, 0.2))
shares = [confident(truth, told, share) for share in (1.0, 0.5, 0.2)]
assert shares == sorted(shares)
one = np.array([-3.0, -0.1, 0.0, 0.1, 3.0])
assert confident(np.array([-1.0, 1, 1, -1, 1]), one, 0.4) == 1
### END HIDDEN TESTS
