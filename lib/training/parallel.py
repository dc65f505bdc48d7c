"""Training on several processes, as ``torchrun`` starts them: each draws the whole batch and takes
its share; n processes take the steps of one, up to rounding.
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
    """The processes that train together."""
    rank: int    # of this one
    size: int    # how many
    device: str

    def rows(self, batch_size: int) -> slice:
        """This process's rows of a batch, as many as any other's."""
        if batch_size % self.size:
            raise KlangfarbeError(f"a batch that {self.size} processes can share equally",
                                  f"{batch_size} items", "start as many processes as divide it")
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def joined(self, network):
        """The network, its gradient averaged over the processes in each backward pass."""
        return network if self.size == 1 else DistributedDataParallel(network)

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
    """The processes that ``torchrun`` started (NCCL on GPUs, else gloo), or a team of one."""
    size, rank, local = (int(os.environ.get(name, default)) for name, default
                         in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0)))
    n_gpus = torch.cuda.device_count()
    if n_gpus and local >= n_gpus:
        raise KlangfarbeError(f"at most one process for each of {n_gpus} GPUs",
                              f"process {local + 1} on this machine",
                              f"torchrun --nproc-per-node {n_gpus}")
    if size == 1:
        yield ALONE._replace(device=provenance.device())  # where notebook 33 looks for its own, too
        return
    torch.distributed.init_process_group("nccl" if n_gpus else "gloo")
    try:
        yield Team(rank, size, f"cuda:{local}" if n_gpus else "cpu")
    finally:
        torch.distributed.destroy_process_group()
