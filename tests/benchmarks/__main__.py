"""``python -m benchmarks NAME [--json]``, as ``python -m lib bench`` starts it."""

import json
import sys

import benchmarks
from lib.core.errors import KlangfarbeError


def main(words: list[str]) -> int:
    """Measures, prints, and returns the exit code."""
    name, *options = words
    try:
        measured = benchmarks.run(name)
    except KlangfarbeError as error:
        print(f"klangfarbe: {error}", file=sys.stderr)
        return 2
    print(json.dumps(measured) if options
          else "\n".join(f"{key:10} {value}" for key, value in measured.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
