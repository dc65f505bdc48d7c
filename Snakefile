# One rule a notebook, made from the table in lib/workbook/runner.py. `python -m lib run` calls this; so can Snakemake alone:
#   snakemake --cores 2            (profile mini, all notebooks)
# The executed notebook stands under `log:`: a failed rule's outputs are deleted, its logs are kept.
import base64
import json
import sys

from lib.workbook import runner as graph

REQUEST = json.loads(base64.b64decode(config["request"])) if "request" in config else {}
PROFILE = REQUEST.get("profile", "mini")
CHOSEN = REQUEST.get("notebooks", list(graph.STEPS))
PARAMS = REQUEST.get("params", {})
CODE = graph.code_hash()
PRIORITIES = graph.priorities(CHOSEN)


def made(stem, names):
    return [f"results/{PROFILE}/{stem}/{name}" for name in names]


def ran(stem):
    """Stands only after a run of this graph: results that a notebook opened by hand left behind do not pass for one."""
    return f"papermill_runs/{PROFILE}/{stem}.done"


def needed(step):
    """Only what this run makes: the rest is an earlier result or a miniature, which the notebook finds itself."""
    return [f"results/{PROFILE}/{need}" for need in step.needs if need.split("/")[0] in CHOSEN]


rule all:
    input: [path for stem in CHOSEN for path in [*made(stem, graph.STEPS[stem].produces), ran(stem)]]
    localrule: True


for stem in CHOSEN:
    rule:
        name: "nb_" + stem
        input:
            notebook=local(f"notebooks/{stem}.ipynb"),  # part of the clone, never of the results' storage
            needs=needed(graph.STEPS[stem]),
        output: made(stem, graph.STEPS[stem].produces), touch(ran(stem))
        log: notebook=f"papermill_runs/{PROFILE}/{stem}.ipynb", text=f"papermill_runs/{PROFILE}/{stem}.log"
        benchmark: f"papermill_runs/{PROFILE}/benchmarks/{stem}.tsv"
        threads: 1
        priority: PRIORITIES[stem]
        resources:
            mem_mb=3500,
            runtime=240,
        params:
            values=graph.encode({"PROFILE": PROFILE} | PARAMS.get(stem, {})),
            code=CODE,
            python=sys.executable,
        shell:
            "{params.python} -m lib execute {input.notebook} {log.notebook} --parameters {params.values}"
            " --threads {threads} > {log.text} 2>&1"
