"""System 2's data: two collections merged without a leak, views, targets, and memory maps that
survive a kill.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import collections as replicas

from lib import pretrained
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import memmaps
from lib.data.atelier import factors, render
from lib.data.atelier.words import emotion_word
from lib.data.collections import pairs
from lib.signal import affect, audio, images
from lib.systems.mapping import data, train_projection
from lib.systems.mapping.config import DataConfig, get_config

SMALL = DataConfig("atelier", n_pairs=60, clip_seconds=1.0, n_views=2, image_side=64)


@pytest.fixture(scope="module")
def table():
    return data.merge_collections(*data.atelier_collections(SMALL))


# --- merged ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_linked_groups_are_the_connected_components(edges):
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for left, right in edges:
        parent[root(("image", left))] = root(("audio", right))
    found = data.linked_groups([left for left, _ in edges], [right for _, right in edges])
    for i, (left, _) in enumerate(edges):
        for j, (other, _) in enumerate(edges):
            assert (found[i] == found[j]) == (root(("image", left)) == root(("image", other)))


def test_a_merged_table_has_every_pair_once_and_no_group_on_two_sides(table):
    assert len(table) == 60 and not table["pair"].duplicated().any() and set(table["split"]) == set(
        data.FRACTIONS)
    for side in ("image_group", "audio_group", "linked"):
        assert (table.groupby(side)["split"].nunique() == 1).all()
    assert not data.check_leakage(table).findings
    assert (table.groupby("source").size() == 30).all()
    shared = table[table["source"] == "emotion-tagged"].groupby("audio").size()
    assert shared.max() == SMALL.pictures_per_sound, "a sound goes with two pictures of its word"


def test_the_linter_finds_a_sound_that_was_put_on_two_sides(table):
    spoiled = table.copy()
    shared = spoiled[spoiled.duplicated("audio", keep=False)].index[0]
    spoiled.loc[shared, "split"] = "test" if spoiled.loc[shared, "split"] != "test" else "train"
    assert {finding.name
            for finding in data.check_leakage(spoiled).findings} >= {"clip_reused_across_splits"}


def test_each_stratum_is_dealt_by_itself():
    emotion = pd.DataFrame({"image": [f"i{k}" for k in range(200)],
                            "audio": [f"a{k}" for k in range(200)],
                            "emotion": np.repeat(["sad", "fun"], [150, 50])})
    genre = pd.DataFrame({"image": [f"j{k}" for k in range(100)],
                          "audio": [f"b{k}" for k in range(100)],
                          "genre": ["rock"] * 98 + ["once", "twice"]})
    made = data.merge_collections(emotion, genre)
    share = (made[made["split"] == "train"].groupby(["emotion", "genre"]).size()
             / made.groupby(["emotion", "genre"]).size())
    assert (share[("sad", data.UNKNOWN)] == pytest.approx(0.8, abs=0.01)
            and share[("fun", data.UNKNOWN)] == pytest.approx(0.8))
    assert share[(data.UNKNOWN, "rock")] == pytest.approx(0.8,
                                                          abs=0.02), (
        "two genres of one pair each join the largest stratum")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [(lambda e, g: (e.drop(columns="emotion"), g), "missing: emotion"),
     (lambda e, g: (pd.concat([e, e]), g), "twice")],
)
def test_tables_that_cannot_be_merged_are_refused(spoil, line):
    emotion, genre = data.atelier_collections(SMALL)
    with pytest.raises(KlangfarbeError, match=line):
        data.merge_collections(*spoil(emotion, genre))


# --- views ----------------------------------------------------------------------------------------


def test_the_first_view_is_the_picture_and_the_others_depend_on_their_own_seed_alone():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    made = data.augment(pictures, 3, [5, 6, 7])
    assert made.shape == (3, 3, 32, 32, 3) and made.dtype == np.uint8
    assert (made[:, 0] == pictures).all() and (made[:, 1] != pictures).any()
    assert (data.augment(pictures[1:], 3, [6, 7]) == made[1:]).all()
    change = np.abs(made[:, 1:].astype(int).mean((2, 3, 4))
                    - pictures.mean((1, 2, 3))[:, None]) / pictures.mean((1, 2, 3))[:, None]
    assert change.max() < data.JITTER + 0.02, "brightness moves by a tenth at most"


# --- targets --------------------------------------------------------------------------------------


def test_means_of_stretches():
    states = np.arange(12, dtype=np.float32).reshape(1, 6, 2)
    mask = np.array([[1, 1, 1, 1, 0, 0]])
    assert (data.segment_means(states, mask, 1)[0] == states[0, :4].mean(0)).all()
    assert (data.segment_means(states, mask, 2)[0]
            == [states[0, :2].mean(0), states[0, 2:4].mean(0)]).all()
    assert (data.segment_means(states, mask, 4)[0] == states[0, :4]).all()
    assert (data.segment_means(states, mask, 8)[0]
            == np.repeat(states[0, :4], 2, axis=0)).all(), "with too few states neighbours repeat"


@given(st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_every_state_lies_in_a_stretch_and_no_stretch_is_empty(length, n):
    covered = np.zeros(length, bool)
    for k in range(n):
        stretch = slice(k * length // n, -(-(k + 1) * length // n))
        assert len(range(length)[stretch]) >= 1
        covered[stretch] = True
    assert covered.all()
    constant = np.ones((1, length, 1), np.float32)
    assert data.segment_means(constant, np.ones((1, length)),
                              n) == pytest.approx(np.ones((1, n, 1)))


def test_targets_of_a_sound_are_the_decoders_own_tables():
    generator = pretrained.load("musicgen", device="cpu")
    codes = np.random.default_rng(0).integers(0, generator.codec.codebook_size,
                                              (2, generator.n_codebooks, 6))
    tables = [table.weight.detach().numpy()
              for table in generator.network.decoder.model.decoder.embed_tokens]
    by_hand = np.mean([sum(tables[k][codes[0, k, s]] for k in range(generator.n_codebooks))
                       for s in range(6)], axis=0)
    found = data.audio_targets(codes, generator)
    assert found.shape == (2, 1, generator.width) and np.allclose(found[0, 0], by_hand, atol=1e-5)


def test_targets_of_a_text_are_what_the_decoder_is_conditioned_on():
    generator = pretrained.load("musicgen", device="cpu")
    said = ["a slow sad waltz for piano", "loud and fast drums in D minor, with a bright trumpet",
            ""]
    found = data.text_targets(said, generator, 2)
    assert found.shape == (3, 2, generator.width) and (found[2] == 0).all()
    states, mask = generator.states(said[:1])
    alone = generator.condition(states, mask).numpy()[0, : int(mask.sum())]
    assert np.allclose(found[0, 0], alone[: -(-len(alone) // 2)].mean(0),
                       atol=1e-5), "neighbours' padding changes nothing"


def test_the_atelier_as_material_is_stored_once_and_the_texts_say_what_they_should(tmp_path,
                                                                                   monkeypatch):
    monkeypatch.setattr(paths, "PROCESSED", tmp_path)
    config = DataConfig("atelier", n_pairs=30, clip_seconds=1.0, n_views=2, image_side=64)
    generator, clip = pretrained.load("musicgen",
                                      device="cpu"), pretrained.load("image_text", device="cpu")
    found = data.prepare(data.open_atelier(config), config, generator, clip)
    assert found.vectors.shape == (30, 2,
                                   clip.width) and found.codes.shape[:2] == (30,
                                                                             generator.n_codebooks)
    assert np.allclose(found.vectors[3, 0], clip.embed_pictures(found.pictures[3:4])[0], atol=1e-5)
    codes = generator.codec.encode(torch.from_numpy(found.sounds[5:6].astype(np.float32))[:,
                                                                                          None])[
        0].numpy()
    assert (codes == found.codes[5]).all()
    twice = found.table["audio"].duplicated(keep=False).to_numpy()
    for _, rows in found.table[twice].groupby("audio").groups.items():
        assert (found.codes[list(rows)] == found.codes[rows[0]]).all()
    assert twice.any() and len(np.unique(found.codes, axis=0)) == found.table["audio"].nunique()
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
    data.prepare(data.open_atelier(config), config, generator, clip)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npy")}
    assert len(before) == 8 and found.words == tuple(data.atelier_labels(found.table)["word"])
    pieces = data.atelier_items(found.table["audio"])
    assert [emotion_word(piece) for piece in pieces] == list(found.words)
    assert np.array_equal(found.sounds[[0, 29]], render.render_items(
        [pieces[0], pieces[29]], 1.0, generator.sample_rate_hz).astype(np.float16))
    captioner, describer = pretrained.load("captioner",
                                           device="cpu"), pretrained.load("describer", device="cpu")
    captions = data.write_texts(found, "caption", captioner, describer)
    assert all(text.startswith(("a ", "an ")) and word in text[:20] for text,
               word in zip(captions, found.words, strict=True))
    assert all(len(text.splitlines()) == 2
               for text in data.write_texts(found, "enriched", captioner, describer))
    own = data.write_texts(found, "own", captioner, describer)
    assert sum(map(bool, own)) == 15, "emotion-tagged pairs bring no text"
    everything = data.write_all_texts(found, captioner, describer)
    assert list(everything) == ["pair", "word",
                                *data.TEXTS] and list(everything["pair"]) == list(
        found.table["pair"])
    alone = describer.describe(captioner.caption(found.pictures[:3]), prompt="mapping")
    assert list(everything["plain"][:3]) == alone and list(
        everything["caption"]) == captions, "shared captions change no text"


def test_study_ones_vectors_begin_as_long_as_its_gain_says():
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    for gain in (1.0, 0.1):
        made = train_projection.build_projection(replace(get_config("smoke").study_one, gain=gain),
                                                 32, 256).eval()(vectors)
        assert made.norm(dim=-1).detach().numpy() == pytest.approx(gain * 16, rel=0.02)


# --- published lists ------------------------------------------------------------------------------

LISTS = {"val": "7-1 sea 0.5\n7-2 sky 0.25\n8-1 sea 0.75\n", "test": "7-3 sun 0.1\n9-1 sea 0.9\n"}


def test_published_matchings_are_read_and_say_what_was_met_before(tmp_path):
    for name, text in LISTS.items():
        (tmp_path / f"{name}_matching.txt").write_text(text)
    table = pairs.read_imemnet(tmp_path)
    assert list(table["song"]) == ["7", "7", "8", "7",
                                   "9"] and list(table["published"]) == ["val"] * 3 + ["test"] * 2
    found = pairs.overlap(table, table["published"].replace({"val": "train"}))
    assert found["met"].to_dict() == {"clip": 0, "song": 1,
                                      "image": 1} and found.loc["song", "pairs"] == 0.5
    with pytest.raises(KlangfarbeError, match="pairs in the test set"):
        pairs.overlap(table, table["published"].replace({"test": "train"}))


@pytest.mark.parametrize("text", ["", "seven sea 0.5\n", "7-1 sea\n"])
def test_lists_of_another_form_are_refused(tmp_path, text):
    if text:
        (tmp_path / "val_matching.txt").write_text(text)
    with pytest.raises(KlangfarbeError):
        pairs.read_imemnet(tmp_path)


def test_dealing_both_ends_leaves_nothing_met_and_drops_pairs_between():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"song": rng.integers(0, 60, 3000).astype(str),
                          "image": rng.integers(0, 300,
                                                3000).astype(str)}).assign(clip=lambda t: t["song"])
    split = pairs.split_both_ends(table, data.FRACTIONS)
    assert pairs.overlap(table, split)["met"].sum() == 0
    assert (split == "train").mean() == pytest.approx(0.64,
                                                      abs=0.05) and (split
                                                                     == "").mean() == pytest.approx(
        0.34, abs=0.05)


@pytest.mark.real_data
def test_the_published_lists_hang_together(real_data):
    table = pairs.read_imemnet(real_data("imemnet"))
    sizes = np.bincount(data.linked_groups(table["image"], table["song"]))
    assert set(table["published"]) >= {"val",
                                       "test"} and sizes.max() / len(
        table) > 0.6, "no split by linked groups can be even"
    here, there = (set(table.loc[table["published"] == name, "song"]) for name in ("val", "test"))
    assert here <= there


# --- the published collections --------------------------------------------------------------------

PAPER = DataConfig(n_pairs=60, clip_seconds=1.0, n_views=2, image_side=32)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """IMEMNet and MELBench in their publishers' layouts; one picture of IMEMNet is damaged."""
    root = tmp_path_factory.mktemp("collections")
    items = [factors.draw(replicas.SEED, index) for index in range(replicas.N)]
    replicas.imemnet(root / "imemnet", items)
    replicas.melbench(root / "melbench", items)
    (root / "imemnet" / "images" / "COCO_train2014_000000000007.jpg").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.REAL_DATA_VARIABLE, str(root))
        patch.setattr(paths, "PROCESSED", tmp_path_factory.mktemp("processed"))
        yield root


@pytest.fixture(scope="module")
def source(there):
    return data.open_pairs(PAPER)


def test_published_pairs_are_half_imemnets_half_melbenchs_and_nothing_is_met_twice(source, there):
    table = source.table
    assert (table["source"] == "emotion-tagged").sum() == 30 and len(table) == 60
    for end in ("image", "audio", "audio_group"):
        assert (table.groupby(end)["split"].nunique() == 1).all(), end
    assert not data.check_leakage(table).findings
    of_imemnet = table[table["source"] == "emotion-tagged"]
    assert of_imemnet["image"].is_unique and set(of_imemnet["split"]) == set(data.FRACTIONS)
    assert not table["image"].str.contains("000000000007").any(), "a damaged picture is left out"
    assert (table["split"] == "train").mean() > 0.5, "small strata give each split a group first"


def test_the_published_lists_themselves_have_no_such_split(there):
    lists = pairs.read_imemnet(there / "imemnet")
    whole = data.linked_groups(lists["image"], lists["song"])
    once = lists.sort_values("score").drop_duplicates("image", keep="last")
    assert np.bincount(whole).max() > 0.5 * len(lists)
    assert np.bincount(data.linked_groups(once["image"], once["song"])).max() <= 3


def test_a_picture_keeps_its_best_clip_and_the_word_nearest_to_its_point(source, there):
    lists = pairs.read_imemnet(there / "imemnet")
    best = lists.groupby("image")["score"].max()
    points = pd.read_csv(there / "imemnet" / "image_va.csv").set_index("img")
    rows = source.table[source.table["source"] == "emotion-tagged"]
    for row in rows.itertuples():
        image, clip = Path(row.image).stem, Path(row.audio).stem
        listed = lists[(lists["image"] == image) & (lists["clip"] == clip)]
        assert listed["score"].max() == best[image] and row.audio_group.endswith(
            clip.split("-")[0])
        at = 2 * points.loc[image, ["valence", "arousal"]] - 1
        assert row.emotion == affect.emotion_word(*at)
        assert source.labels["valence"][row.Index] == pytest.approx(at["valence"])


def test_published_pictures_and_sounds_are_their_files(source, there):
    row = source.table.iloc[0]
    picture = source.pictures([row["image"]], 32)[0]
    assert (picture == images.load(there / row["image"], size=32)).all()
    sound, longer = (source.sounds([row["audio"]], seconds, 16_000)[0] for seconds in (1.0, 9.0))
    assert (sound == audio.load(there / row["audio"], seconds=1.0, sample_rate_hz=16_000)).all()
    assert len(longer) == 144_000 and (longer[-16_000:] == 0).all(), "zeros after its end"
    kept, others = source.twins(np.arange(60), 1.0, 16_000)
    assert set(kept) == set(np.flatnonzero(source.table["source"] == "emotion-tagged"))
    own = source.sounds(source.table["audio"].iloc[kept], 1.0, 16_000)
    assert others.shape == own.shape and not (own == others).all(1).any()


def test_what_training_never_met_is_found_in_both_collections(source, there):
    fresh = data.open_pairs(replace(PAPER, n_pairs=16), known=source.table)
    trained = source.table[source.table["split"] != "test"]
    for end in ("image", "audio", "audio_group"):
        assert not set(fresh.table[end]) & set(trained[end])
    assert (fresh.table["source"].value_counts() == 8).all()
    paintings = data.unmet_paintings(PAPER)
    assert not set(paintings["audio_group"]) & set(trained["audio_group"])
    assert paintings["emotion"].head(5).is_unique, "words by turns"


def test_published_pairs_become_material_with_a_guess_of_what_is_abstract(source, there):
    generator, clip = (pretrained.load(part, device="cpu") for part in ("musicgen", "image_text"))
    found = data.prepare(source, PAPER, generator, clip)
    assert found.vectors.shape == (60, 2, clip.width) and len(found.sounds) == len(found.codes)
    assert set(found.labels["style"]) == {"abstract", "figurative"}
    assert abs((found.labels["style"] == "abstract").mean() - 0.375) < 0.02
    assert found.words == tuple(found.labels["word"])


def test_without_points_imemnet_is_refused(there, monkeypatch):
    hidden = there / "imemnet" / "image_va.csv"
    kept = hidden.rename(hidden.with_suffix(".away"))
    try:
        with pytest.raises(KlangfarbeError, match="image_va"):
            data.open_pairs(PAPER)
    finally:
        kept.rename(hidden)


# --- memory maps ----------------------------------------------------------------------------------


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    calls = []

    def compute(rows):
        calls.append(list(rows))
        if len(calls) == 3:
            raise RuntimeError("killed")
        return rows[:, None] * np.ones(4)

    with pytest.raises(RuntimeError):
        memmaps.cached_rows(tmp_path / "killed", "x", 10, (4,), np.float32, compute, chunk=3)
    resumed = memmaps.cached_rows(tmp_path / "killed", "x", 10, (4,), np.float32, compute, chunk=3)
    assert calls[3:] == [[6, 7, 8],
                         [9]], "the chunk that was lost is computed again, what stands is not"
    whole = memmaps.cached_rows(tmp_path / "whole", "x", 10, (4,), np.float32,
                         lambda rows: rows[:, None] * np.ones(4), chunk=10)
    assert ((resumed == whole).all() and (tmp_path / "killed/x.npy").read_bytes()
            == (tmp_path / "whole/x.npy").read_bytes())


@given(st.integers(1, 17), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_two_workers_write_what_one_writes(n, chunk, workers):
    calls = []

    def compute(rows):
        calls.append(len(rows))
        return rows[:, None] * np.ones(3)

    with tempfile.TemporaryDirectory() as folder:
        made = np.array(memmaps.cached_rows(Path(folder), "x", n, (3,), np.float32, compute,
                                            chunk=chunk, workers=workers))
    assert (made == np.arange(n)[:, None]).all() and sum(calls) == n and len(calls) == -(-n
                                                                                         // chunk)


def test_rows_that_are_wrong_are_refused_and_leave_no_mark(tmp_path):
    with pytest.raises(KlangfarbeError, match="finite x"):
        memmaps.cached_rows(tmp_path, "x", 4, (2,), np.float32,
                     lambda rows: np.full((len(rows), 2), np.nan))
    with pytest.raises(KlangfarbeError, match="finite x"):
        memmaps.cached_rows(tmp_path, "x", 4, (2,), np.float32,
                            lambda rows: np.zeros((len(rows), 3)))
    assert (memmaps.cached_rows(tmp_path, "x", 4, (2,), np.float32,
                                lambda rows: np.ones((len(rows), 2))) == 1).all()
    with pytest.raises(KlangfarbeError, match="delete that folder"):
        memmaps.cached_rows(tmp_path, "x", 5, (2,), np.float32,
                            lambda rows: np.ones((len(rows), 2)))
