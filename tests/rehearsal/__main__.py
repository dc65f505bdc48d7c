"""``python -m rehearsal CORES NOTEBOOK…``, in the environment that
``lib.workbook.rehearsal.run`` sets."""

import sys

import rehearsal

if __name__ == "__main__":
    sys.exit(rehearsal.rehearse(sys.argv[2:], int(sys.argv[1])))
