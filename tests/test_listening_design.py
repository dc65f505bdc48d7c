"""Blocks and pairs: balance as a property over many designs, blindness, attention checks, and what
is refused.
"""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.studies.listening import design

sizes = {"n_systems": st.integers(1, 5), "n_items": st.integers(3, 12),
         "n_raters": st.integers(1, 9), "seed": st.integers(0, 10**6)}


def stimuli(n_systems, n_items):
    return [design.Stimulus(f"image{i}", f"audio{s}-{i}", f"system{s}", f"item{i:02}")
            for s in range(n_systems) for i in range(n_items)]


def whole(plan):
    return plan.trials.merge(plan.key, on="code", how="left", validate="many_to_one")


def even(counts):
    return max(counts) - min(counts) <= 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60),
       st.integers(1, 6), st.integers(0, 999))
@settings(max_examples=120, deadline=None)
def test_any_graph_is_coloured_evenly_around_every_vertex(edges, n_colours, seed):
    left, right = np.array(edges).T
    colours = design.equitable(left, right, n_colours, np.random.default_rng(seed))
    assert even(np.bincount(colours, minlength=n_colours))
    for ends in (left, right):
        for vertex in np.unique(ends):
            assert even(np.bincount(colours[ends == vertex], minlength=n_colours))


@given(st.integers(1, 15), st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_cards_are_dealt_evenly_and_never_twice_to_one_hand(n_items, n_raters, data):
    per_rater = data.draw(st.integers(1, n_items))
    hands = design.deal(n_items, n_raters, per_rater, np.random.default_rng(0))
    assert hands.shape == (n_raters, per_rater) and all(len(set(hand)) == per_rater
                                                        for hand in hands.tolist())
    assert even(np.bincount(hands.reshape(-1), minlength=n_items))


@given(**sizes, share=st.floats(0.1, 1))
@settings(max_examples=30, deadline=None)
def test_blocks_are_balanced_blind_and_complete(n_systems, n_items, n_raters, seed, share):
    per_rater = max(1, int(share * n_items))
    plan = design.blocks(stimuli(n_systems, n_items), n_raters, per_rater, seed)
    table = whole(plan)
    assert table["what"].eq(design.PAIR).all() and len(table) == n_raters * per_rater
    # also those never used
    assert even(table.groupby(["system",
                               "item"]).size().reindex([(f"system{s}", f"item{i:02}")
                                                        for s in range(n_systems)
                                                        for i in range(n_items)], fill_value=0))
    for _, block in table.groupby("place"):
        assert even(block["system"].value_counts().reindex([f"system{s}" for s in range(n_systems)],
                                                           fill_value=0))
        assert block["image"].is_unique and sorted(block["trial"]) == list(range(per_rater))
    assert even(table["system"].value_counts().reindex([f"system{s}" for s in range(n_systems)],
                                                       fill_value=0))
    assert set(plan.trials.columns).isdisjoint({"system", "item",
                                                "what"}) and not plan.trials["code"].str.contains(
        "system").any()
    # the clip that was made for the picture
    assert (table["image"].str[5:] == table["audio"].str.split("-").str[1]).all()


@given(**sizes | {"n_systems": st.integers(2, 4)}, share=st.floats(0.1, 1))
@settings(max_examples=30, deadline=None)
def test_pairs_meet_evenly_and_change_sides(n_systems, n_items, n_raters, seed, share):
    per_rater = max(1, int(share * n_items))
    blocks = design.blocks(stimuli(n_systems, n_items), n_raters, 3, seed)
    table = whole(design.with_pairs(blocks, stimuli(n_systems, n_items), per_rater, seed))
    table = table[table["what"] == design.COMPARISON].copy()
    assert (table["system"] != table["other_system"]).all() and table["trial"].min() == 3
    meetings = [frozenset(pair) for pair in combinations([f"system{s}" for s in range(n_systems)],
                                                         2)]
    table["meeting"] = [frozenset(pair) for pair in table[["system", "other_system"]].to_numpy()]
    table["turned"] = table["system"] > table["other_system"]
    assert even(table["meeting"].value_counts().reindex(meetings, fill_value=0))
    for _, block in table.groupby("place"):
        assert even(block["meeting"].value_counts().reindex(meetings,
                                                            fill_value=0)) and block[
            "image"].is_unique
        assert even(block["turned"].value_counts().reindex([False, True], fill_value=0))
    for _, met in table.groupby("meeting"):
        assert even(met["turned"].value_counts().reindex([False, True], fill_value=0))


def test_who_follows_whom_is_more_even_than_in_random_orders():
    table = whole(design.blocks(stimuli(4, 20), 12, 20, 0)).sort_values(["place", "trial"])

    def spread(rows):
        follows = np.zeros((4, 4))
        for row in rows:
            np.add.at(follows, (row[:-1], row[1:]), 1)
        return follows.std()

    rows = [block["system"].str[-1].astype(int).to_numpy() for _, block in table.groupby("place")]
    rng = np.random.default_rng(0)
    by_luck = [spread([rng.permutation(row) for row in rows]) for _ in range(100)]
    assert spread(rows) < 0.4 * np.median(by_luck) and spread(rows) < min(by_luck)


def test_attention_checks_are_in_every_block_not_first_and_on_spare_pictures():
    wrong = [(f"odd{k}", f"other{k}") for k in range(4)]
    table = whole(design.blocks(stimuli(3, 24), 10, 20, 3, silence="hush", wrong=wrong))
    for _, block in table.groupby("place"):
        assert block["what"].value_counts().to_dict() == {"pair": 20, "silence": 2, "wrong pair": 1}
        assert block.set_index("trial").loc[0,
                                            "what"] == "pair" and block["image"].is_unique and len(
            block) == 23
        assert (block.loc[block["what"] == "silence", "audio"] == "hush").all()
    places = table[table["what"] != "pair"].groupby("place")["trial"].apply(tuple)
    assert places.nunique() > 5  # not where a listener could expect them


def test_codes_say_nothing_and_stay_the_same():
    first, again, other = (design.blocks(stimuli(2, 6), 3, 4, seed) for seed in (5, 5, 6))
    assert first.trials.equals(again.trials) and not set(first.key["code"]) & set(other.key["code"])
    assert first.key["code"].str.fullmatch("[0-9a-f]{10}").all()
    sound = np.linspace(-1, 1, 50, dtype=np.float32)
    assert design.fingerprint(sound) == design.fingerprint(sound.copy()) != design.fingerprint(
        sound[::-1])
    assert design.fingerprint(np.zeros((2, 3))) != design.fingerprint(np.zeros((3, 2)))


def test_pairs_come_after_the_blocks():
    plan = design.with_pairs(design.blocks(stimuli(3, 8), 4, 6, 0), stimuli(3, 8), 3, 0)
    assert plan.trials.groupby("place")["trial"].apply(list).map(lambda t: t
                                                                 == list(range(9))).all()
    assert set(plan.trials["code"]) == set(plan.key["code"]) and plan.key["code"].is_unique


@pytest.mark.parametrize(("call", "words"), [
    (lambda: design.blocks(stimuli(2, 5)[:-1], 2, 3), "system1 for item04"),
    (lambda: design.blocks([*stimuli(2, 5), stimuli(2, 5)[0]], 2, 3), "one twice"),
    (lambda: design.blocks([], 2, 3), "no clip"),
    (lambda: design.blocks(stimuli(2, 5), 2, 6), "none is shown twice"),
    (lambda: design.blocks(stimuli(2, 5), 2, 3, wrong=[("image0", "audio0-0")]), "stimulus too"),
])
def test_what_cannot_be_a_fair_plan_is_refused(call, words):
    with pytest.raises(KlangfarbeError, match=words):
        call()
