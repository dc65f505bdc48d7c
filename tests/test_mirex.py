"""The MIREX-like mood dataset, on a replica in its publisher's layout, and our map from its
adjectives to system 1's words.
"""

import re

import numpy as np
import pytest

from lib.core.errors import KlangfarbeError
from lib.data import manifest
from lib.data.registry import COLLECTIONS
from lib.signal import affect

SONGS = [("Cluster 1", "Rousing", "Alma"), ("Cluster 2", "Amiable-good natured", "Bert"),
         ("Cluster 3", "Wistful", "Alma"), ("Cluster 4", "whimsical", ""),
         ("Cluster 5", "Agressive", "Carla"), ("Cluster 5", "Tense - Anxious", "Dora")]


def make_mirex(root, songs=SONGS, scores=(1, 3), clips=True):
    """As published: empty sounds and scores, for the adapter opens neither; the table is UTF-16
    with semicolons, one row is too long and another opens a quotation mark and never closes it.
    """
    inner = root / "dataset"
    for place in ("Audio", "MIDIs", "Lyrics"):
        (inner / place).mkdir(parents=True)
    for number in range(1, len(songs) + 1):
        if clips:
            (inner / "Audio" / f"{number:03d}.mp3").touch()
        if number in scores:
            (inner / "MIDIs" / f"{number:03d}.mid").touch()
    (inner / "clusters.txt").write_bytes("\r\n".join(cluster for cluster, *_ in songs).encode()
                                         + b"\r\n")
    (inner / "categories.txt").write_bytes("\r\n".join(mood for _, mood, _ in songs).encode()
                                           + b"\r\n")
    lines = ["Filename ; Title ; Artist ; Genre ;"]
    lines += [f"{n:03d}.mp3;A Song;{artist};Rock, Pop;" for n,
              (*_, artist) in enumerate(songs, start=1)]
    lines[2], lines[-1] = lines[2].replace("A Song",
                                           '"A Song'), lines[-1].replace("A Song", "A; Song")
    (inner / "dataset info.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    return inner


def rows(root):
    return COLLECTIONS["mirex"].manifest(root).set_index("item_id")


def test_a_song_has_its_clip_and_its_score_in_one_group(tmp_path):
    make_mirex(tmp_path)
    found = rows(tmp_path)
    assert list(found.index) == ["mirex-001-audio", "mirex-001-midi", "mirex-002-audio",
                                 "mirex-003-audio", "mirex-003-midi", "mirex-004-audio",
                                 "mirex-005-audio", "mirex-006-audio"]
    assert found.loc["mirex-003-midi", "path"] == "dataset/MIDIs/003.mid"
    assert found.loc["mirex-001-audio", "path"] == "dataset/Audio/001.mp3"
    assert found["emotion"].tolist() == ["rousing", "rousing", "amiable/good natured", "wistful",
                                         "wistful", "whimsical", "aggressive", "tense/anxious"]
    for row in found.itertuples():
        assert ((row.valence, row.arousal) == affect.MIREX_POINTS[row.emotion]
                and (tmp_path / row.path).is_file())
    groups = found["group_id"].to_dict()
    assert groups["mirex-001-audio"] == groups["mirex-003-midi"] == "artist:Alma" and groups[
        "mirex-004-audio"] == "mirex-004"
    assert groups[
        "mirex-006-audio"] == "mirex-006", "a row with a cell too many: its artist is not known"
    assert groups["mirex-002-audio"] == "mirex-002", (
        "nor one behind a quotation mark without end; the songs after it keep theirs")
    assert found.loc["mirex-005-audio",
                     "group_id"] == "artist:Carla" and found.loc["mirex-005-audio",
                                                                 "genre"] == "Rock, Pop"


@pytest.mark.parametrize("change", ["inner", "moved", "no clips", "no table", "other headings"])
def test_the_layouts_that_circulate_are_read(tmp_path, change):
    inner = make_mirex(tmp_path, clips=change != "no clips")
    root = inner if change == "inner" else tmp_path
    if change == "moved":  # as the publisher's scripts leave it
        for file in list((inner / "MIDIs").glob("*.mid")):
            place = inner / "MIDIs" / "Cluster 1" / "Rousing" / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            file.rename(place)
    if change == "no table":
        (inner / "dataset info.csv").unlink()
    if change == "other headings":
        (inner / "dataset info.csv").write_text("number,who\n001,Alma\n")
    found = rows(root)
    scores = found[found["modality"] == "midi"]
    assert len(found) == 8 and len(scores) == 2 and all((root / path).is_file()
                                                        for path in scores["path"])
    assert found.loc[found["modality"] == "audio", "path"].isna().all() == (change == "no clips")
    known = change not in ("no table", "other headings")
    assert found.loc["mirex-001-midi", "group_id"] == ("artist:Alma" if known else "mirex-001")


@pytest.mark.parametrize("n_scores", [193, 196])
def test_either_count_of_scores_is_taken(tmp_path, n_scores):
    songs = [("Cluster 1", "Rowdy", "")] * 903
    make_mirex(tmp_path, songs, scores=range(1, n_scores + 1))
    found = COLLECTIONS["mirex"].manifest(tmp_path)
    assert found["modality"].value_counts().to_dict() == {"audio": 903, "midi": n_scores}


def test_nothing_is_opened_but_the_tables(tmp_path, monkeypatch):
    """Files of no bytes are rows; opening them is the build's task, which sets them aside with a
    reason.
    """
    make_mirex(tmp_path)
    from lib.data.atelier import render

    def refuse(*_):
        raise AssertionError("a score was opened")

    monkeypatch.setattr(render, "read_midi", refuse)
    table = COLLECTIONS["mirex"].manifest(tmp_path)
    built = manifest.build(table, tmp_path / "out", root=tmp_path)
    assert len(table) == 8 and len(built.rejects) == 8 and not len(built.manifest)


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path):
    inner, name = make_mirex(tmp_path), "categories.txt"
    (inner / name).unlink()
    with pytest.raises(KlangfarbeError) as error:
        COLLECTIONS["mirex"].manifest(tmp_path)
    assert name in (line := str(error.value)) and "data fetch mirex" in line and "\n" not in line
    with pytest.raises(KlangfarbeError, match="no such folder"):
        COLLECTIONS["mirex"].manifest(tmp_path / "elsewhere")


@pytest.mark.parametrize(("change", "expected"), [
    (lambda m: m[:-1], "5 lines for 6 clips"), (lambda m: m + m[-1:], "7 lines for 6 clips"),
    (lambda m: [*m[:2], "Gloomy", *m[3:]], "'Gloomy' in line 3"),
    (lambda m: [*m[:2], "", *m[2:]], "'' in line 3"), (lambda m: [], "an empty file"),
])
def test_label_files_that_do_not_match_are_refused(tmp_path, change, expected):
    inner = make_mirex(tmp_path)
    (inner / "categories.txt").write_text("\n".join(change([mood for _, mood, _ in SONGS])))
    with pytest.raises(KlangfarbeError, match=re.escape(expected)):
        COLLECTIONS["mirex"].manifest(tmp_path)


# --- from adjectives to the five words ---


def test_every_adjective_has_a_point_and_every_word_an_adjective():
    assert (np.abs(list(affect.MIREX_POINTS.values())) <= 1).all()
    assert len(affect.MIREX_POINTS) == 29
    words = {affect.emotion_word(*point) for point in affect.MIREX_POINTS.values()}
    assert words == set(affect.EMOTION_POINTS)


@pytest.mark.parametrize(("adjective", "word"),
                         [("fun", "fun"), ("cheerful", "happy"), ("aggressive", "angry"),
                          ("brooding", "sad")])
def test_adjectives_that_name_a_word_get_it(adjective, word):
    assert affect.emotion_word(*affect.MIREX_POINTS[adjective]) == word


def test_no_adjective_hangs_on_a_hair():
    """Moving any point by .01 in any direction leaves its word."""
    for valence, arousal in affect.MIREX_POINTS.values():
        near = {affect.emotion_word(valence + a, arousal + b) for a in (-0.01, 0, 0.01)
                for b in (-0.01, 0, 0.01)}
        assert len(near) == 1
