"""The house rules that a machine can hold: which way imports run, how long files are, what a
notebook looks like.
"""

import ast
import base64
import json
import re
import statistics
import subprocess
import sys

import pytest

from lib.core import paths, profiles
from lib.workbook import graph

LIB = paths.ROOT / "lib"
FILES = sorted(LIB.rglob("*.py"))
NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted((paths.NOTEBOOKS / "solutions").glob("*.ipynb"))

# Rows of HOUSE.md, lowest first. A module may import its own row and those before it; in `CLOSED`
# rows only its own package.
ROWS = [
    ("errors", "paths", "profiles", "repro", "artefacts", "workers"),
    ("audio", "images", "affect", "text", "features", "training", "plots"),
    ("data", "models", "foundations", "metrics"),
    ("systems", "listening", "judging"),
    ("__main__", "bench", "benches", "doctor", "execute", "miniatures", "report", "workflow",
     "claims", "store"),
]
CLOSED = (2, 3)
OPEN = (("foundations", "models"),)  # a loader builds the networks it loads weights into
HEAVY = (
    "torch", "librosa", "sklearn", "scipy", "matplotlib", "pandas", "pandera", "pyarrow", "soundfile", "soxr", "pretty_midi",
    "tinysoundfont", "diffusers", "transformers", "optuna", "skops", "numba", "joblib", "torchmetrics", "papermill", "nbformat", "IPython",
)  # fmt: skip
ALLOWED = [
    ("systems", "data", True), ("data", "data", True), ("benches", "systems", True), ("plots", "audio", True),
    ("data", "metrics", False), ("metrics", "models", False), ("audio", "data", False), ("artefacts", "audio", False),
    ("novel", "audio", False), ("features_rows", "data", False), ("claims", "metrics", True),
    ("foundations", "models", True), ("models", "foundations", False), ("foundations", "metrics", False),
]  # fmt: skip


def name_of(file):
    return str(file.relative_to(paths.ROOT))


def part_of(module):
    """``lib.data.splits`` → ``data``; ``lib.signal.features_cqt`` → ``features`` (a file that was
    split keeps its first name).
    """
    part = module.split(".")[1] if "." in module else "lib"
    first = part.split("_")[0]
    return first if row_of(first) is not None else part


def row_of(part):
    return next((i for i, row in enumerate(ROWS) if part in row), None)


def imports(tree):
    """Modules of lib that a file imports, wherever in the file it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "lib")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_way(importer, imported):
    """Why this import runs the wrong way, or an empty string."""
    here, there = row_of(importer), row_of(imported)
    if here is None or there is None:
        return f"{importer if here is None else imported} stands in no row of ROWS"
    if there > here:
        return f"{importer} (row {here}) imports {imported} (row {there})"
    if here == there and here in CLOSED and importer != imported and (importer,
                                                                      imported) not in OPEN:
        return f"{importer} imports {imported}: modules of that row never import each other"
    return ""


# --- the code -------------------------------------------------------------------------------------
# --------------------


@pytest.mark.parametrize("file", [f for f in FILES if f != LIB / "__init__.py"], ids=name_of)
def test_imports_run_one_way(file):
    importer = part_of(".".join(file.relative_to(paths.ROOT).with_suffix("").parts))
    tree = ast.parse(file.read_text(encoding="utf-8"))
    faults = {wrong_way(importer, part_of(module)) for module in imports(tree)
              if module != "lib"} - {""}
    assert not faults
    loose = [n for n in ast.walk(tree)
             if isinstance(n, ast.ImportFrom) and (n.level or any(a.name == "*" for a in n.names))]
    assert not loose, "import * or a relative import"


@pytest.mark.parametrize(("importer", "imported", "allowed"), ALLOWED)
def test_the_rule_itself(importer, imported, allowed):
    assert (wrong_way(importer, imported) == "") is allowed


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_short_named_well_and_say_what_they_are(file):
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 300
    assert not {"utils", "util", "helpers", "helper", "common",
                "misc"} & set(file.relative_to(LIB).with_suffix("").parts)
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    assert ast.get_docstring(tree), "a module's docstring says what it is for"
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and
              not n.name.startswith("_")]
    assert not [n.name for n in public
                if not ast.get_docstring(n)], "public names without a docstring"


def test_importing_the_code_loads_nothing_heavy_and_does_nothing():
    """Models may import torch; everything else imports what is heavy where it is used."""
    script = f"""
import importlib, pkgutil, sys, lib
names = sorted(m.name for m in pkgutil.walk_packages(lib.__path__, "lib.") if not m.name.startswith("lib.models."))
for name in names:
    if name != "lib.__main__":
        importlib.import_module(name)
    heavy = [h for h in {HEAVY!r} if h in sys.modules]
    assert not heavy, f"importing {{name}} loaded {{heavy}}"
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          cwd=paths.ROOT, check=False)
    assert done.returncode == 0, done.stderr[-600:]
    assert int(done.stdout) > 20 and done.stdout.strip().isdigit(), "importing printed something"


TRAINS = re.compile(r"\.train_step\(|= forest\.search\(")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|tmp|root|home|Users|mnt|opt)/\w")


def written():
    """Every text file a reader meets, the tests' own aside."""
    yield from FILES
    yield from NOTEBOOKS + SOLUTIONS
    for pattern in ("*.md", "*.yml", "*.toml", "Makefile", "Snakefile", "data/*.md", "data/*.csv",
                    ".ci/*"):
        yield from sorted(paths.ROOT.glob(pattern))


@pytest.mark.parametrize("file", list(written()), ids=name_of)
def test_no_path_of_one_machine(file):
    assert not MACHINE_PATH.search(file.read_text(
            encoding="utf-8")), "an absolute path that exists on one machine only"


def profile_comparisons(tree):
    """Comparisons with a profile's name: code looks settings up, it never branches on the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            about = any(isinstance(s, ast.Name) and s.id.lower() == "profile" for s in sides)
            if about and any(isinstance(s, ast.Constant) and s.value in profiles.PROFILES
                             for s in sides):
                yield ast.unparse(node)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_code_branches_on_a_profiles_name(file):
    assert not list(profile_comparisons(ast.parse(file.read_text(encoding="utf-8"))))


SYSTEMS = [f for f in sorted((LIB / "systems").rglob("*.py"))
           if f.stem in ("forest", "gan", "diffusion", "classifier", "music")]


@pytest.mark.parametrize("file", SYSTEMS, ids=name_of)
def test_the_stages_share_one_order_of_names(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    lines = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    profiles_at = next(n.lineno for n in tree.body
                       if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "PROFILES")
    step, end = {"forest": ("fit", "predict"),
                 "classifier": ("train_step", "predict")}.get(file.stem, ("train_step", "generate"))
    places = [lines["Config"].lineno, profiles_at, lines["build"].lineno, lines[step].lineno,
              lines[end].lineno]
    assert places == sorted(places)
    body = lines[step].body[1:] if ast.get_docstring(lines[step]) else lines[step].body
    assert body[-1].end_lineno - body[
        0].lineno + 1 <= 40, f"{step} is the science, in at most 40 lines"


# --- the notebooks --------------------------------------------------------------------------------
# --------------------


def cells(file, kind):
    return [c for c in json.loads(file.read_text(encoding="utf-8"))["cells"]
            if c["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def parsed(cell):
    return ast.parse("\n".join(line for line in source(cell).splitlines()
                               if not line.lstrip().startswith(("%", "!"))))


def is_literal(node):
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def outputs(file):
    return [out for cell in cells(file, "code") for out in cell["outputs"]]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=name_of)
def test_a_notebook_begins_with_its_question_and_its_parameters(file):
    first = source(json.loads(file.read_text(encoding="utf-8"))["cells"][0])
    assert first.startswith("# ") and "**Question" in first and all(word in first
                                                                    for word in ("needs",
                                                                                 "produces",
                                                                                 "smoke", "mini"))
    parameters = cells(file, "code")[0]
    assert parameters["metadata"].get("tags") == ["parameters"]
    values = {}
    for statement in parsed(parameters).body:
        assert isinstance(statement,
                          ast.Assign) and is_literal(
            statement.value), f"only literals here: {ast.unparse(statement)}"
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert values["PROFILE"] == "mini" and values["SEED"] == 0 and all(name.isupper()
                                                                       for name in values)
    assert sum("parameters" in c["metadata"].get("tags", []) for c in cells(file, "code")) == 1
    assert file.stem in graph.STEPS, "lib/workbook/graph.py lists what every notebook needs and produces"


@pytest.mark.parametrize("file", [f for f in NOTEBOOKS
                                  if TRAINS.search(f.read_text(encoding="utf-8"))], ids=name_of)
def test_a_notebook_that_trains_looks_for_leaks_and_leaves_evidence(file):
    code = [source(cell) for cell in cells(file, "code")]
    looked, trained, saved = (next((i for i, text in enumerate(code) if re.search(word, text)),
                                   None) for word in (r"leakage\.assert_no_leakage\(", TRAINS.pattern,
                                                      r"claims\.save\("))
    assert looked is not None and saved is not None and looked < trained < saved


@pytest.mark.parametrize("file", NOTEBOOKS, ids=name_of)
def test_a_notebook_has_short_plain_cells(file):
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["metadata"]["kernelspec"]["name"] == "python3" and len(content["cells"]) <= 45
    lengths = [len(source(cell).strip().splitlines()) for cell in cells(file, "code")]
    assert max(lengths) <= 30 and statistics.median(lengths) <= 8
    for cell in cells(file, "code"):
        tree = parsed(cell)
        assert not [n for n in ast.walk(tree)
                    if isinstance(n, ast.ClassDef)], "no classes in notebooks"
        assert not list(profile_comparisons(tree))
    checked = [cell for cell in cells(file, "code")
               if source(cell).startswith("# NBVAL_CHECK_OUTPUT")]
    assert len(checked) >= 2, "at least two cells whose output nbval compares"
    assert (paths.NOTEBOOKS / "solutions"
            / f"{file.stem}_solutions.ipynb").is_file(), "exercises have solutions"


@pytest.mark.parametrize("file", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_stored_with_outputs_that_are_whole_and_small(file):
    assert file.stat().st_size <= 1.5e6
    assert all(cell["execution_count"] for cell in cells(file, "code")), "a cell without a count is not compared by nbval: store a run"
    for cell in cells(file, "code"):
        if source(cell).startswith("# NBVAL_CHECK_OUTPUT"):
            assert cell["outputs"], "a checked cell that shows nothing checks nothing"
    for out in outputs(file):
        assert out["output_type"] != "error", out.get("ename")
        spoken = "".join(out.get("text", []))
        assert "Warning" not in spoken and not MACHINE_PATH.search(spoken)
        for kind, data in out.get("data", {}).items():
            if kind.startswith("image/") and kind != "image/svg+xml":
                size = len(base64.b64decode("".join(data)))
                assert size <= 100_000, f"a figure of {size / 1e3:.0f} kB"


@pytest.mark.parametrize("file", SOLUTIONS, ids=name_of)
def test_solutions_belong_to_a_notebook_and_hold_no_errors(file):
    assert (paths.NOTEBOOKS / f"{file.stem.removesuffix('_solutions')}.ipynb").is_file()
    assert not [out for out in outputs(file) if out["output_type"] == "error"]
    for cell in cells(file, "code"):
        parsed(cell)


# --- what is kept in git
# ----------------------------------------------------------------------------------------------


def test_reference_results_are_small_and_stamped():
    kept = [p for p in paths.REFERENCE.rglob("*") if p.is_file()]
    for file in kept:
        assert file.stat().st_size <= (100_000 if file.suffix in (".png", ".jpg")
                                       else 300_000), f"{name_of(file)} is large"
    tables = [p for p in kept if p.suffix == ".csv"]
    assert not [name_of(p) for p in tables
                if
                not p.with_name(p.name + ".provenance.json").is_file()], "tables without provenance"
