"""System 1's decoder: four models on one code path, stored tensors, resumed training, and the
released notebook's habits measured.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.pretrained import musicgen as loader
from lib.recipes import musicgen as recipe
from lib.systems.bridging import original_code
from lib.systems.bridging import train_musicgen as music
from lib.systems.bridging.config import TEXT_COLUMNS, MusicGenConfig, get_config
from lib.training import loop
from lib.training import musicgen as steps

TINY = recipe.Config(width=32, layers=2, heads=4, hidden=64, dropout=0.0)
CONFIG = MusicGenConfig(start="miniature", epochs=2, batch_size=4, warm_up=2, clip_seconds=1.0,
                      learning_rate=3e-3, n_at_once=3, frozen=())
TEXTS = ["a slow calm piece for piano", "fast and loud drums", "a bright waltz in D major",
         "sad strings, very soft", "an angry march", "a happy song", "a quiet night",
         "three loud horns"]


def random_start(folder, seed=0, **changes):
    """A random decoder of miniature kind with the bundled text encoder and codec, written to a
    folder and loaded from it.
    """
    codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
    network = recipe.build(codec.n_codebooks, codec.codebook_size, text.width,
                                   replace(TINY, **changes), seed)
    for name, content in loader.contents(network, text, codec).items():
        artefacts.write(folder / name, content)
    return pretrained.load("musicgen", folder, device="cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return random_start(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def clips():
    """Eight sounds of 1.5 s at the codec's rate, a tone each under a little noise."""
    t, rng = np.arange(33_075) / 22_050, np.random.default_rng(0)
    return [(0.2 * np.sin(2 * np.pi * 220 * 1.2**i * t) + 0.01
             * rng.standard_normal(len(t))).astype(np.float32) for i in range(8)]


@pytest.fixture(scope="module")
def batch(start, clips, tmp_path_factory):
    return music.make_batches(start, clips, TEXTS, CONFIG,
                              store=tmp_path_factory.mktemp("batch"))(0)


def weights(models):
    return torch.cat([p.detach().flatten()
                      for p in music.trainable_parameters(models.network)]).clone()


def gradient(models, batch, config):
    """The gradient of a batch as one vector, not cut."""
    music.train_step(models, batch, replace(config, max_norm=math.inf), rate=0.0)
    return torch.cat([p.grad.flatten() for p in music.trainable_parameters(models.network)])


# --- the four models ------------------------------------------------------------------------------


def test_the_defaults_are_published_and_the_models_differ_in_their_columns_and_in_what_is_stored():
    published = MusicGenConfig()
    assert (published.learning_rate, published.warm_up, published.batch_size,
            published.epochs) == (1e-4, 100, 16, 40)
    assert (published.clip_seconds, published.top_k, published.temperature,
            published.dropped) == (30.0, 250, 1.0, 0.0)
    assert published.for_model("m4") == published == get_config("paper").music
    four = {name: get_config("mini").music.for_model(name) for name in TEXT_COLUMNS}
    assert [TEXT_COLUMNS[name] for name in four] == ["emotion", "caption", "description",
                                                      "description"]
    assert len({replace(c, model="m1") for name,
                c in four.items() if name != "m4"}) == 1, "M1 to M3 differ by their texts alone"
    differing = {k for k, v in vars(four["m3"]).items() if v != getattr(four["m4"], k)}
    assert differing == {"model", "stored", "chunk", "word_dropout", "dropped"}
    assert published.frozen and not published.for_model("m3").frozen, "M4 alone freezes"


@pytest.mark.parametrize("model", ["m3", "m4"])
def test_model_4_alone_leaves_its_initial_layer_as_it_was(start, batch, model):
    config = replace(CONFIG, frozen=MusicGenConfig().frozen).for_model(model)
    models = music.build(config, start)
    music.train_step(models, batch, config, rate=1e-2)
    moved = {name for name, p in models.network.named_parameters()
             if not torch.equal(p, start.network.state_dict()[name])}
    of_projection = {name for name in moved if name.startswith("enc_to_dec_proj")}
    assert bool(of_projection) == (model == "m3") and moved - of_projection


def test_a_part_that_is_not_there_cannot_be_frozen(start):
    with pytest.raises(KlangfarbeError, match="initial_layer"):
        music.build(replace(CONFIG, frozen=("initial_layer",)), start)


@pytest.mark.parametrize("bad", [{"model": "m5"}, {"accumulate": 3}, {"accumulate": 0},
                                 {"faults": ("haste",)}])
def test_settings_that_do_not_belong_together_are_refused(bad):
    with pytest.raises(KlangfarbeError):
        MusicGenConfig(**bad)


def test_stored_and_fresh_tensors_give_the_same_batches_and_the_same_training(start, clips,
                                                                              tmp_path):
    fresh = replace(CONFIG, stored=False)
    one, other = (music.make_batches(start, clips, TEXTS, c, store=tmp_path)
                  for c in (CONFIG, fresh))
    for step in (0, 3):
        a, b = one(step), other(step)
        assert torch.equal(a.codes, b.codes) and torch.equal(a.mask,
                                                             b.mask) and torch.equal(a.lengths,
                                                                                     b.lengths)
        assert torch.allclose(a.states, b.states, atol=1e-5) and a.codes.shape == (4, 4, 25)
    curves = [music.train(music.build(c, start), clips, TEXTS, c, store=tmp_path)
              for c in (CONFIG, fresh)]
    np.testing.assert_allclose([row["loss"] for row in curves[0]],
                               [row["loss"] for row in curves[1]], rtol=1e-4)
    kept = list(tmp_path.glob("*.safetensors"))
    assert len(kept) == 2, "codes and states, a file each, and none from the fresh way"


def test_an_epoch_meets_every_pair_once_and_stored_tensors_are_computed_once(start, clips, tmp_path,
                                                                             monkeypatch):
    calls = []
    own = start.codec.encode
    monkeypatch.setattr(start.codec, "encode", lambda sound: calls.append(len(sound)) or own(sound))
    batches = music.make_batches(start, clips, TEXTS, CONFIG, store=tmp_path)
    assert len(calls) == 8
    seen = torch.cat([batches(step).codes for step in (1, 0)])
    assert len({tuple(c.flatten().tolist()) for c in seen}) == 8
    music.make_batches(start, clips, TEXTS, CONFIG, store=tmp_path)(5)
    assert len(calls) == 8, "another run reads what the first one stored"


def test_words_and_chunks_are_drawn_at_random_where_they_are_not_stored(start, clips):
    config = replace(CONFIG, stored=False, chunk="random", word_dropout=0.5)
    batches = music.make_batches(start, clips, TEXTS, config)
    again = music.make_batches(start, clips, TEXTS, config)
    assert all(torch.equal(batches(s).codes, again(s).codes)
               and torch.equal(batches(s).states, again(s).states) for s in (1, 0))
    whole = music.make_batches(start, clips, TEXTS, replace(CONFIG, stored=False))
    assert not torch.equal(whole(0).codes, batches(0).codes)
    assert batches(0).mask.sum() < whole(0).mask.sum()
    silent = music.make_batches(start, clips, TEXTS, replace(config, word_dropout=1.0))(0)
    assert not silent.mask.any(), "a text without words is the null condition"


def test_one_seed_draws_one_order_and_the_same_chunks_whatever_the_texts(start, clips):
    config = replace(CONFIG, stored=False, chunk="random", word_dropout=0.5)
    # another number of words: the chunks must not feel it
    longer = [f"{text} and {text}" for text in TEXTS]
    one, other = (music.make_batches(start, clips, texts, config) for texts in (TEXTS, longer))
    assert all(torch.equal(one(step).codes, other(step).codes) for step in range(3))
    assert not torch.equal(one(0).codes,
                           music.make_batches(start, clips, TEXTS, config, seed=1)(0).codes)


def test_codes_that_were_encoded_once_serve_other_runs(start, clips, monkeypatch):
    config, encoded, calls = replace(CONFIG, stored=False, chunk="random"), {}, []
    own = start.codec.encode
    monkeypatch.setattr(start.codec, "encode", lambda sound: calls.append(len(sound)) or own(sound))
    first = [music.make_batches(start, clips, TEXTS, config, encoded=encoded)(step).codes
             for step in range(2)]
    assert sum(calls) == len(encoded) == 8
    again = [music.make_batches(start, clips, TEXTS, replace(config, word_dropout=0.3),
                            encoded=encoded)(step).codes for step in range(2)]
    assert sum(calls) == 8 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    alone = [music.make_batches(start, clips, TEXTS, config)(step).codes for step in range(2)]
    assert sum(calls) == 16 and all(torch.equal(a, b) for a,
                                    b in zip(first, alone,
                                             strict=True)), "what is kept is what is computed"


def test_held_out_losses_come_in_the_order_of_the_pairs(start, clips, tmp_path):
    models = music.build(CONFIG, start)
    each = music.held_out_loss(models, clips, TEXTS,
                          replace(CONFIG, stored=False, chunk="random", dropped=1.0),
                          store=tmp_path)
    for row in (0, 5):
        codes = start.codec.encode(clips[row][None, None, :22_050])
        states, mask = start.text.states([TEXTS[row]])
        with torch.inference_mode():
            alone = steps.loss(models.network.eval(),
                               steps.collate(list(codes), [states[0][mask[0]]]))[0]
        assert each[row] == pytest.approx(alone.item(), abs=1e-4)
    other = music.held_out_loss(models, clips, [TEXTS[1], *TEXTS[1:]], CONFIG, store=tmp_path)
    assert other[0] != each[0] and np.allclose(other[1:], each[1:],
                                               atol=1e-5), (
        "another text moves its own pair's loss and no other")
    silent = music.held_out_loss(models, clips, TEXTS, CONFIG, store=tmp_path, silent=True)
    deaf = music.held_out_loss(models, clips, [TEXTS[0]] * 8, CONFIG, store=tmp_path, silent=True)
    assert np.allclose(silent, deaf, atol=1e-5) and not np.allclose(silent, each,
                                                                    atol=1e-5), (
        "who is told nothing cannot tell texts apart")


def test_a_text_of_two_lines_is_told_alike_stored_and_fresh(start, clips, tmp_path):
    texts = [f"{text}.\nSecond line" for text in TEXTS]
    kept, fresh = (music.make_batches(start, clips, texts, replace(CONFIG, stored=stored),
                                  store=tmp_path)(0) for stored in (True, False))
    assert torch.equal(kept.mask, fresh.mask) and torch.allclose(kept.states, fresh.states,
                                                                 atol=1e-5)


@given(st.integers(1, 30), st.floats(0, 1), st.integers(0, 999))
def test_words_are_left_out_and_never_changed(n, share, seed):
    words = [f"w{i}" for i in range(n)]
    left = music._drop_words("\n".join(words), share, np.random.default_rng(seed)).split("\n")
    left = left if left != [""] else []
    assert [w for w in words if w in left] == left and (share > 0 or left
                                                        == words) and (share < 1 or not left)


# --- one step -------------------------------------------------------------------------------------


def test_the_step_is_the_shared_step(start, batch):
    """Without faults and with one micro-batch it is the loss of lib.training.musicgen, clipped."""
    ours, theirs = (music.build(CONFIG, start) for _ in range(2))
    told = music.train_step(ours, batch, CONFIG, 3e-3)
    loss, _ = steps.loss(theirs.network, batch)
    assert math.isclose(told["loss"], loss.item(), rel_tol=1e-6)
    assert math.isclose(told["gradient"], loop.clipped_step(theirs.optimiser, loss, 1.0),
                        rel_tol=1e-5)
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-7)


def test_micro_batches_add_up_to_the_whole_batch(start, batch):
    whole = gradient(music.build(CONFIG, start), batch, CONFIG)
    in_parts = replace(CONFIG, accumulate=4)
    parts = gradient(music.build(in_parts, start), batch, in_parts)
    assert torch.allclose(whole, parts,
                          atol=1e-6 * float(whole.abs().max()) + 1e-7) and whole.norm() > 0.01


def test_a_step_moves_the_copy_and_leaves_the_start(start, batch):
    before = {n: p.clone() for n, p in start.network.named_parameters()}
    models = music.build(CONFIG, start)
    first = weights(models)
    music.train_step(models, batch, CONFIG, 0.0)
    assert torch.equal(weights(models), first), "at rate 0 nothing moves"
    music.train_step(models, batch, CONFIG, 1e-2)
    changed = {n.split(".")[0] for n, p in models.network.named_parameters()
               if not torch.equal(p, before[n])}
    assert changed == {"decoder", "enc_to_dec_proj"}
    assert all(torch.equal(p, before[n]) for n, p in start.network.named_parameters())


def test_one_batch_is_learned_by_heart(start, batch):
    models = music.build(CONFIG, start)
    models.network.train()
    first = music.train_step(models, batch, CONFIG, 1e-2)["loss"]
    for _ in range(120):
        last = music.train_step(models, batch, CONFIG, 1e-2)["loss"]
    assert first > 5 and last < 0.5


def test_a_loss_that_is_not_finite_leaves_the_weights(start, batch):
    models = music.build(CONFIG, start)
    first = weights(models)
    broken = steps.Batch(batch.codes, batch.lengths, batch.states.clone(), batch.mask)
    broken.states[0, 0, 0] = torch.nan
    with pytest.raises(KlangfarbeError, match="finite loss"):
        music.train_step(models, broken, CONFIG, 1e-2)
    assert torch.equal(weights(models), first)


# --- training -------------------------------------------------------------------------------------


def test_a_killed_training_ends_where_an_unbroken_one_does(tmp_path, clips, monkeypatch):
    start = random_start(tmp_path / "start", dropout=0.1)
    config = replace(CONFIG, epochs=3, dropped=0.3, accumulate=2, every=2)

    def run(checkpoint):
        models = music.build(config, start)
        return models, music.train(models, clips, TEXTS, config, checkpoint,
                                   store=tmp_path / "store")

    whole, curve = run(tmp_path / "whole.safetensors")
    own, calls = music.train_step, []

    def killed(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return own(*arguments, **named)

    monkeypatch.setattr(music, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed.safetensors")
    monkeypatch.setattr(music, "train_step", own)
    resumed, again = run(tmp_path / "killed.safetensors")
    assert curve == again and len(curve) == 6 and torch.equal(weights(whole), weights(resumed))


def test_a_checkpoint_of_other_clips_is_not_taken_up(start, clips, tmp_path):
    """M1's texts are five words: two splits may have the same ones in the same order."""
    models, path = music.build(CONFIG, start), tmp_path / "m1.safetensors"
    music.checkpoint(path, models, clips, TEXTS, CONFIG).save(1, [{"step": 1}])
    assert music.checkpoint(path, models, clips, TEXTS, CONFIG).load()["step"] == 1
    for other in (clips[::-1], Segments(["a.flac"]), Segments(["b.flac"])):
        saved = music.checkpoint(path, models, other, TEXTS, CONFIG)
        assert saved.load()["step"] == 0
        saved.save(1, [{"step": 1}])


@dataclass
class Segments(Sequence):
    """Clips that are read when asked for, as ``lib.systems.bridging.data.Clips``."""
    files: list

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        raise AssertionError("a key must not read the sounds")


def test_fine_tuning_learns_the_pairs_and_lora_does_with_few_weights(start, clips, tmp_path):
    config = replace(CONFIG, epochs=12, learning_rate=1e-2)
    before = music.held_out_loss(music.build(config, start), clips, TEXTS, config,
                                 store=tmp_path).mean()
    n_trained = {}
    for rank in (0, 4):
        tried = replace(config, lora=rank)
        models = music.build(tried, start)
        n_trained[rank] = sum(p.numel() for p in music.trainable_parameters(models.network))
        curve = music.train(models, clips, TEXTS, tried, store=tmp_path)
        after = music.held_out_loss(models, clips, TEXTS, tried, store=tmp_path).mean()
        assert after < before - (0.1 if rank
                                 else 0.5) and len(curve) == 24 and curve[0]["rate"] == 0
    assert n_trained[4] < n_trained[0] / 3


def test_generation_has_the_asked_length_and_is_repeatable(start):
    sounds = music.generate(start, TEXTS[:4], CONFIG, seed=5)
    assert sounds.shape == (4, 22_050) and sounds.dtype == np.float32 and np.isfinite(sounds).all()
    np.testing.assert_array_equal(sounds, music.generate(start, TEXTS[:4], CONFIG, seed=5))
    assert not np.array_equal(sounds, music.generate(start, TEXTS[:4], CONFIG, seed=6))
    assert music.generate(start, TEXTS[:1], CONFIG, seconds=0.4, guidance=1.0).shape == (1, 8820)


# --- what the released notebook does


@pytest.mark.parametrize("loss", [0.4, 1.6, 5.9])
def test_the_schedule_given_a_loss_stays_at_one_step_of_warm_up(loss):
    """The released call, made: torch's LambdaLR under transformers' cosine schedule takes the loss
    for the number of the step.
    """
    from transformers import get_cosine_schedule_with_warmup

    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], 1e-4)
    scheduler = get_cosine_schedule_with_warmup(optimiser, 100, 3000)
    for _ in range(5):
        optimiser.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(torch.tensor(loss))
    config = MusicGenConfig(faults=("schedule_by_loss",))
    rate = optimiser.param_groups[0]["lr"]
    assert rate == pytest.approx(1e-4 * loss
                                 / 100) and rate == pytest.approx(music.learning_rate(config, 5,
                                                                                      3000, loss))


def test_a_loss_of_1_6_is_1_6_per_cent():
    assert original_code.share_of_rate(1.6, 100, 3000) == pytest.approx(0.016)


@pytest.mark.parametrize(("warm_up", "total"), [(0, 10), (3, 20), (100, 150)])
def test_the_schedule_that_counts_is_transformers_own(warm_up, total):
    from transformers import get_cosine_schedule_with_warmup

    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.5)
    scheduler = get_cosine_schedule_with_warmup(optimiser, warm_up, total)
    config = MusicGenConfig(learning_rate=0.5, warm_up=warm_up)
    for step in range(total):
        assert math.isclose(optimiser.param_groups[0]["lr"],
                            music.learning_rate(config, step, total), rel_tol=1e-9, abs_tol=1e-12)
        optimiser.step()
        scheduler.step()


def test_the_loss_of_item_0_hears_nothing_else(start, batch):
    faulty = replace(CONFIG, faults=("first_item_loss",))
    mine = gradient(music.build(faulty, start), batch, faulty)
    others = steps.Batch(batch.codes.clone(), batch.lengths, batch.states.clone(), batch.mask)
    others.codes[1:], others.states[1:] = 7, 0.5
    assert torch.equal(mine, gradient(music.build(faulty, start), others, faulty))
    alone = steps.collate([batch.codes[0]], [batch.states[0][batch.mask[0].bool()]])
    assert torch.allclose(mine, gradient(music.build(CONFIG, start), alone, CONFIG),
                          atol=1e-6)
    assert not torch.allclose(mine, gradient(music.build(CONFIG, start), batch, CONFIG),
                              atol=1e-3)


def test_zeroed_gradients_keep_the_last_micro_batch_only(start, batch):
    faulty = replace(CONFIG, accumulate=4, faults=("zero_grad_each",))
    mine = gradient(music.build(faulty, start), batch, faulty)
    last = steps.collate([batch.codes[3]], [batch.states[3][batch.mask[3].bool()]])
    assert torch.allclose(mine, gradient(music.build(CONFIG, start), last, CONFIG) / 4,
                          atol=1e-6)
