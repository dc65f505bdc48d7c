"""The ledger: rules, verdicts, evidence, and what is drawn from them."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.workbook import graph
from lib.workbook import ledger as claims


def of(**quantities):
    return {name: dict(zip(("low", "high", "null"), bounds, strict=False)) for name,
            bounds in quantities.items()}


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "measured", "expected"), [
    ("a > 0", of(a=(0.1, 0.3)), claims.HOLDS), ("a > 0", of(a=(-0.3, -0.1)), claims.FAILS),
    ("a > 0", of(a=(-0.1, 0.1)), claims.OPEN),
    ("a < 0", of(a=(0.1, 0.3)), claims.FAILS), ("a < -0.5", of(a=(-0.9, -0.6)), claims.HOLDS),
    ("a > 0", of(a=(0.0, 0.1)), claims.OPEN),
    ("a > null", of(a=(0.3, 0.5, 0.2)), claims.HOLDS),
    ("a > null", of(a=(0.1, 0.5, 0.2)), claims.OPEN),
    ("a > null", of(a=(0.3, 0.5, np.nan)), claims.EMPTY), ("a > 0", {}, claims.EMPTY),
    ("a > b", of(a=(0.5, 0.6), b=(0.1, 0.4)), claims.HOLDS),
    ("a > b", of(a=(0.3, 0.6), b=(0.1, 0.4)), claims.OPEN),
    ("a > b", of(a=(0.5, 0.6)), claims.EMPTY),
    ("a > 0 and b > 0", of(a=(0.1, 0.2), b=(0.1, 0.2)), claims.HOLDS),
    ("a > 0 and b > 0", of(a=(0.1, 0.2), b=(-0.1, 0.2)), claims.OPEN),
    ("a > 0 and b > 0", of(a=(-0.1, 0.2), b=(-0.3, -0.2)), claims.FAILS),
    ("a > 0 and b > 0", of(b=(0.2, 0.3)), claims.EMPTY),
    ("a > 0 and b > 0", of(b=(-0.1, 0.3)), claims.EMPTY),
    ("a > 0 and b > 0", of(b=(-0.3, -0.2)), claims.FAILS),
    ("a > 0 and b > 0", of(a=(-0.3, -0.2)), claims.FAILS),
])  # fmt: skip
def test_verdicts(rule, measured, expected):
    assert claims.verdict(rule, measured) == expected


bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(bounds, bounds, st.sampled_from("<>"))
def test_the_opposite_rule_gives_the_opposite_verdict(a, b, sign):
    measured = of(a=a, b=b)
    opposite = {claims.HOLDS: claims.FAILS, claims.FAILS: claims.HOLDS, claims.OPEN: claims.OPEN}
    assert claims.verdict(f"a {'<>'[sign == '<']} b",
                          measured) == opposite[claims.verdict(f"a {sign} b", measured)]


@pytest.mark.parametrize("rule", ["a", "a >= 0", "a > 0 or b > 0", "a > 0 and", "0 < a",
                                  "__import__ > 0", ""])
def test_rules_of_another_form_are_refused(rule):
    with pytest.raises(KlangfarbeError, match="conditions"):
        claims.conditions(rule)


# --- the data files -------------------------------------------------------------------------------


def test_every_claim_of_the_design_stands_with_a_rule_that_can_be_read():
    table = artefacts.read(claims.CLAIMS)
    expected = [f"S{system}-{i}" for system,
                n in ((1, 6), (2, 8), (3, 6), (4, 5)) for i in range(1, n + 1)] + ["X-1", "X-2"]
    assert list(table["id"]) == expected
    assert all(claims.conditions(rule) for rule in table["rule"])
    assert table[["claim", "where", "published", "tested_by", "filled_by"]].notna().all().all()
    for words in table["filled_by"]:
        assert set(words.partition(" PARAMS=")[0].split()) <= {stem[:2] for stem in graph.STEPS}


def test_published_numbers_are_finite_unique_and_belong_to_a_claim():
    table = artefacts.read(claims.PUBLISHED)
    assert np.isfinite(table["value"]).all() and not table.duplicated(["claim", "quantity"]).any()
    assert set(table["claim"]) <= set(artefacts.read(claims.CLAIMS)["id"]) | {"reference"}
    assert set(table["direction"]) <= {"↑", "↓",
                                       "–"} and table["quantity"].map(
        lambda name: bool(re.fullmatch(r"[a-z]\w*", name))).all()
    value = table.set_index(["claim", "quantity"])["value"]
    assert claims.published("S1-3") == {"time_ratio": 3.4} and claims.published("X-1") == {}
    assert (value["S1-2", "fad_m1"] == 7.02 and value["S4-1", "mcd_full"] == 11.36
            and value["S2-2", "fad_study2"] == 3.98)
    printed = {name[:3]: arrow for name,
               arrow in zip(table["quantity"], table["direction"], strict=True)}
    assert (printed["thd"], printed["snr"]) == ("↑", "↓"), "copied as printed"


# --- evidence -------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    return tmp_path


def good(**changed):
    known = {"claim": "S3-5", "quantity": "ccc_valence", "value": 0.8, "low": 0.7, "high": 0.9,
             "n": 64, "null": 0.2}
    return claims.evidence(**(known | changed))


@pytest.mark.parametrize("fault", [{"claim": "S9-9"}, {"value": np.nan}, {"low": 0.95}, {"n": 0},
                                   {"null": np.nan}, {"high": np.inf}])
def test_evidence_that_cannot_count_is_refused(elsewhere, fault):
    with pytest.raises(KlangfarbeError):
        claims.save([good(**fault)], "33_music2image_diffusion", "mini", seed=0)
    assert not list(elsewhere.rglob("*.csv"))


def test_evidence_twice_is_refused(elsewhere):
    with pytest.raises(KlangfarbeError, match="once"):
        claims.save([good(), good(value=0.75)], "33_music2image_diffusion", "mini", seed=0)


def test_an_empty_ledger_says_what_would_fill_it(elsewhere):
    ledger = claims.fill("mini")
    assert set(ledger.claims["verdict"]) == {claims.EMPTY} and len(ledger.quantities) == 0 and len(
        ledger.claims) == 27
    shown = claims.show(ledger).set_index("id")
    assert 'make run PROFILE=mini NOTEBOOKS="33"' in shown["ours"][
        "S3-5"] and 'NOTEBOOKS="91"' in shown["ours"]["X-1"]
    assert ('NOTEBOOKS="46" PARAMS="46.backend=gemini 46.model=NAME" (judge_real_minus_shuffled)'
            in shown["ours"]["S4-5"])
    claims.save([], "46_art2music_judge", "mini", seed=0)
    assert len(claims.fill("mini").quantities) == 0, "where nobody was asked nothing stands"


def test_half_the_evidence_names_the_other_half(elsewhere):
    claims.save([good()], "33_music2image_diffusion", "mini", seed=0)
    row = claims.fill("mini").claims.set_index("id").loc["S3-5"]
    assert row["verdict"] == claims.EMPTY and row["would_fill"].endswith("(ccc_arousal)")
    shown = claims.show(claims.fill("mini")).set_index("id")["ours"]["S3-5"]
    assert shown.startswith("ccc_valence") and shown.endswith(
        row["would_fill"]), "the half that is there, and what the other half needs"


def test_a_full_claim_gets_its_verdict_and_real_data_one_of_their_own(elsewhere):
    claims.save([good(), good(quantity="ccc_arousal")], "33_music2image_diffusion", "mini", seed=3)
    real = [good(data="photographs", low=0.1),
            good(data="photographs", quantity="ccc_arousal", low=-0.4, high=-0.3, value=-0.35)]
    claims.save(real, "real", "reference", seed=0)
    ledger = claims.fill("mini")
    verdicts = ledger.claims[ledger.claims["id"] == "S3-5"].set_index("data")["verdict"]
    assert verdicts.to_dict() == {"atelier": claims.HOLDS, "photographs": claims.FAILS}
    assert ledger.quantities["seed"].tolist() == [3, 3, 0, 0]
    assert "ccc_valence 0.8 [0.7, 0.9], null 0.2, n 64, seed 3" in claims.show(ledger).query(
        "on == 'atelier'")["ours"].iloc[0]


def test_the_stored_run_counts_real_collections_once(elsewhere):
    claims.save([good(data="photographs"), good(data="photographs", quantity="ccc_arousal")],
                "real", claims.STORED, seed=0)
    assert len(claims.fill(claims.STORED).quantities) == 2


def test_published_numbers_stand_beside_ours(elsewhere):
    rows = [claims.evidence("S3-1", "r2", value, value - 0.02, value + 0.02, 100, data=data)
            for value, data in ((0.6, "a"), (0.7, "b"))]
    claims.save(rows, "31_music2image_forest", "mini", seed=0)
    assert claims.fill("mini").quantities[["published",
                                           "inside"]].to_numpy().tolist() == [[0.60855, "yes"],
                                                                              [0.60855, "no"]]


def test_rows_out_of_a_table():
    found = pd.DataFrame([{"measure": "FAD", "row": row, "value": v, "low": v - 1, "high": v + 1,
                           "n": 9, "direction": "↓"} for row,
                          v in (("ours", 3.0), ("shuffled condition", 8.0))])
    row, = claims.from_table(found, "S1-2", {"fad_m1": ("FAD", "ours")})
    assert (row["value"], row["low"], row["high"], row["null"], row["n"]) == (3, 2, 4, 7, 9)
    with pytest.raises(KlangfarbeError, match="row"):
        claims.from_table(found, "S1-2", {"fad_m1": ("FAD", "theirs")})


def test_the_null_lies_on_the_side_the_metric_is_better_on_whatever_a_paper_prints():
    from lib.metrics import affect
    from lib.metrics import evaluation_table as tables

    target = np.linspace(-1, 1, 40)
    measure = tables.Measure("RMSE", affect.rmse, target, tables.ROWS, published={"M1": 1.0},
                             printed="↑")
    found = tables.evaluate_table({"ours": 0.9 * target}, [measure], n_resamples=50)
    shuffled = found.set_index("row").loc["shuffled condition"]
    row, = claims.from_table(found, "S3-5", {"rmse": ("RMSE", "ours")})
    assert row["null"] == shuffled["low"] < shuffled["high"]


def test_the_forest_plot_draws_every_number_with_its_interval(elsewhere):
    claims.save([good(), good(quantity="ccc_arousal", value=0.5, low=0.1)],
                "33_music2image_diffusion", "mini", seed=0)
    figure = claims.draw(claims.fill("mini"))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert any("ccc_arousal" in word for word in words) and any("0.5 [0.1, 0.9]" in word
                                                                for word in words)
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 2]
    assert len(bars) == 2 and all(low < high for low, high in bars)
