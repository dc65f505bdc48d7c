"""The twelve features: librosa's numbers, closed forms, what must not change them, and a store that
survives a kill.
"""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, render
from lib.signal import audio, features

RATE = features.RATE
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=", "ignore:Trying to estimate tuning")


def tone(*hz, seconds=2.0, amplitude=0.3):
    t = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * sum(np.sin(2 * np.pi * f * t) for f in hz) / len(hz)).astype(np.float32)


def noise(seconds=2.0, seed=0):
    return (0.1
            * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


def burst():
    """Noise between two stretches of digital silence: the frames in which only rounding is left to
    compare.
    """
    sound = noise(6, 7)
    sound[: len(sound) // 3] = 0
    sound[2 * len(sound) // 3 :] = 0
    return sound


def clicks(bpm, seconds=12.0):
    sound = np.zeros(int(seconds * RATE), np.float32)
    for beat in np.arange(0, seconds, 60 / bpm):
        start = int(beat * RATE)
        sound[start : start + 400] = noise(1, 3)[: len(sound[start : start + 400])] * 5
    return sound


def relative_difference(found, expected):
    """Largest relative difference over all coefficients; below 1e-5 in size, the absolute one in
    units of 1e-5.
    """
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-5)))


def naive(sound):
    return features.summary(features.frames_naive(sound))


SOUNDS = {
    "tone": lambda: tone(440), "two tones off the grid": lambda: tone(447, 1003.7), "noise": noise,
    "more noise": lambda: noise(3, 22),
    "burst in silence": burst, "half a second": lambda: noise(0.5),
    "clicks": lambda: clicks(100, 4),
    "sweep": lambda: np.sin(np.cumsum(np.linspace(0.01, 2.5, 2 * RATE))).astype(np.float32),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUNDS)
def test_equals_librosa_feature_by_feature(name):
    sound = SOUNDS[name]()
    assert relative_difference(features.extract(sound), naive(sound)) <= 1e-3


def test_equals_librosa_on_music():
    for sound in render.sounds(TEST_SEED, [0, 4], 6.0)[0]:
        assert relative_difference(features.extract(sound), naive(sound)) <= 1e-3


@pytest.mark.real_data
def test_equals_librosa_on_real_clips(real_data):
    files = sorted(real_data("deam_audio_sample").rglob("*.mp3"))[:2] + sorted(
        real_data("emotify").rglob("*.ogg"))[:2]
    for file in files:
        sound = audio.load(file)
        assert relative_difference(features.extract(sound),
                                   naive(sound)) <= 1e-3, file


def test_every_frame_of_every_feature_equals_librosas():
    sound = render.sounds(TEST_SEED, [1], 5.0)[0][0]
    found, expected = features.frames(sound), features.frames_naive(sound)
    for family, size in features.FAMILIES.items():
        assert found[family].shape == expected[family].shape == (size,
                                                                 1 if family == "tempo"
                                                                 else 1 + len(sound) // 512)
        assert np.abs(found[family]
                      - expected[family]).max() <= 1e-3 * np.abs(expected[family]).max(), family


def test_a_wrong_tuning_is_noticed(monkeypatch):
    sound = tone(447, 1003.7)
    right = features.tunings
    monkeypatch.setattr(features, "tunings",
                        lambda magnitude: tuple(t + 0.1 for t in right(magnitude)))
    assert relative_difference(features.extract(sound), naive(sound)) > 1e-3


@pytest.mark.parametrize("tuning", [-0.5, -0.13, 0.0, 0.49])
def test_constant_q_equals_librosas(tuning):
    import librosa

    sound = noise(3) + tone(261.6, 1500, seconds=3)
    expected = np.abs(librosa.cqt(sound, sr=RATE, n_bins=252, bins_per_octave=36, tuning=tuning))
    assert np.abs(features.constant_q(sound, tuning) - expected).max() < 2e-6 * expected.max()


def test_tunings_equal_librosas():
    import librosa

    for seed in range(6):
        sound = noise(1, seed) if seed % 2 else tone(440 * 2 ** (seed / 60), 1000 + seed)
        magnitude = np.abs(librosa.stft(sound))
        expected = (librosa.estimate_tuning(S=magnitude**2, sr=RATE, bins_per_octave=12),
                    librosa.estimate_tuning(S=magnitude, sr=RATE, bins_per_octave=36))
        assert features.tunings(magnitude) == expected


def test_closed_forms():
    rows = features.frames(tone(440, amplitude=0.3))
    inner = slice(8, -8)
    assert np.allclose(rows["rms"][0, inner], 0.3 / np.sqrt(2), rtol=2e-3)
    assert np.allclose(rows["zcr"][0, inner], 2 * 440 / RATE, rtol=0.02)
    assert np.allclose(rows["centroid"][0, inner], 440, rtol=0.02)
    assert np.abs(rows["rolloff"][0, inner] - 440).max() < 2 * RATE / 2048
    # A
    assert (rows["chroma_cqt"][:, inner].argmax(axis=0)
            == 9).all() and (rows["chroma_stft"][:, inner].argmax(axis=0) == 9).all()
    assert np.allclose(np.linalg.norm(rows["chroma_cens"], axis=0)[inner], 1)
    assert features.frames(clicks(100))["tempo"] == pytest.approx(100, rel=0.04)


def test_names():
    assert len(features.NAMES) == len(set(features.NAMES)) == len(features.FAMILY_OF) == 135
    assert features.NAMES[6] == "mfcc_03_mean" and set(features.FAMILY_OF) == set(features.FAMILIES)
    row = dict(zip(features.NAMES, features.extract(tone(440, amplitude=0.3)), strict=True))
    assert (row["centroid_mean"] == pytest.approx(440, rel=0.2) and row["rms_mean"]
            == pytest.approx(0.21, rel=0.1))
    assert all(name.startswith(family) for family,
               name in zip(features.FAMILY_OF, features.NAMES, strict=True))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 1.6),
       st.sampled_from(["noise", "tone", "click", "burst"]), st.floats(0.02, 1.0))
def test_finite_on_anything_that_sounds_and_loudness_moves_only_loudness(seed, seconds, kind, gain):
    rng = np.random.default_rng(seed)
    n_samples = int(seconds * RATE) + 1
    sound = np.zeros(n_samples, np.float32)
    if kind == "noise":
        sound += rng.standard_normal(n_samples).astype(np.float32)
    elif kind == "tone":
        sound += np.sin(np.arange(n_samples) * rng.uniform(0.005, 3)).astype(np.float32)
    elif kind == "click":
        sound[rng.integers(n_samples)] = 1
    else:
        sound[: n_samples // 4] = rng.standard_normal(n_samples // 4)
    loud, soft = features.extract(sound), features.extract(np.float32(gain) * sound)
    assert loud.shape == (135,) and loud.dtype == np.float32 and np.isfinite(
        loud).all() and np.isfinite(soft).all()
    of = np.array(features.FAMILY_OF)
    assert soft[of == "rms"] == pytest.approx(gain * loud[of == "rms"], rel=1e-4)
    for family in ("zcr", "centroid", "rolloff"):
        assert soft[of == family] == pytest.approx(loud[of == family], rel=1e-2,
                                                   abs=1e-4 if family == "zcr" else 1), family


def test_turning_the_volume_in_the_features_is_turning_it_in_the_sound():
    sound = render.sounds(TEST_SEED, [2], 3.0)[0][0]
    gains = np.array([-9.0, 4.0])
    turned = features.at_volume(np.stack([features.extract(sound)] * 2), gains)
    for row, gain in zip(turned, gains, strict=True):
        assert relative_difference(row, features.extract(sound
                                                         * np.float32(10 ** (gain / 20)))) < 1e-3


def test_another_sample_rate_is_resampled_first():
    t = np.arange(2 * 44_100) / 44_100
    found = dict(zip(features.NAMES, features.extract(np.sin(2 * np.pi * 440 * t) * 0.3, 44_100),
                     strict=True))
    expected = dict(zip(features.NAMES, features.extract(tone(440)), strict=True))
    assert all(found[name] == pytest.approx(expected[name], rel=0.01)
               for name in ("centroid_mean", "zcr_mean", "rms_mean", "mfcc_00_mean"))


@pytest.mark.parametrize(("sound", "word"),
                         [(np.zeros(RATE), "silence"), (np.ones(900), "0.04 s"),
                          (np.zeros((2, RATE)), "shape"), (np.full(RATE, np.nan), "NaN")])
def test_refuses_what_has_no_features(sound, word):
    with pytest.raises(KlangfarbeError, match=word):
        features.extract(sound)


def test_processes_keep_the_order():
    sounds = [tone(f, seconds=0.6) for f in (110, 220, 440)] + [noise(1)]
    alone = features.extract_many(sounds, n_jobs=1)
    assert np.array_equal(features.extract_many(sounds, n_jobs=2), alone)
    assert np.all(np.diff(alone[:3, features.NAMES.index("centroid_mean")]) > 0)


def some_sound(log, index):
    """Tone `index`; each call is written down, and index 99 breaks."""
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{index}\n")
    if index == 99:
        raise KeyboardInterrupt
    return tone(100 + 10 * index, seconds=0.5)


def test_the_store_resumes_and_never_mistakes_a_recipe(own_results, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 2)
    log = own_results / "calls.txt"
    make = functools.partial(some_sound, log)
    with pytest.raises(KeyboardInterrupt):
        features.table(b"tones", [1, 2, 3, 99], make, n_jobs=1)
    assert log.read_text().split() == ["1", "2", "3", "99"]
    whole = features.table(b"tones", [1, 2, 3, 4], make, n_jobs=1)
    again = features.table(b"tones", [1, 2, 3, 4], make, n_jobs=1)
    assert np.array_equal(whole, again) and log.read_text().split()[4:] == ["1", "2", "3", "4"]
    assert np.array_equal(whole,
                          features.extract_many([tone(100 + 10 * i, seconds=0.5)
                                                 for i in (1, 2, 3, 4)], n_jobs=1))
    chunks = sorted((paths.PROCESSED / "features").rglob("*.npy"))
    chunks[-1].write_bytes(b"half a fi")  # damaged: made again
    features.table(b"other", [1, 2], make, n_jobs=1)
    for _ in range(2):
        assert np.array_equal(features.table(b"tones", [1, 2, 3, 4], make, n_jobs=1), whole)


def test_the_store_resumes_after_a_kill(own_results, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 2)
    log, indices = own_results / "calls.txt", [1, 2, 3, 4]
    real = features.in_processes

    def killed(function, items, n_jobs):
        if 3 in items:
            raise KeyboardInterrupt
        return real(function, items, n_jobs)

    monkeypatch.setattr(features, "in_processes", killed)
    with pytest.raises(KeyboardInterrupt):
        features.table(b"tones", indices, functools.partial(some_sound, log), n_jobs=1)
    monkeypatch.setattr(features, "in_processes", real)
    features.table(b"tones", indices, functools.partial(some_sound, log), n_jobs=1)
    assert log.read_text().split() == ["1", "2", "3", "4"]


def test_the_store_knows_a_file_by_its_content(own_results):
    import soundfile

    first, second = own_results / "a.wav", own_results / "renamed.wav"
    soundfile.write(first, tone(440, seconds=1), RATE, subtype="FLOAT")
    second.write_bytes(first.read_bytes())
    rows = features.of_files([first], n_jobs=1)
    assert np.array_equal(rows, features.of_files([second], n_jobs=1))
    assert len(list((paths.PROCESSED / "features").iterdir())) == 1
    with pytest.raises(KlangfarbeError, match="no such file"):
        features.of_files([own_results / "absent.wav"])
