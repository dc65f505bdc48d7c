"""Where a run is: a live line a notebook on a terminal, in a log a line when one begins or ends,
read from the files that a notebook's process (:func:`note`) and ``loop.progress`` leave."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lib.core import paths
from lib.workbook import graph

STATE_SUFFIX, BAR_SUFFIX = ".state.json", ".bar"
COLOURS = {"waits": "dim", "runs": "bold", "done": "green", "failed": "bold red", "kept": "dim"}


class Line(NamedTuple):
    """A notebook's state (a key of ``COLOURS``; kept: of an earlier run), how far it is, seconds
    since it began and, by its last run, to its end."""
    stem: str
    state: str
    at: str = ""
    elapsed: float = 0.0
    left: float = 0.0


def note(executed: Path, **state) -> None:
    """Written by a notebook's own process: ``state``, ``cell``, ``of``, ``began``, ``ended``."""
    with paths.atomic(executed.with_suffix(STATE_SUFFIX)) as file:
        file.write_text(json.dumps(state), encoding="utf-8")


def lines(profile: str, stems: list[str], since: float) -> list[Line]:
    """Where each notebook is in a run that began at `since` (seconds of the epoch)."""
    found, took, now = [], graph.seconds(), time.time()
    for stem in stems:
        base = paths.RUNS / profile / stem
        its: dict = {"began": 0.0}
        with contextlib.suppress(OSError, ValueError):  # it has not begun, or is writing
            its = json.loads(base.with_suffix(STATE_SUFFIX).read_text(encoding="utf-8"))
        if its["began"] < since:
            kept = base.with_suffix(".done").is_file()
            found.append(Line(stem, "kept") if kept
                         else Line(stem, "waits", left=took.get(stem, 0.0)))
            continue
        elapsed = its.get("ended", now) - its["began"]
        at, bar = f"cell {its['cell']} of {its['of']}", base.with_suffix(BAR_SUFFIX)
        if its["state"] == "runs":
            with contextlib.suppress(OSError):
                if bar.stat().st_mtime >= its["began"]:
                    at += f", {bar.read_text(encoding='utf-8')}"
        left = max(0.0, took.get(stem, 0) - elapsed) if its["state"] == "runs" else 0.0
        found.append(Line(stem, its["state"], at if its["state"] != "done" else "", elapsed, left))
    return found


def total(found: list[Line], cores: int) -> str:
    """How many are done and about how long the rest takes, by the last run on this machine."""
    begun = [line for line in found if line.state != "kept"]
    done = sum(line.state in ("done", "failed") for line in begun)
    left = max([sum(line.left for line in begun) / cores, *(line.left for line in begun)])
    return f"{done} of {len(begun)} done, about {clock(left)} left"


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def table(found: list[Line], cores: int) -> Table:
    """What a terminal shows: those that run, failed or wait next, and how many are done."""
    shown = Table(title=total(found, cores), title_justify="left", box=None, show_header=False)
    for line in found:
        if line.state in ("runs", "failed"):
            left = f"about {clock(line.left)} left" if line.left else ""
            shown.add_row(*line[:3], clock(line.elapsed), left, style=COLOURS[line.state])
    return shown


@contextlib.contextmanager
def shown(profile: str, stems: list[str], cores: int, console: Console | None = None) -> Iterator:
    """Yields what is to be called again and again while the run goes on; prints where it is."""
    since, before, console = time.time(), {}, console or Console(highlight=False)
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    def look() -> None:
        found = lines(profile, stems, since)
        for line in found:
            if line.state != before.get(line.stem, "waits") and line.state != "kept":
                end = "" if line.state == "runs" else f" after {clock(line.elapsed)}"
                if line.state != "runs" or not live:
                    console.print(f"{line.stem} {line.state}{end}  ({total(found, cores)})",
                                  style=COLOURS[line.state])
            before[line.stem] = line.state
        if live:
            live.update(table(found, cores), refresh=True)
    with live or contextlib.nullcontext():
        yield look
        look()
