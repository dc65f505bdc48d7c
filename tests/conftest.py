"""Shared fixtures: real collections where they are, a results folder of one's own, one torch
thread.
"""

import sys
from dataclasses import fields, is_dataclass

import pytest

from lib.core import paths
from lib.core.errors import KlangfarbeError

sys.path.insert(0, str(paths.NOTEBOOKS))  # the studio's


def leaves(config, name=""):
    """The dotted name of each setting of a config, and of the configs in it → its value."""
    if not is_dataclass(config):
        return {name: config}
    return {key: value for field in fields(config) for key, value in leaves(
        getattr(config, field.name), f"{name}.{field.name}".lstrip(".")).items()}


LONGEST = ("test_workflow.py", "test_training_parallel.py", "test_atelier_music.py")


def pytest_collection_modifyitems(items):
    """What takes longest begins first: else one process works on it at the end while the other has
    nothing left to do.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def real_data():
    """``real_data("oasis")`` → its folder, or a skip that says why."""

    def folder(collection):
        try:
            return paths.real_data(collection)
        except KlangfarbeError as error:
            pytest.skip(str(error))

    return folder


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """Points results and processed data at a temporary folder."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")
    return tmp_path


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    import torch

    torch.set_num_threads(1)
