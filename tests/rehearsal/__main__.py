"""``python -m rehearsal``, as ``python -m lib rehearse`` starts it: what a rehearsal must not touch
is named in the environment before the code that reads it is imported.
"""

import argparse
import os
import shutil
import subprocess
import sys

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILE_VARIABLE, REHEARSAL_VARIABLE
from lib.workbook import graph
from rehearsal import HOME, rehearse


def parser() -> argparse.ArgumentParser:
    """What a rehearsal may be told."""
    told = argparse.ArgumentParser(prog="python -m lib rehearse")
    told.add_argument("names", nargs="*", metavar="NN",
                      help="none: all; with --full-size names of networks")
    told.add_argument("--full-size", action="store_true", help="instead, each published network "
                      "once at its own size, with random weights: memory, seconds, FLOPs, and "
                      "what profile paper needs by them")
    told.add_argument("--cores", type=int, default=2, help="notebooks side by side")
    told.add_argument("--keep", action="store_true",
                      help="go on from what the last rehearsal made")
    return told


def main(words: list[str]) -> int:
    """Rehearses notebooks, or networks at their full size; 1 if one failed."""
    chosen = parser().parse_args(words)
    if chosen.full_size:
        from rehearsal import full_size

        return full_size.main(chosen.names)
    if os.environ.get(REHEARSAL_VARIABLE):
        return rehearse(graph.select(chosen.names), chosen.cores)
    graph.select(chosen.names)  # a name that is none ends it here
    if not chosen.keep:
        shutil.rmtree(HOME, ignore_errors=True)
    return subprocess.run([sys.executable, "-m", "rehearsal", *words], check=False,
                          env=os.environ | {name: str(value) for name, value in {
        "KLANGFARBE_WORK": HOME / "work", paths.REAL_DATA_VARIABLE: HOME / "collections",
        "HF_HUB_CACHE": HOME / "hub", "HF_HUB_OFFLINE": 1, REHEARSAL_VARIABLE: 1,
        PROFILE_VARIABLE: "paper", "KLANGFARBE_THREADS": 1, "OMP_NUM_THREADS": 1,
        "MPLBACKEND": "agg"}.items()}).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KlangfarbeError as error:
        print(f"klangfarbe: {error}", file=sys.stderr)
        sys.exit(2)
