"""Fast sampling from MusicGen's decoder, codes from conditions, along the delayed line; no step
depends on a number that Python holds, so that a GPU captures one as a CUDA graph and replays it.

Source: Copet et al. (2023), §3.1 and §4 (top-k 250, temperature 1, guidance 3).  Notebook: 03.
"""

import torch
from torch import Tensor

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern
from lib.models.musicgen_step import StaticDecoder, exponential_noise, sample_token

STEPS = ("eager", "graph", "compile")  # graph: default on CUDA; compile: seconds for each length


def sample(decoder, states: Tensor, mask: Tensor, n_steps: int, *, guidance: float = 3.0,
           temperature: float = 1.0, top_k: int = 250, seed: int = 0,
           step: str | None = None) -> Tensor:
    """Conditions [B, L, D] of a mono MusicgenForCausalLM's width, mask [B, L] → codes int64 [B, K,
    n_steps]; `guidance` 1: none; `top_k` 1: greedy, 0: cuts nothing; `step` out of STEPS.
    """
    config = decoder.config
    step = step or ("graph" if states.device.type == "cuda" else "eager")
    if states.ndim != 3 or states.shape[-1] != config.hidden_size or (
            tuple(mask.shape) != tuple(states.shape[:2])):
        raise KlangfarbeError(f"conditions [B, L, {config.hidden_size}] and a mask [B, L]",
                              f"{tuple(states.shape)}, {tuple(mask.shape)}",
                              "project the text encoder's states to the decoder's width first")
    if not bool(states.isfinite().all()):
        raise KlangfarbeError("finite conditions", "NaN or infinity", "look at what made them")
    if n_steps < 1 or not temperature > 0 or top_k < 0:
        raise KlangfarbeError("n_steps ≥ 1, temperature > 0, top_k ≥ 0",
                              f"{n_steps}, {temperature}, {top_k}", "top_k=1 is greedy")
    if step not in STEPS or (step == "graph" and states.device.type != "cuda"):
        raise KlangfarbeError(f"a step out of {', '.join(STEPS)} (graph on a CUDA device)",
                              f"{step!r} on {states.device.type}", "eager works everywhere")
    n_items, n_codebooks, special = len(states), config.num_codebooks, config.vocab_size
    n_times, kept = n_steps + n_codebooks - 1, min(top_k or special, special)
    with torch.inference_mode():
        noise = exponential_noise((n_times, n_items, n_codebooks, kept),
                                  torch.Generator(states.device).manual_seed(seed))
        network = StaticDecoder(decoder, n_items, n_times, guidance, packed=step == "eager",
                                compiled=step == "compile")
        network.condition(states, mask)
        line = torch.full((n_items, n_codebooks, n_steps + n_codebooks), special,
                          device=states.device)
        none = torch.zeros_like(line[:1, :, :n_steps])
        is_code = delay_pattern.build(none, special)[0] != special
        at = torch.zeros(1, dtype=torch.long, device=states.device)
        # a number of Python's would be copied over at every step
        blank = torch.full((), special, device=states.device)

        def advance(length=None):
            logits = network.step(line.index_select(2, at).squeeze(2), at, length)
            tokens = sample_token(logits, temperature, noise.index_select(0, at)[0])
            at.add_(1)
            line.index_copy_(2, at, torch.where(is_code.index_select(1, at), tokens[..., None],
                                                blank))
            return logits

        last = _run(advance, at, n_times, step)
    # NaN stays in the cache, so the last step has seen every earlier one
    if not bool(last.isfinite().all()):
        raise KlangfarbeError("finite logits", "NaN or infinity while sampling",
                              "check weights and conditions; try float32")
    return delay_pattern.revert(line).clone()


def _run(advance, at: Tensor, n_times: int, step: str) -> Tensor:
    """The last logits of `n_times` steps from the start of the line, on a GPU a replayed graph."""
    if step == "eager" or at.device.type != "cuda":
        for i in range(n_times - 1):
            advance(i + 1 if step == "eager" else None)
        return advance(n_times if step == "eager" else None)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(min(2, n_times)):  # kernels and workspaces are made before the capture
            advance()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    at.zero_()
    with torch.cuda.graph(graph):
        logits = advance()
    at.zero_()
    for _ in range(n_times):
        graph.replay()
    return logits.clone()  # the graph's own memory goes with the graph
