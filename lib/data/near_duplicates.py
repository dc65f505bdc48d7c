"""Near-duplicates across splits: fingerprints of pictures, standardised embeddings, and the search.
Source: Zauner (2010), Implementation and Benchmarking of Perceptual Image Hash Functions, §3.2.1
(there 8 × 8 bits, grey alone). Notebook: 31."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn

from lib.core.errors import KlangfarbeError

EXAMPLES, BLOCK = 5, 1024
COSINE = 0.98               # at least, columns standardised: the atelier's pieces reach .94
BITS, COLOURS = 0.15, 0.96  # at most this share of a hash's bits and at least this correlation
HASH_SIDE, THUMB_SIDE = 16, 8
HASH_BITS = HASH_SIDE**2 - 1


def fingerprints(pictures: Sequence) -> np.ndarray:
    """What stays of pictures uint8 [H, W, 3] that are resized, compressed or noisy: float32
    [N, 255 + 192], two unit vectors: a hash of grey's 16 × 16 lowest frequencies (product: 1 − 2 ·
    share of bits that differ) and the colours of an 8 × 8 thumbnail (product: a correlation)."""
    found = np.zeros((len(pictures), HASH_BITS + 3 * THUMB_SIDE**2), np.float32)
    for row, picture in enumerate(map(np.asarray, pictures)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise KlangfarbeError("pictures uint8 [H, W, 3]", f"{picture.dtype} {picture.shape}",
                                  "convert with images.from_tensor")
        opened = Image.fromarray(picture)
        grey = np.asarray(opened.convert("L").resize((32, 32), Image.Resampling.BOX), np.float64)
        waves = np.asarray(dctn(grey, norm="ortho"))[:HASH_SIDE, :HASH_SIDE].reshape(-1)[1:]
        found[row, :HASH_BITS] = np.where(waves > np.median(waves), 1, -1) / np.sqrt(HASH_BITS)
        thumb = opened.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
        colours = np.asarray(thumb, np.float64).reshape(-1)
        colours -= colours.mean()
        found[row, HASH_BITS:] = colours / max(np.linalg.norm(colours), 1e-9)
    return found


def standardised(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings [N, D] → unit vectors float32, columns standardised: no loud one rules alone."""
    embeddings = np.asarray(embeddings, np.float64)
    spread = embeddings.std(axis=0)
    if len(embeddings) > 1 and not spread.any():
        raise KlangfarbeError("embeddings that differ", f"{len(embeddings)} equal rows",
                              "look at the encoder: it hears no difference")
    rows = (embeddings - embeddings.mean(axis=0)) / np.where(spread > 0, spread, 1)
    norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return (rows / norms).astype(np.float32)


def near_rows(views: Sequence[tuple[np.ndarray, float]], splits: np.ndarray,
              groups: np.ndarray | None, names: np.ndarray) -> tuple[set, list[str]]:
    """Names of rows that are near a row of another split (and group) in every view, and examples. A
    view: unit vectors float32 [N, D] and the least product that is near, or hashes [N]."""
    hit, examples = np.zeros(len(names), bool), []
    for first, second in itertools.combinations(sorted(set(splits)), 2):
        here, there = np.flatnonzero(splits == first), np.flatnonzero(splits == second)
        for start in range(0, len(here), BLOCK):
            rows = here[start : start + BLOCK]
            products = [of[rows] @ of[there].T if of.ndim == 2 else of[rows][:, None] == of[there]
                        for of, _ in views]  # [≤ 1024, M]
            near = np.all([product >= least for product, (_, least) in zip(products, views,
                                                                           strict=True)], axis=0)
            if groups is not None:
                near &= groups[rows][:, None] != groups[there][None]
            hit[rows] |= near.any(axis=1)
            hit[there] |= near.any(axis=0)
            for a, b in np.argwhere(near)[: max(0, EXAMPLES - len(examples))]:
                examples.append(f"{names[rows[a]]} ({first}) ~ {names[there[b]]} ({second}), "
                                + " and ".join(f"{product[a, b]:.3f}" for product in products))
    return set(names[hit]), examples


def find(manifest: Any, embeddings, pictures) -> tuple[set, set, list[str]]:
    """Items with a near-duplicate of another group in another split, items looked at, examples."""
    splits, in_split = manifest["split"].to_numpy(object), manifest["split"].notna().to_numpy(bool)
    groups = manifest["group_id"].astype(str).to_numpy() if "group_id" in manifest else None
    names = manifest.get("item_id", manifest.index.to_series()).astype(str).to_numpy()
    for what, given in (("pictures", pictures), ("embeddings", embeddings)):
        if given is not None and len(given) != len(manifest):
            raise KlangfarbeError(f"{what} for each of the manifest's {len(manifest)} rows",
                                  str(len(given)), "give them in its order")
    searches = []  # rows looked at, their views
    if {"sha256", "modality"} <= set(manifest):
        rows = np.flatnonzero(manifest["modality"].eq("image").to_numpy(bool)
                              & manifest["sha256"].notna().to_numpy() & in_split)
        searches.append((rows, [(pd.factorize(manifest["sha256"])[0][rows], 1)]))
    if pictures is not None:
        rows = np.flatnonzero(in_split & np.array([picture is not None for picture in pictures]))
        prints = fingerprints([pictures[row] for row in rows])
        searches.append((rows, [(prints[:, :HASH_BITS], 1 - 2 * BITS),
                                (prints[:, HASH_BITS:], COLOURS)]))
    if embeddings is not None:
        vectors = np.asarray(embeddings, np.float64)
        rows = np.flatnonzero(in_split & ~np.isnan(vectors.reshape(len(vectors), -1)).all(axis=1))
        if vectors.ndim != 2 or not np.isfinite(vectors[rows]).all():
            raise KlangfarbeError("finite embeddings [N, D] (or rows of NaN throughout)",
                                  str(vectors.shape), "mend them before use")
        searches.append((rows, [(standardised(vectors[rows]), COSINE)]))
    hits, seen, examples = set(), set(), []
    for rows, views in searches:
        hit, some = near_rows(views, splits[rows], None if groups is None else groups[rows],
                              names[rows])
        hits, seen, examples = hits | hit, seen | set(names[rows]), examples + some
    return hits, seen, examples[:EXAMPLES]
