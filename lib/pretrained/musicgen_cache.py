"""Text states and codec codes, computed once (a published epoch: 240 s → 70 s) and kept by content
and network in chunk-….safetensors; a chunk is renamed when whole, so a killed run goes on.

Source: Hisariya & Liang, setting M4, with stored T5 states and EnCodec tokens.  Notebook: 03.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.training import loop


def key(content: str | np.ndarray, network_sha256: str) -> str:
    """32 hex digits for a text or a sound [N], as this network encodes it."""
    if isinstance(content, str):
        given = f"text\0{network_sha256}\0{content}".encode()
    else:
        head = f"sound\0{network_sha256}\0{content.dtype}{content.shape}\0".encode()
        given = head + np.ascontiguousarray(content).tobytes()
    return hashlib.sha256(given).hexdigest()[:32]


class Store:
    """Tensors under their keys, `chunk_of`; a chunk that cannot be read counts as absent."""

    def __init__(self, folder: Path):
        self.folder, self.chunk_of = Path(folder), {}
        for path in sorted(self.folder.glob("chunk-*.safetensors")):
            with contextlib.suppress(SafetensorError, OSError), safe_open(path, "np") as file:
                self.chunk_of |= dict.fromkeys(file.keys(), path)

    def read(self, keys: Sequence[str]) -> list[Tensor]:
        """Stored tensors in the order of `keys`, each file opened once."""
        tensors = {}
        for path in dict.fromkeys(self.chunk_of[one] for one in keys):
            with safe_open(path, "pt") as file:
                tensors |= {one: file.get_tensor(one) for one in keys
                            if self.chunk_of[one] == path}
        return [tensors[one] for one in keys]

    def fill(self, keys: Sequence[str], compute: Callable[[list[int]], list], *, chunk: int = 64,
             label: str = "stored tensors") -> list[Tensor]:
        """Tensors under `keys`; what is missing is computed, `chunk` items a file."""
        first = {one: i for i, one in reversed(list(enumerate(keys)))}  # what comes twice, once
        missing = sorted(i for one, i in first.items() if one not in self.chunk_of)
        starts = range(0, len(missing), chunk)
        for step in loop.progress(len(starts), label) if missing else ():
            rows = missing[starts[step] : starts[step] + chunk]
            computed = compute(rows)
            if len(computed) != len(rows) or not all(bool(t.isfinite().all()) for t in computed):
                raise KlangfarbeError(f"{len(rows)} finite tensors", f"{len(computed)}, or some "
                                      "not finite", "look at what computes them")
            tensors = {keys[i]: t.detach().clone() for i, t in zip(rows, computed, strict=True)}
            name = hashlib.sha256("".join(sorted(tensors)).encode()).hexdigest()[:16]
            path = artefacts.write(self.folder / f"chunk-{name}.safetensors", tensors)
            self.chunk_of |= dict.fromkeys(tensors, path)
        return self.read(keys)


def text_states(store: Store, texts: Sequence[str], encode: Callable, network_sha256: str, *,
                batch: int = 32) -> list[Tensor]:
    """States of N texts, float32 [L, D] each; `encode`: texts → states [N, L, D], mask [N, L]."""
    def compute(rows):
        states, mask = encode([texts[i] for i in rows])
        return [torch.as_tensor(s[: int(m.sum())]).float().cpu()
                for s, m in zip(states, mask, strict=True)]

    return store.fill([key(text, network_sha256) for text in texts], compute, chunk=batch,
                      label="text states")


def sound_codes(store: Store, sounds: Sequence[np.ndarray], encode: Callable,
                network_sha256: str) -> list[Tensor]:
    """Stored codes of sounds [N], int16 [K, S] each; `encode`: sound [1, 1, N] → [1, K, S]."""
    def compute(rows):
        clips = (torch.as_tensor(np.asarray(sounds[i], np.float32))[None, None] for i in rows)
        return [encode(clip)[0].cpu().to(torch.int16) for clip in clips]

    return store.fill([key(sound, network_sha256) for sound in sounds], compute,
                      label="codec codes")
