"""Controls on sounds whose tempo, mode, loudness, brightness and density are known: made by hand,
then by the atelier.
"""

import librosa
import numpy as np
import pandas as pd
import pytest

from lib.core.errors import KlangfarbeError
from lib.data.atelier import render
from lib.data.atelier.compose import describe
from lib.data.atelier.factors import draw
from lib.metrics import cards, control

RATE = 22_050
C, E_FLAT, E, G = 261.63, 311.13, 329.63, 392.0


def clicks(bpm, seconds=8.0):
    return librosa.clicks(times=np.arange(0, seconds, 60 / bpm), sr=RATE,
                          length=int(seconds * RATE)).astype(np.float32)


def triad(*notes, seconds=4.0):
    """Half-second chords with two overtones that die away."""
    t = np.arange(int(0.5 * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * f * k * t) / k for f in notes
                for k in (1, 2, 3)) * np.exp(-4 * t)
    return 0.1 * np.tile(chord, int(seconds / 0.5)).astype(np.float32)


def noise(low_hz, high_hz, seconds=3.0):
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(size=int(seconds * RATE)))
    frequency = np.fft.rfftfreq(int(seconds * RATE), 1 / RATE)
    return (0.1 * np.fft.irfft(spectrum
                               * ((frequency > low_hz) & (frequency < high_hz)))).astype(np.float32)


@pytest.fixture(scope="module")
def by_hand():
    """Measured once: clicks at four tempi, major and minor, soft and loud, dark and bright."""
    soft = triad(C, E, G)
    sounds = {**{f"clicks {bpm}": clicks(bpm) for bpm in (70, 96, 120, 150)}, "major": soft,
              "minor": triad(C, E_FLAT, G), "loud": 2 * soft, "dark": noise(200, 1000),
              "bright": noise(3000, 6000)}
    return control.measure_controls(list(sounds.values()), RATE).set_index(np.array(list(sounds)))


def test_tempo_and_density_of_clicks(by_hand):
    for bpm in (70, 96, 120, 150):
        row = by_hand.loc[f"clicks {bpm}"]
        # one step of the lags
        octaves = np.log2(row["tempo_bpm"] / bpm)  # whole ones are the same pulse
        assert abs(octaves - round(octaves)) < np.log2(1.04)
        # the first click has no before
        assert row["density_per_s"] == pytest.approx(bpm / 60, rel=0.15)
    # at the prior's middle even the octave is right
    assert by_hand.loc["clicks 120", "tempo_bpm"] == pytest.approx(120, rel=0.04)


def test_mode_of_triads(by_hand):
    assert by_hand.loc["major", "mode"] > 0.05 and by_hand.loc["minor", "mode"] < -0.05
    transposed = control.measure_controls([triad(*(f * 2 ** (5 / 12) for f in chord))
                                   for chord in ((C, E, G), (C, E_FLAT, G))], RATE)["mode"]
    assert transposed[0] > 0.05 and transposed[1] < -0.05


def test_twice_the_amplitude_is_six_decibels_and_nothing_else(by_hand):
    soft, loud = by_hand.loc["major"], by_hand.loc["loud"]
    assert loud["loudness_db"] - soft["loudness_db"] == pytest.approx(20 * np.log10(2), abs=1e-6)
    assert loud.drop("loudness_db").to_numpy() == pytest.approx(soft.drop("loudness_db").to_numpy(),
                                                                rel=1e-3)
    sine = np.sin(2 * np.pi * 441 * np.arange(RATE) / RATE)
    assert control.measure_controls([sine],
                                    RATE)["loudness_db"][0] == pytest.approx(10 * np.log10(0.5),
                                                                             abs=1e-6)


def test_brightness_lies_inside_the_band_of_the_noise(by_hand):
    assert (200 < by_hand.loc["dark", "brightness_hz"] < 1000 and 3000
            < by_hand.loc["bright", "brightness_hz"] < 6000)


def test_silence_around_a_sound_does_not_dim_it(by_hand):
    padded = np.concatenate([np.zeros(2 * RATE, np.float32), noise(3000, 6000),
                             np.zeros(2 * RATE, np.float32)])
    table = control.measure_controls([padded], RATE)
    assert table["brightness_hz"][0] == pytest.approx(by_hand.loc["bright", "brightness_hz"],
                                                      rel=0.03)


def test_another_sample_rate_hears_the_same():
    high = librosa.resample(triad(C, E, G), orig_sr=RATE, target_sr=32_000)
    table = control.measure_controls([high], 32_000)
    plain = control.measure_controls([triad(C, E, G)], RATE)
    assert table["loudness_db"][0] == pytest.approx(plain["loudness_db"][0], abs=0.05)
    assert table["brightness_hz"][0] == pytest.approx(plain["brightness_hz"][0],
                                                      rel=0.03) and table["mode"][0] > 0.05


# --- correlation ----------------------------------------------------------------------------------


def test_correlation_closed_forms():
    x = np.array([1.0, 2, 3, 4])
    assert (control.correlation(x, 10 - 3 * x) == pytest.approx(-1)
            and control.correlation(x, 5 + x) == pytest.approx(1))
    assert control.correlation(x, [1.0, 1, 2, 2]) == pytest.approx(2 / np.sqrt(5))
    assert control.correlation(x, [7.0, 7, 7, 7]) == 0


@pytest.mark.parametrize("bad", [([1.0, 1, 1], [1.0, 2, 3]), ([1.0, 2], [1.0, 2]),
                                 ([1, 2, np.nan], [1.0, 2, 3]), ([1.0, 2, 3], [1.0, 2])])
def test_correlations_that_do_not_exist_are_refused(bad):
    with pytest.raises(KlangfarbeError):
        control.correlation(*bad)


def heard_like(asked, error, rng):
    return pd.DataFrame({"tempo_bpm": asked * 2 ** (error * rng.normal(size=len(asked))),
                         "mode": rng.choice([-0.1, 0.1], len(asked))})


def test_the_table_tells_control_from_chance():
    rng = np.random.default_rng(1)
    asked = rng.uniform(60, 160, 80)
    wanted = {"tempo_bpm": asked, "mode": np.sign(rng.normal(size=80))}
    obeyed = heard_like(asked, 0.03, rng)
    table = control.agreement(wanted, obeyed, n_resamples=100).set_index("control")
    tempo, mode = table.loc["tempo_bpm"], table.loc["mode"]
    assert tempo["low"] > 0.98 > tempo["null"] and tempo["n"] == 80 and mode["low"] < mode["null"]
    # tempi are heard in ratios
    assert tempo["r"] == pytest.approx(np.corrcoef(np.log2(asked),
                                                   np.log2(obeyed["tempo_bpm"]))[0, 1])


def test_requests_that_have_no_logarithm_are_refused():
    with pytest.raises(KlangfarbeError):
        control.agreement({"tempo_bpm": np.array([60.0, -1, 70])},
                          pd.DataFrame({"tempo_bpm": [60.0, 61, 62]}), n_resamples=10)


# --- the atelier: what the score says and what is heard


def test_what_the_ateliers_scores_ask_for_is_heard():
    sounds, _ = render.sounds(22, range(40))
    told = [describe(draw(22, index)) for index in range(40)]
    asked = {"tempo_bpm": [t["tempo_bpm"] for t in told],
             "mode": [1.0 if t["mode"] == "major" else -1.0 for t in told],
             "loudness_db": [t["loudness"] for t in told],
             "density_per_s": [t["density"] for t in told]}
    table = control.agreement(asked, control.measure_controls(sounds, RATE),
                              n_resamples=200).set_index("control")
    least = {"tempo_bpm": 0.3, "mode": 0.5, "loudness_db": 0.6, "density_per_s": 0.7}
    assert all(table.loc[name, "r"] > r for name, r in least.items())
    assert (table["r"] > table["null"]).all() and (table["low"]
                                                   > table["null"])[["loudness_db",
                                                                     "density_per_s"]].all()


def test_the_metric_has_a_whole_card():
    assert cards.card(control.correlation).direction == "↑"
