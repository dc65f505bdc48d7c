"""Nothing that a run starts outlives it: Snakemake ends with the command that started it, a
notebook's process with Snakemake, a kernel with that process, each with its own children, however
the one above died. By process numbers: groups and death signals are not the same on any system."""

import contextlib
import os
import threading
import time

import psutil

STARTER = "KLANGFARBE_STARTER"  # number of the process that those started from here end with


def end_with_starter(_shell=None) -> None:
    """Has this process and all below it end soon after the one that the environment names, or one
    between the two, has ended."""
    starter, here = int(os.environ.get(STARTER, "0")), psutil.Process()
    if starter == here.pid:  # asked before
        return
    os.environ[STARTER] = str(here.pid)
    above = here.parents() if starter else []
    while above and above[-1].pid != starter:
        above.pop()
    if not above and starter and psutil.pid_exists(starter):  # this one is a fork of another's
        above = [psutil.Process(starter)]
    if above:
        threading.Thread(target=_watch, args=(above,), daemon=True).start()
    elif starter:  # it died before this one could look
        os._exit(1)


load_ipython_extension = end_with_starter  # what the kernel of a run's notebook loads first


def end_children() -> None:
    """Kills all that this process started, and what they started."""
    for process in psutil.Process().children(recursive=True):  # who starts others comes first
        with contextlib.suppress(psutil.Error):
            process.kill()


def _watch(above: list[psutil.Process]) -> None:
    with contextlib.suppress(psutil.Error):
        while all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE
                  for process in above):
            time.sleep(0.5)
    end_children()
    os._exit(1)
