"""What a step costs, counted by PyTorch while it runs: floating-point operations. (The memory that
a backward pass needs: tests/rehearsal/memory.py.)  Notebook: 32."""

import contextlib
from typing import Any

import torch
from torch.utils import flop_counter


def lstm_flops(x, w_input, w_hidden, *_, **__) -> int:
    """Of one direction of an LSTM layer, by shapes: [T, B, I], [4H, I], [4H, H]."""
    return 2 * x[0] * x[1] * w_input[0] * (w_input[1] + w_hidden[1])


class Untracked(contextlib.nullcontext):
    """In place of the counter's hooks in each module, which refuse the WGAN's second gradient."""
    parents = ("Global",)


def count_flops() -> flop_counter.FlopCounterMode:
    """PyTorch's counter, told of the CPU's own kernels of attention and LSTM."""
    aten = torch.ops.aten
    counter: Any = flop_counter.FlopCounterMode(display=False, custom_mapping={
        aten._scaled_dot_product_flash_attention_for_cpu:
            lambda *shapes, **_: flop_counter.sdpa_flop_count(*shapes[:3]),
        aten._scaled_dot_product_flash_attention_for_cpu_backward:
            lambda *shapes, **_: flop_counter.sdpa_backward_flop_count(*shapes[:4]),
        aten.mkldnn_rnn_layer: lstm_flops,
        aten.mkldnn_rnn_layer_backward: lambda *shapes, **_: 2 * lstm_flops(*shapes)})
    counter.mod_tracker = Untracked()
    return counter
