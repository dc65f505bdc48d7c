"""System 2's projections: forms as published, a gradient that is right, training that learns,
resumes and stops.
"""

import ast
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import leaves
from rehearsal import networks, sizes

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.metrics.embedders import EMBEDDERS
from lib.models import projections
from lib.pretrained import musicgen as loader
from lib.recipes import musicgen as recipe
from lib.systems import mapping
from lib.systems.mapping import checkpoints, data, generate, train_projection
from lib.systems.mapping.config import PROFILES, RANGE_80_DB, get_config
from lib.training.loop import Checkpoint

QUIET = {"w_mel": 0.0, "w_adversarial": 0.0, "w_features": 0.0}


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
    tiny = recipe.Config(width=32, layers=2, heads=4, hidden=64, dropout=0.0)
    network = recipe.build(codec.n_codebooks, codec.codebook_size, text.width, tiny, 0)
    with torch.no_grad():  # untrained, it hardly listens to its condition; a trained one does
        for name, weight in network.named_parameters():
            weight.mul_(6.0 if "encoder_attn" in name or "lm_heads" in name else 1.0)
    folder = tmp_path_factory.mktemp("start")
    for name, content in loader.contents(network, text, codec).items():
        artefacts.write(folder / name, content)
    return pretrained.load("musicgen", folder, device="cpu")


@pytest.fixture(scope="module")
def material(generator):
    """Twenty pairs whose target is a linear function of their vector, and a tone each."""
    rng, n = np.random.default_rng(0), 20
    vectors = rng.standard_normal((n, 2, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    t = np.arange(generator.sample_rate_hz) / generator.sample_rate_hz
    sounds = np.stack([0.2 * np.sin(2 * np.pi * 150 * 1.1**k * t)
                       for k in range(n)]).astype(np.float16)
    waves = torch.from_numpy(sounds.astype(np.float32))[:, None]
    codes = generator.codec.encode(waves).numpy().astype(np.int16)
    table = pd.DataFrame({"pair": [f"p{k}" for k in range(n)],
                          "split": ["train"] * 14 + ["validation"] * 3 + ["test"] * 3})
    return data.PairedData(table, np.zeros((n, 4, 4, 3), np.uint8), vectors, sounds, codes,
                            ("sad",) * n)


@pytest.fixture(scope="module")
def wanted(material, generator):
    mix = np.random.default_rng(1).standard_normal((8, generator.width)).astype(np.float32)
    return (material.vectors[:, 0] @ mix)[:, None]


def config_of(study="two", **changes):
    config = get_config("smoke").study_one if study == "one" else get_config("smoke").study_two
    return replace(config, **{"batch_size": 7, "audible": 3, "window_seconds": 0.3,
                              "learning_rate": 3e-3} | changes)


def one_batch(material, wanted, config, models):
    return next(train_projection.epoch_batches(material, wanted, config, models, 0))


# --- networks -------------------------------------------------------------------------------------


def test_published_sizes():
    one, two = projections.StudyOne(), projections.StudyTwo()
    block = 4 * 768 * 768 + 4 * 768 + 2 * 4 * 768 * 768 + 4 * 768 + 768 + 2 * 2 * 768
    assert (sum(p.numel() for p in one.parameters()) == 512 * 768 + 768 + 2 * 768 + block + 768
            * 1024 + 1024 + 2 * 1024)
    assert sum(p.numel() for p in two.parameters()) == 512 * 768 + 768 + 2 * 768 + 768 * 1024 + 1024
    assert one(torch.zeros(2, 512)).shape == two(torch.zeros(2, 512)).shape == (2, 1, 1024)
    assert projections.StudyTwo(n_tokens=8)(torch.zeros(2, 512)).shape == (2, 8, 1024)
    assert all(float(part.bias.detach().abs().max()) == 0 for part in one.modules()
               if isinstance(part, torch.nn.Linear))
    with pytest.raises(KlangfarbeError, match=r"vectors \[B, 512\]"):
        two(torch.zeros(2, 8))


def test_over_one_key_attention_chooses_nothing_and_over_two_it_does():
    torch.manual_seed(0)
    attention = torch.nn.MultiheadAttention(32, 4, batch_first=True)
    query, keys = torch.randn(1, 5, 32), torch.randn(1, 2, 32)
    answers = attention(query, keys, keys)[0]
    assert float((answers - answers[:, :1]).detach().abs().max()) > 1e-3


def test_study_twos_layers_by_hand():
    torch.manual_seed(0)
    network, v = projections.StudyTwo(4, 6, 2, 5, 0.0), torch.randn(3, 4)
    h = v @ network.first.weight.T + network.first.bias
    h = (h - h.mean(1, keepdim=True)) / torch.sqrt(h.var(1, keepdim=True, unbiased=False) + 1e-5)
    by_hand = h.clamp_min(0) @ network.second.weight.T + network.second.bias
    assert torch.allclose(network(v).flatten(1), by_hand, atol=1e-5)


# --- the gradient path


def test_certain_shares_sound_as_the_codes_do(generator, material):
    codes = torch.from_numpy(material.codes[:2].astype(np.int64))
    shares = torch.nn.functional.one_hot(codes, generator.codec.codebook_size).float()
    assert torch.allclose(generator.codec.soft_decode(shares), generator.codec.decode(codes),
                          atol=1e-4)


def test_what_is_heard_sees_the_true_past_alone(generator, material):
    codes = torch.from_numpy(material.codes[:2].astype(np.int64))
    conditions = torch.randn(2, 1, generator.width, generator=torch.Generator().manual_seed(0))
    sound, before = train_projection.decode(generator, conditions, codes)
    n_steps = codes.shape[2]
    assert sound.shape == (2, n_steps * generator.codec.samples_per_step)
    changed = codes.clone()
    changed[:, :, -1] = (changed[:, :, -1] + 1) % generator.codec.codebook_size
    _, after = train_projection.decode(generator, conditions, changed)
    for here, there in zip(before, after, strict=True):  # column s + 1 holds the first code of s
        assert torch.allclose(here[:, :n_steps], there[:, :n_steps], atol=1e-5), "no later code"
        assert not torch.allclose(here, there, atol=1e-3)
    with pytest.raises(KlangfarbeError, match="conditions"):
        train_projection.decode(generator, conditions[..., :-1], codes)


@pytest.mark.parametrize("what", ["mel", "features", "adversarial"])
def test_the_gradient_of_each_heard_loss_is_the_difference_quotient(generator, material, wanted,
                                                                    what):
    """Central differences along the gradient; the weights of the music model get no gradient."""
    config = config_of(w_latent=0.0, **{f"w_{name}": float(name == what)
                                        for name in ("mel", "features", "adversarial")})
    models = train_projection.build(config, generator, 8)
    batch = one_batch(material, wanted, config, models)
    few, rng = len(batch.codes), torch.Generator().manual_seed(0)

    class Free(torch.nn.Module):  # the condition itself in place of a projection
        def __init__(self):
            super().__init__()
            self.condition = torch.nn.Parameter(torch.randn(len(batch.vectors), 1, generator.width,
                                                            generator=rng))

        def forward(self, vectors):
            return self.condition

    free = Free()
    models = models._replace(projection=free)
    train_projection.losses(models, batch, config)[0][what].backward()
    gradient = free.condition.grad
    assert float(gradient[:few].abs().max()) > 0 and float(
        gradient[few:].abs().max()) == 0, "items that are not heard get none"
    assert all(p.grad is None for p in generator.network.parameters())
    direction = gradient / gradient.norm()
    start, values, step = free.condition.detach().clone(), [], 5e-2
    for sign in (1, -1):
        with torch.no_grad():
            free.condition.copy_(start + sign * step * direction)
            values.append(train_projection.losses(models, batch, config)[0][what].double().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(gradient.norm().item(), rel=0.05)


def test_feature_matching_is_zero_at_the_target_itself(generator, material, wanted):
    config = config_of(w_latent=0.0, w_mel=0.0, w_adversarial=0.0)
    models = train_projection.build(config, generator, 8)
    batch = one_batch(material, wanted, config, models)
    exact = models._replace(projection=lambda vectors: batch.targets)
    assert train_projection.losses(exact, batch,
                                   config)[0]["features"].item() == pytest.approx(0, abs=1e-6)
    assert train_projection.losses(exact, batch, config)[0]["latent"].item() == 0


@pytest.mark.parametrize(("mel", "power"), [("mae", 1), ("mse", 2)])
def test_the_mel_loss_is_counted_in_its_unit(generator, material, wanted, mel, power):
    found = []
    for unit in (1.0, RANGE_80_DB):
        config = config_of(mel=mel, mel_unit=unit, dropout=0.0, w_features=0.0)
        models = train_projection.build(config, generator, 8)
        found.append(train_projection.losses(models, one_batch(material, wanted, config, models),
                                             config)[0]["mel"].item())
    assert found[0] == pytest.approx(found[1] * RANGE_80_DB**power, rel=1e-4)
    assert get_config("paper").study_two.mel_unit == RANGE_80_DB == pytest.approx(80 / 20
                                                                                        * np.log(
            10), abs=0.01)


def test_vectors_of_any_precision_are_predicted_from_with_dropout_off(generator, material):
    config = config_of(dropout=0.5, **QUIET)
    models = train_projection.build(config, generator, 8)
    vectors = material.vectors[:, 0]
    once, again = train_projection.predict(models,
                                           vectors), train_projection.predict(models,
                                                                              vectors.astype(
            np.float64), batch=3)
    assert np.allclose(once, again, atol=1e-5) and once.dtype == np.float32


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", ["one", "two"])
def test_one_step_moves_the_projection_and_its_critic_and_nothing_else(generator, material, wanted,
                                                                       study):
    config = config_of(study)
    models = train_projection.build(config, generator, 8)
    parts = {"projection": models.projection, "critic": models.critic,
             "decoder": generator.network.decoder}
    before = {name: [p.detach().clone() for p in part.parameters()] for name, part in parts.items()}
    row = train_projection.train_step(models, one_batch(material, wanted, config, models), config)
    expected = {"latent", "mel", "adversarial", "loss", "gradient",
                "critic"} | ({"features"} if study == "two" else set())
    assert set(row) == expected and all(np.isfinite(list(row.values())))
    weighted = sum(getattr(config, f"w_{name}") * row[name]
                   for name in ("latent", "mel", "adversarial", "features") if name in row)
    assert row["loss"] == pytest.approx(weighted, rel=1e-5)
    moved = {name: any(not torch.equal(a, b) for a,
                       b in zip(before[name], part.parameters(), strict=True)) for name,
             part in parts.items()}
    assert moved == {"projection": True, "critic": True, "decoder": False}


@pytest.mark.parametrize(("study", "n_parts"), [("one", 2), ("two", 2), ("two", 3), ("two", 64)])
def test_parts_of_a_batch_have_the_whole_batchs_gradient_and_losses(generator, material, wanted,
                                                                    study, n_parts):
    rows, gradients = [], []
    for accumulate in (1, n_parts):
        config = config_of(study, accumulate=accumulate, max_norm=1e9)  # 3 of 7 items are decoded
        models = train_projection.build(config, generator, 8)
        batch = one_batch(material, wanted, config, models)
        torch.manual_seed(5)  # dropout's, which is not divided either
        rows.append(train_projection.train_step(models, batch, config))
        gradients.append(torch.cat([p.grad.flatten() for p in models.projection.parameters()
                                    if p.grad is not None]))
    assert rows[1] == pytest.approx(rows[0], rel=1e-4)
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-6 * float(gradients[0].abs().max()))


def test_parts_of_a_batch_are_decoded_one_after_the_other(generator, material, wanted, monkeypatch):
    sizes, decode = [], train_projection.decode
    monkeypatch.setattr(train_projection, "decode", lambda generator, conditions, codes, **more: (
        sizes.append(len(codes)), decode(generator, conditions, codes, **more))[1])
    config = config_of(accumulate=3)
    models = train_projection.build(config, generator, 8)
    train_projection.train_step(models, one_batch(material, wanted, config, models), config)
    assert sizes == [1] * 6, "three items, each under its prediction and under its target"


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512",
                    reason="a processor without bfloat16")
@pytest.mark.parametrize("study", ["one", "two"])
def test_in_bfloat16_the_gradient_points_the_same_way(generator, material, wanted, study):
    gradients = []
    for bfloat16 in (False, True):
        config = config_of(study, bfloat16=bfloat16, dropout=0.0)
        models = train_projection.build(config, generator, 8)
        batch = one_batch(material, wanted, config, models)
        row = train_projection.train_step(models, batch, config)
        assert np.isfinite(list(row.values())).all()
        gradients.append(torch.cat([p.grad.flatten() for p in models.projection.parameters()
                                    if p.grad is not None]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
    assert not torch.equal(*gradients), "the decoder did work in bfloat16"


def test_the_hubs_musicgen_gives_a_gradient_too(tmp_path, material, wanted):
    networks.musicgen(tmp_path)
    published = pretrained.load("musicgen", tmp_path, device="cpu")
    for layer in published.codec.model.model.quantizer.layers:
        layer.codebook.embed.normal_()  # untrained, they are zeros
    config = config_of(**QUIET | {"w_latent": 0.0, "w_mel": 1.0}, window_seconds=0.2, accumulate=3)
    models = train_projection.build(config, published, 8)
    lstms = [part for part in published.network.modules() if isinstance(part, torch.nn.LSTM)]
    assert lstms and all(part.training for part in lstms), "cuDNN refuses it in evaluation mode"
    assert not published.network.decoder.training
    sounds = material.sounds[:, : 2 * round(0.2 * published.sample_rate_hz)]
    codes = published.codec.encode(torch.from_numpy(sounds.astype(np.float32))[:, None])
    pairs = replace(material, sounds=sounds, codes=codes.numpy().astype(np.int16))
    targets = np.resize(wanted, (20, 1, published.width)).astype(np.float32)
    row = train_projection.train_step(models, one_batch(pairs, targets, config, models), config)
    assert np.isfinite(list(row.values())).all() and row["gradient"] > 0


def test_other_vectors_are_another_training(generator, material, wanted, tmp_path):
    config, path = config_of(epochs=1, **QUIET), tmp_path / "study.safetensors"
    curves = [train_projection.train(train_projection.build(config, generator, 8), pairs, wanted,
                                     config, path)
              for pairs in (material, material, replace(material, vectors=-material.vectors))]
    assert curves[0] == curves[1] != curves[2]


def test_one_batch_can_be_learned_by_heart(generator, material, wanted):
    config = config_of(dropout=0.0, **QUIET)
    models = train_projection.build(config, generator, 8)
    batch = one_batch(material, wanted, config, models)
    losses = [train_projection.train_step(models, batch, config)["latent"] for _ in range(150)]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("every", [1, 2])
def test_a_resumed_training_ends_with_the_same_weights(every, generator, material, wanted, tmp_path,
                                                       monkeypatch):
    config = config_of(epochs=3, w_mel=0.0, w_features=0.0)
    whole = train_projection.build(config, generator, 8)
    curve = train_projection.train(whole, material, wanted, config, seed=4)
    parts = train_projection.build(config, generator, 8)
    save = Checkpoint.save

    def save_then_stop(self, step, *arguments, **state):
        save(self, step, *arguments, **state)
        if step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_then_stop)
        train_projection.train(parts, material, wanted, config, tmp_path / "study.safetensors",
                               seed=4, every=every)
    again = train_projection.build(config, generator, 8)
    resumed = train_projection.train(again, material, wanted, config,
                                     tmp_path / "study.safetensors", seed=4)
    assert [row["loss"] for row in resumed] == [row["loss"] for row in curve]
    for a, b in zip(whole.projection.parameters(), again.projection.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_learns_stops_early_and_keeps_the_best_epoch(generator, material, wanted):
    config = config_of(epochs=200, patience=3, learning_rate=1e-2, batch_size=14, **QUIET)
    models = train_projection.build(config, generator, 8)
    curve = train_projection.train(models, material, wanted, config)
    best = min(row["validation"] for row in curve)
    assert len(curve) < 200 and curve[-1]["validation"] > best, "it stopped 3 epochs after its best"
    assert train_projection.validate(models, material, wanted,
                             config)["validation"] == pytest.approx(best, rel=1e-5)
    test = material.table["split"] == "test"
    cosine = train_projection.cosine_similarity(train_projection.predict(models,
                                                                         material.vectors[test, 0]),
                                                wanted[test]).mean()
    assert cosine > 0.3, "14 pairs say something of 3 others"


def test_the_losses_that_need_sound_come_in_late_and_only_those_that_weigh(generator, material,
                                                                           wanted):
    curves = {}
    for name, change in (("full", {}), ("no_matching", {"w_features": 0.0}), ("latent", QUIET)):
        config = config_of(epochs=3, decoder_epochs=1, audible=2, **change)
        models = train_projection.build(config, generator, 8)
        curves[name] = train_projection.train(models, material, wanted, config)
        kept = train_projection.validate(models, material, wanted, config)
        assert kept["cosine"] == curves[name][-1]["cosine"], "the last epoch's weights"
    with_sound = {name: [sorted({"mel", "adversarial", "features"} & set(row)) for row in curve]
                  for name, curve in curves.items()}
    assert with_sound == {"full": [[], [], ["adversarial", "features", "mel"]],
                          "no_matching": [[], [], ["adversarial", "mel"]], "latent": [[], [], []]}
    for epoch in (0, 1):
        assert len({curve[epoch]["cosine"] for curve in curves.values()}) == 1, "until then one"
    assert curves["full"][2]["cosine"] != curves["latent"][2]["cosine"]


def test_pairs_that_are_left_out_change_nothing(generator, material, wanted):
    config = config_of(epochs=2, decoder_epochs=0, **QUIET)
    split = material.table["split"].where(np.arange(20) >= 6, "left out")
    made = []
    for spoiled in (0.0, 5.0):
        vectors = material.vectors.copy()
        vectors[:6] += spoiled
        pairs = replace(material, table=material.table.assign(split=split), vectors=vectors)
        models = train_projection.build(config, generator, 8)
        train_projection.train(models, pairs, wanted, config)
        made.append(train_projection.predict(models, material.vectors[6:, 0]))
    assert np.array_equal(*made)


def test_without_notebook_22_study_one_is_trained_in_short_and_says_so(generator, material,
                                                                       own_results, capsys):
    models, config = checkpoints.load_or_train_study_one("smoke", material, generator,
                                                         SimpleNamespace(width=8))
    assert config.study == "one" and not config.uses_decoder
    assert 'NOTEBOOKS="22"' in capsys.readouterr().out
    made = train_projection.predict(models, material.vectors[:2, 0])
    assert made.shape == (2, 1, generator.width)


def test_cosines_by_hand():
    made, wanted = np.array([[[3.0, 0.0], [0.0, 1.0]]]), np.array([[[1.0, 0.0], [1.0, 1.0]]])
    assert train_projection.cosine_similarity(made,
                                              wanted) == pytest.approx([(1 + np.sqrt(0.5)) / 2])


def test_a_loss_that_is_not_finite_stops_before_the_weights_move(generator, material, wanted):
    config = config_of(**QUIET)
    models = train_projection.build(config, generator, 8)
    batch = one_batch(material, wanted, config, models)
    before = [p.detach().clone() for p in models.projection.parameters()]
    with pytest.raises(KlangfarbeError, match="finite loss"):
        train_projection.train_step(models, batch._replace(targets=batch.targets * float("nan")),
                                    config)
    assert all(torch.equal(a, b) for a,
               b in zip(before, models.projection.parameters(), strict=True))


@pytest.mark.parametrize("change", [{"mel": "mae2"}, {"latent": "huber"}, {"n_tokens": 0},
                                    {"w_latent": 0.0, **QUIET}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(KlangfarbeError):
        config_of(**change)


def test_published_settings():
    one, two = get_config("paper").study_one, get_config("paper").study_two
    assert (one.learning_rate, one.weight_decay, one.batch_size, one.epochs, one.mel,
            one.w_features) == (1e-4, 1e-3, 32, 100, "mse", 0)
    assert (two.learning_rate, two.weight_decay, two.batch_size, two.epochs, two.mel,
            two.w_features) == (3e-4, 1e-2, 64, 60, "mae", 0.1)
    assert ((two.w_latent, two.w_mel, two.w_adversarial) == (1.0, 0.5, 0.2) and one.n_tokens
            == two.n_tokens == 1)
    assert one.bfloat16 and two.bfloat16, "mixed precision, §5.4"
    # about 1.5 GB an item of 10 s in float32; the text's card has 24 GB
    assert one.audible / one.accumulate == two.audible / two.accumulate == 4


def settings_of(config) -> dict:
    """Names, flags and choices of a config, dotted, without its sizes."""
    return {name: value for name, value in leaves(config).items()
            if value is None or isinstance(value, str | bool | tuple)}


def test_a_rehearsal_changes_nothing_but_sizes():
    paper, rehearsal = map(settings_of, (PROFILES["paper"], sizes.of(mapping)))
    assert rehearsal == paper and paper["data.origin"] == "published"
    assert paper["captioner"] == "Salesforce/blip2-opt-2.7b" and paper["study_two.bfloat16"]


def test_music_comes_out_of_a_vector(generator):
    conditions = np.random.default_rng(0).standard_normal((3, 1,
                                                           generator.width)).astype(np.float32)
    config = config_of()
    sounds = generate.generate_music(generator, conditions, config, seconds=0.48, batch=2)
    assert sounds.shape == (3, round(0.48 * generator.sample_rate_hz)) and np.isfinite(sounds).all()
    assert np.array_equal(sounds, generate.generate_music(generator, conditions, config,
                                                            seconds=0.48, batch=2))


def test_no_more_clips_are_sampled_at_once_than_the_config_allows(generator, monkeypatch):
    sizes = []
    monkeypatch.setattr(generator, "generate_from", lambda given, mask, seconds, **_: (
        sizes.append(len(given)), np.zeros((len(given), 4)))[1])
    conditions = np.zeros((960, 1, generator.width), np.float32)
    generate.generate_music(generator, conditions, get_config("paper").study_two, batch=960)
    assert sum(sizes) == 960 and max(sizes) <= 64, "960 clips of 10 s: a cache of 189 GB"


def calls_of(name: str) -> list[tuple]:
    """(notebook, call) of a function in notebooks 20 to 27."""
    return [(file.stem, node) for file in sorted(paths.NOTEBOOKS.glob("2*.ipynb"))
            for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code"
            for node in ast.walk(ast.parse("".join(cell["source"])))
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name]


def test_every_training_of_the_notebooks_has_a_checkpoint():
    trainings = [(stem, call) for stem, call in calls_of("train")
                 if ast.unparse(call.func).endswith("train_projection.train")]
    assert {stem[:2] for stem, _ in trainings} == {"22", "23", "24", "27"}
    for stem, call in trainings:
        assert len(call.args) == 5, f"{stem}: {ast.unparse(call)[:80]} starts again if it is killed"
    saved = [stem[:2] for stem, call in calls_of("save") if ast.unparse(call.func) == "saved.save"]
    assert saved == ["22", "23"], "the loops in plain view"


def test_what_is_published_is_measured_by_published_networks_and_the_atelier_by_its_own():
    paper, mini = get_config("paper"), get_config("mini")
    assert EMBEDDERS[paper.embedder] == ("text_audio", paper.text_audio)
    assert EMBEDDERS[mini.embedder][1] == mini.text_audio == pretrained.MINIATURE


def test_the_notebooks_take_every_network_from_their_own_config():
    assert not [stem for stem, call in calls_of("load")
                if ast.unparse(call.func) == "bridging.prompts.load"]
    for stem, call in calls_of("load"):
        if ast.unparse(call.func) == "pretrained.load" and ast.unparse(call.args[0]) != "'tagger'":
            fixed = isinstance(call.args[0], ast.Constant) or len(call.args) > 1
            assert not fixed or len(call.args) == 2, f"{stem}: {ast.unparse(call)}"


def test_the_miniature_takes_the_vectors(generator):
    bundled = pretrained.load("musicgen", device="cpu")
    sound = generate.generate_music(bundled, np.zeros((1, 1, bundled.width), np.float32),
                                      config_of(), seconds=0.48)
    assert sound.shape[1] == round(0.48 * bundled.sample_rate_hz)
