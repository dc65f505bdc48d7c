"""Text states and codec codes, computed once: what made an epoch of the published training fall
from 240 s to 70 s.

    key = hash(content, network's hash) ──► chunk-….safetensors: key → tensor

A chunk is written aside and renamed, so it is whole or not there; its own header is the index. A
killed run goes on with what lacks. The network's hash is part of the key: states of another
checkpoint can never be mistaken for these.

Source: the setting M4 of S1 ("Bridging Paintings and Music"), its stored T5 states and EnCodec
tokens.
Notebook: 03.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.training import loop


def text_key(text: str, network_sha256: str) -> str:
    """32 hex digits for a text as this network encodes it."""
    return hashlib.sha256(b"text\0" + network_sha256.encode() + b"\0"
                          + text.encode()).hexdigest()[:32]


def sound_key(sound: np.ndarray, network_sha256: str) -> str:
    """32 hex digits for a sound [N] as this codec encodes it; samples, their type and their number
    count.
    """
    sound = np.ascontiguousarray(sound)
    head = f"sound\0{network_sha256}\0{sound.dtype}{sound.shape}\0".encode()
    return hashlib.sha256(head + sound.tobytes()).hexdigest()[:32]


class Store:
    """Tensors of any shape under their keys, in one folder.

    Args:
        folder: made where it is absent. A chunk that cannot be read counts as absent; its items are
            computed again.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._where: dict[str, Path] = {}
        for path in sorted(self.folder.glob("chunk-*.safetensors")):
            self._where |= dict.fromkeys(_keys(path), path)

    def __contains__(self, key: str) -> bool:
        return key in self._where

    def __len__(self) -> int:
        return len(self._where)

    def read(self, keys: Sequence[str]) -> list:
        """Tensors in the order of `keys`, each file opened once.

        Raises:
            KlangfarbeError: a key that was never stored.
        """
        lacking = [key for key in keys if key not in self._where]
        if lacking:
            raise KlangfarbeError(f"stored tensors for {len(keys)} items in {self.folder}",
                                  f"{len(lacking)} are lacking", "store them first")
        found = {}
        for path in dict.fromkeys(self._where[key] for key in keys):
            with safe_open(path, framework="pt") as file:
                found |= {key: file.get_tensor(key) for key in keys if self._where[key] == path}
        return [found[key] for key in keys]

    def fill(self, keys: Sequence[str], compute: Callable[[list[int]], list], *, chunk: int = 64,
             label: str = "stored tensors") -> int:
        """Computes what lacks, chunk by chunk.

        Args:
            compute: positions in `keys` → a tensor each. chunk: items a file, which is also what a
                kill can cost.

        Returns:
            How many were computed.

        Raises:
            KlangfarbeError: `compute` gave another number of tensors than asked for, or values that
                are not finite.
        """
        # a text that comes twice is encoded once
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        lacking = [i for key, i in first.items() if key not in self]
        lacking.sort()
        starts = range(0, len(lacking), chunk)
        for step in loop.progress(len(starts), label) if lacking else ():
            rows = lacking[starts[step] : starts[step] + chunk]
            made = compute(rows)
            if len(made) != len(rows) or not all(bool(t.isfinite().all()) for t in made):
                raise KlangfarbeError(f"{len(rows)} finite tensors",
                                      f"{len(made)}, or some not finite",
                                      "look at what computes them")
            tensors = {keys[i]: t.detach().clone() for i, t in zip(rows, made, strict=True)}
            name = hashlib.sha256("".join(sorted(tensors)).encode()).hexdigest()[:16]
            path = artefacts.write(self.folder / f"chunk-{name}.safetensors", tensors)
            self._where |= dict.fromkeys(tensors, path)
        return len(lacking)


def text_states(store: Store, texts: Sequence[str], encode: Callable, network_sha256: str, *,
                batch: int = 32) -> list:
    """States of texts, read where they are stored, else computed and stored: a float32 tensor [L,
    D] each, L its own tokens.

    Args:
        encode: list of N texts → (states [N, L, D], mask [N, L]), arrays or tensors.
            network_sha256: of the text encoder.
    """
    keys = [text_key(text, network_sha256) for text in texts]

    def compute(rows):
        states, mask = encode([texts[i] for i in rows])
        return [torch.as_tensor(s[: int(m.sum())]).float().cpu() for s,
                m in zip(states, mask, strict=True)]

    store.fill(keys, compute, chunk=batch, label="text states")
    return store.read(keys)


def sound_codes(store: Store, sounds: Sequence[np.ndarray], encode: Callable,
                network_sha256: str) -> list:
    """Codes of sounds [N] each, read where they are stored, else computed one by one and stored: an
    int16 tensor [K, S] each.

    Args:
        encode: sound [1, 1, N] → codes [1, K, S]. network_sha256: of the codec.
    """
    keys = [sound_key(sound, network_sha256) for sound in sounds]

    def compute(rows):
        made = [encode(torch.as_tensor(np.asarray(sounds[i], np.float32))[None, None])[0].cpu()
                for i in rows]
        if any(int(codes.max()) > 32_767 for codes in made):
            raise KlangfarbeError("codebooks of at most 32,768", "larger codes",
                                  "store them as int32")
        return [codes.to(torch.int16) for codes in made]

    store.fill(keys, compute, label="codec codes")
    return store.read(keys)


def _keys(path: Path) -> list[str]:
    """The keys in a chunk's header, none where it is damaged."""
    try:
        with safe_open(path, framework="np") as file:
            return list(file.keys())
    except (SafetensorError, OSError):
        return []
