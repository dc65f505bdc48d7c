"""Training on several processes at once, as ``torchrun`` starts them: each takes its share of every
batch, and they agree on one gradient.

    batch [B] ─┬─ process 0: rows 0 … B/n−1 ─► loss, gradient ─┐
               ├─ …                                            ├─ mean ─► same step in every process
               └─ process n−1 ────────────────► loss, gradient ─┘

What dice decide is drawn for the whole batch in every process, from the same seed, so that n
processes take the steps that one would take, up to rounding. Without ``torchrun`` there is one
process and everything here does nothing.

Source: synchronous data-parallel SGD; the averaging is
``torch.nn.parallel.DistributedDataParallel``'s.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.nn.parallel import DistributedDataParallel

from lib.core import provenance
from lib.core.errors import KlangfarbeError


class Team(NamedTuple):
    """The processes that train together. rank: which of them this is, 0 … size − 1. device: where
    it works, ``cpu`` or ``cuda:k``.
    """

    rank: int
    size: int
    device: str

    def rows(self, batch_size: int) -> slice:
        """This process's rows of a batch.

        Raises:
            KlangfarbeError: the batch cannot be shared equally, which the mean of means asks for.
        """
        if batch_size % self.size:
            raise KlangfarbeError(f"a batch that {self.size} processes can share equally",
                                  f"{batch_size} items", "start as many processes as divide it")
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def joined(self, network):
        """The network, its gradient averaged over the processes in each backward pass; the network
        itself where there is one process.
        """
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def mean(self, value: float) -> float:
        """A number's mean over the processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return float(total) / self.size


ALONE = Team(0, 1, "cpu")


@contextlib.contextmanager
def team() -> Iterator[Team]:
    """The processes that ``torchrun`` started, until the block ends; a team of one without it.

    On GPUs each process takes the one of its local rank and they speak NCCL; on CPUs they speak
    gloo.

    Raises:
        KlangfarbeError: more processes on this machine than GPUs.
    """
    size, rank, local = (int(os.environ.get(name, default)) for name,
                         default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0)))
    n_gpus = torch.cuda.device_count()
    if n_gpus and local >= n_gpus:
        raise KlangfarbeError(f"at most one process for each of {n_gpus} GPUs",
                              f"process {local + 1} on this machine",
                              f"torchrun --nproc-per-node {n_gpus}")
    if size == 1:
        yield ALONE._replace(device=provenance.device())  # where notebook 33 looks for its own, too
        return
    device = f"cuda:{local}" if n_gpus else "cpu"
    torch.distributed.init_process_group("nccl" if n_gpus else "gloo")
    try:
        yield Team(rank, size, device)
    finally:
        torch.distributed.destroy_process_group()
