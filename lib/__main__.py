"""``python -m lib``: see :mod:`lib.cli`."""

import signal
import sys

from lib.cli import main, stop

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
