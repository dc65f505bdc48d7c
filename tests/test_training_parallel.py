"""Several processes that train as one: two of them, really started, take the steps that one takes;
who cannot share is refused.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import paint
from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config
from lib.systems.music2image.data import batches
from lib.training import loop
from lib.training.loop import ALONE, Team, team

CONFIG = get_config("smoke").diffusion


def trained(root, *starter):
    """What ``python -m lib train`` leaves in a clone of its own: (tensors, state) of the
    checkpoint.
    """
    shutil.copytree(paths.ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "data").symlink_to(paths.DATA)
    alone = {name: value for name, value in os.environ.items()
             if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")}
    done = subprocess.run([sys.executable, *starter, "-m", "lib", "train", "--profile", "smoke"],
                          cwd=root, capture_output=True, text=True,
                          env=alone | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1",
                                       "CUDA_VISIBLE_DEVICES": ""}, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    path = root / "results" / "smoke" / train_diffusion.NOTEBOOK / "training.safetensors"
    return loop.Checkpoint(path, "").read(), done.stdout


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("one"))


def test_two_processes_give_the_same_loss_and_weights_as_one(one, tmp_path):
    (weights, state), _ = one
    (shared_weights, shared), said = trained(tmp_path, "-m", "torch.distributed.run",
                                             "--standalone", "--nproc-per-node", "2")
    assert "2 at a time" in said and said.count(
        "steps") == 1, "the first process alone speaks and writes"
    assert state["step"] == shared["step"] == CONFIG.n_steps and len(
        shared["curve"]) == CONFIG.n_steps
    np.testing.assert_allclose(shared["curve"], state["curve"], rtol=1e-4)
    moved = weights["network.unet.conv_in.weight"] - train_diffusion.build(CONFIG)[
        0].network.unet.conv_in.weight
    off = shared_weights["network.unet.conv_in.weight"] - weights["network.unet.conv_in.weight"]
    assert off.abs().max() < 0.02 * moved.abs().max(), "apart by rounding alone"


def test_the_notebook_finds_every_step_done(one, tmp_path):
    (weights, state), _ = one
    # as notebook 33 draws them
    pictures, _ = paint.pictures(atelier.TRAIN_SEED, range(CONFIG.n_pictures), CONFIG.size)
    models, optimiser = train_diffusion.build(CONFIG, 0)
    path = tmp_path / "training.safetensors"
    artefacts.write(path.with_name("training.0000012.safetensors"), weights)
    artefacts.write(path.with_name("training.0000012.json"), state)
    found = train_diffusion.checkpoint(path, CONFIG, 0, pictures, models, optimiser,
                                       torch.Generator()).load()
    assert found["step"] == CONFIG.n_steps and found["curve"] == state["curve"]
    assert torch.equal(models.network.unet.conv_in.weight, weights["network.unet.conv_in.weight"])


def test_shares_are_equal_and_together_the_batch():
    assert [list(range(8))[Team(rank, 4, "cpu").rows(8)]
            for rank in range(4)] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert ALONE.rows(7) == slice(0, 7) and ALONE.mean(0.5) == 0.5
    with pytest.raises(KlangfarbeError, match="3 processes can share equally"):
        Team(0, 3, "cpu").rows(8)


def test_without_torchrun_there_is_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    network = torch.nn.Linear(2, 2)
    with team() as alone:
        assert (alone.rank, alone.size) == (0, 1) and alone.joined(network) is network
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(KlangfarbeError, match="one process for each of 2 GPUs"), team():
        pass


def test_a_process_learns_from_its_rows_alone():
    pictures, affect = paint.pictures(atelier.TRAIN_SEED, range(8), CONFIG.size)
    losses = []
    for rows in (slice(None), slice(0, 4), slice(4, 8)):
        models, optimiser = train_diffusion.build(CONFIG, 0)
        _, x_0, va = next(batches(train_diffusion.encode(CONFIG, pictures), affect, CONFIG, 0))
        losses.append(train_diffusion.train_step(models, optimiser, x_0, va, CONFIG,
                                                 torch.Generator().manual_seed(0), rows=rows))
    whole, first, second = losses
    assert first != second and whole == pytest.approx((first + second) / 2, rel=1e-5)
