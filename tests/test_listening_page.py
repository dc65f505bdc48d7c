"""A study laid out, and one listener's sitting as a machine of states."""

import io
import re
import threading

import numpy as np
import pytest
import soundfile

from lib.core.errors import KlangfarbeError
from lib.signal import audio
from lib.studies.listening import analysis, session, store, study
from lib.studies.listening.questions import NAMES, QUESTIONS

SECONDS = 0.6


def clips(n_items=6, systems=("first", "second")):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (n_items, 16, 16, 3)).astype(np.uint8)
    def sound():
        noise = 0.3 * rng.standard_normal(int(SECONDS * audio.SAMPLE_RATE_HZ))
        return noise.astype(np.float32)

    return [study.Clip(system, f"item{i}", pictures[i], sound()) for i in range(n_items)
            for system in systems]


@pytest.fixture
def small(tmp_path):
    odd = [(np.full((16, 16, 3), k, np.uint8), clips()[k].sound[::-1]) for k in range(2)]
    return study.lay_out(tmp_path / "study", clips(), n_raters=2, per_rater=3, n_pairs=1, wrong=odd)


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


def answer_all(sitting, value=3):
    if sitting.trial["kind"] == "compare":
        sitting.answer("better", "left")
        sitting.answer("fitting", "right")
    else:
        for question in QUESTIONS:
            sitting.answer(question.name, value if question.high == 5 else 10 * value)


def listen(sitting, clock):
    for side in sitting.sounds:
        sitting.play(side)
        clock.now += SECONDS


# --- the folder -----------------------------------------------------------------------------------


def test_a_study_holds_levelled_sounds_under_names_that_say_nothing(small):
    for name in small.trials["audio"].unique():
        sound, rate = soundfile.read(io.BytesIO(small.audio(name)))
        rms = np.sqrt(np.mean(sound**2))
        assert rate == audio.SAMPLE_RATE_HZ and (rms == 0 or 20 * np.log10(rms)
                                                 == pytest.approx(study.LEVEL_DBFS, abs=0.05))
        seconds = small.settings["seconds"][name]
        assert seconds == pytest.approx(SECONDS) == pytest.approx(len(sound) / rate)
    for file in small.folder.rglob("*"):
        assert not re.search("first|second|item|silence|wrong", file.name)
    assert ("first" not in (small.folder / study.TRIALS).read_text() and "silence"
            not in (small.folder / study.TRIALS).read_text())
    again = study.load(small.folder)
    assert again.name == small.name and again.trials.equals(small.trials) and len(
        again.block(1)) == 3 + 3 + 1


def test_levelling_keeps_silence_silent_and_never_clips():
    assert not study.level(np.zeros(100, np.float32)).any()
    peaky = np.zeros(10_000, np.float32)
    peaky[::1000] = 1e-2
    assert np.abs(study.level(peaky)).max() == pytest.approx(study.CEILING, rel=1e-5)


def test_a_study_is_not_laid_over_another_and_must_be_there(small, tmp_path):
    with pytest.raises(KlangfarbeError, match="there is one"):
        study.lay_out(small.folder, clips(), n_raters=2, per_rater=3)
    with pytest.raises(KlangfarbeError, match="no study.json"):
        study.load(tmp_path / "nowhere")


def test_the_rule_is_part_of_the_plan(tmp_path, monkeypatch):
    names = []
    for k, silent in enumerate((20, 20, 50)):
        monkeypatch.setitem(study.RULE, "silent_ovl", silent)
        names.append(study.lay_out(tmp_path / str(k), clips(), n_raters=2, per_rater=3).name)
    # a rule changed afterwards does not fit the answers any more
    assert names[0] == names[1] != names[2]
    assert study.load(tmp_path / "2").settings["rule"]["silent_ovl"] == 50


def test_places_are_taken_once_each_also_by_two_at_a_time_and_become_free_again(small):
    taken = {}
    claimers = [threading.Thread(target=lambda r=r: taken.update({r: study.claim(small, r)}))
                for r in ("aaa", "bbb")]
    [claimer.start() for claimer in claimers]
    [claimer.join() for claimer in claimers]
    assert sorted(taken.values()) == [0, 1] and study.claim(small, "aaa") == taken["aaa"]
    with pytest.raises(KlangfarbeError, match="a free place"):
        study.claim(small, "ccc")
    study.withdraw(small, "aaa")
    assert study.claim(small, "ccc") == taken["aaa"] and not study.knows(small, "aaa")


# --- a sitting ------------------------------------------------------------------------------------


def test_a_sitting_from_consent_to_the_end(small):
    clock = Clock()
    sitting = session.Session(small, "abc", clock=clock)
    assert sitting.state == "consent" and "7 pages, about 3 minutes" in sitting.text
    sitting.agree()
    seen = []
    while sitting.state == "page":
        seen.append(sitting.trial["code"])
        assert "play" in sitting.missing().lower()
        listen(sitting, clock)
        assert "Still to answer" in sitting.missing()
        answer_all(sitting)
        assert sitting.missing() == ""
        sitting.submit()
    assert sitting.state == "done" and seen == [p["code"]
                                                for p in small.block(0)] and sitting.progress == (7,
                                                                                                  7)
    rows = study.answers(small.folder)
    assert len(rows) == 7 and rows["heard"].all() and not rows["simulated"].any() and rows.attrs[
        "faults"] == []
    assert rows["what"].value_counts().to_dict() == {"pair": 3, "silence": 2, "wrong pair": 1,
                                                     "comparison": 1}
    assert rows.loc[rows["kind"] == "rate", "seconds"].eq(SECONDS).all()
    assert rows.loc[rows["what"] == "comparison", "other_system"].isin(["first", "second"]).all()


def test_no_page_passes_unheard_or_half_answered(small):
    clock = Clock()
    sitting = session.Session(small, "abc", clock=clock)
    sitting.agree()
    answer_all(sitting)
    for _ in range(5):  # a sound begun again and again is never heard
        sitting.play()
        clock.now += 0.2
    assert "to its end" in sitting.missing()
    with pytest.raises(KlangfarbeError, match="to its end"):
        sitting.submit()
    clock.now += 0.2
    assert sitting.missing() == ""
    del sitting.answers["novelty"]
    with pytest.raises(KlangfarbeError, match="Novelty"):
        sitting.submit()
    assert len(store.read(small.ratings)) == 0
    sitting.answer("novelty", 0)
    sitting.submit()
    assert store.read(small.ratings)["plays"].tolist() == [5]


def test_both_sides_of_a_comparison_must_be_heard(small):
    clock = Clock()
    sitting = session.Session(small, "abc", clock=clock)
    sitting.agree()
    while sitting.trial["kind"] == "rate":
        listen(sitting, clock)
        answer_all(sitting)
        sitting.submit()
    answer_all(sitting)
    sitting.play("left")
    clock.now += SECONDS
    assert sitting.missing() == "Please play the right sound first."
    assert sitting.play("right") == small.audio(sitting.trial["other"]) != small.audio(
        sitting.trial["audio"])
    clock.now += SECONDS / 3
    assert sitting.missing() == "Please hear the right sound to its end."
    clock.now += SECONDS
    sitting.submit()
    assert sitting.state == "done"


def test_a_sitting_goes_on_where_it_stopped_and_only_answers_of_this_plan_count(small):
    clock = Clock()
    first = session.Session(small, "abc", clock=clock)
    first.agree()
    for _ in range(2):
        listen(first, clock)
        answer_all(first)
        first.submit()
    stopped_at = first.trial
    again = session.Session(small, "abc", clock=clock)
    again.agree()
    assert again.trial == stopped_at and again.progress == (2, 7)
    stranger = store.read(small.ratings).iloc[0].dropna().to_dict() | {"study": "another plan",
                                                                       "trial": 5}
    store.append(small.ratings, session.Row(**{k: int(v) if k in NAMES else v for k,
                                               v in stranger.items()}))
    third = session.Session(small, "abc", clock=clock)
    third.agree()
    assert third.progress == (2,
                              7) and "another plan" in study.answers(small.folder).attrs["faults"][
        0]


def test_answers_off_the_page_or_off_the_scale_are_refused(small):
    sitting = session.Session(small, "abc", clock=Clock())
    with pytest.raises(KlangfarbeError, match="'consent'"):
        sitting.answer("ovl", 5)
    sitting.agree()
    for name, value in (("ovl", 101), ("ovl", 5.0), ("quality", 6), ("better", "left"),
                        ("loudness", 3), ("quality", True)):
        with pytest.raises(KlangfarbeError, match="on the scale"):
            sitting.answer(name, value)
    with pytest.raises(KlangfarbeError, match="a side out of left"):
        sitting.play("right")
    with pytest.raises(KlangfarbeError, match="'page'"):
        sitting.agree()


def test_stopping_deletes_everything_also_for_a_second_window(small):
    clock = Clock()
    sitting, second = (session.Session(small, "abc", clock=clock) for _ in range(2))
    sitting.agree()
    listen(sitting, clock)
    answer_all(sitting)
    sitting.submit()
    second.agree()
    assert sitting.withdraw() == 1 and sitting.state == "gone" and len(
        store.read(small.ratings)) == 0
    listen(second, clock)
    answer_all(second)
    with pytest.raises(KlangfarbeError, match="were deleted"):
        second.submit()
    assert len(store.read(small.ratings)) == 0 and second.state == "gone"


def test_a_program_that_answers_says_so(small):
    clock = Clock()
    sitting = session.Session(small, "abc", clock=clock, simulated=True)
    sitting.agree()
    listen(sitting, clock)
    answer_all(sitting)
    sitting.submit()
    assert study.answers(small.folder)["simulated"].tolist() == [True]
    with pytest.raises(KlangfarbeError, match="simulated ones"):
        analysis.ratings_for_ledger(study.answers(small.folder))


def test_declining_stores_nothing(small):
    sitting = session.Session(small, "abc")
    sitting.decline()
    assert sitting.state == "gone" and not (small.folder
                                            / study.PLACES).exists() and not small.ratings.exists()


def test_the_same_page_in_two_windows_is_stored_once(small):
    clock = Clock()
    first, second = (session.Session(small, "abc", clock=clock) for _ in range(2))
    for sitting, value in ((first, 3), (second, 1)):
        sitting.agree()
        listen(sitting, clock)
        answer_all(sitting, value)
    first.submit()
    with pytest.raises(KlangfarbeError, match="another window"):
        second.submit()
    assert second.trial == first.trial and second.progress == (1, 7) and second.answers == {}
    assert store.read(small.ratings)["quality"].tolist() == [3]


def test_a_full_study_is_refused_and_a_refusing_disk_keeps_the_page(small, monkeypatch):
    clock = Clock()
    study.claim(small, "aaa")
    sitting = session.Session(small, "abc", clock=clock)
    sitting.agree()
    with pytest.raises(KlangfarbeError, match="all 2 are taken"):
        session.Session(small, "full", clock=clock).agree()
    listen(sitting, clock)
    answer_all(sitting)
    def refuse(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(store.os, "write", refuse)
    with pytest.raises(KlangfarbeError, match="No space left"):
        sitting.submit()
    assert sitting.progress == (0, 7) and sitting.answers
    monkeypatch.undo()
    sitting.submit()
    assert sitting.progress == (1, 7)
