"""System 1's emotion classifier, its measures, and real paintings' ratings as five words."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.metrics import calibration
from lib.models.emotion_classifier import EmotionCNN
from lib.signal import affect
from lib.systems import stored
from lib.systems.bridging import checkpoints, data, train_classifier
from lib.systems.bridging.config import get_config

TINY = replace(get_config("smoke").classifier, n_paintings=30, n_steps=6, every=3, batch_size=8)


def network(sequence="grid", **more):
    torch.manual_seed(0)
    return EmotionCNN(backbone="small", sequence=sequence, hidden=8, heads=4, width=4,
                      **more).eval()


def some_pictures(n=4):
    return 2 * torch.rand(n, 3, 56, 56, generator=torch.Generator().manual_seed(1)) - 1


def coloured(n, seed=0):
    """Pictures whose mean colour is their class: something a few steps can learn."""
    rng, colours = np.random.default_rng(seed), np.array([[220, 60, 60], [60, 220, 60],
                                                          [60, 60, 220], [220, 220, 60],
                                                          [120, 120, 120]])
    kind = np.arange(n) % 5
    pictures = np.clip(colours[kind][:, None, None] + rng.normal(0, 25, (n, 56, 56, 3)), 0,
                       255).astype(np.uint8)
    split = np.array(["train", "train", "validation", "test"])[(np.arange(n) // 5) % 4]
    return pictures, pd.DataFrame({"emotion": np.array(train_classifier.EMOTIONS)[kind],
                                   "split": split})


# --- the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("sequence", "steps"), [("grid", 49), ("single", 1)])
def test_the_shapes_of_every_stage(sequence, steps):
    model = network(sequence)
    cells = model.cells(some_pictures(2))
    assert cells.shape == (2, 16, 7, 7) and model.steps(cells).shape == (2, steps, 16)
    assert model.head(cells).shape == (2, 5)


def test_the_published_network_gives_49_steps_at_224():
    with torch.device("meta"):
        model = EmotionCNN()
        cells = model.cells(torch.empty(1, 3, 224, 224))
        states, _ = model.gru(model.steps(cells))
    assert cells.shape == (1, 2048, 7, 7) and states.shape == (1, 49, 512)


def test_over_one_step_attention_is_all_ones_and_recurrence_never_acts():
    """The released code's sequence of length 1: the state starts at zero, and a softmax over one
    key is 1.
    """
    model = network("single")
    with torch.no_grad():
        states, _ = model.gru(model.steps(model.cells(some_pictures())))
        _, weights = model.attention(states, states, states, average_attn_weights=False)
    assert torch.equal(weights, torch.ones(4, 4, 1, 1))


def test_over_one_step_the_network_is_plain_feed_forward_layers():
    """The whole head again without any GRU or attention: gates of the input alone, then values and
    their projection.
    """
    model, parts = network("single"), {}
    pictures = some_pictures()

    def layer(x, k, way):
        w, b, c = (getattr(model.gru, f"{name}_l{k}{way}")
                   for name in ("weight_ih", "bias_ih", "bias_hh"))
        (ir, iz, n), (hr, hz, hn) = (x @ w.T + b).chunk(3, -1), c.chunk(3)
        return (1 - torch.sigmoid(iz + hz)) * torch.tanh(n + torch.sigmoid(ir + hr) * hn)

    with torch.no_grad():
        x = model.cells(pictures).mean((2, 3))
        for k in (0, 1):
            x = torch.cat([layer(x, k, way) for way in ("", "_reverse")], -1)
        values = x @ model.attention.in_proj_weight[32:].T + model.attention.in_proj_bias[32:]
        parts["plain"] = model.classes(model.attention.out_proj(values))
        parts["network"] = model(pictures)
    torch.testing.assert_close(parts["plain"], parts["network"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("sequence", "moves"), [("grid", True), ("single", False)])
def test_only_the_grid_knows_where_and_remembers(sequence, moves):
    model = network(sequence)
    with torch.no_grad():
        cells = model.cells(some_pictures())
        before = model.head(cells)
        order = torch.randperm(49, generator=torch.Generator().manual_seed(2))
        elsewhere = model.head(cells.flatten(2)[:, :, order].unflatten(2, (7, 7)))
        model.gru.weight_hh_l0.mul_(-3)
        forgetful = model.head(cells)
    assert torch.allclose(before, elsewhere, atol=1e-6) is not moves
    assert torch.allclose(before, forgetful, atol=1e-6) is not moves


@pytest.mark.parametrize(("fault", "why"), [
    (lambda: EmotionCNN(backbone="vgg"), "a backbone out of"),
    (lambda: EmotionCNN(backbone="small", sequence="none"), "a sequence out of"),
    (lambda: network()(torch.zeros(1, 3, 64, 64)), "56, 56"),
])  # fmt: skip
def test_faults_of_the_network_are_told(fault, why):
    with pytest.raises(KlangfarbeError, match=why):
        fault()


def test_published_weights_enter_by_name_and_see_what_torchvision_sees(tmp_path):
    from torchvision.models import resnet50

    torch.manual_seed(3)
    whole = resnet50(weights=None).eval()
    artefacts.write(tmp_path / "model.safetensors", whole.state_dict())
    model = train_classifier.build(replace(TINY, backbone="resnet50", width=64, hidden=4, heads=1,
                                           initial=str(tmp_path))).eval()
    whole.avgpool, whole.fc = torch.nn.Identity(), torch.nn.Identity()
    pictures = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(pictures).flatten(1), whole(pictures))
    artefacts.write(tmp_path / "model.safetensors", {"conv1.weight": whole.conv1.weight.detach()})
    with pytest.raises(KlangfarbeError, match="a ResNet50.s weights"):
        train_classifier.build(replace(TINY, backbone="resnet50", width=64, hidden=4, heads=1,
                                       initial=str(tmp_path)))


# --- training -------------------------------------------------------------------------------------


def test_a_step_is_cross_entropy_and_moves_every_part():
    model = network(dropout=0.0).train()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    target = torch.tensor([0, 1, 2, 3])
    expected = F.cross_entropy(network(dropout=0.0).train()(some_pictures()), target).item()
    told = train_classifier.train_step(model, optimiser, some_pictures(), target)
    assert told["loss"] == pytest.approx(expected, rel=1e-5) and 0 <= told["accuracy"] <= 1
    assert not [name for name, weight in model.named_parameters()
                if torch.equal(weight, before[name])]


def test_a_step_that_is_not_finite_is_an_error():
    model = network().train()
    with pytest.raises(KlangfarbeError, match="finite loss"):
        train_classifier.train_step(model, torch.optim.AdamW(model.parameters()),
                                    some_pictures() * torch.nan, torch.tensor([0, 1, 2, 3]))


@pytest.mark.parametrize("sequence", ["grid", "single"])
def test_it_learns_one_batch_by_heart(sequence):
    model = network(sequence, dropout=0.0).train()
    optimiser, target = torch.optim.AdamW(model.parameters(), 5e-3), torch.arange(8) % 5
    losses = [train_classifier.train_step(model, optimiser, some_pictures(8), target)["loss"]
              for _ in range(60)]
    assert losses[0] > 1.2 and losses[-1] < 0.1


def test_training_learns_what_it_has_not_seen():
    pictures, table = coloured(120)
    model = train_classifier.build(replace(TINY, dropout=0.1))
    curve = train_classifier.train(model,
                                   replace(TINY, dropout=0.1, n_steps=40, every=20,
                                           learning_rate=5e-3, batch_size=16), pictures, table)
    fresh, own = coloured(50, seed=9)
    assert calibration.accuracy(train_classifier.encode_labels(own["emotion"]),
                                train_classifier.predict(model, fresh)) > 0.9
    assert [row["step"] for row in curve
            if "validation" in row] == [20, 40] and curve[-1]["validation"] > 0.9


def test_a_killed_run_goes_on_where_it_stood(tmp_path, monkeypatch):
    pictures, table = coloured(60)
    straight = train_classifier.build(TINY)
    curve = train_classifier.train(straight, TINY, pictures, table)
    step = train_classifier.train_step
    calls = []

    def dies(*given, **more):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return step(*given, **more)

    monkeypatch.setattr(train_classifier, "train_step", dies)
    killed = train_classifier.build(TINY)
    with pytest.raises(KeyboardInterrupt):
        train_classifier.train(killed, TINY, pictures, table, tmp_path / "classifier.safetensors")
    resumed = train_classifier.build(TINY)
    again = train_classifier.train(resumed, TINY, pictures, table,
                                   tmp_path / "classifier.safetensors")
    assert len(calls) == 5 + 3, "three steps were left after the checkpoint"
    assert again == curve
    assert all(torch.equal(a, b) for a,
               b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True))
    other = replace(TINY, learning_rate=1e-4)
    train_classifier.train(train_classifier.build(other), other, pictures, table,
                           tmp_path / "classifier.safetensors")
    assert len(calls) == 5 + 3 + 6, "another config's checkpoint is not taken up"


def test_balanced_training_draws_the_rare_class_as_often(monkeypatch):
    drawn = []
    monkeypatch.setattr(train_classifier, "train_step", lambda model, optimiser, pictures, labels,
                        **_: drawn.extend(labels.tolist()) or {})
    pictures, table = coloured(60)
    train = np.flatnonzero(table["split"] == "train")
    table.loc[train[1:], "emotion"], table.loc[train[0], "emotion"] = "happy", "sad"
    for balanced, share in ((False, 1 / 30), (True, 1 / 2)):
        drawn.clear()
        config = replace(TINY, n_steps=60, every=60, balanced=balanced)
        train_classifier.train(train_classifier.build(config), config, pictures, table)
        assert np.mean(np.array(drawn)
                       == train_classifier.EMOTIONS.index("sad")) == pytest.approx(share, abs=0.08)


def test_training_asks_for_known_words():
    pictures, table = coloured(20)
    with pytest.raises(KlangfarbeError, match="got joyous"):
        train_classifier.train(train_classifier.build(TINY), TINY, pictures,
                               table.assign(emotion="joyous"))
    with pytest.raises(KlangfarbeError, match="got None"):
        train_classifier.encode_labels(["sad", None])


# --- predicting -----------------------------------------------------------------------------------


def test_predictions_are_probabilities_of_any_size_of_picture_and_leave_no_trace():
    model = network().train()
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    found = train_classifier.predict(model, [picture, picture[:60, :60]])
    assert found.shape == (2, 5) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found,
                                  train_classifier.predict(model, [picture, picture[:60, :60]]))
    assert train_classifier.predict(model, np.zeros((0, 56, 56, 3), np.uint8)).shape == (0, 5)
    with pytest.raises(KlangfarbeError, match="uint8"):
        train_classifier.predict(model, [picture / 255.0])


def test_a_temperature_changes_confidence_and_no_answer():
    pictures, _ = coloured(10)
    sharp, plain, soft = (train_classifier.predict(network(), pictures, t)
                          for t in (0.01, 1.0, 50.0))
    assert (sharp.max(1) > plain.max(1)).all() and (plain.max(1) > soft.max(1)).all()
    np.testing.assert_array_equal(sharp.argmax(1), soft.argmax(1))


def test_saved_and_loaded_it_says_the_same(own_results):
    model = train_classifier.build(TINY).eval()
    artefacts.save(asdict(TINY) | {"temperature": 1.5}, train_classifier.NOTEBOOK, "smoke",
                   "classifier.json", seed=0)
    artefacts.save(stored.half(model), train_classifier.NOTEBOOK, "smoke",
                   "classifier.safetensors", seed=0)
    again, temperature = checkpoints.load_classifier("smoke")
    assert temperature == 1.5
    np.testing.assert_allclose(train_classifier.predict(again, coloured(5)[0]),
                               train_classifier.predict(model, coloured(5)[0]), atol=2e-3)


def test_the_ateliers_table_holds_the_truth_and_no_leak():
    pictures, table = train_classifier.atelier_paintings(TINY)
    assert pictures.shape == (30, 56, 56,
                              3) and set(table["split"]) == {"train", "validation", "test"}
    nearest = [affect.emotion_word(v, a) for v,
               a in zip(table["valence"], table["arousal"], strict=True)]
    assert nearest == table["emotion"].tolist()
    own = {int(item.rsplit("-", 1)[1]) for item in table["item_id"]}
    seen = data.load_data("smoke").paintings
    assert min(own) == train_classifier.PAINTINGS_FROM and not own & set(seen["index"])
    leakage.assert_no_leakage(leakage.check(table, pictures=list(pictures)))
    pictures[(table["split"]
              == "test").to_numpy().argmax()] = (pictures[(table["split"]
                                                           == "train").to_numpy().argmax()])
    with pytest.raises(KlangfarbeError, match="near_duplicates"):
        leakage.assert_no_leakage(leakage.check(table, pictures=list(pictures)))


# --- measures -------------------------------------------------------------------------------------


def one_hot(said):
    return np.eye(5)[np.asarray(said)]


def test_closed_forms_of_the_three_measures():
    truth = np.array([0, 0, 1, 2])
    assert calibration.accuracy(truth, one_hot([0, 1, 1, 2])) == 0.75
    assert calibration.macro_f1(truth,
                                one_hot([0, 1, 1, 2])) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # certain, and right three times in four
    assert calibration.calibration_error(truth, one_hot([0, 1, 1, 2])) == pytest.approx(0.25)
    half = np.tile([0.6, 0.4, 0, 0, 0], (5, 1))
    assert calibration.calibration_error(np.array([0, 0, 0, 1, 1]),
                                         half) == pytest.approx(0, abs=1e-12)


probabilities_and_labels = st.integers(0,
                                       10_000).map(lambda seed: (
        np.random.default_rng(seed).dirichlet(np.ones(5), 40),
        np.random.default_rng(seed + 1).integers(0, 5, 40)))


@settings(max_examples=15, deadline=None)
@given(probabilities_and_labels)
def test_the_measures_agree_with_independent_ones(drawn):
    from sklearn.metrics import accuracy_score, f1_score
    from torchmetrics.functional.classification import multiclass_calibration_error

    found, truth = drawn
    said = found.argmax(1)
    assert calibration.accuracy(truth, found) == pytest.approx(accuracy_score(truth, said))
    theirs = f1_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0)
    assert calibration.macro_f1(truth, found) == pytest.approx(theirs)
    theirs = multiclass_calibration_error(torch.from_numpy(found), torch.from_numpy(truth), 5,
                                          n_bins=10, norm="l1")
    assert calibration.calibration_error(truth, found) == pytest.approx(float(theirs), abs=1e-5)


def test_a_temperature_undoes_what_was_multiplied_in():
    rng = np.random.default_rng(0)
    said = 2 * rng.normal(size=(4000, 5))
    truth = np.array([rng.choice(5, p=p)
                      for p in np.exp(said) / np.exp(said).sum(1, keepdims=True)])
    assert calibration.fit_temperature(said, truth) == pytest.approx(1, abs=0.1)
    assert calibration.fit_temperature(3 * said,
                                       truth) == pytest.approx(3
                                                               * calibration.fit_temperature(said,
                                                                                             truth),
                                                               rel=1e-3)


def test_the_table_has_intervals_and_two_nulls():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 200)
    good = 0.85 * one_hot(np.where(rng.random(200) < 0.8, truth, rng.integers(0, 5, 200))) + 0.03
    table = calibration.evaluate(good, truth, common=2).set_index("measure")
    row = table.loc["accuracy"]
    assert row["low"] < row["value"] < row["high"] and row["shuffled_high"] < row["low"]
    assert row["shuffled"] == pytest.approx(0.2,
                                            abs=0.03) and row["majority"] == np.mean(truth == 2)
    assert table.loc["calibration error", "direction"] == "↓" and table["n"].eq(200).all()
    words = np.array(train_classifier.EMOTIONS)[truth]
    pd.testing.assert_frame_equal(calibration.evaluate(good, words, common=2).set_index("measure"),
                                  table)
    lucky = calibration.evaluate(one_hot(rng.permutation(truth)),
                                 truth).set_index("measure").loc["accuracy"]
    assert lucky["value"] <= lucky[
        "shuffled_high"] + 0.05, "answers without knowledge lie where the shuffled ones lie"


def test_the_interval_is_of_paintings_not_of_rows():
    rng = np.random.default_rng(1)
    truth, right = rng.integers(0, 5, 60), rng.random(60) < 0.6
    answers = one_hot(np.where(right, truth, (truth + 1) % 5))
    repeated = calibration.evaluate(np.repeat(answers, 9, 0), np.repeat(truth, 9),
                                    groups=np.repeat(np.arange(60), 9)).iloc[0]
    once = calibration.evaluate(answers, truth).iloc[0]
    assert repeated["high"] - repeated["low"] == pytest.approx(once["high"] - once["low"], rel=0.1)


def test_an_unknown_word_is_told():
    with pytest.raises(KlangfarbeError, match="glad"):
        calibration.evaluate(one_hot([0, 1]), ["sad", "glad"])


# --- real paintings' ratings

NAMES = list(affect.WIKIART_POINTS)


def shares(**given):
    return [given.get(name, 0.0) for name in NAMES]


label_wikiart = data.label_wikiart


def test_every_emotion_goes_to_one_word_by_the_stated_rule():
    placed = {name: word for word, group in data.GROUPS.items() for name in group}
    assert set(placed) == set(NAMES) and sum(map(len,
                                                 data.GROUPS.values())) == 20 and set(
        data.GROUPS) == set(affect.EMOTION_POINTS)
    nearest = {name: affect.emotion_word(*point) for name, point in affect.WIKIART_POINTS.items()}
    assert {name for name in NAMES if placed[name] != nearest[name]} == {"happiness", "humility"}


def test_several_labels_become_one_word_or_none():
    found = data.five_words([shares(happiness=0.5, trust=0.7, sadness=0.6),
                         shares(fear=0.4, surprise=0.39), shares(sadness=0.39),
                         shares(anger=0.5, surprise=0.5), shares(),
                         shares(love=0.3, trust=0.3, gratitude=0.3, sadness=0.41)])
    assert found["emotion"].tolist() == ["happy", "angry", None, None, None, "sad"]
    assert found.loc[0, list(affect.EMOTION_POINTS)].to_dict() == {"happy": 0.7, "fun": 0,
                                                                   "angry": 0, "sad": 0.6,
                                                                   "neutral": 0}


@pytest.mark.parametrize("given", [[shares(anger=1.2)], [shares(anger=float("nan"))]])
def test_ratings_of_another_form_are_refused(given):
    with pytest.raises(KlangfarbeError, match="shares"):
        data.five_words(given)


def write_replica(root, joined):
    """Three works in either layout that circulates: the publisher's tsv, or the table joined with
    its pictures.
    """
    identity, artist, title, separator = ("wikiart_emotions_id", "artist", "title",
                                          ",") if joined else ("ID", "Artist", "Title", "\t")
    rows = [("a1", "Hand, A.", "One", "yes", shares(sadness=0.8)),
            ("a2", "Hand, A.", "Two", "no", shares(anger=0.9)),
            ("a0", "", "Three", "yes", shares(trust=0.5, fear=0.5))]
    table = pd.DataFrame([{identity: i, artist: who, title: name, "Is painting": painting}
                          | {f"{seen}: {e}": s for seen in ("Art (image+title)", "ImageOnly") for e,
                             s in zip(NAMES, values, strict=True)} for i, who, name, painting,
                          values in rows])
    table.to_csv(root / ("emotion_labelled.csv" if joined else "WikiArt-Emotions-All.tsv"),
                 sep=separator, index=False)
    (root / ("emotion_labelled" if joined else "images")).mkdir()
    artefacts.write(root / ("emotion_labelled" if joined else "images") / "a1.png",
                    np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("joined", [True, False])
def test_the_publishers_layouts_give_words_and_artists(tmp_path, joined):
    write_replica(tmp_path, joined)
    rows = data.label_wikiart(tmp_path).set_index("item_id")
    assert rows["emotion"].to_dict() == {"wikiart-a0": None,
                                         "wikiart-a1": "sad"}, (
        "no sculpture; a tie is no word; rows keep their own")
    assert rows["artist"].to_dict() == {"wikiart-a0": "wikiart-a0",
                                        "wikiart-a1": "Hand, A."} and rows.loc["wikiart-a1",
                                                                               "sad"] == 0.8
    assert rows.index[rows["path"].notna()].tolist() == ["wikiart-a1"]
    with pytest.raises(KlangfarbeError, match="wikiart_emotions"):
        data.label_wikiart(tmp_path / "images")


@pytest.mark.real_data
@pytest.mark.parametrize(("folder", "expected"), [
    ("wikiart_emotions", {"happy": 1466, "fun": 864, "angry": 285, "sad": 190, "neutral": 129,
                          "none": 918}),
    ("wikiart_paintings", {"happy": 179, "fun": 4, "angry": 29, "sad": 16, "neutral": 14,
                           "none": 58}),
])  # fmt: skip
def test_the_real_ratings_have_these_classes(real_data, folder, expected):
    rows = label_wikiart(real_data(folder))
    assert rows["emotion"].value_counts().to_dict() | {
        "none": int(rows["emotion"].isna().sum())} == expected


@pytest.mark.real_data
def test_real_paintings_are_read_and_classified(real_data):
    from lib.signal import images

    root = real_data("wikiart_paintings")
    rows = label_wikiart(root).dropna(subset=["path", "emotion"])
    seen = [images.load(root / path, size=56) for path in rows["path"][:12]]
    found = train_classifier.predict(train_classifier.build(TINY), seen)
    assert found.shape == (12, 5)
    assert len(calibration.evaluate(found, rows["emotion"][:12].tolist())) == 3
