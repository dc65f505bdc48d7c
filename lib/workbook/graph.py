"""The notebooks as a graph: what each writes, whose results it reads, how long it takes, the
parameters it accepts, and the code it runs on: a hash per module of ``lib`` it imports, directly or
not (comments, docstrings, line breaks do not count; a module imported by name at run time is not
seen). Where one differs, a notebook is run again. The Snakefile makes one rule of each step."""

import ast
import base64
import contextlib
import csv
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import nbformat

from lib.core import paths
from lib.core.errors import KlangfarbeError

STORED_RUNS = "code.json"  # below results/reference: code, profile and seconds of each stored run
CODE_SUFFIX = ".code.json"  # of the file beside an executed notebook
CELLS = "notebook"  # the name under which the notebook's own code cells are hashed


class Step(NamedTuple):
    """A notebook: the files it writes (default .csv); the numbers of those whose files it reads."""
    products: str
    needs: str = ""

    @property
    def files(self) -> list[str]:
        return [name if "." in name else f"{name}.csv" for name in self.products.split()]

    @property
    def sources(self) -> list[str]:
        return select(self.needs.split()) if self.needs else []


TOUR = "tour.png links happy.mp3 fun.mp3 angry.mp3 sad.mp3 neutral.mp3"
SYSTEMS = "11 13 23 31 33 42 43"
STEPS = {
    "00_start_here": Step("first_picture.png"),
    "01_start_affect": Step("words"),
    "02_start_atelier": Step("truth"),
    "03_start_miniatures": Step("codebooks parts curve codecs words asked_for config.json "
        "model.safetensors"),
    "04_start_collections": Step("counts planes"),
    "05_start_metrics": Step("metrics"),
    "06_start_real_world": Step("heads"),
    "10_bridging_tour": Step(TOUR, "11 13"),
    "11_bridging_classifier": Step("classifier.safetensors classifier.json curve confusion scores "
        "evidence"),
    "12_bridging_words": Step("richness kept evidence", "11"),
    "13_bridging_music": Step("m1.safetensors m2.safetensors m3.safetensors m4.safetensors "
        "music.json curves held_out released evidence"),
    "14_bridging_generate": Step("spectra guidance sampling clap_per_emotion", "13"),
    "15_bridging_table": Step("table confusion evidence", "11 13"),
    "20_mapping_tour": Step(TOUR, "11 21 23"),
    "21_mapping_data": Step("pairs.parquet texts.parquet explained ceiling", "11"),
    "22_mapping_study_one": Step("study_one.safetensors study_one.json curves scores heard "
        "evidence", "21"),
    "23_mapping_study_two": Step("study_two.safetensors study_two.json curve gradients heldout "
        "heard retrieval evidence", "11 21"),
    "24_mapping_table": Step("table alignment curves ablations evidence", "11 21 22 23"),
    "25_mapping_latency": Step("parts music evidence", "11 23"),
    "26_mapping_listening": Step("ratings simulated_recovery simulated_promise power published"),
    "27_mapping_abroad": Step("alignment styles evidence", "11 21 22 23"),
    "30_music2image_tour": Step("tour.jpg"),
    "31_music2image_forest": Step("forest.skops scores importance released evidence"),
    "32_music2image_gan": Step("generator.safetensors collapse evidence"),
    "33_music2image_diffusion": Step("unet.safetensors unet.json agreement evidence"),
    "34_music2image_grey": Step("grey evidence"),
    "35_music2image_chain": Step("chain chain.png evidence", "31 33"),
    "40_art2music_tour": Step(TOUR, "42 43"),
    "41_art2music_articaps": Step("splits same examples truth consistency.png real evidence"),
    "42_art2music_decoder": Step("decoder.safetensors decoder.json "
        "decoder_with_keywords.safetensors decoder_with_keywords.json flow.safetensors flow.json "
        "curves ways draws"),
    "43_art2music_vocoder": Step("generator.safetensors generator.json roundtrip curve predicted"),
    "44_art2music_table": Step("table steps evidence", "42 43"),
    "45_art2music_loss": Step("bands sizes evidence", "43"),
    "46_art2music_judge": Step("controls by_rule.jsonl evidence", "42 43"),
    "90_side_by_side": Step("table cost wall.png bridging.mp3 mapping.mp3 art2music.mp3 null.mp3 "
                            "its_own_piece.mp3 evidence",
        SYSTEMS),
    "91_round_trip": Step("stations chain round.png evidence", SYSTEMS),
    "92_swapped_parts": Step("couples who changed swapped.png fused_musicgen.mp3", SYSTEMS),
    "93_real_worlds": Step("table axes worlds.png", f"06 {SYSTEMS}"),  # 06 keeps features of files
}


def select(words: list[str]) -> list[str]:
    """Notebook stems for numbers or stems, in the graph's order; all of them for an empty list."""
    by_number = {stem[:2]: stem for stem in STEPS}
    chosen = [by_number.get(word, word) for word in words] or list(STEPS)
    for stem in chosen:
        if stem not in STEPS:
            raise KlangfarbeError("notebooks out of " + ", ".join(by_number), repr(stem),
                                  "name them by number or full name")
    return [stem for stem in STEPS if stem in chosen]


def measured(profile: str) -> dict[str, dict[str, str]]:
    """Snakemake's own measurements of the last run: stem → ``s`` (seconds), ``max_rss`` (MB)."""
    return {file.stem: list(csv.DictReader(file.read_text().splitlines(), delimiter="\t"))[-1]
            for file in sorted((paths.RUNS / profile / "benchmarks").glob("*.tsv"))}


def stored_runs() -> dict[str, dict]:
    """Code, profile and seconds of each stored run, by stem."""
    file = paths.REFERENCE / STORED_RUNS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def seconds() -> dict[str, float]:
    """How long each notebook took at mini, in this clone or, if it never ran here, as stored."""
    times = {stem: float(run["seconds"]) for stem, run in stored_runs().items()
             if run.get("seconds")}
    return times | {stem: float(row["s"]) for stem, row in measured("mini").items()}


def priorities(stems: list[str]) -> dict[str, float]:
    """Seconds from each notebook's start (in the graph's order) to the end of its last waiter."""
    own, chains = seconds(), {}
    for stem in reversed(stems):
        waiting = [chain for other, chain in chains.items() if stem in STEPS[other].sources]
        chains[stem] = own.get(stem, 0.0) + max(waiting, default=0.0)
    return chains


def title(stem: str) -> str:
    """A notebook's first heading."""
    text = (paths.NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8")
    return "".join(json.loads(text)["cells"][0]["source"]).splitlines()[0].removeprefix("# ")


def parameters(stem: str) -> dict:
    """The literals in a notebook's cell tagged ``parameters``: name → default."""
    notebook = nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if not cells:
        raise KlangfarbeError(f"a cell tagged 'parameters' in {stem}", "none", "tag the literals'")
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)}


def parse_params(words: list[str], stems: list[str]) -> dict[str, dict]:
    """``["33.steps=200"]`` → ``{"33_music2image_diffusion": {"STEPS": 200}}``, names, types checked
    before anything runs (papermill only warns of unknown names)."""
    values: dict[str, dict] = {}
    for word in words:
        parts = re.fullmatch(r"([^.=]*)\.([^=]*)=(.*)", word, re.DOTALL)
        if not parts:
            raise KlangfarbeError("parameters as NOTEBOOK.name=value", repr(word),
                                  "for instance 33.steps=200")
        number, name, text = parts[1], parts[2].upper(), parts[3]
        stem = select([number])[0]
        if stem not in stems:
            raise KlangfarbeError("parameters of notebooks in this run", repr(word),
                                  f"add {number} to the notebooks, or drop it")
        defaults = parameters(stem)
        del defaults["PROFILE"]
        if name not in defaults:
            raise KlangfarbeError(f"a parameter of {stem} ({', '.join(defaults).lower()})",
                                  repr(word), "check its name in the notebook's second cell")
        value, kind = text, type(defaults[name])
        if kind is not str:
            with contextlib.suppress(ValueError, SyntaxError):
                value = ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise KlangfarbeError(f"a value of type {kind.__name__} (like {defaults[name]!r})",
                                  repr(word), "give one of that type")
        if isinstance(value, int | float) and value < 0:
            raise KlangfarbeError(f"a number from 0 (like {defaults[name]!r})", repr(word),
                                  "give a larger one")
        values.setdefault(stem, {})[name] = value
    return values


def encode(values: dict) -> str:
    """Base64 of JSON, so that no shell can mangle a parameter."""
    return base64.b64encode(json.dumps(values).encode()).decode()


def decode(text: str) -> dict:
    """The inverse of :func:`encode`."""
    return json.loads(base64.b64decode(text))


def code_of(notebook: Path) -> dict[str, str]:
    """Name of each module → hash; under :data:`CELLS` the notebook's own code cells."""
    cells = [_parse(cell.source) for cell in nbformat.read(notebook, as_version=4).cells
             if cell.cell_type == "code"]
    hashes = {CELLS: _hash("\n".join(map(_plain, cells)))}
    waiting = _imports(ast.Module([node for cell in cells for node in cell.body], []))
    while waiting:
        name = waiting.pop()
        place = paths.ROOT.joinpath(*name.split("."))
        file = next((file for file in (place.with_suffix(".py"), place / "__init__.py")
                     if file.is_file()), None)
        if name not in hashes and file is not None:
            hashes[name], imports = _module(file, file.stat().st_mtime_ns)
            waiting += imports
    return dict(sorted(hashes.items()))


@functools.lru_cache(maxsize=1024)
def _module(file: Path, _changed: int) -> tuple[str, list[str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = _imports(tree)  # before the docstrings are taken out of the tree
    named = sorted({str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)})
    data = (file.with_name(n) for n in named if re.fullmatch(r"\w+\.json", n))  # as words.json
    return _hash(_plain(tree) + "".join(f.read_text("utf-8") for f in data if f.is_file())), imports


def _parse(source: str) -> ast.Module:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:  # the cell will say so itself when it runs
        return ast.parse(repr(source))


def _imports(tree: ast.AST) -> list[str]:
    # modules of lib imported anywhere or reached through an imported package (metrics.stats.holm),
    # with the packages they lie in
    names, packages = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages |= {alias.asname or alias.name: f"{node.module}.{alias.name}"
                         for alias in node.names}
    names += packages.values()
    for node in ast.walk(tree):
        first, *rest = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else [""]
        if packages.get(first, "").startswith("lib"):
            names.append(".".join([packages[first], *rest]))
    parts = [name.split(".") for name in names if name.split(".")[0] == "lib"]
    return list(dict.fromkeys(".".join(part[: k + 1]) for part in parts for k in range(len(part))))


def _plain(tree: ast.AST) -> str:
    """A tree without docstrings and positions, as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef
                      | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
