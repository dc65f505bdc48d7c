"""What a step costs, counted by PyTorch while it runs: floating-point operations, and the memory
that the backward pass needs.  Notebook: 32."""

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
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


class SavedTensors(saved_tensors_hooks):
    """A context: ``peak`` is the most bytes that autograd kept at once for backward passes, the
    same on a CPU and a GPU. A storage counts once, `weights` not at all."""
    def __init__(self, weights: Iterable[torch.Tensor]):
        self.holders = Counter({weight.untyped_storage().data_ptr(): 1 for weight in weights})
        self.bytes = self.peak = 0
        super().__init__(lambda tensor: Saved(tensor, self), lambda saved: saved.tensor)

    def __enter__(self):
        super().__enter__()
        return self


class Saved:
    """A tensor that the graph keeps; it is let go with the graph."""
    def __init__(self, tensor: torch.Tensor, counter: SavedTensors):
        self.tensor, self.counter = tensor.detach(), counter
        storage = tensor.untyped_storage()
        self.place, self.nbytes = storage.data_ptr(), storage.nbytes()
        counter.holders[self.place] += 1
        if counter.holders[self.place] == 1:
            counter.bytes += self.nbytes
            counter.peak = max(counter.peak, counter.bytes)

    def __del__(self) -> None:
        self.counter.holders[self.place] -= 1
        if not self.counter.holders[self.place]:
            self.counter.bytes -= self.nbytes
