"""Watching a run: what is read from the files that each notebook's process leaves."""

import io
import time

import pytest
from rich.console import Console

from lib.core import paths, workers
from lib.training import loop
from lib.workbook import graph, watch

FOUR = ["11_bridging_classifier", "13_bridging_music", "33_music2image_diffusion",
        "90_side_by_side"]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A run that began a minute ago: one notebook is done, one trains, one has failed."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    monkeypatch.setattr(graph, "seconds", lambda: dict.fromkeys(FOUR, 50.0))
    now = time.time()
    (tmp_path / "mini").mkdir()
    at = {name: tmp_path / "mini" / f"{name}.ipynb" for name in FOUR}
    watch.note(at[FOUR[0]], state="done", cell=30, of=30, began=now - 60, ended=now - 15)
    watch.note(at[FOUR[1]], state="runs", cell=7, of=40, began=now - 20)
    at[FOUR[1]].with_suffix(watch.BAR_SUFFIX).write_text("m2 30/120")
    watch.note(at[FOUR[2]], state="failed", cell=3, of=9, began=now - 10, ended=now - 5)
    return tmp_path / "mini", now - 61


def test_each_notebook_has_a_state_a_place_and_a_time(runs):
    done, trains, failed, waits = watch.lines("mini", FOUR, runs[1])
    assert (done.state, round(done.elapsed), done.left) == ("done", 45, 0)
    assert trains.at == "cell 7 of 40, m2 30/120" and round(trains.left) == 30
    assert (failed.state, failed.at) == ("failed", "cell 3 of 9")
    assert (waits.state, waits.left) == ("waits", 50)
    # 30 s and 50 s are left: on two cores the longer one decides
    assert watch.total([done, trains, failed, waits], 2) == "2 of 4 done, about 0:50 left"
    assert watch.total([done, trains, failed, waits], 1) == "2 of 4 done, about 1:19 left"


def test_what_an_earlier_run_left_is_not_this_ones(runs):
    folder, _ = runs
    (folder / f"{FOUR[0]}.done").touch()
    assert [line.state for line in watch.lines("mini", FOUR, time.time())] == [
        "kept", "waits", "waits", "waits"]
    (folder / f"{FOUR[1]}{watch.STATE_SUFFIX}").write_text("{")  # killed while it wrote
    assert watch.lines("mini", FOUR[1:2], runs[1])[0].state == "waits"


def test_a_log_gets_plain_lines_and_a_terminal_a_live_table(runs, monkeypatch):
    monkeypatch.setattr(watch.time, "time", lambda: runs[1])
    for terminal in (False, True):
        written = io.StringIO()
        console = Console(file=written, force_terminal=terminal, width=120, highlight=False)
        with watch.shown("mini", FOUR, 2, console) as look:
            look()
            look()
        said = written.getvalue()
        assert said.count("11_bridging_classifier done after") == 1
        assert said.count("33_music2image_diffusion failed after") == 1
        assert ("\x1b[" in said) == terminal and ("cell 7 of 40, m2 30/120" in said) == terminal
        assert ("13_bridging_music runs  (2 of 4 done" in said) == (not terminal)


def test_a_training_leaves_how_far_it_is(tmp_path, monkeypatch):
    bar = tmp_path / "one.bar"
    monkeypatch.setenv(workers.BAR_VARIABLE, str(bar))
    for _ in loop.progress(5, "flow", 2):
        pass
    assert bar.read_text() == "flow 5/5"
    monkeypatch.setenv(workers.BAR_VARIABLE, str(tmp_path / "absent" / "one.bar"))
    assert list(loop.progress(2, "flow")) == [0, 1], "nowhere to write ends no training"
