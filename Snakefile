# One rule a notebook, made from lib/workbook/graph.py. `python -m lib run` calls this; so can Snakemake alone:
#   snakemake --cores 2            (profile mini, all notebooks)
# The executed notebook stands under `log:`: a failed rule's outputs are deleted, its logs are kept.
import os
import signal
import socket
import sys
import threading

from lib.core import paths, watchdog
from lib.workbook import graph

REQUEST = graph.decode(config["request"]) if "request" in config else {}
PROFILE = REQUEST.get("profile", "mini")
CHOSEN = REQUEST.get("notebooks", list(graph.STEPS))
PARAMS = REQUEST.get("params", {})
PRIORITIES = graph.priorities(CHOSEN)

if workflow.is_main_process:
    watchdog.end_with_starter()
    # SIGINT and SIGTERM end it, and with it what runs: Snakemake would wait for that
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno())
    threading.Thread(target=lambda: os._exit(128 + heard.recv(1)[0]), daemon=True).start()
else:  # a job on another machine, which the cluster ends
    os.environ.pop(watchdog.STARTER, None)


def products(stem):
    return [f"results/{PROFILE}/{stem}/{name}" for name in graph.STEPS[stem].files]


def ran(stem):
    """Stands only after a run of this graph: results that a notebook opened by hand left behind do not pass for one."""
    return f"papermill_runs/{PROFILE}/{stem}.done"


def needed(stem):
    """Only what this run makes: the rest is an earlier result or a miniature, which the notebook finds itself."""
    sources = [source for source in graph.STEPS[stem].sources if source in CHOSEN]
    return [path for source in sources for path in [*products(source), ran(source)]]


rule all:
    input: [path for stem in CHOSEN for path in [*products(stem), ran(stem)]]
    localrule: True


for stem in CHOSEN:
    rule:
        name: "nb_" + stem
        input:
            # part of the clone, never of the results' storage; its cells count by `code`, not by the file's time
            notebook=local(ancient(f"notebooks/{stem}.ipynb")),
            needs=needed(stem),
        output: products(stem), touch(ran(stem))
        log: notebook=f"papermill_runs/{PROFILE}/{stem}.ipynb", text=f"papermill_runs/{PROFILE}/{stem}.log"
        benchmark: f"papermill_runs/{PROFILE}/benchmarks/{stem}.tsv"
        threads: 1
        priority: round(PRIORITIES[stem])
        resources:
            mem_mb=3500,
            runtime=240,
        params:
            values=graph.encode({"PROFILE": PROFILE} | PARAMS.get(stem, {})),
            code=graph.encode(graph.code_of(paths.NOTEBOOKS / f"{stem}.ipynb")),
            python=sys.executable,
        shell:
            "{params.python} -m lib execute {input.notebook} {log.notebook} --parameters {params.values}"
            " --threads {threads} > {log.text} 2>&1"
