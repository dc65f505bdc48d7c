"""The bundled music model: how it starts, that it learns what it is told and by whom, and what the
one that is bundled plays.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib import pretrained
from lib.core import paths
from lib.recipes import musicgen as recipe
from lib.training.musicgen import Batch, loss

TINY = recipe.Config(width=32, layers=2, heads=2, hidden=64, dropout=0.0, n_steps=60,
                             batch_size=4, crop_steps=12, learning_rate=1e-2, p_null=0.1,
                             bfloat16=False)
V, D = 16, 8


def two_pieces(seed=0):
    """Two pieces of one code each, and two texts; which is which stands in the text alone."""
    rng = np.random.default_rng(seed)
    codes = np.stack([np.full((4, 20), 3), np.full((4, 20), 11)]).astype(np.int16)
    return codes, [rng.standard_normal((length, D)).astype(np.float32) for length in (5, 7)]


def of(network, codes, states):
    mask = torch.ones(1, len(states), dtype=torch.long)
    batch = Batch(torch.from_numpy(codes[None, :, :12]).long(), torch.tensor([12]),
                  torch.from_numpy(states)[None], mask)
    with torch.inference_mode():
        return loss(network, batch)[0].item()


def test_an_untrained_one_knows_nothing():
    network = recipe.build(4, 512, D, TINY).eval()
    codes, states = two_pieces()
    assert abs(of(network, codes[0], states[0]) - math.log(512)) < 0.1
    again = recipe.build(4, 512, D, TINY)
    assert all(torch.equal(a, b) for a,
               b in zip(network.state_dict().values(), again.state_dict().values(), strict=True))


def test_it_learns_two_pieces_and_which_text_means_which(tmp_path):
    network = recipe.build(4, V, D, TINY)
    codes, states = two_pieces()
    curve = recipe.train(network, codes, states, TINY, checkpoint=tmp_path / "m.safetensors")
    assert len(curve) == TINY.n_steps and set(curve[-1]) == {"step", "loss", "codebook_1",
                                                             "codebook_2", "codebook_3",
                                                             "codebook_4"}
    right = [of(network, codes[i], states[i]) for i in (0, 1)]
    wrong = [of(network, codes[i], states[1 - i]) for i in (0, 1)]
    assert max(right) < 0.2 < min(wrong), (right, wrong)
    assert not network.training


def test_a_killed_training_goes_on_where_it_stood(tmp_path):
    config, (codes, states) = replace(TINY, n_steps=6), two_pieces()
    whole = recipe.build(4, V, D, config)
    recipe.train(whole, codes, states, config, checkpoint=tmp_path / "whole.safetensors", every=2)

    class Dies(list):
        def __getitem__(self, key):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().__getitem__(key)

    mortal = Dies(states)
    mortal.left = 4 * config.batch_size + 1
    with pytest.raises(KeyboardInterrupt):
        recipe.train(recipe.build(4, V, D, config), codes, mortal, config,
                     checkpoint=tmp_path / "killed.safetensors", every=2)
    resumed = recipe.build(4, V, D, config, seed=5)  # its own start is forgotten
    curve = recipe.train(resumed, codes, states, config, checkpoint=tmp_path / "killed.safetensors",
                         every=2)
    assert len(curve) == 6
    assert all(torch.equal(a, b) for a,
               b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))


def test_the_bundled_one_plays_what_it_is_told_and_by_its_seed():
    generator = pretrained.load("musicgen", device="cpu")
    texts = ["A furious rock in E minor at a fast tempo, very loud; drums, "
             "distortion electric guitar play.",
             "A peaceful ambient in C major at a very slow tempo, very soft; warm pad, "
             "choir pad play."]
    sounds, again, others = (generator.generate(texts, 2.0, seed=seed) for seed in (0, 0, 1))
    assert sounds.shape == (2, 2 * generator.sample_rate_hz) and sounds.dtype == np.float32
    assert np.isfinite(sounds).all() and np.abs(sounds).max() < 2
    assert np.array_equal(sounds, again) and not np.array_equal(sounds, others)
    level = 20 * np.log10(np.sqrt(np.square(np.concatenate([sounds, others], axis=1)).mean(1)))
    assert level[0] > level[1] + 3, f"{level.round(1)} dB: loud rock must be louder than soft pads"


def test_the_bundled_one_was_trained_with_the_parts_that_are_bundled():
    from lib.core import artefacts

    parts = artefacts.read(paths.MINIATURES / "musicgen" / "parts.json")
    for name in ("codec", "text_encoder"):
        assert parts[name] == pretrained.load(name, device="cpu").sha256
