"""bfloat16 where it is wanted and the processor has it, float32 everywhere else."""

import pytest
import torch

from lib.training import loop


@pytest.mark.parametrize(("wanted", "has", "kind"), [
    (True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32),
])  # fmt: skip
def test_a_cpu_that_would_imitate_bfloat16_computes_in_float32(monkeypatch, wanted, has, kind):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    with loop.half("cpu", wanted):
        assert (torch.ones(2, 3) @ torch.ones(3, 2)).dtype == kind
    assert (torch.ones(2, 3) @ torch.ones(3, 2)).dtype == torch.float32, "the context ends with its block"


def test_the_context_is_for_the_devices_kind():
    assert loop.half("cuda:1", False).device == "cuda" and loop.half("cpu").device == "cpu"
