"""The shelf of real collections: what is found, what is counted, what is fetched (from a server of
our own), what the command says.
"""

import functools
import hashlib
import http.server
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.cli import main
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry

LIST = "7-1 sea 0.5\n7-2 sky 0.25\n8-1 sea 0.75\n"
OASIS = ("id,Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,"
         "Arousal_N,file\n"
         "I1,Acorns 1,Object,Pixabay,4,0.9,102,1,1.6,101,images/a.jpg\n"
         "I2,Acorns 2,Object,Pixabay,7,0.8,102,2.5,1.4,101,images/b.jpg\n"
         "I3,Lake 1,Scenery,Pixabay,5,0.8,102,4,1.4,101,\n")


@pytest.fixture
def shelf(own_results, monkeypatch):
    """An empty shelf; results, reference numbers and processed data in the test's own folder."""
    (own_results / "shelf").mkdir()
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(own_results / "shelf"))
    monkeypatch.setattr(paths, "REFERENCE", own_results / "reference")
    return own_results / "shelf"


@pytest.fixture
def oasis(shelf):
    (shelf / "oasis" / "images").mkdir(parents=True)
    (shelf / "oasis" / "OASIS.csv").write_text(OASIS)
    Image.new("RGB", (8, 8)).save(shelf / "oasis" / "images" / "a.jpg")
    (shelf / "oasis" / "images" / "b.jpg").write_bytes(b"no picture")
    return shelf / "oasis"


@pytest.fixture
def server(tmp_path):
    """(folder that is served, its address) on this machine alone."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                         functools.partial(Quiet, directory=folder)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()


def points(valence, arousal, source="x"):
    shared = {"modality": "audio", "source": source, "licence": "none"}
    return manifest.frame([{**shared, "item_id": f"{source}-{k:04d}", "group_id": f"{source}-{k}",
                            "valence": v, "arousal": a} for k,
                           (v, a) in enumerate(zip(valence, arousal, strict=True))])


# --- the rows ---


def test_every_row_has_what_a_reader_needs():
    for row in registry.COLLECTIONS.values():
        told = registry.instructions(row)
        assert row.url in told and row.folders[0] in told and "licence: " in told
        assert row.read.__name__ == row.name and row.read.__doc__ and row.licence
        assert all(len(sha256) == 64 and url.startswith("https://") for url, sha256 in row.files)
    looked_for = [folder for row in registry.COLLECTIONS.values() for folder in row.folders]
    assert len(looked_for) == len(set(looked_for)), "a folder that two rows claim"


def test_a_collection_in_two_folders_is_found_twice_and_under_two_names_once(shelf):
    row = registry.COLLECTIONS["emomusic"]
    assert registry.existing_folders(row) == []
    (shelf / "deam_audio_sample").mkdir()
    (shelf / "emomusic").mkdir()
    assert [place.name for place in registry.existing_folders(row)] == ["emomusic",
                                                                        "deam_audio_sample"]
    (shelf / "mirex").mkdir()
    (shelf / "MIREX-like_mood").symlink_to(shelf / "mirex")
    assert [place.name
            for place in registry.existing_folders(registry.COLLECTIONS["mirex"])] == ["mirex"]


# --- numbers ---


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_every_point_lies_in_one_slice_of_each_axis(drawn):
    found = registry.histograms("x", points(*zip(*drawn, strict=True)))
    assert len(found) == 40 and found.groupby("axis")["count"].sum().to_dict() == {
        "valence": len(drawn), "arousal": len(drawn)}
    assert found["low"].between(-1, 0.9).all()


def test_the_summary_is_what_numpy_says_and_the_checksum_follows_the_labels_alone():
    rng = np.random.default_rng(0)
    table = points(rng.uniform(-1, 1, 50), rng.uniform(-1, 1, 50))
    found = registry.summary(table)
    assert found["valence_mean"] == pytest.approx(table["valence"].mean())
    assert found["arousal_sd"] == pytest.approx(table["arousal"].std(ddof=0))
    assert found["correlation"] == pytest.approx(
        table["valence"].astype(float).corr(table["arousal"].astype(float)))
    assert (found["rows"], found["files"], found["points"], found["groups"]) == (50, 0, 50, 50)
    moved, relabelled = table.assign(path="elsewhere.wav"), table.copy()
    relabelled.loc[3, "valence"] += 0.001
    assert registry.summary(moved)["checksum"] == found["checksum"] != registry.summary(
        relabelled)["checksum"]
    empty = registry.summary(manifest.frame([]))
    assert empty["rows"] == 0 and np.isnan(empty["valence_mean"]) and not len(
        registry.histograms("x", manifest.frame([])))


def test_columns_that_stand_exchanged_are_told_from_columns_that_do_not():
    rng = np.random.default_rng(1)
    valence, arousal = rng.uniform(-1, 1, (2, 200))
    trusted, crossed = points(valence, arousal), points(arousal, valence, "y")
    found = registry.swapped_axes(crossed, trusted)
    assert found["songs"] == 200 and found["agree_crossed"] == 200 and found[
        "crossed"] == pytest.approx(1) and abs(found["straight"]) < 0.3
    straight = registry.swapped_axes(points(valence, arousal, "y"), trusted)
    assert straight["agree"] == 200 and straight["straight"] == pytest.approx(1) and straight[
        "crossed"] < 0.3
    assert registry.swapped_axes(points([0.1], [0.2]), trusted)["songs"] == 1


def test_planted_defects_are_counted(shelf):
    row = registry.COLLECTIONS["emotify"]
    table = points([0.5, -0.5, 0.5, -0.5, 0.5, -0.5, None], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, None])
    table = table.assign(group_id=["a", "a", *"bcdef"], split=["train", "test", *["train"] * 5],
                         caption=["x", "x", *"uvwyz"], sha256=["0" * 64] * 2 + [None] * 5,
                         path=["a.wav", "b.wav", *[None] * 5])
    assert (registry.defects(row, shelf, table)
            == ["5 of 7 rows have no file here",
                "1 of 7 rows have no point: join by name, never by position",
                "valence takes 2 values only: a side, not a place",
                "1 of 6 groups stand in two of the published splits",
                "2 of 7 rows share their caption with another",
                "2 files are byte for byte another row's"])
    sound = points(np.linspace(-1, 1, 7),
                   np.linspace(-1, 1, 7)).assign(path=[f"{k}.wav" for k in range(7)])
    assert registry.defects(row, shelf, sound) == []


def test_a_text_lacks_no_file(shelf):
    table = points(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7))
    text = registry.defects(registry.COLLECTIONS["emobank"], shelf, table.assign(modality="text"))
    assert text == []
    assert registry.defects(registry.COLLECTIONS["emobank"], shelf, table) == [
        "7 of 7 rows have no file here"]


def test_lists_that_share_their_songs_say_so(shelf):
    (shelf / "imemnet").mkdir()
    (shelf / "imemnet" / "val_matching.txt").write_text("7-1 sea 0.5\n7-2 sky 0.25\n")
    (shelf / "imemnet" / "test_matching.txt").write_text(LIST + "8-1 sea 0.75\n")
    row = registry.COLLECTIONS["imemnet"]
    found = registry.defects(row, shelf / "imemnet", row.manifest(shelf / "imemnet"))
    assert "val shares with test 2 of its 2 clips, 1 of its 1 songs, 2 of its 2 images" in found
    assert "1 pairs stand twice in their own list" in found


@pytest.mark.parametrize(("means", "deviations", "expected"),
                         [([2.0, 8.8], [0.1, 0.3], True), ([2.0, 8.8], [1.2, 0.9], False),
                          ([0.2, 0.9], [0.1, 0.3], False)])
def test_deviations_left_on_the_old_scale(means, deviations, expected):
    assert registry.spread_of_another_scale(np.array(means), np.array(deviations)) is expected


# --- the command ---


def test_an_empty_shelf_is_listed_and_cannot_be_checked(shelf, capsys):
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert (f"0 of {len(registry.COLLECTIONS)} there" in said
            and "missing (looked for mirex/" in said and str(shelf) in said)
    assert main(["data", "check"]) == 2 and "at least one collection" in capsys.readouterr().err
    assert main(["data", "check", "oasis"]) == 2 and "data fetch oasis" in capsys.readouterr().err
    with pytest.raises(KlangfarbeError, match="real collection"):
        registry.store_reference()


@pytest.mark.parametrize("words", [["guess"], ["check", "nothing"], ["fetch"],
                                   ["list", "oasis", "Oasis"]])
def test_faults_are_one_line_and_code_two(words, shelf, capsys):
    assert main(["data", *words]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("klangfarbe: expected ") and said.err.count(
        "\n") == 1 and not said.out


def test_check_counts_names_what_is_broken_and_knows_a_stored_checksum(oasis, capsys):
    assert main(["data", "check", "oasis"]) == 0
    said = capsys.readouterr().out
    assert ("3 rows, 2 groups, 2 files, 3 points" in said
            and "opened: 1 whole, 1 set aside\n    images/b.jpg: " in said)
    assert ("valence +0.00 … +1.00, mean +0.44" in said and "1 of 2 rows have no file here" in said
            and "no stored numbers for it" in said)
    registry.store_reference()
    capsys.readouterr()
    main(["data", "check", "oasis"])
    assert "as stored with this workbook" in capsys.readouterr().out
    (oasis / "OASIS.csv").write_text(OASIS.replace("Pixabay,7,", "Pixabay,6,"))
    main(["data", "check"])
    assert "no stored numbers for it" in capsys.readouterr().out
    (oasis / "OASIS.csv").write_text("a,b\n1,2\n")
    assert main(["data", "check"]) == 2 and "Theme" in capsys.readouterr().err
    main(["data", "list", "oasis"])
    assert "oasis in oasis: " in (said := capsys.readouterr().out) and "0 of 1 there" in said


def test_what_is_stored_holds_counts_and_no_item(oasis):
    registry.store_reference()
    counted, spread, defects = registry.load_reference()
    assert defects["defect"].tolist() == ["1 of 3 rows have no file here",
                                          "2 of 3 rows share their caption with another"]
    assert counted["collection"].tolist() == ["oasis"] and counted["rows"].tolist() == [
        3] and spread["count"].sum() == 6
    folder = paths.REFERENCE / registry.RUN
    written = "".join(file.read_text() for file in folder.iterdir())
    assert "Acorns" not in written and "images/" not in written and "Pixabay" not in written
    assert all((folder / f"{name}{artefacts.PROVENANCE_SUFFIX}").is_file()
               for name in registry.TABLES)


# --- fetching ---


def of_server(address, text):
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return replace(registry.COLLECTIONS["imemnet"],
                   files=((address + "test_matching.txt", checksum),))


def test_fetch_brings_what_has_a_known_checksum_and_the_steps_for_the_rest(shelf, server, capsys,
                                                                           monkeypatch):
    folder, address = server
    (folder / "test_matching.txt").write_text(LIST)
    monkeypatch.setitem(registry.COLLECTIONS, "imemnet", of_server(address, LIST))
    assert main(["data", "fetch", "imemnet"]) == 0
    assert (shelf / "imemnet" / "test_matching.txt").read_text() == LIST
    assert "checksum as known" in (
        said := capsys.readouterr().out) and "python -m lib data check imemnet" in said
    (folder / "test_matching.txt").unlink()
    assert main(["data", "fetch", "imemnet"]) == 0, "what is there is compared, not loaded again"
    assert main(["data", "check", "imemnet"]) == 0


def test_another_checksum_leaves_nothing_behind(shelf, server, monkeypatch):
    folder, address = server
    (folder / "test_matching.txt").write_text(LIST + "9-1 sun 1\n")
    with pytest.raises(KlangfarbeError, match="test_matching.txt from http"):
        registry.fetch(of_server(address, LIST))
    assert not list((shelf / "imemnet").iterdir())


def test_no_way_to_the_file_is_one_line(shelf, server, capsys, monkeypatch):
    monkeypatch.setitem(registry.COLLECTIONS, "imemnet", of_server(server[1], LIST))
    assert main(["data", "fetch", "imemnet"]) == 2
    assert (said := capsys.readouterr().err).count(
        "\n") == 1 and "by hand: <https://github.com/linkAmy/IMEMNet>" in said


def test_what_needs_a_form_is_told_in_steps(shelf, capsys):
    assert main(["data", "fetch", "mirex"]) == 0
    said = capsys.readouterr().out
    assert ("no part of it can be fetched for you" in said and str(shelf / "mirex") in said
            and "licence: Research use" in said)
    assert not list(shelf.iterdir()), "nothing is made where nothing is fetched"


# --- the real shelf ---


@pytest.mark.real_data
def test_the_stored_numbers_are_those_of_the_shelf(real_data):
    real_data("mer_annotations")
    counted, spread, defects, refused = registry.count_collections()
    kept, kept_spread, kept_defects = registry.load_reference()
    both = counted.merge(kept, on=["collection", "folder"], suffixes=("", "_kept"))
    assert len(both) >= 8 and not refused
    assert (both["checksum"] == both["checksum_kept"]).all() and (both["rows"]
                                                                  == both["rows_kept"]).all()
    assert set(defects["defect"]) <= set(kept_defects["defect"])
    assert (set(map(tuple, kept_spread.to_numpy().tolist()))
            >= set(map(tuple, spread[spread["collection"] == "deam"].to_numpy().tolist())))


@pytest.mark.real_data
def test_the_real_defects_are_found(real_data):
    said = {}
    for name in ("deam", "pmemo", "imemnet"):
        row = registry.COLLECTIONS[name]
        real_data("mer_annotations")
        said[name] = " · ".join(d for place in registry.existing_folders(row)
                                for d in registry.defects(row, place, row.manifest(place)))
    assert "of 744 songs shared with emoMusic 738 agree only when" in said[
        "deam"] and "rescaled to 1–9" in said["pmemo"]
    assert "90 of its 90 songs" in said["imemnet"]


def test_a_known_frame_of_nothing_is_still_a_table(shelf):
    counted, spread, _, refused = registry.count_collections()
    assert isinstance(counted,
                      pd.DataFrame) and not len(counted) and not len(
        spread) and refused == [] and registry.ACTIONS[0] == "list"
