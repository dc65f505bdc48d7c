"""Three faults of the training notebook released with Hisariya & Liang, beside §V.C, each a switch
of ``MusicGenConfig.faults``; notebook 13 measures them. Two more: the split by segment is
``how="published"`` in data.py, the histograms of different edges are in lib.metrics.distances."""

import math

FAULTS = {"first_item_loss": "the loss of item 0 of each batch only",
          "schedule_by_loss": "scheduler.step(loss): the loss is read as the number of the step",
          "zero_grad_each": "zero_grad() before every micro-batch: nothing accumulates"}


def first_item(batch):
    """Item 0 of a ``lib.training.musicgen.Batch`` as a batch of one, without padding."""
    length, n_states = int(batch.lengths[0]), max(1, int(batch.mask[0].sum()))
    return type(batch)(batch.codes[:1, :, :length], batch.lengths[:1], batch.states[:1, :n_states],
                       batch.mask[:1, :n_states])


def share_of_rate(number: float, warm_up: int, n_steps: int) -> float:
    """The rate's share by transformers' cosine schedule at ``scheduler.step(number)``: a linear
    rise over `warm_up`, half a cosine to 0 at `n_steps`. Released, `number` is the loss."""
    if number < warm_up:
        return number / max(1, warm_up)
    return max(0.0, 0.5 * (1 + math.cos(math.pi * (number - warm_up) / max(1, n_steps - warm_up))))
