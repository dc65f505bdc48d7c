"""The command line, ``python -m lib COMMAND``: one function a command.

Everything but the parser is imported inside the commands, so that ``--help`` answers at once and
each command loads only what it runs.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES

# the systems that turn a painting into music
TO_MUSIC = {name: f"lib.systems.{name}.generate" for name in ("bridging", "mapping", "art2music")}

COMMANDS: dict[str, tuple] = {}  # name → function, line of help, options


def option(*names: str, **settings) -> tuple:
    """One argument of a command, as ``ArgumentParser.add_argument`` takes it."""
    return names, settings


def command(text: str, *options: tuple) -> Callable:
    """Registers a function as the command of its name, with a line of help and its options."""
    def register(function):
        COMMANDS[function.__name__] = function, text, options
        return function
    return register


def profile_option(default: str = "mini", more: str = "") -> tuple:
    return option("--profile", default=default, help=" | ".join(PROFILES) + more)


BUNDLED = option("--profile", default="bundled",
                 help="models of a profile you ran; default: the bundled ones")
SEED = option("--seed", type=int, default=0)


@command("run the notebooks as a graph and build the report",
         profile_option(),
         option("--notebooks", nargs="*", default=[], metavar="NN",
                help="numbers or names; none: all"),
         option("--params", nargs="*", default=[], metavar="NN.name=value",
                help="notebook parameters, e.g. 33.steps=200"),
         option("--cores", type=int, default=2,
                help="notebooks side by side, one thread each (default 2)"),
         option("--engine", default="", metavar="OPTIONS",
                help='more Snakemake options, e.g. --engine="--executor slurm --jobs 8"'),
         option("--dry-run", action="store_true", help="say what would run"),
         option("--check", action="store_true",
                help="run nothing: say which products are missing"))
def run(profile, notebooks, params, check, **settings) -> int:
    from lib.workbook import runner
    if check:
        return runner.check(profile, notebooks)
    return runner.run(profile, notebooks, params, **settings)


@command("a piece of music becomes a picture",
         option("music", nargs="+", type=Path,
                help="wav, flac, ogg, mp3, aiff; several: one picture each"),
         option("-o", "--output", type=Path, required=True,
                help="the picture (png, jpg), or a folder for several pieces"),
         BUNDLED,
         option("--variations", type=int, default=1, help="pictures per piece, side by side"),
         SEED)
def paint(**settings) -> int:
    from lib.systems.music2image import generate
    return generate.generate_files(**settings)


@command("a painting becomes a piece of music",
         option("painting", nargs="+", type=Path,
                help="jpg, png, webp, tiff, gif, bmp; several: one piece each"),
         option("--system", default="bridging", help=" | ".join(TO_MUSIC)),
         option("--comment", default="", metavar="TEXT",
                help="what you feel before it (art2music; none: a captioner writes it)"),
         option("-o", "--output", type=Path, required=True,
                help="the music (wav, flac, mp3), or a folder for several paintings"),
         BUNDLED, SEED,
         option("--seconds", type=float, default=8.0,
                help="length, up to 30 (default 8, what the bundled model was trained on)"))
def hear(painting, system, comment, **settings) -> int:
    if system not in TO_MUSIC:
        raise KlangfarbeError(f"a system out of {', '.join(TO_MUSIC)}", repr(system),
                              "name one of them")
    if comment and system != "art2music":
        raise KlangfarbeError(f"no comment for {system}, which is given the painting alone",
                              repr(comment[:40]),
                              "add --system art2music, or leave --comment out")
    settings |= {"comment": comment} if comment else {}
    return import_module(TO_MUSIC[system]).generate_files(painting, **settings)


@command("a language model rates painting, comment and music",
         option("painting", type=Path), option("music", type=Path),
         option("--comment", default="", metavar="TEXT"),
         option("--backend", default="gemini",
                help="openai (or who speaks its protocol) | gemini | local; key in the "
                     "environment"),
         option("--model", default="", help="its name at the service, or a folder"),
         option("--base-url", default="", help="of another service that speaks the protocol"),
         option("-o", "--output", type=Path,
                help="a .jsonl that keeps the answer; none: it is printed alone"))
def judge(**settings) -> int:
    from lib.studies.judge import collect
    return collect.rate_files(**settings)


@command("serve a listening study as a web page",
         option("folder", nargs="?", default="",
                help="a study laid out by lib.studies.listening.study; none: the atelier's pilot"),
         option("--port", type=int, default=8866),
         option("--host", default="127.0.0.1",
                help="127.0.0.1 (default): this machine alone; 0.0.0.0: everybody who reaches it"))
def listen(**settings) -> int:
    from lib.studies.listening import serve
    return serve.serve(**settings)


@command("the real collections: what is there, whether it is whole, how to get the rest",
         option("action", help="list | check | fetch"),
         option("names", nargs="*", metavar="NAME", help="with list and check none is all"))
def data(action, names) -> int:
    from lib.data import command as collections
    return collections.run(action, names)


@command("what this machine has and what is missing")
def doctor() -> int:
    from lib.workbook import doctor as examination
    return examination.report()


@command("one measurement, as a ratio",
         option("name"),
         option("--json", action="store_true", help="one JSON object on standard output"))
def bench(name, **options) -> int:
    from lib.workbook import benchmarks
    measured = benchmarks.run(name)
    print(json.dumps(measured) if options["json"]
          else "\n".join(f"{key:10} {value}" for key, value in measured.items()))
    return 0


@command("notebook 33's training ahead of it, by as many processes as torchrun starts",
         profile_option(), SEED)
def train(profile, seed) -> int:
    from lib.systems.music2image import train_diffusion
    return train_diffusion.train_command(profile, seed)


@command("make bundled miniatures again, or measure them",
         option("names", nargs="*", metavar="NAME", help="with --check none is all"),
         option("--check", action="store_true",
                help="measure them on held-out items and compare with their cards"))
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


@command("the ledger: every claim, our number, its verdict",
         profile_option(more=" | reference (the stored run)"))
def claims(profile) -> int:
    from lib.workbook import ledger
    ledger.print_claims(profile)
    return 0


@command("the numbers on real collections, into results/reference/")
def reference() -> int:
    from lib.data import inventory
    from lib.systems.music2image import evaluate
    from lib.workbook import ledger
    inventory.store_reference()
    evaluate.run()
    ledger.save([ledger.evidence(**row) for row in evaluate.evidence()], evaluate.RUN,
                "reference", seed=evaluate.SEED)
    return 0


@command("put a run's outputs into the notebooks",
         profile_option(),
         option("--notebooks", nargs="*", default=[], metavar="NN"),
         option("--check", action="store_true",
                help="say which stored runs are older than the code that stands here"))
def store(profile, notebooks, check) -> int:
    from lib.workbook import graph, reference_runs
    stems = graph.select(notebooks)
    if check:
        return reference_runs.check(stems)
    for path in reference_runs.store(profile, stems):
        print(f"stored {path.name}, {path.stat().st_size / 1e6:.2f} MB")
    return 0


@command("run one notebook (what the graph calls)",
         option("source", type=Path), option("executed", type=Path),
         option("--parameters", default="e30=", help="base64 of JSON"),
         option("--threads", type=int, default=1))
def execute(source, executed, parameters, threads) -> int:
    from lib.workbook import execute as notebooks
    from lib.workbook import graph
    ran = notebooks.execute(source, executed, graph.decode(parameters), threads)
    return 0 if ran else 1


def parser() -> argparse.ArgumentParser:
    """Every command with its options; ``--help`` prints them."""
    root = argparse.ArgumentParser(
        prog="python -m lib",
        description="Klangfarbe: feeling carried between painting and music.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text, options) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        for names, settings in options:
            sub.add_argument(*names, **settings)
    return root


def main(words: list[str] | None = None) -> int:
    """Runs a command line; a user's fault is one line on stderr and exit code 2."""
    arguments = vars(parser().parse_args(words))
    function, _, _ = COMMANDS[arguments.pop("command")]
    try:
        return function(**arguments)
    except KlangfarbeError as error:
        print(f"klangfarbe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("klangfarbe: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
