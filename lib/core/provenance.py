"""Device, hashes, provenance: what makes a number repeatable and says where it came from."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from lib.core import paths

PACKAGES = ("torch", "transformers", "numpy", "librosa", "scikit-learn", "diffusers", "pillow")


def device() -> str:
    """``"cuda"``, ``"mps"`` or ``"cpu"``: the best this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@functools.cache
def git_commit() -> str:
    """The commit the code stands at, 12 hex digits, ``+`` where files differ; else "unknown"."""
    words = ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"]
    try:
        return subprocess.run(words, cwd=paths.ROOT, capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def content_hash(*arrays_or_bytes) -> str:
    """SHA-256 (first 16 hex digits) over arrays' dtype, shape and bytes, or over raw bytes."""
    digest = hashlib.sha256()
    for item in arrays_or_bytes:
        if not isinstance(item, bytes):
            item = np.ascontiguousarray(item)
            digest.update(f"{item.dtype}{item.shape}".encode())
            item = item.tobytes()
        digest.update(item)
    return digest.hexdigest()[:16]


def package_hash(module) -> str:
    """A hash of a module's whole package: what it makes is another thing once that has changed."""
    here = Path(module.__file__).parent
    files = sorted([*here.glob("*.py"), *here.glob("*.json")])
    return content_hash(b"".join(file.read_bytes() for file in files))


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that move numbers."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES}


def machine() -> str:
    """The machine in one line: cores and system. No host name."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def provenance(profile: str, seed: int, data_hash: str = "") -> dict:
    """What every artefact carries beside its content."""
    return {"profile": profile, "seed": seed, "git_commit": git_commit(), "data_hash": data_hash,
            "versions": versions(), "machine": machine(),
            "made_utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
