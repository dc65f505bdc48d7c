"""audiocraft and transformers on the same weights: logits, loss, codes, greedy tokens. Importing
audiocraft takes 13 s and 1.1 GB, and it needs xformers, which exists for Linux only.

Two differences remain by design: with a padded condition audiocraft sets what is padded to zero and
still attends to it, transformers masks it; and audiocraft's own loss leaves the last K − 1 columns
of the delayed line out. Nothing is read from audiocraft's pickled files.
"""

import re
import warnings
from importlib.util import find_spec

import pytest
import torch

from lib.pretrained import musicgen as loader
from lib.training import loop, musicgen

LACKING = [name for name in ("xformers", "audiocraft") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(LACKING),
                                reason=f"the second engine needs {' and '.join(LACKING)}")
K, V, D = 4, 48, 64
CONDITION = "given"  # the name of the one condition
# audiocraft → transformers; in this order
NAMES = ((r"^emb\.", "model.decoder.embed_tokens."), (r"^transformer\.", "model.decoder."),
         (r"^out_norm\.", "model.decoder.layer_norm."), (r"^linears\.", "lm_heads."),
         (r"\.cross_attention\.", ".encoder_attn."), (r"\.linear(\d)\.", r".fc\1."),
         (r"\.norm1\.", ".self_attn_layer_norm."),
         (r"\.norm_cross\.", ".encoder_attn_layer_norm."), (r"\.norm2\.", ".final_layer_norm."))
CODEC_NAMES = ((".model.", ".layers."), ("conv.conv.", "conv."), ("convtr.convtr.", "conv."),
               ("quantizer.vq.", "quantizer."), ("_codebook", "codebook"),
               ("weight_g", "parametrizations.weight.original0"),
               ("weight_v", "parametrizations.weight.original1"))


@pytest.fixture(scope="module")
def audiocraft():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import audiocraft
        import audiocraft.models.encodec
        import audiocraft.models.lm
        import audiocraft.modules.codebooks_patterns
        import audiocraft.modules.conditioners
        import audiocraft.modules.seanet
        import audiocraft.modules.transformer
        import audiocraft.quantization.vq

        audiocraft.modules.transformer.set_efficient_attention_backend("torch")
    return audiocraft


def decoder(seed=0):
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    torch.manual_seed(seed)
    network = MusicgenForCausalLM(MusicgenDecoderConfig(
        vocab_size=V, hidden_size=D, num_hidden_layers=2, num_attention_heads=4, ffn_dim=4 * D,
        num_codebooks=K, pad_token_id=V, bos_token_id=V, max_position_embeddings=128, dropout=0.0,
        layerdrop=0.0)).eval()
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return network


def weights_of(name):
    """transformers' names of a weight of audiocraft's LMModel: one, or query, key and value."""
    for pattern, new in NAMES:
        name = re.sub(pattern, new, name)
    return [name.replace("in_proj_weight", f"{part}_proj.weight") for part in "qkv"] \
        if name.endswith("in_proj_weight") else [name]


def in_audiocraft(audiocraft, network):
    """audiocraft's LMModel with the weights of a MusicgenForCausalLM."""
    config, modules = network.config, audiocraft.modules
    fuser = modules.conditioners.ConditionFuser({"cross": [CONDITION], "sum": [], "prepend": [],
                                                 "input_interpolate": []})
    model = audiocraft.models.lm.LMModel(
        modules.codebooks_patterns.DelayedPatternProvider(K, delays=list(range(K))),
        modules.conditioners.ConditioningProvider({}), fuser, n_q=K, card=V, dim=D,
        num_heads=config.num_attention_heads, hidden_scale=config.ffn_dim / D, norm="layer_norm",
        norm_first=True, bias_proj=False, num_layers=config.num_hidden_layers, causal=True,
        custom=False, memory_efficient=True, cross_attention=True, bias_ff=False, bias_attn=False,
        activation=config.activation_function, dropout=0.0, positional_embedding="sin")
    theirs = network.state_dict()
    model.load_state_dict({name: torch.cat([theirs[part] for part in weights_of(name)])
                           for name in model.state_dict()})
    return model.eval()


def predict(model, tokens, states, mask):
    """Logits [B, K, L, V]: the engine that lib.training.musicgen.train_step takes as `predict`."""
    return model(tokens, [], {CONDITION: (states * mask[..., None], mask)})


@pytest.fixture(scope="module")
def pair(audiocraft):
    network = decoder()
    return network, in_audiocraft(audiocraft, network)


@pytest.fixture(scope="module")
def stored():
    """Codes [3, K, 20] of three lengths, states [3, 5, D], a full mask."""
    torch.manual_seed(1)
    return musicgen.Batch(torch.randint(0, V, (3, K, 20)), torch.tensor([20, 20, 20]),
                          torch.randn(3, 5, D), torch.ones(3, 5, dtype=torch.long))


def test_the_same_weights_give_the_same_logits(pair, stored):
    network, model = pair
    line = musicgen.delay(stored.codes, V)[..., :-1]
    with torch.no_grad():
        ours = musicgen.predict(network, line, stored.states, stored.mask)
        theirs = predict(model, line, stored.states, stored.mask)
        assert ours.std() > 0.5 and (ours - theirs).abs().max() <= 1e-5
        none = torch.zeros_like(stored.mask)
        ours, theirs = (p(m, line, 0 * stored.states, none) for p, m in
                        ((musicgen.predict, network), (predict, model)))
        assert (ours - theirs).abs().max() <= 1e-5, "the null condition"


def test_a_planted_fault_in_one_weight_is_seen(pair, stored):
    network, model = pair
    line = musicgen.delay(stored.codes, V)[..., :-1]
    weight = model.transformer.layers[1].self_attn.in_proj_weight
    kept = weight.data.clone()
    weight.data[:D], weight.data[D : 2 * D] = kept[D : 2 * D], kept[:D]  # q and k change places
    weight.data[2 * D :] *= 1.01
    with torch.no_grad():
        apart = (musicgen.predict(network, line, stored.states, stored.mask) -
                 predict(model, line, stored.states, stored.mask)).abs().max()
    weight.data.copy_(kept)
    assert apart > 1e-3


def test_padded_conditions_differ_as_the_module_says(pair, stored):
    network, model = pair
    mask = stored.mask.clone()
    mask[1, 3:] = 0
    line = musicgen.delay(stored.codes, V)[..., :-1]
    with torch.no_grad():
        ours = musicgen.predict(network, line, stored.states, mask)
        theirs = predict(model, line, stored.states, mask)
    apart = (ours - theirs).abs().amax((1, 2, 3))
    assert apart[0] <= 1e-5 and apart[2] <= 1e-5 and apart[1] > 1e-3


def test_the_same_loss_and_the_same_gradient(pair, stored):
    network, model = pair
    ours, per_codebook = musicgen.loss(network, stored)
    theirs, their_codebooks = musicgen.loss(model, stored, predict)
    assert abs(ours.item() - theirs.item()) <= 1e-5
    assert torch.allclose(per_codebook, their_codebooks, atol=1e-5)
    out = model.compute_predictions(stored.codes, [], {CONDITION: (stored.states, stored.mask)},
                                    keep_only_valid_steps=False)
    # equal lengths: one mean for all
    own = torch.nn.functional.cross_entropy(out.logits.flatten(0, 2), stored.codes.flatten())
    assert abs(own.item() - ours.item()) <= 1e-5, "audiocraft's own alignment of logits and codes"
    ours.backward()
    theirs.backward()
    assert torch.allclose(network.lm_heads[2].weight.grad, model.linears[2].weight.grad, atol=1e-5)
    network.zero_grad()
    model.zero_grad()


def test_a_step_of_training_in_either_engine_leads_to_the_same_weights(audiocraft, stored):
    network = decoder(3)
    model = in_audiocraft(audiocraft, network).train()
    for one, engine in ((network, musicgen.predict), (model, predict)):
        optimiser = torch.optim.SGD(one.parameters(), lr=0.1)
        loop.clipped_step(optimiser, musicgen.loss(one, stored, engine)[0], 1.0)
    again = in_audiocraft(audiocraft, network).state_dict()
    assert all(torch.allclose(a, again[name], atol=1e-5) for name, a in model.state_dict().items())
    assert not torch.allclose(network.lm_heads[0].weight, decoder(3).lm_heads[0].weight, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_same_greedy_tokens(pair, stored, guidance):
    network, model = pair
    ours = loader.sample(network, stored.states, stored.mask, 16, guidance=guidance,
                                    top_k=1)
    states, mask = (torch.cat([part, 0 * part]) for part in (stored.states, stored.mask))
    line = torch.full((3, K, 16 + K), V)
    is_code = musicgen.delay(torch.zeros(1, K, 16, dtype=torch.long), V)[0] != V
    with torch.no_grad():
        for at in range(16 + K - 1):
            both = predict(model, line[..., : at + 1].repeat(2, 1, 1), states, mask)[:, :, -1]
            asked, null = both.chunk(2)
            likeliest = (null + guidance * (asked - null)).argmax(-1)
            line[..., at + 1] = likeliest.where(is_code[:, at + 1], V)
    assert torch.equal(ours, musicgen.undelay(line)) and len(ours.unique()) > 5


def test_the_delay_pattern_is_audiocrafts(pair, stored):
    _, model = pair
    line, _, mask = model.pattern_provider.get_pattern(20).build_pattern_sequence(stored.codes, V)
    assert torch.equal(line, musicgen.delay(stored.codes, V))
    assert torch.equal(mask, line[0] != V)


@pytest.mark.parametrize(("causal", "shortcut"), [(False, False), (True, True)])
def test_the_same_codec_codes_and_sound(audiocraft, causal, shortcut):
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(sampling_rate=32_000, audio_channels=1, num_filters=8,
                           num_residual_layers=1, upsampling_ratios=[8, 5, 4, 4], codebook_size=64,
                           hidden_size=32, codebook_dim=32, num_lstm_layers=2,
                           target_bandwidths=[1.2], normalize=False, chunk_length_s=None,
                           norm_type="weight_norm", use_causal_conv=causal,
                           use_conv_shortcut=shortcut)
    network = EncodecModel(config).eval()
    sound = 0.3 * torch.randn(2, 1, 32_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latent = network.encoder(sound)
    # vectors where the network's answers lie, so that many are used
    for i, layer in enumerate(network.quantizer.layers):
        layer.codebook.embed.normal_().mul_(latent.std(2).mean()).add_(latent.mean((0, 2)) if i == 0
                                                                       else 0)
    settings = {"channels": 1, "dimension": 32, "n_filters": 8, "n_residual_layers": 1,
                "ratios": config.upsampling_ratios, "norm": "weight_norm", "lstm": 2,
                "causal": causal, "pad_mode": config.pad_mode, "true_skip": not shortcut,
                "kernel_size": config.kernel_size, "last_kernel_size": config.last_kernel_size,
                "residual_kernel_size": config.residual_kernel_size,
                "dilation_base": config.dilation_growth_rate, "compress": config.compress}
    seanet = audiocraft.modules.seanet
    model = audiocraft.models.encodec.EncodecModel(
        seanet.SEANetEncoder(**settings), seanet.SEANetDecoder(**settings),
        audiocraft.quantization.vq.ResidualVectorQuantizer(
            dimension=32, n_q=len(network.quantizer.layers), bins=64, kmeans_init=False),
        frame_rate=config.frame_rate, sample_rate=32_000, channels=1)
    tensors, theirs = {}, network.state_dict()
    for name in model.state_dict():
        other = name
        for old, new in CODEC_NAMES:
            other = other.replace(old, new)
        tensors[name] = theirs[other]
    model.load_state_dict(tensors)
    model.eval()
    with torch.no_grad():
        ours, theirs = network.encode(sound).audio_codes[0], model.encode(sound)[0]
        assert torch.equal(ours, theirs) and len(ours.unique()) > 10
        assert torch.allclose(network.decode(ours[None], [None]).audio_values, model.decode(theirs),
                              atol=1e-5)
