"""Tokens a second of fast sampling against transformers' own ``generate``, the same random weights
and settings, at the miniature's size. (MusicGen-small on a GPU: ``bench latency``.)
"""

from types import SimpleNamespace
from typing import Any

import torch
import transformers as hf
from transformers.modeling_outputs import BaseModelOutput

from lib.pretrained import musicgen_sampling
from lib.training.musicgen import with_null
from lib.workbook import benchmarks

N_ITEMS, SECONDS, RATE_HZ, N_TOKENS, REPEATS = 4, 8, 25, 8, 5
MINIATURE = {"vocab_size": 512, "hidden_size": 256, "num_hidden_layers": 6,
             "num_attention_heads": 4, "ffn_dim": 1024}
SMALL = {"vocab_size": 2048, "hidden_size": 1024, "num_hidden_layers": 24,
         "num_attention_heads": 16, "ffn_dim": 4096}


def bench() -> dict:
    """Guidance 3, top-k 250, tokens only, no codec. ``ours, baseline``: tokens a second, all
    codebooks and pieces counted; ``greedy_tokens_equal``: whether both find the same tokens;
    ``ratio_one_piece``: the same for one piece alone."""
    torch.manual_seed(0)
    model, n_steps = network(MINIATURE, RATE_HZ), SECONDS * RATE_HZ
    best = {}
    for n_items in (N_ITEMS, 1):
        given = (*_conditions(n_items), n_steps)
        best[n_items] = benchmarks.best_seconds(
            [lambda given=given: musicgen_sampling.sample(model.decoder, *given, seed=0),
             lambda given=given: plain(model, *given, do_sample=True, top_k=250)], REPEATS)
    (ours, baseline), one = best[N_ITEMS], best[1]
    given = (*_conditions(2), 40)
    equal = torch.equal(musicgen_sampling.sample(model.decoder, *given, top_k=1),
                        plain(model, *given, do_sample=False))
    n_codebooks = model.decoder.config.num_codebooks
    tokens, columns = N_ITEMS * n_codebooks * n_steps, n_steps + n_codebooks - 1
    return benchmarks.result(
        f"tokens/s, {N_ITEMS} pieces of {SECONDS} s, 6 layers × 256, 4 × 512 codes, guided; "
        "baseline: transformers' generate", tokens / ours, tokens / baseline, "tokens/s", tokens,
        more_is_better=True, ms_a_step=1e3 * ours / columns,
        baseline_ms_a_step=1e3 * baseline / columns, ratio_one_piece=one[1] / one[0],
        times_real_time=N_ITEMS * SECONDS / ours, greedy_tokens_equal=bool(equal))


def network(size: dict, rate_hz: int, filters: int = 4) -> Any:
    """A random MusicGen of this size: no published weight is needed to time one."""
    special, ratios = size["vocab_size"], [8, 5, 4, 4] if rate_hz == 50 else [8, 5, 4, 8]
    # the special token's number is one beyond the codebook; it warns of that
    hf.utils.logging.set_verbosity_error()
    text = hf.T5Config(vocab_size=100, d_model=size["hidden_size"], d_kv=8, d_ff=64, num_layers=1,
                       num_heads=2)
    codec = hf.EncodecConfig(
        sampling_rate=32_000, audio_channels=1, num_filters=filters, num_residual_layers=1,
        upsampling_ratios=ratios, codebook_size=special, hidden_size=128, codebook_dim=128,
        num_lstm_layers=2, normalize=False, chunk_length_s=None, use_causal_conv=False,
        target_bandwidths=[4 * (special.bit_length() - 1) * rate_hz / 1000])
    decoder = hf.MusicgenDecoderConfig(**size, num_codebooks=4, pad_token_id=special,
                                       bos_token_id=special, max_position_embeddings=2048)
    model = hf.MusicgenForConditionalGeneration(hf.MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()))
    for name in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, name, special)
    return model.eval()


def plain(model, states, mask, n_steps: int, **settings) -> torch.Tensor:
    """Codes [B, K, S] of transformers' own `generate` from ready conditions, its codec left out."""
    kept, own = [], model.audio_encoder.decode
    model.audio_encoder.decode = lambda codes, **_: kept.append(codes[0]) or SimpleNamespace(
        audio_values=codes)
    doubled: Any = with_null(states, mask)
    try:
        model.generate(input_ids=torch.zeros_like(mask[:, :1]), attention_mask=doubled[1],
                       encoder_outputs=BaseModelOutput(doubled[0]), guidance_scale=3.0,
                       max_length=n_steps + model.decoder.config.num_codebooks, **settings)
    finally:
        model.audio_encoder.decode = own
    return kept[0]


def _conditions(n_items: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(n_items, N_TOKENS, MINIATURE["hidden_size"], generator=generator),
            torch.ones(n_items, N_TOKENS, dtype=torch.long))
