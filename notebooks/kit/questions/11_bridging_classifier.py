# %% [markdown]
# Write `margin` (exercise 3): how clear a painting's word is. Distances on the plane are Euclidean;
# `POINTS` holds the five words' points.
# %%
import numpy as np

from lib import signal

POINTS = np.array(list(signal.affect.EMOTION_POINTS.values()))  # [5, 2]

# %% answer
def margin(valence: np.ndarray, arousal: np.ndarray) -> np.ndarray:
    """Distance to the second nearest of POINTS less that to the nearest, [N]; 0 on a border."""
    ### BEGIN SOLUTION
    away = np.linalg.norm(np.stack([valence, arousal], 1)[:, None] - POINTS, axis=2)  # [N, 5]
    nearest = np.sort(away, axis=1)
    return nearest[:, 1] - nearest[:, 0]
    ### END SOLUTION

# %% test
assert np.allclose(margin(np.array([0.0]), np.array([0.0])), np.hypot(0.7, 0.1))
assert np.allclose(margin(np.array([-0.3]), np.array([0.3])), 0)  # half-way to angry
assert margin(np.zeros(7), np.zeros(7)).shape == (7,)
### BEGIN HIDDEN TESTS
v, a = np.random.default_rng(0).uniform(-1, 1, (2, 300))
found = margin(v, a)
assert (found >= 0).all()
for k in range(300):
    away = sorted(np.hypot(v[k] - x, a[k] - y) for x, y in POINTS)
    assert np.isclose(found[k], away[1] - away[0])
### END HIDDEN TESTS
