"""System 1's paired data: cut, paired and split by closed forms; the published way leaks, the
corrected one does not.
"""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, render
from lib.signal import affect
from lib.systems.bridging import data
from lib.systems.bridging.config import HOW, get_config

WORDS = list(affect.EMOTION_POINTS)


def collection(per_class=12, pieces=6, seconds=65.0, composers=None):
    """Paintings and pieces of all five emotions; `composers` pieces share a group."""
    seen = pd.DataFrame([(f"p{w}{i}", f"p{w}{i}", w) for w in WORDS for i in range(per_class)],
                        columns=["painting", "painting_group", "emotion"])
    heard = pd.DataFrame([(f"m{w}{i}", f"m{w}{i}", w, seconds) for w in WORDS
                          for i in range(pieces)],
                         columns=["piece", "piece_group", "emotion", "seconds"])
    if composers:
        heard["piece_group"] = [f"c{i % composers}" for i in range(len(heard))]
    return seen, heard


def leaking_share(table, group="piece_group"):
    """Share of test pairs whose piece (or painter) is in a training pair too."""
    test, train = (table.loc[table["split"] == split, group] for split in ("test", "train"))
    return float(test.isin(set(train)).mean())


@pytest.mark.parametrize("how", HOW)
def test_a_pair_shares_its_emotion_and_nothing_is_used_twice(how):
    seen, heard = collection()
    table = data.make_pairs(seen, heard, how=how, seed=3)
    assert len(table.columns) == 9 and not table.isna().any().any()
    for side, source in (("painting", seen), ("piece", heard)):
        of = source.set_index(side)["emotion"]
        assert (table[side].map(of) == table["emotion"]).all()
    assert table["painting"].is_unique and table["segment"].is_unique
    assert set(table["start_s"]) == {0.0,
                                     30.0} and (table["seconds"]
                                                == 30).all(), (
        "65 s are two segments; 5 s are left out")
    assert table.equals(data.make_pairs(seen, heard, how=how, seed=3))
    assert not table.equals(data.make_pairs(seen, heard, how=how, seed=4))


def test_published_shares_are_80_10_10_of_each_class_by_pair():
    table = data.make_pairs(*collection(per_class=20, pieces=10), seed=0)
    counts = table.groupby(["emotion", "split"]).size().unstack()
    assert (counts["train"] == 16).all() and (counts["validation"]
                                              == 2).all() and (counts["test"] == 2).all()
    assert len(table) == 100


def test_which_painting_meets_which_segment_is_chance():
    """Over many seeds a painting meets every segment of its class, each about equally often."""
    seen, heard = collection(per_class=4, pieces=2)
    tables = [data.make_pairs(seen, heard, seed=s).set_index("painting") for s in range(200)]
    met = pd.Series([table.loc["phappy0", "segment"] for table in tables]).value_counts()
    assert len(met) == 4 and met.min() > 50 - 4 * np.sqrt(200 * 0.25 * 0.75)


def test_the_published_way_leaks_and_the_corrected_one_does_not(capsys):
    seen, heard = collection(per_class=60, pieces=10, seconds=180.0)
    published, corrected = (data.make_pairs(seen, heard, how=how, seed=1) for how in HOW)
    assert leaking_share(published) > 0.95 and leaking_share(
        corrected) == 0 == leaking_share(corrected, "painting_group")
    found = data.check_leakage(published)
    assert [f.name for f in found.findings] == ["group_in_two_splits"]
    with pytest.raises(KlangfarbeError, match="group_in_two_splits"):
        leakage.assert_no_leakage(found)
    leakage.assert_no_leakage(found, accepted=("group_in_two_splits",))
    data.assert_no_leakage(found, "published")
    assert "accepted: group_in_two_splits" in capsys.readouterr().out
    with pytest.raises(KlangfarbeError, match="group_in_two_splits"):
        data.assert_no_leakage(found, "corrected")
    clean = data.check_leakage(corrected)
    assert not clean.findings and "group_in_two_splits" in clean.made
    data.assert_no_leakage(clean, "corrected")
    capsys.readouterr()


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 9), st.integers(3, 7), st.floats(30, 200), st.integers(0, 1000),
       st.sampled_from([None, 15, 20]))
def test_corrected_splits_are_never_crossed_by_any_group(per_class, n_pieces, seconds, seed,
                                                         composers):
    seen, heard = collection(per_class, n_pieces, seconds, composers)
    if per_class >= 6:
        seen["painting_group"] = [f"a{w}{i // 2}" for w in WORDS for i in range(per_class)]
    try:
        table = data.make_pairs(seen, heard, how="corrected", seed=seed)
    except KlangfarbeError as error:
        assert composers and "at least 3 groups" in str(error)
        return
    for side in ("painting_group", "piece_group"):
        assert (table.groupby(side)["split"].nunique() == 1).all()
    assert set(table["split"]) <= set(data.FRACTIONS) and leaking_share(table) == 0


def test_a_planted_copy_of_a_training_piece_is_found():
    seen, heard = collection()
    table = data.make_pairs(seen, heard, how="corrected", seed=0)
    test = table.index[table["split"] == "test"][0]
    table.loc[test, "piece_group"] = table.loc[table["split"] == "train", "piece_group"].iloc[0]
    assert [f.name
            for f in data.check_leakage(table).findings] == [
        "group_in_two_splits"] and leaking_share(table) > 0


# --- how much a split by segment leaks


def test_the_function_and_the_table_agree():
    """The same share from tables of pairs: one class, eight pieces of three segments."""
    paintings, pieces = [f"p{i}" for i in range(24)], [f"m{i}" for i in range(8)]
    seen = pd.DataFrame({"painting": paintings, "painting_group": paintings, "emotion": "sad"})
    heard = pd.DataFrame({"piece": pieces, "piece_group": pieces, "emotion": "sad",
                          "seconds": 95.0})
    shares = [leaking_share(data.make_pairs(seen, heard, seed=s)) for s in range(150)]
    clean = (4 * 3) / (23 * 22)  # 5 places outside train, one is mine: 4 · 3 of 23 · 22
    assert abs(np.mean(shares) - (1 - clean)) < 0.04


# --- the atelier ----------------------------------------------------------------------------------


def test_atelier_pieces_are_cut_from_one_rendering():
    found, config = data.load_data("smoke"), get_config("smoke").data
    assert (found.paintings["emotion"].value_counts() == 10).all()
    assert (found.pieces["emotion"].value_counts() == 5).all()
    assert not set(found.paintings["painting"]) & set(found.pieces["piece"])
    some = found.table[found.table["piece"] == found.table["piece"].iloc[0]]
    index = found.pieces.set_index("piece")["index"][some["piece"].iloc[0]]
    whole = render.sounds(TRAIN_SEED, [int(index)], config.piece_seconds)[0][0]
    for clip, start in zip(found.clips(some, 22_050), some["start_s"]):
        np.testing.assert_array_equal(clip, whole[round(start * 22_050) :][: 2 * 22_050])
    assert {len(clip) for clip in found.clips(some, 11_025)} == {2 * 11_025}


def test_profiles_pair_enough_in_every_split():
    for name in ("smoke", "mini"):
        config = get_config(name).data
        found = data.load_data(name)
        table = found.table
        assert (table.groupby(["split", "emotion"]).size().unstack() >= 1).all().all()
        leaky = data.make_pairs(found.paintings, found.pieces, how="published",
                                segment_seconds=config.segment_seconds)
        assert leaking_share(leaky) > 0.5 and leaking_share(table) == 0


def test_the_split_is_a_setting():
    own, other = data.load_data("smoke"), data.load_data("smoke", how="published")
    assert (own.config.how, other.config.how) == ("corrected", "published")
    assert leaking_share(own.table) == 0 < leaking_share(other.table)
    assert own.origin == "atelier" and own.paintings.equals(other.paintings)


def test_held_out_items_of_the_atelier_come_in_order_or_by_turns():
    found = data.load_data("smoke")
    three = data.held_out(found, 3, 3000)
    assert three.table["painting"].tolist() == [
        factors.draw(TEST_SEED, 3000 + k).item_id for k in range(3)]
    np.testing.assert_array_equal(three.pictures(1)[0], paint.paint(factors.draw(TEST_SEED, 3000)))
    turns = data.held_out(found, 2, 6000, of_each=True)
    assert turns.table["emotion"].tolist() == WORDS * 2 and turns.pictures(4).shape[0] == 4
    sounds = turns.sounds(1.0, 22_050)
    item = factors.draw(TEST_SEED, int(turns.table["piece"][3].split("-")[-1]))
    np.testing.assert_array_equal(sounds[3], render.render_items([item], 1.0, 22_050)[0])


# --- what is refused ------------------------------------------------------------------------------


def test_a_split_that_is_not_known_is_refused():
    with pytest.raises(KlangfarbeError, match="published, corrected; got 'random'"):
        data.load_data("smoke", how="random")


@pytest.mark.parametrize(("change", "expected"), [
    (lambda seen, heard: (seen[seen["emotion"] != "sad"], heard), "sad too"),
])
def test_tables_that_cannot_be_paired_are_refused_in_one_line(change, expected):
    with pytest.raises(KlangfarbeError, match=expected):
        data.make_pairs(*change(*collection()))


def test_too_few_groups_are_refused():
    seen, heard = collection()
    with pytest.raises(KlangfarbeError, match="at least 3 groups"):
        data.make_pairs(seen, heard.groupby("emotion").head(2), how="corrected")
