"""The memory that a backward pass needs, counted by PyTorch while the step runs."""

from collections import Counter
from collections.abc import Iterable

import torch
from torch.autograd.graph import saved_tensors_hooks


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
