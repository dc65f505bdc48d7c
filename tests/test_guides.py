"""What the guides tell a reader to type is what the command line, make and the library take."""

import importlib
import itertools
import re
import shlex

import pytest
from huggingface_hub import constants
from rehearsal import full_size, networks

from lib import pretrained
from lib.cli import COMMANDS, parser
from lib.core import paths
from lib.data import registry
from lib.metrics import embedders
from lib.pretrained import loading
from lib.systems import weights
from lib.workbook import graph

PAGES = [paths.ROOT / "README.md", paths.ROOT / "CONTRIBUTING.md", paths.DATA / "README.md",
         *sorted((paths.NOTEBOOKS / "guide").glob("*.md"))]
GUIDE = {page.stem: page.read_text("utf-8") for page in PAGES if page.parent.name == "guide"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text, *languages):
    return [block for language, block in BLOCK.findall(text) if language in languages]


def commands(program):
    """(page, words after it) of every line of a page's blocks that calls a program."""
    for page in PAGES:
        for line in "\n".join(blocks(page.read_text("utf-8"), "", "sh")).splitlines():
            for text in re.findall(rf"(?:^|/|\\|&& ){program} (.*)", line.strip()):
                yield pytest.param(shlex.split(text, comments=True), id=f"{page.stem}: {text[:60]}")


@pytest.mark.parametrize("words", [*commands("python -m lib"), *commands(r"torchrun .*-m lib")])
def test_every_command_parses(words):
    if "…" in words:  # one of a table's
        words = [words[0], "--help"]
    module = COMMANDS[words[0]][0] if words[0] in COMMANDS else ""
    if str(module).startswith("tests:"):  # it reads its own words
        place = module.removeprefix("tests:")
        its_own = importlib.import_module("fuzz" if place == "fuzz" else f"{place}.__main__")
        given = {"command": words[0]} | vars(its_own.parser().parse_args(words[1:]))
    else:
        given = vars(parser().parse_args(words))
    for stem in [*given.get("notebooks", ()), *given.get("names", ())] * (
            given["command"] != "data"):
        assert stem in full_size.PUBLISHED + full_size.TRAINED or graph.select([stem])
    if given["command"] == "data":
        assert {*given["names"]} <= {*registry.COLLECTIONS} and given["action"] in registry.ACTIONS


@pytest.mark.parametrize("words", commands("make"))
def test_every_target_and_variable_of_make_is_there(words):
    makefile = (paths.ROOT / "Makefile").read_text("utf-8")
    targets = [word for word in words if "=" not in word]
    for word in targets:
        assert re.search(rf"^({re.escape(word)}|\$\(READY\)):", makefile, re.MULTILINE), word
    for name, value in (word.split("=", 1) for word in words if "=" in word):
        assert re.search(rf"^{name} \?=", makefile, re.MULTILINE), name
        assert name != "NOTEBOOKS" or graph.select(value.split())


def rows(text, heading):
    """The cells of a table's rows, of the table whose first line begins so."""
    lines = text[text.index(heading) :].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in itertools.takewhile(lambda line: line.startswith("|"), lines)]


def test_names_sizes_and_licences_of_the_weights_are_the_librarys():
    told = {name: (part, size, licence) for part, name, size, licence, _ in rows(
        GUIDE["weights"], "| part | name on the hub")}
    known = pretrained.PARTS | pretrained.PUBLISHED
    for name, (part, size, licence) in told.items():
        assert size == (f"{loading.HUB_GB[name]:.2f}" if name in loading.HUB_GB else "")
        assert part == "–" or name not in known[part].hub or known[part].hub[name][0] == licence
    asked = {*networks.NETWORKS} - {"laion/larger_clap_music"}
    assert asked <= {*told}
    total = sum(float(size or 0) for _, size, _ in told.values())
    assert f"The weights, {total:.0f} GB with Llama" in GUIDE["paper"]


def test_folders_of_weights_hold_the_files_that_each_part_asks_for():
    told = rows(GUIDE["weights"], "| folder | of `--system`")
    for folders, systems, files in told:
        part = folders.split("/")[0]
        named = re.findall(r"[\w.]+\.(?:json|safetensors)", files)
        assert {file.split("|")[0] for file in pretrained.PARTS[part].files} <= {*named}
        assert {*systems.split(", ")} == {name for name, parts in weights.PARTS.items()
                                          if part in parts}
    assert {row[0].split("/")[0] for row in told} == {
        part for parts in weights.PARTS.values() for part in parts}


def test_fetching_all_of_them_ahead_needs_nothing_else(tmp_path, monkeypatch):
    """The guide's own lines, where the hub's cache holds random networks of those names alone."""
    code, _ = blocks(GUIDE["weights"], "python")
    asked, find = [], loading.find
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    networks.write_hub(tmp_path)
    monkeypatch.setattr(loading, "find", lambda part, known, name: (
        asked.append(name), find(part, known, name))[1])
    exec(code, {})
    told = {name for _, name, *_ in rows(GUIDE["weights"], "| part | name on the hub")}
    assert {*asked} == told - {
        "nicofarr/panns_Cnn14", "harritaylor/torchvggish` (GitHub)"}


def test_a_converted_pickle_is_read(tmp_path, monkeypatch):
    import torch
    networks.falcon(tmp_path)
    whole = loading.artefacts.read(tmp_path / "model.safetensors")
    torch.save(whole, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    exec(blocks(GUIDE["weights"], "python")[1], {})
    assert pretrained.load("describer", tmp_path).describe(["a sad sea"])


def test_every_embedder_is_explained():
    assert {row[0] for row in rows(GUIDE["paper"], "| name | network | for")} == {
        *embedders.EMBEDDERS}
