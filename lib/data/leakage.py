"""The leakage linter: does a model, a split or a metric know something that it should not?

Every training notebook calls :func:`check` on its tables and :func:`assert_no_leakage` on what is
found. A check whose tables were not given is listed as not made: silence is not cleanliness.

Source: what the released codes of three of the systems do. Notebook: 31.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import near_duplicates
from lib.data.near_duplicates import BITS, COSINE, EXAMPLES

NAMES = {
    "group_in_two_splits": "excerpts of one piece, or one painting, on both sides: the test asks "
                           "what was learned by heart",
    "near_duplicates": "items that look or sound the same, under different names, on both sides",
    "clip_reused_across_splits": "one clip is the target of several pairs, and these were split "
                                 "one by one",
    "target_in_condition": "the condition already says what the target is",
    "labels_on_two_scales": "labels of several collections joined unconverted: knowing the "
                            "collection is enough",
    "metric_embedder_is_pairing_embedder": "the encoder that chose the pairs scores them: it "
                                           "finds what it put there",
    "tuned_on_test": "settings were chosen on the data that the result is reported on",
    "rows_out_of_step": "features and labels slipped against each other: a row has another item's "
                        "label",
}
TARGET_COLUMNS = ("caption", "description", "keywords", "genre", "emotion")
N_SHUFFLES, MOST_ROWS = 20, 5000
# Share of a target's words in its condition beyond the highest of 20 shuffles; a shared mood alone
# gives up to .05 on the atelier.
LEAST_EXCESS = 0.08
FEWEST_LABELS, FEWEST_ONE_SIDED, MOST_EXPLAINED = 10, 30, 0.5


class Finding(NamedTuple):
    """One leak: its name in :data:`NAMES`, what was measured, `count` out of `of`, examples."""

    name: str
    what: str
    count: int
    of: int
    examples: tuple[str, ...]


class Checked(NamedTuple):
    """The findings, the names of the checks that were made, and of those that were not."""

    findings: list[Finding]
    made: tuple[str, ...]
    not_made: tuple[str, ...]


def check(manifest=None, *, pairs=None, embeddings=None, pictures=None, condition=None,
          encoders: Mapping | None = None, usage: Mapping | None = None,
          rows: tuple[Sequence, Sequence] | None = None, cosine: float = COSINE,
          bits: float = BITS) -> Checked:
    """Looks for every leak that the given tables can show.

    Args:
        manifest: any of the manifest's columns; rows without a split are left aside.
        pairs: ``image_id, audio_id`` and, where the manifest does not say them, ``split``,
            ``image_group``, ``audio_group``.
        embeddings: [N, D] in the manifest's order, or encoder → [N, D]; a row of NaN: none there.
        pictures: N pictures uint8 [H, W, 3] (or ``None``), or ``near_duplicates.fingerprints``.
        condition: ``text``, the model's input, and columns of the *target* that it must not
            contain, of :data:`TARGET_COLUMNS` (``keywords``: a list, or words between commas).
        encoders: ``{"pairing": …, "metric": …}``, each a name, a card (``name, sha256``), or more.
        usage: ``{"selected_on": …, "reported_on": …}``, names of splits, or ids of items.
        rows: ids of the features' rows and of the labels' rows, which are read side by side.
        cosine, bits: thresholds of a near-duplicate. The cosine suits learned embeddings: on the
            atelier, different pieces reach .94 by 135 audio features, but different pictures .99 by
            51 features made by hand.
    """
    if manifest is None and (embeddings is not None or pictures is not None):
        raise KlangfarbeError("a manifest beside embeddings or pictures", "none",
                              "give the rows they belong to, with their splits")
    for given, keys, what in ((encoders, ("pairing", "metric"), "encoders"),
                              (usage, ("selected_on", "reported_on"), "usage")):
        if given is not None and set(given) != set(keys):
            raise KlangfarbeError(f"{what} with {' and '.join(keys)}",
                                  ", ".join(map(str, given)) or "nothing", "name both sides")
    made, table = {}, None
    if manifest is not None and "split" in manifest:
        table = manifest[manifest["split"].notna()]
    group_uses, clip_uses = _uses(table, pairs, manifest)
    if group_uses is not None:
        made["group_in_two_splits"] = _groups(group_uses)
    if clip_uses is not None:
        made["clip_reused_across_splits"] = _finding(
            "clip_reused_across_splits", "audio clips, the very same, in more than one split",
            *_crossing(clip_uses))
    if table is not None and (embeddings is not None or pictures is not None
                              or len(_hashed(table, ("image",)))):
        near, seen, examples = near_duplicates.find(manifest, embeddings, pictures, cosine, bits)
        made["near_duplicates"] = _finding(
            "near_duplicates", "items with a near-duplicate of another group in another split",
            near, len(seen), examples)
    if condition is not None:
        made["target_in_condition"] = _target_words(condition)
    if (manifest is not None and _known(manifest, "source", "valence", "arousal")
            and manifest["source"].nunique() > 1):
        labels = manifest[["source", "valence", "arousal"]].dropna()
        made["labels_on_two_scales"] = _scales(labels.astype({"valence": float, "arousal": float}))
    if encoders is not None:
        made["metric_embedder_is_pairing_embedder"] = _encoders(**encoders)
    if usage is not None:
        chosen, reported = ({usage[key]} if isinstance(usage[key], str) else set(usage[key])
                            for key in ("selected_on", "reported_on"))
        both = sorted(map(str, chosen & reported))
        made["tuned_on_test"] = _finding("tuned_on_test", "settings were chosen on what is "
                                         "reported", both, len(reported), both)
    if rows is not None:
        made["rows_out_of_step"] = _misaligned(*rows)
    if not made:
        raise KlangfarbeError("something to look at", "no table with the columns of any check",
                              "give a manifest with group_id and split")
    return Checked([made[name] for name in NAMES if made.get(name)],
                   tuple(n for n in NAMES if n in made), tuple(n for n in NAMES if n not in made))


def report(checked: Checked) -> pd.DataFrame:
    """A row per check that was made: ``name, count, of, what, examples``; count 0: not found."""
    found = {finding.name: finding for finding in checked.findings}
    lines = [found.get(name, Finding(name, "nothing found", 0, None, ())) for name in checked.made]
    table = pd.DataFrame(lines, columns=Finding._fields)
    return table.assign(examples=table["examples"].map(" · ".join), of=table["of"].astype("Int64"))[
        ["name", "count", "of", "what", "examples"]]


def assert_no_leakage(checked: Checked, accepted: Collection[str] = ()) -> None:
    """Prints what was looked for and found, and raises at any finding that is not accepted by name.

    `accepted` names findings that belong to the experiment (the *as published* runs); one that was
    not found raises too: it would hide the next leak of that name.
    """
    accepted = {accepted} if isinstance(accepted, str) else set(accepted)
    if unknown := sorted(accepted - set(NAMES)):
        raise KlangfarbeError(f"accepted names out of {', '.join(NAMES)}", ", ".join(unknown),
                              "mend the spelling")
    print(f"leaks looked for: {', '.join(checked.made)}")
    if checked.not_made:
        print(f"not looked for (nothing given that would show it): {', '.join(checked.not_made)}")
    for finding in checked.findings:
        mark = "accepted" if finding.name in accepted else "LEAK"
        print(f"{mark}: {finding.name}, {finding.count} of {finding.of}: {finding.what}",
              NAMES[finding.name], *(f"e.g. {example}" for example in finding.examples), sep="\n  ")
    if not checked.findings:
        print("none found")
    found = [finding.name for finding in checked.findings]
    if left := [name for name in found if name not in accepted]:
        raise KlangfarbeError("data without leaks", ", ".join(left), "mend the split or the table; "
                              f"if it belongs to the experiment: accepted={left!r}")
    if stale := [name for name in NAMES if name in accepted.difference(found)]:
        why = ", ".join(f"{name} ({'nothing found' if name in checked.made else 'not looked for'})"
                        for name in stale)
        raise KlangfarbeError("accepted findings that are there", why, "take the name off the list")


def _known(table, *columns: str) -> bool:
    return all(column in table and table[column].notna().any() for column in columns)


def _finding(name: str, what: str, concerned: Collection, of: int,
             examples: Iterable[str]) -> Finding | None:
    count = len(concerned)
    return Finding(name, what, count, of, tuple(examples)[:EXAMPLES]) if count else None


def _hashed(table, modalities: tuple[str, ...]) -> pd.DataFrame:
    """Rows of these modalities whose content is known by its hash."""
    if not _known(table, "sha256", "modality"):
        return table[:0]
    return table[table["modality"].isin(modalities) & table["sha256"].notna()]


def _uses(table, pairs, manifest) -> list[pd.DataFrame | None]:
    """Which group, and which clip, is used in which split: two tables ``value, split``."""
    groups, clips = [], []
    if table is not None and _known(table, "group_id"):
        groups.append(table[["group_id", "split"]])
    if table is not None and len(sounds := _hashed(table, ("audio", "midi"))):
        clips.append(sounds[["sha256", "split"]])
    if pairs is not None:
        pairs = _complete_pairs(pairs, manifest)
        clips.append(pairs[["audio_id", "split"]])
        paintings = pairs["image_group"].fillna(pairs["image_id"])
        groups.append(pd.concat([paintings, pairs["split"]], axis=1))
        # A reused clip is reported by its own name: its piece counts here where *other* clips of it
        # lie elsewhere.
        reused = pairs.groupby("audio_id")["split"].transform("nunique") > 1
        groups.append(pairs.loc[~reused, ["audio_group", "split"]])
    return [pd.concat([part.set_axis(["value", "split"], axis=1) for part in parts],
                      ignore_index=True).dropna() if parts else None for parts in (groups, clips)]


def _complete_pairs(pairs, manifest) -> pd.DataFrame:
    """Pairs ``image_id, audio_id, split, image_group, audio_group``, and after them each clip's own
    split in the manifest: a clip of the test set that a training pair uses is in both.
    """
    has_items = manifest is not None and _known(manifest, "item_id", "split")
    if not {"image_id", "audio_id"} <= set(pairs) or not ("split" in pairs or has_items):
        raise KlangfarbeError("pairs with image_id, audio_id and split", ", ".join(pairs),
                              "add the split, or give the manifest too")
    items = manifest.set_index("item_id") if has_items else pd.DataFrame()
    if "split" not in pairs:
        if len(unknown := pairs["image_id"][~pairs["image_id"].isin(items.index)]):
            raise KlangfarbeError("pairs of the manifest's pictures", f"{len(unknown)} others, "
                                  f"e.g. {unknown.iloc[0]}", "add their split")
        pairs = pairs.assign(split=pairs["image_id"].map(items["split"]))
    for side in ("image", "audio"):
        if f"{side}_group" not in pairs:
            known = pairs[f"{side}_id"].map(items["group_id"]) if "group_id" in items else pd.NA
            pairs = pairs.assign(**{f"{side}_group": known})
    if has_items:
        of_clip = pairs.assign(split=pairs["audio_id"].map(items["split"]), image_id=pd.NA,
                               image_group=pd.NA)
        pairs = pd.concat([pairs, of_clip], ignore_index=True)
    if "sha256" in items:
        content = pairs["audio_id"].map(items["sha256"])
        pairs = pairs.assign(audio_id=content.fillna(pairs["audio_id"]))
    return pairs[pairs["split"].notna()]


def _crossing(uses: pd.DataFrame) -> tuple[pd.Index, int, list[str]]:
    """Values that stand in more than one split, the number of all values, and examples."""
    of = uses.dropna().astype(str).drop_duplicates().groupby("value", sort=True)["split"]
    splits = of.agg(lambda some: ", ".join(sorted(some)))
    several = splits[of.size() > 1]
    return several.index, len(splits), [f"{value}: {names}" for value, names in several.items()]


def _groups(uses: pd.DataFrame) -> Finding | None:
    crossing, total, examples = _crossing(uses)
    counts = uses["split"].value_counts()
    learned = "train" if "train" in counts.index or not len(counts) else counts.index[0]
    share = uses.loc[uses["split"] != learned, "value"].astype(str).isin(crossing).mean()
    what = (f"pieces or paintings in more than one split; {share:.0%} of rows outside {learned} "
            "are of these")
    return _finding("group_in_two_splits", what, crossing, total, examples)


def _target_words(condition: pd.DataFrame) -> Finding | None:
    """Words that all targets share count in the shuffles too, and so not at all. A leak in fewer
    than one row of twelve is not told from a shared mood.
    """
    columns = [column for column in TARGET_COLUMNS if column in condition]
    if "text" not in condition or not columns or not len(condition):
        raise KlangfarbeError(f"a condition with text and one of {', '.join(TARGET_COLUMNS)}",
                              f"{len(condition)} rows of {', '.join(condition)}",
                              "add what the target must not tell")
    rows = condition
    if len(rows) > MOST_ROWS:
        rows = rows.iloc[np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]]
    texts = [_plain(text) for text in rows["text"].fillna("")]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(texts)) for _ in range(N_SHUFFLES)]
    leaks, examples, concerned = [], [], np.zeros(len(texts), bool)
    for column in columns:
        phrases = [_phrases(value, column) for value in rows[column]]
        labelled = np.array([bool(some) for some in phrases])
        if not labelled.any():
            continue
        own = _shares(texts, phrases)
        chance = [float(_shares(texts, [phrases[i] for i in order])[labelled[order]].mean())
                  for order in orders]
        if own[labelled].mean() - max(chance) <= LEAST_EXCESS:
            continue
        concerned |= own > 0
        leaks.append(f"{column} {own[labelled].mean():.0%} (chance {np.mean(chance):.0%})")
        for i in np.flatnonzero(own > 0)[:2]:
            held = ", ".join(p.strip() for p in phrases[i] if p in texts[i])
            examples.append(f"{column}: {held} in “{str(rows['text'].iloc[i])[:60]}”")
    sampled = f", of {len(texts)} of {len(condition)} rows" if len(rows) < len(condition) else ""
    return _finding("target_in_condition", "share of the target's own words that stand in the "
                    f"condition: {' · '.join(leaks)}{sampled}", np.flatnonzero(concerned),
                    len(texts), examples)


def _plain(text) -> str:
    """Lower-case words between single spaces: ``" slow tempo " in text`` matches whole words."""
    return " ".join(["", *re.findall(r"[^\W_]+", str(text).lower()), ""])


def _phrases(value, column: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",") if column == "keywords" else [value]
    elif not isinstance(value, Iterable):
        value = () if pd.isna(value) else [value]
    return tuple(phrase for phrase in map(_plain, value) if phrase.strip())


def _shares(texts: list[str], phrases: list[tuple[str, ...]]) -> np.ndarray:
    """Share of each row's phrases that its text holds, [N]; 0 where there are none."""
    return np.array([sum(p in text for p in some) / len(some) if some else 0.0
                     for text, some in zip(texts, phrases, strict=True)])


def _scales(labels: pd.DataFrame) -> Finding | None:
    """Three signs, each enough: one source leaves [−1, 1] and another keeps to it; one never goes
    below 0 on either axis and another does; the source alone explains half of an axis (adjusted
    R²).
    """
    sizes, axes = labels["source"].value_counts(), ["valence", "arousal"]
    labels = labels[labels["source"].isin(sizes.index[sizes >= FEWEST_LABELS])]
    of, values, count = labels.groupby("source", sort=True)[axes], labels[axes], len(labels)
    if of.ngroups < 2:
        return None
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
    return _finding("labels_on_two_scales", f"{'; '.join(signs)}; R² of the source alone: {r2}",
                    ranges if signs else (), len(sizes), ranges)


def _encoders(pairing, metric) -> Finding | None:
    """Encoders in both roles: by content hash where both have one, else by name."""
    sides = [[], []]
    for given, cards in zip((pairing, metric), sides, strict=True):
        several = isinstance(given, list | tuple | set) and not hasattr(given, "name")
        for one in given if several else [] if given is None else [given]:
            known = ({"name": one} if isinstance(one, str) else one if isinstance(one, Mapping)
                     else {key: getattr(one, key, None) for key in ("name", "sha256")})
            cards.append(tuple(str(known.get(key) or "") for key in ("name", "sha256")))
            if not any(cards[-1]):
                raise KlangfarbeError("encoders, each a name or a card with name and sha256",
                                      repr(one)[:80], "name the encoder")
    same = [f"{name or content[:12]} = {other or others[:12]}" for name, content in sides[0]
            for other, others in sides[1]
            if (content == others if content and others
                else name and _plain(name) == _plain(other))]
    return _finding("metric_embedder_is_pairing_embedder",
                    "encoders that chose the pairs and then score them", same, len(sides[1]), same)


def _misaligned(features: Sequence, labels: Sequence) -> Finding | None:
    """Rows at which two tables that are read side by side name different items."""
    both = list(itertools.zip_longest(map(str, features), map(str, labels)))
    wrong = [i for i, (of_features, of_labels) in enumerate(both) if of_features != of_labels]
    slipped = [i for i in wrong if None not in both[i]]
    first = (f"from row {slipped[0]} on" if slipped
             else f"{len(features)} rows beside {len(labels)}")
    return _finding("rows_out_of_step", "rows of features laid beside another item's labels, "
                    f"{first}", wrong, len(both),
                    [f"row {i}: {both[i][0]} beside {both[i][1]}" for i in slipped])
