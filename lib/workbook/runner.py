"""Running the notebooks: Snakemake drives papermill through the graph, then the report is built."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from lib.core import paths
from lib.core.errors import KlangfarbeError, one_of
from lib.core.profiles import PROFILES
from lib.workbook import graph, lab, report, watch

ENGINE_LOG = "snakemake.log"


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
            if dry_run:
                return subprocess.run([*command, "--dry-run"], cwd=paths.ROOT,
                                      check=False).returncode
            code = _watched(command, profile, stems, cores)
    except Timeout as error:
        raise KlangfarbeError("no other run in this clone", "one that is still going on",
                              "wait for it, or stop it") from error
    failed = {stem: reason for stem in stems if (reason := report.failure(profile, stem))}
    ran = (paths.RUNS / profile / f"{stem}.ipynb" for stem in stems)
    lab.trust([*lab.stored(), *(file for file in ran if file.is_file())])
    page = report.build(profile, graph.select([]))
    results, runs = _shown(paths.RESULTS / profile), _shown(paths.RUNS / profile)
    if not failed and not code:
        print(f"\nreport    {_shown(page)}\npictures  {results}/*/*.png\n"
              f"tables    {results}/*/*.csv\nnotebooks {runs}/*.ipynb  (as they ran)")
        return 0
    print(f"\nThe report holds what has run so far: {_shown(page)}")
    for stem, reason in failed.items():
        print(f"{stem} failed: {reason}\n  where: {runs}/{stem}.ipynb")
    if not failed:
        print("".join((paths.RUNS / profile / ENGINE_LOG).read_text(
            encoding="utf-8", errors="replace").splitlines(keepends=True)[-20:]))
    print(f"The run failed: {len(failed) or 'no'} of {len(stems)} notebooks, exit code of the "
          f"engine {code} ({runs}/{ENGINE_LOG}). The same command goes on from here.")
    return 1 if failed else code


def _watched(command: list[str], profile: str, stems: list[str], cores: int) -> int:
    """Runs Snakemake, whose own words go to a file, and shows where it is; its exit code."""
    log = paths.RUNS / profile / ENGINE_LOG
    log.parent.mkdir(exist_ok=True)
    with open(log, "w", encoding="utf-8") as file, watch.shown(profile, stems, cores) as look:
        engine = subprocess.Popen(command, cwd=paths.ROOT, stdout=file, stderr=subprocess.STDOUT)
        try:
            while engine.poll() is None:
                look()
                time.sleep(0.5)
        except KeyboardInterrupt:  # the engine heard it as well: it ends its notebooks
            engine.wait()
            raise
    return engine.returncode


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
