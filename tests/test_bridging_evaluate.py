"""System 1's examination: nothing known to training, everyone told their own text, and marks that
come out where a hand can check them.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.metrics import audio_quality, cards, distances, embedders, spectral, stats, text_audio
from lib.metrics import evaluation_table as tables
from lib.signal import affect
from lib.systems import evaluation
from lib.systems.bridging import data, evaluate, prompts
from lib.systems.bridging.config import get_config

RATE = 22_050



@pytest.fixture(scope="module")
def trained():
    return data.load_data("smoke")


@pytest.fixture(scope="module")
def material(trained):
    return evaluate.make_test_set(10, 1.0, RATE, trained)


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, RATE)) * np.array([[0.01], [0.05], [0.1], [0.2]])


class Ears:
    """A text–audio encoder of four numbers: energy in four bands; texts by their letters."""

    name, sha256, sample_rate_hz, window_seconds, width = "ears", "0" * 64, RATE, 1.0, 4

    def embed(self, windows):
        return np.stack([np.abs(np.fft.rfft(w))
                         for w in windows])[:, :4000].reshape(len(windows), 4, -1).mean(2)

    def embed_text(self, texts):
        return np.array([[1 + text.count(letter) for letter in "aeio"] for text in texts], float)


class Tagger(Ears):
    """The same energies as affect and logits."""

    labels = ("a", "b", "c", "d")

    def affect(self, windows):
        return np.clip(self.embed(windows)[:, :2] / 100, -1, 1)

    logits = Ears.embed


# --- the material ---------------------------------------------------------------------------------


def test_rows_are_aligned_balanced_and_all_different(material):
    table = material.table
    assert material.pictures.shape == (10, 128, 128, 3) and material.pictures.dtype == np.uint8
    assert (material.reference.shape == material.real.shape == (10, RATE)
            and material.reference.dtype == np.float32)
    assert table["emotion"].tolist() == list(evaluate.EMOTIONS) * 2
    for row in table.itertuples():
        assert affect.emotion_word(row.valence, row.arousal) == row.emotion
        for piece in (row.piece, row.real):
            assert words_of(piece) == row.emotion
    items = table[["painting", "piece", "real"]].to_numpy().ravel()
    assert len(set(items)) == len(items)
    assert np.sqrt((material.reference**2).mean(1)).min() > 1e-3


def words_of(item_id):
    from lib.data.atelier import factors
    from lib.data.atelier import words as own_words

    seed, index = item_id.split("-")[1:]
    return own_words.emotion_word(factors.draw(int(seed), int(index)))


@pytest.mark.parametrize(("column", "side"),
                         [("painting", "painting"), ("painting_group", "painting"),
                          ("piece_group", "piece"), ("piece_group", "real")])
def test_what_training_knew_is_refused(material, trained, column, side):
    known = trained.table.copy()
    known.loc[0, column] = material.table[side][3]
    if column == "painting":
        known.loc[0, "painting_group"] = known.loc[0, "painting"]
    with pytest.raises(KlangfarbeError, match="group_in_two_splits"):
        evaluate.make_test_set(10, 1.0, RATE, trained._replace(table=known))


def test_the_codec_keeps_the_length_and_changes_the_sound(material):
    from lib import pretrained

    back = evaluate.codec_round_trip(material.real[:3], pretrained.load("codec"), batch=2)
    assert back.shape == (3, RATE) and np.isfinite(back).all()
    likeness = [np.corrcoef(a, b)[0, 1] for a, b in zip(back, material.real, strict=False)]
    assert 0.1 < np.mean(likeness) < 0.9999


# --- the marks ------------------------------------------------------------------------------------


def test_levels_are_one_and_silence_stays():
    rng = np.random.default_rng(1)
    made = evaluation.match_loudness(np.stack([0.3 * rng.normal(size=1000),
                                               1e-3 * rng.normal(size=1000), np.zeros(1000)]))
    assert np.sqrt((made.astype(float) ** 2).mean(1)) == pytest.approx([evaluation.LEVEL,
                                                                        evaluation.LEVEL, 0],
                                                                       rel=1e-5)


def test_ratios_against_every_reference_are_the_metrics_own(sounds):
    other = np.roll(sounds, 1, axis=0) + 0.01
    snr, kl = evaluate._snr(sounds, other), evaluate._histogram_kl(sounds, other)
    for i, j in np.ndindex(4, 4):
        assert snr[i, j] == pytest.approx(spectral.snr(other[j], sounds[i]), abs=1e-9)
        assert kl[i, j] == pytest.approx(distances.original_histogram_kl(other[j], sounds[i]),
                                         abs=1e-12)


def test_the_strongest_tone_is_taken_for_the_fundamental():
    t = np.arange(RATE) / RATE
    assert evaluate._thd(np.sin(2 * np.pi * 300 * t) + 0.1 * np.sin(2 * np.pi * 600 * t),
                           RATE) == pytest.approx(0.1, rel=1e-3)


def test_a_row_as_it_is_heard_agrees_with_the_metrics(material):
    own, common = [f"text {'aeio'[k % 4] * k}" for k in range(10)], ["a", "e"] * 5
    clap, tagger = text_audio.VerifiedEncoder(Ears(), 10, 1.0, 0.0, 1.0, "texts"), Tagger()
    encoders = evaluate.Encoders(tagger, Ears(), tagger, clap)
    half = Ears()
    half.window_seconds = 0.5

    def score(sounds, *against, encoders=encoders):
        return evaluate.score_clips(sounds, {"own": own, "common": common}, encoders, RATE,
                                    *against)
    row = score(material.real, material.reference)
    for name, texts in (("own", own), ("common", common)):
        assert np.diagonal(row[name]) == pytest.approx(text_audio.clap(
            clap, texts, list(material.real), RATE))
    louder = score(3 * material.real, material.reference)
    assert louder["embedding"] == pytest.approx(row["embedding"], rel=1e-3)  # at one loudness
    assert np.all(louder["affect"][:, 0] > row["affect"][:, 0])  # as played
    assert [affect.emotion_word(*point) for point in row["affect"]] == row["word"].tolist()
    few = score(material.real, encoders=encoders._replace(embedder=half))
    assert few["windows"].shape == (10, 2, 4) and "affect" not in few.dtype.names
    assert few["embedding"] == pytest.approx(few["windows"].mean(1))
    assert few["own"] == pytest.approx(row["own"])
    quality = audio_quality.measure_quality(material.real, RATE)
    assert few["flatness"] == pytest.approx(quality["flatness"].to_numpy())
    assert few["blank"] == pytest.approx(quality["blank"].to_numpy())


def test_encoders_are_those_that_the_config_names(material, monkeypatch):
    asked = []
    monkeypatch.setattr(embedders, "load", lambda name: asked.append(name) or name)
    said = material.table["real_description"]
    config = get_config("smoke").evaluation
    bundled = evaluate.load_encoders(config, material.real, said, RATE)
    assert bundled.embedder is bundled.classes is bundled.tagger and not asked
    assert bundled.clap.n == len(said)
    paper = replace(get_config("paper").evaluation, text_audio="miniature")
    published = evaluate.load_encoders(paper, material.real, said, RATE)
    assert published[1:3] == ("vggish", "panns") and sorted(asked) == ["panns", "vggish"]


def test_a_difference_over_trainings_is_wider_where_trainings_differ():
    rng, groups = np.random.default_rng(0), np.arange(60)
    theirs = [rng.normal(size=60) for _ in range(3)]
    alike = [rows + 1 for rows in theirs]
    apart = [rows + shift for rows, shift in zip(theirs, (0, 1, 2))]
    for ours, trainings in ((alike, [1, 1, 1]), (apart, [0, 1, 2])):
        each, (value, low, high) = evaluate.over_trainings(np.mean, ours, theirs, groups)
        assert each == pytest.approx(trainings) and value == pytest.approx(1)
        assert (low, high) == stats.difference_over_seeds(np.mean, ours, theirs, groups)[1:]
        assert (low > 0) == (ours is alike)
    each, (value, low, high) = evaluate.over_trainings(np.mean, apart[2:], theirs[:1], groups)
    assert each == [value] and low < value < high  # one training: over paintings alone
    assert (low, high) == pytest.approx(stats.jackknife(np.mean, apart[2] - theirs[0],
                                                        groups=groups))


def test_the_whole_table_knows_which_condition_is_a_rows_own(material):
    """A system that answers its own painting only falls to its null when it is dealt out, and to
    nothing where a measure is deaf.
    """
    rng = np.random.default_rng(0)
    n = 30
    asked = np.resize(np.array(evaluate.EMOTIONS), n)
    table = pd.DataFrame({"emotion": asked, "valence": rng.uniform(-1, 1, n),
                          "arousal": rng.uniform(-1, 1, n)})
    kinds = [("affect", "f8", 2), ("word", "U8"), ("logits", "f8", 3), ("embedding", "f8", 4),
             ("own", "f8", n), ("common", "f8", n), ("snr", "f8", n), ("histogram", "f8", n),
             ("thd", "f8")]
    ideal = np.zeros(n, kinds)
    ideal["affect"], ideal["word"], ideal["own"], ideal["common"] = (table[["valence", "arousal"]],
                                                                     asked, np.eye(n), 0.5)
    ideal["embedding"], ideal["logits"] = rng.normal(size=(n, 4)), rng.normal(size=(n, 3))
    deaf = np.roll(ideal, 7)
    reference = ideal.copy()
    card = SimpleNamespace(name="ears", sha256="0" * 64, width=4)
    found = tables.evaluate_table({"M4": ideal, "deaf": deaf},
                         evaluate.measures(table, reference, evaluate.Encoders(
                             card, card, card, SimpleNamespace(card=lambda: vars(card)))),
                         n_resamples=50, n_swaps=199).set_index(["measure", "row"])
    assert found.loc[("CLAP, own text", "M4"),
                     "value"] == 1 and found.loc[("CLAP, own text", tables.SHUFFLED), "value"] < 0.2
    assert found.loc[("word heard", "M4"),
                     "value"] == 1 and found.loc[("CCC valence", "M4"), "value"] == pytest.approx(1)
    assert found.loc[("word heard", "deaf"),
                     "system_is"] == "better" and found.loc[("paired KL", "M4"), "value"] == 0
    assert found.loc[("CLAP, common text", "deaf"),
                     "value"] == found.loc[("CLAP, common text", tables.SHUFFLED), "value"] == 0.5
    assert tables.MEAN not in found.loc["word heard"].index and (found.loc["THD", "system_is"]
                                                                 == "").all()
    assert found.loc[("THD", "published: M3"),
                     "value"] == 1.92 and found.loc[("THD", "published: M3"), "direction"] == "↑"


@pytest.mark.parametrize("metric", [spectral.snr, spectral.thd, text_audio.clap])
def test_a_metric_on_known_values_keeps_its_card(metric):
    kept, unranked = evaluation.precomputed(metric), evaluation.precomputed(metric, ranked=False)
    card = cards.card(metric)
    assert cards.card(kept) == card and card.sign != 0 == cards.card(unranked).sign
    assert cards.card(unranked)._replace(direction=card.direction, sign=card.sign) == card
    assert kept(np.array([[2], [0]]), np.arange(6).reshape(2, 3)).tolist() == [2, 3]


def test_differences_by_hand():
    groups = np.arange(40)
    assert stats.paired_difference(groups + 0.5, groups, groups) == (0.5, 0.5, 0.5)
    assert stats.proportion(np.repeat([1, 0], 5)) == pytest.approx((0.5, 0.2366, 0.7634), abs=1e-4)
    assert evaluation.emotion_recognised(np.array(["sad", "fun"]),
                                np.array(["sad", "sad"])).tolist() == [1, 0]
    rng = np.random.default_rng(0)
    reference, cloud, shift = rng.normal(size=(60,
                                               3)), rng.normal(size=(40, 3)), np.array([1.0, -2.0,
                                                                                        0.5])
    assert evaluation.fad_difference(reference, cloud, cloud, groups) == (0, 0, 0)
    gap = reference.mean(0) - cloud.mean(0)
    value, low, high = evaluation.fad_difference(reference, cloud + shift, cloud, groups)
    # a shift moves the means alone
    assert value == pytest.approx(((gap - shift) ** 2 - gap**2).sum()) and low < value < high
    table = evaluation.frechet_table({"a": {"embedding": cloud}}, {"embedding": reference},
                                     groups=groups, n_folds=4)
    assert table.set_index(["measure", "row"]).loc[("FAD", "a"),
                                                   "value"] == pytest.approx(
        distances.fad(reference, cloud))


def test_agreement_and_its_differences():
    rng = np.random.default_rng(0)
    wanted, other = rng.uniform(-1, 1, (50, 2)), rng.uniform(-1, 1, (50, 2))
    assert (evaluation.agreement(wanted, wanted) == pytest.approx(1)
            and evaluation.agreement(wanted, np.zeros((50, 2))) == 0)
    assert evaluation.agreement_difference(wanted, wanted, wanted, np.arange(50)) == (0, 0, 0)
    value, low, high = evaluation.agreement_difference(wanted, wanted, other, np.arange(50))
    assert value == pytest.approx(1 - evaluation.agreement(wanted,
                                                           other)) and 0 < low < value < high


def test_the_common_text_says_the_word_and_the_printed_table_is_whole():
    texts = {word: evaluate.common_caption(word) for word in evaluate.EMOTIONS}
    assert {word: prompts.read_emotion(text) for word,
            text in texts.items()} == {word: word for word in texts}
    printed = evaluate.published()
    assert all(list(of) == list(evaluate.MODELS)
               for of in printed.values()) and printed["kl"]["M4"] == 0.012 and printed["snr"][
        "M2"] == -2.47
    table = artefacts.read(paths.ROOT / "data" / "published.csv")
    of_table = table[table["claim"].isin(["S1-1", "S1-2"]) & table["where"].eq("text 000, Table 2")]
    assert sorted(of_table["value"]) == sorted(x for of in printed.values() for x in of.values())


