"""A tiny CLIP of open_clip's own class: shapes, the hub layout, training that repeats itself, and
the bundled one.
"""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lib import pretrained
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import paint, words
from lib.data.atelier.factors import draw
from lib.recipes import bundling
from lib.recipes import pictures as recipe

TINY = bundling.Steps(3, 8, 2e-3)


def model_cfg(n_words):
    return recipe.settings(n_words, {**recipe.CLIP_VISION, "image_size": 32, "width": 8},
                           {**recipe.CLIP_TEXT, "width": 32, "heads": 2, "layers": 1}, 24)


def build(n_words, seed=0):
    """A tiny CLIP of random weights."""
    import torch
    from open_clip.model import CLIP

    torch.manual_seed(seed)
    return CLIP(**model_cfg(n_words))


def save(folder, model, tokens):
    """open_clip's hub layout, in half precision."""
    bundling.write(folder, recipe.files(model, model_cfg(len(tokens))), "", [tokens])


@pytest.fixture(scope="module")
def items():
    """Twelve paintings with caption and comment: uint8 [12, 32, 32, 3] and two lists."""
    drawn = [draw(99, i) for i in range(12)]
    return paint.pictures(99, range(12),
                          32)[0], [words.caption(f) for f in drawn], [words.comment(f)
                                                                      for f in drawn]


@pytest.fixture(scope="module")
def tokens(items):
    return recipe.clip_tokenizer([*items[1], *items[2]], 300)


@pytest.fixture(scope="module")
def folder(tokens, tmp_path_factory):
    """A CLIP of random weights in open_clip's hub layout."""
    where = tmp_path_factory.mktemp("image_text")
    save(where, build(len(tokens), seed=5), tokens)
    return where


def trained(tmp_path, items, tokens, **changes):
    import torch

    config = replace(TINY, **changes)
    model = build(len(tokens))
    curve = recipe.train_clip(model, tokens, *items, config, checkpoint=tmp_path / "c.safetensors")
    return model, curve, torch.cat([p.detach().flatten() for p in model.parameters()])


# --- the network ----------------------------------------------------------------------------------


def test_the_configuration_fixes_every_shape(items, tokens):
    import open_clip

    model = build(len(tokens))
    assert isinstance(model, open_clip.CLIP)
    read = recipe.tokens_of(tokens, items[1])
    assert read.shape == (12, 64) and int(read.max()) < len(tokens) == model.vocab_size
    assert model.encode_image(recipe.pixels(items[0])).shape == model.encode_text(
        read).shape == (12, 24)
    published = open_clip.CLIP(**recipe.settings(1000))
    assert 1.5e6 < sum(p.numel() for p in published.parameters()) < 2.5e6


def test_a_sentence_is_read_at_its_end_and_padding_says_nothing(items, tokens):
    import torch

    model = build(len(tokens)).eval()
    read = recipe.tokens_of(tokens, items[1][:1])
    end = int((read[0] == 2).nonzero()[0])
    other = read.clone()
    other[0, end + 1 :] = 7  # any token behind the end
    with torch.no_grad():
        assert torch.equal(model.encode_text(read), model.encode_text(other))
        other[0, end - 1] = 7
        assert not torch.allclose(model.encode_text(read), model.encode_text(other), atol=1e-4)
    assert tokens("A Lighthouse.").input_ids == tokens("a lighthouse.").input_ids


def test_a_mirrored_and_shifted_picture_keeps_its_size_and_colours(items, monkeypatch):
    moved = recipe.augment(items[0], np.random.default_rng(0))
    assert moved.shape == items[0].shape and moved.dtype == np.uint8 and (moved != items[0]).any()
    monkeypatch.setattr(recipe, "SHIFT", 0)
    still = recipe.augment(items[0], np.random.default_rng(0))
    same = (still == items[0]).all((1, 2, 3))
    assert 0 < same.sum() < 12 and np.array_equal(still[~same], items[0][~same][:, :, ::-1])


# --- the hub's layout -----------------------------------------------------------------------------


def test_the_hub_layout_round_trip(folder, items, tokens):
    """What was saved is what is loaded, up to half precision; the pictures' recipe in the folder is
    the one trained with.
    """
    import torch

    assert {p.name for p in folder.iterdir() if ".provenance" not in p.name} == {
        "open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json",
        "tokenizer_config.json"}
    encoder = pretrained.load("image_text", folder, device="cpu")
    assert encoder.width == 24 and encoder.name == folder.name
    model = build(len(tokens), seed=5).eval()
    with torch.inference_mode():
        seen = model.encode_image(recipe.pixels(items[0]), normalize=True).numpy()
        read = model.encode_text(recipe.tokens_of(tokens, items[1]),
                                 normalize=True).numpy()
    assert np.allclose(encoder.embed_pictures(items[0]), seen, atol=5e-3)
    assert np.allclose(encoder.embed_text(items[1]), read, atol=5e-3)


def test_batch_size_does_not_matter(folder, items):
    encoder = pretrained.load("image_text", folder, device="cpu")
    one_by_one = np.concatenate([encoder.embed_pictures(p[None]) for p in items[0]])
    assert np.allclose(one_by_one, encoder.embed_pictures(items[0]), atol=1e-5)
    assert np.allclose(np.concatenate([encoder.embed_text([t]) for t in items[2]]),
                       encoder.embed_text(items[2]), atol=1e-5)
    assert np.allclose(np.linalg.norm(one_by_one, axis=1), 1, atol=1e-5)
    assert encoder.embed_text(["word " * 300]).shape == (1, 24), "a long text is cut, not an error"
    assert encoder.embed_pictures(np.zeros((1, 50, 90, 3),
                                           np.uint8)).shape == (1,
                                                                24), (
        "other sizes are scaled and cut")


def test_every_file_counts_and_none_may_lack(folder, tmp_path):
    first = pretrained.load("image_text", folder, device="cpu").sha256
    assert len(first) == 64
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert pretrained.load("image_text", copy, device="cpu").sha256 == first
    tokenizer = (copy / "tokenizer.json").read_text()
    (copy / "tokenizer.json").write_text(tokenizer + " ")
    assert pretrained.load("image_text", copy, device="cpu").sha256 != first
    for name in ("tokenizer.json", "open_clip_model.safetensors", "open_clip_config.json"):
        lacking = shutil.copytree(folder, tmp_path / name)
        (lacking / name).unlink()
        with pytest.raises(KlangfarbeError,
                           match="image_text|CLIP|the files|safetensors|tokenizer"):
            pretrained.load("image_text", lacking, device="cpu")


def test_pickled_weights_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "open_clip_model.safetensors").rename(copy / "open_clip_pytorch_model.bin")
    with pytest.raises(KlangfarbeError, match="could run code"):
        pretrained.load("image_text", copy, device="cpu")


def test_weights_of_another_configuration_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["width"] = 64
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(KlangfarbeError, match="files, whole and of one checkpoint"):
        pretrained.load("image_text", copy, device="cpu")


# --- training -------------------------------------------------------------------------------------


def test_steps_move_every_weight_and_repeat_themselves(tmp_path, items, tokens):
    """Three steps: a bottleneck's last scale starts at 0 and lets gradients through from the second
    step on.
    """
    import torch

    before = dict(build(len(tokens)).named_parameters())
    model, curve, after = trained(tmp_path / "a", items, tokens)
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not still and not model.training and all(0 < row["loss"] < 10 for row in curve)
    _, again, same = trained(tmp_path / "b", items, tokens)
    assert torch.equal(after, same) and curve == again


def test_a_tiny_batch_is_learned_by_heart(tmp_path, items, tokens, monkeypatch):
    for name in ("SHIFT", "P_CAPTION", "P_COMMENT"):
        monkeypatch.setattr(recipe, name, 0)
    few = [part[:6] for part in items]
    model, curve, _ = trained(tmp_path, few, tokens, n_steps=60, batch_size=6, learning_rate=3e-3)
    assert curve[0]["found"] < 0.6 and np.mean([row["found"] for row in curve[-10:]]) > 0.95
    assert np.mean([row["loss"] for row in curve[-10:]]) < 0.3 * curve[0]["loss"]


# --- the measures ---------------------------------------------------------------------------------


def test_pictures_are_painted_once_and_kept_by_content(own_results):
    made, key = bundling.painted(9, range(3), 16)
    assert np.array_equal(made, paint.pictures(9, range(3), 16)[0])
    again, same = bundling.painted(9, range(3), 16)
    assert same == key and np.array_equal(made,
                                          again) and bundling.painted(9, range(2), 16)[1] != key
    assert len(list((own_results / "processed" / "rows").glob("*/pictures.npy"))) == 2


# --- the bundled one ------------------------------------------------------------------------------


def test_the_bundled_encoder_finds_paintings_it_never_saw():
    from lib.metrics import embedders

    encoder = pretrained.load("image_text", device="cpu")
    drawn = [draw(atelier.TEST_SEED, i) for i in range(2000, 2060)]
    seen = encoder.embed_pictures(np.stack([paint.paint(f, 64) for f in drawn]))
    read = encoder.embed_text([f"{words.caption(f)} {words.comment(f)}"
                               for f in drawn])
    found, permuted = (embedders.ranks(read, some)["r_at_1"].mean()
                       for some in (seen, np.roll(seen, 1, axis=0)))
    assert found > 0.4 and permuted < 0.2


def test_the_bundled_encoder_hears_feeling_alone():
    """The same scene painted with two feelings: the comment tells which is which."""
    encoder = pretrained.load("image_text", device="cpu")
    right = []
    for index in range(3000, 3020):
        calm, angry = draw(atelier.TEST_SEED, index, valence=0.6,
                           arousal=-0.7), draw(atelier.TEST_SEED, index, valence=-0.7, arousal=0.7)
        cosine = encoder.embed_text([words.comment(f)
                                     for f in (calm, angry)]) @ encoder.embed_pictures(
            np.stack([paint.paint(f, 64) for f in (calm, angry)])).T
        right += [cosine[0, 0] > cosine[0, 1], cosine[1, 1] > cosine[1, 0]]
    assert np.mean(right) > 0.85


def test_the_bundled_encoder_has_a_card_and_is_small():
    encoder = pretrained.load("image_text", device="cpu")
    where = paths.MINIATURES / "image_text"
    assert encoder.sha256 in (where
                              / "CARD.md").read_text(
        encoding="utf-8") and encoder.licence.startswith("MIT")
    assert sum(p.stat().st_size for p in where.iterdir()) < 6e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in where.iterdir()
               if p.suffix in (".csv", ".safetensors"))


def test_folding_the_batch_norms_leaves_every_vector_as_it_was(items, tokens):
    import torch

    from lib.pretrained import encoders

    model = build(len(tokens), seed=7).eval()
    draw_numbers = torch.Generator().manual_seed(0)
    for part in model.visual.modules():
        if isinstance(part, torch.nn.BatchNorm2d):  # as after training: nothing at 0 or 1
            for tensor, low in ((part.running_mean, -1), (part.running_var, 0.5),
                                (part.weight.data, 0.5), (part.bias.data, -1)):
                tensor.copy_(torch.rand(tensor.shape, generator=draw_numbers) + low)
    pixels = recipe.pixels(items[0])
    with torch.no_grad():
        before = model.encode_image(pixels)
        encoders.fold_batch_norms(model.visual)
        after = model.encode_image(pixels)
        model.visual.conv2.bias.add_(0.1)
        planted = model.encode_image(pixels)
    assert not [part for part in model.visual.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(planted, before, rtol=1e-4, atol=1e-5)
