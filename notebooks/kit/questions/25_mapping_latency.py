# %% [markdown]
# Write `break_even` (exercise 3). The way through words takes $w + d$, the projection $c + d$.
# Here $d$, the playing, grows with the music: `d_per_s` for each second of it. At which length is
# $(c + d)/(w + d) = \tfrac12$? Longer music saves less than half. Below 0: never.
# %%
import numpy as np

# %% answer
def break_even(w: float, c: float, d_per_s: float) -> float:
    """Seconds of music at which (c + d) / (w + d) is one half; w and c in ms, d_per_s in ms / s."""
    ### BEGIN SOLUTION
    return (w - 2 * c) / d_per_s
    ### END SOLUTION

# %% test
assert np.isclose(break_even(100, 10, 8), 10)
assert break_even(100, 50, 8) == 0
assert break_even(100, 80, 8) < 0
### BEGIN HIDDEN TESTS
for w, c, per in np.random.default_rng(0).uniform(1, 500, (50, 3)):
    d = break_even(w, c, per) * per
    assert np.isclose((c + d) / (w + d), 0.5)
### END HIDDEN TESTS
