"""System 1's published data: both collections in their publishers' layouts become pairs, segments
and one step of training.
"""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pretty_midi
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_bridging_data import leaking_share
from test_bridging_train_musicgen import random_start
from test_mirex import make_mirex

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage, registry
from lib.data.atelier import factors, paint, render
from lib.signal import affect, images
from lib.systems.bridging import config as settings
from lib.systems.bridging import data as pairs
from lib.systems.bridging import evaluate, train_musicgen

NAMES = list(affect.WIKIART_POINTS)
LEADING = {"happy": "happiness", "fun": "surprise", "angry": "anger", "sad": "sadness",
           "neutral": "neutral"}
ADJECTIVE = {"happy": (2, "Cheerful"), "fun": (4, "Silly"), "angry": (5, "Agressive"),
             "sad": (3, "Wistful"), "neutral": (3, "Literate")}
WORDS = list(affect.EMOTION_POINTS)
N_SONGS, N_PAINTINGS, LENGTH = 5, 12, 1.25
CONFIG = settings.DataConfig(n_paintings=50, segment_seconds=LENGTH)


def make_paintings(root, n=N_PAINTINGS):
    """WikiArt-Emotions' table and pictures: `n` of each word by n / 2 painters; one picture is
    missing, one damaged; one has no word.
    """
    rng, lines = np.random.default_rng(0), []
    for word, emotion in LEADING.items():
        for i in range(n):
            shares = dict.fromkeys(NAMES, 0.1) | {emotion: 0.5 + 0.04 * i}
            lines.append({"ID": f"{word}{i}", "Artist": f"{word} painter {i // 2}",
                          "Title": f"{word} {i}", "Is painting": "yes"}
                         | {f"{seen}: {name}": share for seen in ("Art (image+title)", "ImageOnly")
                            for name, share in shares.items()})
            picture = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
            artefacts.write(root / "images" / f"{word}{i}.png", picture)
    lines.append(lines[0] | {"ID": "dull", f"Art (image+title): {LEADING['happy']}": 0.2})
    artefacts.write(root / "images" / "dull.png", picture)
    pd.DataFrame(lines).to_csv(root / "WikiArt-Emotions-All.tsv", sep="\t", index=False)
    (root / "images" / "sad0.png").unlink()
    (root / "images" / "fun7.png").write_bytes(b"not a picture")


def make_music(root):
    """MIREX's layout with real scores of 3 s: `N_SONGS` of each word by four artists; song 2 is
    damaged, song 6 lasts 0.2 s.
    """
    songs = [(f"Cluster {ADJECTIVE[word][0]}", ADJECTIVE[word][1], f"{word} band {i % 4}")
             for i in range(N_SONGS) for word in WORDS]
    inner = make_mirex(root, [*songs, ("Cluster 5", "Fiery", "nobody")],
                       scores=range(1, len(songs) + 1))
    for number in range(1, len(songs) + 1):
        score, piano = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
        ends = 0.2 if number == 6 else 2.9
        piano.notes = [pretty_midi.Note(90, 48 + number, t, min(t + 0.5, ends))
                       for t in np.arange(0, ends, 0.5)]
        score.instruments.append(piano)
        score.write(str(inner / "MIDIs" / f"{number:03d}.mid"))
    (inner / "MIDIs" / "002.mid").write_bytes(b"MThd and nothing else")
    return inner


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("collections")
    (root / "wikiart_emotions").mkdir()
    make_paintings(root / "wikiart_emotions")
    make_music(root / "mirex")
    return root


@pytest.fixture(scope="module")
def data(folders, tmp_path_factory):
    return pairs.load_published(folders / "wikiart_emotions", folders / "mirex", CONFIG,
                       tmp_path_factory.mktemp("work"))


# --- the paired set -------------------------------------------------------------------------------


def test_two_folders_become_pairs_of_one_word(data):
    assert len(data.table.columns) == 9
    for side, source in (("painting", data.paintings), ("piece", data.pieces)):
        assert (data.table[side].map(source.set_index(side)["emotion"])
                == data.table["emotion"]).all()
    assert data.table["painting"].is_unique and data.table["segment"].is_unique and set(
        data.table["emotion"]) == set(WORDS)
    assert len(data.table) == len(
        data.paintings) == 50, "as many paintings as asked for, each with a segment"
    words = dict(zip(data.pieces["adjective"], data.pieces["emotion"]))
    assert words == {"cheerful": "happy", "silly": "fun", "aggressive": "angry", "wistful": "sad",
                     "literate": "neutral"}


def test_what_is_damaged_missing_or_short_is_named_and_ends_nothing(data):
    why = data.rejects.set_index("item")["reason"]
    assert list(why.index) == ["wikiart-fun7", "mirex-002",
                               "mirex-006"] and not data.rejects.isna().any().any()
    assert "no picture format" in why["wikiart-fun7"] and why[
        "mirex-002"] and "shorter than a segment" in why["mirex-006"]
    assert set(data.rejects["item"]).isdisjoint(data.table["painting"]) and set(
        data.rejects["item"]).isdisjoint(data.table["piece"])
    assert "wikiart-sad0" not in set(data.paintings["painting"]) and "wikiart-dull" not in set(
        data.paintings["painting"])
    assert len(data.pieces) == 5 * N_SONGS - 2


def test_segments_are_what_was_rendered(data, folders):
    row = data.table[data.table["start_s"] == LENGTH].iloc[:1]
    whole = render.render(render.read_midi(
        folders / "mirex" / "dataset" / "MIDIs" / f"{row['piece'].iloc[0][-3:]}.mid"),
        sample_rate_hz=32_000)
    (clip,) = data.clips(row, 32_000)
    assert clip.dtype == np.float32 and np.abs(clip
                                               - whole[40_000:80_000]).max() < 2e-5 and np.abs(
        clip).max() > 0.01
    (slow,) = data.clips(row, 22_050)
    assert slow.shape == (round(LENGTH * 22_050),) and abs(np.square(slow).mean()
                                                           / np.square(clip).mean() - 1) < 0.05


def test_pictures_come_in_the_order_asked_for(data, folders):
    names = data.paintings["painting"].tolist()[:3]
    seen = data.pictures(names[::-1], 10)
    assert seen.shape == (3, 10, 10, 3) and seen.dtype == np.uint8
    np.testing.assert_array_equal(seen[2],
                                  images.load(folders / "wikiart_emotions"
                                              / data.paintings["path"].iloc[0], size=10))
    assert data.pictures([], 10).shape == (0, 10, 10, 3)


@pytest.fixture
def no_atelier(monkeypatch):
    """Nothing may be painted or composed."""

    def refuse(*_, **__):
        raise AssertionError("an item of the atelier")

    for module, name in ((factors, "draw"), (paint, "paint"), (paint, "pictures"),
                         (render, "sounds"), (render, "render_items")):
        monkeypatch.setattr(module, name, refuse)


def test_what_is_held_out_is_of_the_collections_and_not_trained_on(data, no_atelier):
    found = pairs.held_out(data, 100, 6000, of_each=True)
    n = len(found.table) // 5
    assert found.table["emotion"].tolist() == WORDS * n and n >= 1
    trained = data.table[data.table["split"] == "train"]
    assert not set(found.table["painting"]) & set(trained["painting"])
    assert not set(found.table["segment"]) & set(trained["segment"])
    words = data.pieces.set_index("piece").loc[found.table["piece"], "adjective"]
    assert all(text.startswith(f"{word} music") for text, word
               in zip(found.table["description"], words))
    np.testing.assert_array_equal(found.pictures(2), data.pictures(found.table["painting"][:2],
                                                                   data.side))
    sounds = found.sounds(0.5, 32_000)
    assert sounds.shape == (5 * n, 16_000) and sounds.dtype == np.float32
    np.testing.assert_array_equal(sounds[1], data.clips(found.table, 32_000)[1][:16_000])
    assert len(pairs.held_out(data, 100, 0).table) == (data.table["split"] != "train").sum()
    assert len(pairs.held_out(data, 3, 0).table) == 3


def test_the_classifier_sees_the_pairs_paintings_in_their_split(data, no_atelier):
    config = settings.ClassifierConfig(backbone="small", width=24, n_paintings=1200)
    pictures, table = pairs.classifier_paintings(data, config)
    assert pictures.shape == (len(data.table), 56, 56, 3) and set(table["source"]) == {
        "wikiart_emotions"}
    own = data.table.set_index("painting").loc[table["item_id"]]
    for ours, theirs in (("split", "split"), ("emotion", "emotion"),
                         ("group_id", "painting_group")):
        assert table[ours].tolist() == own[theirs].tolist()
    np.testing.assert_array_equal(pictures[:2], data.pictures(table["item_id"][:2], 56))
    assert table[["valence", "arousal"]].notna().all().all()
    few, rows = pairs.classifier_paintings(data, replace(config, n_paintings=7))
    assert len(few) == len(rows) == 7


@pytest.fixture(scope="module")
def paired(data):
    """The same items paired so that each emotion has two pieces among those held out."""
    for seed in range(100):
        table = pairs.make_pairs(data.paintings, data.pieces, seed=seed, segment_seconds=LENGTH)
        if (table[table["split"] != "train"].groupby("emotion")["piece"].nunique() > 1).all():
            return data._replace(table=table)
    raise AssertionError("no seed does")


def test_the_published_test_set_is_the_test_pairs(paired, no_atelier, capsys):
    data = paired
    made = evaluate.make_test_set(1000, 0.5, 32_000, data)
    assert "accepted: group_in_two_splits" in capsys.readouterr().out
    test = data.table[data.table["split"] == "test"]
    assert sorted(made.table["painting"]) == sorted(test["painting"])
    own = test.set_index("painting").loc[made.table["painting"]]
    assert made.table["piece"].tolist() == own["piece"].tolist()
    assert (made.table["real"] != made.table["piece"]).all()
    of = data.pieces.set_index("piece")["emotion"]
    assert made.table["real"].map(of).tolist() == made.table["emotion"].tolist()
    held = data.table[data.table["split"] != "train"]
    assert set(made.table["real"]) <= set(held["piece"])
    assert made.pictures.shape == (len(test), 384, 384, 3)
    np.testing.assert_array_equal(made.reference[0], data.clips(made.table, 32_000)[0][:16_000])
    assert made.real.shape == made.reference.shape == (len(test), 16_000)
    assert len(evaluate.make_test_set(2, 0.5, 32_000, data).table) == 2


def test_a_test_pair_without_another_piece_of_its_emotion_is_refused(data):
    held = data.table["split"] != "train"
    alone = data.table.assign(piece=data.table["piece"].where(
        ~held, data.table.groupby("emotion")["piece"].transform("first")))
    with pytest.raises(KlangfarbeError, match="two pieces of every emotion"):
        evaluate.make_test_set(5, 0.5, 32_000, data._replace(table=alone))


@pytest.mark.parametrize("seed", range(3))
def test_the_published_way_leaks_and_the_corrected_one_does_not(data, seed, capsys):
    published, corrected = (pairs.make_pairs(data.paintings, data.pieces, how=how, seed=seed,
                                             segment_seconds=LENGTH) for how in settings.HOW)
    assert leaking_share(published) > 0.3, "a song has three segments, an artist two songs"
    leakage.assert_no_leakage(pairs.check_leakage(published), accepted=("group_in_two_splits",))
    assert "accepted" in capsys.readouterr().out
    assert not pairs.check_leakage(corrected).findings


def test_a_killed_run_goes_on_where_it_stood(folders, data, tmp_path, monkeypatch):
    own, calls = render.read_midi, []

    def killed(path):
        calls.append(path.name)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return own(path)

    monkeypatch.setattr(render, "read_midi", killed)
    arguments = (folders / "wikiart_emotions", folders / "mirex", CONFIG, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        pairs.load_published(*arguments)
    made = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert made == ["001.mid.flac", "003.mid.flac",
                    "004.mid.flac"], "whole files only; the damaged score left none"
    again = pairs.load_published(*arguments)
    assert len(calls) == 5 + 25 - 3 and again.table.equals(data.table) and again.rejects.equals(
        data.rejects)
    pairs.load_published(*arguments)
    assert calls[5 + 22 :] == ["002.mid"], "only the damaged one is tried again"


def test_one_step_of_model_4_on_published_pairs(data, tmp_path):
    start = random_start(tmp_path / "start")
    config = settings.MusicGenConfig(start="miniature", epochs=1, batch_size=4, warm_up=1,
                                   clip_seconds=1.0, learning_rate=3e-3)
    some = data.table[data.table["split"] == "train"].head(4)
    models = train_musicgen.build(config, start)
    before = torch.cat([p.detach().flatten()
                        for p in train_musicgen.trainable_parameters(models.network)]).clone()
    clips = data.clips(some, start.sample_rate_hz)
    curve = train_musicgen.train(models, clips, [f"a {word} piece" for word in some["emotion"]],
                                 replace(config, warm_up=0), store=tmp_path / "store",
                                 seed=0)
    after = torch.cat([p.detach().flatten()
                       for p in train_musicgen.trainable_parameters(models.network)])
    assert len(curve) == 1 and np.isfinite(curve[0]["loss"]) and curve[0][
        "loss"] > 1 and not torch.equal(before, after)


# --- which paintings ------------------------------------------------------------------------------


def rated(shares, words=None):
    return pd.DataFrame({"item_id": [f"w{i}" for i in range(len(shares))],
                         "emotion": words or ["sad"] * len(shares)}
                        | {word: [s[k] for s in shares] for k, word in enumerate(WORDS)})


@given(st.dictionaries(st.sampled_from(WORDS), st.integers(1, 50), min_size=1), st.integers(0, 200))
def test_the_words_are_shared_out_as_evenly_as_they_allow(there, n):
    words = [word for word, count in there.items() for _ in range(count)]
    chosen = pairs.select_paintings(rated([[0.5] * 5] * len(words), words), n, {})
    taken = dict.fromkeys(there, 0) | chosen["emotion"].value_counts().to_dict()
    assert sum(taken.values()) == min(n, sum(there.values()))
    assert all(taken[word] >= max(taken.values()) - 1 for word in there
               if taken[word] < there[word])


def test_the_surest_are_taken_and_luck_decides_between_equals():
    sad = WORDS.index("sad")

    def row(share, second=0.1):
        return [second if k == 0 else share if k == sad else 0.0 for k in range(5)]

    rows = rated([row(0.5), row(0.9), row(0.7, 0.6), row(0.7, 0.1)])
    best = pairs.select_paintings(rows, 2, {})["item_id"].tolist()
    assert best == ["w1", "w3"], "by share, then by lead, in the rows' own order"
    assert pairs.select_paintings(rows, 9, {})["share"].tolist() == [0.5, 0.9, 0.7, 0.7]
    assert pairs.select_paintings(rows, 4, {"sad": 1})["item_id"].tolist() == ["w1"]
    same = rated([row(0.8)] * 10)
    drawn = [tuple(pairs.select_paintings(same, 3, {}, seed)["item_id"]) for seed in range(20)]
    assert len(set(drawn)) > 10
    assert drawn[0] == tuple(pairs.select_paintings(same, 3, {}, seed=0)["item_id"])


# --- how a notebook reaches it


@pytest.fixture
def on_the_shelf(folders, own_results, monkeypatch):
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(folders))
    monkeypatch.setitem(settings.PROFILES, "paper", settings.Config(data=CONFIG))
    return folders


def test_paper_takes_the_published_folders(on_the_shelf, data, capsys):
    found = pairs.load_data("paper")
    assert found.table.equals(data.table) and found.side == 384
    assert "50 pairs of 50 paintings" in (
        said := capsys.readouterr().out) and "3 files set aside" in said
    assert (paths.PROCESSED / "bridging" / "published" / "sounds" / "001.mid.flac").is_file()


def test_collections_are_looked_for_where_the_readme_says(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RAW", folders)
    monkeypatch.delenv(paths.REAL_DATA_VARIABLE, raising=False)
    assert registry.find_folder(pairs.MUSIC) == folders / "mirex" and registry.find_folder(
        pairs.PAINTINGS, ("images",)) == folders / "wikiart_emotions"
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(tmp_path))
    (tmp_path / "wikiart_emotions").mkdir()
    with pytest.raises(KlangfarbeError, match="mirex/ in"):
        registry.find_folder(pairs.MUSIC)
    with pytest.raises(KlangfarbeError, match="wikiart_emotions/ with images/ or b/"):
        registry.find_folder(pairs.PAINTINGS, ("images", "b"))


# --- what is refused ------------------------------------------------------------------------------


def test_folders_without_scores_or_pictures_are_refused(folders, tmp_path):
    make_mirex(tmp_path / "mirex", scores=())
    with pytest.raises(KlangfarbeError, match="MIDI files"):
        pairs.render_pieces(tmp_path / "mirex", tmp_path / "sounds", shortest_s=1)
    (tmp_path / "mirex" / "dataset" / "MIDIs" / "001.mid").touch()
    pieces, rejects = pairs.render_pieces(tmp_path / "mirex", tmp_path / "sounds", shortest_s=1)
    assert not len(pieces) and rejects["file"].tolist() == ["001.mid"]
    (tmp_path / "WikiArt-Emotions-All.tsv").write_bytes((folders / "wikiart_emotions"
                                                         / "WikiArt-Emotions-All.tsv").read_bytes())
    with pytest.raises(KlangfarbeError, match="pictures of paintings"):
        pairs.intact_paintings(tmp_path, tmp_path / "work")


def test_an_emotion_on_one_side_only_is_refused(folders, tmp_path):
    file = folders / "wikiart_emotions" / "WikiArt-Emotions-All.tsv"
    table = pd.read_csv(file, sep="\t")
    table[~table["ID"].str.startswith("sad")].to_csv(tmp_path / file.name, sep="\t", index=False)
    os.symlink(folders / "wikiart_emotions" / "images", tmp_path / "images")
    with pytest.raises(KlangfarbeError, match="sad too"):
        pairs.load_published(tmp_path, folders / "mirex", CONFIG, tmp_path / "work")


# --- the real files -------------------------------------------------------------------------------


def counts(rows):
    return rows["emotion"].value_counts().to_dict()


@pytest.mark.real_data
def test_the_real_ratings_share_1200_out_and_leak_by_painter(real_data):
    rows = pairs.label_wikiart(real_data("wikiart_emotions"))
    rows = pairs.select_paintings(rows[rows["emotion"].notna()], 1200, {})
    assert counts(rows) == {"happy": 298, "fun": 298, "angry": 285, "sad": 190, "neutral": 129}
    least = rows.groupby("emotion")["share"].min()
    assert least["happy"] > least["angry"] >= 0.4, "a choice among more is surer"
    paintings = rows.rename(columns={"item_id": "painting", "artist": "painting_group"})
    pieces = pd.DataFrame([(f"m{i}", f"m{i}", WORDS[i % 5], 330.0) for i in range(150)],
                          columns=["piece", "piece_group", "emotion", "seconds"])
    published, corrected = (pairs.make_pairs(paintings, pieces, how=how) for how in settings.HOW)
    assert len(published) == 1200 and leaking_share(published, "painting_group") > 0.4
    assert not pairs.check_leakage(corrected).findings


@pytest.mark.real_data
def test_real_pictures_are_whole(real_data, tmp_path):
    rows, rejects = pairs.intact_paintings(real_data("wikiart_paintings"), tmp_path)
    assert counts(rows) == {"happy": 179, "fun": 4, "angry": 29, "sad": 16, "neutral": 14}
    assert not len(rejects)
