"""The benches: one JSON object each, of parts that add up and ways that agree."""

import importlib
import json
from dataclasses import replace

import benchmarks
import benchmarks.__main__ as command
import pytest
import torch
from benchmarks import media, musicgen

from lib import pretrained
from lib.cli import main
from lib.systems.bridging.config import MusicGenConfig


@pytest.fixture(scope="module")
def start():
    return pretrained.load("musicgen", device="cpu")


def test_bench_prints_one_json_object_with_every_key(monkeypatch, capsys):
    def doubling():
        print("noise")
        return {"what": "w", "ours": 4, "baseline": 2, "ratio": 2, "unit": "u", "n": 1}

    monkeypatch.setattr(media, "bench_frechet", doubling)
    assert command.main(["frechet", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(benchmarks.KEYS) <= set(found) and found["ratio"] == 2 and found["peak_mb"] > 10
    assert "noise" in err
    assert main(["bench", "absent", "--json"]) == 2, "started as a process of its own"


def test_every_bench_is_there():
    for name, module in benchmarks.BENCHES.items():
        module = importlib.import_module(f"benchmarks.{module}")
        assert callable(getattr(module, f"bench_{name}"))


def test_the_fad_bench_compares_equal_distances():
    assert media.bench_frechet(n_vectors=600, width=32, repeats=1)["relative_error"] < 1e-9


def test_matching_agrees_with_double_precision():
    assert media.bench_matching(n_comments=2_000, n_captions=50, width=16)["exact"] == 1


def test_what_is_stored_for_the_bench_is_what_it_makes_anew(start, tmp_path):
    material = musicgen.Material(start, 0.6, tmp_path, 3)
    kept, made = material.stored(range(3)), material.made(range(3))
    assert torch.equal(made.codes, kept.codes)
    assert torch.allclose(made.states, kept.states, atol=1e-4)


def test_the_epoch_bench_compares_three_ways():
    config = replace(MusicGenConfig(), batch_size=2, clip_seconds=0.6, start="miniature")
    found = musicgen.bench_epoch(2, 1, config)
    assert found["n"] == 4 and found["stored_kb"] > 1
    # each of the three is rounded
    assert found["overhead"] == pytest.approx(found["ours"] / found["bare"], rel=5e-3)


def test_the_latency_bench_adds_up_its_parts():
    found = musicgen.bench_latency(2, 0.4)
    parts = found["parts_ms"]
    assert set(parts) == {*musicgen.PROJECTION, *musicgen.PIPELINE, *musicgen.SHARED}
    assert min(parts.values()) > 0
    assert found["ours"] == pytest.approx(parts["clip"] + parts["projection"], abs=0.05)
    assert found["whole_ratio"] == pytest.approx(found["whole_ms"] / found["pipeline_whole_ms"],
                                                 abs=0.01)
