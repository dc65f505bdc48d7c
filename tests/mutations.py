"""Seeded damage: files, configs and tables as an editor, a disk or a foreign tool leaves them."""

import contextlib
import copy
import json
import math
import os
import random
import resource
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lib.core.errors import KlangfarbeError

ODD = (None, True, -1, 0, 1, 3, 7.5, 10**6, 10**9, 10**12, 2**63, -(10**9), 1e308, math.nan, "",
       "x", "7", "gelu", [], {}, [1, 2], [10**9], {"a": 1}, "\x00", "../..")
ODD_CELLS = ("", "nan", "-1", "1e308", "inf", "None", '"', '""', "'", "x", "0", "7,7", "\t", "[",
             "\x00", "٣", "10000000000000000000000", "3.5", "/absolute", "\ufeff", "a;b")
ROOM = 6 * 2**30  # bytes of address space beyond what is in use, so that a giant fails at once
LONGEST_S = 20.0


def changed(value: Any, rng: random.Random) -> Any:
    """A JSON value with one change: a key or item gone, doubled, exchanged, of another type."""
    value = copy.deepcopy(value)
    place, parent, key = value, None, None
    while isinstance(place, dict | list) and place and (parent is None or rng.random() < 0.7):
        parent, key = place, rng.choice(list(place) if isinstance(place, dict)
                                        else range(len(place)))
        place = parent[key]
    match rng.randrange(6) if parent is not None else 5:
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(key, parent[key])
        case 1:
            parent[f"{key}_"] = parent.pop(key)
        case 2:
            other = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
            parent[key], parent[other] = parent[other], parent[key]
        case 3 if isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
            parent[key] *= rng.choice([-1, 2, 0, 0.5, 1000, 10**9])
        case _ if parent is None:
            return copy.deepcopy(rng.choice(ODD))
        case _:
            parent[key] = copy.deepcopy(rng.choice(ODD))
    return value


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with a part gone, changed, doubled or added, or in another encoding."""
    at, n = rng.randrange(len(content) + 1), rng.choice([1, 2, 8, 100])
    match rng.randrange(12):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + n :]
        case 2:
            return content[:at] + rng.randbytes(n) + content[at + n :]
        case 3:
            return content[:at] + content[max(0, at - n) :]
        case 4:
            return b"" if rng.random() < 0.5 else bytes(len(content))
        case 5:
            return content.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-32"]))
        case 6:
            return content[:at] + rng.choice([b'"', b"\0", b"\xff", b"{", b"\r", b",", b"\n"]) \
                + content[at:]
        case 7 | 8 | 9 | 10 if content:  # some bits, half of them in the first hundred bytes
            changed = bytearray(content)
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(min(len(content), rng.choice([100, len(content)])))
                changed[at] ^= 1 << rng.randrange(8)
            return bytes(changed)
    return rng.randbytes(min(len(content), 400))


def table(content: bytes, rng: random.Random) -> bytes:
    """A table with a cell, a column or a row changed."""
    lines = content.decode("utf-8", "replace").split("\n")
    separator = "\t" if "\t" in lines[0] else "," if "," in lines[0] else " "
    cells = [line.split(separator) for line in lines]
    row = rng.randrange(min(len(cells), 8))
    column = rng.randrange(len(cells[row]))
    match rng.randrange(6):
        case 0:
            cells = [line[:column] + line[column + 1 :] for line in cells]
        case 1:
            del cells[row]
        case 2:
            cells.insert(row, cells[row])
        case 3:
            cells = [[cell if k != column or not j else rng.choice(ODD_CELLS)
                      for k, cell in enumerate(line)] for j, line in enumerate(cells)]
        case _:
            cells[row][column] = rng.choice(ODD_CELLS)
    return "\n".join(map(separator.join, cells)).encode("utf-8", "replace")


def safetensors(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with its header, its length or its numbers changed."""
    size = struct.unpack("<Q", content[:8])[0]
    if rng.random() < 0.2:
        odd = rng.choice([0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1])
        return struct.pack("<Q", odd) + content[8:]
    header = json.dumps(changed(json.loads(content[8 : 8 + size]), rng)).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def mutated(path: Path, content: bytes, rng: random.Random) -> bytes:
    """One change of the kind that a file's suffix allows."""
    own: Callable | None = {".safetensors": safetensors, ".csv": table, ".tsv": table,
                            ".txt": table}.get(path.suffix)
    if path.suffix == ".json":
        with contextlib.suppress(ValueError):  # lines of JSON are bytes and tables
            whole = json.loads(content)
            own = lambda content, rng: json.dumps(changed(whole, rng)).encode()  # noqa: E731
    if own is not None and content and rng.random() < 0.75:
        return own(content, rng)
    return damaged(content, rng)


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """Within it a request for terabytes fails, instead of taking the machine with it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if os.path.exists(
        "/proc/self/statm") else 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class Campaign(NamedTuple):
    """What became of the changes: how many were read all the same, how many refused in one line
    that names the file, what went wrong, a line a time, and the longest seconds of one.
    """

    read: int
    refused: int
    faults: list[str]
    slowest_s: float


@contextlib.contextmanager
def no_hang(seconds: float) -> Iterator[None]:
    """Raises in the block what no reader takes for a fault of the file, once it took so long."""
    def late(*_):
        raise KeyboardInterrupt("HANG")  # the one that the readers let through
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def campaign(folder: Path, read: Callable[[Path], Any], n: int, seed: int = 0,
             files: Sequence[Path] = (), told_by: Sequence[str] = ()) -> Campaign:
    """Calls `read`, with the file, after each of `n` changes to one of a folder's files, which is
    then put back. Anything but a result or one clear line is a fault; clear is one with a word of
    `told_by` (none: the folder's path or the file's name).
    """
    kept = {path: path.read_bytes() for path in files or sorted(folder.rglob("*"))
            if path.is_file()}
    clear = told_by or (str(folder), *(path.name for path in kept))
    for path in kept:
        read(path)  # whole it is read, or the campaign would show nothing
    n_read, refused, faults, slowest = 0, 0, [], 0.0
    for number in range(n):
        rng = random.Random(f"{seed} {number}")
        path = rng.choice(list(kept))
        path.write_bytes(mutated(path, kept[path], rng))
        began = time.monotonic()
        try:
            with little_room(), no_hang(LONGEST_S):
                read(path)
            n_read += 1
        except KlangfarbeError as error:
            said = str(error)
            refused += 1
            if "\n" in said or not any(part in said for part in clear):
                faults.append(f"{number} {path.name}: unclear: {said}")
            if any(word in said for word in ("MemoryError", "allocate")):
                faults.append(f"{number} {path.name}: a giant was asked for: {said}")
        except BaseException as error:  # a panic of Rust's is no Exception
            if isinstance(error, KeyboardInterrupt) and error.args != ("HANG",):
                raise
            at = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{number} {path.name}: {type(error).__name__} at "
                          f"{Path(at.filename).name}:{at.lineno}: {str(error)[:150]}")
        finally:
            path.write_bytes(kept[path])
            slowest = max(slowest, time.monotonic() - began)
    return Campaign(n_read, refused, faults, slowest)
