"""The vocoder's networks: published sizes, hops that fit, losses by hand, critics that look where
they should.
"""

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.systems.art2music import checkpoints, train_vocoder
from lib.systems.art2music.config import VocoderConfig

TINY = partial(hifigan.Generator, channels=16, rates=(4, 2), kernels=(8, 4), reaches=(3,),
               dilations=((1, 3),), n_mels=8)
TINY_FRAMES = partial(hifigan.FrameGenerator, channels=16, blocks=2, n_mels=8, n_fft=64,
                      hop_length=16)


def millions(network):
    return sum(p.numel() for p in network.parameters()) / 1e6


@pytest.mark.parametrize(("name", "published"), [("v1", 13.92), ("v2", 0.92), ("v3", 1.46)])
def test_published_sizes_have_the_published_number_of_weights(name, published):
    # counted without weight normalisation's lengths, as published
    generator = hifigan.fold_weight_norm(hifigan.SIZES[name]())
    assert millions(generator) == pytest.approx(published, abs=0.01) and generator.hop_length == 256


@pytest.mark.parametrize("size", [TINY, TINY_FRAMES, hifigan.SIZES["small"]])
def test_a_frame_becomes_a_hop_and_nothing_leaves_full_scale(size):
    torch.manual_seed(0)
    generator = size()
    for n_frames in (1, 7, 20):
        sound = generator(3 * torch.randn(2, generator.n_mels, n_frames))
        assert sound.shape == (2, n_frames
                               * generator.hop_length) and float(sound.detach().abs().max()) <= 1
    with pytest.raises(KlangfarbeError, match="transpose"):
        generator(torch.zeros(2, 20, generator.n_mels))


@pytest.mark.parametrize("size", [TINY, TINY_FRAMES])
def test_plain_weights_play_the_same(size):
    torch.manual_seed(0)
    generator, mel, other = size(), torch.randn(1, 8, 9), size()
    other.load_state_dict(generator.state_dict())
    folded = hifigan.fold_weight_norm(other)
    assert torch.allclose(generator.eval()(mel), folded(mel), atol=1e-5)
    assert not [name for name in folded.state_dict() if "parametrizations" in name]


def originals(generator, folded):
    """A generator's tensors by the original code's names, written out from its own modules."""
    layers = {"conv_pre": generator.enter, "conv_post": generator.leave}
    layers |= {f"ups.{i}": up for i, up in enumerate(generator.up)}
    block = 0
    for blocks in generator.blocks:
        for residual in blocks:
            for name, part in ((("convs1", residual.first), ("convs2", residual.second))
                               if residual.second is not None else (("convs", residual.first),)):
                layers |= {f"resblocks.{block}.{name}.{k}": conv for k, conv in enumerate(part)}
            block += 1
    found = {}
    for name, layer in layers.items():
        length, direction = (getattr(layer.parametrizations.weight, f"original{k}").detach()
                             for k in (0, 1))
        found |= {f"{name}.weight": layer.weight.detach()} if folded else {
            f"{name}.weight_g": length, f"{name}.weight_v": direction}
        found[f"{name}.bias"] = layer.bias.detach()
    return found


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("two_deep", [False, True])
def test_the_originals_weights_play_the_same_here(two_deep, folded):
    torch.manual_seed(0)
    size = partial(TINY, reaches=(3, 5, 7), dilations=((1, 3),) * 3, two_deep=two_deep)
    generator, other, mel = size(), size(), torch.randn(1, 8, 9)
    other.load_state_dict(hifigan.from_original(originals(generator, folded)))
    assert torch.allclose(generator(mel), other(mel), atol=1e-5)


def test_training_starts_from_what_initial_names(tmp_path):
    scratch = hifigan.SIZES["v3"]()
    artefacts.write(tmp_path / "model.safetensors", originals(scratch, folded=True))
    config = VocoderConfig("v3", initial=str(tmp_path), critic_width=2)
    tuned = train_vocoder.build(config, seed=4, weights=checkpoints.initial_weights(config))
    given = torch.randn(1, 80, 12)
    np.testing.assert_allclose(train_vocoder.vocode(tuned.generator, given),
                               train_vocoder.vocode(scratch, given), atol=1e-5)
    assert checkpoints.initial_weights(replace(config, initial="")) is None
    for nowhere in (tmp_path / "..", tmp_path / "none"):
        with pytest.raises(KlangfarbeError, match=r"safetensors.*convert_original"):
            checkpoints.initial_weights(replace(config, initial=str(nowhere)))


def test_the_publishers_file_is_converted_once_and_played(tmp_path, capsys):
    scratch, given = hifigan.SIZES["v3"](), torch.randn(1, 80, 12)
    torch.save({"generator": originals(scratch, folded=False)}, tmp_path / "generator_v3")
    checkpoints.convert_original(tmp_path / "generator_v3", tmp_path / "here")
    assert hashlib.sha256((tmp_path / "generator_v3").read_bytes()).hexdigest() \
        in capsys.readouterr().out
    config = VocoderConfig("v3", initial=str(tmp_path / "here"), critic_width=2)
    np.testing.assert_allclose(
        train_vocoder.vocode(checkpoints.initial_generator(config), given),
        train_vocoder.vocode(scratch, given), atol=1e-5)
    assert checkpoints.initial_generator(replace(config, initial="")) is None


class Malicious:
    def __reduce__(self):
        return print, ("code has run",)


@pytest.mark.parametrize("content", [{"generator": Malicious()}, {"mpd": {}}])
def test_nothing_in_a_pickle_is_run_and_another_file_is_refused(tmp_path, capsys, content):
    torch.save(content, tmp_path / "do_02500000")
    with pytest.raises(KlangfarbeError, match="generator_v1"):
        checkpoints.convert_original(tmp_path / "do_02500000", tmp_path)
    assert "code has run" not in capsys.readouterr().out


def test_a_period_critic_never_mixes_the_columns_of_its_fold():
    torch.manual_seed(0)
    critic, period = hifigan.period_critic(3, 2), 3
    sound = torch.randn(1, 300, requires_grad=True)
    scores, _ = critic(sound)  # [1, n · 3]: row by row of the fold
    scores.view(1, -1, period)[0, 1, 1].backward()
    touched = sound.grad[0].nonzero().flatten()
    assert len(touched) and set((touched % period).tolist()) == {1}


def test_critics_answer_for_every_length_and_scale():
    critics = hifigan.Discriminators(2, periods=(2, 5), scales=2)
    scores, features = critics(torch.randn(2, 4001))
    assert len(scores) == len(features) == 4 and all(score.shape[0] == 2 for score in scores)
    assert scores[3].shape[1] < scores[2].shape[1], "the second scale hears half as many samples"


def test_losses_by_hand():
    real, made = [torch.tensor([1.0, 0.0])], [torch.tensor([0.0, 0.5])]
    assert hifigan.discriminator_loss(real, made).item() == pytest.approx(0.5 + 0.125)
    assert hifigan.generator_loss(made).item() == pytest.approx((1 + 0.25) / 2)
    assert hifigan.generator_loss([torch.ones(3)]).item() == 0
    a, b = [[torch.zeros(2, 2), torch.ones(1)]], [[torch.full((2, 2), 2.0), torch.zeros(1)]]
    assert (hifigan.feature_loss(a, b).item() == pytest.approx(3.0)
            and hifigan.feature_loss(a, a).item() == 0)


def test_a_generator_learns_one_tone_by_heart():
    torch.manual_seed(0)
    generator = TINY_FRAMES()
    optimiser = torch.optim.AdamW(generator.parameters(), 5e-3)
    wave = 0.5 * torch.sin(2 * torch.pi * torch.arange(320) / 16)[None]
    mel = torch.randn(1, 8, 320 // generator.hop_length)
    losses = []
    for _ in range(150):
        made = generator(mel)
        spectra = [torch.stft(x, 64, 16, window=torch.hann_window(64), return_complex=True).abs()
                   for x in (made, wave)]
        loss = (spectra[0] - spectra[1]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
