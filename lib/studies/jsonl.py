"""A line of JSON an answer, on the disk before anything else happens."""

import json
import os
from collections.abc import Iterator
from pathlib import Path


def append(path: Path, row: dict) -> None:
    """Adds a line, on the disk when this returns; a torn end of a crash is closed off first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if os.fstat(handle).st_size:
            os.lseek(handle, -1, os.SEEK_END)
            line = line if os.read(handle, 1) == b"\n" else b"\n" + line
        while line:
            line = line[os.write(handle, line):]
        os.fsync(handle)
    finally:
        os.close(handle)
    if os.name == "posix":  # a name is safe only when its folder is flushed, too
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def read(path: Path) -> Iterator[tuple[int, int, dict | None]]:
    """(number from 1, bytes, row) of each line; ``None`` where a line is no whole object."""
    for number, line in enumerate(path.read_bytes().split(b"\n") if path.is_file() else (), 1):
        if line:
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            yield number, len(line), row if isinstance(row, dict) else None
