"""``python -m lib.workbook.rehearsal CORES NOTEBOOK…``, in the environment that ``run`` sets."""

import sys

from lib.workbook import rehearsal

if __name__ == "__main__":
    sys.exit(rehearsal.rehearse(sys.argv[2:], int(sys.argv[1])))
