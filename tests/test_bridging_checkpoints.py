"""The four fine-tuned decoders as files: what is saved is what was tuned, and what does not fit is
refused.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.pretrained import musicgen as loader
from lib.recipes import musicgen as recipe
from lib.systems.bridging import checkpoints, generate, train_classifier
from lib.systems.bridging import train_musicgen as music
from lib.systems.bridging.config import MusicGenConfig, get_config
from lib.training import musicgen as steps

TINY = recipe.Config(width=32, layers=2, heads=4, hidden=64, dropout=0.0)
CONFIG = MusicGenConfig(start="miniature", epochs=8, batch_size=4, warm_up=1, clip_seconds=0.6,
                      learning_rate=1e-2)
TEXTS = ["a slow calm piece for piano", "fast and loud drums", "a bright waltz in D major",
         "sad strings, very soft"]


@pytest.fixture(scope="module")
def parts():
    return pretrained.load("text_encoder", device="cpu"), pretrained.load("codec", device="cpu")


def random_start(folder, parts, seed=0):
    text, codec = parts
    network = recipe.build(codec.n_codebooks, codec.codebook_size, text.width, TINY, seed)
    for name, content in loader.contents(network, text, codec).items():
        artefacts.write(folder / name, content)
    return pretrained.load("musicgen", folder, device="cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory, parts):
    return random_start(tmp_path_factory.mktemp("start"), parts)


@pytest.fixture(scope="module")
def clips():
    t = np.arange(13_230) / 22_050
    return [(0.2 * np.sin(2 * np.pi * 220 * 1.2**i * t)).astype(np.float32) for i in range(4)]


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty folder of results and no bundled miniatures of this notebook."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "MINIATURES", tmp_path / "miniatures")
    return tmp_path / "results"


def tuned(start, clips, folder, **changes):
    config = replace(CONFIG, **changes)
    models = music.build(config, start)
    music.train(models, clips, TEXTS, config, store=folder)
    return models, config


def saved(start, models, config):
    settings = {"start": start.name, "sha256": start.sha256, "models": {"m4": asdict(config)}}
    artefacts.save(settings, music.NOTEBOOK, "mini", "music.json", seed=0)
    artefacts.save(checkpoints.musicgen_weights(models), music.NOTEBOOK, "mini", "m4.safetensors",
                   seed=0)


def logits(network, batch):
    with torch.inference_mode():
        return steps.predict(network.eval(), batch.codes, batch.states, batch.mask)


@pytest.mark.parametrize("rank", [0, 4])
def test_what_is_loaded_plays_as_what_was_tuned(results, start, clips, tmp_path, rank, capsys):
    models, config = tuned(start, clips, tmp_path / "store", lora=rank,
                           faults=("first_item_loss",))
    saved(start, models, config)
    kept = artefacts.read(results / "mini" / music.NOTEBOOK / "m4.safetensors")
    assert {t.dtype for t in kept.values()} == {torch.float16} and not [name for name in kept
                                                                        if "lora" in name]
    assert kept.keys() == {n for n in start.network.state_dict()
                           if n.startswith(("decoder.", "enc_to_dec_proj."))}
    made, told, is_tuned = checkpoints.load_musicgen("mini", "m4", start)
    assert is_tuned and told == config and "made by notebook 13" in capsys.readouterr().out
    assert all(p.dtype == torch.float32
               for p in made.network.parameters()) and not made.network.training
    batch = music.make_batches(start, clips, TEXTS, CONFIG, store=tmp_path / "store")(0)
    before, after, again = (logits(network, batch)
                            for network in (start.network, models.network, made.network))
    assert (after - before).abs().max() > 0.05, "training moved something"
    assert torch.allclose(again, after, atol=5e-3)
    losses = [music.held_out_loss(one, clips, TEXTS, CONFIG, store=tmp_path / "store")
              for one in (models, music.build(CONFIG, made))]
    np.testing.assert_allclose(*losses, atol=1e-3)


def test_loading_leaves_the_start_as_it_was(results, start, clips, tmp_path):
    before = {name: tensor.clone() for name, tensor in start.network.state_dict().items()}
    saved(start, *tuned(start, clips, tmp_path / "store"))
    made, *_ = checkpoints.load_musicgen("mini", "m4", start)
    assert all(torch.equal(tensor, before[name]) for name,
               tensor in start.network.state_dict().items())
    assert any(not torch.equal(tensor, before[name]) for name,
               tensor in made.network.state_dict().items())


def test_a_later_training_has_a_file_of_its_own(results, start, clips, tmp_path, capsys):
    models, config = tuned(start, clips, tmp_path / "store")
    saved(start, models, config)
    made, _, is_tuned = checkpoints.load_musicgen("mini", "m4", start, 2)
    assert made is start and not is_tuned and "m4_2.safetensors: not" in capsys.readouterr().out
    moved = {name: tensor + 1 for name, tensor in checkpoints.musicgen_weights(models).items()}
    artefacts.save(moved, music.NOTEBOOK, "mini", checkpoints.weights_file("m4", 2), seed=0)
    made, _, is_tuned = checkpoints.load_musicgen("mini", "m4", start, 2)
    first, *_ = checkpoints.load_musicgen("mini", "m4", start)
    assert is_tuned
    assert all(torch.allclose(own - other, torch.ones(()), atol=2e-2) for name, own, other in (
        (name, made.network.state_dict()[name], first.network.state_dict()[name])
        for name in moved))


def test_without_notebook_13_the_start_plays_and_the_line_says_so(results, start, capsys):
    made, config, is_tuned = checkpoints.load_musicgen("mini", "m2", start)
    said = capsys.readouterr().out
    assert made is start and not is_tuned
    assert "m2.safetensors: not trained yet at mini (notebook 13)" in said
    assert config == get_config("mini").music.for_model("m2")


@pytest.mark.parametrize("profile", ["gpu", "paper"])
def test_a_profile_that_wants_its_own_networks_gets_no_bundled_one(own_results, profile):
    """The bundled classifier lies there; it is not what was asked for."""
    assert (paths.MINIATURES / train_classifier.NOTEBOOK / "classifier.safetensors").is_file()
    said = f'make run PROFILE={profile} NOTEBOOKS="{{}}"'
    for load, number in ((generate.load, 11), (checkpoints.load_classifier, 11),
                         (checkpoints.load_musicgen, 13)):
        with pytest.raises(KlangfarbeError, match=said.format(number)):
            load(profile)
    artefacts.save({"temperature": 1.0}, train_classifier.NOTEBOOK, profile, "classifier.json",
                   seed=0)
    with pytest.raises(KlangfarbeError, match=r"classifier\.safetensors, trained at"):
        checkpoints.load_classifier(profile)


def test_the_bundled_classifier_serves_where_nothing_was_trained(own_results, capsys):
    for profile in (artefacts.BUNDLED, "mini", "smoke"):
        checkpoints.load_classifier(profile)
        assert "classifier.safetensors: bundled miniature" in capsys.readouterr().out


@pytest.fixture(scope="module")
def other(tmp_path_factory, parts):
    return random_start(tmp_path_factory.mktemp("other"), parts, seed=1)


def test_weights_of_another_start_are_refused(results, start, other, clips, tmp_path):
    saved(start, *tuned(start, clips, tmp_path / "store"))
    with pytest.raises(KlangfarbeError, match="trained with"):
        checkpoints.load_musicgen("mini", "m4", other)
