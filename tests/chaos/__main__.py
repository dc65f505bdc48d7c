"""``python -m chaos``, as ``python -m lib chaos`` starts it: so many kills, or full disks."""

import argparse
import collections
import random
import sys
import tempfile
import time
from pathlib import Path

import chaos
from chaos.small import small_project

KILLS_A_RUN = 4  # as often a run is killed before it may end


def undisturbed(project: chaos.Project) -> tuple[dict[str, str], float]:
    """What the artefacts must be, and seconds of a run. What differs between two runs (measured
    times) is left out.
    """
    runs = []
    for _ in range(2):
        project.clear()
        began = time.monotonic()
        project.finish()
        runs.append((project.artefacts(), time.monotonic() - began))
    (one, seconds), (two, _) = runs
    assert one.keys() == two.keys()
    varying = [name for name in one if one[name] != two[name]]
    print(f"undisturbed {seconds:.0f} s, {len(one)} artefacts; not the same in two runs: "
          f"{', '.join(varying) or 'none'}", flush=True)
    return {name: of for name, of in one.items() if name not in varying}, seconds


def compare(project: chaos.Project, expected: dict[str, str]) -> None:
    """Every artefact is there with the expected bytes; nothing half-written is left."""
    found = project.artefacts()
    wrong = [name for name, of in expected.items() if found.get(name) != of]
    assert not wrong, f"not as undisturbed: {wrong}"
    assert not project.half_written() and not project.broken_notebooks()


def kills(project: chaos.Project, n: int, seed: int) -> collections.Counter:
    """The campaign; how many kills of which kind."""
    expected, whole = undisturbed(project)
    struck, planned = collections.Counter(), chaos.plan(n, seed, whole / KILLS_A_RUN)
    for start in range(0, n, KILLS_A_RUN):
        project.clear()
        for kill in planned[start : start + KILLS_A_RUN]:
            before = project.finished()
            seconds = chaos.strike(project, kill)
            after = project.finished()
            again = [stem for stem in before if after.get(stem) != before[stem]]
            assert not again, f"made again: {again}"
            struck["none: it had ended" if seconds is None else f"{kill.kind} {kill.signal}"] += 1
            ended = "it had ended" if seconds is None else f"all ended within {seconds:.1f} s"
            print(f"{kill}: {ended}; {len(after)} notebooks finished", flush=True)
        before = project.finished()
        project.finish()
        assert before.items() <= project.finished().items(), "made again"
        compare(project, expected)
        print(f"{len(expected)} artefacts identical, none lost", flush=True)
    return struck


def full_disks(project: chaos.Project, n: int, seed: int) -> collections.Counter:
    """As often a disk that fills at a random moment and stays full until the run has ended."""
    expected, seconds = undisturbed(project)
    draw, codes = random.Random(seed), collections.Counter()
    for k in range(n):
        if k % KILLS_A_RUN == 0:
            project.clear()
        after = draw.uniform(0, seconds / KILLS_A_RUN)
        code = chaos.fill(project, after, expected)
        codes[f"exit code {code}"] += 1
        print(f"full after {after:.1f} s: exit code {code}: {project.said().splitlines()[-1]}",
              flush=True)
        if k % KILLS_A_RUN == KILLS_A_RUN - 1 or k == n - 1:
            project.finish()
            compare(project, expected)
            print(f"{len(expected)} artefacts identical, none lost", flush=True)
    return codes


def parser() -> argparse.ArgumentParser:
    """What a campaign may be told."""
    told = argparse.ArgumentParser(prog="python -m lib chaos")
    told.add_argument("--n", type=int, default=20, help="how often (default 20)")
    told.add_argument("--seed", type=int, default=0, help="another seed, other moments")
    told.add_argument("--cores", type=int, default=2, help="notebooks side by side")
    told.add_argument("--disk", action="store_true", help="fill the disk instead of killing")
    told.add_argument("--small", action="store_true", help="two small notebooks instead: quicker")
    told.add_argument("--notebooks", nargs="+", default=["00", "26", "33", "34", "46"],
                      metavar="NN", help="which run (default 00 26 33 34 46)")
    return told


def main(words: list[str]) -> int:
    """Runs a campaign and prints its figures; 1 with the first thing that went wrong."""
    chosen = parser().parse_args(words)
    print(f"seed {chosen.seed}, {chosen.n} {'full disks' if chosen.disk else 'kills'}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        disk = chaos.small_disk(Path(folder) / "disk", 400) if chosen.disk else None
        root = disk.__enter__() / "clone" if disk else Path(folder) / "clone"
        try:
            project = small_project(root) if chosen.small else chaos.Project(
                chaos.copy_of_the_clone(root), chosen.notebooks, chosen.cores)
            found = (full_disks if chosen.disk else kills)(project, chosen.n, chosen.seed)
        except (AssertionError, PermissionError) as error:
            print(f"chaos: {error}")
            return 1
        finally:
            if disk:
                disk.__exit__(None, None, None)
    print("\n".join(f"{number:3} {what}" for what, number in sorted(found.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
