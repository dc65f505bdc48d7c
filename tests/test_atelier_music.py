"""The atelier's music: the score is what its description says, the sound follows the score, and
affect can be heard in it.
"""

import dataclasses
import hashlib
import zipfile
from types import SimpleNamespace

import numpy as np
import pretty_midi
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, TRAIN_SEED, harmony, render
from lib.data.atelier import compose as composer
from lib.data.atelier.compose import compose, describe, plan
from lib.data.atelier.factors import GENRES, draw

AFFECT = st.integers(-1000, 1000).map(lambda k: k / 1000)
ITEM = st.builds(lambda index, v, a, g: draw(7, index, valence=v, arousal=a, genre=g),
                 st.integers(0, 10_000), AFFECT, AFFECT, st.sampled_from(GENRES))


def corner(valence, arousal, genre, index=0):
    return draw(TEST_SEED, index, valence=valence, arousal=arousal, genre=genre)


def score_table(midi) -> list[tuple[int, int, int, int, int, int]]:
    """The score as sorted integers: (program, is drum, start, end, pitch, velocity) a note."""
    ticks_per_second = midi.resolution * midi.get_tempo_changes()[1][0] / 60
    return sorted((i.program, int(i.is_drum), round(n.start * ticks_per_second),
                   round(n.end * ticks_per_second), n.pitch, n.velocity) for i in midi.instruments
                  for n in i.notes)


def score_hash(midi) -> str:
    return hashlib.sha256(repr(score_table(midi)).encode()).hexdigest()


# ── harmony, melody, textures: closed forms ───────────────────────────────────────────────────────

@pytest.mark.parametrize(
    "symbol, root, intervals",
    [("I", 0, (0, 4, 7)), ("vi", 9, (0, 3, 7)), ("bVII", 10, (0, 4, 7)), ("V7", 7, (0, 4, 7, 10)),
     ("iiø", 2, (0, 3, 6, 10)), ("vii°7", 11, (0, 3, 6, 9)), ("iv6", 5, (0, 3, 7, 9)),
     ("V♭9", 7, (0, 4, 10, 13)), ("bvii", 10, (0, 3, 7))],
)
def test_roman_numerals(symbol, root, intervals):
    assert harmony.chord(symbol) == (root, intervals)


def test_modes_run_from_dark_to_bright():
    sums = [sum(harmony.SCALES[name]) for name in ("phrygian", "aeolian", "dorian", "mixolydian",
                                                   "ionian")]
    assert np.diff(sums).tolist() == [1, 1, 1, 1]  # each raises one degree by a semitone
    assert all((3 in harmony.SCALES[name]) == (family == "minor") for name,
               family in harmony.FAMILY.items())


@pytest.mark.parametrize("scale", harmony.PROGRESSIONS)
def test_phrases_answer_and_come_home(scale):
    for seed in range(20):
        for sizes in ([4, 4], [3, 3], [2, 3], [4, 4, 4, 4], [5, 4], [1], [2]):
            symbols = harmony.phrases(scale, sizes, np.random.default_rng(seed))
            assert len(symbols) == sum(sizes)
            assert harmony.chord(symbols[-1])[0] == 0  # the end is the tonic
            if len(sizes) > 1:
                # the last phrase opens as the one before
                assert symbols[sum(sizes[:-1])] == symbols[sum(sizes[:-2])]
                if sizes[-2] >= 3:
                    # which stopped on an open chord
                    assert harmony.chord(symbols[sum(sizes[:-1]) - 1])[0] != 0


def test_voice_leading_moves_less_than_root_position():
    classes = [(0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2), (0, 4, 7)]
    voices, moved = None, 0
    for c in classes:
        following = harmony.lead(voices, c, 55, 71, 3)
        assert {v % 12 for v in following} == set(c)
        moved += 0 if voices is None else sum(abs(a - b) for a, b in zip(following, voices))
        voices = following
    blocks = [[60 + c[0] + (x - c[0]) % 12 - 12 * (c[0] > 6) for x in c] for c in classes]
    assert moved < sum(abs(a - b) for one, two in zip(blocks, blocks[1:]) for a, b in zip(one, two))


def test_a_texture_by_hand():
    slot = {"voices": (60, 64, 67), "root": 0, "fifth": 7, "scale": (0, 2, 4, 5, 7, 9, 11),
            "swell": 0}
    other = {**slot, "voices": (59, 62, 67), "root": 7, "fifth": 2}
    piece = SimpleNamespace(slots=[slot, other], slot_steps=4, bar_steps=8, total_steps=8,
                            feel=harmony.STRAIGHT, velocity=66, bass_register=36, tonic=0)
    assert harmony.play(piece, "b-.1----", 0) == [(0, 240, 36, 69), (360, 480, 60, 64),
                                                   (480, 960, 59, 64)]
    assert harmony.play(piece, "p-------", 0) == [(0, 480, 36, 69), (480, 960, 36, 64)]
    piece.slots, piece.slot_steps, piece.feel = [slot], 8, harmony.SWUNG
    swung = harmony.play(piece, "1.1.1.1.", 0)
    assert [n[0] for n in swung] == [0, 320, 480, 800]  # the off-beat at two thirds


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(6, 40),
       st.sampled_from([(16, 4), (12, 4), (12, 6), (8, 4), (32, 4)]))
def test_rhythms_stay_in_their_slot(seed, density, shape):
    onsets = harmony.rhythm(shape[0], shape[1], density, (), np.random.default_rng(seed))
    assert onsets[0] == 0 and list(onsets) == sorted(set(onsets)) and onsets[-1] < shape[0]


@pytest.mark.parametrize("genre", GENRES)
def test_templates_are_whole(genre):
    template = composer.TEMPLATES[genre]
    assert len(template.textures) == len(template.grooves) == 4
    for role, palette in template.palettes.items():
        assert len(palette) == 6 and set(palette) <= set(
            composer.LEVEL_DB) and role in composer._ROLE_DB
    for level in template.textures:
        assert set(level) <= set(template.palettes)
        for pattern in (p for patterns in level.values() for p in patterns):
            assert 16 % len(pattern) == 0 or len(pattern) == 12
            assert set(pattern) <= set("chlbofwp.-123456789") and pattern[0] != "-"


# ── the score ─────────────────────────────────────────────────────────────────────────────────────

@settings(max_examples=30, deadline=None)
@given(ITEM)
def test_the_same_item_is_the_same_score(item):
    assert score_table(compose(item)) == score_table(compose(dataclasses.replace(item)))
    assert score_hash(compose(item)) != score_hash(compose(dataclasses.replace(item,
                                                                               index=item.index
                                                                               + 1)))


@settings(max_examples=30, deadline=None)
@given(ITEM)
def test_description_equals_the_score(item):
    midi, said = compose(item), describe(item)
    assert midi.get_tempo_changes()[1] == pytest.approx([said["tempo_bpm"]])
    metre = midi.time_signature_changes[0]
    assert f"{metre.numerator}/{metre.denominator}" == said["metre"]
    pitched = [i for i in midi.instruments if not i.is_drum]
    assert [i.program for i in pitched] == said["programs"]
    assert {pretty_midi.program_to_instrument_name(i.program)
            for i in pitched} == set(said["instruments"]) - {"Drums"}
    assert ("Drums" in said["instruments"]) == any(i.is_drum for i in midi.instruments)
    velocities = [n.velocity for i in midi.instruments for n in i.notes]
    assert said["loudness"] == pytest.approx(np.mean(velocities))
    assert said["register"] == pytest.approx(np.mean([n.pitch for i in midi.instruments
                                                      if i.name == "melody" for n in i.notes]))
    assert said["density"] == pytest.approx(
        len(np.unique(np.concatenate([[n.start for n in i.notes] for i in pitched]))) / 10)


@settings(max_examples=30, deadline=None)
@given(ITEM)
def test_notes_are_playable(item):
    midi = compose(item)
    for instrument in midi.instruments:
        assert instrument.notes, f"{instrument.name} is silent"
        for note in instrument.notes:
            assert (24 <= note.pitch <= 108 and 12 <= note.velocity <= 127 and 0 <= note.start
                    < note.end <= 10.001)
    sounding = np.zeros(100, bool)
    for note in (n for i in midi.instruments for n in i.notes):
        sounding[int(note.start * 10): int(np.ceil(note.end * 10))] = True
    assert sounding.mean() > 0.85  # no holes: the emptiest of 68,000 had .9


def test_mode_is_in_the_pitch_classes():
    for valence, scale, family in ((0.9, "ionian", "major"), (-0.5, "aeolian", "minor"),
                                   (-0.95, "phrygian", "minor")):
        inside, thirds = [], []
        for index in range(20):
            item = draw(5, index, valence=valence)
            said = describe(item)
            assert (said["scale"], said["mode"]) == (scale, family)
            held = np.zeros(12)
            for note in (n for i in compose(item).instruments if not i.is_drum for n in i.notes):
                held[(note.pitch - said["tonic"]) % 12] += note.end - note.start
            inside.append(held[list(harmony.SCALES[scale])].sum() / held.sum())
            thirds.append(held[4] - held[3])
        # dark pieces borrow leading notes and clashes
        assert np.mean(inside) > (0.97 if valence > 0 else 0.75)
        assert np.mean(np.sign(thirds) == np.sign(valence)) >= 0.9


def test_the_score_on_disk_says_the_same(tmp_path):
    item = corner(0.3, 0.4, "waltz")
    compose(item).write(str(tmp_path / "piece.mid"))
    again, said = pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid")), describe(item)
    assert again.get_tempo_changes()[1] == pytest.approx([said["tempo_bpm"]], rel=1e-4)
    assert said["metre"] == "3/4" and again.time_signature_changes[0].numerator == 3
    assert [row[4:] for row in score_table(again)] == [row[4:]
                                                       for row in score_table(compose(item))]


@pytest.mark.parametrize("genre", GENRES)
def test_arousal_and_valence_move_what_they_should(genre):
    def means(names, **affect):
        told = [describe(draw(11, i, genre=genre, **affect)) for i in range(10)]
        return [np.mean([t[name] for t in told]) for name in names]

    by_arousal = np.array([means(("tempo_bpm", "loudness", "density"), arousal=a)
                           for a in (-0.9, -0.3, 0.3, 0.9)])
    assert np.all(np.diff(by_arousal, axis=0) > 0), by_arousal
    by_valence = np.array([means(("register", "tension"), valence=v) for v in (-0.9, 0.0, 0.9)])
    assert np.all(np.diff(by_valence, axis=0) * [1, -1] > 0), by_valence


def test_genre_does_not_choose_the_affect():
    plans = [[plan(draw(13, i, genre=g)) for i in range(300)] for g in GENRES]
    modes = [[harmony.FAMILY[p.scale] for p in row] for row in plans]
    assert all(row == modes[0] for row in modes)  # the same item in another genre keeps its mode
    lively = corner(0.5, 0.95, "ambient"), corner(0.5, -0.95, "march")
    assert describe(lively[0])["tempo_bpm"] > describe(lively[1])["tempo_bpm"] + 40


@pytest.mark.parametrize("seconds", [0.5, 3, 10, 37.5])
@pytest.mark.parametrize("metre_genre", ["march", "waltz", "folk"])
def test_any_length(seconds, metre_genre):
    midi = compose(corner(0.2, -0.4, metre_genre), seconds)
    assert seconds - 1.5 < midi.get_end_time() <= seconds + 1e-3


def test_wrong_wishes_are_refused():
    with pytest.raises(KlangfarbeError, match="polka"):
        compose(corner(0, 0, "polka"))
    for valence, arousal in ((2, 0), (0, float("nan"))):
        with pytest.raises(KlangfarbeError, match="scale"):
            compose(corner(valence, arousal, "waltz"))
    with pytest.raises(KlangfarbeError, match="seconds"):
        compose(corner(0, 0, "waltz"), 0.1)
    with pytest.raises(KlangfarbeError, match="notes"):
        render.render(pretty_midi.PrettyMIDI(), 1.0)
    with pytest.raises(KlangfarbeError, match="Hz"):
        render.render(compose(corner(0, 0, "waltz")), 1.0, 10)


def test_scores_are_the_same_on_every_machine():
    together = hashlib.sha256("".join(score_hash(compose(draw(TEST_SEED, i)))
                                      for i in range(30)).encode()).hexdigest()
    assert together[:16] == "2ac44aeaac4ff0ae"


# ── the sound ─────────────────────────────────────────────────────────────────────────────────────

N_TRAIN, N_TEST = 130, 60


@pytest.fixture(scope="module")
def heard():
    """Sounds, features and truth of N_TRAIN + N_TEST items: (sounds of the first 30, features, V/A,
    items).
    """
    from lib.signal.features import extract

    items = [draw(TRAIN_SEED, i) for i in range(N_TRAIN + N_TEST)]
    kept, features = [], []
    for item in items:
        # half of it is enough to hear what is felt
        sound = render.render(compose(item), 10.0 if len(kept) < 30 else 5.0)
        features.append(extract(sound[: 5 * 22_050]))
        if len(kept) < 30:
            kept.append(sound)
    return np.stack(kept), np.stack(features), np.array([(f.valence, f.arousal)
                                                         for f in items]), items


def test_sounds_are_whole(heard):
    sounds = heard[0]
    assert sounds.shape == (30,
                            220_500) and sounds.dtype == np.float32 and np.isfinite(sounds).all()
    assert np.abs(sounds).max() <= render.CEILING + 1e-6
    # the ceiling is the exception, so loudness stays a cue
    assert (np.abs(sounds).max(axis=1) > 0.97).mean() < 0.15
    seconds = np.sqrt((sounds.reshape(30, 10, -1) ** 2).mean(axis=2))
    assert seconds.min() > 0.003  # −50 dBFS: no empty second
    again, va = render.sounds(TRAIN_SEED, range(2))
    np.testing.assert_array_equal(again, sounds[:2])
    np.testing.assert_allclose(va, heard[2][:2], atol=1e-6)
    assert render.sounds(TRAIN_SEED, [])[0].shape == (0, 220_500)


def test_affect_can_be_heard(heard):
    """Truth check: ordinary librosa features and a ridge regression recover valence and arousal of
    held-out pieces; genre does not.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lib.signal.features import NAMES

    _, features, va, items = heard

    def r2(x, truth):
        model = make_pipeline(StandardScaler(),
                              RidgeCV(np.logspace(0, 4, 9))).fit(x[:N_TRAIN], truth[:N_TRAIN])
        return r2_score(truth[N_TRAIN:], model.predict(x[N_TRAIN:]), multioutput="raw_values")

    found = r2(features, va)
    assert found.min() >= 0.6, found
    shuffled = np.random.default_rng(0).permutation(va)
    assert r2(features, shuffled).max() < 0.1
    names = list(NAMES)
    # on the circle of fifths, whatever the key
    fifths = np.hypot(*(features[:, names.index(f"tonnetz_{row:02d}_mean")] for row in (0, 1)))
    # consonance alone can be heard, without any instrument's colour
    assert np.corrcoef(fifths, va[:, 0])[0, 1] > 0.25
    genre_alone = np.eye(len(GENRES))[[GENRES.index(f.genre) for f in items]]
    assert r2(genre_alone, va).max() < 0.05


def test_tempo_can_be_heard():
    import librosa

    hits, n_items = 0, 6
    for index in range(n_items):
        item = draw(TEST_SEED, index, arousal=0.6,
                    genre=("rock", "march", "electronic", "folk")[index % 4])
        said = describe(item)["tempo_bpm"]
        estimated = float(librosa.feature.tempo(y=render.render(compose(item), 10.0), sr=22_050)[0])
        # the octave of a tempo is a matter of taste
        hits += any(abs(estimated * k / said - 1) < 0.06 for k in (1, 2, 0.5, 3, 1.5, 2 / 3))
    assert hits >= n_items - 1


def test_loudness_rises_with_arousal():
    levels = [np.mean([np.sqrt(np.mean(render.render(compose(draw(17, i, arousal=a, genre=g)),
                                                     5.0) ** 2)) for i, g in enumerate(GENRES)])
              for a in (-0.9, 0.0, 0.9)]
    assert levels[1] > 1.25 * levels[0] and levels[2] > 1.25 * levels[1]  # 2 dB and more


def test_a_note_sounds_at_its_pitch_and_time():
    midi = pretty_midi.PrettyMIDI()
    flute = pretty_midi.Instrument(program=73)
    flute.notes = [pretty_midi.Note(90, 69, 1.0, 2.0)]
    midi.instruments = [flute]
    sound = render.render(midi, 3.0)
    assert np.abs(sound[:22_000]).max() < 1e-4 < np.abs(sound[22_050:44_100]).max()
    spectrum = np.abs(np.fft.rfft(sound[24_000:40_000] * np.hanning(16_000)))
    assert np.argmax(spectrum) * 22_050 / 16_000 == pytest.approx(440, abs=3)
    assert len(render.render(midi, 3.0, 16_000)) == 48_000
    # a note without length is switched off again
    flute.notes = [pretty_midi.Note(90, 69, 0.5, 0.5)]
    assert np.abs(render.render(midi, 4.0)[66_150:]).max() < 0.01


# ── other people's MIDI ───────────────────────────────────────────────────────────────────────────

def test_a_folder_with_broken_files(tmp_path):
    folder, out = tmp_path / "midi", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    compose(corner(0.5, 0.5, "folk"), 3).write(str(folder / "deep" / "good.mid"))
    compose(corner(0.5, 0.5, "rock"), 3).write(str(folder / "also.MIDI"))
    (folder / "empty.mid").write_bytes(b"")
    (folder / "text.mid").write_text("not music")
    whole = (folder / "deep" / "good.mid").read_bytes()
    (folder / "cut.mid").write_bytes(whole[:40])
    (folder / "noise.mid").write_bytes(whole[:14] + bytes(range(256)))
    pretty_midi.PrettyMIDI().write(str(folder / "no_notes.mid"))
    (folder / "readme.txt").write_text("no MIDI")

    renders, rejects = render.render_folder(folder, out, seconds=3)
    assert sorted(renders["file"]) == ["also.MIDI", "deep/good.mid"]
    assert sorted(rejects["file"]) == ["cut.mid", "empty.mid", "no_notes.mid", "noise.mid",
                                       "text.mid"]
    assert rejects["reason"].str.len().gt(3).all() and not rejects["reason"].str.contains(
        str(tmp_path)).any()
    sound, rate = soundfile.read(out / "deep" / "good.mid.flac")
    assert rate == 22_050 and len(sound) == 66_150 and np.abs(sound).max() > 0.01

    stamp = (out / "also.MIDI.flac").stat().st_mtime_ns  # a second run makes only what is missing
    (out / "deep" / "good.mid.flac").unlink()
    again, _ = render.render_folder(folder, out, seconds=3)
    assert again.equals(renders) and (out / "also.MIDI.flac").stat().st_mtime_ns == stamp
    assert not [p for p in out.rglob("*") if p.name.startswith(".")]  # no half-made file


def test_folders_that_are_none(tmp_path):
    with pytest.raises(KlangfarbeError, match="none in it"):
        render.render_folder(tmp_path, tmp_path / "out")
    with pytest.raises(KlangfarbeError, match="no such file"):
        render.read_midi(tmp_path / "none.mid")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_end_a_run_otherwise_than_told(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("midi") / "x.mid"
    path.write_bytes(b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk" + content)
    try:
        sound = render.render(render.read_midi(path), 0.5)
    except KlangfarbeError:
        return
    assert np.isfinite(sound).all()


@pytest.mark.real_data
def test_vgmidi_phrases(real_data, tmp_path):
    archive = zipfile.ZipFile(real_data("vgmidi_phrases") / "phrases.zip")
    names = sorted(n for n in archive.namelist() if n.endswith(".mid"))[::140]
    archive.extractall(tmp_path / "midi", names)
    renders, rejects = render.render_folder(tmp_path / "midi", tmp_path / "out", seconds=5)
    assert len(renders) + len(rejects) == len(names) and len(renders) > 0.9 * len(names)
    assert set(rejects["reason"]) <= {"no notes"}  # phrases cut so short that no note is left
    loud = [np.abs(soundfile.read(tmp_path / "out" / s)[0]).max() for s in renders["sound"]]
    assert min(loud) > 1e-3 and np.mean(np.array(loud) > 0.97) < 0.1  # the ceiling is the exception
