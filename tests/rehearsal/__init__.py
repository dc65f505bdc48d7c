"""A rehearsal of profile ``paper``: every notebook with paper's own branches and flags, at toy
sizes, on replicas of the publishers' folders and on random networks of the published architectures.
Nothing is fetched and no result of a real run is touched. A number it prints means nothing.

    replicas, networks ─► notebooks in the graph's order, by forks of one process ─► a work folder
"""

import contextlib
import json
import multiprocessing
import os
import time
import traceback

from lib.core import artefacts, paths, workers
from lib.workbook import graph, ledger

HOME = paths.ROOT / "data" / "processed" / "rehearsal"
PRELOADED = ("diffusers", "librosa", "matplotlib.pyplot", "open_clip", "seaborn",
             "sklearn.ensemble", "transformers.models.musicgen.modeling_musicgen", "lib.recipes",
             "lib.systems.compare")


def rehearse(stems: list[str], cores: int) -> int:
    """Rehearses notebooks in a process whose environment is set (``__main__``); forks inherit what
    it has imported; 1 if one failed."""
    for name in PRELOADED:
        __import__(name)
    from rehearsal import collections, networks, sizes  # which import those
    sizes.install()
    for folder, write in ((HOME / "collections", collections.write_collections),
                          (HOME / "hub", networks.write_hub)):
        if not folder.is_dir():
            write(folder)
    fork, longest, running = multiprocessing.get_context("fork"), graph.priorities(stems), {}
    waiting = sorted(stems, key=lambda stem: -longest[stem])  # of what waits for each
    failed = []
    while waiting or running:
        ready = [stem for stem in waiting
                 if not {*graph.STEPS[stem].sources} & {*waiting, *running}]
        for stem in ready[: cores - len(running)]:
            waiting.remove(stem)
            running[stem] = fork.Process(target=perform, args=(stem,))
            running[stem].start()
        for stem, process in list(running.items()):
            process.join(0.05)
            if process.exitcode is not None:
                del running[stem]
                failed += [stem] * bool(process.exitcode)
    for stem in failed:
        print(f"{stem} failed: {(HOME / 'logs' / f'{stem}.log')}")
    print(f"{len(stems) - len(failed)} of {len(stems)} notebooks rehearsed at paper's flags")
    return 1 if failed else 0


def perform(stem: str) -> None:
    """Runs a notebook in this process, which then ends; output goes into a log."""
    log, began = HOME / "logs" / f"{stem}.log", time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    workers.own_folder()  # two that compile at once crash each other
    os.chdir(paths.NOTEBOOKS)
    with log.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file), \
            contextlib.redirect_stderr(file):
        why = run_cells(stem) or fault_of_products(stem)
    print(f"{time.monotonic() - began:5.0f} s  {stem}  {why or 'ran'}", flush=True)
    os._exit(1 if why else 0)


def run_cells(stem: str) -> str:
    """Runs a notebook's code cells: the first one's error, if any."""
    from IPython.core.interactiveshell import InteractiveShell  # a fork's own
    shell = InteractiveShell.instance()
    cells = json.loads((paths.NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            print(f"--- cell {number}", flush=True)
            ran = shell.run_cell("".join(cell["source"]), store_history=False)
            if error := ran.error_in_exec or ran.error_before_exec:
                traceback.print_exception(error)
                return f"cell {number}: {type(error).__name__}: {str(error)[:200]}"
    return ""


def fault_of_products(stem: str) -> str:
    """What a notebook has not written, or measured on data that no system reads at paper."""
    folder = paths.RESULTS / "paper" / stem
    if absent := [name for name in graph.STEPS[stem].files if not (folder / name).is_file()]:
        return f"without {', '.join(absent)}"
    evidence = folder / ledger.EVIDENCE
    rows = artefacts.read(evidence).to_dict("records") if evidence.is_file() else ()
    wrong = {row["claim"] for row in rows if row["claim"][0] == "S" and row["data"] == "atelier"}
    return f"evidence of the atelier for {', '.join(sorted(wrong))}" if wrong else ""
