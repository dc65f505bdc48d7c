"""The WGAN-GP of system 3: unit, penalty and growing against closed forms; one real step, one batch
learnt, resume; planted faults.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib.core.errors import KlangfarbeError
from lib.metrics import diversity
from lib.models import wgan_gp as networks
from lib.models.wgan_gp import Growth
from lib.signal import images
from lib.systems.music2image import train_gan
from lib.systems.music2image.config import GanConfig, get_config
from lib.systems.music2image.data import batches

PUBLISHED = GanConfig(size=8, channels=(12, 8), depth=1, n_noise=8, n_pictures=16,
                             batch_size=8, steps=(3, 5), n_critic=1)
CORRECTED = replace(get_config("mini").gan, size=8, channels=(12, 8), n_noise=8, n_pictures=16,
                    batch_size=8, steps=(3, 5))
EACH_SETTING = pytest.mark.parametrize("config", [PUBLISHED, CORRECTED],
                                       ids=["published", "corrected"])


def one_colour(affect, size):
    """Pictures of one colour each: red is valence, green is arousal, blue its opposite."""
    colour = np.stack([affect[:, 0], affect[:, 1], -affect[:, 1]], axis=1)
    pictures = np.round((colour + 1) * 127.5).astype(np.uint8)[:, None, None]
    return np.ascontiguousarray(np.broadcast_to(pictures, (len(affect), size, size, 3)))


@pytest.fixture(scope="module")
def data():
    affect = np.random.default_rng(0).uniform(-0.9, 0.9, (16, 2)).astype(np.float32)
    return one_colour(affect, 8), affect


def train(config, data, n_steps, seed=0, built=None):
    models, optimisers = built or train_gan.build(config, seed)
    draw, curve = torch.Generator().manual_seed(seed), []
    for step, real, affect in batches(*data, config, seed):
        if step == n_steps:
            return models, optimisers, draw, curve
        curve.append(train_gan.train_step(models, optimisers, real, affect, config, draw, step))


def largest_change(before, module):
    return max(float((before[name] - value).abs().max()) for name,
               value in module.state_dict().items())


def copy_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


# ---------------------------------------------------------------- the Emotional Residual Unit

def convolved(x, layer):
    """A 3 × 3 convolution with zeros around, in loops over NumPy arrays: [C, H, W] → [C', H, W]."""
    weight, bias = (layer.weight * layer.scale).detach().numpy(), layer.bias.detach().numpy()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(weight), *x.shape[1:]))
    for o, row, column in np.ndindex(*out.shape):
        out[o, row, column] = (weight[o] * padded[:, row : row + 3,
                                                  column : column + 3]).sum() + bias[o]
    return out


@pytest.mark.parametrize("equalised", [False, True])
def test_the_unit_is_the_texts_four_equations(equalised):
    torch.manual_seed(1)
    unit = networks.EmotionalResidualUnit(equalised=equalised)
    for parameter in unit.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # biases too
    m, affect = torch.randn(2, 3, 4, 4), torch.tensor([[0.3, -0.8], [-0.5, 0.9]])
    painted = unit(m, affect)
    for i in range(2):
        generated, planes = m[i].numpy(), np.ones((2, 4, 4)) * affect[i].numpy()[:, None, None]
        v, a = (1 / (1 + np.exp(-convolved(np.concatenate([plane[None], generated]), layer)))
                for plane, layer in zip(planes, (unit.maps.valence, unit.maps.arousal),
                                        strict=True))
        e = np.tanh(convolved(np.concatenate([v * generated + a * generated, planes]), unit.out))
        np.testing.assert_allclose(painted.picture[i].detach(), e, atol=1e-5)
        for ours, theirs in zip(unit.maps(m, affect), (v, a), strict=True):
            np.testing.assert_allclose(ours[i].detach(), theirs, atol=1e-5)
    assert painted.map is m


def test_with_open_gates_and_an_averaging_way_out_the_picture_is_tanh_of_m():
    unit = networks.EmotionalResidualUnit(equalised=False)
    for parameter in unit.parameters():
        parameter.data.zero_()  # v = a = σ(0) = ½, so B = M
    unit.out.weight.data[range(3), range(3), 1, 1] = 1.0
    m = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(unit(m, torch.zeros(2, 2)).picture, m.tanh())


def unit_learns(models):
    """Does the critic's verdict reach the unit's three convolutions?"""
    models.generator.zero_grad()
    affect = torch.rand(4, 2)
    picture = models.generator(torch.randn(4, 8), affect, Growth(1, 1.0)).picture
    models.critic(picture, affect, Growth(1, 1.0)).sum().backward()
    unit = models.generator.unit
    return all(p.grad is not None and p.grad.abs().max() > 0 for p in unit.parameters())


def test_the_unit_learns_and_a_detached_one_is_caught(monkeypatch):
    models, _ = train_gan.build(PUBLISHED)
    assert unit_learns(models)
    whole = networks.AffectiveMaps.forward
    monkeypatch.setattr(networks.AffectiveMaps, "forward", lambda self, *a,
                        **k: tuple(m.detach() for m in whole(self, *a, **k)))
    assert not unit_learns(models)


def test_the_critic_reads_through_the_generators_convolutions_and_does_not_own_them():
    models, (_, adam_critic) = train_gan.build(PUBLISHED)
    real, affect = torch.rand(2, 3, 8, 8), torch.rand(2, 2)
    before = models.critic.affective_maps(real, affect)
    torch.testing.assert_close(before, models.generator.unit.maps(real, affect))
    models.generator.unit.maps.valence.bias.data += 1.0
    assert (models.critic.affective_maps(real, affect)[0] > before[0]).all()
    shared = {id(p) for p in models.generator.unit.maps.parameters()}
    assert not shared & {id(p) for group in adam_critic.param_groups for p in group["params"]}
    assert not any("maps" in name for name in models.critic.state_dict())


def test_frozen_matching_moves_the_picture_and_not_the_measure():
    maps, affect = networks.AffectiveMaps(equalised=True), torch.rand(2, 2)
    for frozen in (True, False):
        maps.zero_grad()
        m = torch.randn(2, 3, 4, 4, requires_grad=True)
        sum(x.sum() for x in maps(m, affect, frozen=frozen)).backward()
        assert m.grad.abs().max() > 0
        assert (maps.valence.weight.grad is None) is frozen


# ---------------------------------------------------------------- the gradient penalty

def one_dimension_only(score_of, real, fake, mix):
    """A fault seen in the wild: the norm over the channels, once a pixel, instead of over the whole
    picture.
    """
    between = (mix.view(-1, 1, 1, 1) * real + (1 - mix.view(-1, 1, 1, 1))
               * fake).requires_grad_(True)
    gradient, = torch.autograd.grad(score_of(between).sum(), between, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()


def linear_critic_is_right(penalty_of, scale):
    torch.manual_seed(2)
    w = scale * torch.randn(3, 4, 4)
    real, fake = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    found = penalty_of(lambda x: (x * w).flatten(1).sum(1) + 7, real, fake, torch.rand(5))
    return float(found) == pytest.approx(float((w.norm() - 1) ** 2), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("scale", [0.01, 0.2, 3.0])
def test_penalty_of_a_linear_critic_and_a_planted_fault(scale):
    assert linear_critic_is_right(networks.gradient_penalty, scale)
    assert not linear_critic_is_right(one_dimension_only, scale)


def test_penalty_is_taken_between_the_pairs_and_reaches_the_critic():
    """score = c‖x‖²/2 has gradient c·x: the penalty is the mean of (c‖x̂‖ − 1)², and its slope in c
    is known too.
    """
    torch.manual_seed(3)
    c = torch.tensor(0.3, requires_grad=True)
    real, fake, mix = torch.randn(6, 3, 4, 4), torch.randn(6, 3, 4,
                                                           4), torch.tensor([0.0, 0.1, 0.4, 0.5,
                                                                             0.9, 1.0])
    penalty = networks.gradient_penalty(lambda x: c * x.square().flatten(1).sum(1) / 2, real, fake,
                                        mix)
    norm = torch.stack([(m * r + (1 - m) * f).norm() for m, r,
                        f in zip(mix, real, fake, strict=True)])
    assert float(penalty.detach()) == pytest.approx(float(((0.3 * norm - 1) ** 2).mean()), rel=1e-5)
    penalty.backward()
    assert float(c.grad) == pytest.approx(float((2 * (0.3 * norm - 1) * norm).mean()), rel=1e-4)


def test_the_critic_judges_each_picture_alone_unless_asked_to_see_the_batch():
    for config, alone in ((PUBLISHED, True), (replace(CORRECTED, batch_deviation=False), True),
                          (CORRECTED, False)):
        critic = train_gan.build(config)[0].critic
        assert not [m for m in critic.modules() if "Norm" in type(m).__name__]
        pictures, affect = torch.rand(4, 3, 8, 8), torch.rand(4, 2)
        others = torch.cat([pictures[:1], 3 * pictures[1:]])
        first, again = (critic(p, affect, Growth(1, 1.0))[0] for p in (pictures, others))
        assert torch.allclose(first, again, atol=1e-6) is alone


# ---------------------------------------------------------------- growing

@EACH_SETTING
def test_a_new_stage_begins_as_the_old_one_enlarged(config):
    (generator, critic, _), _ = train_gan.build(config)
    z, affect, real = torch.randn(3, 8), torch.rand(3, 2), torch.randn(3, 3, 8, 8)
    small, grown = (generator(z, affect, g).picture for g in (Growth(0, 1.0), Growth(1, 0.0)))
    torch.testing.assert_close(grown, small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(critic(real, affect, Growth(1, 0.0)),
                               critic(F.avg_pool2d(real, 2), affect, Growth(0, 1.0)))
    coarse = F.avg_pool2d(real, 2)
    torch.testing.assert_close(networks.at_growth(real, Growth(1, 0.0)),
                               coarse.repeat_interleave(2, 2).repeat_interleave(2, 3))
    middle, full = (generator(z, affect, Growth(1, a)).picture for a in (0.25, 1.0))
    torch.testing.assert_close(middle, 0.75 * grown + 0.25 * full)


def test_the_schedule_fades_each_stage_in_and_ends_full_size():
    config = get_config("mini").published_gan
    stages = [train_gan.growth_at(config, step) for step in range(sum(config.steps))]
    assert [sum(g.stage == s for g in stages) for s in range(3)] == list(config.steps)
    assert [g.size for g in stages] == sorted(g.size for g in stages)
    assert stages[-1] == train_gan.growth_at(config, sum(config.steps)) == Growth(2, 1.0)
    for s in (1, 2):
        alphas = [g.alpha for g in stages if g.stage == s]
        assert (alphas == sorted(alphas) and alphas[0] < 0.01 and sum(a < 1 for a in alphas)
                == pytest.approx(len(alphas) / 2, abs=1))


def test_without_growing_the_first_step_is_at_full_size():
    plain = replace(PUBLISHED, steps=(0, 5), fade=0.0)
    assert {train_gan.growth_at(plain, step) for step in range(6)} == {Growth(1, 1.0)}


@pytest.mark.parametrize("which", ["published_gan", "gan"])
@pytest.mark.parametrize("profile", ["smoke", "mini", "gpu", "paper"])
def test_every_profile_builds_and_every_stage_has_its_shape(which, profile):
    config = getattr(get_config(profile), which)
    models, _ = train_gan.build(config, device="meta")
    noise, affect = torch.empty(2, config.n_noise, device="meta"), torch.empty(2, 2, device="meta")
    for stage in range(len(config.channels)):
        growth = Growth(stage, 0.5)
        painted = models.generator(noise, affect, growth)
        assert painted.picture.shape == painted.map.shape == (2, 3, growth.size, growth.size)
        assert models.critic(painted.picture, affect, growth).shape == (2,)
    assert growth.size == config.size
    assert (config.lr_generator, config.lr_critic) == (5e-4, 5e-9) or which == "gan"


# ---------------------------------------------------------------- training

@EACH_SETTING
def test_one_real_step(config, data):
    built = train_gan.build(config)
    before = [copy_of(m) for m in built[0][:2]]
    models, _, _, curve = train(config, data, 1, built=built)
    moved = [largest_change(b, m) for b, m in zip(before, models[:2], strict=True)]
    assert all(np.isfinite(list(curve[0].values()))) and curve[0]["penalty"] >= 0
    assert curve[0]["critic"] == pytest.approx(
        -curve[0]["distance"] + 10 * curve[0]["penalty"], abs=1e-5 + config.drift * 10)
    # Adam's first step moves a weight by the rate itself
    assert moved[0] == pytest.approx(config.lr_generator, rel=0.1)
    if config.lr_critic > 1e-4:
        assert moved[1] == pytest.approx(config.lr_critic, rel=0.1)
    else:
        assert moved[1] <= 1e-8, "at the released rate the critic stays where it was drawn"


def test_each_loss_moves_its_own_network_only(data):
    for still in ("lr_generator", "lr_critic"):
        config = replace(CORRECTED, **{still: 0.0})
        built = train_gan.build(config)
        before = [copy_of(m) for m in built[0][:2]]
        models, *_ = train(config, data, 2, built=built)
        moved = [largest_change(b, m) > 0 for b, m in zip(before, models[:2], strict=True)]
        assert moved == [still != "lr_generator", still != "lr_critic"]


def test_the_generators_loss_leaves_no_gradient_in_the_critic(data):
    """mean(fake) − mean(real) does not move the score's last bias; the generator's −mean(fake)
    would, by −1.
    """
    models, *_ = train(PUBLISHED, data, 1)
    assert float(models.critic.score.bias.grad) == pytest.approx(0.0, abs=1e-6)
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in models.generator.parameters())


def test_the_critic_learns_to_tell_real_from_painted(data):
    _, _, _, curve = train(replace(CORRECTED, lr_generator=0.0, steps=(40, 1)), data, 40)
    assert curve[0]["distance"] < 0.5 and curve[-1]["distance"] > 1.0


def test_one_batch_is_learnt(data):
    """Eight plain colours with their affects: the generator must paint the colour that the affect
    asks for.
    """
    config = replace(CORRECTED, lr_generator=8e-3, lr_critic=1e-2, steps=(70, 50))
    pictures, affect = data[0][:8], data[1][:8]

    def error(models):
        painted = images.to_tensor(train_gan.generate(models, affect, config, seed=3))
        return float((painted - images.to_tensor(pictures)).mean((2, 3)).abs().mean())

    start = error(train_gan.build(config)[0])
    models, *_ = train(config, (pictures, affect), sum(config.steps))
    assert error(models) < 0.35 * start


@EACH_SETTING
def test_a_resumed_run_is_the_unbroken_one_to_the_bit(config, data, tmp_path):
    whole, _, draw_whole, curve_whole = train(config, data, 8)
    models, optimisers, draw, curve = train(config, data, 4)
    path = tmp_path / "training.safetensors"
    train_gan.checkpoint(path, "this", models, optimisers, draw).save(4, curve)
    models, optimisers = train_gan.build(config, seed=99)
    draw = torch.Generator()
    assert train_gan.checkpoint(path, "another", models, optimisers, draw).load()["step"] == 0
    state = train_gan.checkpoint(path, "this", models, optimisers, draw).load()
    start, curve = state["step"], state["curve"]
    assert start == 4
    for step, real, affect in batches(*data, config, 0, start):
        if step == 8:
            break
        curve.append(train_gan.train_step(models, optimisers, real, affect, config, draw, step))
    assert curve == curve_whole and torch.equal(draw.get_state(), draw_whole.get_state())
    for ours, theirs in ((models.generator, whole.generator), (models.critic, whole.critic),
                         (models.sampling_network, whole.sampling_network)):
        assert all(torch.equal(a, b) for a,
                   b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))


def test_generate_is_repeatable_and_what_is_saved_paints_the_same(data):
    models, *_ = train(CORRECTED, data, 4)
    affect = data[1][:3]
    first = train_gan.generate(models, affect, CORRECTED, 5)
    assert first.dtype == np.uint8 and first.shape == (3, 8, 8, 3)
    again, other = (train_gan.generate(models, affect, CORRECTED, seed) for seed in (5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    fresh, _ = train_gan.build(replace(CORRECTED, ema_decay=0.0), 9)
    fresh.generator.load_state_dict({name: value.half() for name, value
                                     in models.sampling_network.state_dict().items()})
    # half precision on disk
    assert np.abs(first.astype(int) - train_gan.generate(fresh, affect, CORRECTED, 5)).max() <= 2


def test_equalised_layers_answer_alike_and_move_at_one_speed():
    torch.manual_seed(0)
    x = torch.randn(64, 32, 8, 8)
    for equalised in (False, True):
        layer = networks.Convolution(32, 64, 3, equalised=equalised)
        # He: twice the input's variance
        assert float(layer(x)[..., 2:-2, 2:-2].detach().var()) == pytest.approx(2.0, rel=0.1)
    assert (float(layer.weight.detach().std()) == pytest.approx(1.0, abs=0.03) and layer.scale
            == pytest.approx((2 / 288) ** 0.5))


def test_sameness_is_the_mean_correlation_of_all_pairs():
    rng = np.random.default_rng(0)
    real, some = rng.normal(size=(50, 6, 6, 3)), rng.normal(size=(7, 6, 6, 3))
    rows = [(p - real.mean(0)).ravel() for p in some]
    by_hand = np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for i,
                       a in enumerate(rows) for b in rows[:i]])
    assert diversity.sameness(some, real) == pytest.approx(by_hand, rel=1e-9)
    one = np.repeat(some[:1], 5, axis=0)
    assert diversity.sameness(one,
                              real) == pytest.approx(1.0) and abs(diversity.sameness(real,
                                                                                     real)) < 0.05
    louder = real.mean(0) + np.arange(1, 6)[:, None, None, None] * (one - real.mean(0))
    assert diversity.sameness(louder, real) == pytest.approx(1.0), "contrast is not variety"
    with pytest.raises(ValueError):
        diversity.sameness(some, real[:, :4])


def test_ranks_lie_between_0_and_1_and_bound_what_is_outside():
    reference = np.array([[1.0], [2.0], [2.0], [9.0]])
    found = diversity.ranks(np.array([[-1e9], [1.0], [2.0], [5.0], [1e9]]), reference)
    np.testing.assert_allclose(found[:, 0], [0, 1 / 8, 1 / 2, 3 / 4, 1])
    np.testing.assert_array_equal(diversity.ranks(np.exp(reference), np.exp(reference)),
                                  diversity.ranks(reference, reference))


def test_collapse_knows_a_full_set_from_one_picture():
    rng = np.random.default_rng(0)
    real, again, one = rng.normal(size=(120,
                                        5)), rng.normal(size=(120,
                                                              5)), np.repeat(rng.normal(size=(1,
                                                                                              5)),
                                                                             120, axis=0)
    full, none = diversity.collapse(real, again), diversity.collapse(real, one)
    assert full["spread"] == pytest.approx(1,
                                           abs=0.06) and full["spread_low"] < full["spread"] < full[
        "spread_high"]
    assert full["recall"] > 0.8 and full["recall_low"] < full["recall"] < full["recall_high"]
    assert none["spread"] == none["recall"] == 0 and none["recall_high"] < 0.05
    with pytest.raises(KlangfarbeError):
        diversity.collapse(real, again[:50])


@pytest.mark.parametrize("fault", [
    lambda m, d: m.generator(torch.randn(2, 8), torch.rand(2, 3), Growth(0, 1.0)),
    lambda m, d: m.critic(torch.rand(2, 3, 8, 8), torch.rand(2, 2), Growth(0, 1.0)),
], ids=["affect", "picture"])
def test_a_wrong_shape_is_named(fault, data):
    with pytest.raises(KlangfarbeError, match="expected"):
        fault(train_gan.build(PUBLISHED)[0], data)
