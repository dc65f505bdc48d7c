"""A rehearsal of profile ``paper``: every notebook with paper's own branches and flags, at toy
sizes. It is a test of this clone, ``tests/rehearsal``; here is what starts it."""

import os
import shutil
import subprocess
import sys

from lib.core import paths
from lib.core.profiles import PROFILE_VARIABLE, REHEARSAL_VARIABLE
from lib.workbook import graph

HOME = paths.ROOT / "data" / "processed" / "rehearsal"


def run(notebooks: list[str], *, cores: int = 2, keep: bool = False,
        full_size: bool = False) -> int:
    """Rehearses notebooks (numbers or stems; none: all); 1 if one failed. `keep`: what an earlier
    rehearsal made stays, so that one notebook can be tried alone; `full_size`: published networks
    (by their names; none: all) at their own size instead."""
    if full_size:
        return start("rehearsal.full_size", notebooks)
    stems = graph.select(notebooks)
    if not keep:
        shutil.rmtree(HOME, ignore_errors=True)
    return start("rehearsal", [str(cores), *stems], **{
        "KLANGFARBE_WORK": HOME / "work", paths.REAL_DATA_VARIABLE: HOME / "collections",
        "HF_HUB_CACHE": HOME / "hub", "HF_HUB_OFFLINE": 1, REHEARSAL_VARIABLE: 1,
        PROFILE_VARIABLE: "paper", "KLANGFARBE_THREADS": 1, "OMP_NUM_THREADS": 1,
        "MPLBACKEND": "agg"})


def start(module: str, words: list[str], **settings) -> int:
    """Runs a module of ``tests``, with the clone's own code; its exit code."""
    found = os.pathsep.join(map(str, (paths.ROOT, paths.ROOT / "tests")))
    return subprocess.run([sys.executable, "-m", module, *words], check=False, cwd=paths.ROOT,
                          env=os.environ | {name: str(value) for name, value in settings.items()}
                          | {"PYTHONPATH": found}).returncode
