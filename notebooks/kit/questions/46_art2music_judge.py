# %% [markdown]
# A judge who reads the label passes every control (exercise 3). Write the control that unmasks it:
# `blind` puts the cases into a shuffled order, names them "0000", "0001", … in that order, and
# keeps the key elsewhere. Nothing but order and name may change.
# %%
from dataclasses import replace

import numpy as np

from lib.studies.judge import rating

# %% answer
def blind(cases: list[rating.Case], seed: int) -> tuple[list[rating.Case], dict[str, str]]:
    """The same cases shuffled under numbers of four digits, and the key {number: own name}."""
    ### BEGIN SOLUTION
    shuffled = [cases[k] for k in np.random.default_rng(seed).permutation(len(cases))]
    numbered = [replace(case, name=f"{k:04d}") for k, case in enumerate(shuffled)]
    return numbered, {new.name: old.name for new, old in zip(numbered, shuffled)}
    ### END SOLUTION

# %% test
picture, sound = np.zeros((2, 2, 3), np.uint8), np.zeros(8, np.float32)
cases = [rating.Case(f"{k:04d}-{kind}", picture, f"text {k} {kind}", sound, 22_050)
         for k in range(10) for kind in ("own", "another")]
hidden, key = blind(cases, seed=0)
assert [case.name for case in hidden] == [f"{k:04d}" for k in range(20)]
assert {key[case.name]: case.text for case in hidden} == {case.name: case.text for case in cases}
### BEGIN HIDDEN TESTS
hidden, key = blind(cases, seed=0)
assert [key[case.name] for case in hidden] != [case.name for case in cases]
assert [key[case.name] for case in blind(cases, 0)[0]] == [key[case.name] for case in hidden]
assert blind(cases, 1)[1] != key
assert cases[0].name == "0000-own" and all(case.rate_hz == 22_050 for case in hidden)
### END HIDDEN TESTS
