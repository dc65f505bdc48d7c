"""The seam between metrics and networks: windows, means over them, the two-caption check, CLAP and
IMSM.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.metrics import embedders, text_audio

RATE_HZ = 8000
TONES_HZ = (300, 500, 800, 1300, 2100, 3400)


class Ear:
    """Hears which of six tones is loudest: a vector a window, known in closed form."""

    name, sha256, sample_rate_hz, window_seconds, width = "ear", "e" * 64, RATE_HZ, 1.0, len(
        TONES_HZ)

    def embed(self, windows):
        spectrum = np.abs(np.fft.rfft(windows, axis=1))
        return spectrum[:, np.array(TONES_HZ) * windows.shape[1]
                        // RATE_HZ] / (windows.shape[1] / 2)

    def embed_text(self, texts):
        return np.eye(self.width)[[TONES_HZ.index(int(t.split()[0])) for t in texts]]

    def embed_pictures(self, pictures):
        return np.eye(self.width)[pictures[:, 0, 0, 0]]


def tone(hz, seconds=1.0, rate_hz=RATE_HZ, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz))
                               / rate_hz)).astype(np.float32)


@pytest.fixture
def clips():
    """Twelve clips and their captions."""
    hz = TONES_HZ * 2
    return [tone(f, 1.0 + 0.3 * i) for i, f in enumerate(hz)], [f"{f} hertz" for f in hz]


# --- windows and means over them


@pytest.mark.parametrize(("seconds", "count"),
                         [(0.7, 1), (1.0, 1), (1.49, 1), (1.5, 2), (2.0, 2), (2.4, 2), (10.0, 10)])
def test_how_many_windows_a_clip_gives(seconds, count):
    assert embedders.windows(tone(300, seconds), RATE_HZ, Ear()).shape == (count, RATE_HZ)


@settings(deadline=None, max_examples=40)
@given(st.integers(RATE_HZ // 2, 5 * RATE_HZ))
def test_windows_are_cut_from_the_start_and_the_last_ends_with_the_clip(n):
    sound = np.arange(n, dtype=np.float32)
    cut = embedders.windows(sound, RATE_HZ, Ear())
    whole, rest = divmod(n, RATE_HZ)
    assert len(cut) == max(1, whole + (2 * rest >= RATE_HZ))
    assert np.array_equal(cut[0], np.arange(RATE_HZ) % n)
    if n >= RATE_HZ:
        assert np.array_equal(cut[:whole].ravel(), sound[: whole * RATE_HZ])
        assert cut[-1, -1] == (n - 1 if 2 * rest >= RATE_HZ else whole * RATE_HZ - 1)


def test_a_clip_at_another_rate_is_brought_to_the_checkpoints_own():
    cut = embedders.windows(tone(800, 3.0, rate_hz=32_000), 32_000, Ear())
    assert cut.shape == (3, RATE_HZ) and cut.dtype == np.float32
    heard = embedders.embed_clips(Ear(), [tone(800, 3.0, rate_hz=32_000)], 32_000)
    assert heard[0, 2] == pytest.approx(0.5, abs=0.01) and np.delete(heard[0], 2).max() < 0.01


@pytest.mark.parametrize(
    ("sound", "rate_hz"),
    [(np.zeros((2, 8000)), RATE_HZ), (np.full(8000, np.nan), RATE_HZ),
     (np.r_[np.inf, np.zeros(8000)], RATE_HZ), (np.zeros(3999), RATE_HZ), (np.zeros(8000), 0),
     (np.zeros(0), RATE_HZ)],
)
def test_what_is_no_clip_is_refused(sound, rate_hz):
    with pytest.raises(KlangfarbeError):
        embedders.windows(sound, rate_hz, Ear())


def test_a_clip_is_the_mean_of_its_windows_whatever_the_batch(clips, monkeypatch):
    half_and_half = np.concatenate([tone(300), tone(3400, amplitude=0.3)])
    assert np.allclose(embedders.embed_clips(Ear(), [half_and_half], RATE_HZ)[0],
                       [0.25, 0, 0, 0, 0, 0.15], atol=1e-4)
    first = embedders.embed_clips(Ear(), clips[0], RATE_HZ)
    assert first.dtype == np.float64 and first.shape == (12, 6)
    for batch in (1, 2, 5, 1000):
        monkeypatch.setattr(embedders, "BATCH", batch)
        assert np.allclose(first, embedders.embed_clips(Ear(), clips[0], RATE_HZ), atol=1e-12)


@pytest.mark.parametrize("answer", [lambda w: np.zeros((len(w), 5)), lambda w: np.zeros((1, 6)),
                                    lambda w: np.full((len(w), 6), np.nan)])
def test_an_encoder_that_answers_wrongly_is_refused(answer, clips):
    ear = Ear()
    ear.embed = answer
    with pytest.raises(KlangfarbeError):
        embedders.embed_clips(ear, clips[0], RATE_HZ)


def test_logits_of_clips_are_means_too():
    ear = Ear()
    ear.labels, ear.logits = ("low", "high"), lambda windows: ear.embed(windows)[:, [0, 5]]
    got = embedders.logits_of_clips(ear, [np.concatenate([tone(300), tone(3400)])], RATE_HZ)
    assert np.allclose(got, [[0.25, 0.25]], atol=1e-4)


def test_a_card_names_the_checkpoint_and_the_windows():
    card = embedders.card(Ear())
    assert card == {"name": "ear", "sha256": "e" * 64, "width": 6, "sample_rate_hz": RATE_HZ,
                    "window_seconds": 1.0, "windows": embedders.WINDOWS}


# --- the two-caption check


def test_an_ear_that_hears_is_trusted(clips):
    check = text_audio.verify_encoder(Ear(), *clips[:1], RATE_HZ, clips[1])
    assert (check.n, check.rate, check.partners) == (12, 1.0, "texts")
    assert check.p_value == pytest.approx(2**-12) and check.spread > 0.5
    assert check.card()["two_caption_rate"] == 1.0 and check.card()["sha256"] == "e" * 64


def refused(encoder, clips, match):
    with pytest.raises(KlangfarbeError, match=match):
        text_audio.verify_encoder(encoder, clips[0], RATE_HZ, clips[1])


def test_a_collapsed_encoder_is_refused(clips):
    ear = Ear()
    ear.embed = lambda windows: np.ones((len(windows), 6)) + 1e-3 * Ear().embed(windows)
    refused(ear, clips, "on one point")


def test_a_deaf_encoder_is_refused(clips):
    ear = Ear()
    noise = np.random.default_rng(0)
    ear.embed = lambda windows: noise.standard_normal((len(windows), 6))
    refused(ear, clips, "more often than luck")


def test_an_encoder_that_hears_the_opposite_is_refused(clips):
    ear = Ear()
    ear.embed_text = lambda texts: -Ear().embed_text(texts)
    refused(ear, clips, "0 of 12")


def test_a_liking_for_some_captions_whatever_sounds_wins_nothing(clips, monkeypatch):
    """Wrong captions all of one kind that a deaf encoder dislikes: uncorrected, every right one
    would win.
    """
    ear = Ear()
    spread = np.random.default_rng(1)
    ear.embed = lambda windows: np.c_[np.ones(len(windows)),
                                      0.3 * spread.standard_normal((len(windows), 5))]
    ear.embed_text = lambda texts: np.array([[-1.0 if t == "nothing" else 1.0, 0, 0, 0, 0, 0]
                                             for t in texts])
    wrong = ["nothing"] * 12
    heard = embedders.embed_clips(ear, clips[0], RATE_HZ)
    assert ((heard @ ear.embed_text(clips[1]).T).diagonal()
            > (heard @ ear.embed_text(wrong).T).diagonal()).all()
    monkeypatch.setattr(text_audio, "_dealt", lambda right, seed: wrong)
    with pytest.raises(KlangfarbeError, match="more often than luck"):
        text_audio.verify_encoder(ear, clips[0], RATE_HZ, clips[1])


@pytest.mark.parametrize("right", [[f"{hz} hertz" for hz in TONES_HZ], ["300 hertz"] * 12,
                                   [" "] * 12, ["500 hertz"] * 7 + ["300 hertz"] * 5])
def test_captions_that_cannot_decide_are_refused(right, clips):
    with pytest.raises(KlangfarbeError):
        text_audio.verify_encoder(Ear(), clips[0][: len(right)], RATE_HZ, right)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=30), st.integers(0, 99))
def test_dealt_captions_never_fall_to_their_own(captions, seed):
    most = max(captions.count(c) for c in captions)
    if 2 * most > len(captions):
        return
    try:
        dealt = text_audio._dealt(captions, seed)
    except KlangfarbeError:
        assert 3 * most > len(captions), "only tight hands may fail"
        return
    assert sorted(dealt) == sorted(captions) and all(a != b for a,
                                                     b in zip(captions, dealt, strict=True))


# --- CLAP and IMSM --------------------------------------------------------------------------------


def test_clap_is_the_cosine_of_text_and_clip(clips):
    check = text_audio.verify_encoder(Ear(), clips[0], RATE_HZ, clips[1])
    assert np.allclose(text_audio.clap(check, clips[1], clips[0], RATE_HZ), 1, atol=1e-3)
    assert np.allclose(text_audio.clap(check, clips[1][1:] + clips[1][:1], clips[0], RATE_HZ), 0,
                       atol=1e-3)
    halves = np.concatenate([tone(300), tone(3400)])
    assert text_audio.clap(check, ["300 hertz"], [halves],
                           RATE_HZ)[0] == pytest.approx(np.sqrt(0.5), abs=1e-3)


def test_clap_wants_a_checked_encoder_and_as_many_texts_as_clips(clips):
    with pytest.raises(KlangfarbeError, match="two-caption"):
        text_audio.clap(Ear(), clips[1], clips[0], RATE_HZ)
    check = text_audio.verify_encoder(Ear(), clips[0], RATE_HZ, clips[1])
    with pytest.raises(KlangfarbeError):
        text_audio.clap(check, clips[1][:3], clips[0], RATE_HZ)
    with pytest.raises(KlangfarbeError, match="this kind"):
        text_audio.imsm(check, np.zeros((12, 4, 4, 3), np.uint8), clips[0], RATE_HZ)


def test_imsm_scores_pairs(clips):
    pictures = np.zeros((12, 4, 4, 3), np.uint8) + np.tile(np.arange(6, dtype=np.uint8),
                                                           2)[:, None, None, None]
    check = text_audio.verify_encoder(Ear(), clips[0], RATE_HZ, pictures)
    assert check.partners == "pictures"
    assert np.allclose(text_audio.imsm(check, pictures, clips[0], RATE_HZ), 1, atol=1e-3)
