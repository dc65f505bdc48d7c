"""The diffusion model of system 3: schedules, targets, guidance and samplers against closed forms
and diffusers; training, resume, null.
"""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import leaves
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import sizes

from lib.cli import main
from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.models.emotion_unet import EmotionUNet
from lib.signal import audio, images
from lib.systems import music2image
from lib.systems.music2image import generate as chain
from lib.systems.music2image import train_diffusion, train_forest
from lib.systems.music2image.config import PROFILES, DiffusionConfig, get_config
from lib.systems.music2image.data import batches

TINY = DiffusionConfig(size=8, channels=(8, 16), layers=1, attention_levels=1, embedding=16,
                              batch_size=4, n_steps=6, learning_rate=2e-3, n_diffusion=20,
                              schedule="zero_terminal_snr", prediction="v", null="learned",
                              p_null=0.3, ema_decay=0.9, guidance=2.0, sampler="dpm_solver",
                              n_sampling=4, n_slow=20)
PUBLISHED = replace(TINY, schedule="published", prediction="epsilon", null="zero", ema_decay=0.0)


def one_colour(affect, size):
    """Pictures of one colour each: red is valence, green is arousal, blue its opposite."""
    colour = np.stack([affect[:, 0], affect[:, 1], -affect[:, 1]], axis=1)
    pictures = np.round((colour + 1) * 127.5).astype(np.uint8)[:, None, None]
    return np.ascontiguousarray(np.broadcast_to(pictures, (len(affect), size, size, 3)))


@pytest.fixture(scope="module")
def data():
    affect = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)
    return one_colour(affect, 8), affect


def trained(config, data, n_steps, seed=0):
    models, optimiser = train_diffusion.build(config, seed)
    draw, curve = torch.Generator().manual_seed(seed), []
    for step, x_0, va in batches(*data, config, seed):
        if step == n_steps:
            return models, optimiser, draw, curve
        curve.append(train_diffusion.train_step(models, optimiser, x_0, va, config, draw, step))


# ---------------------------------------------------------------- schedules

def betas(name):
    """β_t = 1 − ᾱ_t/ᾱ_{t−1}, [T]."""
    left = train_diffusion.alphas_bar(name)
    return 1 - left / np.concatenate([[1.0], left[:-1]])


def snr_at_end(name):
    left = train_diffusion.alphas_bar(name)[-1]
    return left / (1 - left)


def test_published_schedule_is_the_clipped_cosine():
    left, product = train_diffusion.alphas_bar("published"), 1.0
    for t in range(1000):  # the definition again, one number at a time
        f = [math.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in (t, t + 1)]
        product *= 1 - min(0.02, max(0.001, 1 - f[1] / f[0]))
        assert left[t] == pytest.approx(product, rel=1e-9)
    beta = betas("published")
    assert beta.min() == pytest.approx(0.001) and beta.max() == pytest.approx(0.02)
    assert 1e-3 < snr_at_end("published") < 1e-2  # the picture is never quite gone


def test_zero_terminal_snr_is_exactly_zero_and_agrees_with_diffusers():
    from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

    ours = train_diffusion.alphas_bar("zero_terminal_snr")
    assert ours[-1] == 0.0 and snr_at_end("zero_terminal_snr") == 0.0
    assert ours[0] == pytest.approx(train_diffusion.alphas_bar("published")[0], rel=1e-12)
    theirs = rescale_zero_terminal_snr(torch.tensor(betas("published")))
    np.testing.assert_allclose(betas("zero_terminal_snr"), theirs.numpy(), rtol=1e-9,
                               atol=1e-12)
    # planted: the unscaled one does not pass
    assert (np.diff(ours) < 0).all() and train_diffusion.alphas_bar("published")[-1] > 0


@pytest.mark.parametrize(("name", "prediction"),
                         [("published", "epsilon"), ("zero_terminal_snr", "v")])
@pytest.mark.parametrize(("kind", "n_sampling"),
                         [("dpm_solver", 20), ("ancestral", 50), ("ancestral", 1000)])
def test_samplers_know_our_schedule(name, prediction, kind, n_sampling):
    steps = train_diffusion.scheduler(kind, n_sampling, name, prediction)
    np.testing.assert_allclose(steps.alphas_cumprod.numpy(), train_diffusion.alphas_bar(name),
                               rtol=2e-4, atol=1e-7)
    # trailing: begins in pure noise
    assert len(steps.timesteps) == n_sampling and int(steps.timesteps[0]) == 999


# ---------------------------------------------------------------- targets and samplers

@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(0, 2**31))
def test_v_and_noise_give_the_picture_back(t, seed):
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    theirs = DDPMScheduler(1000, trained_betas=betas("zero_terminal_snr"))
    x_0, noise = torch.randn(2, 3, 4, 4,
                             generator=torch.Generator().manual_seed(seed)).double().chunk(2)
    left = train_diffusion.alphas_bar("zero_terminal_snr")[t]
    x_t, v = left**0.5 * x_0 + (1 - left) ** 0.5 * noise, left**0.5 * noise - (1
                                                                               - left) ** 0.5 * x_0
    assert torch.allclose(left**0.5 * x_t - (1 - left) ** 0.5 * v, x_0, atol=1e-12)
    assert torch.allclose((1 - left) ** 0.5 * x_t + left**0.5 * v, noise, atol=1e-12)
    when = torch.tensor([t])
    assert torch.allclose(theirs.add_noise(x_0, noise, when), x_t, atol=1e-3)
    assert torch.allclose(theirs.get_velocity(x_0, noise, when), v, atol=1e-3)


def test_ancestral_step_is_the_posterior():
    steps, left, t = train_diffusion.scheduler("ancestral", 1000, "published",
                                      "epsilon"), train_diffusion.alphas_bar("published"), 400
    draw = torch.Generator().manual_seed(3)
    x, noise = torch.randn(2, 1, 3, 8, 8, generator=draw)
    got = steps.step(0.1 * noise, t, 0.1 * x,
                     generator=torch.Generator().manual_seed(5)).prev_sample
    beta, before = 1 - left[t] / left[t - 1], left[t - 1]
    x_0 = (0.1 * x - (1 - left[t]) ** 0.5 * 0.1 * noise) / left[t] ** 0.5
    mean = (before**0.5 * beta / (1 - left[t]) * x_0.clamp(-1, 1) + (1 - beta) ** 0.5 * (1 - before)
            / (1 - left[t]) * 0.1 * x)
    spread = ((1 - before) / (1 - left[t]) * beta) ** 0.5
    fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(got, (mean + spread * fresh).float(), atol=1e-4)


def test_first_solver_step_is_the_exponential_integrator():
    steps, left = train_diffusion.scheduler("dpm_solver", 20, "published",
                                   "epsilon"), train_diffusion.alphas_bar("published")
    noise, x = torch.randn(2, 1, 3, 8, 8, generator=torch.Generator().manual_seed(3)) * 0.1
    now, then = int(steps.timesteps[0]), int(steps.timesteps[1])
    (a, s), (b, r) = ((left[t] ** 0.5, (1 - left[t]) ** 0.5) for t in (now, then))
    x_0 = ((x - s * noise) / a).clamp(-1, 1)
    expected = r / s * x - b * (math.exp(-(math.log(b / r) - math.log(a / s))) - 1) * x_0
    assert torch.allclose(steps.step(noise, steps.timesteps[0], x).prev_sample, expected.float(),
                          atol=1e-4)


@pytest.mark.parametrize(("kind", "n_sampling"),
                         [("dpm_solver", 1), ("dpm_solver", 20), ("ancestral", 7),
                          ("ancestral", 100)])
@pytest.mark.parametrize(("name", "prediction"),
                         [("published", "epsilon"), ("zero_terminal_snr", "v")])
def test_a_network_that_knows_the_picture_paints_it(name, prediction, kind, n_sampling):
    left = train_diffusion.alphas_bar(name, 100)
    truth = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8

    def knows(x_t, t, affect, is_null=None):
        signal, spread = left[int(t[0])] ** 0.5, (1 - left[int(t[0])]) ** 0.5
        noise = (x_t - signal * truth) / spread
        return noise if prediction == "epsilon" else signal * noise - spread * truth

    steps = train_diffusion.scheduler(kind, n_sampling, name, prediction, 100)
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(1, 3, 8, 8, generator=draw)
    for t in steps.timesteps:
        x = steps.step(knows(x, t.expand(1), None), t, x, generator=draw).prev_sample
    assert (x - truth).abs().max() < 0.02


# ---------------------------------------------------------------- guidance and null

def test_guidance_algebra():
    def network(x, t, affect, is_null=None):
        emotional = x * 0.5 + affect[:, :1, None, None]
        return emotional if is_null is None else torch.where(is_null[:, None, None, None], x * 2.0,
                                                             emotional)

    x, t, affect = torch.randn(3, 3, 4, 4), torch.zeros(3), torch.rand(3, 2)
    emotion, null = network(x, t, affect), x * 2.0
    assert torch.equal(train_diffusion.guided(network, x, t, affect, 0.0), null)
    assert torch.equal(train_diffusion.guided(network, x, t, affect, 1.0), emotion)
    for s in (0.3, 2.0, 5.0):
        assert torch.allclose(train_diffusion.guided(network, x, t, affect, s),
                              null + s * (emotion - null))
    rescaled = train_diffusion.guided(network, x, t, affect, 5.0, rescale=1.0)
    assert torch.allclose(rescaled.std((1, 2, 3)), emotion.std((1, 2, 3)), rtol=1e-5)
    assert not torch.allclose(train_diffusion.guided(network, x, t, affect, 5.0).std((1, 2, 3)),
                              emotion.std((1, 2, 3)), rtol=0.1)


def test_null_is_the_point_zero_or_a_vector_of_its_own():
    affect, everyone = torch.tensor([[0.9, -0.4], [0.0, 0.0]]), torch.tensor([True, True])
    torch.manual_seed(0)
    zero = EmotionUNet(8, (8, 16), embedding=16, null="zero")
    # "no emotion" is a calm picture's own condition
    assert torch.equal(zero.embed(affect, everyone)[0], zero.embed(affect)[1])
    learned = EmotionUNet(8, (8, 16), embedding=16, null="learned")
    learned.null.data.normal_()
    shown = learned.embed(affect, torch.tensor([True, False]))
    assert torch.equal(shown[0], learned.null) and torch.equal(shown[1], learned.embed(affect)[1])
    assert not torch.allclose(shown[0], learned.embed(affect)[1])
    learned.emotion_from_null()
    assert torch.equal(learned.embed(affect)[0],
                       learned.null) and torch.equal(learned.embed(affect)[1], learned.null)


@pytest.mark.parametrize("p_null", [0.0, 1.0])
def test_dropped_labels_train_the_null_and_nothing_else(data, p_null):
    config = replace(TINY, p_null=p_null)
    models, optimiser = train_diffusion.build(config, 0)
    _, x_0, va = next(batches(*data, config, 0))
    train_diffusion.train_step(models, optimiser, x_0, va, config, torch.Generator().manual_seed(0))
    emotion = sum(float(p.grad.abs().sum()) for p in models.network.emotion.parameters()
                  if p.grad is not None)
    assert (emotion > 0) == (p_null == 0.0)
    assert (float(models.network.null.grad.abs().sum()) > 0) == (p_null == 1.0)


# ---------------------------------------------------------------- network

def test_every_residual_block_is_the_texts_adain_with_group_norm():
    torch.manual_seed(0)
    network = EmotionUNet(8, (8, 16), embedding=16)
    blocks = [m for m in network.unet.modules() if type(m).__name__ == "ResnetBlock2D"]
    seen = {}
    for i, block in enumerate(blocks):
        block.time_emb_proj.register_forward_hook(lambda m, args, out,
                                                  i=i: seen.update({(i, "proj"): out}))
        block.norm2.register_forward_hook(lambda m, args, out, i=i: seen.update({(i, "norm"): out}))
        block.dropout.register_forward_hook(lambda m, args, out,
                                            i=i: seen.update({(i, "after"): out}))
    network(torch.randn(2, 3, 8, 8), torch.tensor([3, 40]), torch.rand(2, 2))
    assert len(blocks) == 8
    for i in range(len(blocks)):
        gamma, beta = seen[i, "proj"][..., None, None].chunk(2, dim=1)
        expected = torch.nn.functional.silu(seen[i, "norm"] * (1 + gamma) + beta)
        assert torch.allclose(seen[i, "after"], expected, atol=1e-6)
        assert gamma.abs().max() > 0


def test_patch_folds_and_unfolds():
    torch.manual_seed(0)
    for patch in (1, 2):
        network = EmotionUNet(16, (8, 16), embedding=16, patch=patch)
        assert network(torch.randn(2, 3, 16, 16), torch.tensor([0, 9]),
                       torch.rand(2, 2)).shape == (2, 3, 16, 16)
        assert (network.unet.config.in_channels == 3 * patch**2 and network.unet.config.sample_size
                == 16 // patch)
    with pytest.raises(KlangfarbeError, match="divisible by 4"):
        EmotionUNet(18, (8, 16), patch=2)
    with pytest.raises(KlangfarbeError, match=r"affect \[B, 2\]"):
        network(torch.randn(1, 3, 16, 16), torch.tensor([0]), torch.rand(1, 3))


def test_paper_profile_builds_without_memory():
    config = get_config("paper").diffusion
    models, _ = train_diffusion.build(config, device="meta")
    with torch.device("meta"):
        out = models.network(torch.empty(1, 3, 128, 128), torch.zeros(1, dtype=torch.long),
                             torch.empty(1, 2))
    assert out.shape == (1, 3, 128, 128) and out.device.type == "meta"
    train_diffusion.build(get_config("gpu").diffusion, device="meta")


# ---------------------------------------------------------------- training

@pytest.mark.parametrize("config", [TINY, PUBLISHED], ids=["corrected", "published"])
def test_one_training_step_moves_every_weight(data, config):
    before = train_diffusion.build(replace(config, p_null=0.5), 0)[0].network.state_dict()
    models, _, _, curve = trained(replace(config, p_null=0.5), data, 1)
    assert 0.2 < curve[0] < 5 and (models.average is None) == (config.ema_decay == 0)
    still = [name for name, value in models.network.state_dict().items()
             if torch.equal(value, before[name])]
    assert still == []


def test_overfits_one_batch(data):
    config = replace(TINY, learning_rate=1e-2, n_steps=40, warm_up=3)
    models, optimiser = train_diffusion.build(config, 0)
    _, x_0, va = next(batches(*data, config, 0))
    # the same noise each time
    losses = [train_diffusion.train_step(models, optimiser, x_0, va, config,
                                         torch.Generator().manual_seed(0), step)
              for step in range(40)]
    assert losses[-1] < 0.15 * losses[0]


def test_average_is_the_recursion(data):
    models, optimiser = train_diffusion.build(TINY, 0)
    draw = torch.Generator().manual_seed(0)
    expected = models.network.null.detach().clone().double()
    for step, x_0, va in batches(*data, TINY, 0):
        if step == 5:
            break
        train_diffusion.train_step(models, optimiser, x_0, va, TINY, draw, step)
        decay = min(0.9, (2 + step) / (11 + step))
        expected = decay * expected + (1 - decay) * models.network.null.detach().double()
    assert torch.allclose(models.average.module.null.double(), expected, atol=1e-6)
    assert models.sampling_network is models.average.module and not torch.allclose(
        models.sampling_network.null, models.network.null, atol=1e-6)


def test_resume_is_bit_identical(data, tmp_path, monkeypatch):
    whole, curve = train_diffusion.train(TINY, *data, 0, tmp_path / "whole.safetensors")
    real = train_diffusion.train_step

    def interrupted(*arguments):
        if arguments[6] == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(train_diffusion, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_diffusion.train(TINY, *data, 0, tmp_path / "cut.safetensors", every=3)
    steps = []
    monkeypatch.setattr(train_diffusion, "train_step",
                        lambda *arguments: (steps.append(arguments[6]), real(*arguments))[1])
    resumed, losses = train_diffusion.train(TINY, *data, 0, tmp_path / "cut.safetensors")
    assert steps == [3, 4, 5] and losses == curve
    for ours, theirs in zip(resumed, whole, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(),
                                                     theirs.state_dict().values(), strict=True))


def test_learning_rate_rises_stands_and_falls():
    config = replace(TINY, n_steps=100, warm_up=10, decay=0.5, learning_rate=1.0)
    rates = [train_diffusion.learning_rate(config, step) for step in range(100)]
    assert rates[0] == 0.1 and rates[9:50] == [1.0] * 41 and rates[75] == 0.5 and 0 < rates[
        99] < 0.03
    assert train_diffusion.learning_rate(get_config("paper").diffusion, 100_000) == 2e-4


def test_batches_are_the_same_from_any_start(data):
    whole, late = batches(*data, TINY,
                                          5), batches(*data, TINY, 5, 3)
    for _ in range(3):
        next(whole)
    for (step, x, va), (step_late, x_late, va_late), _ in zip(whole, late, range(4)):
        assert step == step_late and torch.equal(x, x_late) and torch.equal(va, va_late)
        colours = torch.stack([va[:, 0], va[:, 1], -va[:, 1]], dim=1)
        assert (x.mean((2, 3)) - colours).abs().max() < 0.01  # each picture has its own label


# ---------------------------------------------------------------- painting

@pytest.mark.parametrize("kind", ["dpm_solver", "ancestral"])
def test_painting_is_deterministic_and_starts_from_the_seed(data, kind):
    models, *_ = trained(TINY, data, 3)
    affect = np.array([[0.5, -0.5], [-0.5, 0.5]])
    first = train_diffusion.generate(models, affect, TINY, 4, sampler=kind)
    assert first.dtype == np.uint8 and first.shape == (2, 8, 8, 3)
    assert np.array_equal(first, train_diffusion.generate(models, affect, TINY, 4, sampler=kind))
    assert not np.array_equal(first, train_diffusion.generate(models, affect, TINY, 5,
                                                              sampler=kind))
    unguided = [train_diffusion.generate(models, va, TINY, 4, sampler=kind, guidance=0)
                for va in (affect, -affect)]
    assert np.array_equal(*unguided)  # s = 0: the emotion is not heard
    raw = train_diffusion.generate(models._replace(average=None), affect, TINY, 4, sampler=kind)
    assert not np.array_equal(first, raw)


@pytest.mark.parametrize("kind", ["dpm_solver", "ancestral"])
def test_painting_in_batches_gives_the_same_pictures(data, kind, monkeypatch):
    """A batch that drew its own noise, or a network that got all at once, would show."""
    models, *_ = trained(TINY, data, 3)
    affect = np.random.default_rng(1).uniform(-1, 1, (5, 2))
    whole = train_diffusion.generate(models, affect, TINY, 4, sampler=kind)
    rows, real = [], train_diffusion.guided
    monkeypatch.setattr(train_diffusion, "guided", lambda network, x, *more: (
        rows.append(len(x)), real(network, x, *more))[1])
    parts = train_diffusion.generate(models, affect, replace(TINY, n_at_once=2), 4, sampler=kind)
    assert set(rows) == {2, 1} and len(rows) == 3 * TINY.n_sampling
    assert np.abs(whole.astype(int) - parts).max() <= 1  # sums in another order


@pytest.mark.parametrize("kind", ["dpm_solver", "ancestral"])
def test_with_one_noise_each_picture_is_painted_as_if_alone(data, kind):
    models, *_ = trained(TINY, data, 3)
    affect = np.array([[0.5, -0.5], [0.5, -0.5], [-0.5, 0.9]])
    shown = train_diffusion.generate(models, affect, TINY, 4, sampler=kind, one_noise=True)
    alone = np.concatenate([train_diffusion.generate(models, [point], TINY, 4, sampler=kind)
                            for point in affect])
    assert np.abs(shown.astype(int) - alone).max() <= 1 and np.array_equal(shown[0], shown[1])
    apart = train_diffusion.generate(models, affect, TINY, 4, sampler=kind)
    assert not np.array_equal(apart[0], apart[1])


def test_emotion_reaches_the_picture():
    affect = np.random.default_rng(0).uniform(-1, 1, (64, 2)).astype(np.float32)
    config = replace(TINY, size=4, channels=(16,), embedding=32, learning_rate=2e-2, warm_up=5,
                     decay=0.5, n_steps=60, batch_size=32, p_null=0.1, ema_decay=0.0, guidance=1.0)
    models, *_ = trained(config, (one_colour(affect, 4), affect), 60)
    bright, dark, red, green = train_diffusion.generate(models,
                                                        [[0.9, 0], [-0.9, 0], [0, 0.9], [0, -0.9]],
                                                        config, 0, n_sampling=10).mean((1, 2))
    assert bright[0] > dark[0] + 60 and red[1] > green[1] + 60


def test_saved_painter_paints_the_same(data, own_results):
    models, *_ = trained(TINY, data, 3)
    artefacts.save(asdict(TINY), train_diffusion.NOTEBOOK, "smoke", "unet.json", seed=0)
    weights = {name: part.half() for name, part in models.sampling_network.state_dict().items()}
    artefacts.save(weights, train_diffusion.NOTEBOOK, "smoke", "unet.safetensors", seed=0)
    again, config = train_diffusion.load("smoke")
    assert config == replace(TINY, ema_decay=0.0)
    here, there = (images.to_tensor(train_diffusion.generate(m, [[0.2, 0.3]], c, 0)) for m,
                   c in ((models, TINY), (again, config)))
    assert (here - there).abs().max() < 0.05  # half precision on disk


def test_a_stored_painter_is_put_on_the_device(data, own_results, monkeypatch):
    artefacts.save(asdict(TINY), train_diffusion.NOTEBOOK, "smoke", "unet.json", seed=0)
    weights = train_diffusion.build(TINY)[0].network.state_dict()
    artefacts.save(weights, train_diffusion.NOTEBOOK, "smoke", "unet.safetensors", seed=0)
    asked, real = [], train_diffusion.build_network
    monkeypatch.setattr(provenance, "device", lambda: "the device")
    monkeypatch.setattr(train_diffusion, "build_network", lambda config, seed=0, device="cpu": (
        asked.append(device), real(config, seed))[1])
    train_diffusion.load("smoke")
    assert asked == ["the device"]


def test_paint_refuses_a_profile_that_was_not_trained(own_results, monkeypatch, capsys):
    """The bundled models would paint, and nobody would know."""
    song, target = own_results / "song.wav", own_results / "x.png"
    audio.write(song, 0.3 * np.sin(np.arange(22_050) / 10).astype(np.float32), 22_050)
    words = ["paint", str(song), "-o", str(target), "--profile", "gpu"]
    assert main(words) == 2 and not target.exists()
    assert 'make run PROFILE=gpu NOTEBOOKS="31 33"' in capsys.readouterr().err
    for notebook, name in ((train_forest.NOTEBOOK, "forest.skops"),
                           (train_diffusion.NOTEBOOK, "unet.safetensors")):
        assert main(words) == 2 and name in capsys.readouterr().err
        artefacts.write(paths.results_dir("gpu", notebook) / name, {"w": torch.zeros(1)}
                        if name.endswith("safetensors") else train_forest.build(
                            get_config("smoke").forest))
    monkeypatch.setattr(chain, "load", lambda profile: profile)
    monkeypatch.setattr(chain, "generate", lambda sounds, models, variations, seed, felt: (
        np.zeros((1, 2)), np.zeros((1, 32, 32, 3), np.uint8)))
    assert main(words) == 0 and target.is_file()


# ---------------------------------------------------------------- settings

def test_a_rehearsal_has_papers_settings_but_for_sizes():
    paper, rehearsal = map(leaves, (PROFILES["paper"], sizes.of(music2image)))
    of_the_method = {"n_diffusion", "n_critic", "attention_levels", "patch", "warm_up", "excerpts",
                     "max_depth", "min_split", "min_leaf"}
    smaller = set()
    for name, value in paper.items():
        whole = value if isinstance(value, tuple) and value else (value,)
        is_size = all(type(part) is int for part in whole) or name.endswith("seconds")
        if not is_size or name.rsplit(".", 1)[-1] in of_the_method:
            assert rehearsal[name] == value, name
        elif rehearsal[name] != value:
            smaller.add(name)
            assert sum(np.atleast_1d(rehearsal[name])) < sum(whole), name
    assert {"forest.n_trees", "gan.steps", "diffusion.n_steps", "grey.size"} <= smaller


@pytest.mark.parametrize(
    ("change", "said"),
    [({"schedule": "linear"}, "schedule out of"), ({"null": "none"}, "null out of"),
     ({"prediction": "x"}, "prediction out of"), ({"start": "moon"}, "start out of"),
     ({"schedule": "zero_terminal_snr", "prediction": "epsilon"}, "prediction 'v'")],
)
def test_impossible_settings_are_refused(change, said):
    with pytest.raises(KlangfarbeError, match=said):
        replace(DiffusionConfig(), **change)
