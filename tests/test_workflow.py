"""The runner: what it refuses before anything runs, and a real run of two small notebooks that
fails, is mended and resumes.
"""

import graphlib
import json
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lib.cli import main
from lib.core import artefacts, paths
from lib.signal import audio
from lib.workbook import graph, ledger, report

TWO_STEPS = """

STEPS = {"10_first": Step("one.json"), "11_second": Step("two.json", needs="10")}
"""


def notebook(path, parameters, *cells):
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}),
             *map(new_code_cell, cells)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone of the code with two notebooks of its own."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(paths.ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.ROOT / "Snakefile", root)
    with open(root / "lib/workbook/graph.py", "a", encoding="utf-8") as file:
        file.write(TWO_STEPS)
    (root / "notebooks").mkdir()
    (root / "data").mkdir()
    for table in ("claims.csv", "published.csv"):
        shutil.copy(paths.ROOT / "data" / table, root / "data")
    head = "import json\nfrom lib.core import artefacts\n"
    notebook(root / "notebooks" / "10_first.ipynb", 'PROFILE = "mini"\nSTEPS = 3\nBREAK = False',
             head + "if BREAK:\n    raise RuntimeError('planted')",
             "artefacts.save({'steps': STEPS, 'profile': PROFILE}, '10_first', PROFILE, "
             "'one.json', seed=0)")
    notebook(root / "notebooks" / "11_second.ipynb", 'PROFILE = "mini"',
             head + "one = artefacts.load('10_first', PROFILE, 'one.json')",
             "artefacts.save({'double': 2 * one['steps']}, '11_second', PROFILE, 'two.json', "
             "seed=0)")
    return root


def lib(root, *words):
    return subprocess.run([sys.executable, "-m", "lib", *words], cwd=root, capture_output=True,
                          text=True, check=False)


@pytest.mark.slow
def test_a_failed_cell_keeps_its_notebook_and_the_next_call_goes_on(project):
    by_hand = project / "results/smoke/10_first"
    by_hand.mkdir(parents=True)
    (by_hand / "one.json").write_text("{}")  # left by a notebook opened by hand: not a run
    failed = lib(project, "run", "--profile", "smoke", "--params", "10.break=true")
    assert failed.returncode == 1
    assert "10_first failed: RuntimeError: planted" in failed.stdout
    assert "10_first runs" in failed.stdout and "10_first failed after 0:" in failed.stdout
    assert "The run failed: 1 of 2 notebooks" in failed.stdout.splitlines()[-1]
    assert "pictures" not in failed.stdout, "no links as if it had gone well"
    kept = nbformat.read(project / "papermill_runs/smoke/10_first.ipynb", as_version=4)
    assert any(output.output_type == "error" for cell in kept.cells if cell.cell_type == "code"
               for output in cell.outputs)
    assert "planted" in (project / "results/smoke/report.html").read_text()

    mended = lib(project, "run", "--profile", "smoke", "--params", "10.steps=21")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert json.loads((project / "results/smoke/11_second/two.json").read_text()) == {"double": 42}
    assert "results/smoke/report.html" in mended.stdout
    assert "11_second done after 0:" in mended.stdout and "(2 of 2 done" in mended.stdout
    state = json.loads((project / "papermill_runs/smoke/11_second.state.json").read_text())
    assert state["state"] == "done" and state["cell"] == state["of"] == 4
    assert not (project / "notebooks" / "papermill_runs").exists(), "nothing is written beside them"
    assert (project / "papermill_runs/smoke/benchmarks/11_second.tsv").read_text().count("\n") == 2

    before = (project / "papermill_runs/smoke/10_first.ipynb").stat().st_mtime_ns
    again = lib(project, "run", "--profile", "smoke", "--params", "10.steps=21")
    assert again.returncode == 0
    # nothing ran twice
    assert (project / "papermill_runs/smoke/10_first.ipynb").stat().st_mtime_ns == before

    only_second = lib(project, "run", "--profile", "smoke", "--notebooks", "11", "--dry-run")
    assert "nb_10_first" not in only_second.stdout + only_second.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    ["--executor slurm --jobs 4 --default-resources slurm_partition=gpu",
     "--executor kubernetes --jobs 4 --default-storage-provider fs "
     "--default-storage-prefix {root}/volume"
     " --kubernetes-persistent-volumes claim:{root}/volume",],
)
def test_scale_out_is_the_engines_own(project, engine):
    planned = lib(project, "run", "--profile", "mini", "--dry-run",
                  f"--engine={engine.format(root=project)}")
    assert planned.returncode == 0, planned.stderr
    assert "nb_11_second" in planned.stdout + planned.stderr


@pytest.mark.parametrize(("words", "told"), [
    (["--notebooks", "77"], "'77'"),
    (["--notebooks", "31", "--params", "31.no_such=1"], "a parameter of 31_music2image_forest"),
    (["--notebooks", "31", "--params", "31.profile=gpu"], "a parameter of 31_music2image_forest"),
    (["--notebooks", "31", "--params", "31.seed=many"], "type int"),
    (["--notebooks", "31", "--params", "31.seed=1.5"], "type int"),
    (["--notebooks", "31", "--params", "33.seed=1"], "notebooks in this run"),
    (["--notebooks", "31", "--params", "seed=1"], "NOTEBOOK.name=value"),
    (["--profile", "huge"], "a profile out of"),
])
def test_what_cannot_run_is_refused_before_anything_runs(words, told, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("something ran"))
    assert main(["run", *words]) == 2
    line = capsys.readouterr().err
    assert told in line and line.count("\n") == 1


def test_selection_keeps_the_graphs_order_and_all_is_the_default():
    assert graph.select(["33", "31_music2image_forest"]) == ["31_music2image_forest",
                                                             "33_music2image_diffusion"]
    assert graph.select([]) == list(graph.STEPS)


def test_steps_are_the_notebooks_and_wait_for_no_circle():
    assert list(graph.STEPS) == [path.stem for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))]
    assert all(step.files and len(set(step.files)) == len(step.files)
               for step in graph.STEPS.values())
    order = graphlib.TopologicalSorter({s: step.sources for s, step in graph.STEPS.items()})
    assert len(list(order.static_order())) == len(graph.STEPS)


def test_the_longest_chain_goes_first():
    known, own = graph.priorities(list(graph.STEPS)), graph.seconds()
    assert set(own) == set(graph.STEPS) and min(own.values()) > 0
    for stem, step in graph.STEPS.items():
        assert all(known[source] >= known[stem] + own[source] for source in step.sources)
    assert graph.priorities(["13_bridging_music"]) == {"13_bridging_music":
                                                       own["13_bridging_music"]}


def test_this_clones_own_times_come_before_the_stored_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    table = tmp_path / "mini" / "benchmarks" / "13_bridging_music.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t800.0\n")
    assert graph.seconds()["13_bridging_music"] == 12.5


def test_check_names_what_is_missing(own_results, capsys):
    assert main(["run", "--check", "--profile", "smoke", "--notebooks", "35"]) == 1
    assert "35_music2image_chain/chain.csv" in capsys.readouterr().out
    for name in graph.STEPS["35_music2image_chain"].files:
        (paths.results_dir("smoke", "35_music2image_chain") / name).touch()
    assert main(["run", "--check", "--profile", "smoke", "--notebooks", "35"]) == 0


def test_parameters_survive_the_shell():
    values = {"TITLE": "it's \"quoted\" $HOME `x`", "STEPS": 3, "RATE": 1e-4}
    assert graph.decode(graph.encode(values)) == values


def test_an_unwritten_report_names_the_command_that_fills_it(own_results, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", own_results / "runs")
    page = report.build("smoke", graph.select([])).read_text()
    assert 'make run PROFILE=smoke NOTEBOOKS="31"' in page


def test_the_report_is_one_page_with_ledger_pictures_sounds_and_tables(own_results, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", own_results / "runs")
    monkeypatch.setattr(paths, "REFERENCE", own_results / "reference")
    run = "33_music2image_diffusion"
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    for name, content in (("tone.mp3", audio.encode_mp3(tone)),
                          ("red.png", np.full((8, 8, 3), (200, 0, 0), np.uint8)),
                          ("red.jpg", np.full((8, 8, 3), (200, 0, 0), np.uint8)),
                          ("numbers.csv", pd.DataFrame({"planted": [0.25]}))):
        artefacts.save(content, run, "smoke", name, seed=0)
    rows = [ledger.evidence("S3-5", f"ccc_{axis}", 0.8, 0.7, 0.9, 64, null=0.2)
            for axis in ("valence", "arousal")]
    ledger.save(rows, run, "smoke", seed=0)
    page = report.build("smoke", graph.select([])).read_text()
    for part in ('src="data:audio/mpeg;base64,', 'src="data:image/webp;base64,', "planted",
                 "ccc_valence 0.8 [0.7, 0.9], null 0.2, n 64", "holds 1", "NOTEBOOKS="):
        assert part in page
    links = set(re.findall(r'href="([^#"]+)"', page))
    assert 'src="http' not in page and links == {
        f"{run}/red.png", f"{run}/red.jpg", "claims.svg"}, (
        "it opens offline; what no notebook of this run made has no link")
    filled = pd.read_csv(paths.RESULTS / "smoke" / "claims.csv").set_index("id")["verdict"]
    assert filled["S3-5"] == "holds" and (paths.RESULTS / "smoke" / "claims.svg").is_file()


def test_the_report_leads_to_the_notebooks_that_ran(own_results, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", own_results / "runs")
    ran = paths.RUNS / "smoke/33_music2image_diffusion.ipynb"
    ran.parent.mkdir(parents=True)
    notebook(ran, 'PROFILE = "smoke"')
    page = report.build("smoke", graph.select([]))
    links = re.findall(r'<a href="([^"]+\.ipynb)">', page.read_text())
    assert [(page.parent / link).resolve() for link in links] == [ran]
    assert "://" not in re.sub(r"(?s)<style>.*?</style>", "", page.read_text())
