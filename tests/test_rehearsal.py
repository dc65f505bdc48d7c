"""The rehearsal of profile paper must fail where it ought to: faults planted in small notebooks.
FLOPs, memory and hours at full size against closed forms.
"""

import json
from importlib import import_module

import pytest
import rehearsal
import torch
from conftest import leaves
from huggingface_hub import constants
from rehearsal import full_size, memory, networks
from torch import nn

from lib.cli import main
from lib.core import paths
from lib.systems import SYSTEMS
from lib.workbook import graph

STEM = "98_planted"
PRODUCT = """
from lib.core import paths
folder = paths.results_dir("paper", "98_planted")
"""
WRITES = "(folder / 'made.csv').write_text('a')"


@pytest.fixture
def rehearse(own_results, monkeypatch, capfd):
    """``rehearse(cell, …)``: rehearses a notebook of these cells, which is to write made.csv:
    (exit code, what it printed, its log).
    """
    notebooks, home = own_results / "notebooks", own_results / "rehearsal"
    for folder in (notebooks, home / "collections", home / "hub"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(paths, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(rehearsal, "HOME", home)
    monkeypatch.setattr(rehearsal, "PRELOADED", ())
    monkeypatch.setattr(graph, "STEPS", {STEM: graph.Step("made")})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))

    def run(*sources):
        cells = [{"cell_type": "markdown", "source": ["# A notebook"]}] + [
            {"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]
        (notebooks / f"{STEM}.ipynb").write_text(json.dumps({"cells": cells}))
        code = rehearsal.rehearse([STEM], 1)
        return code, capfd.readouterr().out, (home / "logs" / f"{STEM}.log").read_text()

    return run


def test_a_notebook_that_runs_and_writes_its_products_passes(rehearse):
    code, said, log = rehearse(PRODUCT, f"{WRITES}; print('a number')")
    assert code == 0 and f"{STEM}  ran" in said and "1 of 1" in said and "a number" in log


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(0)", "this is no Python"])
def test_a_cell_that_fails_is_noticed_and_those_after_it_do_not_run(rehearse, fault):
    code, said, log = rehearse(PRODUCT, WRITES, fault, "print('went on')")
    assert code == 1 and f"{STEM}  cell 3: " in said and f"{STEM} failed" in said
    assert "0 of 1" in said and "went on" not in log


def test_a_product_that_is_not_written_is_noticed(rehearse):
    code, said, _ = rehearse(PRODUCT, WRITES.replace("made", "other"))
    assert code == 1 and f"{STEM}  without made.csv" in said


@pytest.mark.parametrize(("claim", "data", "fault"), [
    ("S3-1", "deam, pmemo", ""), ("X-1", "atelier", ""), ("S3-1", "atelier", "S3-1")])
def test_a_system_that_was_measured_on_the_atelier_is_noticed(rehearse, claim, data, fault):
    code, said, _ = rehearse(PRODUCT, WRITES, "(folder / 'evidence.csv').write_text("
                             f"'claim,quantity,data\\n{claim},r2,\"{data}\"\\n')")
    assert code == bool(fault)
    assert (f"evidence of the atelier for {fault}" if fault else f"{STEM}  ran") in said


def test_a_network_that_has_no_replica_is_noticed(rehearse):
    code, said, log = rehearse(PRODUCT, WRITES, "from lib import pretrained",
                               "pretrained.load('captioner', 'Salesforce/blip-vqa-base')")
    assert code == 1 and "cell 4: KlangfarbeError" in said
    assert "Salesforce/blip-vqa-base at main" in log and "neither cached nor within reach" in log


def hub_names(config):
    """Every value of a config that has the form of a name on the hub."""
    return [value for value in leaves(config).values()
            if isinstance(value, str) and value.count("/") == 1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_network_that_paper_names_has_a_replica(system):
    config = import_module(f"lib.systems.{system}.config").PROFILES["paper"]
    assert {*hub_names(config)} <= {*networks.NETWORKS}


# --- at full size ---------------------------------------------------------------------------------


def test_a_layer_and_its_step_are_counted_as_they_should_be():
    layer, x = nn.Linear(300, 200), torch.rand(7, 300)
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)

    def step():
        optimiser.zero_grad()
        layer(x).sum().backward()
        optimiser.step()

    before = layer.weight.detach().clone()
    plain, trained = full_size.measure(layer, [("row", 7, lambda: layer(x)),
                                               ("step, row", 7, step, layer)])
    assert plain["tflops"] * 1e12 == pytest.approx(2 * 7 * 300 * 200)
    assert trained["tflops"] == pytest.approx(2 * plain["tflops"])  # x itself has no gradient
    assert plain["parameters"] == trained["trained"] == 300 * 200 + 200 and not plain["trained"]
    assert plain["weights_gb"] == pytest.approx(4e-9 * plain["parameters"])
    # the layer keeps its input alone, and nothing without a backward pass
    assert plain["saved_gb"] == 0 and trained["saved_gb"] == 8400e-9
    assert plain["peak_gb"] > 0.1 and plain["ran"] and not torch.equal(layer.weight, before)


def test_what_autograd_keeps_is_counted_once_and_let_go():
    layer, x = nn.Linear(10, 20), torch.rand(4, 10)
    with memory.SavedTensors(layer.parameters()) as saved:
        for _ in range(2):  # one graph after the other: input [4, 10], and output [4, 20] for y²
            layer(x).square().sum().backward()
        assert (saved.peak, saved.bytes) == (4 * (4 * 10 + 4 * 20), 0)
        kept = [layer(x).square() for _ in range(2)]  # two graphs that share their input
        assert saved.peak == saved.bytes == 4 * (4 * 10 + 2 * 4 * 20)
    plain, = torch.autograd.grad(layer(x.requires_grad_()).tanh().sum(), x, create_graph=True)
    with memory.SavedTensors(layer.parameters()):  # a second gradient goes through
        again, = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
    assert torch.equal(torch.autograd.grad(plain.square().sum(), x)[0],
                       torch.autograd.grad(again.square().sum(), x)[0]) and kept


def test_lstm_and_attention_on_a_cpu_are_counted_too():
    lstm, x = nn.LSTM(30, 20, num_layers=2, bidirectional=True, batch_first=True), torch.rand(
        3, 9, 30)
    q = torch.rand(1, 2, 50, 16)
    for layer, call, expected in (
            (lstm, lambda: lstm(x), 2 * 2 * 27 * 80 * (30 + 20 + 40 + 20)),
            (lstm, lambda: nn.functional.scaled_dot_product_attention(q, q, q),
             2 * 2 * 2 * 50 * 50 * 16)):
        row, = full_size.measure(layer, [("item", 1, call)])
        assert row["tflops"] * 1e12 == pytest.approx(expected)


def test_hours_and_memory_follow_from_the_counts(monkeypatch):
    row = {"what": "step, picture", "units": 2, "parameters": 10**9, "trained": 10**9 // 2,
           "saved_gb": 3.0, "tflops": 4.0}
    monkeypatch.setattr(full_size, "work", lambda: [
        ("music2image", "S3 U-Net", "step, picture", 1000, 8),
        ("music2image", "S3 U-Net", "step, picture", 3000, 8)])
    *_, line, _, together = [line.split(" | ") for line in full_size.needs({"S3 U-Net": [row]})]
    assert together[2] == line[2]
    assert float(together[3]) == pytest.approx(4 * float(line[3]), rel=0.1)
    assert float(line[2]) == 4 + 6 + 3 * 8 / 2
    for text, peak in zip(line[3:], (19.5, 67.0), strict=True):
        hours = 4.0 * 1000 / 2 / peak / full_size.UTILISATION / 3600
        assert float(text.strip(" |")) == pytest.approx(hours, rel=0.05)


def test_every_part_of_papers_work_is_among_the_networks():
    parts = full_size.work()
    assert {name for _, name, *_ in parts} <= {*full_size.PUBLISHED, *full_size.TRAINED}
    assert {system for system, *_ in parts} == {*SYSTEMS}
    assert all(units > 0 for *_, units, _ in parts)


def test_a_published_network_is_measured_in_a_process_of_its_own(capfd):
    assert main(["rehearse", "--full-size", "MiniLM-L6"]) == 0
    said = capfd.readouterr().out
    assert "| MiniLM-L6 | token × 64 | 23 M | 0.09 | " in said
    assert main(["rehearse", "--full-size", "GPT-9"]) == 2
    assert "MiniLM-L6" in capfd.readouterr().err
