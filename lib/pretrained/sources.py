"""Where a part's files lie: bundled, in a folder of yours, or on the hub. Nothing is unpickled.

All three end as one :class:`Source`: a folder in the hub's layout (``config.json``,
``model.safetensors``, …) with the hash of its content.
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
        name: as tables print it. sha256: over weights and configuration (64 hex digits).
        revision: the hub's commit, or ``""``. licence: as its publisher states it.
    """

    folder: Path
    name: str
    sha256: str
    revision: str = ""
    licence: str = "unknown"


@dataclass(frozen=True)
class Known:
    """What the workbook knows about a checkpoint on the hub: its licence and the commit to pin."""

    licence: str
    revision: str = ""


@dataclass(frozen=True)
class Part:
    """A place in the systems that a pretrained network fills.

    Attributes:
        what: what it is for. files: what its folder must hold; ``tokenizer.json|vocab.json`` is met
            by either.
        hub: suggested names on the hub. miniature: its folder below ``data/miniatures/``.
    """

    what: str
    files: tuple[str, ...]
    hub: dict[str, Known]
    miniature: str = ""


def find(part_name: str, part: Part, source: str | Path, revision: str | None = None) -> Source:
    """Finds a part's folder, fetching it from the hub where it is named so.

    Args:
        source: ``"miniature"``, a folder, or a name on the hub (``"org/name"``). revision: of the
            hub; ``None``: the pinned one.
    """
    if source == MINIATURE:
        folder = paths.MINIATURES / part.miniature
        if not part.miniature or not folder.is_dir():
            raise KlangfarbeError(f"the bundled miniature {part_name}", f"{folder}: no such folder",
                                  "git checkout -- data/miniatures, or make it: python -m lib "
                                  f"miniature {part_name}")
        return inspect(folder, part, f"{part.miniature} miniature",
                       licence="MIT, as the workbook")
    if Path(source).is_dir():
        return inspect(Path(source), part, Path(source).resolve().name)
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise KlangfarbeError(f'a {part_name}: "miniature", a folder, or a hub name "org/name"',
                              repr(name), "check the path")
    known = part.hub.get(name, Known("unknown"))
    revision = revision or known.revision or "main"
    folder = _fetch(part_name, part, name, revision)
    # the hub's cache names a folder by its commit
    commit = folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else revision
    return inspect(folder, part, name, revision=commit, licence=known.licence)


def inspect(folder: Path, part: Part, name: str, *, revision: str = "",
            licence: str = "unknown") -> Source:
    """Checks that a folder holds what a part needs, its weights as safetensors, and hashes it."""
    has_weights = any(folder.glob("*.safetensors"))
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    if not has_weights and pickled:
        raise KlangfarbeError(f"weights as safetensors in {folder}",
                              f"only {', '.join(pickled)}, which could run code when read",
                              "convert them where you trust them: Model.from_pretrained(old)"
                              ".save_pretrained(new, safe_serialization=True)")
    missing = [file for file in part.files
               if not any((folder / choice).is_file() for choice in file.split("|"))
               # large weights come in numbered shards
               and not (file.startswith("model.safetensors") and has_weights)]
    if missing:
        raise KlangfarbeError(f"the files {', '.join(part.files)} in {folder}",
                              f"all but {', '.join(missing)}",
                              "put the missing files there (weights offered only as .bin: convert "
                              "them where you trust them)")
    return Source(folder, name, sha256(folder, part), revision, licence)


def sha256(folder: Path, part: Part) -> str:
    """SHA-256 over names and contents of the part's own files and the shards of large weights.

    A card or weights for another library in the folder do not count, so that a clone and a fetched
    copy of one checkpoint have one hash.
    """
    digest = hashlib.sha256()
    files = {folder / choice for file in part.files for choice in file.split("|")}
    for path in sorted(files | set(folder.glob("model-*.safetensors"))):
        if path.is_file():
            digest.update(path.name.encode() + b"\0")
            with open(path, "rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()


def _fetch(part_name: str, part: Part, name: str, revision: str) -> Path:
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
            inspect(folder, part, name)
            return folder
        except KlangfarbeError:
            if not offline:
                raise
        except (OSError, ValueError, httpx.HTTPError, errors.HfHubHTTPError) as error:
            why = error
    folder = f"{paths.RAW.relative_to(paths.ROOT)}/checkpoints/{name.split('/')[1]}"
    raise KlangfarbeError(f"the checkpoint {name} at {revision}",
                          f"neither cached nor within reach ({type(why).__name__})",
                          f"on a machine with access fetch {', '.join(wanted)} of {name}, put them "
                          f"in one folder, say {folder}, and give that folder for "
                          f"{part_name}") from why
