"""Text states and codec codes, computed once (a published epoch: 240 s → 70 s) and kept in a
folder, a file for each list of texts or sounds.

Source: Hisariya & Liang, setting M4, with stored T5 states and EnCodec tokens.  Notebook: 03."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.core import artefacts
from lib.core.errors import KlangfarbeError


def stored(folder: Path, contents: Sequence, network_sha256: str,
           compute: Callable[[], list[Tensor]]) -> list[Tensor]:
    """A tensor for each text or sound: read where all are stored as this network encodes them, else
    computed and stored; a file that cannot be read counts as absent."""
    digest = hashlib.sha256(network_sha256.encode())
    for content in contents:
        form = "text" if isinstance(content, str) else f"{content.dtype}{content.shape}"
        data = content.encode() if isinstance(content, str) else content.tobytes()
        digest.update(f"\0{form}\0{len(content)}\0".encode())
        digest.update(data)
    path = folder / f"{digest.hexdigest()[:32]}.safetensors"
    try:
        tensors = artefacts.read(path)
    except KlangfarbeError:  # absent or damaged
        tensors = {str(i): tensor.clone() for i, tensor in enumerate(compute())}
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise KlangfarbeError("finite tensors", "NaN or infinity",
                                  "look at what computes them") from None
        artefacts.write(path, tensors)
    return [tensors[str(i)] for i in range(len(contents))]


def text_states(folder: Path, texts: Sequence[str], encode: Callable, network_sha256: str, *,
                batch: int = 32) -> list[Tensor]:
    """States of N texts, float32 [L, D] each; `encode`: texts → states [N, L, D], mask [N, L]."""
    def compute():
        unique, found = list(dict.fromkeys(texts)), []
        for at in range(0, len(unique), batch):
            states, mask = encode(unique[at : at + batch])
            found += [torch.as_tensor(s[: int(m.sum())]).float().cpu()
                      for s, m in zip(states, mask, strict=True)]
        return [found[unique.index(text)] for text in texts]
    return stored(folder, texts, network_sha256, compute)


def sound_codes(folder: Path, sounds: Sequence[np.ndarray], encode: Callable,
                network_sha256: str) -> list[Tensor]:
    """Stored codes of sounds [N], int16 [K, S] each; `encode`: sound [1, 1, N] → [1, K, S]."""
    def compute():
        clips = (torch.as_tensor(np.asarray(sound, np.float32))[None, None] for sound in sounds)
        return [encode(clip)[0].cpu().to(torch.int16) for clip in clips]
    return stored(folder, sounds, network_sha256, compute)
