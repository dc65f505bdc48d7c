"""Three habits of the released training notebook, each a switch with an effect that can be
measured.

    first_item_loss     the loss is taken from item 0 of each (micro-)batch: the other B − 1 are encoded and decoded for nothing.
    schedule_by_loss    ``scheduler.step(loss)``: the schedule reads the loss as the number of the step. Warm-up is 100 steps long and
                        a loss is a small number, so training stays at step 1.6 of 100 when the loss
                            is 1.6: at 1.6 % of the rate.
    zero_grad_each      ``zero_grad()`` before every micro-batch: what was accumulated is gone, only the last micro-batch counts.

Two more belong elsewhere: the split by 30-s chunk is ``pairs.pairs(…, how="published")`` with
``pairs.chunk_leak``, the Kullback–Leibler number between histograms of different bin edges is in
``lib.metrics.divergence``.

Source: the notebook released with text 000, beside its §V.C. What the text itself prints (AdamW,
1e-4, cosine with 100 warm-up steps, batches of 16, 40 epochs) is the default of ``music.Config``,
without any of these. Notebook: 13.
"""

import dataclasses
import math

import pandas as pd
import torch

from lib.core.errors import KlangfarbeError
from lib.systems.bridging import batches as supply
from lib.systems.bridging import train_musicgen

FAULTS = {
    "first_item_loss": "the loss of item 0 of each batch only",
    "schedule_by_loss": "scheduler.step(loss): the loss is read as the number of the step",
    "zero_grad_each": "zero_grad() before every micro-batch: nothing accumulates",
}
SPLIT_BY_CHUNK = "published"  # the name of that split in ``pairs.HOW``


def check(faults: tuple[str, ...], accumulate: int, batch_size: int) -> None:
    """Refuses names that are not faults, and settings under which one could not show.

    Raises:
        KlangfarbeError: says which.
    """
    if unknown := sorted(set(faults) - set(FAULTS)):
        raise KlangfarbeError(f"faults out of {', '.join(FAULTS)}", ", ".join(unknown),
                              "mend the spelling")
    if "zero_grad_each" in faults and accumulate < 2:
        raise KlangfarbeError("at least 2 micro-batches beside zero_grad_each", f"{accumulate}",
                              "set accumulate=4, say")
    if "first_item_loss" in faults and batch_size // accumulate < 2:
        raise KlangfarbeError("micro-batches of at least 2 beside first_item_loss",
                              f"{batch_size // accumulate}", "enlarge batch_size")


def first_item(batch):
    """Item 0 of a batch of stored tensors, as a batch of one; its padding goes."""
    length, said = int(batch.lengths[0]), max(1, int(batch.mask[0].sum()))
    return type(batch)(batch.codes[:1, :, :length], batch.lengths[:1], batch.states[:1, :said],
                       batch.mask[:1, :said])


def share_of_rate(number: float, warm_up: int, n_steps: int) -> float:
    """The share of the nominal rate at a step's number: a linear rise over `warm_up`, then a half
    cosine to 0 at `n_steps`.

    transformers' ``get_cosine_schedule_with_warmup`` computes this from whatever torch's
    ``LambdaLR.step(number)`` was called with. Called with nothing, it counts; called with the loss,
    `number` is the loss, and the share is loss / warm_up for as long as loss < warm_up.
    """
    if number < warm_up:
        return number / max(1, warm_up)
    return max(0.0, 0.5 * (1 + math.cos(math.pi * (number - warm_up) / max(1, n_steps - warm_up))))


def share_met(batch_size: int, epochs: int) -> float:
    """The share of the training pairs that ever lend a gradient when item 0 alone counts: 1 − (1 −
    1/B)^epochs.

    Each epoch is shuffled, so that a pair is item 0 with probability 1/B. B = 16 and 40 epochs: 92
    %, each of them 2.5 times instead of 40.
    """
    return 1 - (1 - 1 / batch_size) ** epochs


def effects(start, clips, texts, config, *, n_steps: int = 8, seed: int = 0, store=None):
    """The same few steps just after warm-up, from the same start, on the same batches: corrected,
    then with one fault at a time.

    Args:
        start: a MusicGenerator. clips, texts: as in ``music.train``. config: ``music.Config`` with
            ``accumulate`` ≥ 2; its own faults are not looked at. n_steps: how many steps.

    Returns:
        DataFrame, a row a setting: ``fault`` (``none`` first), ``items_a_step`` (that the weights
            learn from), ``rate_share`` (mean rate
        over the nominal one), ``step_spread`` (nats; ``music.spread`` of the reported losses),
        ``cosine`` (of the first batch's gradient with the corrected one), ``moved`` (the weights'
        way over the nominal rate).
    """
    rows, reference = [], None
    for fault in ("none", *FAULTS):
        tried = dataclasses.replace(config, released=() if fault == "none" else (fault,))
        built = train_musicgen.build(tried, start, seed)
        before = [p.detach().clone() for p in train_musicgen.trained(built.network)]
        batches = supply.batches(start, clips, texts, tried, seed=seed, store=store)
        gradient = train_musicgen.gradient(built, batches(0), tried)
        reference = gradient if reference is None else reference
        # just after warm-up, where the corrected schedule gives nearly the whole rate
        total = config.warm_up + 20 * n_steps
        # moves nothing: its loss is what the schedule reads
        curve = [train_musicgen.train_step(built, batches(0), tried, 0.0, seed=seed)]
        for step in range(n_steps):
            rate = train_musicgen.learning_rate(tried, config.warm_up + step, total,
                                                curve[-1]["loss"])
            curve.append(train_musicgen.train_step(built, batches(step), tried, rate,
                                                   seed=seed + step))
        way = math.sqrt(sum(float((p.detach() - b).square().sum()) for p,
                            b in zip(train_musicgen.trained(built.network), before, strict=True)))
        kept = config.accumulate if fault == "first_item_loss" else config.batch_size
        rows.append({"fault": fault, "items_a_step": config.batch_size // config.accumulate
                     if fault == "zero_grad_each" else kept,
                     "rate_share": sum(row["rate"] for row in curve) / n_steps
                     / config.learning_rate, "step_spread": train_musicgen.spread(curve[1:]),
                     "cosine": float(torch.cosine_similarity(gradient.double(), reference.double(),
                                                             dim=0)), "moved": way
                     / config.learning_rate})
    return pd.DataFrame(rows)
