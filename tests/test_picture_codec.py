"""The picture autoencoder and the diffusion model in its latents: shapes, what comes back, the
recipe's training, painting in latents.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib import pretrained
from lib.data.atelier import TEST_SEED, paint
from lib.models.emotion_unet import EmotionUNet
from lib.pretrained.picture_codec import AT_ONCE, CHANNELS, FACTOR
from lib.recipes import picture_codec as recipe
from lib.signal import images
from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config

LATENT = replace(get_config("smoke").diffusion, size=32, channels=(8, 8), embedding=16,
                 start="scratch", n_sampling=4)
BRIEF = recipe.Config(widths=(8, 8, 16, 16), n_steps=3, batch_size=2, crop=32, critic_from=1,
                      bfloat16=False)


@pytest.fixture(scope="module")
def codec():
    return pretrained.load("picture_codec", device="cpu")


@pytest.fixture(scope="module")
def pictures():
    return paint.pictures(TEST_SEED, range(900, 912), 128)[0]


def apart(a, b):
    """Mean distance in grey levels."""
    return np.abs(a.astype(float) - b).mean()


def test_latents_are_an_eighth_of_the_picture_and_spread_by_about_one(codec, pictures):
    latents = codec.encode(pictures)
    assert latents.shape == (12, CHANNELS, 128 // FACTOR, 128 // FACTOR)
    assert latents.dtype == torch.float32 and 0.8 < float(latents.std()) < 1.25
    assert codec.decode(latents).shape == pictures.shape
    assert codec.encode(pictures[:1, :64]).shape == (1, CHANNELS, 8, 16), "any multiple of eight"


def test_what_comes_back_is_the_picture(codec, pictures):
    back, means = codec.decode(codec.encode(pictures)), images.to_tensor(pictures)
    means = images.from_tensor(torch.nn.functional.interpolate(
        torch.nn.functional.avg_pool2d(means, FACTOR), scale_factor=FACTOR, mode="bicubic"))
    assert apart(back, pictures) < apart(means, pictures) < apart(np.roll(back, 1, 0), pictures)
    edges, blurred = (np.abs(np.diff(some.astype(float), axis=2)).mean() for some in (back, means))
    assert edges > 1.3 * blurred, "edges are sharper than those of an eighth of the pixels"


def test_a_batch_is_coded_as_its_pictures_alone(codec, pictures):
    many = np.concatenate([pictures[:, :32, :32]] * 3)
    assert len(many) > AT_ONCE
    together = codec.encode(many)
    assert torch.allclose(together[-1:], codec.encode(many[-1:]), atol=1e-5)
    assert apart(codec.decode(together)[-1], codec.decode(together[-1:])[0]) < 0.01


def test_the_recipe_moves_every_weight_and_the_critic_comes_later(pictures, tmp_path):
    model = recipe.build(BRIEF)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    average, curve = recipe.train(model, pictures, pictures[:4], BRIEF,
                                  checkpoint=tmp_path / "a.safetensors")
    assert not [name for name, weight in model.named_parameters()
                if torch.equal(weight, before[name])]
    assert ["critic" in row for row in curve] == [False, True, True]
    assert all(np.isfinite(list(row.values())).all() for row in curve)
    assert type(average) is type(model) and not any(
        torch.equal(a, b) for a, b in zip(average.parameters(), model.parameters(), strict=True))


def test_the_recipe_learns_one_picture_by_heart(pictures, tmp_path):
    one, config = pictures[:1, :32, :32], replace(BRIEF, n_steps=150, critic_from=1000,
                                                  w_features=0.0, learning_rate=3e-3)
    model = recipe.build(config)
    curve = recipe.train(model, one, one, config, checkpoint=tmp_path / "a.safetensors")[1]
    assert curve[-1]["pixels"] < 0.3 * curve[0]["pixels"]


def test_features_are_apart_where_pictures_are(pictures):
    features, given = recipe.Features(), images.to_tensor(pictures[:2, :64, :64])
    with torch.no_grad():
        assert float(features(given, given)) == 0
        near, far = features((given + 0.02).clamp(-1, 1), given), features(given.flip(0), given)
    assert 0 < float(near) < float(far)


def test_the_measured_painters_were_not_learned_from():
    assert not set(recipe.PAINTERS) & set(recipe.UNSEEN)


# ---------------------------------------------------------------- painting in latents

def test_a_diffusion_model_paints_in_latents(codec):
    models, _ = train_diffusion.build(LATENT)
    assert train_diffusion.shape(LATENT) == (CHANNELS, 4, 4)
    points = np.array([[0.5, 0.5], [-0.5, 0.2]], np.float32)
    first, again, other = (train_diffusion.generate(models, points, LATENT, seed)
                           for seed in (0, 0, 1))
    assert first.shape == (2, 32, 32, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_in_latents_the_solver_does_not_clip():
    """A network that knows the answer brings back latents far outside [−1, 1]."""
    wanted = 3 * torch.randn(1, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(0))
    left = train_diffusion.alphas_bar(LATENT.schedule)
    kept = {}
    for clipped in (True, False):
        steps = train_diffusion.scheduler("dpm_solver", 20, LATENT.schedule, "v", clipped=clipped)
        x = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
        for t in steps.timesteps:
            share = float(left[int(t)])
            noise = (x - share**0.5 * wanted) / (1 - share) ** 0.5
            x = steps.step(share**0.5 * noise - (1 - share) ** 0.5 * wanted, t, x).prev_sample
        kept[clipped] = float((x - wanted).abs().max())
    assert kept[False] < 0.01 and kept[True] > 1


def test_the_unet_takes_as_many_channels_as_there_are():
    network = EmotionUNet(8, (8, 8), embedding=16, depth=CHANNELS)
    shape = (2, CHANNELS, 8, 8)
    assert network(torch.zeros(shape), torch.tensor([1, 2]), torch.zeros(2, 2)).shape == shape


def test_training_in_latents_learns_from_what_was_encoded_once(codec, pictures, tmp_path,
                                                               monkeypatch):
    seen = []
    encode = type(codec).encode
    monkeypatch.setattr(type(codec), "encode",
                        lambda self, some: seen.append(len(some)) or encode(self, some))
    affect = np.zeros((12, 2), np.float32)
    config = replace(LATENT, n_steps=3, batch_size=4)
    _, curve = train_diffusion.train(config, pictures[:, :32, :32], affect, 0,
                                     tmp_path / "t.safetensors")
    assert seen == [12] and len(curve) == 3 and np.isfinite(curve).all()
