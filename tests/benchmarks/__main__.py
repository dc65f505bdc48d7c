"""``python -m benchmarks NAME [--json]``, as ``python -m lib bench`` starts it."""

import argparse
import json
import sys

import benchmarks
from lib.core.errors import KlangfarbeError


def parser() -> argparse.ArgumentParser:
    """What a measurement may be told."""
    told = argparse.ArgumentParser(prog="python -m lib bench")
    told.add_argument("name", help="which; a wrong name lists all")
    told.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return told


def main(words: list[str]) -> int:
    """Measures, prints, and returns the exit code."""
    chosen = parser().parse_args(words)
    try:
        measured = benchmarks.run(chosen.name)
    except KlangfarbeError as error:
        print(f"klangfarbe: {error}", file=sys.stderr)
        return 2
    print(json.dumps(measured) if chosen.json
          else "\n".join(f"{key:10} {value}" for key, value in measured.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
