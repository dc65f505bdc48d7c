"""MusicGen's parts: delay pattern, loss, dropout of conditions, stored tensors, LoRA, loading from
a folder, fast sampling.
"""

import contextlib
import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks import musicgen as bench
from hypothesis import given
from hypothesis import strategies as st

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models import musicgen_step
from lib.pretrained import musicgen as loader
from lib.training import loop
from lib.training import musicgen as training

K, V, D = 4, 16, 32
SAID = ["a slow calm piece for piano", "fast and loud drums", "a bright waltz"]


def musicgen(seed=0, text_width=16, **changes):
    """A random MusicGen, text encoder and codec included."""
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    torch.manual_seed(seed)
    text = T5Config(vocab_size=300, d_model=text_width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    codec = EncodecConfig(sampling_rate=800, audio_channels=1, num_filters=4, num_residual_layers=1,
                          upsampling_ratios=[4, 4, 2], codebook_size=V, hidden_size=16,
                          codebook_dim=16, num_lstm_layers=1, target_bandwidths=[0.4],
                          normalize=False, chunk_length_s=None, norm_type="weight_norm")
    settings = {"vocab_size": V, "hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4,
                "ffn_dim": 2 * D, "num_codebooks": K, "pad_token_id": V, "bos_token_id": V,
                "max_position_embeddings": 64, "dropout": 0.0, "layerdrop": 0.0}
    decoder = MusicgenDecoderConfig(**(settings | changes))
    model = MusicgenForConditionalGeneration(MusicgenConfig(text_encoder=text.to_dict(),
                                                            audio_encoder=codec.to_dict(),
                                                            decoder=decoder.to_dict())).eval()
    for name in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, name, V)
    for p in (*model.decoder.parameters(), *model.enc_to_dec_proj.parameters()):
        # far from the small weights of a fresh network, so that what goes wrong is seen
        p.data += 0.15 * torch.randn_like(p)
    return model


@pytest.fixture(scope="module")
def model():
    return musicgen()


@pytest.fixture(scope="module")
def items():
    """Three items of their own lengths: codes [K, S] and states [L, 16]."""
    g = torch.Generator().manual_seed(1)
    codes = [torch.randint(0, V, (K, s), generator=g) for s in (12, 7, 9)]
    return codes, [torch.randn(n, 16, generator=g) for n in (3, 5, 4)]


# --- the delay pattern

EXAMPLE = torch.arange(20).view(1, 4, 5)
P = 99
DELAYED = torch.tensor([[[P, 0, 1, 2, 3, 4, P, P, P], [P, P, 5, 6, 7, 8, 9, P, P],
                         [P, P, P, 10, 11, 12, 13, 14, P], [P, P, P, P, 15, 16, 17, 18, 19]]])


def test_the_example_of_four_by_five():
    assert torch.equal(training.delay(EXAMPLE, P),
                       DELAYED) and torch.equal(training.undelay(DELAYED), EXAMPLE)
    short = training.delay(EXAMPLE, P, torch.tensor([3]))
    assert torch.equal(short[0, 1], torch.tensor([P, P, 5, 6, 7, P, P, P, P]))
    assert torch.equal(short[..., :7],
                       training.delay(EXAMPLE[..., :3],
                                           P)), "a padded item begins as the item alone"


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 3), st.randoms(use_true_random=False))
def test_reverting_undoes_building(n_codebooks, n_steps, batch, random):
    codes = torch.tensor([random.randrange(7)
                          for _ in range(batch * n_codebooks * n_steps)]).view(batch, n_codebooks,
                                                                               n_steps)
    line = training.delay(codes, 7)
    assert line.shape == (batch, n_codebooks,
                          n_steps + n_codebooks) and torch.equal(training.undelay(line), codes)
    assert bool((line[..., 0] == 7).all()), "column 0 is the start"
    for k in range(n_codebooks):
        assert torch.equal(line[:, k, k + 1 : k + 1 + n_steps], codes[:, k])


def test_the_pattern_is_transformers_own(model):
    decoder = model.decoder
    first, mask = decoder.build_delay_pattern_mask(torch.full((K, 1), V), pad_token_id=V,
                                                   max_length=9 + K)
    is_code = training.delay(torch.zeros(1, K, 9, dtype=torch.long), V)[0] != V
    assert torch.equal(mask == -1, is_code) and torch.equal(first, torch.full((K, 1), V))


# --- the loss -------------------------------------------------------------------------------------


def test_uniform_logits_cost_ln_v():
    targets = training.delay(torch.randint(0, V, (2, K, 6)), V)[..., 1:]
    value, each = training.cross_entropy(torch.zeros(2, K, targets.shape[-1], V), targets, V)
    assert math.isclose(value.item(), math.log(V),
                        rel_tol=1e-6) and torch.allclose(each, torch.full((K,), math.log(V)))


def test_each_codebook_weighs_the_same_and_padding_nothing():
    targets = torch.full((1, 2, 4), V)
    targets[0, 0], targets[0, 1, :1] = 3, 3
    logits = torch.zeros(1, 2, 4, V)
    logits[0, 1, 0, 3] = 50.0                 # codebook 1 is sure of its one code
    logits[0, 1, 1:, :] = 1e6 * torch.randn(3, V)
    value, each = training.cross_entropy(logits, targets, V)
    assert torch.allclose(each, torch.tensor([math.log(V), 0.0]),
                          atol=1e-5) and math.isclose(value.item(), math.log(V) / 2, rel_tol=1e-5)


def test_a_padded_batch_costs_what_its_items_cost_alone(model, items):
    with torch.no_grad():
        whole, each = training.loss(model, training.collate(*items))
        alone = [training.loss(model, training.collate([c], [s]))[1] for c,
                 s in zip(*items, strict=True)]
    lengths = torch.tensor([c.shape[1] for c in items[0]]).float()
    # each real code weighs the same
    expected = (torch.stack(alone) * lengths[:, None]).sum(0) / lengths.sum()
    assert torch.allclose(each, expected,
                          atol=1e-5) and torch.isclose(whole, expected.mean(), atol=1e-5)


def test_the_loss_is_transformers_own(model, items):
    batch = training.collate([items[0][0]] * 2, [items[1][0]] * 2)
    line = training.delay(batch.codes, V)
    with torch.no_grad():
        given_states = training.condition(model, batch.states, batch.mask)
        theirs = model.decoder(line[..., :-1].flatten(0, 1), encoder_hidden_states=given_states,
                               encoder_attention_mask=batch.mask,
                               labels=line[..., 1:].transpose(1, 2)).loss
        assert torch.isclose(training.loss(model, batch)[0], theirs, atol=1e-5)


# --- conditions -----------------------------------------------------------------------------------


def test_conditions_are_dropped_at_the_asked_rate():
    states, mask = torch.ones(20_000, 2, 1), torch.ones(20_000, 2, dtype=torch.long)
    dropped, marks = training.drop_conditions(states, mask, 0.1, torch.Generator().manual_seed(0))
    gone = (marks.sum(1) == 0)
    assert abs(gone.float().mean().item() - 0.1) < 4 * math.sqrt(0.09 / 20_000)
    assert torch.equal(gone, dropped.sum((1, 2))
                       == 0) and bool((marks[~gone]
                                       == 1).all()), "a condition goes whole or stays whole"
    same = training.drop_conditions(states, mask, 0.0)
    assert same[0] is states and same[1] is mask
    assert not training.drop_conditions(states, mask, 1.0)[1].any()


def test_the_null_is_explicit_and_hears_nothing(model, items):
    batch = training.collate(*items)
    line = training.delay(batch.codes, V, batch.lengths)[..., :-1]
    states, mask = (torch.cat([part, 0 * part]) for part in (batch.states, batch.mask))
    assert torch.equal(states[3:],
                       torch.zeros_like(batch.states)) and not mask[3:].any() and torch.equal(
        mask[:3], batch.mask)
    with torch.no_grad():
        both = training.predict(model, torch.cat([line, line]), states, mask)
        other = training.predict(model, line, torch.randn_like(batch.states),
                                 torch.zeros_like(batch.mask))
    assert both.isfinite().all() and torch.allclose(both[3:], other,
                                                    atol=1e-5), (
        "with mask 0 neither state nor bias matters")
    assert (both[:3] - both[3:]).abs().max() > 0.1


# --- training -------------------------------------------------------------------------------------


def step(model, optimiser, batch):
    """One step on a batch: (its loss, the gradient's norm)."""
    value, _ = training.loss(model, batch)
    return value.item(), loop.clipped_step(optimiser, value, 1.0)


def test_one_step_changes_the_weights_and_many_learn_a_batch_by_heart(items):
    model = musicgen(2)
    model.text_encoder.requires_grad_(False)
    model.audio_encoder.requires_grad_(False)
    batch = training.collate(*items)
    before = {n: p.clone() for n, p in model.named_parameters()}
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=6e-3, weight_decay=0.0)
    model.train()
    first, norm = step(model, optimiser, batch)
    changed = {n.split(".")[0] for n, p in model.named_parameters()
               if not torch.equal(p, before[n])}
    assert changed == {"decoder", "enc_to_dec_proj"} and norm > 0
    for _ in range(150):
        last, _ = step(model, optimiser, batch)
    assert first > 2.5 and last < 0.05


def test_a_step_at_nan_leaves_the_weights(items):
    model = musicgen(2)
    batch = training.collate(*items)
    batch.states[0, 0, 0] = torch.nan
    optimiser = torch.optim.SGD(model.decoder.parameters(), lr=1.0)
    before = model.decoder.lm_heads[0].weight.clone()
    with pytest.raises(KlangfarbeError, match="finite loss"):
        step(model, optimiser, batch)
    assert torch.equal(model.decoder.lm_heads[0].weight, before)


@pytest.mark.parametrize("whole", [True, False])
def test_lora_trains_its_own_weights_only_and_merges(items, whole):
    network = musicgen(3) if whole else musicgen(3).decoder
    codes, states = items
    batch = training.collate(codes, states if whole else [torch.randn(len(s), D) for s in states])
    with torch.no_grad():
        plain = training.predict(network, training.delay(batch.codes, V)[..., :-1],
                                 batch.states, batch.mask)
    wrapped = training.lora(network, rank=4)
    names = [n for n, p in wrapped.named_parameters() if p.requires_grad]
    assert names and all("lora_" in n for n in names) and not any("text_encoder" in n
                                                                  or "audio_encoder" in n
                                                                  for n in names)
    assert len(names) == 2 * 2 * 10, "two matrices for each of ten projections in two layers"
    frozen = {n: p.clone() for n, p in wrapped.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=1e-2)
    losses = [step(wrapped, optimiser, batch)[0] for _ in range(8)]
    assert losses[-1] < losses[0] and all(torch.equal(p, frozen[n]) for n,
                                          p in wrapped.named_parameters() if n in frozen)
    with torch.no_grad():
        line = training.delay(batch.codes, V)[..., :-1]
        apart = training.predict(wrapped, line, batch.states, batch.mask)
        one = wrapped.merge_and_unload()
        assert type(one) is type(network) and (apart - plain).abs().max() > 0.01
        assert torch.allclose(training.predict(one, line, batch.states, batch.mask), apart,
                              atol=1e-5)


# --- the store ------------------------------------------------------------------------------------


def test_what_is_read_is_what_was_computed_and_is_computed_once(tmp_path):
    calls = []

    def encode(texts):
        calls.append(list(texts))
        lengths = torch.tensor([len(t.split()) for t in texts])
        states = torch.stack([torch.full((9, 2), float(len(t))) for t in texts])
        return states, (torch.arange(9) < lengths[:, None]).long()

    texts = [*SAID, SAID[0]]
    first = loader.text_states(tmp_path, texts, encode, "a" * 64,
                                       batch=2)
    assert [len(s) for s in first] == [6, 4, 3, 6] and first[1][0,
                                                                0] == len(SAID[1]) and calls == [
        SAID[:2], SAID[2:]]
    again = loader.text_states(tmp_path, texts, encode, "a" * 64)
    assert len(calls) == 2 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    loader.text_states(tmp_path, texts[:1], encode, "b" * 64)
    assert calls[2:] == [SAID[:1]], "another network's states are others"


def test_a_damaged_file_is_made_again_and_what_is_not_finite_is_not_stored(tmp_path):
    made = [torch.zeros(2), torch.ones(3)]
    for _ in range(2):
        kept = loader.stored(tmp_path, ["a", "b"], "n", lambda: made)
        assert all(torch.equal(one, other) for one, other in zip(kept, made, strict=True))
        path, = tmp_path.iterdir()
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(KlangfarbeError, match="finite tensors"):
        loader.stored(tmp_path, ["c"], "n", lambda: [torch.tensor([torch.nan])])
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_stored_is_known_by_content_network_and_kind(tmp_path):
    sound = np.zeros(4, np.float32)
    given = [([sound], "n"), ([sound], "m"), ([sound[:3]], "n"), ([sound + 1e-7], "n"),
             ([sound.astype(np.float64)], "n"), ([sound[:2], sound[2:]], "n"), (["", "a"], "n"),
             (["a", ""], "n"), (["n"], "")]
    for contents, network in given:
        loader.stored(tmp_path, contents, network,
                              lambda contents=contents: [torch.zeros(1) for _ in contents])
    assert len(list(tmp_path.iterdir())) == len(given)


# --- fast sampling --------------------------------------------------------------------------------


def plain_generate(model, states, mask, n_steps, guidance, **settings):
    """Codes [B, K, S] of transformers' own generate from stored states."""
    from transformers.modeling_outputs import BaseModelOutput

    kept = []
    own = model.audio_encoder.decode
    model.audio_encoder.decode = lambda codes, **_: kept.append(codes[0]) or SimpleNamespace(
        audio_values=codes)
    states, marks = (torch.cat([part, 0 * part]) if guidance > 1 else part
                     for part in (states, mask))
    try:
        model.generate(input_ids=torch.zeros(len(mask), 1, dtype=torch.long),
                       encoder_outputs=BaseModelOutput(states), attention_mask=marks,
                       guidance_scale=guidance, max_length=n_steps + K, **settings)
    finally:
        model.audio_encoder.decode = own
    return kept[0]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("n_tokens", [5, 60])
@pytest.mark.parametrize("padded", [False, True])
def test_greedy_tokens_are_those_of_the_plain_generate(model, guidance, n_tokens, padded):
    g = torch.Generator().manual_seed(5)
    states, mask = torch.randn(3, n_tokens, 16,
                               generator=g), torch.ones(3, n_tokens, dtype=torch.long)
    if padded:
        mask[1, 2:] = 0
    with torch.no_grad():
        theirs = plain_generate(model, states, mask, 20, guidance, do_sample=False)
        given_states = training.condition(model, states, mask)
    ours = loader.sample(model.decoder, given_states, mask, 20, guidance=guidance,
                                    top_k=1)
    assert torch.equal(ours, theirs) and ours.shape == (3, K, 20) and len(ours.unique()) > 5


@pytest.mark.parametrize(("packed", "compiled"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("n_tokens", [5, 60])
def test_every_form_of_the_step_gives_the_logits_of_the_whole_network(model, packed, compiled,
                                                                      fixed, n_tokens, monkeypatch):
    """`fixed` is what is compiled or captured on a GPU: no shape depends on the position. What
    torch.compile is given is run as it is.
    """
    monkeypatch.setattr(torch, "compile", lambda block, **_: block)
    torch.manual_seed(0)
    states, mask = torch.randn(2, n_tokens, D), torch.ones(2, n_tokens, dtype=torch.long)
    mask[0, 3:] = 0
    states = states * mask[..., None]
    line = training.delay(torch.randint(0, V, (2, K, 10)), V)
    with torch.no_grad():
        asked = training.predict(model.decoder, line[..., :-1], states, mask)
        null = training.predict(model.decoder, line[..., :-1], 0 * states, 0 * mask)
        with bench.compiled() if compiled else contextlib.nullcontext():
            step = musicgen_step.StaticDecoder(model.decoder, 2, line.shape[-1] - 1, 3.0,
                                               packed=packed)
            step.condition(states, mask)
            made = [step.step(line[..., i], torch.tensor([i]), None if fixed else i + 1)
                    for i in range(line.shape[-1] - 1)]
    assert ("ask" in step.crosses[0]) is (n_tokens == 5)
    assert torch.allclose(torch.stack(made, 2), null + 3 * (asked - null), atol=1e-4)


def test_draws_follow_the_softmax_cut_to_its_largest():
    from scipy import stats

    logits = torch.tensor([1.5, -0.3, 0.8, 0.0, -2.0, 1.1])
    noise = musicgen_step.exponential_noise((40_000, 4), torch.Generator().manual_seed(0))
    drawn = musicgen_step.sample_token(logits.expand(40_000, -1), 0.7, noise)
    counts = np.bincount(drawn.numpy(), minlength=6)
    kept = [0, 2, 3, 5]
    share = torch.softmax(logits[kept] / 0.7, 0).double().numpy()
    assert counts[[1, 4]].sum() == 0 and stats.chisquare(counts[kept],
                                                         40_000 * share
                                                         / share.sum()).pvalue > 0.001
    wrong = torch.softmax(logits[kept], 0).double().numpy()
    assert stats.chisquare(counts[kept],
                           40_000 * wrong
                           / wrong.sum()).pvalue < 1e-6, "the test can tell another temperature"


def test_sampled_first_tokens_follow_the_networks_own_softmax(model):
    from scipy import stats

    torch.manual_seed(0)
    states, mask = torch.randn(1, 3, D).expand(4000, -1, -1), torch.ones(4000, 3, dtype=torch.long)
    drawn = loader.sample(model.decoder, states, mask, 1, guidance=2.0, top_k=6,
                                     temperature=1.5)
    assert drawn.shape == (4000, K, 1)
    with torch.no_grad():
        start = torch.full((1, K, 1), V)
        asked = training.predict(model.decoder, start, states[:1], mask[:1])
        null = training.predict(model.decoder, start, 0 * states[:1], 0 * mask[:1])
    best, which = (null + 2 * (asked - null))[0, 0, 0].topk(6)
    share = torch.softmax(best.double() / 1.5, 0).numpy()
    counts = np.bincount(drawn[:, 0, 0].numpy(), minlength=V)
    assert counts.sum() == counts[which.numpy()].sum()
    assert stats.chisquare(counts[which.numpy()], 4000 * share / share.sum()).pvalue > 0.001


def test_a_seed_repeats_and_another_differs(model):
    states, mask = (torch.randn(2, 3, D, generator=torch.Generator().manual_seed(0)),
                    torch.ones(2, 3, dtype=torch.long))
    one, same, other = (loader.sample(model.decoder, states, mask, 12, seed=s)
                        for s in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other) and int(one.max()) < V
    everything = loader.sample(model.decoder, states, mask, 12, seed=1, top_k=0)
    assert torch.equal(everything, one), "top-k 250 of 16 cuts nothing"


def test_an_item_of_a_batch_is_what_it_is_alone(model):
    states, mask = (torch.randn(3, 3, D, generator=torch.Generator().manual_seed(0)),
                    torch.ones(3, 3, dtype=torch.long))
    together = loader.sample(model.decoder, states, mask, 12, seed=5)
    alone = [loader.sample(model.decoder, states[[k]], mask[[k]], 12, seed=5 + k)[0]
             for k in range(3)]
    assert torch.equal(together, torch.stack(alone))
    own = loader.sample(model.decoder, states.flip(0), mask, 12, seed=[7, 6, 5])
    assert torch.equal(own.flip(0), together), "each by its own seed, wherever it stands"
    assert not torch.equal(together[1],
                           loader.sample(model.decoder, states[[1]], mask[[1]], 12, seed=5)[0])


def test_what_is_begun_stays_and_goes_on_as_it_would_have(model):
    states, mask = (torch.randn(2, 3, D, generator=torch.Generator().manual_seed(0)),
                    torch.ones(2, 3, dtype=torch.long))
    whole = loader.sample(model.decoder, states, mask, 12, top_k=1)
    for n in (1, 5, 11):
        again = loader.sample(model.decoder, states, mask, 12, top_k=1, begun=whole[..., :n])
        assert torch.equal(again, whole), "the likeliest codes do not depend on the noise"
    other = (whole[..., :5] + 1) % V
    onwards = loader.sample(model.decoder, states, mask, 12, top_k=1, begun=other)
    assert torch.equal(onwards[..., :5], other) and not torch.equal(onwards, whole)


def test_beyond_its_window_music_goes_on_from_the_end_of_the_one_before(folder, monkeypatch):
    music, asked = pretrained.load("musicgen", folder, device="cpu"), []
    sample = loader.sample
    def listen(*given, **settings):
        codes = sample(*given, **settings)
        asked.append((given[3], settings["seed"], settings.get("begun"), codes))
        return codes
    monkeypatch.setattr(loader, "sample", listen)
    music.window_s = 0.4  # 10 steps, of which the next window hears 4 again
    sounds = music.generate(SAID, 1.0, seed=3)
    assert sounds.shape == (3, 800)
    assert [n for n, *_ in asked] == [10, 10, 10, 7], "10 + 6 + 6 + 3 new ones: 25 steps"
    assert len({seed for _, seeds, *_ in asked for seed in seeds}) == 4 * 3
    for (*_, before), (*_, begun, codes) in zip(asked, asked[1:], strict=False):
        assert torch.equal(begun, before[..., -4:]) and torch.equal(codes[..., :4], begun)
    alone = music.generate(SAID[1:2], 1.0, seed=4)[0]
    assert np.allclose(alone, sounds[1], atol=1e-5), "and each item is what it is alone"
    short = music.generate(SAID, 0.4, seed=3)
    music.window_s = 30.0
    assert np.array_equal(short, music.generate(SAID, 0.4, seed=3))


def test_the_walk_with_fixed_shapes_is_the_same_walk(model, monkeypatch):
    """What a GPU captures and torch.compile compiles: no step knows its number but from a
    tensor.
    """
    states, mask = (torch.randn(2, 3, D, generator=torch.Generator().manual_seed(0)),
                    torch.ones(2, 3, dtype=torch.long))
    eager = loader.sample(model.decoder, states, mask, 12, seed=1)
    monkeypatch.setattr(loader, "_run", lambda advance, at, n_times,
                        step: [advance() for _ in range(n_times)][-1])
    assert torch.equal(eager, loader.sample(model.decoder, states, mask, 12, seed=1))


@pytest.mark.parametrize(
    ("change", "match"),
    [({"states": torch.zeros(2, 3, D + 1)}, "project"), ({"mask": torch.ones(2, 4)}, "project"),
     ({"n_steps": 0}, "n_steps"), ({"temperature": 0.0}, "temperature"), ({"top_k": -1}, "top_k"),
     ({"states": torch.full((2, 3, D), torch.inf)}, "finite logits")],
)
def test_what_cannot_be_sampled_is_refused(model, change, match):
    settings = {"states": torch.zeros(2, 3, D), "mask": torch.ones(2, 3, dtype=torch.long),
                "n_steps": 4} | change
    with pytest.raises(KlangfarbeError, match=match):
        loader.sample(model.decoder, **settings)


def test_half_precision_samples_nearly_the_same():
    states, mask = (torch.randn(4, 3, D, generator=torch.Generator().manual_seed(0)),
                    torch.ones(4, 3, dtype=torch.long))
    whole, half = (loader.sample(musicgen(6).decoder.to(t), states, mask, 6,
                                            guidance=1.5, top_k=1)
                   for t in (torch.float32, torch.bfloat16))
    assert (whole[..., 0] == half[..., 0]).float().mean() > 0.6, "before differences add up"


def test_nan_in_the_weights_is_told():
    decoder = musicgen(4).decoder
    decoder.model.decoder.layers[1].fc1.weight.data[0, 0] = torch.nan
    with pytest.raises(KlangfarbeError, match="finite logits"):
        loader.sample(decoder, torch.randn(1, 2, D), torch.ones(1, 2, dtype=torch.long),
                                 3)


# --- loading --------------------------------------------------------------------------------------


def words():
    """A word-level tokenizer in T5's manner: padding to the right, an end mark."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = ["<pad>", "</s>", "<unk>", *sorted({w for text in SAID for w in text.split()})]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>",
                                                        special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>",
                                   unk_token="<unk>", model_max_length=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """The random MusicGen in the hub's layout."""
    path = tmp_path_factory.mktemp("musicgen")
    model.save_pretrained(path)
    words().save_pretrained(path)
    return path


@pytest.fixture
def spoiled(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_folder_in_hub_layout_makes_music(folder, model):
    music = pretrained.load("musicgen", folder, device="cpu")
    assert (music.sample_rate_hz, music.frame_rate_hz, music.width, music.text_width,
            music.n_codebooks) == (800, 25, D, 16, K)
    assert len(music.sha256) == 64 and music.licence == "unknown"
    states, mask = music.states(SAID)
    assert states.shape == (3, 7, 16) and mask.sum(1).tolist() == [7, 5, 4]
    sounds = music.generate(SAID, 1.0, top_k=1)
    assert sounds.shape == (3,
                            800) and sounds.dtype == np.float32 and np.isfinite(
        sounds).all() and sounds.std() > 0
    with torch.no_grad():
        tokens = words()(SAID, padding=True, return_tensors="pt", return_token_type_ids=False)
        theirs = model.generate(**tokens, guidance_scale=3.0, do_sample=False, max_length=25 + K)
    assert np.allclose(sounds, theirs[:, 0].numpy(),
                       atol=1e-5), "transformers' own generate, from text to sound"
    again = music.generate_from(music.condition(states, mask), mask, 1.0, top_k=1)
    assert np.array_equal(sounds, again)


def test_the_checkpoints_of_the_hub_keep_older_names_of_weights(folder, spoiled):
    from safetensors.torch import load_file, save_file

    old = {n.replace("parametrizations.weight.original0",
                     "weight_g").replace("parametrizations.weight.original1", "weight_v"): t for n,
           t in load_file(folder / "model.safetensors").items()}
    assert any("weight_g" in n for n in old)
    save_file(old, spoiled / "model.safetensors", metadata={"format": "pt"})
    one, other = (pretrained.load("musicgen", f, device="cpu").generate(SAID[:1], 0.5, seed=1)
                  for f in (folder, spoiled))
    assert np.array_equal(one, other)


def test_stored_tensors_are_what_is_computed_anew(folder, tmp_path):
    music = pretrained.load("musicgen", folder, device="cpu")
    states = loader.text_states(tmp_path, SAID, music.states, music.sha256)
    for text, stored in zip(SAID, states, strict=True):
        assert torch.allclose(stored, music.states([text])[0][0], atol=1e-5), "in a batch or alone"
    sounds = [np.sin(np.arange(n) / 5).astype(np.float32) for n in (800, 500)]
    codes = loader.sound_codes(tmp_path, sounds, music.codec.encode, music.sha256)
    assert [tuple(c.shape) for c in codes] == [(K, 25), (K, 16)]
    assert codes[0].dtype == torch.int16
    assert torch.equal(codes[1].long(), music.codec.encode(sounds[1][None, None])[0])
    batch = training.collate(codes, states[:2])
    optimiser = torch.optim.AdamW(music.network.decoder.parameters(), lr=1e-3)
    assert np.isfinite(step(music.network, optimiser, batch)[0])


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json",
                                  "tokenizer_config.json"])
def test_a_folder_that_lacks_a_file_is_told_which(spoiled, file):
    (spoiled / file).unlink()
    with pytest.raises(KlangfarbeError, match=f"all but {file}"):
        pretrained.load("musicgen", spoiled, device="cpu")


def test_a_lacking_weight_and_a_stereo_decoder_are_refused(spoiled):
    from safetensors.torch import load_file, save_file

    tensors = load_file(spoiled / "model.safetensors")
    kept = tensors.pop("enc_to_dec_proj.weight")
    save_file(tensors, spoiled / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(KlangfarbeError,
                       match="1 missing or of another shape: enc_to_dec_proj.weight"):
        pretrained.load("musicgen", spoiled, device="cpu")
    save_file(tensors | {"enc_to_dec_proj.weight": kept}, spoiled / "model.safetensors",
              metadata={"format": "pt"})
    config = json.loads((spoiled / "config.json").read_text())
    config["decoder"]["audio_channels"] = 2
    (spoiled / "config.json").write_text(json.dumps(config))
    with pytest.raises(KlangfarbeError, match="mono"):
        pretrained.load("musicgen", spoiled, device="cpu")


def test_a_hub_name_out_of_reach_says_what_to_fetch(monkeypatch, tmp_path):
    import huggingface_hub

    def absent(*args, **kwargs):
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", absent)
    with pytest.raises(KlangfarbeError, match="fetch config.json, model.safetensors, "
                       "tokenizer.json, tokenizer_config.json of facebook/m"):
        pretrained.load("musicgen", "facebook/musicgen-small")


def test_a_duration_out_of_reach_is_refused(folder):
    music = pretrained.load("musicgen", folder, device="cpu")
    for seconds in (0, -1, math.inf, math.nan):
        with pytest.raises(KlangfarbeError, match="duration"):
            music.generate(SAID, seconds)


def test_the_bundled_layout_names_its_parts_and_refuses_others(folder, tmp_path, monkeypatch):
    music = pretrained.load("musicgen", folder, device="cpu")
    music.text.sha256, music.codec.sha256 = "a" * 64, "b" * 64
    for name, content in loader.contents(music.network, music.text, music.codec).items():
        artefacts.write(tmp_path / "small" / name, content)
    real = pretrained.load
    monkeypatch.setattr(pretrained, "load", lambda part, *a,
                        **k: getattr(music, {"text_encoder": "text"}.get(part, part)))
    again = real("musicgen", tmp_path / "small", device="cpu")
    assert np.array_equal(again.generate(SAID, 0.4, seed=2), music.generate(SAID, 0.4, seed=2))
    music.codec.sha256 = "c" * 64
    with pytest.raises(KlangfarbeError, match="the codec it was trained with"):
        real("musicgen", tmp_path / "small", device="cpu")
