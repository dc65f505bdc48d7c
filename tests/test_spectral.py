"""MCD, LSD, THD, SNR and mel energy: tones whose answer is known, independent implementations,
silence refused.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.metrics import cards, distances, spectral

RATE = 22_050
TIME = np.arange(RATE) / RATE


def noise(seed=0, seconds=1.0, level=0.1):
    return level * np.random.default_rng(seed).normal(size=int(seconds * RATE))


def tune(seed=0, note_seconds=0.2, n_notes=6):
    """Notes with overtones, a little noise: something with a spectral envelope that moves."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(note_seconds * RATE)) / RATE
    fade = np.exp(-0.8 * time / note_seconds)
    notes = [sum(np.sin(2 * np.pi * h * f * time) / h for h in range(1, 6)) * fade
             for f in rng.uniform(150, 700, n_notes)]
    return 0.1 * np.concatenate(notes) + 0.002 * rng.normal(size=n_notes * len(time))


# --- mel-cepstral distortion


def independent_mcd(a, b, k=13):
    """Own windows, own filters' application, own cosine transform, own table: nothing of ours but
    the settings.
    """
    from librosa.filters import mel as mel_filters
    from scipy.signal import get_window

    def frames(x):
        x = np.pad(x, 512)
        hops = range(0, len(x) - 1023, 256)
        spectrum = np.abs(np.fft.rfft(np.stack([x[h : h + 1024] for h in hops])
                                      * get_window("hann", 1024), axis=1))
        bands = np.log(np.maximum(spectrum @ mel_filters(sr=RATE, n_fft=1024, n_mels=80).T, 1e-5))
        basis = np.sqrt(2 / 80) * np.cos(np.pi * np.outer(np.arange(1, k + 1), np.arange(80) + 0.5)
                                         / 80)
        return bands @ basis.T

    x, y = frames(a), frames(b)
    cost = np.linalg.norm(x[:, None] - y[None], axis=2)
    best = {}  # cell → (cost so far, path's sum, path's length)
    for i in range(len(x)):
        for j in range(len(y)):
            before = [best[c] for c in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if c in best]
            total, count = min(before, key=lambda s: s[0]) if before else (0.0, 0)
            best[i, j] = total + cost[i, j], count + 1
    total, count = best[len(x) - 1, len(y) - 1]
    return 10 * np.sqrt(2) / np.log(10) * total / count


@pytest.mark.parametrize("seed", range(3))
def test_mcd_agrees_with_an_independent_implementation(seed):
    a, b = tune(seed), tune(seed + 10)[:-3000]
    assert spectral.mcd(a, b, RATE) == pytest.approx(independent_mcd(a, b), rel=0.01)
    assert spectral.mcd(a, b, RATE, n_coefficients=5) == pytest.approx(independent_mcd(a, b, 5),
                                                                       rel=0.01)


def test_mcd_of_one_frame_by_hand():
    a, b = np.zeros((1, 13)), np.zeros((1, 13))
    b[0, :2] = 3, 4
    assert spectral.cepstral_distortion(a, b) == pytest.approx(10 * np.sqrt(2) / np.log(10) * 5)
    assert spectral.cepstral_distortion(np.repeat(a, 9, 0),
                                        np.repeat(b, 4,
                                                  0)) == pytest.approx(
        spectral.cepstral_distortion(a, b))


def test_mcd_is_zero_for_itself_blind_to_loudness_and_forgives_tempo():
    sound = tune(1)
    assert spectral.mcd(sound, sound, RATE) == 0
    assert spectral.mcd(sound, 3 * sound, RATE) == pytest.approx(0, abs=0.01)
    assert spectral.mcd(sound, tune(1, note_seconds=0.3),
                        RATE) < 0.4 * spectral.mcd(sound, tune(2), RATE)


def test_mcd_many_takes_pairs_of_any_length():
    pairs = [(tune(s), tune(s + 5)[: 20_000 + 500 * s]) for s in range(3)]
    assert spectral.mcd(*zip(*pairs),
                             RATE) == pytest.approx([spectral.mcd(a, b, RATE) for a, b in pairs])
    batch = np.stack([tune(0), tune(1)]), np.stack([tune(2), tune(3)])
    # 22 050 Hz unless told otherwise
    assert spectral.mcd(*batch) == pytest.approx([spectral.mcd(a, b, RATE) for a, b in zip(*batch)])


# --- log-spectral distance


def test_lsd_of_a_gain_is_the_gain():
    sound = noise()
    assert spectral.lsd(sound, 2 * sound) == pytest.approx(20 * np.log10(2), abs=1e-6)
    assert spectral.lsd(sound, sound) == 0
    batch = spectral.lsd(np.stack([sound, sound]), np.stack([sound, sound / 10]))
    assert batch == pytest.approx([0, 20], abs=1e-3)  # a few bins of the softer one meet the floor


def test_lsd_agrees_with_the_formula_in_numpy():
    a, b = tune(1), tune(2)
    powers = []
    for x in (a, b):
        x = np.pad(x, 1024)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
        powers.append(np.abs(np.fft.rfft([x[i : i + 2048] * window
                                          for i in range(0, len(x) - 2047, 512)])) ** 2)
    p, q = (np.maximum(x, powers[0].max() * 1e-8) for x in powers)
    by_hand = np.sqrt(((10 * np.log10(p / q)) ** 2).mean(axis=1)).mean()
    assert spectral.lsd(a, b) == pytest.approx(by_hand, rel=1e-4)


def test_without_a_floor_silence_decides():
    sound = noise(0)
    sound[RATE // 2 :] = 0
    faint = sound + noise(1, level=1e-7)  # nobody hears −140 dBFS
    both = spectral.lsd(faint, sound + noise(2,
                                             level=1e-9)), spectral.lsd(faint,
                                                                        sound + noise(2,
                                                                                      level=1e-9),
                                                                        floor_db=None)
    assert both[0] < 0.1 and both[1] > 15
    with pytest.raises(KlangfarbeError, match="floor"):
        spectral.lsd(sound, sound, floor_db=None)


# --- THD and SNR ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fundamental", [110.0, 441.3, 3000.0])
def test_thd_of_a_second_harmonic_at_minus_20_db(fundamental):
    tone = 0.3 * np.sin(2 * np.pi * fundamental * TIME)
    assert spectral.thd(tone, RATE, fundamental) < 1e-4
    second = 0.03 * np.sin(4 * np.pi * fundamental * TIME + 1)
    assert spectral.thd(tone + second, RATE, fundamental) == pytest.approx(0.1, rel=1e-4)
    if fundamental < 1000:
        third = 0.04 * np.sin(6 * np.pi * fundamental * TIME)
        assert spectral.thd(tone + second + third, RATE,
                            fundamental) == pytest.approx(np.hypot(0.1, 0.04 / 0.3), rel=1e-4)


def test_thd_refuses_what_has_no_fundamental():
    tone = np.sin(2 * np.pi * 440 * TIME)
    # 97 Hz: nothing there; 8 kHz: its octave lies above half the rate
    for fundamental in (None, 0, -3, np.nan, 97.0, 8000.0):
        with pytest.raises(KlangfarbeError):
            spectral.thd(tone, RATE, fundamental)
    with pytest.raises(KlangfarbeError, match="longer"):
        spectral.thd(tone[:400], RATE, 440.0)


def test_thd_of_a_clean_chord_is_nonsense():
    # three sines, nothing distorted
    chord = sum(np.sin(2 * np.pi * f * TIME) for f in (220.0, 440.0, 660.0))
    assert spectral.thd(chord, RATE, 220.0) == pytest.approx(np.sqrt(2), rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 3))
def test_snr_is_torchmetrics(seed, level):
    import torch
    from torchmetrics.functional.audio import signal_noise_ratio

    clean = np.stack([noise(seed, 0.1), noise(seed + 1, 0.1)]) + 0.05
    dirty = clean + noise(seed + 2, 0.1, level)
    theirs = signal_noise_ratio(torch.from_numpy(dirty), torch.from_numpy(clean)).numpy()
    assert spectral.snr(clean, dirty) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_snr_by_hand_and_what_it_does_to_a_flipped_sign():
    sound = noise()
    assert spectral.snr(sound, 0.9 * sound) == pytest.approx(20)
    # inaudible, and worse than silence
    assert spectral.snr(sound, -sound) == pytest.approx(-20 * np.log10(2))
    assert spectral.snr(sound, 0 * sound) == pytest.approx(0)
    with pytest.raises(KlangfarbeError, match="infinite"):
        spectral.snr(sound, sound)


# --- mel energy -----------------------------------------------------------------------------------


def tone_at_bin(b, n_fft=1024):
    return np.sin(2 * np.pi * b * np.arange(RATE) / n_fft)


def test_a_shifted_tone_gives_the_closed_form():
    """A tone on bin b through a Hann window is power ¼, 1, ¼ on bins b−1, b, b+1; triangles on the
    mel scale do the rest.
    """

    def mel(hz):  # Slaney: linear to 1 kHz, then 27 steps a factor of 6.4
        return np.where(hz < 1000, 3 * hz / 200,
                        15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4))

    def hz(m):
        return np.where(m < 15, 200 * m / 3, 1000 * 6.4 ** ((m - 15) / 27))

    edges = hz(np.linspace(0, mel(np.float64(RATE / 2)), 130))

    def shares(b):
        f = (b + np.array([-1, 0, 1])) * RATE / 1024
        up = (f - edges[:-2, None]) / np.diff(edges)[:-1, None]
        down = (edges[2:, None] - f) / np.diff(edges)[1:, None]
        triangle = np.clip(np.minimum(up, down), 0, None) * (2 / (edges[2:] - edges[:-2]))[:, None]
        energy = triangle @ [0.25, 1, 0.25]
        q = energy / energy.sum() + 1e-8
        return q / q.sum()

    for b, c in ((40, 41), (40, 60), (200, 203)):
        p, q = shares(b), shares(c)
        assert distances.mel_energy_kld(tone_at_bin(b), tone_at_bin(c),
                                         RATE) == pytest.approx((p * np.log(p / q)).sum(), rel=1e-3)


def test_mel_energy_is_power_summed_over_time_under_one_binning():
    low, high = tone_at_bin(30), tone_at_bin(120)
    mixed = low + high / 2  # 4 : 1 in power, up to the filters' heights
    # blind to time
    assert distances.mel_energy_kld(mixed, mixed[::-1], RATE) == pytest.approx(0, abs=1e-6)
    # and to loudness
    assert distances.mel_energy_kld(mixed, 0.3 * mixed, RATE) == pytest.approx(0, abs=1e-9)
    assert distances.mel_energy_kld(low, np.concatenate([low, high]), RATE) == pytest.approx(
        -np.log(_share_of_low(low, high)), rel=0.01)
    batch = distances.mel_energy_kld(np.stack([low, mixed]), np.stack([high, mixed]), RATE)
    assert batch.shape == (2,) and batch[1] == 0 and batch[0] == pytest.approx(
        distances.mel_energy_kld(low, high, RATE))


def _share_of_low(low, high):
    import librosa

    def energy(x):
        return librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=1024, hop_length=256, n_mels=128,
                                              center=False).sum()

    return energy(low) / (energy(low) + energy(high))


# --- what all refuse

METRICS = {"mcd": lambda a, b: spectral.mcd(a, b, RATE), "lsd": spectral.lsd, "mel": lambda a,
           b: distances.mel_energy_kld(a, b, RATE), "snr": spectral.snr, "thd": lambda a,
           b: spectral.thd(a, RATE, 440.0)}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("bad", [np.zeros(RATE), np.full(RATE, np.nan), np.zeros(0),
                                 np.zeros((2, 3, 4)), 1e-6 * noise()],
                         ids=["silent", "nan", "empty", "3d", "faint"])
def test_silence_and_broken_sounds_raise(metric, bad):
    with pytest.raises(KlangfarbeError):
        metric(bad, noise(1))


@pytest.mark.parametrize("name", ["mcd", "lsd", "mel"])
def test_a_silent_result_raises_too(name):
    with pytest.raises(KlangfarbeError, match="silence"):
        METRICS[name](noise(1), np.zeros(RATE))


def test_unequal_lengths_are_refused_where_samples_are_compared():
    for metric in (spectral.lsd, spectral.snr):
        with pytest.raises(KlangfarbeError, match="one length"):
            metric(noise(), noise()[:-5])


@pytest.mark.parametrize("metric", [spectral.mcd, spectral.lsd, spectral.thd, spectral.snr],
                         ids=lambda f: f.__name__)
def test_every_metric_carries_a_card(metric):
    assert cards.card(metric).sign == (1 if metric is spectral.snr else -1)
