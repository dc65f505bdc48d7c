"""The notebooks as a graph: what each needs and produces, and one way to run them (Snakemake
driving papermill).
"""

import ast
import base64
import hashlib
import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES
from lib.workbook import report


@dataclass(frozen=True)
class Step:
    """One notebook of the graph.

    Attributes:
        produces: files below ``results/<profile>/<stem>/``.
        needs: ``<stem>/<file>`` of other notebooks. Where that notebook is not part of the run, its
            earlier result is used, or the bundled miniature.
    """

    produces: tuple[str, ...]
    needs: tuple[str, ...] = ()


# what plays or paints in each system
_ALL_FOUR = ("11_bridging_classifier/classifier.json",
             "11_bridging_classifier/classifier.safetensors", "13_bridging_music/music.json",
             "13_bridging_music/m4.safetensors", "23_mapping_study_two/study_two.json",
             "23_mapping_study_two/study_two.safetensors", "31_music2image_forest/forest.skops",
             "33_music2image_diffusion/unet.safetensors", "33_music2image_diffusion/unet.json",
             "42_art2music_decoder/flow.json", "42_art2music_decoder/flow.safetensors",
             "43_art2music_vocoder/generator.json", "43_art2music_vocoder/generator.safetensors")
STEPS = {
    "00_start_here": Step(("first_picture.png",)),
    "01_start_affect": Step(("words.csv",)),
    "02_start_atelier": Step(("truth.csv",)),
    "03_start_miniatures": Step(("codebooks.csv", "parts.csv", "curve.csv", "codecs.csv",
                                 "words.csv", "asked_for.csv", "config.json", "model.safetensors")),
    "04_start_collections": Step(("counts.csv", "planes.csv")),
    "05_start_metrics": Step(("metrics.csv",)),
    "10_bridging_tour": Step(("tour.png", "links.csv", "happy.mp3", "fun.mp3", "angry.mp3",
                              "sad.mp3", "neutral.mp3"),
                             ("11_bridging_classifier/classifier.json",
                              "11_bridging_classifier/classifier.safetensors",
                              "13_bridging_music/music.json", "13_bridging_music/m4.safetensors")),
    "11_bridging_classifier": Step(("classifier.safetensors", "classifier.json", "curve.csv",
                                    "confusion.csv", "scores.csv", "evidence.csv")),
    "12_bridging_words": Step(("richness.csv", "kept.csv", "texts.parquet"),
                              ("11_bridging_classifier/classifier.json",
                               "11_bridging_classifier/classifier.safetensors")),
    "13_bridging_music": Step(("m1.safetensors", "m2.safetensors", "m3.safetensors",
                               "m4.safetensors", "music.json", "curves.csv", "held_out.csv",
                               "released.csv", "evidence.csv")),
    "14_bridging_generate": Step(("spectra.csv", "guidance.csv", "sampling.csv",
                                  "clap_per_emotion.csv"),
                                 ("13_bridging_music/music.json",
                                  "13_bridging_music/m1.safetensors",
                                  "13_bridging_music/m2.safetensors",
                                  "13_bridging_music/m3.safetensors",
                                  "13_bridging_music/m4.safetensors")),
    "15_bridging_table": Step(("table.csv", "confusion.csv", "evidence.csv"),
                              ("11_bridging_classifier/classifier.json",
                               "11_bridging_classifier/classifier.safetensors",
                               "13_bridging_music/music.json", "13_bridging_music/m1.safetensors",
                               "13_bridging_music/m2.safetensors",
                               "13_bridging_music/m3.safetensors",
                               "13_bridging_music/m4.safetensors")),
    "20_mapping_tour": Step(("tour.png", "links.csv", "happy.mp3", "fun.mp3", "angry.mp3",
                             "sad.mp3", "neutral.mp3"),
                            ("11_bridging_classifier/classifier.json",
                             "11_bridging_classifier/classifier.safetensors",
                             "21_mapping_data/texts.parquet", "23_mapping_study_two/study_two.json",
                             "23_mapping_study_two/study_two.safetensors",
                             "23_mapping_study_two/heldout.csv")),
    "21_mapping_data": Step(("pairs.parquet", "texts.parquet", "explained.csv", "ceiling.csv"),
                            ("11_bridging_classifier/classifier.json",
                             "11_bridging_classifier/classifier.safetensors")),
    "22_mapping_study_one": Step(("study_one.safetensors", "study_one.json", "curves.csv",
                                  "scores.csv", "heard.csv", "evidence.csv"),
                                 ("21_mapping_data/pairs.parquet", "21_mapping_data/texts.parquet",
                                  "21_mapping_data/ceiling.csv")),
    "23_mapping_study_two": Step(("study_two.safetensors", "study_two.json", "curve.csv",
                                  "gradients.csv", "heldout.csv", "heard.csv", "retrieval.csv",
                                  "evidence.csv"), ("11_bridging_classifier/classifier.json",
                                                    "11_bridging_classifier/classifier.safetensors",
                                                    "21_mapping_data/texts.parquet")),
    "24_mapping_table": Step(("table.csv", "alignment.csv", "curves.csv", "ablations.csv",
                              "evidence.csv"), ("11_bridging_classifier/classifier.json",
                                                "11_bridging_classifier/classifier.safetensors",
                                                "21_mapping_data/texts.parquet",
                                                "22_mapping_study_one/study_one.json",
                                                "22_mapping_study_one/study_one.safetensors",
                                                "23_mapping_study_two/study_two.json",
                                                "23_mapping_study_two/study_two.safetensors")),
    "25_mapping_latency": Step(("parts.csv", "music.csv", "evidence.csv"),
                               ("11_bridging_classifier/classifier.json",
                                "11_bridging_classifier/classifier.safetensors",
                                "23_mapping_study_two/study_two.json",
                                "23_mapping_study_two/study_two.safetensors")),
    "26_mapping_listening": Step(("ratings.csv", "simulated_recovery.csv", "simulated_promise.csv",
                                  "power.csv", "published.csv")),
    "27_mapping_abroad": Step(("alignment.csv", "styles.csv", "evidence.csv"),
                              ("11_bridging_classifier/classifier.json",
                               "11_bridging_classifier/classifier.safetensors",
                               "21_mapping_data/texts.parquet",
                               "22_mapping_study_one/study_one.json",
                               "22_mapping_study_one/study_one.safetensors",
                               "23_mapping_study_two/study_two.json",
                               "23_mapping_study_two/study_two.safetensors")),
    "30_music2image_tour": Step(("tour.png",)),
    "31_music2image_forest": Step(("forest.skops", "scores.csv", "importance.csv", "released.csv",
                                   "evidence.csv")),
    "32_music2image_gan": Step(("generator.safetensors", "collapse.csv", "evidence.csv")),
    "33_music2image_diffusion": Step(("unet.safetensors", "unet.json", "agreement.csv",
                                      "evidence.csv")),
    "34_music2image_grey": Step(("grey.csv", "evidence.csv")),
    "35_music2image_chain": Step(("chain.csv", "chain.png", "evidence.csv"),
                                 ("31_music2image_forest/forest.skops",
                                  "33_music2image_diffusion/unet.safetensors",
                                  "33_music2image_diffusion/unet.json")),
    "40_art2music_tour": Step(("tour.png", "links.csv", "happy.mp3", "fun.mp3", "angry.mp3",
                               "sad.mp3", "neutral.mp3"),
                              ("42_art2music_decoder/flow.json",
                               "42_art2music_decoder/flow.safetensors",
                               "43_art2music_vocoder/generator.json",
                               "43_art2music_vocoder/generator.safetensors")),
    "41_art2music_articaps": Step(("splits.csv", "same.csv", "examples.csv", "truth.csv",
                                   "consistency.png", "evidence.csv")),
    "42_art2music_decoder": Step(("decoder.safetensors", "decoder.json", "told.safetensors",
                                  "told.json", "flow.safetensors", "flow.json", "curves.csv",
                                  "ways.csv", "dice.csv")),
    "43_art2music_vocoder": Step(("generator.safetensors", "generator.json", "roundtrip.csv",
                                  "curve.csv", "predicted.csv")),
    "44_art2music_table": Step(("table.csv", "steps.csv", "evidence.csv"),
                               ("42_art2music_decoder/decoder.json",
                                "42_art2music_decoder/decoder.safetensors",
                                "42_art2music_decoder/told.json",
                                "42_art2music_decoder/told.safetensors",
                                "42_art2music_decoder/flow.json",
                                "42_art2music_decoder/flow.safetensors",
                                "43_art2music_vocoder/generator.json",
                                "43_art2music_vocoder/generator.safetensors")),
    "45_art2music_loss": Step(("bands.csv", "sizes.csv", "evidence.csv")),
    "46_art2music_judge": Step(("controls.csv", "by_rule.jsonl", "evidence.csv")),
    "90_side_by_side": Step(("table.csv", "cost.csv", "wall.png", "bridging.mp3", "mapping.mp3",
                             "art2music.mp3", "evidence.csv"), _ALL_FOUR),
    "91_round_trip": Step(("stations.csv", "chain.csv", "round.png", "evidence.csv"), _ALL_FOUR),
    "92_swapped_parts": Step(("couples.csv", "who.csv", "changed.csv", "swapped.png",
                              "fused_musicgen.mp3"), _ALL_FOUR),
    "93_real_worlds": Step(("table.csv", "worlds.png"), _ALL_FOUR),
}


def select(words: list[str]) -> list[str]:
    """Notebook stems for numbers or stems (``["31", "33_music2image_diffusion"]``); all of them for
    an empty list.

    Raises:
        KlangfarbeError: a word that names no notebook.
    """
    if not words:
        return list(STEPS)
    by_number = {stem[:2]: stem for stem in STEPS}
    chosen = []
    for word in words:
        stem = by_number.get(word, word)
        if stem not in STEPS:
            raise KlangfarbeError("notebooks out of " + ", ".join(by_number), repr(word),
                                  "name them by number or full name")
        chosen.append(stem)
    return [stem for stem in STEPS if stem in chosen]


def seconds(stem: str) -> int:
    """How long a notebook takes at mini, as the table at its top says; 0 where it says nothing."""
    top = nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", as_version=4).cells[0].source
    found = re.search(r"\| smoke \| mini \|\n.*\n.*\|\s*(\d+) s[^|]*\|\s*$", top, re.MULTILINE)
    return int(found[1]) if found else 0


def priorities(stems: list[str]) -> dict[str, int]:
    """Seconds from the start of each notebook to the end of the last one that waits for it: whoever
    holds up most goes first.
    """
    own = {stem: seconds(stem) for stem in stems}
    waiting = {stem: [other for other in stems
                      if any(need.startswith(f"{stem}/") for need in STEPS[other].needs)]
               for stem in stems}
    found: dict[str, int] = {}

    def longest(stem: str) -> int:
        if stem not in found:
            found[stem] = own[stem] + max(map(longest, waiting[stem]), default=0)
        return found[stem]

    return {stem: longest(stem) for stem in stems}


def parameters(stem: str) -> dict:
    """The literals in a notebook's cell tagged ``parameters``: name → default value."""
    notebook = nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise KlangfarbeError(f"one cell tagged 'parameters' in {stem}", str(len(cells)),
                              "tag the cell that holds the literals")
    return {node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)}


def parse_params(words: list[str], stems: list[str]) -> dict[str, dict]:
    """``["33.steps=200"]`` → ``{"33_music2image_diffusion": {"STEPS": 200}}``, checked before
    anything runs.

    Raises:
        KlangfarbeError: no such notebook in this run, no such parameter in it, or a value of
            another type.
    """
    found: dict[str, dict] = {}
    for word in words:
        left, equals, text = word.partition("=")
        number, dot, name = left.partition(".")
        if not (equals and dot):
            raise KlangfarbeError("parameters as NOTEBOOK.name=value", repr(word),
                                  "for instance 33.steps=200")
        stem = select([number])[0]
        if stem not in stems:
            raise KlangfarbeError("parameters of notebooks in this run", repr(word),
                                  f"add {number} to the notebooks, or drop it")
        defaults = parameters(stem)
        name = name.upper()
        if name == "PROFILE" or name not in defaults:
            known = ", ".join(key.lower() for key in defaults if key != "PROFILE")
            raise KlangfarbeError(f"a parameter of {stem} ({known})", repr(left),
                                  "check its name in the notebook's second cell")
        found.setdefault(stem, {})[name] = _typed(word, text, defaults[name])
    return found


def _typed(word: str, text: str, default):
    """`text` as a value of the default's type; an int passes for a float."""
    kind = type(default)
    value = text
    if kind is not str:
        try:
            value = ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
        except (ValueError, SyntaxError):
            value = text
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise KlangfarbeError(f"a value of type {kind.__name__} (like {default!r})", repr(word),
                              "give one of that type")
    return value


def code_hash() -> str:
    """Hash of everything in ``lib/`` that can move a number: a change of code makes results
    stale.
    """
    digest = hashlib.sha256()
    for file in sorted(file for file in (paths.ROOT / "lib").rglob("*.py")
                       if "benches" not in file.parts):
        digest.update(file.relative_to(paths.ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def encode(values: dict) -> str:
    """Parameters for papermill's ``-b``: base64 of JSON (which is YAML), so that no shell can
    mangle them.
    """
    return base64.b64encode(json.dumps(values).encode()).decode()


def run(profile: str, notebooks: list[str], params: list[str], *, cores: int, engine: str = "",
        dry_run: bool = False) -> int:
    """Runs the graph at a profile and builds the report; returns the exit code.

    Finished notebooks whose inputs, code and parameters stand are not run again; after a kill the
    same call resumes.

    Args:
        profile: one of :data:`lib.core.profiles.PROFILES`.
        notebooks: numbers or stems; empty: all.
        params: ``NOTEBOOK.name=value``.
        cores: how many notebooks may run side by side, one thread each.
        engine: further Snakemake options, e.g. ``--executor slurm --jobs 8``.
        dry_run: says what would run.
    """
    if profile not in PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(PROFILES)}", repr(profile),
                              "name one of them")
    stems = select(notebooks)
    config = {"profile": profile, "notebooks": stems, "params": parse_params(params, stems)}
    paths.RUNS.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(paths.ROOT / "Snakefile"),
               "--directory", str(paths.ROOT), "--cores", str(cores), "--nolock",
               "--rerun-incomplete", "--keep-going", "--quiet", "rules", "host", "--config",
               f"request={encode(config)}", *shlex.split(engine),
               *(["--dry-run"] if dry_run else [])]
    try:
        # The system drops this lock when a run is killed; Snakemake's own would stay behind and
        # block the resume.
        with FileLock(paths.RUNS / ".lock", timeout=0):
            code = subprocess.run(command, cwd=paths.ROOT, check=False).returncode
    except Timeout as error:
        raise KlangfarbeError("no other run in this clone", "one that is still going on",
                              "wait for it, or stop it") from error
    if dry_run:
        return code
    failed = [stem for stem in stems if (reason := report.failure(profile, stem)) and
              not print(f"{stem} failed: {reason}")]
    page = report.build(profile)
    results = _shown(paths.RESULTS / profile)
    print(f"\nreport    {_shown(page)}\npictures  {results}/*/*.png\ntables    {results}/*/*.csv"
          f"\nnotebooks {_shown(paths.RUNS / profile)}/*.ipynb  (as they ran)")
    return 1 if failed else code


def _shown(path: Path) -> str:
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)
