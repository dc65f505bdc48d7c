"""The leak linter: does what is measured know something that it should not? Run by every training
notebook, on any manifest.

```
manifest ─┬ groups, clips ──────────┐
          ├ + embeddings, pictures ─┤
pairs ────┤                         ├─► check ─► Checked ─┬─► report   a table
condition ┤ own words vs. shuffled ─┤                     └─► assert_no_leakage  prints all; stops at what is not accepted by name
encoders, usage, rows ──────────────┘
```

A check whose tables were not given has not been made, and is listed as such: silence is not
cleanliness.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import leakage_checks as checks
from lib.data.leakage_checks import Finding, fingerprints

__all__ = ["NAMES", "Checked", "Finding", "check", "fingerprints", "report", "assert_no_leakage"]

NAMES = {
    "group_in_two_splits": "excerpts of one piece, or one painting, on both sides: the test asks what was learned by heart",
    "near_duplicates": "items that look or sound the same, under different names, on both sides",
    "clip_reused_across_splits": "one clip is the target of several pairs, and these were split one by one",
    "target_in_condition": "the condition already says what the target is",
    "labels_on_two_scales": "labels of several collections joined unconverted: knowing the collection is enough",
    "metric_embedder_is_pairing_embedder": "the encoder that chose the pairs scores them: it finds what it put there",
    "tuned_on_test": "settings were chosen on the data that the result is reported on",
    "rows_out_of_step": "features and labels slipped against each other: a row has another item's label",
}
# Near-duplicates: at least this cosine (columns standardised); at most this share of a hash's bits,
# and at least this likeness of colours.
COSINE, BITS, COLOURS = 0.98, 0.15, 0.96


class Checked(NamedTuple):
    """What :func:`check` returns: the findings, the names of the checks that were made, and of
    those that were not.
    """

    findings: list[Finding]
    made: tuple[str, ...]
    not_made: tuple[str, ...]


def check(manifest=None, *, pairs=None, embeddings=None, pictures=None, condition=None,
          encoders: Mapping | None = None, usage: Mapping | None = None,
          rows: tuple[Sequence, Sequence] | None = None, cosine: float = COSINE,
          bits: float = BITS) -> Checked:
    """Looks for every leak that the given tables can show.

    Args:
        manifest: DataFrame with any of the manifest's columns; rows without a split are left aside.
        pairs: DataFrame ``image_id, audio_id`` and, where known, ``split`` (else the manifest's
            split of the picture), ``image_group``, ``audio_group`` (else the manifest's).
        embeddings: [N, D] in the order of the manifest's rows, or a mapping encoder → [N, D]; a row
            of NaN: none there.
        pictures: N pictures uint8 [H, W, 3] in that order (``None``: not a picture), or their
            :func:`fingerprints`, float32.
        condition: DataFrame ``text``, what the model is told, and columns of the *target* that it
            must not be told: any of ``caption, description, keywords`` (a list, or words between
            commas), ``genre, emotion``.
        encoders: ``{"pairing": …, "metric": …}``, each a name, a card with ``name`` and ``sha256``,
            or several.
        usage: ``{"selected_on": …, "reported_on": …}``, names of splits, or ids of items.
        rows: ids of the features' rows and of the labels' rows, which are read side by side.
        cosine, bits: thresholds of a near-duplicate (:func:`fingerprints` for the second). The
            cosine suits learned embeddings: on the atelier, different pieces reach .94 by 135 audio
            features, but different pictures .99 by 51 features made by hand.

    Raises:
        KlangfarbeError: nothing to look at, or a table without the columns it needs.

    Source: DATA, "Leak linter"; what the released codes of three of the systems do.  Notebook: 31.
    """
    if manifest is None and (embeddings is not None or pictures is not None):
        raise KlangfarbeError("a manifest beside embeddings or pictures", "none",
                              "give the rows they belong to, with their splits")
    made = {}
    table = _of_a_split(manifest)
    group_uses, clip_uses = _uses(table, _checked_pairs(pairs, manifest))
    if group_uses is not None:
        made["group_in_two_splits"] = checks.groups(group_uses)
    if clip_uses is not None:
        made["clip_reused_across_splits"] = checks.clips(clip_uses)
    if table is not None and (embeddings is not None or pictures is not None
                              or len(_hashed(table, ("image",)))):
        made["near_duplicates"] = _near_duplicates(manifest, embeddings, pictures, cosine, bits)
    if condition is not None:
        if "text" not in condition or not set(checks.TARGET_COLUMNS) & set(condition) or not len(
            condition):
            raise KlangfarbeError(
                f"a condition with text and one of {', '.join(checks.TARGET_COLUMNS)}",
                f"{len(condition)} rows of {', '.join(condition)}",
                "add what the target must not tell")
        made["target_in_condition"] = checks.words(condition)
    if manifest is not None and _known(manifest, "source", "valence",
                                       "arousal") and manifest["source"].nunique() > 1:
        made["labels_on_two_scales"] = checks.scales(manifest[["source", "valence",
                                                               "arousal"]].dropna().astype(
                {"valence": float, "arousal": float}))
    if encoders is not None:
        _needs(encoders, ("pairing", "metric"), "encoders")
        made["metric_embedder_is_pairing_embedder"] = checks.encoders(encoders)
    if usage is not None:
        _needs(usage, ("selected_on", "reported_on"), "usage")
        made["tuned_on_test"] = checks.tuned(usage)
    if rows is not None:
        made["rows_out_of_step"] = checks.steps(*rows)
    if not made:
        raise KlangfarbeError("something to look at", "no table with the columns of any check",
                              "give a manifest with group_id and split")
    return Checked([made[name] for name in NAMES if made.get(name)],
                   tuple(n for n in NAMES if n in made), tuple(n for n in NAMES if n not in made))


def report(checked: Checked):
    """A row per check that was made: DataFrame ``name, count, of, what, examples``; count 0:
    nothing found.
    """
    found = {finding.name: finding for finding in checked.findings}
    lines = [(name, f.count, f.of, f.what, " · ".join(f.examples)) if (f := found.get(name))
             else (name, 0, None, "nothing found", "") for name in checked.made]
    return pd.DataFrame(lines, columns=["name", "count", "of", "what",
                                        "examples"]).astype({"of": "Int64"})


def assert_no_leakage(checked: Checked, accepted: Collection[str] = ()) -> None:
    """Prints what was looked for and found, and stops at any finding that is not accepted by name.

    Args:
        accepted: names of findings that belong to the experiment, as in the *as published* runs.

    Raises:
        KlangfarbeError: a finding that is not accepted; an accepted name that is unknown, or that
            was not found (an acceptance that outlived its leak would hide the next one).
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
        print(f"{mark}: {finding.name}, {finding.count} of {finding.of}: "
              f"{finding.what}\n  {NAMES[finding.name]}")
        print("".join(f"  e.g. {example}\n" for example in finding.examples), end="")
    if not checked.findings:
        print("none found")
    found = {finding.name for finding in checked.findings}
    if left := [name for name in NAMES if name in found - accepted]:
        raise KlangfarbeError("data without leaks", ", ".join(left),
                              f"mend the split or the table; if it belongs to the experiment: "
                              f"accepted={left!r}")
    if stale := [name for name in NAMES if name in accepted - found]:
        why = ", ".join(f"{name} ({'nothing found' if name in checked.made else 'not looked for'})"
                        for name in stale)
        raise KlangfarbeError("accepted findings that are there", why, "take the name off the list")


def _known(table, *columns: str) -> bool:
    return all(column in table and table[column].notna().any() for column in columns)


def _needs(given: Mapping, keys: tuple[str, str], what: str) -> None:
    if set(given) != set(keys):
        raise KlangfarbeError(f"{what} with {' and '.join(keys)}",
                              ", ".join(map(str, given)) or "nothing", "name both sides")


def _of_a_split(manifest):
    if manifest is None or "split" not in manifest:
        return None
    return manifest[manifest["split"].notna()]


def _hashed(table, modalities: tuple[str, ...]):
    """Rows of these modalities whose content is known by its hash."""
    return table[table["modality"].isin(modalities)
                 & table["sha256"].notna()] if _known(table, "sha256", "modality") else table[:0]


def _checked_pairs(pairs, manifest):
    """Pairs ``image_id, audio_id, split, image_group, audio_group``, and after them each clip's own
    split in the manifest.
    """
    if pairs is None:
        return None
    has_items = manifest is not None and _known(manifest, "item_id", "split")
    if not {"image_id", "audio_id"} <= set(pairs) or not ("split" in pairs or has_items):
        raise KlangfarbeError("pairs with image_id, audio_id and split", ", ".join(pairs),
                              "add the split, or give the manifest too")
    items, filled = manifest.set_index("item_id") if has_items else None, pairs.copy()
    if "split" not in filled:
        unknown = filled["image_id"][~filled["image_id"].isin(items.index)]
        if len(unknown):
            raise KlangfarbeError("pairs of the manifest's pictures",
                                  f"{len(unknown)} others, e.g. {unknown.iloc[0]}",
                                  "add their split")
        filled["split"] = filled["image_id"].map(items["split"])
    for side in ("image", "audio"):
        if f"{side}_group" not in filled:
            known = has_items and "group_id" in items
            filled[f"{side}_group"] = filled[f"{side}_id"].map(
                items["group_id"]) if known else pd.NA
    if has_items:  # a clip of the test set that a training pair uses is in both
        of_clip = filled.assign(split=filled["audio_id"].map(items["split"]), image_id=pd.NA,
                                image_group=pd.NA)
        filled = pd.concat([filled, of_clip], ignore_index=True)
    if has_items and "sha256" in items:
        filled["audio_id"] = filled["audio_id"].map(items["sha256"]).fillna(filled["audio_id"])
    return filled[filled["split"].notna()]


def _uses(table, pairs):
    """Who is used in which split: DataFrames ``group, split`` and ``clip, split``, ``None`` where
    no table tells.
    """
    of_groups, of_clips = [], []
    if table is not None and _known(table, "group_id"):
        of_groups.append(table[["group_id", "split"]].set_axis(["group", "split"], axis=1))
    if table is not None and len(sounds := _hashed(table, ("audio", "midi"))):
        of_clips.append(sounds[["sha256", "split"]].set_axis(["clip", "split"], axis=1))
    if pairs is not None:
        of_clips.append(pairs[["audio_id", "split"]].set_axis(["clip", "split"], axis=1))
        paintings = pairs["image_group"].fillna(pairs["image_id"])
        # A clip that is reused is told by its own name: its piece counts here where *other* clips
        # of it lie elsewhere.
        reused = pairs.groupby("audio_id")["split"].transform("nunique") > 1
        for group, kept in ((paintings, slice(None)), (pairs["audio_group"], ~reused)):
            of_groups.append(pd.DataFrame({"group": group, "split": pairs["split"]})[kept])
    joined = (pd.concat(some, ignore_index=True).dropna() if some else None
              for some in (of_groups, of_clips))
    return tuple(joined)


def _near_duplicates(manifest, embeddings, pictures, cosine: float, bits: float) -> Finding | None:
    splits = manifest["split"].astype(object).where(manifest["split"].notna(), None).to_numpy()
    groups = manifest["group_id"].astype(str).to_numpy() if "group_id" in manifest else None
    names = (manifest["item_id"] if "item_id" in manifest
             else manifest.index.to_series()).astype(str).to_numpy()
    there = np.array([split is not None for split in splits])
    concerned, examples, seen = set(), [], set()

    def look(rows: np.ndarray, *views: tuple[np.ndarray, float]) -> None:
        seen.update(names[rows])
        if len(rows):
            hit, told = checks.alike(views, splits[rows], None if groups is None else groups[rows],
                                     names[rows])
            concerned.update(hit)
            examples.extend(told)

    if _known(manifest, "sha256", "modality"):
        rows = np.flatnonzero(manifest["modality"].eq("image").to_numpy(bool)
                              & manifest["sha256"].notna().to_numpy() & there)
        of = {"name": names, "split": splits,
              "sha256": manifest["sha256"].to_numpy(object)} | ({} if groups is None
                                                                else {"group": groups})
        hit, told = checks.copies(pd.DataFrame({column: values[rows] for column,
                                                values in of.items()}))
        seen.update(names[rows])
        concerned.update(hit)
        examples.extend(told)
    if pictures is not None:
        _as_many(pictures, manifest, "pictures")
        known = isinstance(pictures, np.ndarray) and pictures.ndim == 2
        rows = np.flatnonzero(there & np.array([picture is not None for picture in pictures]))
        found = pictures[rows] if known else fingerprints([pictures[row] for row in rows])
        look(rows, (found[:, : checks.HASH_BITS], 1 - 2 * bits),
             (found[:, checks.HASH_BITS :], COLOURS))
    for found in (embeddings.values() if isinstance(embeddings, Mapping) else []
                  if embeddings is None else [embeddings]):
        vectors = np.asarray(found, np.float64)
        _as_many(vectors, manifest, "embeddings")
        rows = np.flatnonzero(there & ~np.isnan(vectors.reshape(len(vectors), -1)).all(axis=1))
        if vectors.ndim != 2 or not np.isfinite(vectors[rows]).all():
            raise KlangfarbeError("finite embeddings [N, D] (or rows of NaN throughout)",
                                  str(vectors.shape), "mend them before use")
        look(rows, (checks.embedding_vectors(vectors[rows]), cosine))
    if not concerned:
        return None
    return Finding("near_duplicates",
                   "items with a near-duplicate of another group in another split", len(concerned),
                   len(seen), tuple(examples[: checks.EXAMPLES]))


def _as_many(given, manifest, what: str) -> None:
    if len(given) != len(manifest):
        raise KlangfarbeError(f"{what} for each of the manifest's {len(manifest)} rows",
                              str(len(given)), "give them in its order")
