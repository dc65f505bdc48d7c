"""Processes side by side: each has its own folder of compiled functions, a user's stays, an ended
one frees its own; memory is kept.
"""

import os
import platform
import subprocess
import sys

import pytest

from lib.core import paths, workers

ASK = ("import sys; from lib.core import workers; print(workers.own_folder(), flush=True); "
       "sys.stdin.read()")


def start(place, **more):
    environment = {key: value for key,
                   value in os.environ.items() if key != workers.VARIABLE} | more
    code = (f"from pathlib import Path; from lib.core import paths; "
            f"paths.ROOT = Path({str(place)!r}); {ASK}")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env=environment)
    return process, process.stdout.readline().strip()


def test_two_at_once_never_share_and_the_next_takes_what_is_free(tmp_path):
    (one, first), (two, second) = start(tmp_path), start(tmp_path)
    kept = tmp_path / "data" / "processed" / "compiled"
    assert first == str(kept / "0") and second == str(kept / "1")
    one.kill()
    one.wait()
    three, third = start(tmp_path)
    assert third == first, "a killed process holds nothing"
    for process in (two, three):
        process.communicate("", timeout=30)


def test_a_folder_that_the_user_set_stays(tmp_path):
    process, said = start(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    process.communicate("", timeout=30)
    assert said == str(tmp_path / "mine") and not (tmp_path / "data").exists()


def test_each_worker_of_these_tests_has_its_own():
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert str(paths.ROOT / "data" / "processed" / "compiled") in os.environ[workers.VARIABLE]


FAULTS = """
import resource
import numpy as np
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)  # 64 MB, freed at once
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_that_was_freed_is_not_asked_for_again(monkeypatch):
    def faults():
        return int(subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True,
                                  check=True).stdout)

    for name in workers.MEMORY:
        monkeypatch.delenv(name, raising=False)
    anew = faults()
    workers.keep_memory()
    assert faults() < anew / 10
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    workers.keep_memory()
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "0", "the user's own stays"
