"""System 4's stage one: the weighted loss, what a step trains, where a killed run goes on; and the
flow that samples.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.core.errors import KlangfarbeError
from lib.systems.art2music import mel, train_decoder, train_flow
from lib.systems.art2music.config import get_config

CONFIG = replace(get_config("smoke").decoder, lstm=8, hidden=12, layers=2, seconds=0.2, epochs=3,
                 batch_size=4, learning_rate=1e-2)
WIDTH, N = 6, 20
SPLITS = ["train"] * 14 + ["validation"] * 6


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    pictures, texts = (rng.standard_normal((N, WIDTH)).astype(np.float32) for _ in range(2))
    levels = np.tanh(texts[:, :1, None] + 0.3 * pictures[:, 1:2, None])
    mels = np.clip(levels + 0.05 * rng.standard_normal((N, mel.N_MELS,
                                                        mel.n_frames(CONFIG.seconds))), -1,
                   1).astype(np.float32)
    return pictures, texts, mels


@pytest.fixture
def material(pairs):
    """What training takes: the mels come by row numbers."""
    return *pairs[:2], pairs[2].__getitem__


def batch_of(pairs, rows):
    return [torch.from_numpy(part[rows]) for part in pairs]


def test_equation_2_by_hand(pairs):
    weights = train_decoder.band_weights(1.5)
    assert weights[0] == 1 and weights[-1] == 1.5 and np.allclose(np.diff(weights), 0.5 / 79)
    models, batch = train_decoder.build(CONFIG, WIDTH), batch_of(pairs, slice(0, 4))
    made = train_decoder.predict(models, pairs[0][:4], pairs[1][:4], clipped=False)
    by_hand = np.mean([[weights[f] * np.abs(made[b, f] - pairs[2][b, f]).mean() for f in range(80)]
                       for b in range(4)])
    step = train_decoder.train_step(models, batch, CONFIG)
    assert step["loss"] == pytest.approx(by_hand, rel=1e-5)
    assert step["l1"] == pytest.approx(np.abs(made - pairs[2][:4]).mean(), rel=1e-5)


@pytest.mark.parametrize("trains", [True, False])
def test_a_step_moves_the_decoder_and_the_projector_only_where_it_is_trained(pairs, trains):
    config = replace(CONFIG, trains_projector=trains)
    models = train_decoder.build(config, WIDTH)
    before = [[p.detach().clone() for p in part.parameters()]
              for part in (models.projector, models.decoder)]
    train_decoder.train_step(models, batch_of(pairs, slice(0, 4)), config)
    moved = [[bool((p != old).any()) for p, old in zip(part.parameters(), olds, strict=True)]
             for part, olds in zip((models.projector, models.decoder), before, strict=True)]
    assert all(moved[1])
    assert all(moved[0]) if trains else not any(moved[0])


def test_training_learns_and_keeps_the_best_epoch(pairs, material):
    config = replace(CONFIG, epochs=30)
    models = train_decoder.build(config, WIDTH)
    curve = train_decoder.train(models, *material, SPLITS, config)
    best = min(row["validation"] for row in curve)
    assert len(curve) == 30 and best < 0.6 * curve[0]["validation"]
    error = np.abs(train_decoder.predict(models, pairs[0][14:], pairs[1][14:]) - pairs[2][14:])
    weighted = (models.weights.numpy() * error).mean()
    assert weighted == pytest.approx(best, rel=1e-4)


def test_a_killed_run_ends_with_the_same_weights(material, tmp_path, monkeypatch):
    whole, halves = train_decoder.build(CONFIG, WIDTH), train_decoder.build(CONFIG, WIDTH)
    curve = train_decoder.train(whole, *material, SPLITS, CONFIG)
    real, calls = train_decoder.train_step, []

    def killed(*args):
        calls.append(1)
        if len(calls) == 5:  # in the second epoch
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(train_decoder, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train_decoder.train(halves, *material, SPLITS, CONFIG, tmp_path / "d.safetensors")
    monkeypatch.setattr(train_decoder, "train_step", real)
    again = train_decoder.build(CONFIG, WIDTH)
    assert train_decoder.train(again, *material, SPLITS, CONFIG,
                               tmp_path / "d.safetensors") == curve
    assert all(torch.equal(a, b) for a,
               b in zip(whole.decoder.parameters(), again.decoder.parameters(), strict=True))


def test_the_decoder_knows_no_dice_and_does_not_mix_rows(pairs):
    models = train_decoder.build(CONFIG, WIDTH)
    whole = train_decoder.predict(models, pairs[0], pairs[1])
    assert np.array_equal(whole, train_decoder.predict(models, pairs[0], pairs[1]))
    alone = [train_decoder.predict(models, pairs[0][k:k + 3], pairs[1][k:k + 3])
             for k in range(0, N, 3)]
    np.testing.assert_allclose(whole, np.concatenate(alone), atol=1e-6)


def test_refusals(pairs):
    with pytest.raises(KlangfarbeError, match="profile"):
        get_config("large")
    with pytest.raises(KlangfarbeError, match="finite loss"):
        train_decoder.train_step(train_decoder.build(CONFIG, WIDTH),
                                 batch_of((*pairs[:2], pairs[2] * np.nan), slice(0, 2)), CONFIG)


# --- the flow

FLOW = replace(get_config("smoke").flow, hidden=12, channels=24, blocks=3, components=6, at_once=4,
               seconds=0.2, n_steps=5, batch_size=8, n_euler=8)


def test_patches_go_there_and_back():
    network = train_flow.build(replace(FLOW, components=320), WIDTH).network
    mels = torch.rand(2, 80, 18)
    network.basis.copy_(torch.linalg.qr(torch.randn(320, 320))[0])
    network.mean.copy_(torch.randn(320))
    network.scale.copy_(torch.rand(320) + 0.5)
    # two frames fill no patch
    np.testing.assert_allclose(network.decode(network.encode(mels)), mels[:, :, :16], atol=1e-4)


def test_the_basis_is_scikit_learns(pairs):
    from sklearn.decomposition import PCA

    models = train_flow.build(FLOW, WIDTH)
    kept = train_flow.fit_basis(models, pairs[2])
    patches = models.network.patches(torch.from_numpy(pairs[2])).transpose(1, 2).flatten(0,
                                                                                         1).numpy()
    theirs = PCA(6).fit(patches)
    assert kept == pytest.approx(theirs.explained_variance_ratio_.sum(), rel=1e-3)
    wanted = theirs.inverse_transform(theirs.transform(patches))
    z = models.network.encode(torch.from_numpy(pairs[2]))
    assert float(z.square().mean()) == pytest.approx(1, rel=0.02)
    made = models.network.patches(models.network.decode(z)).transpose(1, 2).flatten(0, 1)
    np.testing.assert_allclose(made, wanted, atol=2e-3)


def test_a_flow_that_knows_the_way_arrives():
    """With the true velocity of straight paths to one point, Euler's steps end on it, however
    few.
    """
    z = torch.randn(1, 6, 4)

    class Known(torch.nn.Module):
        components, at_once = 6, 4

        def __init__(self):
            super().__init__()
            self.any = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, t, h):
            return (z - x) / (1 - t)[:, None, None]

        def decode(self, x):
            return x / 10

    models = train_flow.Models(train_flow.build(FLOW, WIDTH).projector, Known(), None)
    for n_euler in (1, 5):
        here = np.zeros((1, WIDTH))
        made = train_flow.generate(models, here, here, replace(FLOW, n_euler=n_euler),
                                   seconds=16 * 256 / 22_050)
        np.testing.assert_allclose(made, z.numpy()[:, :, :16] / 10, atol=1e-5)


def test_guidance_goes_past_the_conditional_answer_from_the_null():
    class Level(torch.nn.Module):  # the velocity is h's first number everywhere
        components, at_once = 6, 4

        def __init__(self):
            super().__init__()
            self.any = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, t, h):
            return 0.01 + h[:, :1, None].expand_as(x)

        def decode(self, x):
            return x / 10

    models = train_flow.Models(None, Level(), None)
    h = np.full((1, WIDTH), 0.5, np.float32)
    plain, past, null = (train_flow.sample(models, h, FLOW, seconds=0.2, guidance=s)
                         for s in (1.0, 3.0, 0.0))
    np.testing.assert_allclose(past - plain, 2 * 0.5 / 10, atol=1e-5)
    np.testing.assert_allclose(plain - null, 0.5 / 10, atol=1e-5)


def test_a_flow_learns_where_the_mel_is_and_dice_change_it(pairs, material):
    config = replace(FLOW, n_steps=250, learning_rate=5e-3, warm_up=10, decay=0.9)
    models = train_flow.build(config, WIDTH)
    train_flow.fit_basis(models, pairs[2])
    played, curve = train_flow.train(models, *material, np.arange(N), config)
    first, last = (np.mean([row["loss"] for row in some]) for some in (curve[:10], curve[-20:]))
    assert last < 0.6 * first
    made, other = (train_flow.generate(played, pairs[0], pairs[1], config, seed=seed)
                   for seed in (0, 1))
    assert np.corrcoef(made.mean((1, 2)), pairs[2].mean((1, 2)))[0, 1] > 0.9
    assert np.abs(made - other).mean() > 1e-3
    assert np.array_equal(made, train_flow.generate(played, pairs[0], pairs[1], config, seed=0))
    alone = train_flow.generate(played, pairs[0][:1], pairs[1][:1], config, seed=0)
    np.testing.assert_allclose(alone, made[:1], atol=1e-5)
    assert train_flow.generate(played, pairs[0][:1], pairs[1][:1], config,
                               seconds=0.5).shape == (1, 80, mel.n_frames(0.5))


def test_a_flow_step_trains_both_networks(pairs):
    models = train_flow.build(FLOW, WIDTH)
    train_flow.fit_basis(models, pairs[2])
    dice, batch = torch.Generator().manual_seed(0), batch_of(pairs, slice(0, 8))
    # the last layer begins at 0, so the first step moves it alone
    train_flow.train_step(models, batch, FLOW, dice)
    before = [p.detach().clone() for part in models[:2] for p in part.parameters()]
    basis = models.network.basis.clone()
    train_flow.train_step(models, batch, FLOW, dice)
    assert all(bool((p != old).any()) for p,
               old in zip((p for part in models[:2] for p in part.parameters()), before,
                          strict=True))
    assert torch.equal(basis, models.network.basis)


def test_a_killed_flow_ends_with_the_same_weights(pairs, material, tmp_path, monkeypatch):
    config = replace(FLOW, n_steps=503)  # a checkpoint after 500

    def start():
        models = train_flow.build(config, WIDTH)
        train_flow.fit_basis(models, pairs[2])
        return models

    straight, curve = train_flow.train(start(), *material, np.arange(N), config)
    real, calls, path = train_flow.train_step, [], tmp_path / "flow.safetensors"

    def killed(*args):
        calls.append(1)
        if len(calls) == 502:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(train_flow, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train_flow.train(start(), *material, np.arange(N), config, path)
    resumed, again = train_flow.train(start(), *material, np.arange(N), config, path)
    assert len(calls) == 502 + 3 and again == curve
    for part, other in zip(straight[:2], resumed[:2], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(part.state_dict().values(),
                                                     other.state_dict().values(), strict=True))
