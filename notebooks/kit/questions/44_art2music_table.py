# %% [markdown]
# Write `levelled` (exercise 1): each clip at the loudness (root mean square) of its reference. A
# silent clip stays silent; nothing becomes infinite.
# %%
import numpy as np

# %% answer
def levelled(sounds: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Sounds [N, samples] → float32, alike in shape, each with the RMS of its reference."""
    ### BEGIN SOLUTION
    rms = lambda x: np.sqrt(np.square(x, dtype=np.float64).mean(1, keepdims=True))
    return (sounds * rms(references) / np.maximum(rms(sounds), 1e-9)).astype(np.float32)
    ### END SOLUTION

# %% test
loudness = lambda x: np.sqrt(np.square(x, dtype=np.float64).mean(1))
rng = np.random.default_rng(0)
sounds, references = rng.normal(size=(3, 1000)), rng.normal(size=(3, 800)) * [[0.1], [1], [5]]
assert np.allclose(loudness(levelled(sounds, references)), loudness(references), rtol=1e-3)
assert levelled(sounds, references).dtype == np.float32
### BEGIN HIDDEN TESTS
assert np.array_equal(levelled(np.zeros((1, 5)), references[:1]), np.zeros((1, 5)))
assert np.allclose(levelled(7 * sounds, references), levelled(sounds, references), rtol=1e-4)
assert np.allclose(np.corrcoef(levelled(sounds, references)[0], sounds[0])[0, 1], 1)
### END HIDDEN TESTS
