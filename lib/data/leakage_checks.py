"""What :mod:`lib.data.leakage` looks for: one function a leak, each told its tables and returning
what it found, or ``None``.

Whole matrices, never pairs of rows in Python: near-duplicates come from products of 1,024 rows with
a whole split.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn

from lib.core.errors import KlangfarbeError

EXAMPLES = 5
HASH_SIDE, THUMB_SIDE = 16, 8
HASH_BITS = HASH_SIDE**2 - 1
BLOCK = 1024
TARGET_COLUMNS = ("caption", "description", "keywords", "genre", "emotion")
N_SHUFFLES, MOST_ROWS = 20, 5000


class Finding(NamedTuple):
    """One leak: its name (a key of :data:`lib.data.leakage.NAMES`), what was measured, `count` out
    of `of`, and some examples.
    """

    name: str
    what: str
    count: int
    of: int
    examples: tuple[str, ...]


def groups(uses) -> Finding | None:
    """Groups in more than one split. `uses`: DataFrame ``group, split``, a row per use."""
    spread, total = _in_several(uses, "group")
    if not len(spread):
        return None
    counts = uses["split"].value_counts()
    learned = "train" if "train" in counts.index else counts.index[0]
    share = uses.loc[uses["split"] != learned, "group"].astype(str).isin(spread.index).mean()
    return Finding("group_in_two_splits", f"pieces or paintings in more than one split; {share:.0%} of rows outside {learned} are of these",
                   len(spread), total, _spread_examples(spread))


def clips(uses) -> Finding | None:
    """Clips in more than one split. `uses`: DataFrame ``clip, split``, a row per use."""
    spread, total = _in_several(uses, "clip")
    if not len(spread):
        return None
    return Finding("clip_reused_across_splits",
                   "audio clips, the very same, in more than one split", len(spread), total,
                   _spread_examples(spread))


def _in_several(uses, column: str):
    """Values of `column` that occur in more than one split (Series value → its splits), and how
    many values there are.
    """
    unique = uses[[column, "split"]].dropna().astype(str).drop_duplicates()
    of = unique.groupby(column, sort=True)["split"]
    splits = of.agg(lambda some: ", ".join(sorted(some)))
    return splits[of.size() > 1], len(splits)


def _spread_examples(spread) -> tuple[str, ...]:
    return tuple(f"{value}: {splits}" for value, splits in spread.head(EXAMPLES).items())


def fingerprints(pictures: Sequence) -> np.ndarray:
    """What stays of a picture that is resized, compressed, brightened or a little noisy, but not of
    one that is cropped.

    Two unit vectors side by side. The first is a hash: grey, averaged to 32², cosine transform, the
    16 × 16 lowest waves without the constant, each above their median or not; its product with
    another's is 1 − 2 · (share of bits that differ). The second is the 8 × 8 thumbnail's colours
    about their mean; its product is a correlation. Copies agree in both. Measured on copies: at
    most 18 % of the bits differ, mostly under 6 %, correlation at least .964. No two of 1,500
    atelier pictures, 300 paintings or 300 photographs come within 15 % *and* .96; by the bits alone
    the atelier's nearest differ by 12 %.

    Args:
        pictures: uint8 [N, H, W, 3], or N pictures of any sizes.

    Returns:
        float32 [N, 255 + 192].

    Source: Zauner (2010), Implementation and Benchmarking of Perceptual Image Hash Functions,
    §3.2.1 (there 8 × 8, grey alone).
    """
    found = np.zeros((len(pictures), HASH_BITS + 3 * THUMB_SIDE**2), np.float32)
    for row, picture in enumerate(pictures):
        picture = np.asarray(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise KlangfarbeError("pictures uint8 [H, W, 3]", f"{picture.dtype} {picture.shape}",
                                  "convert with images.from_tensor")
        opened = Image.fromarray(picture)
        grey = np.asarray(opened.convert("L").resize((32, 32), Image.Resampling.BOX), np.float64)
        waves = dctn(grey, norm="ortho")[:HASH_SIDE, :HASH_SIDE].reshape(-1)[1:]
        found[row, :HASH_BITS] = np.where(waves > np.median(waves), 1, -1) / np.sqrt(HASH_BITS)
        colours = np.asarray(opened.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX),
                             np.float64).reshape(-1)
        colours -= colours.mean()
        found[row, HASH_BITS:] = colours / max(np.linalg.norm(colours), 1e-9)
    return found


def copies(table) -> tuple[set, list[str]]:
    """Pictures that are another's copy byte for byte, in another split and another group: their
    names, and examples.

    Args:
        table: DataFrame ``name, split, sha256`` and, where known, ``group``.
    """
    of = table.groupby("sha256")
    apart = of["split"].transform("nunique") > 1
    if "group" in table:
        apart &= of["group"].transform("nunique") > 1
    found = table[apart].sort_values(["sha256", "split"])
    sets = [same for _, same in found.groupby("sha256")]
    return set(found["name"]), [" = ".join(f"{n} ({s})" for n,
                                           s in zip(same["name"], same["split"]))
                                for same in sets[:EXAMPLES]]


def embedding_vectors(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings [N, D] → unit vectors float32, each column standardised first, so that a cosine
    does not measure one loud column.
    """
    embeddings = np.asarray(embeddings, np.float64)
    spread = embeddings.std(axis=0)
    if len(embeddings) > 1 and not spread.any():
        raise KlangfarbeError("embeddings that differ", f"{len(embeddings)} equal rows",
                              "look at the encoder: it hears no difference")
    rows = (embeddings - embeddings.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True),
                              1e-12)).astype(np.float32)


def alike(views: Sequence[tuple[np.ndarray, float]], splits: np.ndarray, groups: np.ndarray | None,
          names: np.ndarray) -> tuple[set, list[str]]:
    """Names of rows that are near a row of another split (and another group), and examples of such
    pairs.

    Args:
        views: pairs of unit vectors float32 [N, D] and the least product that counts as near; rows
            must be near in every view.
        splits, groups, names: [N].
    """
    hit, examples = np.zeros(len(names), bool), []
    kinds = sorted(set(splits))
    for i, first in enumerate(kinds):
        for second in kinds[i + 1 :]:
            here, there = np.flatnonzero(splits == first), np.flatnonzero(splits == second)
            for start in range(0, len(here), BLOCK):
                rows = here[start : start + BLOCK]
                near, products = True, []
                for vectors, least in views:
                    products.append(vectors[rows] @ vectors[there].T)  # [≤ 1024, M]
                    near = near & (products[-1] >= least)
                if groups is not None:
                    near &= groups[rows][:, None] != groups[there][None]
                hit[rows] |= near.any(axis=1)
                hit[there] |= near.any(axis=0)
                pairs = np.argwhere(near)[: max(0, EXAMPLES - len(examples))]
                examples += [f"{names[rows[a]]} ({first}) ~ {names[there[b]]} ({second}), "
                             + " and ".join(f"{product[a, b]:.3f}" for product in products) for a,
                             b in pairs]
    return set(names[hit]), examples


def words(condition) -> Finding | None:
    """The target's own words inside the condition. `condition`: DataFrame ``text`` and some of
    :data:`TARGET_COLUMNS`.

    Words that all targets share count in the shuffles too, and so not at all. A leak in fewer than
    one row of twelve is not told from a shared mood.
    """
    rows = condition
    if len(rows) > MOST_ROWS:
        rows = rows.iloc[np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]]
    texts = [_plain(text) for text in rows["text"].fillna("")]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(texts)) for _ in range(N_SHUFFLES)]
    told, examples, concerned = [], [], np.zeros(len(texts), bool)
    for column in [c for c in TARGET_COLUMNS if c in rows.columns]:
        phrases = [_phrases(value, column) for value in rows[column]]
        labelled = np.array([bool(some) for some in phrases])
        if not labelled.any():
            continue
        own = _held(texts, phrases)
        chance = [float(_held(texts, [phrases[i] for i in order])[labelled[order]].mean())
                  for order in orders]
        if own[labelled].mean() - max(chance) <= LEAST_EXCESS:
            continue
        concerned |= own > 0
        told.append(f"{column} {own[labelled].mean():.0%} (chance {np.mean(chance):.0%})")
        examples += [f"{column}: {', '.join(p.strip() for p in phrases[i] if p in texts[i])} in “{str(rows['text'].iloc[i])[:60]}”"
                     for i in np.flatnonzero(own > 0)[:2]]
    if not told:
        return None
    sampled = f", of {len(texts)} of {len(condition)} rows" if len(rows) < len(condition) else ""
    return Finding("target_in_condition", f"share of the target's own words that stand in the condition: {' · '.join(told)}{sampled}",
                   int(concerned.sum()), len(texts), tuple(examples[:EXAMPLES]))


# share of a target's words beyond the luckiest of 20 shuffles; a shared mood alone gives up to .05
# on the atelier
LEAST_EXCESS = 0.08


def _plain(text) -> str:
    """Lower-case words between single spaces, so that ``" slow tempo " in text`` matches whole
    words only.
    """
    return " " + " ".join(re.findall(r"[^\W_]+", str(text).lower())) + " "


def _phrases(value, column: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",") if column == "keywords" else [value]
    elif not isinstance(value, Iterable):
        value = () if pd.isna(value) else [value]
    return tuple(phrase for phrase in map(_plain, value) if phrase.strip())


def _held(texts: list[str], phrases: list[tuple[str, ...]]) -> np.ndarray:
    """Share of each row's phrases that its text holds, [N]; 0 where there are none."""
    return np.array([sum(p in text for p in some) / len(some) if some else 0.0 for text,
                     some in zip(texts, phrases, strict=True)])


def scales(labels) -> Finding | None:
    """Sources whose labels cannot stand on one scale. `labels`: DataFrame ``source, valence,
    arousal`` without gaps.

    Three marks, each enough: one source leaves [−1, 1] and another keeps to it; one never goes
    below 0 on either axis and another does; or the source alone explains half of an axis (adjusted
    R²).
    """
    sizes = labels["source"].value_counts()
    labels = labels[labels["source"].isin(sizes.index[sizes >= FEWEST_LABELS])]
    axes, of = ["valence", "arousal"], labels.groupby("source", sort=True)[["valence", "arousal"]]
    if of.ngroups < 2:
        return None
    low, high = of.min(), of.max()
    reach = np.maximum(low.abs(), high.abs()).max(axis=1) > 1 + 1e-6
    positive, crossing = (low >= 0).all(axis=1), (low < 0).all(axis=1)
    values, count = labels[axes], len(labels)
    left = ((values - of.transform("mean")) ** 2).sum() / ((values - values.mean()) ** 2).sum().replace(0, np.nan)
    told = (1 - left * (count - 1) / (count - of.ngroups)).fillna(0)
    marks = []
    if 0 < reach.sum() < len(reach):
        marks.append(f"{', '.join(reach.index[reach])} leave [−1, 1], {', '.join(reach.index[~reach])} do not")
    elif (positive & (of.size() >= FEWEST_ONE_SIDED)).any() and crossing.any():
        marks.append(f"{', '.join(positive.index[positive])} never below 0, {', '.join(crossing.index[crossing])} on both sides")
    if (told >= MOST_TOLD).any():
        marks.append("the source explains most of the labels")
    if not marks:
        return None
    r2 = ", ".join(f"{axis} {told[axis]:.3f}" for axis in axes)
    ranges = tuple(
        f"{name}: {low.loc[name].min():.3g} … {high.loc[name].max():.3g} ({sizes[name]} rows)"
        for name in low.index)
    return Finding("labels_on_two_scales", f"{'; '.join(marks)}; R² of the source alone: {r2}",
                   len(ranges), len(sizes), ranges[:EXAMPLES])


FEWEST_LABELS, FEWEST_ONE_SIDED, MOST_TOLD = 10, 30, 0.5


def encoders(roles: Mapping) -> Finding | None:
    """Encoders that built the pairs (``pairing``) and also score them (``metric``): by content hash
    where both have one, else by name.
    """
    pairing, metric = (_cards(roles.get(role)) for role in ("pairing", "metric"))
    same = [f"{a['name'] or a['sha256'][:12]} = {b['name'] or b['sha256'][:12]}" for a in pairing
            for b in metric if _same(a, b)]
    if not same:
        return None
    return Finding("metric_embedder_is_pairing_embedder",
                   "encoders that chose the pairs and then score them", len(same), len(metric),
                   tuple(same[:EXAMPLES]))


ENCODER_CARD = ("name", "sha256")


def _cards(given) -> list[dict]:
    """A name, a card (a mapping or an object with ``name`` and ``sha256``), or several in a list →
    [{name, sha256}].
    """
    if given is None:
        return []
    found = []
    for one in given if isinstance(given,
                                   list | tuple | set) and not hasattr(given, "name") else [given]:
        card = {"name": one} if isinstance(one,
                                           str) else one if isinstance(one,
                                                                       Mapping) else {
            k: getattr(one, k, 0) for k in ENCODER_CARD}
        name, sha256 = (str(card.get(k) or "") for k in ENCODER_CARD)
        if not name and not sha256:
            raise KlangfarbeError("encoders, each a name or a card with name and sha256",
                                  repr(one)[:80], "name the encoder")
        found.append({"name": name, "sha256": sha256})
    return found


def _same(a: dict, b: dict) -> bool:
    if a["sha256"] and b["sha256"]:
        return a["sha256"] == b["sha256"]
    return bool(a["name"]) and _plain(a["name"]) == _plain(b["name"])


def tuned(usage: Mapping) -> Finding | None:
    """Splits (or items) that settings were chosen on (``selected_on``) and results are reported on
    (``reported_on``).
    """
    chosen, reported = ({usage[k]} if isinstance(usage[k], str) else set(usage[k])
                        for k in ("selected_on", "reported_on"))
    both = sorted(map(str, chosen & reported))
    if not both:
        return None
    return Finding("tuned_on_test", "settings were chosen on what is reported", len(both),
                   len(reported), tuple(both[:EXAMPLES]))


def steps(features: Sequence, labels: Sequence) -> Finding | None:
    """Rows at which two tables that are read side by side name different items."""
    features, labels = (np.array([str(i) for i in some], dtype=object)
                        for some in (features, labels))
    short = min(len(features), len(labels))
    wrong = np.flatnonzero(features[:short] != labels[:short])
    count = len(wrong) + abs(len(features) - len(labels))
    if not count:
        return None
    first = f"from row {wrong[0]} on" if len(
        wrong) else f"{len(features)} rows beside {len(labels)}"
    return Finding("rows_out_of_step",
                   f"rows of features laid beside another item's labels, {first}", count,
                   max(len(features), len(labels)),
                   tuple(f"row {i}: {features[i]} beside {labels[i]}" for i in wrong[:EXAMPLES]))
