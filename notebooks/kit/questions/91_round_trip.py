# %% [markdown]
# A chain that goes round hears $\text{slope} \cdot x + \text{offset}$ for a piece that feels $x$.
# Write `after`: what it hears after so many rounds (exercise 1), and `at_rest`: where the feeling
# comes to rest, which exists only where the slope lies between −1 and 1 (else NaN).
# %%
import numpy as np

# %% answer
def after(x: float, slope: float, offset: float, rounds: int) -> float:
    """The feeling after so many rounds (0: as it was)."""
    ### BEGIN SOLUTION
    for _ in range(rounds):
        x = slope * x + offset
    return x
    ### END SOLUTION


def at_rest(slope: float, offset: float) -> float:
    """The feeling that a chain no longer changes and comes to from anywhere; NaN without one."""
    ### BEGIN SOLUTION
    return offset / (1 - slope) if abs(slope) < 1 else float("nan")
    ### END SOLUTION

# %% test
assert after(0.8, 0.5, 0.1, 0) == 0.8 and np.isclose(after(0.8, 0.5, 0.1, 2), 0.35)
assert np.isclose(at_rest(0.5, 0.1), 0.2)
assert np.isclose(after(-1.0, 0.5, 0.1, 60), at_rest(0.5, 0.1))
### BEGIN HIDDEN TESTS
assert np.isnan(at_rest(1.2, 0.1)) and np.isnan(at_rest(-1.0, 0.1)) and at_rest(0, -0.3) == -0.3
for slope, offset, x in np.random.default_rng(0).uniform(-0.9, 0.9, (50, 3)):
    rest = at_rest(slope, offset)
    assert np.isclose(after(rest, slope, offset, 7), rest)
    assert np.isclose(after(x, slope, offset, 5) - rest, slope**5 * (x - rest))
### END HIDDEN TESTS
