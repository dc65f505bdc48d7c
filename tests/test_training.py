"""The pieces of a training loop: checkpoints, moving averages, batches, bfloat16."""

import numpy as np
import pytest
import torch

from lib.core import artefacts
from lib.training import loop
from lib.training.loop import Checkpoint


@pytest.mark.parametrize(("wanted", "has", "kind"), [
    (True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32),
])  # fmt: skip
def test_a_cpu_that_would_imitate_bfloat16_computes_in_float32(monkeypatch, wanted, has, kind):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability",
                        lambda: "AVX512" if has else "AVX2")
    with loop.autocast("cpu", wanted):
        assert (torch.ones(2, 3) @ torch.ones(3, 2)).dtype == kind
    assert (torch.ones(2, 3) @ torch.ones(3,
                                          2)).dtype == torch.float32, (
        "the context ends with its block")


def test_the_context_is_for_the_devices_kind():
    assert loop.autocast("cuda:1", False).device == "cuda" and loop.autocast("cpu").device == "cpu"


class Run:
    """A small training with everything a checkpoint holds."""

    def __init__(self, path, seed=0):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8),
                                         torch.nn.Tanh(), torch.nn.Linear(8, 1))
        self.optimiser = torch.optim.Adam(self.model.parameters(), 1e-2)
        self.average = loop.moving_average(self.model, 0.9)
        self.draw = torch.Generator().manual_seed(seed)
        self.best = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.checkpoint = Checkpoint(path, "key", model=self.model, optimiser=self.optimiser,
                                     average=self.average, draw=self.draw, best=self.best,
                                     critic=None)

    def train(self, n_steps):
        state = self.checkpoint.load()
        data, curve = torch.linspace(-1, 1, 200).view(40, 5), state["curve"]
        for step in range(state["step"], n_steps):
            x = data[torch.randperm(40, generator=self.draw)[:8]]
            loss = (self.model(x) - x.sum(1, keepdim=True)).square().mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.average.update_parameters(self.model)
            if loss.item() < min(curve, default=np.inf):
                self.best.update({name: p.detach().clone()
                                  for name, p in self.model.named_parameters()})
            curve.append(loss.item())
            self.checkpoint.save(step + 1, curve)
        return curve, [*self.model.state_dict().values(), *self.average.state_dict().values(),
                       *self.best.values()]


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_a_stopped_and_resumed_run_ends_where_an_undisturbed_one_ends(stop, tmp_path):
    curve, whole = Run(None).train(20)
    Run(tmp_path / "run.safetensors").train(stop)
    again, tensors = Run(tmp_path / "run.safetensors", seed=99).train(20)
    assert again == curve and all(map(torch.equal, whole, tensors))


def test_only_the_newest_checkpoint_is_kept_and_half_of_one_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    assert Checkpoint(path, "").read() is None
    Run(path).train(3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.0000003.json",
                                                          "run.0000003.safetensors"]
    write = artefacts.write

    def killed(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(artefacts, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        Run(path).train(4)
    assert Checkpoint(path, "").read()[1]["step"] == 3


def test_a_checkpoint_of_another_key_is_not_loaded(tmp_path):
    Run(tmp_path / "run.safetensors").train(2)
    other = Run(tmp_path / "run.safetensors")
    other.checkpoint.key = "another"
    assert other.checkpoint.load() == {"step": 0, "curve": []}


def test_the_moving_average_warms_up():
    model = torch.nn.BatchNorm1d(2)
    average, mean = loop.moving_average(model, 0.5), torch.ones(2)
    for step in range(1, 20):
        with torch.no_grad():
            model.weight.fill_(step)
        model.num_batches_tracked += 1
        average.update_parameters(model)
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * step
    torch.testing.assert_close(average.module.weight, mean)
    assert average.module.num_batches_tracked == 19 and not average.module.weight.requires_grad


def test_batches_meet_every_item_once_an_epoch_and_repeat_from_their_seed():
    first = loop.batches(10, 4, np.random.default_rng(3))
    epoch = np.concatenate([next(first), next(first)])
    assert len(set(epoch.tolist())) == 8
    again = loop.batches(10, 4, np.random.default_rng(3))
    assert np.array_equal(epoch, np.concatenate([next(again), next(again)]))
    assert len(next(loop.batches(3, 8, np.random.default_rng(0)))) == 3
