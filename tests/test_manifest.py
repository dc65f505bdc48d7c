"""The manifest: its schema, a build that may be killed anywhere, splits no group crosses, labels
that convert both ways.
"""

import hashlib
import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.data import manifest, splits
from lib.signal import affect

QUICK = settings(max_examples=20, deadline=None,
                 suppress_health_check=[HealthCheck.function_scoped_fixture])
ROW = {"item_id": "a", "modality": "image", "group_id": "g", "source": "s", "licence": "CC0"}


# --- schema ---


def test_columns_are_those_of_the_page_and_missing_ones_are_null():
    table = manifest.frame([ROW])
    assert list(table.columns) == [
        "item_id",
        "modality",
        "path",
        "split",
        "group_id",
        "source",
        "emotion",
        "valence",
        "arousal",
        "caption",
        "comment",
        "description",
        "genre",
        "duration_s",
        "sample_rate_hz",
        "sha256",
        "licence",
        "origin_url",
    ]
    assert table.drop(columns=list(ROW)).isna().all(axis=None)
    assert len(manifest.frame([])) == 0


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"valence": 3.1, "arousal": 0.0}, "valence satisfies in_range"),
        ({"valence": 0.1, "arousal": -1.01}, "arousal satisfies in_range"),
        ({"valence": 0.5}, "both given or both null"),
        ({"modality": "smell"}, "modality satisfies isin"),
        ({"modality": "text", "path": "a.txt"}, "no path of a text"),
        ({"split": "dev"}, "split satisfies isin"),
        ({"item_id": None}, "item_id satisfies not_nullable"),
        ({"licence": None}, "licence satisfies not_nullable"),
        ({"path": "/tmp/x.png"}, "path satisfies"),
        ({"sha256": "abc"}, "sha256 satisfies"),
        ({"sample_rate_hz": 0}, "sample_rate_hz satisfies"),
        ({"duration_s": "long"}, "numbers"),
        ({"mood": 1}, "mood"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(change, hint):
    with pytest.raises(KlangfarbeError) as error:
        manifest.frame([{**ROW, **change}])
    assert hint in str(error.value) and "\n" not in str(error.value)


def test_two_rows_of_one_id_are_refused():
    with pytest.raises(KlangfarbeError, match="uniqueness"):
        manifest.frame([ROW, ROW])


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1,
                max_size=12)
unit = st.floats(-1, 1)
row_sets = st.lists(
    st.fixed_dictionaries({"item_id": words, "modality": st.sampled_from(manifest.MODALITIES),
                           "group_id": words, "source": words, "licence": words},
                          optional={"caption": words, "genre": words,
                                    "split": st.sampled_from(manifest.SPLITS),
                                    "duration_s": st.floats(0, 1e6),
                                    "sample_rate_hz": st.integers(1, 192_000),},),
    max_size=6,
    unique_by=lambda r: r["item_id"],
)


@QUICK
@given(rows=row_sets, points=st.lists(st.tuples(unit, unit), min_size=6, max_size=6),
       data=st.data())
def test_a_table_comes_back_from_disk_as_it_was_and_order_does_not_matter(tmp_path, rows, points,
                                                                          data):
    rows = [{**row, "valence": v, "arousal": a} for row, (v, a) in zip(rows, points, strict=False)]
    table = manifest.frame(rows)
    path = artefacts.write(tmp_path / "m.parquet", table)
    back = artefacts.read(path)
    pd.testing.assert_frame_equal(back, table)
    assert back["valence"].tolist() == [r["valence"]
                                        for r in sorted(rows, key=lambda r: r["item_id"])]
    pd.testing.assert_frame_equal(manifest.frame(data.draw(st.permutations(rows))), table)


# --- building ---


def collection(root, n_whole=7):
    """A small collection with whole, broken and absent files; the rows in no particular order."""
    rng = np.random.default_rng(0)
    (root / "files").mkdir(parents=True)
    rows = [{**ROW, "item_id": "label-only", "valence": 0.1, "arousal": 0.30000000000000004}]
    for i in range(n_whole):
        soundfile.write(root / "files" / f"{i}.wav", 0.1 * rng.standard_normal(8_000), 8_000)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3),
                                     dtype=np.uint8)).save(root / "files" / f"{i}.png")
        rows += [
            {**ROW, "item_id": f"sound-{i}", "modality": "audio", "path": f"files/{i}.wav"},
            {**ROW, "item_id": f"picture-{i}", "path": f"files/{i}.png", "caption": "Ä, „quoted“"},
        ]
    (root / "files" / "words.png").write_text("no picture")
    (root / "files" / "empty.wav").write_bytes(b"")
    (root / "files" / "words.mid").write_text("no score")
    rows += [
        {**ROW, "item_id": "bad-picture", "path": "files/words.png"},
        {**ROW, "item_id": "bad-sound", "modality": "audio", "path": "files/empty.wav"},
        {**ROW, "item_id": "bad-score", "modality": "midi", "path": "files/words.mid"},
        {**ROW, "item_id": "absent", "path": "files/absent.png"},
    ]
    return rows[::-1]


def fingerprint(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("manifest.parquet", "rejects.parquet", "manifest.json")}


def test_broken_files_are_set_aside_by_name_and_the_rest_is_measured(tmp_path):
    rows = collection(tmp_path / "in")
    built = manifest.build(rows, tmp_path / "out", root=tmp_path / "in")
    assert len(built.manifest) + len(built.rejects) == len(rows)
    reasons = dict(zip(built.rejects["item_id"], built.rejects["reason"], strict=True))
    assert set(reasons) == {"bad-picture", "bad-sound", "bad-score", "absent"}
    assert reasons["absent"] == "files/absent.png: no such file" and "empty (0 bytes)" in reasons[
        "bad-sound"]
    assert str(tmp_path) not in " ".join(
        reasons.values()), "a reason that names this machine is not the same on another"
    table = built.manifest.set_index("item_id")
    assert table.loc["sound-3", "duration_s"] == 1.0 and table.loc["sound-3",
                                                                   "sample_rate_hz"] == 8_000
    assert (table.loc["picture-3", "sha256"]
            == hashlib.sha256((tmp_path / "in/files/3.png").read_bytes()).hexdigest())
    assert (table.loc["label-only", ["path", "sha256", "duration_s"]].isna().all()
            and table.loc["label-only", "arousal"] == 0.30000000000000004)
    assert manifest.summary(built).startswith(
        "15 rows, 4 set aside; first: absent (files/absent.png: no such file)")


class Killed(BaseException):
    """What no handler for errors catches."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("collection")
    rows = collection(root / "in")
    manifest.build(rows, root / "out", root=root / "in")
    return root / "in", rows, fingerprint(root / "out")


@settings(max_examples=12, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.tuples(st.sampled_from(["measure", "before write", "after write"]),
                                st.integers(0, 19)), min_size=1, max_size=3))
def test_killed_anywhere_and_run_again_it_is_the_same_byte_for_byte(tmp_path_factory, undisturbed,
                                                                    kills):
    root, rows, whole = undisturbed
    out = tmp_path_factory.mktemp("out")
    for where, countdown in kills:
        with pytest.MonkeyPatch.context() as patch:
            left = [countdown]

            def dying(inner, before, left=left):
                def call(*args, **kwargs):
                    left[0] -= 1
                    if left[0] < 0 and before:
                        raise Killed
                    result = inner(*args, **kwargs)
                    if left[0] < 0:
                        raise Killed
                    return result

                return call

            if where == "measure":
                patch.setattr(manifest, "measure", dying(manifest.measure, True))
            else:
                patch.setattr(artefacts, "write", dying(artefacts.write, where == "before write"))
            try:
                manifest.build(rows, out, root=root)
            except Killed:
                assert not (out
                            / "manifest.json").exists() or fingerprint(
                    out) == whole, "a half-made build must not vouch for itself"
    manifest.build(rows, out, root=root)
    assert fingerprint(out) == whole


def test_a_finished_build_of_unchanged_files_opens_none_of_them(undisturbed, tmp_path,
                                                                monkeypatch):
    root, rows, whole = undisturbed
    manifest.build(rows, tmp_path, root=root)
    monkeypatch.setattr(manifest, "measure", lambda *_: 1 / 0)
    manifest.build(rows, tmp_path, root=root)
    assert fingerprint(tmp_path) == whole


def test_a_changed_file_is_measured_anew(tmp_path):
    rows = collection(tmp_path / "in", 2)
    first = manifest.build(rows, tmp_path / "out",
                           root=tmp_path / "in").manifest.set_index("item_id")["sha256"]
    soundfile.write(tmp_path / "in/files/0.wav",
                    0.1 * np.random.default_rng(9).standard_normal(9_000), 8_000)
    second = manifest.build(rows, tmp_path / "out",
                            root=tmp_path / "in").manifest.set_index("item_id")["sha256"]
    assert [name for name in first.index
            if isinstance(first[name], str) and first[name] != second[name]] == ["sound-0"]


def test_a_full_disk_leaves_the_last_build_standing(tmp_path, monkeypatch):
    rows = collection(tmp_path / "in", 2)
    manifest.build(rows[:-1], tmp_path / "out", root=tmp_path / "in")
    before = (tmp_path / "out/manifest.parquet").read_bytes()
    monkeypatch.setattr(os, "replace",
                        lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(KlangfarbeError, match="No space left on device"):
        manifest.build(rows, tmp_path / "out", root=tmp_path / "in")
    assert (tmp_path / "out/manifest.parquet").read_bytes() == before


# --- splits ---

group_lists = st.lists(st.sampled_from([f"piece {i}" for i in range(30)]), min_size=12,
                       max_size=120).filter(lambda g: len(set(g)) >= 5)


@QUICK
@given(groups=group_lists, seed=st.integers(0, 50), data=st.data())
def test_no_group_is_on_two_sides_and_the_order_does_not_matter(groups, seed, data):
    fractions = {"train": 0.7, "validation": 0.15, "test": 0.15}
    for deal in (lambda g: splits.by_group(g, fractions, seed), lambda g: splits.folds(g, 5, seed)):
        parts = deal(groups)
        sides = pd.DataFrame({"group": groups, "part": parts}).groupby("group")["part"].nunique()
        assert (sides == 1).all()
        order = data.draw(st.permutations(range(len(groups))))
        assert deal([groups[i] for i in order]).tolist() == [parts[i] for i in order]
    assert set(splits.by_group(groups, fractions, seed)) == set(fractions)
    assert set(splits.folds(groups, 5, seed)) == set(range(5))


def test_shares_are_kept_where_groups_are_small_and_seeds_differ():
    groups = np.repeat(np.arange(400), 3)
    parts = splits.by_group(groups, {"train": 0.8, "validation": 0.1, "test": 0.1}, 0)
    assert np.allclose([(parts == p).mean() for p in ("train", "validation", "test")],
                       [0.8, 0.1, 0.1], atol=0.01)
    assert np.ptp(np.bincount(splits.folds(groups, 5, 0))) <= 3
    assert (splits.folds(groups, 5, 0) != splits.folds(groups, 5, 1)).mean() > 0.5
    assert (
        splits.by_group(["a", "b", "a"], {"train": 0.5, "test": 0.5}, 3).tolist()
        == splits.by_group(np.array(["a", "b", "a"]), {"train": 0.5, "test": 0.5}, 3).tolist()
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: splits.by_group("abc", {"train": 0.5, "test": 0.4}),
        lambda: splits.by_group("abc", {"train": 1.0, "test": 0.0}),
        lambda: splits.by_group("aa", {"train": 0.5, "test": 0.5}),
        lambda: splits.folds("abc", 1),
        lambda: splits.folds("abc", 4),
        lambda: splits.folds([], 2),
        lambda: splits.by_group("ab", {}),
    ],
)
def test_impossible_splits_are_refused(call):
    with pytest.raises(KlangfarbeError):
        call()


# --- labels ---


@QUICK
@given(scale=st.sampled_from(sorted(affect.SCALES)), points=st.lists(unit, min_size=1, max_size=20))
def test_ratings_convert_both_ways_and_keep_their_order(scale, points):
    there = affect.from_unit(points, scale)
    low, high = affect.SCALES[scale]
    assert there.min() >= low - 1e-9 and there.max() <= high + 1e-9
    back = affect.to_unit(there, scale)
    assert np.allclose(back, points, atol=1e-12)
    assert affect.to_unit([low, (low + high) / 2, high], scale).tolist() == [-1, 0, 1]


@given(scale=st.sampled_from(sorted(affect.SCALES)), excess=st.floats(0.01, 100))
@settings(deadline=None)
def test_a_rating_off_its_scale_is_refused(scale, excess):
    with pytest.raises(KlangfarbeError, match="another scale"):
        affect.to_unit([affect.SCALES[scale][1] + excess], scale)


@QUICK
@given(weights=st.lists(st.lists(st.floats(0, 50), min_size=9, max_size=9), min_size=1, max_size=5),
       factor=st.floats(0.1, 10))
def test_the_point_of_emotions_lies_among_them_and_ignores_how_many_voted(weights, factor):
    points = np.array(list(affect.GEMS_POINTS.values()))
    found = affect.from_emotions(weights, affect.GEMS_POINTS)
    assert (found >= np.minimum(points.min(0), 0)
            - 1e-9).all() and (found <= np.maximum(points.max(0), 0) + 1e-9).all()
    tiny = np.sum(weights, axis=1) < 1e-200  # such sums underflow when scaled
    assert np.allclose(affect.from_emotions(np.array(weights) * factor, affect.GEMS_POINTS)[~tiny],
                       found[~tiny], atol=1e-9)
    for i, name in enumerate(affect.GEMS_POINTS):
        assert np.allclose(affect.from_emotions(np.eye(9)[[i]], affect.GEMS_POINTS)[0],
                           affect.GEMS_POINTS[name])
