"""Running the notebooks: Snakemake drives papermill through the graph, then the report is built."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lib.core import paths, watchdog
from lib.core.errors import KlangfarbeError, one_of
from lib.core.profiles import PROFILES
from lib.workbook import graph, kernels, lab, report, watch

ENGINE_LOG = "snakemake.log"
KILLED = "its process was killed (is memory or disk short?)"
STOPPED = 128  # and a signal's number: the exit code of what it ended


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
    since = time.time()
    with _alone():
        if dry_run:
            return subprocess.run([*command, "--dry-run"], cwd=paths.ROOT, check=False).returncode
        paths.sweep(paths.RUNS / profile, paths.RESULTS / profile, paths.PROCESSED)
        code = _watched(command, profile, stems, cores)
    if code > STOPPED:
        ran = sum((paths.RUNS / profile / f"{stem}.done").is_file() for stem in stems)
        print(f"\nThe run was stopped (signal {code - STOPPED}); {ran} of {len(stems)} notebooks "
              "are done. The same command goes on from here.")
        return code
    failed = {line.stem: KILLED for line in watch.lines(profile, stems, since)
              if line.state in ("runs", "failed")}
    failed |= {stem: reason for stem in stems if (reason := report.failure(profile, stem))}
    ran = (paths.RUNS / profile / f"{stem}.ipynb" for stem in stems)
    lab.trust([*lab.stored(), *(file for file in ran if file.is_file() and file.stat().st_size)])
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
    count = f"{len(failed)} of {len(stems)} notebooks" if failed else "see above"
    print(f"The run failed: {count}, exit code of the engine {code} ({runs}/{ENGINE_LOG}). "
          "The same command goes on from here.")
    return 1 if failed else code


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Holds the clone and says for whom; a run that was killed holds it no more."""
    holder = paths.RUNS / ".holder"
    before = holder.read_text() if holder.is_file() else ""
    try:
        # The system drops this lock when a run is killed; Snakemake's own would stay behind.
        with FileLock(paths.RUNS / ".lock", timeout=0):
            if before:
                print(f"The last run ({before}) was killed; this one goes on from there.")
            holder.write_text(f"process {os.getpid()} on {paths.HERE}, {time.ctime()}")
            try:
                yield
            finally:
                holder.unlink()
    except Timeout as error:
        raise KlangfarbeError("no other run in this clone", f"{before or 'one'}, still going on",
                              "wait for it, or stop it") from error


def _watched(command: list[str], profile: str, stems: list[str], cores: int) -> int:
    """Runs Snakemake, whose own words go to a file, and shows where it is; its exit code, or
    :data:`STOPPED` and the signal that stopped it or this process."""
    log = paths.RUNS / profile / ENGINE_LOG
    log.parent.mkdir(exist_ok=True)
    with (contextlib.nullcontext() if "--executor" in shlex.join(command) else kernels.served(),
          open(log, "w", encoding="utf-8") as file, watch.shown(profile, stems, cores) as look):
        engine = subprocess.Popen(command, cwd=paths.ROOT, stdout=file, stderr=subprocess.STDOUT,
                                  env=os.environ | {watchdog.STARTER: str(os.getpid())})
        try:
            while engine.poll() is None:
                look()
                time.sleep(0.5)
        except KeyboardInterrupt as stopped:
            return STOPPED + next(iter(stopped.args), signal.SIGINT)
        finally:
            watchdog.end_children()
    return engine.returncode if engine.returncode >= 0 else STOPPED - engine.returncode


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
