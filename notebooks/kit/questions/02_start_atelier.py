# %% [markdown]
# Write `polarity` (exercise 3): the mean valence of the feeling words that a comment holds.
# `FEELINGS` maps each word to (valence, arousal) in tenths, so $\pm 10$ is $\pm 1$. A word counts
# only as a whole word, capitals or not, once however often it occurs; a comment without any has 0.
# %%
import re

import numpy as np

from lib.data import atelier

FEELINGS = atelier.lexicon.FEELINGS

# %% answer
def polarity(comment: str) -> float:
    """Mean valence, in [−1, 1], of the feeling words a comment holds; 0 without any."""
    ### BEGIN SOLUTION
    held = [valence / 10 for word, (valence, _) in FEELINGS.items()
            if re.search(rf"\b{word}\b", comment.lower())]
    return float(np.mean(held)) if held else 0.0
    ### END SOLUTION

# %% test
one, other = list(FEELINGS)[:2]
assert polarity("A boat on a lake.") == 0
assert np.isclose(polarity(f"It looks {one}."), FEELINGS[one][0] / 10)
assert np.isclose(polarity(f"{one.upper()}, and {other}!"),
                  (FEELINGS[one][0] + FEELINGS[other][0]) / 20)
### BEGIN HIDDEN TESTS
assert polarity(f"x{one}x") == 0
assert np.isclose(polarity(f"{one} {one} {other}"), (FEELINGS[one][0] + FEELINGS[other][0]) / 20)
alone = [word for word in FEELINGS if not any(other in word.split() for other in FEELINGS
                                              if other != word)]
assert all(np.isclose(polarity(f"so {word}."), FEELINGS[word][0] / 10) for word in alone)
### END HIDDEN TESTS
