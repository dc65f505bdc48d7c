"""What was changed since it was published, by whatever: one clear line with the file, no traceback,
no hang, no memory beyond the file's own size. ``python -m lib fuzz`` is the long form.
"""

import contextlib
import json
import sys

import fuzz
import mutations
import numpy as np
import pandas as pd
import pytest
import test_collections
from rehearsal import networks

from lib import pretrained
from lib.cli import main
from lib.core.errors import KlangfarbeError
from lib.data import registry, splits
from lib.systems import art2music, bridging, mapping, music2image, score, stored

# changes of each of a kind's files or folders
FEW = {"sounds": 8, "pictures": 8, "scores": 8, "tables": 4, "manifests": 20, "results": 40,
       "studies": 40, "trained": 6, "checkpoints": 60, "hub_folders": 4}


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_what_was_changed_is_read_or_told(kind, tmp_path, monkeypatch):
    if kind == "sounds":
        monkeypatch.setattr(music2image.generate, "load", music2image.generate.load)
    (tmp_path / kind).mkdir()
    for subject in fuzz.KINDS[kind](tmp_path / kind):
        found = subject.campaign(FEW[kind])
        assert not found.faults and found.read + found.refused == FEW[kind], subject.name


def _spins(_):
    while True:
        pass


def _says(words):
    def read(path):
        raise KlangfarbeError("a file", words.format(path), "mend it")
    return read


@pytest.mark.parametrize(("read", "fault"), [
    (lambda path: {}["x"], "KeyError"), (_spins, "HANG"), (_says("it"), "unclear"),
    (_says("{}: MemoryError"), "a giant"), (_says("{}: two\nlines"), "unclear"),
    (_says("{}: cut short"), None), (lambda path: None, None)])
def test_a_campaign_finds_what_it_looks_for(read, fault, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("word\nsad\n")
    monkeypatch.setattr(mutations, "LONGEST_S", 0.2)
    whole = (tmp_path / "a.csv").read_bytes()
    found = mutations.campaign(
        tmp_path, lambda path: None if path.read_bytes() == whole else read(path), 2)
    assert [fault in one for one in found.faults] == [True, True] if fault else not found.faults
    assert (tmp_path / "a.csv").read_bytes() == whole, "put back"


@pytest.mark.parametrize(("code", "writes", "right"), [
    (0, True, True), (2, False, True), (0, False, False), (2, True, False), (1, False, False)])
def test_a_wrong_exit_code_and_half_a_result_are_found(code, writes, right, tmp_path, monkeypatch):
    def main(words):
        if writes:
            (tmp_path / "out").write_text("made")
        print("klangfarbe: expected a; got b; do c", file=sys.stderr)
        return code
    monkeypatch.setattr("lib.cli.main", main)
    expected = AssertionError if not right else fuzz.Refused if code else None
    with pytest.raises(expected) if expected else contextlib.nullcontext():
        fuzz.command(["paint"], tmp_path / "out")


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file", "change"), [
    ("clip", "config.json", lambda c: c["text_config"].update(vocab_size=10**6)),
    ("clip", "config.json", lambda c: c["text_config"].update(num_hidden_layers=10**6)),
    ("clip", "config.json", lambda c: c["vision_config"].update(hidden_size=2**19)),
    ("clip", "config.json", lambda c: c.update(num_labels=10**12)),
    ("clap", "preprocessor_config.json", lambda c: c.update(feature_size=2**19)),
    ("clip", "preprocessor_config.json", lambda c: c["size"].update(shortest_edge=2**19)),
    ("vggish", "config.json", lambda c: c.update(hidden=2**20)),
    ("falcon", "config.json", lambda c: c.update(vocab_size=2**40, hidden_size=-16))])
def test_a_giant_is_refused_before_it_is_built(name, file, change, tmp_path):
    getattr(networks, name)(tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / file).read_text())
    change(config)
    (tmp_path / "folder" / file).write_text(json.dumps(config))
    with mutations.little_room(), pytest.raises(KlangfarbeError) as error:
        pretrained.load(fuzz.PUBLISHED[name], tmp_path / "folder", device="cpu")
    said = str(error.value)
    assert str(tmp_path / "folder") in said and " up to " in said or "far larger" in said
    assert "allocate" not in said and "MemoryError" not in said


def test_a_bank_of_filters_has_a_size_too(tmp_path):
    folder = fuzz.copied("codec", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for name, value in (("n_pitches", 22_050), ("long_fft", 2**17)):
        (folder / "config.json").write_text(json.dumps(config | {name: value}))
        with pytest.raises(KlangfarbeError, match=f"{name}.* up to "):
            pretrained.load("codec", folder, device="cpu")


def test_settings_keep_their_types():
    config = stored.make_config(bridging.config.ClassifierConfig, {"width": 8, "unknown": 1})
    assert config.width == 8
    for width in ("wide", None, 2**30):
        with pytest.raises(ValueError, match="width"):
            stored.make_config(bridging.config.ClassifierConfig, {"width": width})


def test_a_changed_checkpoint_says_what_to_delete(tmp_path):
    (tmp_path / "it").mkdir()
    subject, = fuzz.checkpoints(tmp_path / "it")
    subject.read(tmp_path)
    state, = subject.folder.glob("m.*.json")
    state.write_text(state.read_text().replace('"step": 3', '"step": 4'))
    with pytest.raises(KlangfarbeError, match="changed since; delete the files"):
        subject.read(tmp_path)


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file", "old", "new", "said"), [
    ("pmemo", "PMEmo2019/annotations/static_annotations.csv", "5,1,0", "5,loud,0",
     r"column Arousal\(mean\) of .*static_annotations.csv; got 'loud' in row 2"),
    ("emomusic", "annotations/static_annotations.csv", "3,9,1,1", ",9,1,1",
     "column song_id of .*static_annotations.csv; got nan in row 2"),
    ("oasis", "OASIS.csv", "7,0.8", "inf,0.8", "column Valence_mean of .*; got inf in row 2"),
    ("emotify", "data.csv", "electronic,0", "electronic,x", "column amazement of .*'x' in row 3")])
def test_a_wrong_cell_is_told_with_row_and_column(name, file, old, new, said, tmp_path):
    getattr(test_collections, f"make_{name}")(tmp_path)
    text = (tmp_path / file).read_bytes().decode()
    assert old in text
    (tmp_path / file).write_bytes(text.replace(old, new).encode())
    with pytest.raises(KlangfarbeError, match=said):
        registry.COLLECTIONS[name].manifest(tmp_path)


@pytest.mark.parametrize(("groups", "row"), [
    (["a", "b", np.nan, "c"], "nan in row 2"), (["a", None, "c", "c"], "None in row 1"),
    ([1, "1", 2, 3], "'1' in row 1"), ([1.0, np.nan, 2.0, 3.0], "1.0 in row 0"),
    ([pd.NA, "a", "b", "c"], "<NA> in row 0"), ([["a"], "b", "c", "d"], r"\['a'\] in row 0")])
def test_groups_that_are_missing_or_of_two_kinds_are_refused(groups, row):
    for deal in (lambda: splits.folds(groups, 2), lambda: splits.by_group(groups, {"train": 1.0}),
                 lambda: splits.linked_groups(groups, "wxyz")):
        with pytest.raises(KlangfarbeError, match=row):
            deal()
    splits.folds(np.array([1, 2, 3]), 2)
    splits.folds(pd.Series(["a", "b"], dtype="string"), 2)


# --- what is called and typed ---------------------------------------------------------------------

NO_PAINTINGS = ([], "sad", None, 5, ["sad"], [None], [np.zeros((8, 8), np.uint8)], {"a": 1},
                [np.zeros((8, 8, 3))], [np.zeros((0, 8, 3), np.uint8)], b"sad")


@pytest.mark.parametrize("given", NO_PAINTINGS, ids=repr)
@pytest.mark.parametrize("system", [bridging, mapping, art2music])
def test_what_is_no_painting_becomes_no_music(system, given):
    models = bridging.generate.Models(*[None] * 5, bridging.config.get_config("mini"), False) \
        if system is bridging else _side_alone(system.generate.Models)
    with pytest.raises(KlangfarbeError, match="paintings? uint8|pictures uint8"):
        system.generate.generate_batch(given, models, seconds=8.0)
    with pytest.raises(KlangfarbeError, match="pictures uint8"):
        system.generate.generate(given, models, seconds=8.0)
    with pytest.raises(KlangfarbeError, match="a duration"):
        system.generate.generate_batch([np.zeros((8, 8, 3), np.uint8)], models, seconds="long")


def _side_alone(kind):
    return kind(**dict.fromkeys(kind._fields) | {"side": 64})


@pytest.mark.parametrize("given", NO_PAINTINGS, ids=repr)
def test_no_piece_is_composed_and_no_picture_painted_for_it(given):
    with pytest.raises(KlangfarbeError, match="pictures uint8"):
        score.generate(given, None)
    with pytest.raises(KlangfarbeError, match="sound"):
        music2image.generate.generate(given, (None, None, None))


@pytest.mark.parametrize("texts", [[], "sad", None, 5, [1], [None], {}], ids=repr)
def test_musicgen_wants_a_list_of_texts(texts):
    with pytest.raises(KlangfarbeError, match="a list of texts"):
        pretrained.load("musicgen", device="cpu").generate(texts)


@pytest.mark.parametrize("comments", ["calm", [5], ["calm", "loud"], [b"calm"]])
def test_a_comment_is_text_and_there_is_one_a_painting(comments):
    with pytest.raises(KlangfarbeError, match="comment"):
        art2music.generate.generate_batch([np.zeros((8, 8, 3), np.uint8)], _side_alone(
            art2music.generate.Models), comments, seconds=8.0)


@pytest.mark.parametrize("engine", ['"x', "it's", "'", "a 'b\\"])
def test_an_open_quotation_mark_is_told(engine, capsys):
    assert main(["run", "--engine", engine]) == 2
    said = capsys.readouterr().err
    assert "quotation mark" in said and len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"cells": [{"cell_type"'])
def test_a_notebook_that_is_none_is_told(content, tmp_path, capsys, monkeypatch):
    for name in ("OMP_NUM_THREADS", "KLANGFARBE_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")  # what execute sets goes with the test
    source = tmp_path / "lesson.ipynb"
    if content is not None:
        source.write_bytes(content)
    assert main(["execute", str(source), str(tmp_path / "out.ipynb")]) == 2
    assert str(source) in capsys.readouterr().err and not (tmp_path / "out.ipynb").exists()
