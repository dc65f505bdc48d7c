"""What notebook 34 measures greyness with: paired tests and colour against closed forms; the
trainings of notebooks 32 to 34, stopped and run again.
"""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError
from lib.metrics import diversity, stats
from lib.systems import music2image
from lib.systems.music2image import train_diffusion, train_gan
from lib.systems.music2image.config import get_config
from lib.training import loop


def test_sign_flip_against_all_patterns():
    differences = np.array([0.5, 1.2, -0.3, 0.9, 0.4, 0.8])
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    exact = np.mean(np.abs(signs @ differences) >= differences.sum() - 1e-12)
    assert stats.sign_flip_test(differences, n_flips=20_000) == pytest.approx(exact, abs=0.01)
    assert stats.sign_flip_test(np.ones(40)) < 0.001 and stats.sign_flip_test(np.tile([1.0, -1.0],
                                                                              20)) == 1.0


def test_sign_flip_groups_flip_together():
    differences = np.repeat([1.0, 0.9, 1.1], 50)  # 150 pairs, but three trainings
    assert stats.sign_flip_test(differences) < 0.001
    assert stats.sign_flip_test(differences,
                                np.repeat([0, 1, 2], 50)) == pytest.approx(2 / 8, abs=0.02)
    with pytest.raises(KlangfarbeError, match="two finite"):
        stats.sign_flip_test(np.array([1.0, np.nan]))


def test_holm_by_hand():
    np.testing.assert_allclose(stats.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@settings(max_examples=5, deadline=None)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_monotone_never_below_p_and_as_statsmodels_has_it(p_values):
    adjusted = stats.holm(p_values)
    np.testing.assert_allclose(adjusted, multipletests(p_values, method="holm")[1], rtol=1e-12)
    assert (adjusted >= np.array(p_values)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_saturation_and_brightness_of_known_colours():
    known = np.array([[255, 0, 0], [128, 128, 128], [200, 100, 100], [0, 0, 0], [255, 255, 255]],
                     np.uint8)
    pictures = np.broadcast_to(known[:, None, None], (5, 8, 8, 3))
    np.testing.assert_allclose(diversity.saturation(pictures), [1, 0, 0.5, 0, 0])
    np.testing.assert_allclose(diversity.brightness(pictures),
                               [0.299, 128 / 255, (0.299 * 200 + 0.701 * 100) / 255, 0, 1],
                               atol=1e-6)
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    # noise is grey from two steps away
    assert diversity.saturation(noise, side=64) > 0.6 and diversity.saturation(noise) < 0.15
    with pytest.raises(ValueError):
        diversity.saturation(noise[:, :60, :60])


# --- stopped and run again ------------------------------------------------------------------------

NETWORKS = {"32_music2image_gan": train_gan, "33_music2image_diffusion": train_diffusion,
            "34_music2image_grey": train_diffusion}


def training_cell(stem, tmp_path):
    """A notebook's training, as code, and what it finds when it runs: toy settings, colours."""
    cells = json.loads((paths.NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    code, = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
             and ".checkpoint(" in "".join(cell["source"]))
    smoke, rng = get_config("smoke"), np.random.default_rng(0)
    gan = replace(smoke.gan, steps=(2, 2), batch_size=4)
    grey = replace(smoke.grey, n_steps=4, batch_size=4)
    size = gan.size if stem.startswith("32") else grey.size
    return compile(code, stem, "exec"), {
        "SEED": 0, "RUN": stem, "profile": "smoke", "folder": tmp_path, "device": "cpu",
        "music2image": music2image, "train_gan": train_gan, "diffusion": train_diffusion,
        "data": music2image.data, "loop": loop, "paths": paths, "provenance": provenance,
        "torch": torch, "pd": pd, "config": grey,
        "configs": ({"first": gan, "second": replace(gan, lr_critic=1e-3)}
                    if stem.startswith("32") else
                    {("first", 0): grey, ("second", 0): replace(grey, null="learned")}),
        "pictures": rng.integers(0, 255, (8, size, size, 3), dtype=np.uint8),
        "affect": rng.uniform(-1, 1, (8, 2)).astype(np.float32)}


@pytest.mark.parametrize("stem", NETWORKS)
def test_a_stopped_training_goes_on_to_the_same_bits(stem, own_results, tmp_path, monkeypatch):
    """The cell is stopped in its last training and run again in the same kernel."""
    monkeypatch.setattr(loop, "progress", lambda n, label, start=0: range(start, n))
    network, steps = NETWORKS[stem], []
    real = network.train_step
    monkeypatch.setattr(provenance, "device", lambda: "cpu")

    def counted(*arguments):
        steps.append(1)
        if len(steps) == stop_at:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(network, "train_step", counted)
    stop_at, n_trainings = 0, 1 if stem.startswith("33") else 2
    code, whole = training_cell(stem, tmp_path / "whole")
    exec(code, whole)
    assert len(steps) == 4 * n_trainings
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "again")
    code, stopped = training_cell(stem, tmp_path / "again")
    steps.clear()
    stop_at = 4 * n_trainings - 1
    with pytest.raises(KeyboardInterrupt):
        exec(code, stopped)
    steps.clear()
    stop_at = 0
    exec(code, stopped)
    assert len(steps) == 4, "a training that had ended is not done again"
    for ours, theirs in zip(painters(whole), painters(stopped), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(),
                                                     strict=True))


def painters(found):
    """The networks that a training cell leaves behind."""
    trained = found["trained"].values() if "trained" in found else [found["models"]]
    return [models.generator if hasattr(models, "generator")
            else models.network if hasattr(models, "network") else models[0].network
            for models in trained]
