"""Kills and full disks, the short form of ``python -m lib chaos``: two small notebooks, one of
which trains with checkpoints, and keeps workers.
"""

import os
import subprocess
import sys

import chaos
import psutil
import pytest
from chaos import Kill
from chaos.small import small_project

from lib.core import paths, watchdog
from lib.core.errors import KlangfarbeError
from lib.workbook import runner


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return small_project(tmp_path_factory.mktemp("chaos") / "clone")


@pytest.fixture(scope="module")
def expected(project):
    project.finish()
    found = project.artefacts()
    assert len([name for name in found if "first" in name or "second" in name]) == 4
    return found


PATIENCE = 90.0  # seconds that the processes of a stopped run may take to end on a busy machine
KILLS = (Kill("command", "SIGTERM", 0, True), Kill("snakemake", "SIGKILL", 0, True),
         Kill("kernel", "SIGKILL", 0, True))


@pytest.mark.slow
def test_killed_runs_leave_nobody_behind_and_end_with_the_same_bytes(project, expected):
    project.clear()
    for kill in KILLS:
        assert chaos.strike(project, kill, PATIENCE) is not None, "it ended too early"
    assert runner.KILLED in project.said(), "a kernel was the last to be killed"
    project.finish()
    assert project.artefacts() == expected
    assert not project.half_written() and not project.broken_notebooks()


@pytest.mark.slow
def test_a_full_disk_breaks_nothing_and_the_run_goes_on_when_there_is_room(tmp_path, expected):
    try:
        with chaos.small_disk(tmp_path / "disk", 200) as disk:
            project = small_project(disk / "clone")
            assert chaos.fill(project, 0, expected) in (1, 2), "full from the start"
            project.finish()
            assert project.artefacts() == expected and not project.half_written()
    except PermissionError as error:
        pytest.skip(str(error))


def test_a_second_run_names_the_one_that_holds_the_clone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    named = f"process {os.getpid()} on .*, still going on"
    with (runner._alone(), pytest.raises(KlangfarbeError, match=named), runner._alone()):
        pass
    assert not capsys.readouterr().out
    (tmp_path / ".holder").write_text("process 1 on here")  # it was killed: it holds no lock
    with runner._alone():
        assert "process 1 on here) was killed" in capsys.readouterr().out
    with runner._alone():
        assert not capsys.readouterr().out, "the one before ended by itself"


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    writes = tmp_path / f".one.{paths.HERE}-{os.getpid()}-abc.csv"
    elsewhere = tmp_path / f".one.another-{ended.pid}-abc.csv"
    killed = tmp_path / f".one.{paths.HERE}-{ended.pid}-abc.csv"
    for file in (writes, elsewhere, killed):
        file.touch()
    paths.sweep(tmp_path, tmp_path / "absent")
    assert set(tmp_path.iterdir()) == {writes, elsewhere}
    with paths.atomic(tmp_path / "new.csv"):
        assert [file for file in tmp_path.iterdir() if f"{paths.HERE}-{os.getpid()}-" in file.name
                and file.name.startswith(".new.")]


FAMILY = """
import subprocess, sys, threading
from lib.core import watchdog
watchdog.end_with_starter()
if len(sys.argv) > 1:
    below = [sys.executable, "-c", sys.argv[1], *sys.argv[2:]]
    subprocess.Popen(below).wait()
print("ready", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("killed", ["first", "second"])
def test_who_is_below_a_killed_process_ends_with_it(killed):
    first = subprocess.Popen([sys.executable, "-c", FAMILY, FAMILY, FAMILY], cwd=paths.ROOT,
                             stdout=subprocess.PIPE)
    first.stdout.readline()  # the last of the three is ready
    family = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
    assert len(family) == 3
    family[killed == "second"].kill()
    try:
        assert not psutil.wait_procs(family[1:], timeout=PATIENCE)[1]
    finally:
        for process in family:
            if process.is_running():
                process.kill()
        first.wait()


def test_whose_starter_is_gone_before_it_looks_does_not_begin():
    environment = os.environ | {watchdog.STARTER: "999999999"}
    words = "from lib.core import watchdog; watchdog.end_with_starter(); print('begun')"
    ended = subprocess.run([sys.executable, "-c", words], cwd=paths.ROOT, env=environment,
                           capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
