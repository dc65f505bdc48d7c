"""Running the notebooks: Snakemake drives papermill through the graph, then the report is built."""

import shlex
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from lib.core import paths
from lib.core.errors import KlangfarbeError, one_of
from lib.core.profiles import PROFILES
from lib.workbook import graph, lab, report


def run(profile: str, notebooks: list[str], params: list[str], *, cores: int, engine: str = "",
        dry_run: bool = False) -> int:
    """Runs notebooks (numbers or stems; none: all) at a profile and builds the report; exit code.
    What has run on these cells, inputs, code and parameters is not run again."""
    stems = _chosen(profile, notebooks)
    config = {"profile": profile, "notebooks": stems, "params": graph.parse_params(params, stems)}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.ROOT / "Snakefile"),
               "--directory", str(paths.ROOT), "--cores", str(cores), "--nolock",
               "--rerun-incomplete", "--keep-going", "--quiet", "rules", "host", "--config",
               f"request={graph.encode(config)}", *shlex.split(engine)]
    paths.RUNS.mkdir(exist_ok=True)
    try:
        # The system drops this lock when a run is killed; Snakemake's own would stay behind.
        with FileLock(paths.RUNS / ".lock", timeout=0):
            done = subprocess.run(command + ["--dry-run"] * dry_run, cwd=paths.ROOT, check=False)
    except Timeout as error:
        raise KlangfarbeError("no other run in this clone", "one that is still going on",
                              "wait for it, or stop it") from error
    if dry_run:
        return done.returncode
    failed = {stem: reason for stem in stems if (reason := report.failure(profile, stem))}
    for stem, reason in failed.items():
        print(f"{stem} failed: {reason}")
    ran = (paths.RUNS / profile / f"{stem}.ipynb" for stem in stems)
    lab.trust([*lab.stored(), *(file for file in ran if file.is_file())])
    page = report.build(profile, graph.select([]))
    results = _shown(paths.RESULTS / profile)
    print(f"\nreport    {_shown(page)}\npictures  {results}/*/*.png\ntables    {results}/*/*.csv"
          f"\nnotebooks {_shown(paths.RUNS / profile)}/*.ipynb  (as they ran)")
    return 1 if failed else done.returncode


def check(profile: str, notebooks: list[str]) -> int:
    """Names the graph's products that a profile's results lack; returns 1 where there are any."""
    stems = _chosen(profile, notebooks)
    products = [paths.RESULTS / profile / stem / name
                for stem in stems for name in graph.STEPS[stem].files]
    absent = [file for file in products if not file.is_file()]
    for file in absent:
        print(f"missing: {_shown(file)}")
    print(f"{len(stems)} notebooks at {profile}, {len(absent)} products missing")
    return 1 if absent else 0


def _chosen(profile: str, notebooks: list[str]) -> list[str]:
    one_of(PROFILES, profile, "a profile")
    return graph.select(notebooks)


def _shown(path: Path) -> str:
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)
