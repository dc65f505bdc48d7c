"""The command line: ``python -m lib COMMAND``, of which :func:`parser` has the list."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES

HEARING = {"bridging": "lib.systems.bridging.generate",
           "mapping": "lib.systems.mapping.generate",
           "art2music": "lib.systems.art2music.generate"}  # the systems that turn a painting into music


def parser() -> argparse.ArgumentParser:
    """Every command with its options; ``--help`` prints them."""
    root = argparse.ArgumentParser(prog="python -m lib", description="Klangfarbe: feeling carried between painting and music.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebooks as a graph and build the report")
    run.add_argument("--profile", default="mini", help=" | ".join(PROFILES))
    run.add_argument("--notebooks", nargs="*", default=[], metavar="NN",
                     help="numbers or names; none: all")
    run.add_argument("--params", nargs="*", default=[], metavar="NN.name=value",
                     help="notebook parameters, e.g. 33.steps=200")
    run.add_argument("--cores", type=int, default=2,
                     help="notebooks side by side, one thread each (default 2)")
    run.add_argument("--engine", default="", metavar="OPTIONS",
                     help='more Snakemake options, e.g. --engine="--executor slurm --jobs 8"')
    run.add_argument("--dry-run", action="store_true", help="say what would run")

    paint = commands.add_parser("paint", help="a piece of music becomes a picture")
    paint.add_argument("music", nargs="+", type=Path,
                       help="wav, flac, ogg, mp3, aiff; several: one picture each")
    paint.add_argument("-o", "--output", type=Path, required=True,
                       help="the picture (png, jpg), or a folder for several pieces")
    paint.add_argument("--profile", default="bundled", help="models of a profile you ran; default: the bundled ones, which saw more")
    paint.add_argument("--variations", type=int, default=1, help="pictures per piece, side by side")
    paint.add_argument("--seed", type=int, default=0)

    hear = commands.add_parser("hear", help="a painting becomes a piece of music")
    hear.add_argument("painting", nargs="+", type=Path,
                      help="jpg, png, webp, tiff, gif, bmp; several: one piece each")
    hear.add_argument("--system", default="bridging", help=" | ".join(HEARING))
    hear.add_argument("--comment", default="", metavar="TEXT",
                      help="what you feel before it (art2music; none: a captioner speaks)")
    hear.add_argument("-o", "--output", type=Path, required=True,
                      help="the music (wav, flac, mp3), or a folder for several paintings")
    hear.add_argument("--profile", default="bundled",
                      help="models of a profile you ran; default: the bundled ones")
    hear.add_argument("--seed", type=int, default=0,
                      help="another seed, another piece for the same painting")
    hear.add_argument("--seconds", type=float, default=8.0,
                      help="length, up to 30 (default 8, what the bundled player was trained on)")

    judge = commands.add_parser("judge", help="a language model rates painting, comment and music")
    judge.add_argument("painting", type=Path)
    judge.add_argument("music", type=Path)
    judge.add_argument("--comment", default="", metavar="TEXT")
    judge.add_argument("--backend", default="gemini", help="openai (or who speaks its protocol) | gemini | local; key in the environment")
    judge.add_argument("--model", default="", help="its name at the service, or a folder")
    judge.add_argument("--base-url", default="", help="of another service that speaks the protocol")
    judge.add_argument("-o", "--output", type=Path,
                       help="a .jsonl that keeps the answer; none: it is printed alone")

    listen = commands.add_parser("listen", help="serve a listening study as a web page")
    listen.add_argument("folder", nargs="?", default="", help="a study laid out by lib.studies.listening.study; none: the atelier's pilot")
    listen.add_argument("--port", type=int, default=8866)
    listen.add_argument("--host", default="127.0.0.1", help="127.0.0.1 (default): this machine alone; 0.0.0.0: everybody who reaches it")

    data = commands.add_parser("data", help="the real collections: what is there, whether it is whole, how to get the rest")
    data.add_argument("action", help="list | check | fetch")
    data.add_argument("names", nargs="*", metavar="NAME", help="with list and check none is all")

    commands.add_parser("doctor", help="what this machine has and what is missing")

    bench = commands.add_parser("bench", help="one measurement, as a ratio")
    bench.add_argument("name")
    bench.add_argument("--json", action="store_true", help="one JSON object on standard output")

    train = commands.add_parser("train", help="notebook 33's training ahead of it, by as many processes as torchrun starts")
    train.add_argument("--profile", default="mini", help=" | ".join(PROFILES))
    train.add_argument("--seed", type=int, default=0)

    miniature = commands.add_parser("miniature",
                                    help="make bundled miniatures again, or measure them")
    miniature.add_argument("names", nargs="*", metavar="NAME", help="with --check none is all")
    miniature.add_argument("--check", action="store_true",
                           help="measure them on held-out items and compare with their cards")

    ledger = commands.add_parser("claims", help="the ledger: every claim, our number, its verdict")
    ledger.add_argument("--profile", default="mini",
                        help=f"{' | '.join(PROFILES)} | reference (the stored run)")

    commands.add_parser("reference",
                        help="the numbers on real collections, into results/reference/")

    store = commands.add_parser("store", help="put a run's outputs into the notebooks")
    store.add_argument("--profile", default="mini")
    store.add_argument("--notebooks", nargs="*", default=[], metavar="NN")
    store.add_argument("--check", action="store_true",
                       help="say which kept runs are older than the code that stands here")

    execute = commands.add_parser("execute", help="run one notebook (what the graph calls)")
    execute.add_argument("source", type=Path)
    execute.add_argument("executed", type=Path)
    execute.add_argument("--parameters", default="e30=")
    execute.add_argument("--threads", type=int, default=1)
    return root


def dispatch(args: argparse.Namespace) -> int:
    """Calls what was asked for; each command imports only what it needs."""
    if args.command == "run":
        from lib.workbook import runner

        return runner.run(args.profile, args.notebooks, args.params, cores=args.cores,
                          engine=args.engine, dry_run=args.dry_run)
    if args.command == "paint":
        from lib.systems import music2image

        return music2image.paint_files(args.music, args.output, profile=args.profile,
                                       variations=args.variations, seed=args.seed)
    if args.command == "hear":
        if args.system not in HEARING:
            raise KlangfarbeError(f"a system out of {', '.join(HEARING)}", repr(args.system),
                                  "name one of them")
        if args.comment and args.system != "art2music":
            raise KlangfarbeError(
                f"no comment for {args.system}, which listens to the painting alone",
                repr(args.comment[:40]), "add --system art2music, or leave --comment out")
        system, said = import_module(HEARING[args.system]), {
            "comment": args.comment} if args.comment else {}
        return system.generate_files(args.painting, args.output, profile=args.profile, seed=args.seed,
                                 seconds=args.seconds, **said)
    if args.command == "judge":
        from lib.studies.judge import command as judging

        return judging.run(args.painting, args.music, args.comment, args.backend, args.model,
                           args.base_url, args.output)
    if args.command == "listen":
        from lib.studies.listening import serve

        return serve.serve(args.folder, args.port, host=args.host)
    if args.command == "data":
        from lib.data import command

        return command.run(args.action, args.names)
    if args.command == "doctor":
        from lib.workbook import doctor

        return doctor.report()
    if args.command == "bench":
        from lib.workbook import bench

        found = bench.run(args.name)
        print(json.dumps(found) if args.json
              else "\n".join(f"{key:10} {value}" for key, value in found.items()))
        return 0
    if args.command == "train":
        from lib.systems.music2image import pretraining

        return pretraining.ahead(args.profile, args.seed)
    if args.command == "miniature":
        from lib import recipes

        if args.check:
            return recipes.check(args.names)
        if not args.names:
            raise KlangfarbeError(f"a miniature out of {', '.join(recipes.RECIPES)}", "none",
                                  "name one, or measure all: --check")
        for name in args.names:
            recipes.make(name)
        return 0
    if args.command == "claims":
        from lib.workbook import ledger as claims

        known = PROFILES | {claims.STORED: "the mini run that is stored with the repository, and the real collections"}
        if args.profile not in known:
            raise KlangfarbeError(f"a profile out of {', '.join(known)}", repr(args.profile),
                                  "name one of them")
        print(f"{args.profile}: {known[args.profile]}\n")
        for row in claims.show(claims.fill(args.profile)).itertuples():
            print(f"{row.id:5} {row.verdict:18} {row.claim}" + (f" ({row.on})" if row.on else "")
                  + f"\n      {row.ours}")
        return 0
    if args.command == "reference":
        from lib.data import inventory
        from lib.systems.music2image import evaluate_real

        inventory.store()
        evaluate_real.run()
        from lib.workbook import ledger as claims

        claims.save([claims.evidence(**row) for row in evaluate_real.evidence()], evaluate_real.RUN,
                    "reference", seed=evaluate_real.SEED)
        return 0
    from lib.workbook import execute, reference_runs, runner

    if args.command == "store":
        if args.check:
            return reference_runs.check(runner.select(args.notebooks))
        for path in reference_runs.store(args.profile, runner.select(args.notebooks)):
            print(f"stored {path.name}, {path.stat().st_size / 1e6:.2f} MB")
        return 0
    return 0 if execute.execute(args.source, args.executed, execute.decode(args.parameters),
                                args.threads) else 1


def main(words: list[str] | None = None) -> int:
    """Runs a command line; a user's fault is one line on standard error and exit code 2, an
    interrupt 130.
    """
    try:
        return dispatch(parser().parse_args(words))
    except KlangfarbeError as error:
        print(f"klangfarbe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("klangfarbe: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
