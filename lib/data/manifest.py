"""One table for every collection, and its build of three files: ``manifest.parquet``, every row
whose file is whole (or that has none), ``rejects.parquet``, every other with the reason,
``manifest.json``, counts and the build's key, written last."""

import hashlib
import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, readable
from lib.data.atelier.render import read_midi
from lib.signal import audio, images

MODALITIES, SPLITS = ("image", "audio", "midi", "text"), ("train", "validation", "test")
TEXT, NUMBER, COUNT = "string", "float64", "Int64"
COLUMNS = {"item_id": TEXT, "modality": TEXT, "path": TEXT, "split": TEXT, "group_id": TEXT,
           "source": TEXT, "emotion": TEXT, "valence": NUMBER, "arousal": NUMBER, "caption": TEXT,
           "comment": TEXT, "description": TEXT, "genre": TEXT, "duration_s": NUMBER,
           "sample_rate_hz": COUNT, "sha256": TEXT, "licence": TEXT, "origin_url": TEXT}
REJECT_COLUMNS = dict.fromkeys(("item_id", "path", "source", "reason"), TEXT)
REQUIRED = ("item_id", "modality", "group_id", "source", "licence")
_CHECKS = {"item_id": pa.Check.str_length(min_value=1), "modality": pa.Check.isin(MODALITIES),
           "split": pa.Check.isin(SPLITS), "path": pa.Check.str_matches(r"^[^/\\]"),
           "valence": pa.Check.in_range(-1, 1), "arousal": pa.Check.in_range(-1, 1),
           "duration_s": pa.Check.ge(0), "sample_rate_hz": pa.Check.gt(0),
           "sha256": pa.Check.str_matches(r"^[0-9a-f]{64}$")}
SCHEMA = pa.DataFrameSchema({name: pa.Column(kind, _CHECKS.get(name), nullable=name not in REQUIRED,
    unique=name == "item_id") for name, kind in COLUMNS.items()},
    checks=[pa.Check(lambda table: table["valence"].isna() == table["arousal"].isna(),
    error="valence and arousal both given or both null"),
    pa.Check(lambda table: table["path"].isna() | ~table["modality"].isin(["text"]),
    error="no path of a text, which stands in the table itself")], strict=True, ordered=True)
# A manifest, and the rows that were set aside: item_id, path, source, reason.
Built = namedtuple("Built", "manifest rejects")


def frame(rows: Any) -> pd.DataFrame:
    """Rows of any subset of :data:`COLUMNS` → the checked table, ordered by ``item_id``, the other
    columns null; ``path`` is relative; the error names the first broken rule, row and value."""
    rows = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else list(rows)
    if unknown := sorted({name for row in rows for name in row} - set(COLUMNS)):
        raise KlangfarbeError(f"columns out of {', '.join(COLUMNS)}", ", ".join(unknown), "rename")
    table = pd.DataFrame([[row.get(name) for name in COLUMNS] for row in rows],
                         columns=list(COLUMNS), dtype=object)
    with readable("numbers", "a column of numbers", "convert it"):
        table = table.where(table.notna(), None).astype(COLUMNS)
    table = table.sort_values("item_id", kind="stable").reset_index(drop=True)
    try:
        return SCHEMA.validate(table, lazy=True)
    except pandera.errors.SchemaErrors as error:
        first, more = error.failure_cases.iloc[0], len(error.failure_cases) - 1
        value, row = first["failure_case"], first["index"]
        value = repr(value.item() if hasattr(value, "item") else value)
        value += f" in row {table['item_id'].iloc[int(row)]!r}" if pd.notna(row) else ""
        raise KlangfarbeError(f"a manifest in which {first['column']} satisfies {first['check']}",
            value + (f" (and {more} more)" if more else ""), "mend the row where it is made; "
            "affect.to_unit converts valence and arousal") from error


def build(rows: Any, folder: Path | str, *, root: Path | str) -> Built:
    """Opens every file below `root`, fills in ``duration_s, sample_rate_hz, sha256``, and writes to
    `folder`; a finished build of the same rows and files (size, time of change) is only read."""
    folder, root = Path(folder), Path(root)
    records: list[dict] = [{name: None if pd.isna(value) else value for name, value in row.items()}
                           for row in frame(rows).to_dict("records")]
    digest = hashlib.sha256(json.dumps(records, sort_keys=True).encode())
    for file in (root / (record["path"] or "") for record in records):
        state = file.stat() if file.is_file() else None
        digest.update(f"{state.st_size}:{state.st_mtime_ns};".encode() if state else b"absent;")
    key = digest.hexdigest()[:16]
    files = [folder / f for f in ("manifest.parquet", "rejects.parquet", "manifest.json")]
    manifest, rejects, seal = files
    if not all(map(Path.is_file, files)) or artefacts.read(seal).get("key") != key:
        kept, rejected = [], []
        for record in records:
            path = record["path"]
            try:
                kept.append(record | (measure(root / path, record["modality"]) if path else {}))
            except Exception as error:  # a decoder's own fault: this row's reason, no more
                got = (error.got if isinstance(error, KlangfarbeError)
                       else f"{path}: {type(error).__name__}: {error}")
                got = got.replace(f"{root}/", "").replace(str(root), "")
                rejected.append(record | {"reason": got})
        seal.unlink(missing_ok=True)  # it vouches for the two tables: absent while they change
        artefacts.write(manifest, frame(kept))
        artefacts.write(rejects, pd.DataFrame(rejected, columns=list(REJECT_COLUMNS),
                                              dtype=object).astype(REJECT_COLUMNS))
        artefacts.write(seal, {"key": key, "rows": len(kept), "rejects": len(rejected)})
    return Built(artefacts.read(manifest), artefacts.read(rejects))


def summary(built: Built) -> str:
    """One line: how many rows stand, how many were set aside, and the first of these by name."""
    first = [f"; first: {row.item_id} ({row.reason})" for row in built.rejects[:1].itertuples()]
    return f"{len(built.manifest)} rows, {len(built.rejects)} set aside{''.join(first)}"


def measure(path: Path | str, modality: str) -> dict:
    """Opens a file whole: ``sha256`` and, of sound and scores, ``duration_s, sample_rate_hz``."""
    found = {}
    if modality == "audio":
        seconds, found["sample_rate_hz"] = audio.inspect(path)
        found["duration_s"] = round(seconds, 3)
    elif modality == "image":
        images.load(path)
    else:
        found["duration_s"] = round(float(read_midi(path).get_end_time()), 3)
    with open(path, "rb") as file:
        return found | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
