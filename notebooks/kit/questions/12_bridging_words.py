# %% [markdown]
# Write `heard_in_the_music` (exercise 3): a reader that ignores every mood word. It looks for
# "<one of TEMPI> tempo" (its number is the arousal) and for "major" or "minor" (valence .6 or
# −.6); what is not named is 0. The nearest of S1's five words to that point
# (`affect.emotion_word`); None where neither is named. The first tempo named counts; take the
# *whole* tempo word: "very slow tempo" is not "slow".
# %%
import re

from lib.signal import affect

TEMPI = {"very slow": -0.8, "hardly moving": -0.8, "slow": -0.5, "unhurried": -0.5, "moderate": 0.0,
         "walking": 0.0, "brisk": 0.4, "lively": 0.4, "fast": 0.8, "racing": 0.8}

# %% answer
def heard_in_the_music(description: str) -> str | None:
    """One of the five words, from tempo and mode; None where neither is named."""
    ### BEGIN SOLUTION
    tempo = re.search(rf"({'|'.join(TEMPI)}) tempo", description.lower())
    mode = re.search(r"\b(major|minor)\b", description.lower())
    if not tempo and not mode:
        return None
    return affect.emotion_word({"major": 0.6, "minor": -0.6}[mode[1]] if mode else 0.0,
                               TEMPI[tempo[1]] if tempo else 0.0)
    ### END SOLUTION

# %% test
assert heard_in_the_music("A waltz in A major at a fast tempo.") == "fun"
assert heard_in_the_music("A waltz in A minor at a very slow tempo.") == "sad"
assert heard_in_the_music("A gloomy march in C minor. A racing tempo.") == "angry"
assert heard_in_the_music("A sad waltz.") is None
### BEGIN HIDDEN TESTS
assert heard_in_the_music("a march in c major, at a slow tempo") == "happy"
assert heard_in_the_music("At a moderate tempo.") == "neutral"
assert heard_in_the_music("The majority walk slowly.") is None
for tempo, arousal in TEMPI.items():
    for mode, valence in (("major", 0.6), ("minor", -0.6)):
        text = f"Sad, furious: G {mode.upper()}, {tempo} tempo"
        assert heard_in_the_music(text) == affect.emotion_word(valence, arousal)
### END HIDDEN TESTS
