"""nbval's kernels are forked from one process, as a run's are."""

import contextlib
import os

from lib.workbook import kernels


def pytest_configure(config) -> None:
    """The first of the processes serves them all."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        stack = contextlib.ExitStack()
        stack.enter_context(kernels.served())
        config.add_cleanup(stack.close)
