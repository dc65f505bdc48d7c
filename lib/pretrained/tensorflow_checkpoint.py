"""The variables of a TensorFlow checkpoint by NumPy alone. Its ``.index`` is a table in LevelDB's
form: blocks of keys, each of which shares a prefix with the one before it, and protocol buffers
that say where in ``.data-00000-of-00001`` a variable lies. Nothing in it can run.
Source: LevelDB, doc/table_format.md; TensorFlow, core/protobuf/tensor_bundle.proto."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64}  # DataType of types.proto
FOOTER = 48  # bytes
# fields of BundleEntryProto
DTYPE, SHAPE, OFFSET, SIZE = 1, 2, 4, 5


def read_variables(index: Path) -> dict[str, np.ndarray]:
    """All variables of the checkpoint whose index that is; the data lie beside it."""
    table = index.read_bytes()
    data = index.with_name(index.name.replace(".index", ".data-00000-of-00001")).read_bytes()
    # the footer: where the block of the metaindex lies (passed over), and that of the index
    _, _, offset, size = _varints(table[-FOOTER:], 4)
    variables = {}
    for _, place in _block(table, offset, size):
        for name, entry in _block(table, *_varints(place, 2)):
            if name:  # the first entry is the checkpoint's header
                fields = _fields(entry)
                start, length = fields.get(OFFSET, [0])[0], fields[SIZE][0]
                dims = _fields(fields[SHAPE][0]).get(2, []) if SHAPE in fields else []
                shape = [_fields(dim).get(1, [0])[0] for dim in dims]
                flat = np.frombuffer(data[start : start + length], TYPES[fields[DTYPE][0]])
                variables[name.decode()] = flat.reshape(shape)
    return variables


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    # seven bits a byte, the lowest first; the highest bit says that another one follows
    value = shift = 0
    while True:
        byte = buffer[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(buffer: bytes, count: int) -> list[int]:
    values, at = [], 0
    for _ in range(count):
        value, at = _varint(buffer, at)
        values.append(value)
    return values


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if table[offset + size]:
        raise ValueError("a compressed block")  # none that TensorFlow writes is
    block = table[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    at, end, key = 0, len(block) - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message: bytes) -> dict[int, list]:
    # a protocol buffer's fields by number, without a schema
    at, found = 0, {}
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}.get(kind)
            if length is None:
                length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found
