"""Runs one notebook, as the graph does: a process each, which imports little beside papermill."""

import json
import os
import signal
import time
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import LocalHandler, papermill_io

from lib.core import paths, watchdog, workers
from lib.core.errors import readable
from lib.core.profiles import PROFILE_VARIABLE
from lib.workbook import graph, kernels, watch


class Watched(NBClientEngine):
    """papermill's own engine, which says which cell it is at."""
    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **settings):
        begin, say = nb_man.cell_start, settings.pop("say")
        def cell_start(cell, cell_index=None, **more) -> None:
            say(cell=(cell_index or 0) + 1, of=len(nb_man.nb.cells))
            begin(cell, cell_index, **more)
        nb_man.cell_start = cell_start
        super().execute_managed_notebook(nb_man, kernel_name, **settings)


class Whole(LocalHandler):
    """papermill's own files, which no kill and no full disk cuts off."""
    def write(self, buf: str, path: str) -> None:
        with paths.atomic(Path(path)) as file:
            file.write_text(buf, encoding="utf-8")


def execute(source: Path, executed: Path, parameters: str, threads: int) -> int:
    """Runs a notebook as the graph does, parameters (``graph.encode``) injected; its exit code."""
    watchdog.end_with_starter()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # it ends at once, and its kernel with it
    # The injected PROFILE must hold: a variable left over from a test run would speak before it.
    os.environ.pop(PROFILE_VARIABLE, None)
    source, executed = source.resolve(), executed.resolve()  # papermill changes the folder
    os.environ["KLANGFARBE_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["PYTHONPATH"] = str(paths.ROOT)  # this clone's code, whatever is installed
    with readable("a notebook and its parameters", source, "give the path of one, whole"):
        code, given = graph.code_of(source), graph.decode(parameters)
    known = {"state": "runs", "cell": 0, "of": 0, "began": time.time()}
    def say(**more) -> None:
        known.update(more)
        watch.note(executed, **known)
    say()
    workers.own_folder()
    workers.keep_memory()
    if threads != 1:
        os.environ.pop(kernels.ADDRESS, None)  # its server's libraries have one
    with paths.atomic(executed.with_suffix(graph.CODE_SUFFIX)) as file:
        file.write_text(json.dumps(code, indent=1) + "\n", encoding="utf-8")
    os.environ[workers.BAR_VARIABLE] = str(executed.with_suffix(watch.BAR_SUFFIX))
    papermill_engines.register("watched", Watched)
    papermill_io.register(str(executed), Whole())
    try:
        papermill.execute_notebook(source, executed, given,
                                   kernel_name="python3", cwd=str(paths.NOTEBOOKS),
                                   progress_bar=False, start_timeout=180, engine_name="watched",
                                   say=say, extra_arguments=[
                                       f"--IPKernelApp.extra_extensions={watchdog.__name__}"])
    except (papermill.PapermillExecutionError, DeadKernelError) as error:
        print(f"{source.stem}, cell {known['cell']}: {error}")
        say(state="failed", ended=time.time())
        return 1
    say(state="done", ended=time.time())
    return 0
