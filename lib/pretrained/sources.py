"""Where a part's files lie: bundled, in a folder of yours, or on the hub; all end as a folder in
the hub's layout (``config.json``, ``model.safetensors``, …) and its hash. Nothing is unpickled.
"""

import hashlib
import re
from dataclasses import dataclass, field
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
    """A checkpoint's folder, not yet loaded; `sha256` over weights and configuration."""

    folder: Path
    name: str
    sha256: str
    revision: str = ""
    licence: str = "unknown"


@dataclass(frozen=True)
class Part:
    """What a part's folder must hold (``a|b`` is met by either), and what is known on the hub."""

    what: str
    files: tuple[str, ...]
    hub: dict[str, tuple[str, str]] = field(default_factory=dict)  # name → licence, commit to pin


def find(part_name: str, part: Part, source: str | Path, revision: str | None = None) -> Source:
    """The folder of a part: ``"miniature"``, a folder, or a hub name (``"org/name"``)."""
    if source == MINIATURE:
        folder = paths.MINIATURES / part_name
        if not folder.is_dir():
            raise KlangfarbeError(f"the bundled miniature {part_name}", f"{folder}: no such folder",
                                  f"git checkout -- {folder}")
        return inspect(folder, part, f"{part_name} miniature", licence="MIT, as the workbook")
    if Path(source).is_dir():
        return inspect(Path(source), part, Path(source).resolve().name)
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise KlangfarbeError(f'a {part_name}: "miniature", a folder, or a hub name "org/name"',
                              repr(name), "check the path")
    (licence, pinned), why = part.hub.get(name, ("unknown", "")), None
    revision = revision or pinned or "main"
    wanted = [file.split("|")[0] for file in part.files]
    for offline in (True, False):  # from the hub's cache, else fetched
        try:
            folder = Path(huggingface_hub.snapshot_download(
                name, revision=revision, local_files_only=offline,
                allow_patterns=["model-*.safetensors", "model.safetensors.index.json", *wanted]))
            # the cache names a folder by its commit
            commit = folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else revision
            return inspect(folder, part, name, revision=commit, licence=licence)
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
                              "put the missing files there")
    digest = hashlib.sha256()  # of the part's own files alone: a clone and a fetched copy agree
    files = {folder / choice for file in part.files for choice in file.split("|")}
    for path in sorted(files | set(folder.glob("model-*.safetensors"))):
        if path.is_file():
            digest.update(path.name.encode() + b"\0")
            with open(path, "rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
    return Source(folder, name, digest.hexdigest(), revision, licence)
