"""Where a foundation's files lie: bundled with the workbook, in a folder of yours, or on the hub.
Nothing is ever unpickled.

All three end as one thing, a :class:`Source`: a folder in the hub's layout (``config.json``,
``model.safetensors``, …) with the hash of its content. What follows, in :mod:`lib.pretrained`, is
one code path.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import huggingface_hub
from huggingface_hub import errors

from lib.core import paths
from lib.core.errors import KlangfarbeError

MINIATURE = "miniature"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Source:
    """A checkpoint's folder, looked at but not yet loaded.

    Attributes:
        folder: in the hub's layout. name: as tables print it. sha256: over weights and
            configuration (64 hex digits).
        revision: the hub's commit, or ``""``. licence: as its publisher states it, or
            ``"unknown"``.
    """

    folder: Path
    name: str
    sha256: str
    revision: str = ""
    licence: str = "unknown"


@dataclass(frozen=True)
class Known:
    """What the workbook knows about a checkpoint on the hub: its licence and, where it was looked
    up, the commit to pin.
    """

    licence: str
    revision: str = ""


@dataclass(frozen=True)
class Part:
    """A place in the systems that a pretrained network fills.

    Attributes:
        what: what it is for, in one line. module: of ``lib.pretrained``, with ``encoder(source,
            device, dtype)``.
        files: what its folder must hold; a name like ``tokenizer.json|vocab.json`` is met by
            either.
        hub: suggested names on the hub. miniature: its folder below ``data/miniatures/``, or ``""``
            where none is bundled.
    """

    what: str
    module: str
    files: tuple[str, ...]
    hub: dict[str, Known]
    miniature: str = ""


def find(part_name: str, part: Part, source: str | Path, revision: str | None = None) -> Source:
    """Finds a part's folder, fetching it from the hub where it is named so.

    Args:
        source: ``"miniature"``, a folder, or a name on the hub (``"org/name"``). revision: of the
            hub; ``None``: the pinned one.

    Raises:
        KlangfarbeError: no such folder, files lacking, pickled weights only, or the hub out of
            reach; the line names the files.
    """
    if source == MINIATURE:
        if not part.miniature:
            raise KlangfarbeError(f"a bundled miniature of {part_name}", "none yet",
                                  f"give a folder or a hub name: foundations.load({part_name!r}, {next(iter(part.hub), 'org/name')!r})")
        folder = paths.MINIATURES / part.miniature
        if not folder.is_dir():
            raise KlangfarbeError(f"the bundled miniature {part.miniature}", f"{folder}: no such folder",
                                  f"git checkout -- data/miniatures, or make it: python -m lib miniature {part.miniature}")
        return looked_at(folder, part, f"{part.miniature} miniature",
                         licence="MIT, as the workbook")
    if Path(source).is_dir():
        return looked_at(Path(source), part, Path(source).resolve().name)
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise KlangfarbeError(f'a {part_name}: "miniature", a folder, or a hub name "org/name"',
                              repr(name), "check the path")
    known = part.hub.get(name, Known("unknown"))
    revision = revision or known.revision or "main"
    folder = _fetched(part_name, part, name, revision)
    # the hub's cache names a folder by its commit
    commit = folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else revision
    return looked_at(folder, part, name, revision=commit, licence=known.licence)


def looked_at(folder: Path, part: Part, name: str, *, revision: str = "",
              licence: str = "unknown") -> Source:
    """Checks that a folder holds what a part needs and hashes it.

    Raises:
        KlangfarbeError: files lacking, or weights only in a pickled form.
    """
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    if not weights(folder) and pickled:
        raise KlangfarbeError(f"weights as safetensors in {folder}", f"only {', '.join(pickled)}, which could run code when read",
                              "convert them where you trust them: Model.from_pretrained(old).save_pretrained(new, safe_serialization=True)")
    lacking = [f for f in part.files if
               not any((folder / choice).is_file() for choice in f.split("|"))]
    # large ones come in numbered shards
    lacking = [f for f in lacking if not f.startswith("model.safetensors") or not weights(folder)]
    if lacking:
        raise KlangfarbeError(f"the files {', '.join(part.files)} in {folder}", f"all but {', '.join(lacking)}",
                              "put the missing files there (weights offered only as .bin: convert them where you trust them)")
    return Source(folder, name, sha256(folder, part), revision, licence)


def weights(folder: Path) -> list[Path]:
    """The folder's weight files, sorted: ``*.safetensors``."""
    return sorted(folder.glob("*.safetensors"))


def sha256(folder: Path, part: Part) -> str:
    """SHA-256 over the files that move numbers, names and contents: 64 hex digits.

    These are the part's own files and the shards of large weights. Whatever else lies in the folder
    (a card, a table, weights for another library) does not count, so that a clone and a fetched
    copy of one checkpoint carry one hash.
    """
    digest = hashlib.sha256()
    named = {folder / choice for file in part.files
             for choice in file.split("|")} | set(folder.glob("model-*.safetensors"))
    for path in sorted(path for path in named if path.is_file()):
        digest.update(path.name.encode() + b"\0")
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _fetched(part_name: str, part: Part, name: str, revision: str) -> Path:
    """The hub's folder, of each choice of files the first: from the cache where it is there, else
    fetched.
    """
    wanted = [file.split("|")[0] for file in part.files]
    patterns = ["model-*.safetensors", "model.safetensors.index.json", *wanted]
    for offline in (True, False):
        try:
            folder = Path(huggingface_hub.snapshot_download(name, revision=revision,
                                                            allow_patterns=patterns,
                                                            local_files_only=offline))
            looked_at(folder, part, name)
            return folder
        except KlangfarbeError:
            if not offline:
                raise
        except (OSError, ValueError, httpx.HTTPError, errors.HfHubHTTPError) as error:
            why = error
    raise KlangfarbeError(
        f"the checkpoint {name} at {revision}", f"neither cached nor within reach ({type(why).__name__})",
        f"on a machine with access fetch {', '.join(wanted)} of {name}, put them in one folder, "
        f"say {paths.RAW.relative_to(paths.ROOT)}/checkpoints/{name.split('/')[1]}, and give that folder for {part_name}") from why
