"""A campaign of kills: runs of a copy of this clone are killed at random moments, and must leave no
process behind, lose nothing, and end, by the same command, with the bytes of an undisturbed run.
Nothing of the clone itself is touched.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from lib.core import paths

PROFILE = "smoke"
SECONDS_TO_END = 5.0
MARK = "KLANGFARBE_CHAOS"  # in the environment of all that a run starts
KINDS = {
    "command": ("-m", "lib", "run"),
    "snakemake": ("-m", "snakemake"),
    "executor": ("-m", "lib", "execute"),
    "kernel": ("-m", "lib.workbook.kernels"),
}
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
ENDS_THE_RUN = ("command", "snakemake")
# they say when, where and how long; everything else below results/ is to be the same again
STAMPS = (".provenance.json", "report.html")


class Kill(NamedTuple):
    """One kill: whom, by which signal, how many seconds after the start, in the middle of a write
    (from then on, the first one that is seen) or not.
    """

    kind: str
    signal: str
    after: float
    in_a_write: bool


def plan(n: int, seed: int, seconds: float) -> list[Kill]:
    """The kills of a campaign of runs that take so many seconds: every kind by every signal in
    turn, half of them in a write.
    """
    draw = random.Random(seed)
    pairs = [(kind, name) for name in SIGNALS for kind in KINDS]
    return [Kill(*pairs[k % len(pairs)], round(draw.uniform(0, seconds), 2), draw.random() < 0.5)
            for k in range(n)]


def copy_of_the_clone(root: Path) -> Path:
    """A copy of what a run needs, without what runs made."""
    kept = shutil.ignore_patterns("__pycache__", "raw", "processed", ".ipynb_checkpoints")
    for name in ("lib", "notebooks", "data", "results/reference"):
        shutil.copytree(paths.ROOT / name, root / name, ignore=kept)
    shutil.copy(paths.ROOT / "Snakefile", root)
    return root


def of_kind(kind: str, command: subprocess.Popen) -> list[psutil.Process]:
    """The processes of a command that are itself, Snakemake, executors or kernels."""
    found, wanted = [], KINDS[kind]
    with suppress(psutil.Error):
        first = psutil.Process(command.pid)
        for process in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                if _runs(process, wanted) and (kind != "kernel" or _runs(process.parent(), wanted)):
                    found.append(process)  # a kernel is a fork of its server
    return found


def _runs(process: psutil.Process, wanted: tuple[str, ...]) -> bool:
    return tuple(process.cmdline()[1 : 1 + len(wanted)]) == wanted


class Project:
    """A copy of the clone in the folder `root` and the command that runs notebooks in it."""

    def __init__(self, root: Path, notebooks: list[str], cores: int = 2):
        self.root, self.mark = root, f"{os.getpid()}-{time.time_ns()}"
        self.words = [sys.executable, "-m", "lib", "run", "--profile", PROFILE, "--cores",
                      str(cores), "--notebooks", *notebooks]
        self.log = root.parent / f"{root.name}.log"  # not on a disk that is to be full

    def start(self) -> subprocess.Popen:
        """The command, which writes to the log."""
        environment = os.environ | {MARK: self.mark, "PYTHONPATH": str(self.root),
                                    "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        for name in ("KLANGFARBE_WORK", "KLANGFARBE_PROFILE", "KLANGFARBE_STARTER"):
            environment.pop(name, None)
        with open(self.log, "w", encoding="utf-8") as file:
            return subprocess.Popen(self.words, cwd=self.root, env=environment, stdout=file,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def said(self) -> str:
        """What the last command wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def finish(self) -> str:
        """Runs the command to its end, which must be a good one; what it wrote."""
        code, said = self.start().wait(), self.said()
        assert code == 0, f"exit code {code}:\n{said}"
        return said

    def clear(self) -> None:
        """Removes all that runs made."""
        for name in ("results", "papermill_runs", "data/processed", ".snakemake"):
            shutil.rmtree(self.root / name, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """All that runs of this project started and that still live."""
        found = []
        for process in psutil.process_iter():
            try:
                if (process.environ().get(MARK) == self.mark
                        and process.status() != psutil.STATUS_ZOMBIE):
                    found.append(process)
            except psutil.Error:  # another user's, or it has just ended
                continue
        return found

    def artefacts(self) -> dict[str, str]:
        """Each result's path → hash, without the stamps that say when it was made."""
        files = sorted(file for file in (self.root / "results").rglob("*") if file.is_file())
        return {file.relative_to(self.root).as_posix(): hashlib.sha256(
                    file.read_bytes()).hexdigest()
                for file in files if not file.name.endswith(STAMPS)}

    def half_written(self) -> list[Path]:
        """Temporary files, such as a killed process leaves."""
        temporary = re.compile(rf"^\..*{re.escape(paths.HERE)}-\d+-")
        made = [self.root / name for name in ("results", "papermill_runs", "data/processed")]
        return [Path(folder) / name for top in made for folder, _, names in os.walk(top)
                for name in names if temporary.search(name)]

    def broken_notebooks(self) -> list[str]:
        """Notebooks that ran and cannot be read."""
        broken = []
        for file in (self.root / "papermill_runs" / PROFILE).glob("*.ipynb"):
            written = file.read_text(encoding="utf-8")
            try:  # Snakemake makes an empty one before the notebook's process begins
                assert not written or json.loads(written)["cells"]
            except (ValueError, KeyError, AssertionError):
                broken.append(file.name)
        return broken

    def finished(self) -> dict[str, int]:
        """Notebooks that are recorded as done → when they were written, ns."""
        runs = self.root / "papermill_runs" / PROFILE
        recorded = {json.loads(file.read_text())["rule"].removeprefix("nb_")
                    for file in self._records()}
        return {done.stem: done.with_suffix(".ipynb").stat().st_mtime_ns
                for done in runs.glob("*.done") if done.stem in recorded}

    def _records(self) -> list[Path]:
        # Snakemake's own: a job's metadata are written, then its mark as incomplete is removed
        home = self.root / ".snakemake"
        incomplete = {file.name for file in (home / "incomplete").rglob("*")}
        return [file for file in (home / "metadata").rglob("*")
                if file.is_file() and file.name not in incomplete]


def orphans(project: Project, command: subprocess.Popen, *, also_below: bool) -> list:
    """Processes of runs that the command is not above; `also_below`: and those that it is."""
    family = {command.pid}
    with suppress(psutil.Error):
        below = psutil.Process(command.pid).children(recursive=True)
        family |= set() if also_below else {process.pid for process in below}
    return [process for process in project.processes() if process.pid not in family]


def strike(project: Project, kill: Kill, patience: float = SECONDS_TO_END) -> float | None:
    """Starts the command and kills as planned; ``None`` if the run ended before it came to that,
    else the seconds that it took what was to end, at most `patience`.
    """
    command, began = project.start(), time.monotonic()
    while command.poll() is None and time.monotonic() < began + kill.after:
        time.sleep(0.02)
    while command.poll() is None:
        writes = not kill.in_a_write or project.half_written()
        if writes and (there := of_kind(kill.kind, command)):
            there[0].send_signal(getattr(signal, kill.signal))
            return _after(project, command, kill, patience)
        time.sleep(0.002 if kill.in_a_write else 0.05)
    return None


def _after(project: Project, command: subprocess.Popen, kill: Kill, patience: float) -> float:
    """What a kill must leave behind: nobody; the command's own words and code."""
    began = ended = time.monotonic()
    ends = kill.kind in ENDS_THE_RUN
    while left := orphans(project, command, also_below=ends):
        assert ended < began + patience, f"{kill}: orphans {left}"
        time.sleep(0.05)
        ended = time.monotonic()
    if ends:
        code, number = command.wait(), getattr(signal, kill.signal)
        # killed, or still before its first line
        at_once = kill.kind == "command" and (kill.signal == "SIGKILL" or not project.said())
        assert code == (-number if at_once else 128 + number), f"{kill}: exit code {code}"
        assert at_once or "same command goes on from here" in project.said()
    else:  # the other notebooks run on
        code = command.wait()
        if code == 0 and (kill.kind, kill.signal) == ("kernel", "SIGINT"):
            return ended - began  # an interrupt between two cells is none
        assert code == 1, f"{kill}: exit code {code}:\n{project.said()}"
        assert "The run failed: " in project.said() and not project.processes()
    assert "pictures  " not in project.said(), "links as if it had gone well"
    assert not project.broken_notebooks()
    return ended - began


def fill(project: Project, after: float, expected: dict[str, str]) -> int:
    """Starts the command, whose disk is full from so many seconds later to its end; its exit code.
    No artefact is broken then.
    """
    command, began = project.start(), time.monotonic()
    while command.poll() is None and time.monotonic() < began + after:
        time.sleep(0.02)
    with full(project.root):
        code = command.wait()
        found = project.artefacts()
    assert code in (0, 1, 2) and "Traceback" not in project.said(), project.said()
    broken = [name for name, of in expected.items() if found.get(name, of) != of]
    assert not broken and not project.broken_notebooks(), f"broken: {broken}"
    return code


@contextmanager
def full(folder: Path):
    """The disk of a folder has no room left until the block ends."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int):
    """A file system of its own in a folder; ``PermissionError`` where this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        check=False, capture_output=True).returncode == 0
    if not mounted:
        raise PermissionError("this user may mount no file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
