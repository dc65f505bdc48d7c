"""The figures miniatures must reach: read from their tables, measured again, and confessed on their
cards where they are missed.
"""

import numpy as np
import pandas as pd
import pytest

from lib import pretrained, recipes
from lib.cli import main
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.metrics import audio_quality
from lib.recipes import Wanted, bundling, listeners, musicgen
from lib.workbook import doctor

TABLE = pd.DataFrame([{"music": "atelier", "measure": "mode_r", "value": 0.5, "low": 0.4,
                       "high": 0.6, "n": 40}, {"music": "generated", "measure": "mode_r",
                                               "value": 0.31, "low": 0.2, "high": 0.4, "n": 40},
                      {"music": "generated", "measure": "fad", "value": 7.0, "low": np.nan,
                       "high": np.nan, "n": 40}])
WITH_FIGURES = [name for name, recipe in recipes.RECIPES.items() if recipe.wanted]


def test_a_figure_is_read_with_its_bound():
    mode = Wanted("mode_r", 0.6, where={"music": "generated"}, of={"music": "atelier"})
    assert mode.read(TABLE) == {"what": "mode_r generated", "value": 0.31, "low": 0.2, "high": 0.4,
                                "wanted": 0.3, "at_most": False, "met": True, "n": 40}
    assert not Wanted("mode_r", 0.7, where={"music": "generated"},
                      of={"music": "atelier"}).read(TABLE)["met"]
    assert (Wanted("fad", 7.0, at_most=True).read(TABLE)["met"] and
            not Wanted("fad", 6.9, at_most=True).read(TABLE)["met"])
    for where in ({}, {"music": "nobody's"}):
        with pytest.raises(KlangfarbeError, match="one row mode_r"):
            Wanted("mode_r", 0.6, where=where).read(TABLE)


def test_what_differs_from_the_card_is_named():
    assert recipes.differing(TABLE, TABLE) == []
    inside, outside, unheard = TABLE.copy(), TABLE.copy(), TABLE.copy()
    inside.loc[1, "value"], outside.loc[1, "value"], unheard.loc[2, "value"] = 0.39, 0.41, 7.2
    assert recipes.differing(inside, TABLE) == []
    assert recipes.differing(outside, TABLE) == ["mode_r: 0.41, stored 0.31"]
    assert recipes.differing(unheard,
                             TABLE) == [
        "fad: 7.2, stored 7"], "without an interval two per cent are the room"
    assert recipes.differing(TABLE.iloc[:2], TABLE) == [], "what is measured again is compared"
    assert recipes.differing(TABLE, TABLE.iloc[:2]) == ["fad: 7, stored nan"]
    unheard.loc[2, "value"] = np.nan
    assert recipes.differing(unheard, TABLE) == ["fad: nan, stored 7"]


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_a_card_says_what_is_missed(name):
    folder = paths.MINIATURES / recipes.RECIPES[name].folder
    found = recipes.figures(name, bundling.artefacts.read(folder / "heldout.csv"))
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert len(found) == len(recipes.RECIPES[name].wanted) and found["n"].min() >= 40
    assert card.count("**missed**") >= (
        ~found["met"]).sum(), "each missed figure is named in the card's table"
    assert ("**missed**" in card) == (not found["met"].all())


def test_every_part_has_a_bundled_miniature_with_card_curve_and_table():
    size = 0
    for name in pretrained.PARTS:
        folder = paths.MINIATURES / name
        assert name in recipes.RECIPES
        assert pretrained.load(name, device="cpu").sha256 in (folder
                                                              / "CARD.md").read_text(
            encoding="utf-8")
        curves = [file.name for file in folder.glob("curves*.csv")]
        for file in (*recipes.RECIPES[name].files, *curves, "heldout.csv"):
            # a pooling's folder is its part's
            stamped = "/" in file or (folder / f"{file}.provenance.json").is_file()
            assert (folder / file).is_file() and stamped, file
        assert curves
        own = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        assert own < 16e6, f"{name}: {own / 1e6:.1f} MB"
        size += own
    assert size < 60e6


def test_the_bundled_classifier_is_loaded_in_full_precision_and_names_most_words(own_results,
                                                                                 capsys):
    import hashlib

    import torch

    from lib.data.atelier import TEST_SEED, paint, words
    from lib.systems.bridging import checkpoints, train_classifier

    folder = paths.MINIATURES / train_classifier.NOTEBOOK
    assert recipes.RECIPES["emotion_cnn"].folder == train_classifier.NOTEBOOK
    # not run in these results: the bundled one
    model, temperature = checkpoints.load_classifier("mini")
    assert capsys.readouterr().out.count("bundled miniature") == 2 and 0.5 < temperature < 2
    assert {t.dtype for t in model.state_dict().values()} == {torch.float32, torch.int64}
    stored = bundling.artefacts.read(folder / "classifier.safetensors")
    assert stored["classes.weight"].dtype == torch.float16 and torch.equal(
        stored["classes.weight"].float(), model.classes.weight)
    said = train_classifier.predict(model,
                                    paint.pictures(TEST_SEED, range(2000, 2100), model.side)[0],
                                    temperature).argmax(1)
    right = [train_classifier.EMOTIONS[k] == words.emotion_word(item) for k,
             item in zip(said, items(2000, 2100), strict=True)]
    assert np.mean(right) > 0.7, "held-out accuracy is .88; a hundred paintings scatter by .03"
    digest = hashlib.sha256((folder / "classifier.safetensors").read_bytes()).hexdigest()
    assert digest in (folder / "CARD.md").read_text(encoding="utf-8")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1e6
    assert sum(file.stat().st_size for file in paths.MINIATURES.rglob("*") if file.is_file()) < 60e6


def items(first, last):
    from lib.data.atelier import TEST_SEED, factors

    return [factors.draw(TEST_SEED, index) for index in range(first, last)]


def test_a_fresh_clone_lacks_no_miniature():
    assert not [what for what, _ in doctor.examine()[1] if "miniature" in what]


def test_the_command_measures_again_and_says_where_it_differs(monkeypatch, capsys):
    stored = bundling.artefacts.read(paths.MINIATURES / "tagger" / "heldout.csv")
    recipe = recipes.RECIPES["tagger"]
    monkeypatch.setattr(listeners, "measure_tagger", lambda: (stored, "hash"))
    assert main(["miniature", "--check",
                 "tagger"]) == 0 and "0 differ" in (said := capsys.readouterr().out)
    assert said.count("met ") == len(recipe.wanted)
    worse = stored.assign(value=stored["value"] / 2)
    monkeypatch.setattr(listeners, "measure_tagger", lambda: (worse, "hash"))
    assert main(["miniature", "--check", "tagger"]) == 2 and "MISSED" in capsys.readouterr().out
    assert main(["miniature", "--check",
                 "forest"]) == 2 and main(["miniature"]) == 2 and main(["miniature", "nobody"]) == 2


def test_shares_and_means_have_intervals():
    assert bundling.share([True, True, False, False]) == {"value": 0.5,
                                                          "low": pytest.approx(0.15, abs=0.01),
                                                          "high": pytest.approx(0.85, abs=0.01),
                                                          "n": 4}
    several = bundling.estimate(np.mean, np.array([0.2, 0.4, 0.6, 0.3, 0.5]))
    assert several["low"] < several["value"] == pytest.approx(0.4) and 0.4 < several["high"] < 0.6


def test_silence_and_loops_are_found():
    rate = 1000
    loud = 0.1 * np.random.default_rng(0).standard_normal(8 * rate)
    hole = loud.copy()
    hole[2 * rate : 3 * rate] = 0
    assert musicgen.silent(hole, rate) and not musicgen.silent(loud, rate)
    codes = np.random.default_rng(1).integers(0, 512, (4, 200))
    assert audio_quality.repetition(codes, 25.0, 1) == 0
    again = np.tile(codes[:, :50], 4)
    assert audio_quality.repetition(again, 25.0, 1) == 1, "two seconds again and again"
    one = np.tile(codes[:, :50], 4)
    one[3] = codes[3]
    assert audio_quality.repetition(one, 25.0, 1) < 0.1, "all codebooks must come back"


def test_levels_are_brought_to_one():
    sounds = (np.random.default_rng(2).standard_normal((3, 5000)).astype(np.float32)
              * np.array([[0.01], [0.1], [1.0]], np.float32))
    rms = np.sqrt(np.square(musicgen.levelled(sounds)).mean(1))
    assert np.allclose(rms, 0.1, rtol=1e-4)
