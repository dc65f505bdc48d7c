"""System 1, what each step of fine-tuning is given: text states and codes, read where they are
stored or made anew.

    stored   all texts ──T5──► states ┐ once, into one folder ──► rows of a step ──► Batch
             all clips ──codec► codes ┘
    fresh    rows of a step ──words dropped, chunk drawn──► T5, codec ──► Batch            (again in every epoch)

Source: text 000, §IV.D (M4's stored tensors); audiocraft's T5 conditioner for dropped words.
Notebook: 13.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.pretrained import musicgen_cache
from lib.training import loop
from lib.training import musicgen as steps


def batches(start, clips: Sequence[np.ndarray], texts: Sequence[str], config, *, seed: int = 0,
            store: Path | None = None, encoded: dict | None = None,
            shuffled: bool = True) -> Callable:
    """Batches by the number of their step: ``batches(…)(step)`` → Batch, the same whether training
    was resumed or not.

    Stored: T5 and codec run once, here, over everything. Else they run at each step over its own
    items. One seed draws the same rows and the same chunks for every model, so that two models
    differ by nothing that was not asked for.

    Args:
        start: a MusicGenerator. config: ``music.Config``.
        clips: sounds [N] at the codec's rate, each of at least ``clip_seconds``; any sequence, so
            that files may be decoded when used.
        store: folder of stored tensors; ``None``: ``data/processed/bridging``.
        encoded: codes of chunks that other runs over these very clips have encoded, (row, first
            sample) → codes; it grows. ``None``: every step encodes its own again, as published.
            shuffled: ``False``: the rows in their order, for measuring.

    Raises:
        KlangfarbeError: not a text for each clip, an empty text, or a clip that is too short.
    """
    if len(clips) != len(texts) or not len(texts) or not all(text.strip() for text in texts):
        raise KlangfarbeError("a text with words for each clip",
                              f"{len(texts)} texts, {len(clips)} clips", "look at the text column")
    n_samples, order = round(config.clip_seconds
                             * start.sample_rate_hz), _Order(len(texts), config.batch_size, seed,
                                                             shuffled)

    def cut(row: int, share: float = 0.0) -> tuple[int, np.ndarray]:
        """Where a chunk begins, that share of the way to the last place possible, and the chunk."""
        clip = np.asarray(clips[row], np.float32)
        if len(clip) < n_samples:
            raise KlangfarbeError(f"clips of {config.clip_seconds:g} s",
                                  f"{len(clip) / start.sample_rate_hz:.2f} s (row {row})",
                                  "cut longer segments, or set a shorter clip_seconds")
        first = int(share * (len(clip) - n_samples + 1))
        return first, clip[first : first + n_samples]

    if config.stored:
        kept, codes = musicgen_cache.Store(store or paths.PROCESSED / "bridging"), []
        for at in range(0, len(texts), 64):  # not all sounds in memory at once
            sounds = [cut(row)[1] for row in range(at, min(at + 64, len(texts)))]
            codes += musicgen_cache.sound_codes(kept, sounds, start.codec.encode,
                                                start.codec.sha256)
        states = musicgen_cache.text_states(kept, texts, start.text.states, start.text.sha256)
        return lambda step: steps.collate([codes[row] for row in order[step]],
                                          [states[row] for row in order[step]], start.device)

    def fresh(step: int):
        rng, rows = np.random.default_rng([seed, step, 1]), order[step]
        said = [_without_words(texts[row], config.word_dropout, rng) for row in rows]
        states, mask = start.text.states([text or " " for text in said])
        places = np.random.default_rng([seed, step,
                                        2]).random(
            len(rows)) if config.chunk == "random" else np.zeros(len(rows))
        chunks = [cut(row, share) for row, share in zip(rows, places, strict=True)]
        names = [(int(row), first) for row, (first, _) in zip(rows, chunks, strict=True)]
        known = {} if encoded is None else encoded
        if new := [i for i, name in enumerate(names) if name not in known]:
            made = start.codec.encode(np.stack([chunks[i][1] for i in new])[:, None]).cpu()
            known.update(zip((names[i] for i in new), made, strict=True))
        codes = [known[name] for name in names]
        batch = steps.collate(codes, [s[m] for s, m in zip(states, mask, strict=True)],
                              start.device)
        for row, text in enumerate(said):
            # a text that lost all its words says nothing: the null condition
            batch.mask[row] *= bool(text)
        return batch

    return fresh


class _Order:
    """Which rows a step takes: endless shuffled epochs, or the rows in turn, asked by the step's
    number.
    """

    def __init__(self, n_items: int, batch_size: int, seed: int, shuffled: bool):
        inturn = (np.arange(at, at + batch_size) % n_items for at in itertools.count(0, batch_size))
        self._endless, self._known = loop.batches(n_items, batch_size,
                                                  np.random.default_rng(
                seed)) if shuffled else inturn, []

    def __getitem__(self, step: int) -> np.ndarray:
        self._known += itertools.islice(self._endless, max(0, step + 1 - len(self._known)))
        return self._known[step]


def _without_words(text: str, share: float, rng: np.random.Generator) -> str:
    """Each word goes by itself, and the space behind it; at share 0 the text stays as it is, line
    breaks and all.
    """
    return "".join(word for word in re.findall(r"\S+\s*", text)
                   if rng.random() >= share).rstrip() if share else text
