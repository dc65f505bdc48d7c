"""The leakage linter: does a model, a split or a metric know something that it should not? A check
whose tables were not given is listed as not made: silence is not cleanliness.
Source: what the released codes of three of the systems do. Notebook: 31."""

import itertools
import re
from collections import namedtuple
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn
from sklearn.preprocessing import normalize, scale

from lib.core.errors import KlangfarbeError

NAMES = {
    "group_in_two_splits": "excerpts of one piece, or one painting, on both sides: the test asks "
                           "what was learned by heart",
    "near_duplicates": "items that look or sound the same, under different names, on both sides",
    "clip_reused_across_splits": "one clip is the target of several pairs, and these were split "
                                 "one by one",
    "target_in_condition": "the condition already says what the target is",
    "labels_on_two_scales": "labels of several collections joined unconverted: knowing the "
                            "collection is enough",
    "tuned_on_test": "settings were chosen on the data that the result is reported on",
    "rows_out_of_step": "features and labels slipped against each other: a row has another item's "
                        "label"}
TARGET_COLUMNS = ("caption", "description", "keywords", "genre", "emotion")
N_SHUFFLES, MOST_ROWS = 20, 5000
LEAST_EXCESS = 0.08  # of target words, beyond 20 shuffles; a shared mood alone gives up to .05
FEWEST_LABELS, FEWEST_ONE_SIDED, MOST_EXPLAINED = 10, 30, 0.5
EXAMPLES, BLOCK = 5, 1024
COSINE = 0.98               # at least, columns standardised: the atelier's pieces reach .94
BITS, COLOURS = 0.15, 0.96  # at most this share of a hash's bits and at least this correlation
HASH_SIDE, THUMB_SIDE, HASH_BITS = 16, 8, 16**2 - 1
# One leak: its name in NAMES, what was measured, `count` out of `of`, examples.
Finding = namedtuple("Finding", "name what count of examples")
# The findings, the names of the checks that were made, and of those that were not.
Checked = namedtuple("Checked", "findings made not_made")
Seen = tuple[str, Collection, int, Collection[str]]  # what, those concerned, of how many, examples


def check(manifest=None, *, pairs=None, embeddings=None, pictures=None, condition=None,
          usage: Mapping | None = None, rows: tuple[Sequence, Sequence] | None = None) -> Checked:
    """Looks for every leak that the tables can show: `manifest`, in its order `embeddings` [N, D]
    (NaN: none) and `pictures` (uint8 [H, W, 3] or ``None``); `pairs`: ``image_id, audio_id, split``
    (``image_group, audio_group``); `condition`: ``text``, a model's input, and what of
    :data:`TARGET_COLUMNS` it must not contain; `usage`: ``selected_on, reported_on``, splits or
    ids; `rows`: ids of two tables' rows."""
    manifest = pd.DataFrame() if manifest is None else manifest
    table = manifest[manifest["split"].notna()] if "split" in manifest else pd.DataFrame()
    groups, clips = _uses(table, pairs)
    looked: dict[str, Seen | None] = {
        "group_in_two_splits": None if groups is None else _groups(groups),
        "near_duplicates": _near(manifest, embeddings, pictures),
        "clip_reused_across_splits": None if clips is None else (
            "audio clips, the very same, in more than one split", *_crossing(clips)),
        "target_in_condition": None if condition is None else _target_words(condition),
        "labels_on_two_scales": _scales(manifest),
        "tuned_on_test": None if usage is None else _tuned(**usage),
        "rows_out_of_step": None if rows is None else _misaligned(*rows)}
    made = {name: seen for name, seen in looked.items() if seen is not None}
    if not made:
        raise KlangfarbeError("something to look at", "no table with the columns", "give one")
    return Checked([Finding(name, what, len(concerned), of, tuple(examples)[:EXAMPLES])
                    for name, (what, concerned, of, examples) in made.items() if len(concerned)],
                   tuple(made), tuple(name for name in NAMES if name not in made))


def report(checked: Checked) -> Any:
    """A row per check that was made: ``name, count, of, what, examples``; count 0: not found."""
    found = {finding.name: finding for finding in checked.findings}
    lines = [found.get(name, Finding(name, "nothing found", 0, None, ())) for name in checked.made]
    table = pd.DataFrame(lines, columns=Finding._fields).astype({"of": "Int64"})
    table["examples"] = table["examples"].map(" · ".join)
    return table[["name", "count", "of", "what", "examples"]]


def assert_no_leakage(checked: Checked, accepted: Collection[str] = ()) -> None:
    """Prints all that was found; raises at what is not `accepted`, or accepted and not found."""
    accepted = {accepted} if isinstance(accepted, str) else set(accepted)
    print(f"leaks looked for: {', '.join(checked.made)}")
    if checked.not_made:
        print(f"not looked for (nothing given that would show it): {', '.join(checked.not_made)}")
    found = [finding.name for finding in checked.findings]
    for name, what, count, of, examples in checked.findings:
        print(f"{'accepted' if name in accepted else 'LEAK'}: {name}, {count} of {of}: {what}",
              NAMES[name], *(f"e.g. {example}" for example in examples), sep="\n  ")
    if not found:
        print("none found")
    if left := [name for name in found if name not in accepted]:
        raise KlangfarbeError("data without leaks", ", ".join(left), "mend the split or the table; "
                              f"if it belongs to the experiment: accepted={left!r}")
    if stale := sorted(accepted.difference(found)):
        why = ", ".join(f"{name} ({'nothing found' if name in checked.made else 'not looked for'})"
                        for name in stale)
        raise KlangfarbeError("accepted findings that are there", why, "take the name off the list")


def _known(table, *columns: str) -> bool:
    return all(column in table and table[column].notna().any() for column in columns)


def _uses(table, pairs) -> list[pd.DataFrame | None]:  # of groups, of clips: value, split
    groups, clips = [table[["group_id", "split"]]] if _known(table, "group_id") else [], []
    if _known(table, "sha256", "modality"):
        sounds = table[table["modality"].isin(("audio", "midi")) & table["sha256"].notna()]
        clips = [sounds[["sha256", "split"]]] if len(sounds) else []
    if pairs is not None:
        if not {"image_id", "audio_id", "split"} <= set(pairs):
            raise KlangfarbeError("pairs with image_id, audio_id and split", ", ".join(pairs),
                                  "add the rest")
        items = table.set_index("item_id") if _known(table, "item_id") else pd.DataFrame()
        of = {side: pairs.get(f"{side}_group", pairs[f"{side}_id"].map(items["group_id"])
                              if "group_id" in items else pd.Series(pd.NA, pairs.index))
              for side in ("image", "audio")}
        groups.append(pd.concat([of["image"].fillna(pairs["image_id"]), pairs["split"]], axis=1))
        ids = pairs["audio_id"]
        content = ids.map(items["sha256"]).fillna(ids) if "sha256" in items else ids
        clips.append(pd.concat([content, pairs["split"]], axis=1))
        if len(items):  # a clip of the test set that a training pair uses is in both
            clips.append(pd.concat([content, ids.map(items["split"])], axis=1))
        # A reused clip has a name of its own: its piece counts where *other* clips lie elsewhere.
        reused = content.isin(_crossing(_stacked(clips))[0])
        groups.append(pd.concat([of["audio"], pairs["split"]], axis=1)[~reused])
    return [_stacked(parts) if parts else None for parts in (groups, clips)]


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([part.set_axis(["value", "split"], axis=1) for part in parts],
                     ignore_index=True).dropna()


def _crossing(uses: Any) -> tuple[pd.Index, int, list[str]]:
    of = uses.dropna().astype(str).drop_duplicates().groupby("value", sort=True)["split"]
    splits = of.agg(lambda some: ", ".join(sorted(some)))
    several = splits[of.size() > 1]
    return several.index, len(splits), [f"{value}: {names}" for value, names in several.items()]


def _groups(uses: Any) -> Seen:
    crossing, total, examples = _crossing(uses)
    counts = uses["split"].value_counts()
    learned = "train" if "train" in counts.index or not len(counts) else counts.index[0]
    share = uses.loc[uses["split"] != learned, "value"].astype(str).isin(crossing).mean()
    return (f"pieces or paintings in more than one split; {share:.0%} of rows outside {learned} "
            "are of these", crossing, total, examples)


def fingerprints(pictures: Sequence) -> np.ndarray:
    """What stays of pictures uint8 [H, W, 3] resized or noisy: float32 [N, 255 + 192], two unit
    vectors: a hash of grey's 16 × 16 lowest frequencies (product: 1 − 2 · share of bits that
    differ; Zauner 2010, §3.2.1) and an 8 × 8 thumbnail's colours (product: a correlation)."""
    found = np.zeros((len(pictures), HASH_BITS + 3 * THUMB_SIDE**2), np.float32)
    for row, picture in enumerate(map(np.asarray, pictures)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise KlangfarbeError("pictures uint8", f"{picture.dtype} {picture.shape}", "convert")
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
    if len(embeddings) > 1 and not np.ptp(embeddings, axis=0).any():
        raise KlangfarbeError("embeddings that differ", "equal rows", "look at the encoder")
    return np.asarray(normalize(scale(embeddings)), np.float32)


def near_rows(views: Sequence, splits, groups, names) -> tuple[set, list[str]]:
    """Names of rows that are near a row of another split (and group) in every view, and examples. A
    view: unit vectors float32 [N, D] and the least product that is near, or hashes [N]."""
    hit, examples = np.zeros(len(names), bool), []
    for first, second in itertools.combinations(sorted(set(splits)), 2):
        here, there = np.flatnonzero(splits == first), np.flatnonzero(splits == second)
        for start in range(0, len(here), BLOCK):
            rows = here[start : start + BLOCK]
            products = [of[rows] @ of[there].T if of.ndim == 2 else of[rows][:, None] == of[there]
                        for of, _ in views]  # [≤ 1024, M]
            near = np.all([dot >= least for dot, (_, least) in zip(products, views)], axis=0)
            if groups is not None:
                near &= groups[rows][:, None] != groups[there][None]
            hit[rows] |= near.any(axis=1)
            hit[there] |= near.any(axis=0)
            for a, b in np.argwhere(near)[: max(0, EXAMPLES - len(examples))]:
                examples.append(f"{names[rows[a]]} ({first}) ~ {names[there[b]]} ({second}), "
                                + " and ".join(f"{product[a, b]:.3f}" for product in products))
    return set(names[hit]), examples


def _near(table, embeddings, pictures) -> Seen | None:
    if not _known(table, "split"):
        return None
    in_split, searches = table["split"].notna().to_numpy(bool), []  # rows looked at, their views
    if _known(table, "sha256", "modality"):
        rows = np.flatnonzero(table["modality"].eq("image").to_numpy(bool) & in_split
                              & table["sha256"].notna().to_numpy())
        searches += [(rows, [(pd.factorize(table["sha256"])[0][rows], 1)])] if len(rows) else []
    for what, given in (("pictures", pictures), ("embeddings", embeddings)):
        if given is not None and len(given) != len(table):
            raise KlangfarbeError(f"{what} for each of the manifest's {len(table)} rows",
                                  str(len(given)), "give them in its order")
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
        searches += [(rows, [(standardised(vectors[rows]), COSINE)])] if len(rows) else []
    if not searches:
        return None
    groups = table["group_id"].astype(str).to_numpy() if "group_id" in table else None
    names = table.get("item_id", table.index.to_series()).astype(str).to_numpy()
    near, seen, examples = set(), set(), []
    for rows, views in searches:
        hit, some = near_rows(views, table["split"].to_numpy(object)[rows],
                              None if groups is None else groups[rows], names[rows])
        near, seen, examples = near | hit, seen | set(names[rows]), examples + some
    return ("items with a near-duplicate of another group in another split", near, len(seen),
            examples)


def _target_words(condition: Any) -> Seen:  # fewer than one row of 12 may be a shared mood
    columns = [column for column in TARGET_COLUMNS if column in condition]
    if "text" not in condition or not columns or not len(condition):
        raise KlangfarbeError(f"a condition with text and one of {', '.join(TARGET_COLUMNS)}",
            f"{len(condition)} rows of {', '.join(condition)}", "add what the target must not tell")
    rng, order = np.random.default_rng(0), np.random.default_rng(0).permutation(len(condition))
    rows = condition.iloc[order[:MOST_ROWS]] if len(condition) > MOST_ROWS else condition
    texts, leaks, examples = [_plain(text) for text in rows["text"].fillna("")], [], []
    orders = [rng.permutation(len(texts)) for _ in range(N_SHUFFLES)]
    concerned = np.zeros(len(texts), bool)
    for column in columns:
        phrases = [_phrases(value, column) for value in rows[column]]
        labelled, own = np.array([bool(some) for some in phrases]), _shares(texts, phrases)
        chance = [float(_shares(texts, [phrases[i] for i in order])[labelled[order]].mean())
                  for order in orders if labelled.any()]
        if not chance or own[labelled].mean() - max(chance) <= LEAST_EXCESS:
            continue
        concerned |= own > 0
        leaks.append(f"{column} {own[labelled].mean():.0%} (chance {np.mean(chance):.0%})")
        for i in np.flatnonzero(own > 0)[:2]:
            held = ", ".join(p.strip() for p in phrases[i] if p in texts[i])
            examples.append(f"{column}: {held} in “{str(rows['text'].iloc[i])[:60]}”")
    sampled = f", of {len(texts)} of {len(condition)} rows" if len(rows) < len(condition) else ""
    return ("share of the target's own words that stand in the condition: "
            f"{' · '.join(leaks)}{sampled}", np.flatnonzero(concerned), len(texts), examples)


def _plain(text) -> str:
    # between single spaces: " slow tempo " in text matches whole words
    return " ".join(["", *re.findall(r"[^\W_]+", str(text).lower()), ""])


def _phrases(value, column: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",") if column == "keywords" else [value]
    elif not isinstance(value, Iterable):
        value = () if pd.isna(value) else [value]
    return tuple(phrase for phrase in map(_plain, value) if phrase.strip())


def _shares(texts: list[str], phrases: list[tuple[str, ...]]) -> np.ndarray:
    return np.array([sum(p in text for p in some) / len(some) if some else 0.0
                     for text, some in zip(texts, phrases, strict=True)])


def _scales(manifest: Any) -> Seen | None:
    # three signs, each enough: one source leaves [−1, 1], another does not; one never goes below 0,
    # another does on both axes; the source alone explains half of an axis (adjusted R²)
    axes = ["valence", "arousal"]
    if not _known(manifest, "source", *axes) or manifest["source"].nunique() < 2:
        return None
    labels = manifest[["source", *axes]].dropna().astype(dict.fromkeys(axes, float))
    sizes = labels["source"].value_counts()
    labels = labels[labels["source"].isin(sizes.index[sizes >= FEWEST_LABELS])]
    of, values, count = labels.groupby("source", sort=True)[axes], labels[axes], len(labels)
    if of.ngroups < 2:
        return "", (), len(sizes), ()
    low, high = of.min(), of.max()
    reach = np.maximum(low.abs(), high.abs()).max(axis=1) > 1 + 1e-6
    positive, crossing = (low >= 0).all(axis=1), (low < 0).all(axis=1)
    within = ((values - of.transform("mean")) ** 2).sum()
    total = ((values - values.mean()) ** 2).sum().replace(0, np.nan)
    explained = (1 - within / total * (count - 1) / (count - of.ngroups)).fillna(0)
    signs = []
    if 0 < reach.sum() < len(reach):
        signs.append(f"{', '.join(reach.index[reach])} leave [−1, 1], "
                     f"{', '.join(reach.index[~reach])} do not")
    elif (positive & (of.size() >= FEWEST_ONE_SIDED)).any() and crossing.any():
        signs.append(f"{', '.join(positive.index[positive])} never below 0, "
                     f"{', '.join(crossing.index[crossing])} on both sides")
    if (explained >= MOST_EXPLAINED).any():
        signs.append("the source explains most of the labels")
    r2 = ", ".join(f"{axis} {explained[axis]:.3f}" for axis in axes)
    ranges = [f"{name}: {low.loc[name].min():.3g} … {high.loc[name].max():.3g} ({sizes[name]} rows)"
              for name in low.index]
    return (f"{'; '.join(signs)}; R² of the source alone: {r2}", ranges if signs else (),
            len(sizes), ranges)


def _tuned(selected_on, reported_on) -> Seen:
    chosen, reported = ({names} if isinstance(names, str) else set(names)
                        for names in (selected_on, reported_on))
    both = sorted(map(str, chosen & reported))
    return "settings were chosen on what is reported", both, len(reported), both


def _misaligned(features: Sequence, labels: Sequence) -> Seen:
    both = list(itertools.zip_longest(map(str, features), map(str, labels)))
    wrong = [i for i, (of_features, of_labels) in enumerate(both) if of_features != of_labels]
    slipped = [i for i in wrong if None not in both[i]]
    first = f"from row {slipped[0]} on" if slipped else f"{len(features)} rows beside {len(labels)}"
    return (f"rows of features laid beside another item's labels, {first}", wrong, len(both),
            [f"row {i}: {both[i][0]} beside {both[i][1]}" for i in slipped])
