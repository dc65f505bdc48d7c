# %% [markdown]
# A share $p$ of the songs stands on another scale, so that its ratings lie $d$ higher; otherwise
# both collections scatter alike, with standard deviation $s$. Write `explained`: the $R^2$ of a
# model that hears nothing and knows only which collection a song is from. (Variance between two
# groups is $p(1-p)\,d^2$; notebook 01.)
# %%
import numpy as np

# %% answer
def explained(share: float, distance: float, deviation: float) -> float:
    """R², in [0, 1], of knowing the collection; `share` of the songs lie `distance` higher."""
    ### BEGIN SOLUTION
    between = share * (1 - share) * distance**2
    return between / (between + deviation**2)
    ### END SOLUTION

# %% test
assert np.isclose(explained(0.5, 2.0, 1.0), 0.5)
assert explained(0.3, 0.0, 1.0) == 0
assert explained(0.05, 4, 0.5) < explained(0.3, 4, 0.5) < explained(0.5, 4, 0.5)
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(0)
second = np.arange(200_000) < 0.1 * 200_000
ratings = rng.normal(0, 0.7, 200_000) + 1.5 * second
told = np.where(second, ratings[second].mean(), ratings[~second].mean())
assert np.isclose(explained(0.1, 1.5, 0.7), 1 - np.mean((ratings - told) ** 2) / ratings.var(),
                  atol=0.01)
### END HIDDEN TESTS
