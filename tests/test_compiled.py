"""Compiled functions: processes side by side take different folders, a user's own stays, and an ended process leaves its own free."""

import os
import subprocess
import sys

from lib import compiled, paths

ASK = "import sys; from lib import compiled; print(compiled.own_folder(), flush=True); sys.stdin.read()"


def start(place, **more):
    environment = {key: value for key, value in os.environ.items() if key != compiled.VARIABLE} | more
    code = f"from pathlib import Path; from lib import paths; paths.PROCESSED = Path({str(place)!r}); {ASK}"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    return process, process.stdout.readline().strip()


def test_two_at_once_never_share_and_the_next_takes_what_is_free(tmp_path):
    (one, first), (two, second) = start(tmp_path), start(tmp_path)
    assert first == str(tmp_path / "compiled" / "0") and second == str(tmp_path / "compiled" / "1")
    one.kill()
    one.wait()
    three, third = start(tmp_path)
    assert third == first, "a killed process holds nothing"
    for process in (two, three):
        process.communicate("", timeout=30)


def test_a_folder_that_the_user_set_stays(tmp_path):
    process, said = start(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    process.communicate("", timeout=30)
    assert said == str(tmp_path / "mine") and not (tmp_path / "compiled").exists()


def test_each_worker_of_these_tests_has_its_own():
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert str(paths.ROOT / "data" / "processed" / "compiled") in os.environ[compiled.VARIABLE]
