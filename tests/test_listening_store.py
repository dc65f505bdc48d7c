"""Answers on disk: nothing lost to a crash but a last line, nothing to a second writer, nothing
kept after deletion.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.studies.listening import questions, store
from lib.studies.listening.questions import Row


def row(trial=0, rater="abc123", **changed):
    answers = {"quality": 3, "novelty": 0, "aesthetics": 5, "relationship": 2, "ovl": 64,
               "rel": 100}
    return Row(**{"study": "s1", "rater": rater, "trial": trial, "kind": "rate",
                  "code": f"code{trial}", **answers, "plays": 1, "heard": True, "seconds": 12.5,
                  "at": "2026-01-01T00:00:00+00:00"} | changed)


def test_what_was_appended_is_read(tmp_path):
    written = [row(k) for k in range(5)] + [row(5, kind="compare", better="left", fitting="right",
                                                **dict.fromkeys(questions.NAMES))]
    for one in written:
        store.append(tmp_path, one)
    found = store.read(tmp_path)
    assert list(found.columns) == list(questions.FIELDS) and found.attrs["faults"] == []
    for one, (_, got) in zip(written, found.iterrows(), strict=True):
        assert {k: v for k, v in asdict(one).items() if v is not None} == got.dropna().to_dict()
    assert store.answered(tmp_path, "abc123",
                          "s1") == set(range(6)) and store.answered(tmp_path, "abc123",
                                                                    "s2") == set()


def test_no_listener_is_a_table_without_rows(tmp_path):
    assert len(store.read(tmp_path)) == len(store.read(tmp_path / "absent")) == 0
    assert store.answered(tmp_path, "nobody", "s1") == set()


def test_cut_at_every_byte_at_most_the_last_answer_is_lost_and_the_next_one_is_not(tmp_path):
    for trial in range(3):
        store.append(tmp_path, row(trial))
    path = tmp_path / "abc123.jsonl"
    content = path.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(content) if byte == 10)]
    for size in range(starts[1], len(content) + 1):
        path.write_bytes(content[:size])
        # a line without its newline is whole, too
        whole = sum(size >= end - 1 for end in starts[1:])
        assert store.answered(tmp_path, "abc123", "s1") == set(range(whole)), size
    for size in (starts[2] + 1, len(content) - 2, len(content) - 1, len(content)):
        path.write_bytes(content[:size])
        store.append(tmp_path, row(7))
        found = store.read(tmp_path)
        torn = size < len(content) - 1
        assert found["trial"].tolist() == ([0, 1, 7] if torn else [0, 1, 2, 7])
        assert len(found.attrs["faults"]) == int(torn)


@pytest.mark.parametrize("garbage",
                         [b"\x00\x00\x00\n", b"{}\n", b"[1, 2]\n", b"\xff\xfe{\n",
                          b'{"study": "s1"}\n', b"null\n"])
def test_a_damaged_line_is_told_and_spoils_no_other(tmp_path, garbage):
    store.append(tmp_path, row(0))
    with open(tmp_path / "abc123.jsonl", "ab") as file:
        file.write(garbage)
    store.append(tmp_path, row(1))
    found = store.read(tmp_path)
    assert found["trial"].tolist() == [0, 1] and "line 2 is not whole" in found.attrs["faults"][0]


def test_a_copied_line_of_another_listener_and_a_page_answered_twice_do_not_count(tmp_path):
    store.append(tmp_path, row(0))
    with open(tmp_path / "abc123.jsonl", "ab") as file:
        file.write(json.dumps(asdict(row(0, ovl=1))).encode() + b"\n")
        file.write(json.dumps(asdict(row(1, rater="other1"))).encode() + b"\n")
    found = store.read(tmp_path)
    assert found[["trial", "ovl"]].to_numpy().tolist() == [[0,
                                                            64]] and len(found.attrs["faults"]) == 2


def _many(folder, rater, first, n):
    for trial in range(first, first + n):
        store.append(folder, row(trial, rater=rater))


def test_writers_at_once_lose_nothing(tmp_path):
    """Four processes: two windows of one listener, and two other listeners."""
    context = multiprocessing.get_context("fork")
    jobs = [("same", 0), ("same", 100), ("first", 0), ("second", 0)]
    writers = [context.Process(target=_many, args=(tmp_path, rater, first, 25)) for rater,
               first in jobs]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = store.read(tmp_path)
    assert found.attrs["faults"] == [] and found.groupby("rater").size().to_dict() == {"first": 25,
                                                                                       "same": 50,
                                                                                       "second": 25}
    assert [writer.exitcode for writer in writers] == [0] * 4


def test_a_killed_writer_leaves_only_whole_answers_and_no_lock(tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(paths.ROOT / "tests")!r})
from test_listening_store import _many
from pathlib import Path
print("begun", flush=True)
_many(Path({str(tmp_path)!r}), "victim", 0, 10**6)
"""
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE,
                              env={**os.environ, "PYTHONPATH": str(paths.ROOT)})
    writer.stdout.readline()
    while not len(store.read(tmp_path)):
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    before = store.read(tmp_path)
    assert before["trial"].tolist() == list(range(len(before))) and len(before.attrs["faults"]) <= 1
    store.append(tmp_path, row(10**6, rater="victim"))
    assert store.read(tmp_path)["trial"].tolist() == [*before["trial"], 10**6]


def test_a_disk_that_fills_in_the_middle_of_a_line_costs_that_line_only(tmp_path, monkeypatch):
    store.append(tmp_path, row(0))
    write = os.write

    def half(handle, data):
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(store.os, "write", half)
    with pytest.raises(KlangfarbeError, match="No space left on device"):
        store.append(tmp_path, row(1))
    monkeypatch.undo()
    store.append(tmp_path, row(1, ovl=1))
    found = store.read(tmp_path)
    assert found[["trial", "ovl"]].to_numpy().tolist() == [[0, 64],
                                                           [1,
                                                            1]] and len(found.attrs["faults"]) == 1


def test_deletion_leaves_a_number_and_a_day(tmp_path):
    _many(tmp_path, "abc123", 0, 3)
    _many(tmp_path, "other1", 0, 2)
    assert store.delete(tmp_path, "abc123") == 3 and store.delete(tmp_path, "abc123") == 0
    assert store.read(tmp_path)["rater"].unique().tolist() == ["other1"]
    left = b"".join(p.read_bytes() for p in tmp_path.iterdir() if "other1" not in p.name)
    assert b"abc123" not in left and b"code0" not in left
    assert set(json.loads((tmp_path / store.WITHDRAWN).read_text())) == {"answers", "day"}


@pytest.mark.parametrize("rater", ["", "ab", "../up", "a/b", "A", "a b", "x" * 41, "withdrawn",
                                   "-ab", "abc\n", None])
def test_what_is_no_code_is_no_file(tmp_path, rater):
    for call in (store.check_code, lambda r: store.delete(tmp_path, r),
                 lambda r: store.answered(tmp_path, r, "s1")):
        with pytest.raises(KlangfarbeError, match="listener's code"):
            call(rater)


@pytest.mark.parametrize(
    "changed",
    [{"quality": 6}, {"quality": -1}, {"quality": 2.5}, {"quality": None}, {"quality": True},
     {"ovl": 101}, {"rel": None}, {"kind": "guess"}, {"better": "left"}, {"trial": -1},
     {"trial": 1.0}, {"heard": 1}, {"rater": ""}, {"code": ""}, {"seconds": -1},
     {"kind": "compare"}, {"kind": "compare", **dict.fromkeys(questions.NAMES), "better": "left",
                           "fitting": "both"}, {"simulated": "no"},],
)
def test_no_half_answer_is_a_row(changed):
    with pytest.raises(ValueError, match="a whole answer|validation error"):
        row(**changed)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KlangfarbeError, match="to write in"):
        store.append(tmp_path / "file", row())


# --- the questions, letter by letter


def test_the_questions_are_the_texts_own():
    asked = {q.name: q for q in questions.QUESTIONS}
    assert (asked["quality"].text
            == "Do you think the sound sample has good audio quality, clarity, and fidelity?")
    assert (asked["novelty"].text
            == "Do you consider the sound sample to be novel and creatively interesting?")
    assert asked["aesthetics"].text == "How much did you enjoy listening to the sound sample?"
    assert asked["relationship"].text == (
        "Do you relate the sound sample to the image shown? Does the music reflect the mood, "
        "objects, or " "context of the image?")
    assert asked["ovl"].text == ("A score from 0 to 100 reflecting the general audio quality, "
                                 "including aspects such as clarity, richness, "
                                 "absence of artifacts, and overall pleasantness.")
    assert asked["rel"].text == (
        "A score from 0 to 100 indicating how well the music matches the input image’s mood, "
        "theme, and content, " "evaluating semantic coherence and emotional alignment.")
    assert [q.high for q in questions.QUESTIONS] == [5] * 4 + [100] * 2
    assert questions.LIKERT_ENDS == {0: "Strongly Disagree", 5: "Strongly Agree"}


def test_consent_says_what_how_long_what_is_stored_and_how_to_stop():
    text = questions.consent(23, 14)
    for words in ("23 pages, about 14 minutes", "What is stored", "No name", "random code",
                  "You may stop", "delete my answers", "without a reason",
                  "may be silent"):
        assert words in text
