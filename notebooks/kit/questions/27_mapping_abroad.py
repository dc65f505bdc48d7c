# %% [markdown]
# Write `by_genre` (exercise 3): the lift (`cosine` less `cosine_mean`, averaged) of the pairs of
# each genre, and how many they are. One row a genre, in alphabetical order.
# %%
import numpy as np
import pandas as pd

# %% answer
def by_genre(pairs: pd.DataFrame, genre: np.ndarray) -> pd.DataFrame:
    """Columns ``genre``, ``lift`` and ``n`` of `pairs` (``cosine``, ``cosine_mean``), `genre` of
    each row [N]."""
    ### BEGIN SOLUTION
    lift = (pairs["cosine"] - pairs["cosine_mean"]).to_numpy()
    names = np.unique(genre)
    return pd.DataFrame({"genre": names, "lift": [lift[genre == name].mean() for name in names],
                         "n": [int((genre == name).sum()) for name in names]})
    ### END SOLUTION

# %% test
pairs = pd.DataFrame({"cosine": [0.5, 0.7, 0.9], "cosine_mean": [0.4, 0.4, 0.4]},
                     index=[7, 3, 5])  # rows as they come, whatever their index
found = by_genre(pairs, np.array(["waltz", "ambient", "waltz"]))
assert found.genre.tolist() == ["ambient", "waltz"] and found.n.tolist() == [1, 2]
assert np.allclose(found.lift, [0.3, 0.3])
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(0)
many = pd.DataFrame(rng.normal(size=(500, 2)), columns=["cosine", "cosine_mean"])
genre = rng.choice(list("abcde"), 500, p=[0.5, 0.2, 0.1, 0.1, 0.1])
found = by_genre(many, genre)
assert found.n.sum() == 500
assert np.isclose(np.average(found.lift, weights=found.n), (many.cosine - many.cosine_mean).mean())
assert np.isclose(found.lift[0], (many.cosine - many.cosine_mean)[genre == "a"].mean())
### END HIDDEN TESTS
