"""The house rules that a machine can hold: size, layout, the way imports run, what a notebook looks
like, what is kept in git.
"""

import ast
import base64
import graphlib
import json
import re
import statistics
import subprocess
import sys

import pytest

from lib.core import paths, profiles
from lib.workbook import graph, lab

LIB = paths.ROOT / "lib"
FILES = sorted(LIB.rglob("*.py"))
TESTS = sorted((paths.ROOT / "tests").rglob("*.py"))
NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
SOLUTIONS = sorted((paths.NOTEBOOKS / "solutions").glob("*.ipynb"))
MAX_LINES = 21_000
MAX_COLUMNS, MAX_LATE_IMPORTS = 100, 60

# Packages of lib, lowest first: each imports its own row and those before it.
ROWS = (("core",), ("signal",), ("data", "models", "pretrained", "training", "metrics"),
        ("systems",), ("studies", "recipes", "workbook"), ("cli", "__main__"))
RANK = {package: rank for rank, row in enumerate(ROWS) for package in row}
SYSTEMS = {path.name for path in (LIB / "systems").iterdir() if (path / "__init__.py").is_file()}


def name_of(file):
    return str(file.relative_to(paths.ROOT))


def module_of(file):
    return ".".join(file.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__")


TREES = {module_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
BY_MODULE = pytest.mark.parametrize("module", TREES)


def imported(module):
    """Modules of lib that a module imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in TREES
                      else node.module for alias in node.names}
    return found & set(TREES) - {"lib"}


# --- the code -------------------------------------------------------------------------------------


def test_the_library_is_small():
    lines = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert sum(lines.values()) <= MAX_LINES


@pytest.mark.parametrize("file", FILES + TESTS, ids=name_of)
def test_no_line_is_wide(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert not [number for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS]


@BY_MODULE
def test_imports_run_one_way(module):
    parts = module.split(".")
    for other in imported(module) if len(parts) > 1 else ():
        place = other.split(".")
        assert RANK[place[1]] <= RANK[parts[1]], f"{module} imports {other}, which stands above it"
        if parts[1] == place[1] == "systems" and parts[2:3] != place[2:3]:
            assert not {parts[2], place[2]} <= SYSTEMS, f"{module} imports another system: {other}"


def test_no_circle_of_imports():
    graphlib.TopologicalSorter({module: imported(module) for module in TREES}).prepare()


@BY_MODULE
def test_imports_are_absolute_and_named(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom):
            assert not node.level and "*" not in {alias.name for alias in node.names}


def late_imports(file):
    """Line numbers of imports inside functions."""
    return sorted({node.lineno for function in ast.walk(TREES[module_of(file)])
                   if isinstance(function, ast.FunctionDef)
                   for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)})


def test_imports_inside_functions_are_few_and_say_why():
    late = {file: late_imports(file) for file in FILES}
    assert sum(map(len, late.values())) <= MAX_LATE_IMPORTS
    unsaid = []
    for file, numbers in late.items():
        lines = file.read_text(encoding="utf-8").splitlines()
        for number in numbers if file != LIB / "cli.py" else ():
            first = number
            while first - 1 in numbers:  # one comment for a block of imports
                first -= 1
            if "#" not in lines[number - 1] + lines[first - 2]:
                unsaid.append(f"{name_of(file)}:{number}")
    assert not unsaid


@BY_MODULE
def test_importing_a_module_does_no_work(module):
    plain = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in TREES[module].body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        main = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        imports = isinstance(node, ast.With) and all(
            isinstance(one, ast.Import | ast.ImportFrom) for one in node.body)
        assert isinstance(node, plain) or docstring or main or imports, ast.unparse(node)


def test_the_command_line_loads_nothing_it_does_not_run():
    heavy = {"numpy", "torch", "pandas", "matplotlib", "librosa", "nbformat", "scipy"}
    script = f"import sys, lib.cli; lib.cli.parser(); print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          cwd=paths.ROOT, check=True)
    assert done.stdout.strip() == "[]"


@BY_MODULE
def test_a_module_says_what_it_is_for(module):
    tree = TREES[module]
    assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(module.split("."))
    assert ast.get_docstring(tree) or not tree.body, "a module's docstring says what it is for"
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
              and not node.name.startswith("_")]
    assert not [node.name for node in public if not ast.get_docstring(node)
                and module != "lib.cli"], "public names without a docstring"


MACHINE_PATH = re.compile(r"(?<![\w.])/(work|tmp|root|home|Users|mnt|opt)/\w")
PATTERNS = ("*.md", "*.yml", "*.toml", "Makefile", "Snakefile", "data/*.md", "data/*.csv", ".ci/*",
            "notebooks/**/*.md")
TEXTS = [*FILES, *NOTEBOOKS, *SOLUTIONS, *(file for pattern in PATTERNS
                                           for file in sorted(paths.ROOT.glob(pattern)))]


@pytest.mark.parametrize("file", TEXTS, ids=name_of)
def test_no_path_of_one_machine(file):
    assert not MACHINE_PATH.search(file.read_text(encoding="utf-8"))


def profile_comparisons(tree):
    """Comparisons with a profile's name: code looks settings up, it never branches on the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = {side.id.lower() for side in sides if isinstance(side, ast.Name)}
            values = {side.value for side in sides if isinstance(side, ast.Constant)}
            if "profile" in names and values & set(profiles.PROFILES):
                yield ast.unparse(node)


@BY_MODULE
def test_no_code_branches_on_a_profiles_name(module):
    assert not list(profile_comparisons(TREES[module]))


TRAINING = [module for module in TREES if re.fullmatch(r"lib\.systems\.\w+\.train_\w+", module)]


@pytest.mark.parametrize("module", TRAINING)
def test_every_training_file_has_one_order_of_names(module):
    nodes = {node.name: node for node in TREES[module].body
             if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    step = nodes.get("train_step", nodes.get("fit"))
    use = nodes.get("generate", nodes.get("predict"))
    order = [nodes["build"], step, *([use] if use else [])]
    assert order == sorted(order, key=lambda node: node.lineno)
    first = step.body[1] if ast.get_docstring(step) else step.body[0]
    assert step.end_lineno - first.lineno < 40, f"{step.name} is the science, in at most 40 lines"


# --- the notebooks --------------------------------------------------------------------------------


def content(file):
    return json.loads(file.read_text(encoding="utf-8"))


def cells(file, kind):
    return [cell for cell in content(file)["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def parsed(cell):
    return ast.parse("\n".join(line for line in source(cell).splitlines()
                               if not line.lstrip().startswith(("%", "!"))))


def outputs(file):
    return [out for cell in cells(file, "code") for out in cell["outputs"]]


BY_NOTEBOOK = pytest.mark.parametrize("file", NOTEBOOKS, ids=name_of)


@BY_NOTEBOOK
def test_a_notebook_begins_with_its_question_and_its_parameters(file):
    first = source(content(file)["cells"][0])
    assert first.startswith("# ") and "**Question" in first
    assert all(word in first for word in ("needs", "produces", "smoke", "mini"))
    tagged = [cell for cell in cells(file, "code")
              if "parameters" in cell["metadata"].get("tags", [])]
    assert tagged == cells(file, "code")[:1], "the first code cell alone is tagged `parameters`"
    values = {statement.targets[0].id: ast.literal_eval(statement.value)
              for statement in parsed(tagged[0]).body}
    assert values["PROFILE"] == "mini" and values["SEED"] == 0
    assert all(name.isupper() for name in values)


TRAINS = re.compile(r"\.train_step\(|= (train_)?forest\.search\(")


# What these train is measured, and entered in the ledger, by another notebook.
MEASURED_IN = {"42_art2music_decoder": "44_art2music_table"}


@pytest.mark.parametrize("file", [file for file in NOTEBOOKS if any(
    TRAINS.search(source(cell)) for cell in cells(file, "code"))], ids=name_of)
def test_a_notebook_that_trains_checks_leakage_and_leaves_evidence(file):
    code = [source(cell) for cell in cells(file, "code")]
    checked, trained, saved, kept = (
        [i for i, text in enumerate(code) if re.search(word, text)]
        for word in (r"assert_no_leakage\(", TRAINS.pattern, r"ledger\.save\(",
                     r"artefacts\.save\("))
    assert checked and checked[0] < trained[0] < kept[-1]
    if file.stem in MEASURED_IN:
        other = paths.NOTEBOOKS / f"{MEASURED_IN[file.stem]}.ipynb"
        assert not saved and any("ledger.save(" in source(cell) for cell in cells(other, "code"))
    else:
        assert saved and trained[0] < saved[0]


@BY_NOTEBOOK
def test_a_notebook_has_plain_cells(file):
    notebook = content(file)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert len(notebook["cells"]) <= 45
    for cell in cells(file, "code"):
        tree = parsed(cell)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        assert not list(profile_comparisons(tree))
    checked = [cell for cell in cells(file, "code")
               if source(cell).startswith("# NBVAL_CHECK_OUTPUT")]
    assert len(checked) >= 2, "at least two cells whose output nbval compares"
    assert (paths.NOTEBOOKS / "solutions" / f"{file.stem}_solutions.ipynb").is_file()


@BY_NOTEBOOK
def test_no_cell_is_long_or_wide(file):
    code = cells(file, "code")
    assert statistics.median(len(source(cell).strip().splitlines()) for cell in code) <= 8
    for cell in code:
        lines = source(cell).strip().splitlines()
        assert len(lines) <= 24 and len(source(cell)) <= 900
        assert all(len(line) <= MAX_COLUMNS for line in lines)


@BY_NOTEBOOK
def test_a_notebook_needs_few_names_of_the_library(file):
    names = {alias.asname or alias.name for cell in cells(file, "code")
             for node in ast.walk(parsed(cell))
             if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib"
             for alias in node.names}
    assert len(names) <= 12


@BY_NOTEBOOK
def test_a_notebook_is_read_in_one_sitting(file):
    assert sum(len(source(cell).split()) for cell in cells(file, "markdown")) <= 2000


@pytest.mark.parametrize(("words", "at_least"), [("seaborn", 10), ("ipywidgets", 8)])
def test_figures_and_live_controls_are_the_usual_ones(words, at_least):
    using = [file for file in NOTEBOOKS
             if any(re.search(rf"^(import|from) {words}", source(cell), re.MULTILINE)
                    for cell in cells(file, "code"))]
    assert len(using) >= at_least


@BY_NOTEBOOK
def test_a_notebook_is_stored_with_outputs_that_are_whole_and_small(file):
    assert file.stat().st_size <= 1.5e6
    for cell in cells(file, "code"):
        assert cell["execution_count"], "nbval compares no cell without a count: store a run"
        if source(cell).startswith("# NBVAL_CHECK_OUTPUT"):
            assert cell["outputs"], "a checked cell that shows nothing checks nothing"
    metadata = json.loads(file.read_text(encoding="utf-8"))["metadata"]
    assert metadata == lab.METADATA, "else opening it in JupyterLab changes it"
    for out in outputs(file):
        assert out["output_type"] != "error", out.get("ename")
        text = "".join(out.get("text", []))
        assert "Warning" not in text and not MACHINE_PATH.search(text)
        for kind, data in out.get("data", {}).items():
            if kind.startswith("image/"):
                assert out["metadata"].get(kind, {}).get("alt"), "who does not see it reads this"
            if kind.startswith("image/") and kind != "image/svg+xml":
                assert len(base64.b64decode("".join(data))) <= 100_000, "a figure above 100 kB"


@pytest.mark.parametrize("file", SOLUTIONS, ids=name_of)
def test_solutions_belong_to_a_notebook_and_hold_no_errors(file):
    assert (paths.NOTEBOOKS / f"{file.stem.removesuffix('_solutions')}.ipynb").is_file()
    assert not [out for out in outputs(file) if out["output_type"] == "error"]
    for cell in cells(file, "code"):
        parsed(cell)


def test_the_graph_lists_every_notebook():
    assert list(graph.STEPS) == [file.stem for file in NOTEBOOKS]


# --- what is kept in git --------------------------------------------------------------------------


def test_reference_results_are_small_and_stamped():
    for file in [path for path in paths.REFERENCE.rglob("*") if path.is_file()]:
        limit = 100_000 if file.suffix in (".png", ".jpg") else 300_000
        assert file.stat().st_size <= limit, f"{name_of(file)} is large"
        stamp = file.with_name(file.name + ".provenance.json")
        assert file.suffix != ".csv" or stamp.is_file(), f"{name_of(file)} has no provenance"
