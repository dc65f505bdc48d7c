"""The leak linter: clean data pass, every planted leak is found by its own name alone, and so are
the leaks of the released codes.
"""

import ast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.data import leakage, splits
from lib.data.atelier import paint, words
from lib.data.atelier.factors import draw
from lib.data.registry import COLLECTIONS
from lib.signal import affect, images

SEEDS = (0, 1, 2)
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
VOCABULARY = np.array(["amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heath",
                       "inlet", "jetty", "knoll", "ledge", "marsh", "north", "ochre", "pearl",
                       "quill", "ridge"])


def clean(seed, n_groups=60, chunks=6):
    """A clean study: a manifest with embeddings, pairs, condition, encoders, usage and rows, split
    by group.
    """
    rng = np.random.default_rng(seed)
    pieces = np.repeat([f"piece-{i:03d}" for i in range(n_groups)], chunks)
    count = len(pieces)
    table = pd.DataFrame({"item_id": [f"clip-{i:04d}" for i in range(count)], "modality": "audio",
                          "group_id": pieces, "split": splits.by_group(pieces, FRACTIONS, seed),
                          "source": rng.choice(["one", "two", "three"], count),
                          "valence": rng.uniform(-1, 1, count),
                          "arousal": rng.uniform(-1, 1, count),
                          "sha256": [rng.bytes(32).hex() for _ in range(count)]})
    per_piece = rng.normal(size=(n_groups, 64))[np.unique(pieces, return_inverse=True)[1]]
    pairs = pd.DataFrame({"image_id": [f"painting-{i:04d}" for i in range(count)],
                          "audio_id": table["item_id"], "split": table["split"]})
    said = [list(rng.choice(VOCABULARY, 3, replace=False)) for _ in range(count)]
    condition = pd.DataFrame({"text": [
                f"The {rng.choice(VOCABULARY)}, seen from the {rng.choice(VOCABULARY)}."
                for _ in range(count)], "keywords": said,
                              "genre": rng.choice(["waltz", "march"], count)})
    return {"manifest": table, "embeddings": per_piece + 0.05 * rng.normal(size=(count, 64)),
            "pairs": pairs, "condition": condition,
            "usage": {"selected_on": ["validation"], "reported_on": "test"},
            "rows": (table["item_id"], list(table["item_id"]))}


def look(study):
    return leakage.check(study.pop("manifest"), **study)


def names(study):
    return [finding.name for finding in look(study).findings]


# --- one leak at a time ---


def plant_group(study, rng):
    table = study["manifest"]
    held = table.index[table["split"] == "test"]
    piece = table.loc[rng.choice(held), "group_id"]
    moved = rng.choice(table.index[table["group_id"] == piece])
    table.loc[moved, "split"] = study["pairs"].loc[moved, "split"] = "train"
    study["embeddings"][moved] = rng.normal(size=64)


def plant_near_duplicate(study, rng):
    table = study["manifest"]
    first, second = (rng.choice(table.index[table["split"] == split])
                     for split in ("train", "test"))
    study["embeddings"][second] = study["embeddings"][first] + 0.02 * rng.normal(size=64)


def plant_reused_clip(study, rng):
    table = study["manifest"]
    first, second = (rng.choice(table.index[table["split"] == split])
                     for split in ("train", "validation"))
    study["pairs"].loc[second, "audio_id"] = study["pairs"].loc[first, "audio_id"]


def plant_target_words(study, rng):
    told = study["condition"]
    for row in rng.permutation(len(told))[: len(told) // 3]:
        told.loc[row, "text"] += f" Audio keywords: {', '.join(told.loc[row, 'keywords'])}."


def plant_genre(study, rng):
    told = study["condition"]
    told["text"] = [f"{text} A {genre.title()}!" if rng.random() < 0.5 else text for text,
                    genre in zip(told["text"], told["genre"])]


def plant_two_scales(study, rng):
    table = study["manifest"]
    one = table["source"] == "one"
    table.loc[one,
              ["valence", "arousal"]] = affect.from_unit(table.loc[one, ["valence", "arousal"]],
                                                         "deam")


def plant_half_scale(study, rng):
    table = study["manifest"]
    one = table["source"] == rng.choice(["one", "two"])
    table.loc[one,
              ["valence", "arousal"]] = affect.from_unit(table.loc[one, ["valence", "arousal"]],
                                                         "pmemo")


def plant_tuning(study, rng):
    study["usage"]["selected_on"] = {"validation", "test"}


def plant_slip(study, rng):
    left, right = study["rows"]
    study["rows"] = left, np.delete(right, rng.integers(len(right)))


PLANTS = [(plant_group, "group_in_two_splits"), (plant_near_duplicate, "near_duplicates"),
          (plant_reused_clip, "clip_reused_across_splits"),
          (plant_target_words, "target_in_condition"), (plant_genre, "target_in_condition"),
          (plant_two_scales, "labels_on_two_scales"), (plant_half_scale, "labels_on_two_scales"),
          (plant_tuning, "tuned_on_test"), (plant_slip, "rows_out_of_step")]


@pytest.mark.parametrize("seed", SEEDS)
def test_clean_data_pass_every_check(seed):
    checked = look(clean(seed))
    assert checked.findings == [] and set(checked.made) == set(
        leakage.NAMES) and checked.not_made == ()
    assert (leakage.report(checked)["count"] == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("plant", "name"), PLANTS, ids=[plant.__name__ for plant, _ in PLANTS])
def test_a_planted_leak_is_found_by_its_name_alone(plant, name, seed):
    study = clean(seed)
    plant(study, np.random.default_rng(seed))
    findings = look(study).findings
    assert [finding.name for finding in findings] == [name]
    assert 0 < findings[0].count <= findings[0].of and findings[0].examples and all(
        findings[0].examples)


def test_every_name_has_a_plant():
    assert {name for _, name in PLANTS} == set(leakage.NAMES)


@given(sizes=st.lists(st.integers(1, 6), min_size=3, max_size=25), seed=st.integers(0, 999),
       pick=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_a_split_by_group_never_leaks_and_a_moved_row_always_does(sizes, seed, pick):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    table = pd.DataFrame({"group_id": groups, "split": splits.by_group(groups, FRACTIONS, seed)})
    assert names({"manifest": table}) == []
    shared = [i for i, size in enumerate(sizes) if size > 1]
    if shared:
        row = table.index[table["group_id"] == f"g{shared[pick % len(shared)]}"][0]
        table.loc[row, "split"] = "train" if table.loc[row, "split"] != "train" else "test"
        found = leakage.check(table).findings
        assert [f.name
                for f in found] == ["group_in_two_splits"] and found[0].count == 1 and found[
            0].of == len(sizes)


@given(n_clips=st.integers(2, 30), uses=st.integers(1, 4), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_pairs_split_by_clip_never_reuse_one(n_clips, uses, seed):
    clips = np.repeat([f"clip{i}" for i in range(n_clips)], uses)
    pairs = pd.DataFrame({"image_id": [f"p{i}" for i in range(len(clips))], "audio_id": clips,
                          "split": splits.by_group(clips, {"train": 0.5, "test": 0.5}, seed)})
    assert names({"manifest": None, "pairs": pairs}) == []
    if uses > 1:
        pairs.loc[0, "split"] = "test" if pairs.loc[0, "split"] == "train" else "train"
        assert names({"manifest": None, "pairs": pairs}) == ["clip_reused_across_splits"]


# --- how each check decides ---


def test_near_duplicates_equal_the_plain_double_loop():
    rng = np.random.default_rng(4)
    # three dimensions: many come close
    vectors = leakage.standardised(rng.normal(size=(90, 3)))
    of, groups = rng.choice(["train", "test", "validation"], 90), rng.choice(list("abcdefgh"), 90)
    item = np.array([f"i{k}" for k in range(90)])
    plain = {item[k] for i in range(90) for j in range(90) for k in (i, j)
             if of[i] != of[j] and groups[i] != groups[j] and float(vectors[i] @ vectors[j])
             >= 0.98}
    found, examples = leakage.near_rows([(vectors, 0.98)], of, groups, item)
    assert found == plain and 0 < len(plain) < 90 and len(examples) == leakage.EXAMPLES


def test_blocks_of_rows_give_what_one_product_gives(monkeypatch):
    vectors = leakage.standardised(np.random.default_rng(5).normal(size=(200, 3)))
    other = leakage.standardised(np.random.default_rng(6).normal(size=(200, 3)))
    of, item = np.repeat(["train", "test"], 100), np.arange(200).astype(str)
    whole = leakage.near_rows([(vectors, 0.99), (other, 0)], of, None, item)
    monkeypatch.setattr(leakage, "BLOCK", 7)
    again = leakage.near_rows([(vectors, 0.99), (other, 0)], of, None, item)
    assert again[0] == whole[0] != set()
    # every view must agree
    assert leakage.near_rows([(vectors, 0.99)], of, None, item)[0] > whole[0]


def test_one_loud_column_does_not_make_everything_a_duplicate():
    rng = np.random.default_rng(6)
    table = pd.DataFrame({"item_id": [f"i{k}" for k in range(100)],
                          "split": ["train", "test"] * 50})
    features = rng.normal(size=(100, 30))
    features[:, 0] = 5000 + 500 * features[:, 0]  # a spectral centroid beside numbers near 1
    assert leakage.check(table, embeddings=features).findings == []
    with pytest.raises(KlangfarbeError, match="embeddings that differ"):
        leakage.check(table, embeddings=np.ones((100, 30)))


def test_a_picture_is_known_again_after_what_happens_to_pictures():
    from PIL import Image

    pictures, _ = paint.pictures(11, range(24), 96)
    prints, bits = leakage.fingerprints(pictures), leakage.HASH_BITS
    assert np.linalg.norm(prints[:, :bits],
                          axis=1) == pytest.approx(1,
                                                   abs=1e-6) == np.linalg.norm(prints[:, bits:],
                                                                               axis=1)
    small = [np.asarray(Image.fromarray(p).resize((60, 60))) for p in pictures]
    bright = np.clip(pictures * 1.15 + 4, 0, 255).astype(np.uint8)
    noisy = np.clip(pictures + np.random.default_rng(0).normal(0, 8, pictures.shape), 0,
                    255).astype(np.uint8)
    for changed in (small, bright, noisy):
        product = leakage.fingerprints(changed) * prints
        assert product[:, bits:].sum(1).min() > leakage.COLOURS and (1
                                                                     - product[:,
                                                                               :bits].sum(
                1)).max() / 2 < leakage.BITS
    others = ((1 - prints[:, :bits] @ prints[:, :bits].T) / 2)[np.triu_indices(24, 1)]
    assert others.min() > leakage.BITS
    flat = leakage.fingerprints(np.full((1, 20, 30, 3), 7, np.uint8))
    assert np.isfinite(flat).all() and not flat[:, bits:].any()
    table = pd.DataFrame({"item_id": [f"p{i}" for i in range(25)],
                          "split": ["train"] * 24 + ["test"]})
    found = leakage.check(table, pictures=[*pictures, small[7]]).findings
    assert [f.name
            for f in found] == ["near_duplicates"] and found[
        0].count == 2 and "p7 (train)" in found[0].examples[0]
    grey = np.repeat((pictures[7] @ [0.299, 0.587, 0.114])[..., None], 3, axis=2).astype(np.uint8)
    # the same drawing in other colours is another picture
    assert leakage.check(table, pictures=[*pictures, grey]).findings == []


def test_copies_byte_for_byte_need_no_picture():
    table = pd.DataFrame({"item_id": list("abcd"), "modality": "image", "group_id": list("wxyz"),
                          "sha256": ["1" * 64, "2" * 64] * 2,
                          "split": ["train", "train", "test", "train"]})
    found = leakage.check(table).findings
    assert [f.name
            for f in found] == ["near_duplicates"] and found[0].count == 2 and found[0].of == 4
    assert found[0].examples == ("c (test) ~ a (train), 1.000",)
    assert [f.name
            for f in leakage.check(table.assign(modality="audio")).findings] == [
        "clip_reused_across_splits"]


def test_a_clip_of_the_test_set_in_a_training_pair():
    table = pd.DataFrame({"item_id": ["p1", "p2", "c1", "c2"],
                          "split": ["train", "test", "train", "test"], "group_id": list("abcd")})
    straight = pd.DataFrame({"image_id": ["p1", "p2"], "audio_id": ["c1", "c2"],
                             "split": ["train", "test"]})
    assert leakage.check(table, pairs=straight).findings == []
    crossed = leakage.check(table, pairs=straight.assign(audio_id=["c2", "c2"])).findings
    assert [f.name
            for f in crossed] == ["clip_reused_across_splits"] and crossed[0].examples == (
        "c2: test, train",)
    # one pair, of a test clip
    assert leakage.check(table, pairs=straight[:1].assign(audio_id="c2")).findings == crossed


def test_a_check_that_could_see_nothing_is_not_counted_as_made():
    table = pd.DataFrame({"item_id": list("abc"), "modality": "audio",
                          "sha256": ["1" * 64, "2" * 64, "3" * 64], "source": "one",
                          "split": ["train", "train", "test"], "valence": 0.5, "arousal": 0.5})
    assert leakage.check(table).made == ("clip_reused_across_splits",)
    assert leakage.check(table.assign(modality="image")).made == ("near_duplicates",)


def test_categories_count_like_words():
    table = leaky_table().astype("category")
    assert [f.count
            for f in leakage.check(table).findings] == [1] and leakage.check(
        table.iloc[:2]).findings[0].of == 1


def test_words_are_whole_and_common_ones_do_not_count():
    texts = ["a partly sad, slow-tempo song"] * 40
    parts = pd.DataFrame({"text": texts[:20] + ["bright dances"] * 20,
                          "keywords": [("art", "low tempo")] * 20 + [("right", "dance")] * 20})
    assert leakage.check(condition=parts).findings == []
    common = pd.DataFrame({"text": texts, "keywords": ["sad, slow tempo"] * 40})
    assert leakage.check(condition=common).findings == []  # whole words, but of every target alike
    own = pd.DataFrame({"text": texts[:20] + ["a gay dance"] * 20,
                        "genre": ["slow_tempo"] * 20 + ["Dance"] * 20})
    found = leakage.check(condition=own).findings
    assert found[0].count == 40 and "genre 100% (chance " in found[0].what


def test_missing_targets_are_not_counted():
    told = pd.DataFrame({"text": [f"word{i} here" for i in range(60)],
                         "caption": [f"word{i}" if i % 2 else None for i in range(60)],
                         "keywords": [np.nan] * 60,
                         "genre": pd.Series([pd.NA] * 60, dtype="string")})
    found = leakage.check(condition=told).findings
    assert found[0].count == 30 and "caption 100%" in found[0].what and "keywords" not in found[
        0].what


def test_r2_of_the_source_alone_is_the_systems_own():
    from lib.systems.music2image import original_code

    rng = np.random.default_rng(7)
    labels = np.concatenate([rng.uniform(2, 8, (180, 2)), rng.uniform(0, 1, (77, 2))])
    which = np.repeat([0, 1], [180, 77])
    table = pd.DataFrame({"source": which.astype(str), "valence": labels[:, 0],
                          "arousal": labels[:, 1]})
    plain = original_code.r2_of_collection(labels, which)
    adjusted = 1 - (1 - plain) * (len(labels) - 1) / (len(labels) - 2)
    found = leakage.check(table).findings[0]
    assert (f"valence {adjusted[0]:.3f}, arousal {adjusted[1]:.3f}" in found.what
            and "1 leave [−1, 1]" not in found.what)


def test_a_source_that_explains_the_labels_is_told_though_all_lie_in_one_range():
    rng = np.random.default_rng(8)
    gay = np.repeat([True, False], 60)
    table = pd.DataFrame({"source": np.where(gay, "gay", "sad"), "arousal": rng.uniform(-1, 1, 120),
                          "valence": np.where(gay, rng.uniform(-0.1, 1, 120),
                                              rng.uniform(-1, 0.1, 120))})
    assert "the source explains most" in leakage.check(table).findings[0].what
    table["valence"] = np.where(gay, rng.uniform(-0.6, 1, 120), rng.uniform(-1, 0.6, 120))
    assert leakage.check(table).findings == []


@pytest.mark.parametrize("scale", ["oasis", "deam"])
def test_one_other_scale_for_all_is_no_finding(scale):
    table = clean(3)["manifest"][["source", "valence", "arousal"]]
    table[["valence", "arousal"]] = affect.from_unit(table[["valence", "arousal"]], scale)
    assert leakage.check(table).findings == []
    assert leakage.check(table.head(9)).findings == []  # too few labels of a source to say anything


# --- what it says, and when it stops ---


def leaky_table():
    return pd.DataFrame({"group_id": ["a", "a", "b"], "split": ["train", "test", "test"]})


def leaky():
    return leakage.check(leaky_table(), usage={"selected_on": "test", "reported_on": "test"})


def test_training_stops_at_a_finding_and_goes_on_when_it_is_named(capsys):
    with pytest.raises(KlangfarbeError, match="group_in_two_splits, tuned_on_test"):
        leakage.assert_no_leakage(leaky())
    with pytest.raises(KlangfarbeError, match="got group_in_two_splits;"):
        leakage.assert_no_leakage(leaky(), accepted="tuned_on_test")
    capsys.readouterr()
    leakage.assert_no_leakage(leaky(), accepted=["tuned_on_test", "group_in_two_splits"])
    said = capsys.readouterr().out
    assert ("accepted: group_in_two_splits, 1 of 2" in said and "e.g. a: test, train" in said
            and "LEAK" not in said)
    assert ("not looked for (nothing given that would show it): near_duplicates, "
            "clip_reused_across_splits" in said)


def test_an_acceptance_that_outlived_its_leak_is_refused(capsys):
    clear = leakage.check(pd.DataFrame({"group_id": ["a", "b"], "split": ["train", "test"]}))
    leakage.assert_no_leakage(clear)
    assert "none found" in capsys.readouterr().out
    with pytest.raises(KlangfarbeError, match=r"group_in_two_splits \(nothing found\), "
                                              r"near_duplicates \(not looked for\)"):
        leakage.assert_no_leakage(clear, accepted=["near_duplicates", "group_in_two_splits"])
    with pytest.raises(KlangfarbeError, match=r"group_in_to_splits \(not looked for\)"):
        leakage.assert_no_leakage(clear, accepted=["group_in_to_splits"])


def test_the_report_has_a_row_per_check_made():
    table = leakage.report(leaky())
    assert table["name"].tolist() == ["group_in_two_splits",
                                      "tuned_on_test"] and table["count"].tolist() == [1, 1]
    assert table["of"].tolist() == [2, 1] and "50% of rows outside train" in table["what"][0]


@pytest.mark.parametrize(("given", "line"), [
    ({}, "something to look at"),
    ({"manifest": pd.DataFrame({"caption": ["a"]})}, "no table with the columns"),
    ({"manifest": pd.DataFrame({"split": ["train", "test"]}), "embeddings": np.zeros((3, 3))},
     "each of the manifest's 2 rows"),
    ({"manifest": pd.DataFrame({"split": ["train", "test"]}),
      "embeddings": np.array([[1.0, np.nan], [0, 1]])}, "finite embeddings"),
    ({"manifest": pd.DataFrame({"split": ["train", "test"]}), "embeddings": np.array([1.0, 2])},
     "finite embeddings"),
    ({"manifest": pd.DataFrame({"split": ["train"]}), "pictures": [np.zeros((4, 4))]},
     "pictures uint8"),
    ({"pairs": pd.DataFrame({"image_id": ["a"], "audio_id": ["b"]})}, "pairs with image_id"),
    ({"condition": pd.DataFrame({"text": ["a"]})}, "a condition with text"),
])  # fmt: skip
def test_what_cannot_be_looked_at_is_refused(given, line):
    with pytest.raises(KlangfarbeError, match=line):
        leakage.check(given.pop("manifest", None), **given)


# --- the atelier is clean; the released codes are not ---


@pytest.mark.parametrize("seed", SEEDS)
def test_the_atelier_is_clean(seed):
    from lib.data import manifest
    from lib.metrics import picture_regressor

    count = 60
    table = manifest.frame(words.rows(seed, count))
    items = [draw(seed, i) for i in range(count)]
    pictures, _ = paint.pictures(seed, range(count), 64)
    order = {f"{f.item_id}-image": p for f, p in zip(items, pictures)}
    told = pd.DataFrame({"text": [f"{words.caption(f)} {words.comment(f)}" for f in items],
                         "keywords": [words.tags(f) for f in items],
                         "description": [words.description(f) for f in items],
                         "genre": [f.genre for f in items]})
    features = np.full((len(table), picture_regressor.picture_features(pictures[:1]).shape[1]),
                       np.nan)
    features[table["modality"]
             == "image"] = picture_regressor.picture_features(np.stack([order[i]
                                                                        for i in table["item_id"]
                                                                        if i in order]))
    pairs = pd.DataFrame({"image_id": [f"{f.item_id}-image" for f in items],
                          "audio_id": [f"{f.item_id}-audio" for f in items]})
    pairs["split"] = pairs["image_id"].map(table.set_index("item_id")["split"])
    checked = leakage.check(table, pairs=pairs, pictures=[order.get(i) for i in table["item_id"]],
                            embeddings=features, condition=told)
    assert checked.findings == []
    one_source = "labels_on_two_scales"
    assert set(checked.not_made) == {one_source, "tuned_on_test", "rows_out_of_step"}


def test_the_music_described_in_the_condition_is_a_leak_on_the_atelier():
    items = [draw(9, i) for i in range(120)]
    told = pd.DataFrame({"text": [words.description(f) for f in items],
                         "keywords": [words.tags(f) for f in items]})
    assert [f.name for f in leakage.check(condition=told).findings] == ["target_in_condition"]


def test_s1_as_released_splits_by_chunk():
    pieces = np.repeat([f"midi-{i:03d}" for i in range(60)], 6)
    chunks = pd.DataFrame({"item_id": [f"{p}-{k % 6}" for k, p in enumerate(pieces)],
                           "modality": "audio", "group_id": pieces})
    ours = chunks.assign(split=splits.by_group(pieces, FRACTIONS))
    released = chunks.assign(split=splits.by_group(chunks["item_id"], FRACTIONS))
    assert leakage.check(ours).findings == []
    found = leakage.check(released).findings
    assert [f.name
            for f in found] == ["group_in_two_splits"] and found[0].count > 40 and found[0].of == 60
    held = released[released["split"] != "train"]
    in_train = held["group_id"].isin(released["group_id"][released["split"] == "train"]).mean()
    # six chunks a piece: hardly one of the held-out chunks is of a piece never trained on
    assert in_train > 0.95


def test_s3_as_released_joins_two_scales_slips_and_tunes_on_its_test_set():
    from lib.systems.music2image import original_code

    rng = np.random.default_rng(1)
    ratings = {"pmemo": np.clip(0.3 * rng.normal(size=(80, 2)), -1, 1),
               "deam": np.clip(0.3 * rng.normal(size=(180, 2)), -1, 1)}
    ratings["pmemo"][[2, 40]] = np.nan
    ids = {name: np.arange(len(some), dtype=float)[:, None] + 1000 * (name == "deam") for name,
           some in ratings.items()}
    parts = {name: (ids[name], ratings[name]) for name in ratings}
    for one_scale, by_song, expected in ((True, True, []), (False, True, ["labels_on_two_scales"]),
                                         (True, False, ["rows_out_of_step"])):
        rows, labels, of = original_code.joined(parts, one_scale=one_scale, by_song=by_song)
        own = np.concatenate([ids[name][np.isfinite(some).all(axis=1), 0]
                              for name, some in ratings.items()])
        table = pd.DataFrame({"source": np.array(list(ratings))[of], "valence": labels[:, 0],
                              "arousal": labels[:, 1]})
        usage = {"selected_on": "validation", "reported_on": "test"}
        assert names({"manifest": table, "rows": (rows[:, 0], own), "usage": usage}) == expected
    assert names({"manifest": table, "usage": {"selected_on": "test",
                                               "reported_on": "test"}}) == ["tuned_on_test"]


def test_s4_as_released_tells_the_target_and_reuses_its_clips():
    rng = np.random.default_rng(2)
    clips = pd.DataFrame({"audio_id": [f"yt-{i:03d}" for i in range(50)],
                          "keywords": [list(rng.choice(VOCABULARY, 4, replace=False))
                                       for _ in range(50)]})
    # many comments, one caption
    matched = clips.iloc[rng.integers(0, 50, 600)].reset_index(drop=True)
    comments = pd.Series([f"Art Commentary: it has a {rng.choice(VOCABULARY)} mood."
                          for _ in range(600)])
    pairs = matched[["audio_id"]].assign(image_id=[f"painting-{i}" for i in range(600)])
    ours = {"pairs": pairs.assign(split=splits.by_group(pairs["audio_id"], FRACTIONS)),
            "condition": matched.assign(text=comments)}
    assert names({"manifest": None, **ours}) == []
    told = comments + " Audio keywords: " + matched["keywords"].map(", ".join) + "."
    found = leakage.check(pairs=pairs.assign(split=rng.choice(list(FRACTIONS), 600,
                                                              p=list(FRACTIONS.values()))),
                          condition=matched.assign(text=told)).findings
    assert [f.name for f in found] == ["clip_reused_across_splits", "target_in_condition"]
    assert "keywords 100%" in found[1].what


# --- published data ---


@pytest.mark.real_data
def test_imemnets_own_lists_share_clips_pictures_and_songs(real_data):
    columns = ["audio_id", "image_id", "score"]
    parts = [pd.read_csv(real_data("imemnet") / f"{part}_matching.txt", sep=" ",
                         names=columns).assign(split=split) for part,
             split in (("val", "validation"), ("test", "test"))]
    pairs = pd.concat(parts, ignore_index=True)
    songs = pairs["audio_id"].str.rsplit("-", n=1).str[0]
    found = {f.name: f
             for f in leakage.check(pairs=pairs.assign(audio_group="song-" + songs)).findings}
    assert set(found) == {"clip_reused_across_splits", "group_in_two_splits"}
    assert (found["clip_reused_across_splits"].count,
            found["clip_reused_across_splits"].of) == (1598, 6912)
    assert set(songs[pairs["split"] == "validation"]) <= set(songs[pairs["split"] == "test"])


@pytest.mark.real_data
def test_art2mus_pairs_use_each_track_and_painting_once(real_data):
    table = pd.read_json(real_data("art2mus_pairs") / "image_audio_subset_df.json")
    pairs = pd.DataFrame({"image_id": table["Image"], "audio_id": table["Audio"],
                          "split": splits.by_group(table["Image"], FRACTIONS)})
    assert leakage.check(pairs=pairs).findings == []
    by_painter = leakage.check(pairs=pairs.assign(
            image_group=pairs["image_id"].str.split("_").str[0])).findings
    # a split by painting still shares its painters
    assert [f.name for f in by_painter] == ["group_in_two_splits"]


@pytest.mark.real_data
def test_musiccaps_caption_tells_its_own_aspects(real_data):
    table = pd.read_csv(real_data("musiccaps") / "musiccaps-public.csv")
    told = pd.DataFrame({"text": table["caption"],
                         "keywords": table["aspect_list"].map(ast.literal_eval)})
    found = leakage.check(condition=told).findings
    assert [f.name
            for f in found] == ["target_in_condition"] and "5000 of 5521 rows" in found[0].what
    strangers = told.assign(text=told["text"].sample(frac=1, random_state=0).to_numpy())
    assert leakage.check(condition=strangers).findings == []


@pytest.mark.real_data
def test_deam_and_pmemo_as_concatenated(real_data):
    folder = real_data("mer_annotations")
    ours = pd.concat([COLLECTIONS["deam"].manifest(folder / "deam", exchange_2013=False),
                      COLLECTIONS["pmemo"].manifest(folder / "pmemo")], ignore_index=True)
    assert leakage.check(ours).findings == []
    raw = ours.copy()
    for name in ("deam", "pmemo"):
        rows = raw["source"] == name
        raw.loc[rows,
                ["valence", "arousal"]] = affect.from_unit(raw.loc[rows, ["valence", "arousal"]],
                                                           name)
    found = leakage.check(raw).findings
    assert [f.name for f in found] == ["labels_on_two_scales"]
    # .775 and .721 on the released test set
    assert "R² of the source alone: valence 0.799, arousal 0.760" in found[0].what


@pytest.mark.real_data
@pytest.mark.parametrize("collection_name", ["wikiart_paintings", "oasis"])
def test_real_pictures_are_no_near_duplicates_until_one_is_copied(collection_name, real_data):
    files = sorted(p for p in real_data(collection_name).rglob("*.jpg"))[:150]
    pictures = [images.load(file, size=96) for file in files]
    table = pd.DataFrame({"item_id": [file.stem for file in files],
                          "split": splits.by_group([f.stem for f in files], FRACTIONS)})
    assert leakage.check(table, pictures=pictures).findings == []
    held = int(np.flatnonzero(table["split"] == "test")[0])
    pictures[held] = images.square(pictures[int(np.flatnonzero(table["split"] == "train")[0])], 64)
    assert [f.count for f in leakage.check(table, pictures=pictures).findings] == [2]
