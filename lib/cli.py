"""The command line, ``python -m lib COMMAND``. Everything but the parser is imported when a command
runs, so that ``--help`` answers at once and each command loads only what it runs."""

import argparse
import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from lib.core import paths
from lib.core.errors import KlangfarbeError, one_of, readable
from lib.core.profiles import PROFILES

# the systems that turn a painting into music
TO_MUSIC = {name: f"lib.systems.{name}.generate" for name in ("bridging", "mapping", "art2music")}


def option(*names: str, **settings) -> tuple:
    """One argument of a command, as ``ArgumentParser.add_argument`` takes it."""
    return names, settings


def output(text: str) -> Path:
    """A path that is written to; with a slash at its end a folder."""
    return paths.Folder(text) if text.endswith(("/", os.sep)) else Path(text)


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def run(profile, notebooks, params, check, **settings) -> int:
    from lib.workbook import runner
    if check:
        return runner.check(profile, notebooks)
    with readable("--engine with each quotation mark closed", repr(settings["engine"])):
        shlex.split(settings["engine"])
    return runner.run(profile, notebooks, params, **settings)


def hear(painting, system, comment, as_score, **settings) -> int:
    if as_score and (comment or settings["weights"] != "bundled"):
        raise KlangfarbeError("--as-score alone: the composer reads no comment and has no weights",
                              f"{comment[:40]!r}, {settings['weights']}", "leave the others out")
    one_of(TO_MUSIC, system, "a system")
    if comment and system != "art2music":
        raise KlangfarbeError(f"no comment for {system}, which is given the painting alone",
                              repr(comment[:40]), "add --system art2music, or leave --comment out")
    from lib.systems import interface
    module = import_module("lib.systems.score" if as_score else TO_MUSIC[system])
    settings |= {"comment": module.check_comment(comment)} if comment else {}
    return interface.generate_files(module, painting, **settings)


def paint(weights, **settings) -> int:
    if weights != "bundled":
        raise KlangfarbeError("--weights bundled for paint: Zhang published no weights",
                              repr(weights), 'train them: make run PROFILE=paper '
                              'NOTEBOOKS="31 33", then add --profile paper')
    from lib.systems.music2image import generate
    return generate.generate_files(**settings)


def miniature(names, check) -> int:
    from lib import recipes
    if check:
        return recipes.check(names)
    if not names:
        raise KlangfarbeError(f"a miniature out of {', '.join(recipes.RECIPES)}", "none",
                              "name one, or measure all: --check")
    for name in names:
        recipes.make(name)
    return 0


def reference() -> None:
    from lib.data import registry
    from lib.systems.music2image import evaluate
    from lib.workbook import ledger
    registry.store_reference()
    evaluate.run()
    ledger.save([ledger.evidence(**row) for row in evaluate.evidence()], evaluate.RUN,
                "reference", seed=evaluate.SEED)


def store(profile, notebooks, check) -> int:
    from lib.workbook import graph, reference_runs
    stems = graph.select(notebooks)
    if check:
        return reference_runs.check(stems)
    for path in reference_runs.store(profile, stems):
        print(f"stored {path.name}, {path.stat().st_size / 1e6:.2f} MB")
    return 0


_PROFILE = option("--profile", default="mini", help=" | ".join(PROFILES))
_BUNDLED = option("--profile", default="bundled",
                  help="models of a profile you ran; default: the bundled ones")
_SEED = option("--seed", type=int, default=0, help="another seed, another answer (default 0)")
_WEIGHTS = option("--weights", default="bundled", metavar="bundled|published|FOLDER",
                  help="others' networks in the chain: the bundled miniatures (default), the "
                       "published ones, fetched once, or those of a folder")
_HOST = option("--host", default="127.0.0.1",
               help="127.0.0.1 (default): this machine alone; 0.0.0.0: everybody who reaches it")
_WORDS = option("words", nargs=argparse.REMAINDER, metavar="OPTIONS", help="its own: --help")
# name → function or "module:function" ("tests:module" of this clone's), line of help, options
COMMANDS = {
    "run": (run, "run the notebooks as a graph and build the report", _PROFILE,
        option("--notebooks", nargs="*", default=[], metavar="NN",
               help="numbers or names; none: all"),
        option("--params", nargs="*", default=[], metavar="NN.name=value",
               help="notebook parameters, e.g. 33.steps=200"),
        option("--cores", type=count, default=2,
               help="notebooks side by side, one thread each (default 2)"),
        option("--engine", default="", metavar="OPTIONS",
               help='more Snakemake options, e.g. --engine="--executor slurm --jobs 8"'),
        option("--dry-run", action="store_true", help="say what would run"),
        option("--check", action="store_true", help="run nothing: say which products are missing")),
    "paint": (paint, "a piece of music becomes a picture",
        option("music", nargs="+", type=Path,
               help="wav, flac, ogg, mp3, m4a, webm …; several: one picture each"),
        option("-o", "--output", type=output, required=True,
               help="the picture (png, jpg), or a folder (a slash at its end)"),
        option("--variations", type=int, default=1, help="pictures per piece, side by side"),
        _BUNDLED, _WEIGHTS, _SEED),
    "hear": (hear, "a painting becomes a piece of music",
        option("painting", nargs="+", type=Path,
               help="jpg, png, webp, tiff, gif, bmp; several: one piece each"),
        option("--system", default="bridging", help=" | ".join(TO_MUSIC)),
        option("--comment", default="", metavar="TEXT",
               help="what you feel before it (art2music; none: a captioner writes it)"),
        option("--as-score", action="store_true",
               help="what the atelier's composer writes for the same feeling; MIDI, too"),
        option("-o", "--output", type=output, required=True,
               help="the music (wav, flac, ogg, mp3), or a folder (a slash at its end)"),
        option("--seconds", type=float, default=8.0,
               help="length, up to 120 (default 8, what the bundled model was trained on)"),
        _BUNDLED, _WEIGHTS,
        option("--yes", action="store_true", help="fetch published weights without asking"),
        _SEED),
    "judge": ("lib.studies.judge.collect:rate_files",
        "a language model rates painting, comment and music",
        option("painting", type=Path, help="its file"),
        option("music", type=Path, help="its file"),
        option("--comment", default="", metavar="TEXT", help="what was said before the painting"),
        option("--backend", default="gemini",
               help="openai (or who speaks its protocol) | gemini | local; key in the environment"),
        option("--model", default="", help="its name at the service, or a folder"),
        option("--base-url", default="", help="of another service that speaks the protocol"),
        option("-o", "--output", type=Path,
               help="a .jsonl that keeps the answer; none: it is printed alone")),
    "listen": ("studio.listening:serve", "serve a listening study as a web page",
        option("folder", nargs="?", default="",
               help="a study laid out by lib.studies.listening.study; none: the atelier's pilot"),
        option("--port", type=int, default=8866, help="8866; 0: any that is free"), _HOST),
    "studio": ("studio.page:serve", "one page in the browser to try all four systems at",
        option("--port", type=int, default=7860, help="7860; 0: any that is free"), _HOST),
    "data": ("lib.data.registry:run",
        "the real collections: what is there, whether it is whole, how to get the rest",
        option("action", help="list | check | fetch"),
        option("names", nargs="*", metavar="NAME", help="with list and check none is all")),
    "lab": ("lib.workbook.lab:serve", "JupyterLab, the notebooks' stored sounds trusted", _WORDS),
    "doctor": ("lib.workbook.doctor:report", "what this machine has and what is missing"),
    "bench": ("tests:benchmarks", "one measurement, as a ratio", _WORDS),
    "chaos": ("tests:chaos", "kill runs of a copy of this clone at random moments", _WORDS),
    "fuzz": ("tests:fuzz", "damage what is read: each change is read or told", _WORDS),
    "train": ("lib.systems.music2image.train_diffusion:train_command",
        "notebook 33's training ahead of it, by as many processes as torchrun starts",
        _PROFILE, _SEED),
    "miniature": (miniature, "make bundled miniatures again, or measure them",
        option("names", nargs="*", metavar="NAME", help="with --check none is all"),
        option("--check", action="store_true",
               help="measure them on held-out items and compare with their cards")),
    "claims": ("lib.workbook.ledger:print_claims", "the ledger: claims, our numbers, verdicts",
        option("--profile", default="mini", help="as of run, or reference (the stored run)")),
    "reference": (reference, "the numbers on real collections, into results/reference/"),
    "store": (store, "put a run's outputs into the notebooks", _PROFILE,
        option("--notebooks", nargs="*", default=[], metavar="NN",
               help="numbers or names; none: all"),
        option("--check", action="store_true",
               help="say which stored runs are older than the code that stands here")),
    "assignment": ("kit.assignment:run", "coursework for nbgrader out of a notebook's exercises",
        option("notebooks", nargs="*", metavar="NN", help="numbers or names; none: all"),
        option("--rehearse", action="store_true",
               help="let nbgrader mark a solved and an empty sheet of each")),
    "slides": ("kit.slides:run", "lectures out of the notebooks as they are stored",
        option("notebooks", nargs="*", metavar="NN",
               help="numbers or names; none: 00 and the four tours")),
    "rehearse": ("tests:rehearsal", "paper's notebooks with its flags at toy sizes", _WORDS),
    "execute": ("lib.workbook.execute:execute", "run one notebook (what the graph calls)",
        option("source", type=Path, help="its file"),
        option("executed", type=Path, help="where the executed copy goes"),
        option("--parameters", default="e30=", help="base64 of JSON"),
        option("--threads", type=count, default=1, help="of its process"))}


def parser() -> argparse.ArgumentParser:
    """Every command with its options; ``--help`` prints them."""
    root = argparse.ArgumentParser(
        prog="python -m lib",
        description="Klangfarbe: feeling carried between painting and music.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text, *options) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text, add_help=_WORDS not in options)
        for names, settings in options:
            sub.add_argument(*names, **settings)
    return root


class Listeners:
    """A stream whose reader may leave or not know a letter: what is told then is lost, no more."""
    def __init__(self, stream):
        self.stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        return self._or_nobody(self.stream.write, text) or len(text)

    def flush(self) -> None:
        self._or_nobody(self.stream.flush)

    def _or_nobody(self, tell, *words):
        try:
            return tell(*words)
        except BrokenPipeError:
            with open(os.devnull, "wb") as nobody:
                os.dup2(nobody.fileno(), self.stream.fileno())


def stop(number: int, _frame) -> None:
    """What SIGTERM does: as an interrupt from the keyboard, so that what was begun is tidied."""
    raise KeyboardInterrupt(number)


def main(words: list[str] | None = None) -> int:
    """Runs a command line; a user's fault is one line on stderr and exit code 2."""
    with (contextlib.redirect_stdout(Listeners(sys.stdout)),
          contextlib.redirect_stderr(Listeners(sys.stderr))):
        root = parser()
        known, more = root.parse_known_args(words)
        if hasattr(known, "words"):  # argparse takes no option for the first of them
            known.words, more = more + known.words, []
        if more:
            root.error(f"unrecognized arguments: {' '.join(more)}")
        logging.getLogger("xformers").setLevel(logging.ERROR)  # it need not fit: nothing uses it
        code = _run(vars(known))
        sys.stdout.flush()
        return code


def _of_the_tests(module: str, words: list[str]) -> int:
    """Runs a module of ``tests``, with the clone's own code; its exit code."""
    return subprocess.run([sys.executable, "-m", module, *words], check=False, cwd=paths.ROOT, env={
        **os.environ, "PYTHONPATH": f"{paths.ROOT}{os.pathsep}{paths.ROOT / 'tests'}"}).returncode


def _run(arguments: dict) -> int:
    function = COMMANDS[arguments.pop("command")][0]
    try:
        if isinstance(function, str):
            sys.path.append(str(paths.NOTEBOOKS))  # studio and kit stand over lib, as notebooks do
            module, name = function.split(":")
            function = (partial(_of_the_tests, name) if module == "tests"
                        else getattr(import_module(module), name))
        return function(**arguments) or 0
    except (KlangfarbeError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError):
            if str(error.name).partition(".")[0] in ("lib", "kit", "studio"):
                raise
            error = KlangfarbeError("the whole workbook", f"{error}: a light install", "make run")
        print(f"klangfarbe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print("klangfarbe: interrupted; the same command goes on from here", file=sys.stderr)
        return 128 + next(iter(stopped.args), signal.SIGINT)
