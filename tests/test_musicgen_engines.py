"""audiocraft and transformers on the same weights: logits, loss, codes, greedy tokens. Imported
once: it takes 13 s and 1.1 GB.
"""

import sys
from importlib.util import find_spec

import pytest
import torch

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern
from lib.pretrained import musicgen_audiocraft as second
from lib.pretrained import musicgen_sampling
from lib.training import musicgen

LACKING = [name for name in ("xformers", "audiocraft") if find_spec(name) is None]
needs_audiocraft = pytest.mark.skipif(bool(LACKING),
                                      reason=f"the second engine needs {' and '.join(LACKING)}")
K, V, D = 4, 48, 64


def decoder(seed=0, **changes):
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    torch.manual_seed(seed)
    settings = {"vocab_size": V, "hidden_size": D, "num_hidden_layers": 2, "num_attention_heads": 4,
                "ffn_dim": 4 * D, "num_codebooks": K, "pad_token_id": V, "bos_token_id": V,
                "max_position_embeddings": 128, "dropout": 0.0, "layerdrop": 0.0}
    network = MusicgenForCausalLM(MusicgenDecoderConfig(**(settings | changes))).eval()
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return network


@pytest.fixture(scope="module")
def pair():
    network = decoder()
    return network, second.from_transformers(network)


@pytest.fixture(scope="module")
def stored():
    """Codes [3, K, 20] of three lengths, states [3, 5, D], a full mask."""
    torch.manual_seed(1)
    return musicgen.Batch(torch.randint(0, V, (3, K, 20)), torch.tensor([20, 20, 20]),
                          torch.randn(3, 5, D), torch.ones(3, 5, dtype=torch.long))


@needs_audiocraft
def test_the_same_weights_give_the_same_logits(pair, stored):
    network, model = pair
    line = delay_pattern.build(stored.codes, V)[..., :-1]
    with torch.no_grad():
        ours = musicgen.predict(network, line, stored.states, stored.mask)
        theirs = second.predict(model, line, stored.states, stored.mask)
        assert ours.std() > 0.5 and (ours - theirs).abs().max() <= 1e-5
        none = torch.zeros_like(stored.mask)
        ours, theirs = (p(m, line, 0 * stored.states, none) for p,
                        m in ((musicgen.predict, network), (second.predict, model)))
        assert (ours - theirs).abs().max() <= 1e-5, "the null condition"


@needs_audiocraft
def test_a_planted_fault_in_one_weight_is_seen(pair, stored):
    network, model = pair
    line = delay_pattern.build(stored.codes, V)[..., :-1]
    weight = model.transformer.layers[1].self_attn.in_proj_weight
    kept = weight.data.clone()
    weight.data[:D], weight.data[D : 2 * D] = kept[D : 2 * D], kept[:D]  # q and k change places
    weight.data[2 * D :] *= 1.01
    with torch.no_grad():
        apart = (musicgen.predict(network, line, stored.states, stored.mask) -
                 second.predict(model, line, stored.states, stored.mask)).abs().max()
    weight.data.copy_(kept)
    assert apart > 1e-3


@needs_audiocraft
def test_padded_conditions_differ_as_the_module_says(pair, stored):
    network, model = pair
    mask = stored.mask.clone()
    mask[1, 3:] = 0
    line = delay_pattern.build(stored.codes, V)[..., :-1]
    with torch.no_grad():
        ours = musicgen.predict(network, line, stored.states, mask)
        theirs = second.predict(model, line, stored.states, mask)
    apart = (ours - theirs).abs().amax((1, 2, 3))
    assert apart[0] <= 1e-5 and apart[2] <= 1e-5 and apart[1] > 1e-3


@needs_audiocraft
def test_the_same_loss_and_the_same_gradient(pair, stored):
    network, model = pair
    ours, per_codebook = musicgen.loss(network, stored)
    theirs, their_codebooks = musicgen.loss(model, stored, second.predict)
    assert abs(ours.item() - theirs.item()) <= 1e-5 and torch.allclose(per_codebook,
                                                                       their_codebooks, atol=1e-5)
    out = model.compute_predictions(stored.codes, [],
                                    {second.CONDITION: (stored.states, stored.mask)},
                                    keep_only_valid_steps=False)
    # equal lengths: one mean for all
    own = torch.nn.functional.cross_entropy(out.logits.flatten(0, 2), stored.codes.flatten())
    assert abs(own.item() - ours.item()) <= 1e-5, "audiocraft's own alignment of logits and codes"
    ours.backward()
    theirs.backward()
    assert torch.allclose(network.lm_heads[2].weight.grad, model.linears[2].weight.grad, atol=1e-5)
    network.zero_grad()
    model.zero_grad()


@needs_audiocraft
def test_a_step_of_training_in_either_engine_leads_to_the_same_weights(stored):
    network = decoder(3)
    model = second.from_transformers(network).train()
    back = decoder(4)
    for one, predict in ((network, musicgen.predict), (model, second.predict)):
        optimiser = torch.optim.SGD(one.parameters(), lr=0.1)
        musicgen.train_step(one, optimiser, stored, dropped=0.0, predict=predict)
    second.to_transformers(model, back)
    for (name, a), b in zip(network.state_dict().items(), back.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name
    assert not torch.allclose(network.lm_heads[0].weight, decoder(3).lm_heads[0].weight, atol=1e-4)


@needs_audiocraft
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_same_greedy_tokens(pair, stored, guidance):
    network, model = pair
    ours = musicgen_sampling.sample(network, stored.states, stored.mask, 16, guidance=guidance,
                                    top_k=1)
    theirs = second.sample(model, stored.states, stored.mask, 16, guidance=guidance, top_k=1)
    assert torch.equal(ours, theirs) and len(ours.unique()) > 5
    drawn = second.sample(model, stored.states, stored.mask, 16, guidance=guidance, seed=3)
    assert drawn.shape == (3, K, 16) and int(drawn.min()) >= 0 and int(drawn.max()) < V
    assert torch.equal(drawn, second.sample(model, stored.states, stored.mask, 16,
                                            guidance=guidance, seed=3))


@needs_audiocraft
def test_the_delay_pattern_is_audiocrafts(pair, stored):
    _, model = pair
    line, _, mask = model.pattern_provider.get_pattern(20).build_pattern_sequence(stored.codes, V)
    assert torch.equal(line, delay_pattern.build(stored.codes,
                                                 V)) and torch.equal(mask,
                                                                     delay_pattern.is_code(K, 20))


@needs_audiocraft
@pytest.mark.parametrize(("causal", "shortcut"), [(False, False), (True, True)])
def test_the_same_codec_codes_and_sound(causal, shortcut):
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    network = EncodecModel(EncodecConfig(sampling_rate=32_000, audio_channels=1, num_filters=8,
                                         num_residual_layers=1, upsampling_ratios=[8, 5, 4, 4],
                                         codebook_size=64, hidden_size=32, codebook_dim=32,
                                         num_lstm_layers=2, target_bandwidths=[1.2],
                                         normalize=False, chunk_length_s=None,
                                         norm_type="weight_norm", use_causal_conv=causal,
                                         use_conv_shortcut=shortcut)).eval()
    sound = 0.3 * torch.randn(2, 1, 32_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latent = network.encoder(sound)
    # vectors where the network's answers lie, so that many are used
    for i, layer in enumerate(network.quantizer.layers):
        layer.codebook.embed.normal_().mul_(latent.std(2).mean()).add_(latent.mean((0, 2)) if i == 0
                                                                       else 0)
    model = second.codec_from_transformers(network)
    with torch.no_grad():
        ours, theirs = network.encode(sound).audio_codes[0], model.encode(sound)[0]
        assert torch.equal(ours, theirs) and len(ours.unique()) > 10
        assert torch.allclose(network.decode(ours[None], [None]).audio_values, model.decode(theirs),
                              atol=1e-5)


@needs_audiocraft
def test_decoders_of_two_shapes_are_refused(pair):
    with pytest.raises(KlangfarbeError, match="two decoders of one shape"):
        second.to_transformers(pair[1], decoder(num_hidden_layers=1))
    with pytest.raises(KlangfarbeError, match="two decoders of one shape"):
        second.to_transformers(pair[1], decoder(hidden_size=32))


def test_without_audiocraft_the_error_says_so(monkeypatch):
    monkeypatch.setattr(second, "find_spec", lambda name: None)
    with pytest.raises(KlangfarbeError,
                       match="no xformers and no audiocraft; use the transformers engine"):
        second.engine()


def test_the_module_itself_imports_nothing_of_audiocraft():
    import subprocess

    code = "import sys, lib.pretrained.musicgen_audiocraft; print('audiocraft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
