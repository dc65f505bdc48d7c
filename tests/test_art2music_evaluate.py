"""System 4's examination on fresh atelier items: its references, its rows, its measures on rows
whose worth is known beforehand.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from lib import pretrained
from lib.data.atelier import TEST_SEED
from lib.metrics import spectral
from lib.systems import evaluation
from lib.systems.art2music import data, evaluate, mel
from lib.systems.art2music.config import DataConfig, get_config


@pytest.fixture(scope="module")
def parts():
    return SimpleNamespace(**{part: pretrained.load(part, device="cpu")
                              for part in ("image_text", "sentences", "tagger")})


@pytest.fixture(scope="module")
def fresh(parts):
    return evaluate.load_test_set(get_config("smoke"), parts.image_text, parts.sentences)


def test_a_reference_is_the_clip_whose_caption_lies_nearest(fresh, parts):
    n = len(fresh.comments)
    _, clips = data.atelier_texts(DataConfig(n_paintings=n, comments_each=1, n_clips=16), TEST_SEED,
                                  evaluate.PAINTINGS_FROM)
    cosines = evaluation.unit(parts.sentences.embed_text(
            list(fresh.comments["comment"]))) @ evaluation.unit(
        parts.sentences.embed_text(list(clips["caption"]))).T
    own = evaluation.unit(parts.sentences.embed_text(list(fresh.clips["caption"])))
    here = (evaluation.unit(parts.sentences.embed_text(list(fresh.comments["comment"])))
            * own).sum(1)
    np.testing.assert_allclose(here, cosines.max(1), atol=1e-5)
    assert fresh.pictures.shape == (n, 128, 128, 3) and fresh.reference.shape == fresh.real.shape
    assert (np.abs(fresh.reference - fresh.real).max(1)
            > 0).all(), "the second nearest is another clip"
    np.testing.assert_allclose(fresh.mels,
                               mel.padded_mel(fresh.reference, fresh.mels.shape[2]), atol=1e-6)


def prepared(fresh, encoder):
    return evaluate.prepare_reference(fresh.reference, fresh.mels.shape[2], encoder)


def test_the_inputs_lack_what_their_names_say(fresh):
    rows = evaluate.ablated_inputs(fresh)
    v, u = rows["full"]
    assert np.array_equal(rows["no text"][0], v) and not rows["no text"][1].any()
    assert np.array_equal(rows["no image"][1], u) and not rows["no image"][0].any()
    noise = rows["noise"][0]
    np.testing.assert_allclose(np.linalg.norm(noise, axis=1), 1, atol=1e-5)
    assert abs(float((noise * v).sum(1).mean())) < 0.3


def test_the_reference_itself_is_perfect_and_another_clip_is_not(fresh, parts):
    reference = prepared(fresh, parts.tagger)
    same, other = (evaluate.analyse(sounds, reference, parts.tagger, whole=True)
                   for sounds in (fresh.reference, fresh.real))
    assert np.allclose(np.diagonal(same["mcd"]), 0,
                       atol=1e-4) and np.allclose(np.diagonal(same["lsd"]), 0, atol=1e-3)
    assert np.allclose(np.diagonal(same["cosine"]), 1, atol=1e-4)
    assert (np.diagonal(other["mcd"]) > 1).all() and np.diagonal(other["cosine"]).mean() < 0.95
    assert np.isfinite(same["mcd"]).all()
    quick = evaluate.analyse(fresh.real, reference, parts.tagger)
    np.testing.assert_allclose(np.diagonal(quick["mcd"]), np.diagonal(other["mcd"]), rtol=1e-6)
    assert np.isnan(quick["mcd"][~np.eye(len(quick), dtype=bool)]).all()
    assert float(other["mcd"][2,
                              5]) == pytest.approx(float(spectral.mcd(fresh.reference[5],
                                                                      fresh.real[2], mel.RATE_HZ)),
                                                   rel=1e-5)


def test_chance_is_measured_on_a_stated_number_of_pairs(monkeypatch):
    n, rng = 9, np.random.default_rng(0)
    sounds, heard = rng.standard_normal((2, n, 8192)).astype(np.float32)
    reference = evaluate.prepare_reference(heard, 32)
    whole = evaluate.spectral_distances(sounds, reference, whole=True)
    calls, real = [], spectral.cepstral_distortion
    monkeypatch.setattr(spectral, "cepstral_distortion",
                        lambda *pair: calls.append(1) or real(*pair))
    some = evaluate.spectral_distances(sounds, reference, whole=True, n_others=3)
    assert len(calls) == n * (1 + 3)
    monkeypatch.setattr(evaluate, "BLOCK", 4)  # many at a time, few in memory
    few = evaluate.prepare_reference(heard, 32)
    again = evaluate.spectral_distances(sounds, few, whole=True, n_others=3)
    for name, table in some.items():
        np.testing.assert_allclose(np.diagonal(table), np.diagonal(whole[name]))
        np.testing.assert_allclose(again[name], table)
        for row in range(n):  # whatever stands there was measured for this very sound
            others = np.delete(table[row], row)
            assert np.isin(others, np.delete(whole[name][row], row)).all()
            assert len(set(others)) <= 3 and whole[name][row, row] not in others
    for k in (0, n - 1, 99):
        calls.clear()
        every = evaluate.spectral_distances(sounds, reference, whole=True, n_others=k)
        assert len(calls) == n * n and np.array_equal(every["mcd"], whole["mcd"])


def test_the_references_are_measured_once_for_all_rows(fresh, parts, monkeypatch):
    reference = prepared(fresh, parts.tagger)
    calls, real = [], spectral.mel_cepstra
    monkeypatch.setattr(spectral, "mel_cepstra", lambda *args: calls.append(1) or real(*args))
    for _ in range(2):
        evaluate.analyse(fresh.real, reference, parts.tagger)
    assert len(calls) == 2 * len(fresh.real)


def test_sets_are_embedded_by_the_encoder_that_the_reference_names(fresh, parts):
    """Affect stays the tagger's; windows, embedding and cosine are the other encoder's."""
    class Loudness:
        name, sha256, width, sample_rate_hz, window_seconds = "loudness", "0", 2, 22_050, 0.5

        def embed(self, windows):
            return np.stack([windows.std(1), np.abs(windows).max(1)], 1)

    rows = evaluate.analyse(fresh.real, prepared(fresh, Loudness()), parts.tagger)
    assert rows["windows"].shape[2] == 2 and rows["windows"].shape[1] > 1
    np.testing.assert_allclose(rows["embedding"], rows["windows"].mean(1))
    by_tagger = evaluate.analyse(fresh.real, prepared(fresh, parts.tagger),
                                 parts.tagger)
    np.testing.assert_allclose(rows["affect"], by_tagger["affect"])


def test_cosines_by_hand():
    assert evaluate.feeling_cosine(np.array([[3.0, 4.0], [1.0, 0.0]]),
                                   np.array([[4.0, 3.0], [0.0, 0.0]])).tolist() == [0.96, 0.0]


def test_a_measure_a_row_and_printed_values_where_the_paper_has_them(fresh, parts):
    reference = prepared(fresh, parts.tagger)
    measures = {measure.name: measure
                for measure in evaluate.measures(fresh, reference, parts.tagger)}
    assert list(measures) == ["MCD", "LSD", "cosine", "CCC valence", "CCC arousal", "KAD"]
    assert set(measures["MCD"].published) == {"full", "no text", "no image", "noise"}
