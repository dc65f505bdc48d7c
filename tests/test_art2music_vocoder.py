"""System 4's stage two: what a step trains, where a killed run goes on, pieces without seams, and
mels on the wrong scale.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.systems.art2music import (
    checkpoints,
    evaluate,
    mel,
    train_decoder,
    train_flow,
    train_vocoder,
)
from lib.systems.art2music.config import get_config

CONFIG = replace(get_config("smoke").vocoder, n_steps=4, critics_from=2, critic_width=2,
                 learning_rate=1e-3)


@pytest.fixture(scope="module")
def sounds():
    """Three chords with a beat, a second and a half each: float32 [3, N]."""
    t = np.arange(129 * 256) / mel.RATE_HZ
    made = [sum(np.sin(2 * np.pi * f * t) for f in (root, root * 1.25, root * 1.5))
            * np.exp(-4 * (t % 0.4)) for root in (196, 262, 330)]
    return (np.stack(made) / 6).astype(np.float32)


def parameters(models):
    return [[p.detach().clone() for p in part.parameters()]
            for part in (models.generator, models.critics)]


def moved(models, before):
    return [[bool((p != old).any()) for p, old in zip(part.parameters(), olds, strict=True)]
            for part, olds in zip((models.generator, models.critics), before, strict=True)]


def test_a_step_moves_both_sides_or_the_generator_alone(sounds):
    batch = train_vocoder.draw_batch(sounds, CONFIG, 0, 0)
    for judged in (False, True):
        models = train_vocoder.build(CONFIG)
        before = parameters(models)
        row = train_vocoder.train_step(models, batch, CONFIG, adversarial=judged)
        ours, theirs = moved(models, before)
        assert all(ours) and any(theirs) is judged and ("critics" in row) is judged


def test_the_losses_of_a_step_by_hand(sounds):
    config = replace(CONFIG, w_spectral=0.0, learning_rate=0.0)  # nothing moves
    models, batch = train_vocoder.build(config), train_vocoder.draw_batch(sounds, config, 0, 0)
    row = train_vocoder.train_step(models, batch, config)
    with torch.no_grad():
        made = models.generator(batch[0])
        (fake, ours), (real, theirs) = models.critics(made), models.critics(batch[1])
        distance = np.abs(mel.ln_mel(made).numpy() - mel.ln_mel(batch[1]).numpy()).mean()
        features = hifigan.feature_loss(theirs, ours).item()
        fooling = sum(float(((1 - f) ** 2).mean()) for f in fake)
        judging = sum(float(((1 - r) ** 2).mean() + (f**2).mean()) for r,
                      f in zip(real, fake, strict=True))
    assert row["mel"] == pytest.approx(distance,
                                       rel=1e-4) and row["critics"] == pytest.approx(judging,
                                                                                     rel=1e-3)
    assert row["loss"] == pytest.approx(45 * distance + fooling + 2 * features, rel=1e-3)


def test_one_sound_is_learnt_by_heart(sounds):
    config = replace(CONFIG, n_steps=100, critics_from=100, critic_width=4, learning_rate=3e-3,
                     warm_up=5)
    models = train_vocoder.build(config)
    curve = train_vocoder.train(models, sounds[:1], config)
    first, last = (np.mean([row["mel"] for row in some]) for some in (curve[:5], curve[-10:]))
    assert last < 0.4 * first
    made = train_vocoder.vocode(models.generator, mel.ln_mel(sounds).numpy())
    assert evaluate.ln_mel_l1(sounds, made)[0] == evaluate.ln_mel_l1(sounds, made).min()


def test_a_share_of_windows_is_given_the_predicted_mel(sounds):
    predicted = np.full((3, 80, 129), -3.0, np.float32)
    config = replace(CONFIG, batch_size=64, predicted_share=0.25)
    mels, targets = train_vocoder.draw_batch(sounds, config, 0, 0, predicted)
    given = (mels == -3).flatten(1).all(1)
    assert 0.1 < given.float().mean() < 0.45
    assert torch.allclose(mels[~given], mel.ln_mel(targets[~given]))
    assert not (train_vocoder.draw_batch(sounds, config, 0, 0)[0] == -3).flatten(1).all(1).any()


@pytest.mark.parametrize("size", ["small", "v3"])
def test_a_long_mel_is_played_without_seams(size, monkeypatch):
    torch.manual_seed(0)
    generator = hifigan.SIZES[size]().eval()
    given = torch.randn(1, 80, 500) * 2 - 5
    whole = train_vocoder.vocode(generator, given)
    monkeypatch.setattr(train_vocoder, "PIECE", 200)
    pieces = train_vocoder.vocode(generator, given)
    assert pieces.shape == whole.shape == (1, 500 * 256)
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_a_saved_generator_goes_on_playing_and_training(sounds):
    config = replace(CONFIG, size="v3")
    models, batch = train_vocoder.build(config), train_vocoder.draw_batch(sounds, config, 0, 0)
    kept = checkpoints.vocoder_files(models.generator, config)["generator.safetensors"]
    assert not [name for name in kept if "parametrizations" in name]
    assert np.isfinite(train_vocoder.train_step(models, batch, config)["loss"])


def test_weights_are_saved_plain_and_gone_on_with(sounds, tmp_path):
    models = train_vocoder.build(CONFIG)
    kept = checkpoints.vocoder_files(models.generator, CONFIG)["generator.safetensors"]
    assert all(tensor.dtype == torch.float16 for tensor in kept.values())
    again = train_vocoder.build(CONFIG, seed=1,
                                weights={name: tensor.float() for name, tensor in kept.items()})
    given = mel.ln_mel(sounds)
    np.testing.assert_allclose(train_vocoder.vocode(again.generator, given),
                               train_vocoder.vocode(models.generator, given), atol=2e-2)


def test_weights_of_another_size_are_refused():
    bundled = checkpoints.initial_weights(replace(CONFIG, initial="miniature"))
    train_vocoder.build(CONFIG, weights=bundled)
    with pytest.raises(KlangfarbeError, match="'v3'"):
        train_vocoder.build(replace(CONFIG, size="v3"), weights=bundled)


def test_many_mels_are_played_a_few_at_a_time(sounds, monkeypatch):
    generator, given = train_vocoder.build(CONFIG).generator, mel.ln_mel(sounds)
    whole = train_vocoder.vocode(generator, given)
    monkeypatch.setattr(train_vocoder, "AT_ONCE", 2)
    np.testing.assert_allclose(train_vocoder.vocode(generator, given), whole, atol=1e-5)


def test_networks_are_built_on_the_best_device(monkeypatch):
    monkeypatch.setattr(provenance, "device", lambda: "meta")
    settings = get_config("smoke")
    for models in (train_decoder.build(settings.decoder, 6), train_flow.build(settings.flow, 6),
                   train_vocoder.build(CONFIG)):
        parts = [part for part in models if isinstance(part, torch.nn.Module)]
        assert {p.device.type for part in parts for p in part.parameters()} == {"meta"}
    batch = next(train_decoder.batches(np.ones((4, 6)), np.ones((4, 6)), np.ones((4, 80, 2)).take,
                                       np.arange(4), settings.decoder, 0, 0))
    assert {part.device.type for part in batch} == {"meta"}


def test_the_bundled_vocoder_hears_which_scale_is_right(capsys):
    from lib.data.atelier import TEST_SEED, render

    true = render.sounds(TEST_SEED, range(861_000, 861_004), 2.0)[0]
    checkpoints.load_vocoder.cache_clear()
    generator, _ = checkpoints.load_vocoder()
    assert "bundled miniature" in capsys.readouterr().out
    given = mel.ln_mel(true).numpy()
    right, unit, ten = (evaluate.ln_mel_l1(true, train_vocoder.vocode(generator, some)).mean()
                        for some in (given, mel.to_unit(given), given / np.log(10)))
    assert right < 0.5 and unit > 4 * right and ten > 4 * right


def test_griffin_lim_keeps_the_mel_and_the_time(sounds):
    made = evaluate.griffin_lim(mel.ln_mel(sounds[:1]).numpy())
    found = evaluate.round_trip_errors(sounds[:1], made)
    assert made.shape == (1,
                          129
                          * 256) and found["ln_mel_l1"][0] < 1.5 and abs(found["loudness"][0]) < 3
    late = evaluate.ln_mel_l1(sounds[:1], np.roll(made, 2048, axis=1))
    assert found["ln_mel_l1"][0] < late[0]


def test_distances_of_a_sound_to_itself_and_to_half_of_it(sounds):
    assert all(np.allclose(values, 0, atol=1e-6)
               for values in evaluate.round_trip_errors(sounds, sounds).values())
    # nothing of it lies at the floor
    loud = np.random.default_rng(0).standard_normal((2, 20 * 256)).astype(np.float32)
    half = evaluate.round_trip_errors(loud, loud / 2)
    np.testing.assert_allclose(half["loudness"], -6.02, atol=0.01)
    np.testing.assert_allclose(half["ln_mel_l1"], np.log(2), atol=1e-3)
    np.testing.assert_allclose(half["lsd"], 6.02, atol=0.01)
    np.testing.assert_allclose(half["mcd"], 0, atol=1e-3)  # it leaves loudness out


def test_refusals(sounds):
    with pytest.raises(KlangfarbeError, match="segment"):
        replace(CONFIG, segment=1000)
    with pytest.raises(KlangfarbeError, match="finite loss"):
        train_vocoder.train_step(train_vocoder.build(CONFIG),
                                 train_vocoder.draw_batch(sounds * np.nan, CONFIG, 0, 0), CONFIG)
