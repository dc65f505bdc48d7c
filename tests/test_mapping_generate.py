"""Mapping at run time: projections as files, and a picture that becomes music."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from lib.cli import main
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.signal import affect, audio, images
from lib.systems import interface
from lib.systems.mapping import checkpoints, train_projection
from lib.systems.mapping import generate as mapping
from lib.systems.mapping.config import get_config

RAMP = np.stack(np.broadcast_arrays(np.linspace(0, 255, 128)[None],
                                    np.linspace(255, 0, 128)[:, None], 90.0), 2).astype(np.uint8)


@pytest.fixture(scope="module")
def chain():
    """The bundled chain, loaded once."""
    return mapping.load()


@pytest.fixture
def painting(tmp_path):
    return artefacts.write(tmp_path / "painting.png", RAMP)


# --- projections as files


@pytest.fixture
def saved(chain, own_results):
    """A small untrained projection, saved as notebook 23 saves its own."""
    def save(study="two", **changes):
        config = replace(getattr(get_config("smoke"), f"study_{study}"), w_mel=0.0,
                         w_adversarial=0.0, w_features=0.0)
        models = train_projection.build(config, chain.generator, chain.clip.width, seed=3)
        for name, content in checkpoints.files(models, config, chain.clip).items():
            content = content | changes if name.endswith(".json") else content
            artefacts.save(content, checkpoints.NOTEBOOKS[study], "smoke", name, seed=0)
        return models, config

    return save


@pytest.mark.parametrize("study", ["one", "two"])
def test_a_projection_comes_back_as_it_was_saved(study, saved, chain, capsys):
    models, config = saved(study)
    again, its = checkpoints.load("smoke", study, chain.generator, chain.clip)
    assert (its == config
            and f"made by notebook {checkpoints.NOTEBOOKS[study][:2]}" in capsys.readouterr().out)
    assert {p.dtype
            for p in again.projection.parameters()} == {
        torch.float32} and not again.projection.training
    vectors = np.random.default_rng(0).standard_normal((5, chain.clip.width))
    there, here = train_projection.predict(models,
                                           vectors), train_projection.predict(again, vectors)
    assert here.shape == (5, 1, chain.generator.width) and here.dtype == np.float32
    assert np.abs(here
                  - there).max() < 0.01 * np.abs(there).max(), "half precision keeps three digits"


@pytest.mark.parametrize(("changes", "told"), [
    ({"generator_sha256": "0" * 64}, "music model it was trained with"),
    ({"sees_sha256": "0" * 64}, "encoder it was trained with"),
    ({"width_in": 7}, "weights that fit"),
])
def test_a_projection_between_other_networks_is_refused(changes, told, saved, chain):
    saved(**changes)
    with pytest.raises(KlangfarbeError, match=told):
        checkpoints.load("smoke", "two", chain.generator, chain.clip)


def test_what_was_not_trained_is_named_and_study_two_is_bundled(own_results, chain, capsys):
    with pytest.raises(KlangfarbeError, match='NOTEBOOKS="22"'):
        checkpoints.load("smoke", "one", chain.generator)
    models, config = checkpoints.load("smoke", "two", chain.generator, chain.clip)
    assert capsys.readouterr().out.count("bundled miniature") == 2
    mini = get_config("mini").study_two  # the bundled one is older than these two settings
    config = replace(config, accumulate=mini.accumulate, bfloat16=mini.bfloat16)
    assert config == mini and models.generator is chain.generator
    folder = paths.MINIATURES / checkpoints.NOTEBOOKS["two"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1e6
    assert artefacts.read(folder / "study_two.safetensors")["second.weight"].dtype == torch.float16


# --- the chain


def test_a_picture_is_heard_by_way_of_its_vector(chain):
    heard = mapping.generate(RAMP, chain, seed=1, seconds=0.6)
    assert len(heard.sound) == round(0.6
                                     * heard.sample_rate_hz) and np.abs(
        heard.sound).max() <= interface.PEAK + 1e-6
    assert np.allclose(heard.vector, chain.clip.embed_pictures(RAMP[None])[0], atol=1e-5)
    assert np.allclose(heard.condition,
                       train_projection.predict(chain.projection, heard.vector[None])[0], atol=1e-5)
    by_hand = interface.finish(mapping.generate_music(
        chain.generator, heard.condition[None], chain.config,
        [interface.own_seed(1, images.square(RAMP, chain.side))], seconds=0.6)[0],
        heard.sample_rate_hz)
    assert (np.array_equal(by_hand, heard.sound) and -1 <= heard.valence <= 1
            and heard.emotion in affect.EMOTION_POINTS)


def test_another_picture_is_another_condition_and_the_same_again_the_same(chain):
    one, again, other = (mapping.generate(some, chain, seconds=0.5)
                         for some in (RAMP, RAMP, 255 - RAMP))
    assert np.array_equal(one.sound, again.sound)
    assert not np.allclose(one.condition, other.condition,
                           atol=1e-2) and not np.array_equal(one.sound, other.sound)


def test_a_tall_picture_is_cut_square_first_and_no_picture_is_refused(chain):
    tall = np.concatenate([np.zeros((64, 128, 3), np.uint8), RAMP,
                           np.full((64, 128, 3), 255, np.uint8)])
    whole, square = (mapping.generate(some, chain, seconds=0.5)
                     for some in (tall, images.square(tall, 128)))
    assert np.allclose(whole.vector, square.vector, atol=1e-5)
    with pytest.raises(KlangfarbeError, match="uint8"):
        mapping.generate(RAMP[..., 0], chain)
    with pytest.raises(KlangfarbeError, match="from 0.5 to 120"):
        mapping.generate(RAMP, chain, seconds=121)


def test_the_command_writes_music_and_says_what_happened(chain, painting, tmp_path, monkeypatch,
                                                         capsys):
    monkeypatch.setattr(mapping, "load", lambda profile: chain)
    target = tmp_path / "music.flac"
    assert main(["hear", str(painting), "--system", "mapping", "-o", str(target), "--seconds",
                 "1.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["painting.png", "looks", "vector", "condition",
                                                   "heard", "music"]
    sound, rate = soundfile.read(target)
    assert (len(sound), rate) == (round(1.5 * rate),
                                  chain.generator.sample_rate_hz) and 1e-4 < np.abs(
        sound).max() < 0.995
    first = target.read_bytes()
    assert main(["hear", str(painting), "--system", "mapping", "-o", str(target), "--seconds",
                 "1.5", "--seed", "2"]) == 0
    assert target.read_bytes() != first


@pytest.mark.parametrize(
    ("line", "told"),
    [("absent.jpg -o x.wav", "no such file"), ("{painting} -o x.aiff", ".wav, .flac, .ogg, .mp3"),
     ("{painting} -o x.wav --seconds 0", "from 0.5"), ("{painting} -o x.wav --seed -1", "a seed"),
     ("{painting} -o x.wav --profile tiny", "bundled, smoke, mini"),
     ("{painting} {painting} -o music", "different names")],
)
def test_it_refuses_what_the_other_system_refuses_before_anything_is_loaded(line, told, painting,
                                                                            tmp_path, monkeypatch,
                                                                            capsys):
    def early(*_):
        raise AssertionError("a model was loaded for what could have been refused")

    monkeypatch.setattr(mapping, "load", early)
    monkeypatch.chdir(tmp_path)
    assert main(["hear", *line.format(painting=painting).split(), "--system", "mapping"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_real_paintings_become_music(real_data, chain, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(mapping, "load", lambda profile: chain)
    paintings = sorted(real_data("wikiart_paintings").rglob("*.jpg"))[:2]
    assert main(["hear", *map(str, paintings), "--system", "mapping", "-o", str(tmp_path / "music"),
                 "--seconds", "1"]) == 0
    made = [audio.load(path) for path in sorted((tmp_path / "music").iterdir())]
    assert len(made) == len(paintings) == 2 and all(np.isfinite(sound).all() and np.abs(sound).max()
                                                    > 1e-3 for sound in made)
