"""System 4 from end to end: its stages as files, and a painting with a comment that becomes music
or one clear line.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lib import pretrained
from lib.cli import main
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.signal import audio, images
from lib.systems import interface, real_world
from lib.systems.art2music import checkpoints, data, mel, train_decoder, train_flow, train_vocoder
from lib.systems.art2music import generate as art2music
from lib.systems.art2music.config import get_config

RAMP = np.tile(np.linspace(40, 220, 64)[None, :, None], (64, 1, 3)).astype(np.uint8)
SAID = "It makes me feel calm."


@pytest.fixture(scope="module")
def sees():
    return pretrained.load("image_text")


@pytest.fixture(scope="module")
def chain():
    return art2music.load()


def built(stage: str, sees, seed: int = 3):
    """An untrained stage at smoke sizes, and its config."""
    config = getattr(get_config("smoke"), stage)
    module = {"decoder": train_decoder, "flow": train_flow}[stage]
    return module.build(config, sees.width, seed), config


def saved(stage: str, sees, **changes):
    models, config = built(stage, sees)
    files = checkpoints.files(stage, models, config, sees, "comment_only")
    files[f"{stage}.json"] |= changes
    for name, content in files.items():
        artefacts.save(content, checkpoints.NOTEBOOK, "smoke", name, seed=0)
    return models, config


# --- stages as files


@pytest.mark.parametrize("stage", ["decoder", "flow"])
def test_a_saved_stage_says_the_same_to_half_precision_and_keeps_its_projector(stage, sees,
                                                                               own_results):
    models, config = saved(stage, sees)
    again, its_config, setting = checkpoints.load("smoke", stage, sees)
    v, u = np.random.default_rng(0).standard_normal((2, 4, sees.width)).astype(np.float32)
    say = {"decoder": lambda some: train_decoder.predict(some, v, u),
           "flow": lambda some: train_flow.generate(some, v, u, config, seed=1)}[stage]
    assert its_config == config and setting == "comment_only" and again.optimiser is None
    assert np.abs(say(again) - say(models)).max() < 0.02
    for name, tensor in models.projector.state_dict().items():
        torch.testing.assert_close(again.projector.state_dict()[name], tensor, rtol=2e-3, atol=1e-4)


def test_another_clip_and_another_size_are_refused(sees, own_results):
    saved("decoder", sees, sees_sha256="0" * 64)
    with pytest.raises(KlangfarbeError, match="CLIP it was trained with"):
        checkpoints.load("smoke", "decoder", sees)
    models, config = built("decoder", sees)
    wider = checkpoints.files("decoder", models, replace(config, lstm=24), sees, "comment_only")
    artefacts.save(wider["decoder.json"], checkpoints.NOTEBOOK, "smoke", "decoder.json", seed=0)
    with pytest.raises(KlangfarbeError, match="weights that fit"):
        checkpoints.load("smoke", "decoder", sees)


def test_the_decoder_is_not_bundled_and_the_flow_is(sees, own_results, capsys):
    with pytest.raises(KlangfarbeError, match='NOTEBOOKS="42"'):
        checkpoints.load("smoke", "decoder")
    _, config, setting = checkpoints.load("smoke", "flow", sees)
    assert capsys.readouterr().out.count(
        "bundled miniature") == 2 and setting == "comment_only" and config.components == 48
    assert sum(file.stat().st_size for file in (paths.MINIATURES
                                                / checkpoints.NOTEBOOK).iterdir()) < 7e5


def test_a_visitors_text_is_the_published_one_without_the_clips_fields(sees):
    v, u = data.embed_inputs(RAMP[None], [SAID], ["calm"], sees)
    np.testing.assert_allclose(u,
                               sees.embed_text(
            ["Art Commentary: It makes me feel calm. Painting Emotion: calm."]), atol=1e-6)
    np.testing.assert_allclose(v, sees.embed_pictures(RAMP[None]), atol=1e-6)


# --- hear


def test_one_call_is_the_stations_by_hand(chain):
    heard = art2music.generate(RAMP, chain, comment=SAID, seed=5, seconds=2.0)

    picture = images.squares([RAMP], chain.side)
    words = ", ".join(data.extract_keywords(SAID, data.atelier_lexicon()))
    v, u = data.embed_inputs(picture, [SAID], [words], chain.clip)
    made = train_flow.generate(chain.stage, v, u, chain.config, seconds=2.0,
                               seeds=[interface.own_seed(5, picture[0], SAID)])
    sound = train_vocoder.vocode(chain.vocoder, mel.to_ln(made))[0]
    np.testing.assert_allclose(heard.mel, made[0], atol=1e-6)
    np.testing.assert_allclose(heard.sound, interface.finish(sound, mel.RATE_HZ), atol=1e-5)
    assert heard.said_by == "you" and "calm" in heard.keywords and 0 < heard.gate < 1
    assert len(heard.sound) == mel.n_frames(2.0) * mel.HOP and heard.sample_rate_hz == mel.RATE_HZ


def test_seeds_and_sentences_change_the_music_and_nothing_else_does(chain):
    first = art2music.generate(RAMP, chain, comment=SAID, seconds=1.0)
    assert np.array_equal(first.sound,
                          art2music.generate(RAMP, chain, comment=f"  {SAID}\n",
                                         seconds=1.0).sound), "spaces say nothing"
    for other in (art2music.generate(RAMP, chain, comment=SAID, seconds=1.0, seed=1),
                  art2music.generate(RAMP, chain, comment="It makes me feel furious.", seconds=1.0),
                  art2music.generate(RAMP[:, ::-1] // 2, chain, comment=SAID, seconds=1.0)):
        assert not np.allclose(first.sound, other.sound, atol=1e-3)


def test_six_paintings_play_six_pieces_at_one_seed_alone_as_in_a_list(chain):
    points = [(0.4, 0.3), (-0.4, 0.5), (-0.3, -0.5), (0.5, -0.2), (0.1, 0.2), (-0.1, 0.0)]
    felt = [real_world.Felt(False, 0, 0, point, 0.5) for point in points]
    pictures = [np.roll(RAMP, 9 * k, axis=1) for k in range(6)]
    listed = art2music.generate_batch(pictures, chain, felt=felt)
    pieces = np.stack([heard.mel - heard.mel.mean(axis=1, keepdims=True) for heard in listed])
    alike = np.corrcoef(pieces.reshape(6, -1))[np.triu_indices(6, 1)]
    assert alike.mean() < 0.4
    alone = art2music.generate(pictures[2], chain, felt=felt[2])
    np.testing.assert_allclose(alone.mel, listed[2].mel, atol=1e-4)


def test_without_a_comment_the_captioner_speaks(chain):
    heard = art2music.generate(RAMP, chain, seconds=1.0)
    assert heard.said_by == "the captioner" and "painting" in heard.comment


def test_a_command_line_with_a_comment_writes_music_and_says_what_was_said(tmp_path, capsys):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    line = ["hear", str(tmp_path / "a.png"), "--system", "art2music", "-o", str(tmp_path / "a.wav"),
            "--seconds", "1"]
    assert main([*line, "--comment", SAID]) == 0
    out = capsys.readouterr().out
    assert SAID in out and "said by you" in out and "calm" in out
    sound = audio.load(tmp_path / "a.wav")
    assert 0.9 < len(sound) / audio.SAMPLE_RATE_HZ < 1.1 and 0.001 < np.abs(sound).max() < 1


@pytest.mark.parametrize(
    ("comment", "system", "told"),
    [("calm", "bridging", "--system art2music"), ("calm", "mapping", "--system art2music"),
     ("…!?", "art2music", "in words"), ("very " * 500, "art2music", "at most")],
)
def test_comments_that_cannot_be_heard_are_refused_before_anything_is_loaded(comment, system, told,
                                                                             tmp_path, monkeypatch,
                                                                             capsys):
    monkeypatch.setattr(art2music, "load", lambda *_: pytest.fail("loaded"))
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    assert main(["hear", str(tmp_path / "a.png"), "--system", system, "-o", str(tmp_path / "a.wav"),
                 "--comment", comment]) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1 and not (tmp_path / "a.wav").exists()
