# %% [markdown]
# Notebook 00 measures by one number whether what was asked for came out, the concordance
# correlation of Lin (1989). Write `concordance`:
# $2\,\mathrm{cov}(x, y) / (\sigma_x^2 + \sigma_y^2 + (\mu_x - \mu_y)^2)$.
# Variances and covariance are means over all items (divided by N). Two equal constants have nothing
# to agree on: 0.
# %%
import numpy as np

# %% answer
def concordance(asked: np.ndarray, measured: np.ndarray) -> float:
    """Concordance correlation of two series [N], in [−1, 1]; 0 where neither varies nor differs."""
    ### BEGIN SOLUTION
    covariance = np.mean((asked - asked.mean()) * (measured - measured.mean()))
    spread = asked.var() + measured.var() + (asked.mean() - measured.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else 0.0
    ### END SOLUTION

# %% test
line = np.linspace(-1, 1, 5)
assert np.isclose(concordance(line, line), 1)
assert np.isclose(concordance(line, -line), -1)
assert np.isclose(concordance(line, 0.5 * line), 0.8)  # r would say 1
assert np.isclose(concordance(line, line + 1), 2 * 0.5 / (0.5 + 0.5 + 1))
### BEGIN HIDDEN TESTS
assert concordance(np.ones(4), np.ones(4)) == 0
a, b = np.random.default_rng(0).normal(size=(2, 50))
assert np.isclose(concordance(a, b), concordance(b, a))
assert np.isclose(concordance(a, 3 * b + 2), 2 * 3 * np.cov(a, b, ddof=0)[0, 1]
                  / (a.var() + 9 * b.var() + (a.mean() - 3 * b.mean() - 2) ** 2))
### END HIDDEN TESTS
