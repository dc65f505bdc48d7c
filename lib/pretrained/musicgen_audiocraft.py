"""The second engine: audiocraft's own LMModel and EnCodec on the same weights and the same stored
tensors.

Importing audiocraft takes 13 s and 1.1 GB, and it needs xformers, which exists for Linux only: it
is imported when first asked for. Where it is missing, everything else of the workbook works. Two
differences remain by design: with a padded condition audiocraft sets what is padded to zero and
still attends to it, transformers masks it; and audiocraft's own loss leaves the last K − 1 columns
of the delayed line out. Nothing is ever read from audiocraft's pickled files: weights come from
transformers' safetensors.

Source: Copet et al. (2023); audiocraft 1.3.0.
Notebook: 03.
"""

import re
import warnings
from importlib.util import find_spec

import torch

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern
from lib.training.musicgen import with_null

CONDITION = "given"  # the name of the one condition
# audiocraft → transformers; in this order.
NAMES = (
    (r"^emb\.", "model.decoder.embed_tokens."), (r"^transformer\.", "model.decoder."),
    (r"^out_norm\.", "model.decoder.layer_norm."),
    (r"^linears\.", "lm_heads."), (r"\.cross_attention\.", ".encoder_attn."),
    (r"\.linear(\d)\.", r".fc\1."),
    (r"\.norm1\.", ".self_attn_layer_norm."), (r"\.norm_cross\.", ".encoder_attn_layer_norm."),
    (r"\.norm2\.", ".final_layer_norm."),
)  # fmt: skip
CODEC_NAMES = (
    (".model.", ".layers."), ("conv.conv.", "conv."), ("convtr.convtr.", "conv."),
    ("quantizer.vq.", "quantizer."),
    ("_codebook", "codebook"),
)  # fmt: skip


def engine():
    """The audiocraft module, or an error that says what lacks.

    Raises:
        KlangfarbeError: audiocraft or xformers is not installed.
    """
    lacking = [name for name in ("xformers", "audiocraft") if find_spec(name) is None]
    if lacking:
        raise KlangfarbeError("audiocraft and xformers for the second engine",
                              f"no {' and no '.join(lacking)}",
                              "use the transformers engine, which gives the same numbers; "
                              "xformers exists for Linux only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # optional, and it warns while it loads
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


def from_transformers(network):
    """transformers' MusicgenForCausalLM → audiocraft's LMModel of the same weights, in evaluation
    mode.

    Raises:
        KlangfarbeError: audiocraft is missing, or a weight has no counterpart.
    """
    audiocraft = engine()
    config = network.config
    conditioners, patterns = audiocraft.modules.conditioners, audiocraft.modules.codebooks_patterns
    n_codebooks, width = config.num_codebooks, config.hidden_size
    fuser = conditioners.ConditionFuser({"cross": [CONDITION], "sum": [], "prepend": [],
                                         "input_interpolate": []})
    model = audiocraft.models.lm.LMModel(
        patterns.DelayedPatternProvider(n_codebooks, delays=list(range(n_codebooks))),
        conditioners.ConditioningProvider({}),
        fuser,
        n_q=n_codebooks,
        card=config.vocab_size,
        dim=width,
        num_heads=config.num_attention_heads,
        hidden_scale=config.ffn_dim / width,
        norm="layer_norm",
        norm_first=True,
        bias_proj=False,
        num_layers=config.num_hidden_layers,
        causal=True,
        custom=False,
        memory_efficient=True,
        cross_attention=True,
        bias_ff=False,
        bias_attn=False,
        activation=config.activation_function,
        dropout=config.dropout,
        positional_embedding="sin",
    )
    theirs = network.state_dict()
    tensors = {}
    for name in model.state_dict():
        parts = _parts(_theirs(name))
        if not all(part in theirs for part in parts):
            raise KlangfarbeError(f"a counterpart of {name}", f"no {', '.join(parts)}",
                                  "convert a whole MusicgenForCausalLM (LoRA merged)")
        tensors[name] = _joined([theirs[part] for part in parts])
    model.load_state_dict(tensors)
    return model.eval()


def to_transformers(model, network):
    """Writes an LMModel's weights (trained in audiocraft) into a MusicgenForCausalLM of the same
    shape, in place.

    Raises:
        KlangfarbeError: weights that do not match.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        parts = _parts(_theirs(name))
        tensors |= dict(zip(parts, tensor.chunk(len(parts)), strict=True))
    try:
        told = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise KlangfarbeError("two decoders of one shape", str(error).splitlines()[1].strip()[:120],
                              "build both from one configuration") from error
    if told.unexpected_keys or told.missing_keys:
        raise KlangfarbeError("two decoders of one shape",
                              f"{[*told.unexpected_keys, *told.missing_keys][0]} without "
                              f"counterpart",
                              "build both from one configuration")
    return network


def predict(model, tokens, states, mask):
    """Logits [B, K, L, V] of an LMModel: the engine that :func:`lib.training.musicgen.train_step`
    takes as `predict`.

    Args:
        tokens: a delayed line int64 [B, K, L]. states: [B, L', D] of the decoder's width. mask: [B,
            L'].
    """
    return model(tokens, [], {CONDITION: (states * mask[..., None], mask)})


def sample(model, states, mask, n_steps: int, *, guidance: float = 3.0, temperature: float = 1.0,
           top_k: int = 250, seed: int = 0):
    """Codes int64 [B, K, S], sampled by audiocraft's own streaming step from stored conditions;
    top_k 1 is greedy, 0 cuts nothing.

    audiocraft's `generate` wants texts; this drives its step with tensors. It draws from torch's
    global generator, seeded here.
    """
    torch.manual_seed(seed)
    n_codebooks, special = model.n_q, model.card
    halves, marks = with_null(states, mask)
    line = torch.full((len(states), n_codebooks, n_steps + n_codebooks), special,
                      device=states.device)
    codes_here = delay_pattern.is_code(n_codebooks, n_steps, states.device)
    with torch.inference_mode(), model.streaming():
        for at in range(n_steps + n_codebooks - 1):
            drawn = model._sample_next_token(line[..., at : at + 1], {CONDITION: (halves, marks)},
                                             {}, top_k != 1, temperature, min(top_k, special),
                                             cfg_coef=guidance)
            line[..., at + 1] = drawn[..., 0].where(codes_here[:, at + 1], special)
    return delay_pattern.revert(line)


def codec_from_transformers(network):
    """transformers' EncodecModel → audiocraft's EncodecModel of the same weights, in evaluation
    mode.

    Raises:
        KlangfarbeError: audiocraft is missing, a configuration it cannot build, or weights that do
            not match.
    """
    audiocraft = engine()
    config = network.config
    if config.audio_channels != 1 or config.normalize or config.chunk_length_s is not None:
        raise KlangfarbeError("a mono EnCodec that takes a clip whole",
                              f"{config.audio_channels} channels", "use facebook/encodec_32khz")
    seanet = audiocraft.modules.seanet
    settings = {"channels": 1, "dimension": config.hidden_size, "n_filters": config.num_filters,
                "n_residual_layers": config.num_residual_layers, "ratios": config.upsampling_ratios,
                "norm": config.norm_type, "lstm": config.num_lstm_layers,
                "causal": config.use_causal_conv, "pad_mode": config.pad_mode,
                "true_skip": not config.use_conv_shortcut, "kernel_size": config.kernel_size,
                "last_kernel_size": config.last_kernel_size,
                "residual_kernel_size": config.residual_kernel_size,
                "dilation_base": config.dilation_growth_rate, "compress": config.compress}
    quantiser = audiocraft.quantization.vq.ResidualVectorQuantizer(dimension=config.hidden_size,
                                                                   n_q=len(
            network.quantizer.layers), bins=config.codebook_size, kmeans_init=False)
    model = audiocraft.models.encodec.EncodecModel(
        seanet.SEANetEncoder(**settings),
        seanet.SEANetDecoder(**settings),
        quantiser,
        frame_rate=config.frame_rate,
        sample_rate=config.sampling_rate,
        channels=1,
    )
    theirs = network.state_dict()
    tensors = {}
    for name, tensor in model.state_dict().items():
        found = next((other for other in _codec_theirs(name) if other in theirs), None)
        if found is None or theirs[found].shape != tensor.shape:
            raise KlangfarbeError(f"a counterpart of {name}", "none of its shape",
                                  "give transformers' EncodecModel, whole")
        tensors[name] = theirs[found]
    model.load_state_dict(tensors)
    return model.eval()


def _theirs(name: str) -> str:
    for pattern, new in NAMES:
        name = re.sub(pattern, new, name)
    return name


def _parts(name: str) -> list[str]:
    """What audiocraft keeps as one weight and transformers as three: query, key and value."""
    return [name.replace("in_proj_weight", f"{part}_proj.weight")
            for part in "qkv"] if name.endswith("in_proj_weight") else [name]


def _codec_theirs(name: str) -> tuple[str, str]:
    """transformers' name, by the old and by the new form of weight normalisation."""
    for old, new in CODEC_NAMES:
        name = name.replace(old, new)
    new = name.replace("weight_g", "parametrizations.weight.original0")
    new = new.replace("weight_v", "parametrizations.weight.original1")
    return name, new


def _joined(tensors: list):
    return torch.cat(tensors) if len(tensors) > 1 else tensors[0]
