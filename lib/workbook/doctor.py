"""``python -m lib doctor``: what this machine has, what is missing, and what mends it."""

import importlib.metadata
import os
import re
import shutil
import sys

import psutil
import torch
from packaging.markers import Marker

from lib import recipes
from lib.core import paths, provenance

MIN_FREE_GB, MIN_MEMORY_GB = 5.0, 7.0


def examine() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """All that a run needs: (what, how it is) and (what is wrong, the command that mends it)."""
    python, pins, wrong = sys.version.split()[0], 0, {}
    for line in (paths.ROOT / "requirements.lock").read_text().splitlines():
        pin = re.match(r"([A-Za-z0-9_.-]+)==([^\s;\\]+)\s*(?:;\s*(.*?))?\s*\\?$", line)
        if not pin or pin[3] and not Marker(pin[3]).evaluate():  # of another platform
            continue
        try:
            installed = importlib.metadata.version(pin[1])
        except importlib.metadata.PackageNotFoundError:
            installed = "absent"
        pins += 1
        if installed != pin[2]:
            wrong[pin[1]] = f"{installed}, locked {pin[2]}"
    memory = psutil.virtual_memory().total / 2**30
    free = shutil.disk_usage(paths.ROOT).free / 2**30
    bundled = sorted(file.relative_to(paths.MINIATURES).as_posix()
                     for file in paths.MINIATURES.rglob("*")
                     if file.suffix in (".safetensors", ".skops"))
    facts = [("python", python), ("packages", f"{pins - len(wrong)} of {pins} as locked"),
             ("torch", torch.__version__), ("device", provenance.device()),
             ("cores, memory", f"{os.cpu_count()}, {memory:.0f} GB"),
             ("free disk", f"{free:.0f} GB"), ("miniatures", ", ".join(bundled) or "none"),
             ("real collections", os.environ.get(paths.REAL_DATA_VARIABLE)
              or f"none ({paths.REAL_DATA_VARIABLE} is unset: real-data tests are skipped)")]
    shown = "; ".join(f"{name} {state}" for name, state in list(wrong.items())[:5])
    faults = [(what, mend) for bad, what, mend in (
        (sys.version_info[:2] != (3, 11), f"Python 3.11 expected, {python} found",
         "install Python 3.11, then: make clean && make run"),
        (wrong, f"packages differ from requirements.lock: {shown}", "make clean && make run"),
        (memory < MIN_MEMORY_GB, f"{memory:.1f} GB of memory, profile mini wants 8",
         "make run PROFILE=smoke"),
        (free < MIN_FREE_GB, f"{free:.1f} GB of disk left, {MIN_FREE_GB:g} wanted",
         "rm -rf data/processed papermill_runs/smoke results/smoke")) if bad]
    faults += [(f"miniature {recipe.folder}/{file} is missing",
                f"git checkout -- data/miniatures, or make it: python -m lib miniature {name}")
               for name, recipe in recipes.RECIPES.items() for file in recipe.files
               if not (paths.MINIATURES / recipe.folder / file).is_file()]
    return facts, faults


def report() -> int:
    """Prints facts and faults; exit code 0 where nothing is wrong, else 2."""
    facts, faults = examine()
    for what, how in facts:
        print(f"{what:17} {how}")
    for what, command in faults:
        print(f"\nwrong: {what}\n  mend: {command}")
    print("" if faults else "\nall well")
    return 2 if faults else 0
