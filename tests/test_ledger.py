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
    return {name: claims.UNKNOWN | dict(zip(("low", "high", "null", "n"), bounds, strict=False))
            for name, bounds in quantities.items()}


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
    ("a > 0 where n > 96", of(a=(0.1, 0.3, np.nan, 97)), claims.HOLDS),
    ("a > 0 where n > 96", of(a=(0.1, 0.3, np.nan, 96)), claims.OPEN),
    ("a < 0 where n > 96", of(a=(0.1, 0.3, np.nan, 96)), claims.OPEN),
    ("a > 0 where n > b", of(a=(0.1, 0.3, np.nan, 97), b=(96, 96)), claims.HOLDS),
    ("a > 0 where n > b", of(a=(0.1, 0.3, np.nan, 97)), claims.OPEN),
    ("a < 0.5 where b < 0.5", of(a=(90, 99), b=(131, 131)), claims.OPEN),
    ("a < 0.5 where b < 0.5", of(a=(90, 99), b=(0.1, 0.2)), claims.FAILS),
    ("a > 0 where n > 96", {}, claims.EMPTY),
    ("a > 0 where n > 96 and c > 0", of(a=(1, 2, np.nan, 9), c=(-2, -1)), claims.FAILS),
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
                                  "__import__ > 0", "", "a > 0 where b", "S1.a > 0"])
def test_rules_of_another_form_are_refused(rule):
    with pytest.raises(KlangfarbeError, match="conditions"):
        claims.names(rule)


def test_a_rule_names_what_it_asks_for():
    assert claims.names("a > null and S1-2.b < c where n > X-1.d") == {"a", "S1-2.b", "c", "X-1.d"}


# --- the data files -------------------------------------------------------------------------------


def test_every_claim_stands_with_its_words_and_a_rule_that_can_be_read():
    table = artefacts.read(claims.CLAIMS).fillna("")
    expected = [f"S{system}-{i}" for system, n in ((1, 12), (2, 17), (3, 11), (4, 10))
                for i in range(1, n + 1)] + [f"X-{i}" for i in range(1, 8)]
    assert list(table["id"]) == expected
    assert table[["claim", "where", "published", "tested_by"]].ne("").all().all()
    of_sources = table[table["where"] != "ours"]
    assert of_sources["quote"].ne("").all()
    assert of_sources["where"].str.contains(r"^text 00\d, (?:§|Abstract)").all()
    for rule in table["rule"]:
        borrowed = {name.partition(".")[0] for name in claims.names(rule) if "." in name}
        assert borrowed <= set(expected)
    for words in table["filled_by"]:
        assert set(words.partition(" PARAMS=")[0].split()) <= {stem[:2] for stem in graph.STEPS}
    assert (table["filled_by"].ne("") | table["reason"].str.startswith("no evidence yet: ")).all()


def test_every_claim_of_the_stored_run_has_a_verdict_or_a_stated_reason(capsys):
    table = claims.fill(claims.STORED).claims
    decided = table["verdict"].isin([claims.HOLDS, claims.FAILS, claims.OPEN])
    assert len(set(table["id"])) == 57 and decided.sum() >= 27
    assert table.loc[~decided, "reason"].str.startswith("no evidence yet: ").all()
    assert not table.loc[decided, "reason"].str.contains("no evidence yet").any()
    claims.print_claims(claims.STORED)
    printed = capsys.readouterr().out
    assert all(reason in printed for reason in table["reason"])


def test_published_numbers_are_finite_unique_and_belong_to_a_claim():
    table = artefacts.read(claims.PUBLISHED)
    assert np.isfinite(table["value"]).all() and not table.duplicated(["claim", "quantity"]).any()
    assert set(table["claim"]) <= {*artefacts.read(claims.CLAIMS)["id"], "reference", "S1", "S2",
                                   "S3", "S4"}, "S1 to S4: data and settings, behind no claim"
    ours = table["claim"].eq("reference") | table["where"].eq("released log")
    assert table.loc[~ours, "where"].str.contains(r"^text 00\d, (?:§|[A-Z])").all()
    assert set(table["direction"]) <= {"↑", "↓",
                                       "–"} and table["quantity"].map(
        lambda name: bool(re.fullmatch(r"[a-z]\w*", name))).all()
    value = table.set_index(["claim", "quantity"])["value"]
    assert claims.published("S2-17") == {"cosine_lost": 0.03} and claims.published("X-1") == {}
    assert (value["S1-2", "fad_m1"] == 7.02 and value["S4-1", "mcd_full"] == 11.36
            and value["S2-2", "fad_study2"] == 3.98)
    printed = {name[:3]: arrow for name,
               arrow in zip(table["quantity"], table["direction"], strict=True)}
    assert (printed["thd"], printed["snr"]) == ("↑", "↓"), "copied as printed"
    assert b"\r\n" in claims.PUBLISHED.read_bytes()


def printed(name: str) -> float:
    """``"S3-1 mse"`` → the number as printed."""
    claim, quantity = name.split()
    return claims.published(claim)[quantity]


def percent_less(after: str, before: str) -> float:
    return 100 * (1 - printed(after) / printed(before))


@pytest.mark.parametrize(("follows", "stands", "within"), [
    (lambda: printed("S1-3 epoch_seconds_before") / printed("S1-3 epoch_seconds_after"),
     "S1-3 time_ratio", 0.05),
    (lambda: printed("S2-4 fad_no_adversarial") - printed("S2-2 fad_study2"),
     "S2-4 fad_gained_without_adversarial", 0.05),
    (lambda: printed("S2-1 cosine_study2") - printed("S2-1 cosine_no_adversarial"),
     "S2-17 cosine_lost", 1e-9),
    (lambda: printed("S2-2 rel_study2_baselines") - printed("S2-7 rel_other_prompt_baselines"),
     "S2-7 points_of_relevance_lost", 0.5),
    (lambda: printed("S3-1 rmse") ** 2, "S3-1 mse", 1e-5),
    (lambda: printed("S4-1 mcd_no_text") - printed("S4-1 mcd_full"),
     "S4-1 mcd_gained_without_text", 1e-9),
    (lambda: printed("S4-10 weight_of_highest_band") - printed("S4-10 weight_of_lowest_band"),
     "S4-10 weight_slope", 1e-9),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "")
def test_printed_numbers_that_follow_from_others(follows, stands, within):
    assert follows() == pytest.approx(printed(stands), abs=within)


@pytest.mark.parametrize(("follows", "value", "stands"), [
    (lambda: percent_less("S2-2 fad_study2", "S2-2 fad_study1"), 42,
     ("S2-2 fad_percent_less_results", "S2-2 fad_percent_less_training",
      "S2-2 fad_percent_less_outcomes")),
    (lambda: -percent_less("S2-1 cosine_study2", "S2-1 cosine_study1"), 43,
     ("S2-1 alignment_percent_more",)),
    (lambda: sum(printed(f"S2 {part}_pairs") for part in ("train", "validation", "test")), 13_000,
     ("S2 pairs", "S2 pairs_contributions", "S2 study1_pairs")),
    (lambda: printed("S2 imemnet_pairs") + printed("S2 melbench_triplets"), 151_250,
     ("S2 pairs_contributions",)),
    (lambda: printed("S2-2 ovl_study2_listening"), 80.3, ("S2-2 ovl_study2_baselines",)),
    (lambda: printed("S2-2 rel_study2_listening"), 78.9, ("S2-2 rel_study2_baselines",)),
], ids=["FAD", "cosine", "pairs", "two collections", "OVL", "REL"])
def test_printed_numbers_that_do_not_fit_each_other(follows, value, stands):
    assert follows() == pytest.approx(value, rel=0.02)
    for name in stands:
        assert abs(printed(name) / follows() - 1) > 0.02


def test_zhangs_errors_need_labels_more_spread_than_the_printed_range_lets_one_peak_have():
    """Zhang §3: MSE / (1 − R²) is the labels' variance, or, where two R² were averaged, a mean of
    two variances weighted by each target's share of error, so one of them is at least as large.
    On 1.5 to 8 no variance passes (8 − 1.5)² / 4, none of values that are all equally frequent
    (8 − 1.5)² / 12, none with one peak (8 − 1.5)² / 9, and that only with the peak at an end."""
    number = claims.published("S3-1")
    variance, spread = number["mse"] / (1 - number["r2"]), number["truth_to"] - number["truth_from"]
    assert (variance, variance**0.5) == pytest.approx((4.63, 2.15), abs=0.005)
    assert variance < spread**2 / 4, "possible: half at either end would have more"
    assert variance > spread**2 / 12, "but not where extreme emotions are rare, as is printed"
    assert 0.98 < variance / (spread**2 / 9) < 1, "one peak would have to lie at an end"
    mse, of_each = np.array([0.9, 2.7]), np.array([1.0, 9.0])  # any two targets, as averaged
    averaged = mse.mean() / (1 - (1 - mse / of_each).mean())
    assert of_each.min() < averaged < of_each.max()


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
    assert set(ledger.claims["verdict"]) == {claims.EMPTY} and len(ledger.quantities) == 0
    assert len(ledger.claims) == 57
    unfilled = ledger.claims[ledger.claims["filled_by"] == ""]
    assert unfilled["would_fill"].eq("").all() and unfilled["reason"].ne("").all()
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


def measured(claim, **quantities):
    """Evidence with intervals ± .1 around values, of 60 pieces."""
    return [claims.evidence(claim, name, value, value - 0.1, value + 0.1, 60)
            for name, value in quantities.items()]


def test_m4_shares_the_text_of_m3_and_is_another_claim(elsewhere):
    rows = measured("S1-1", clap_m2_minus_m1=0.5, clap_m3_minus_m2=0.5, clap_m4_minus_m3=-0.5)
    claims.save(rows, "15_bridging_table", "mini", seed=0)
    ledger = claims.fill("mini")
    verdicts = ledger.claims.set_index("id")["verdict"]
    assert verdicts["S1-1"] == claims.HOLDS and verdicts["S1-7"] == claims.FAILS
    shown = claims.show(ledger).set_index("id")["ours"]
    assert shown["S1-7"] == "S1-1.clap_m4_minus_m3 -0.5 [-0.6, -0.4], n 60, seed 0"
    assert "m4" not in shown["S1-1"] and len(ledger.quantities) == 3
    words = [text.get_text() for text in claims.draw(ledger).axes[0].texts]
    assert "S1-1.clap_m4_minus_m3" in words


def test_the_four_printed_columns_decide_what_the_whole_input_is_worth(elsewhere):
    rule = artefacts.read(claims.CLAIMS).set_index("id").loc["S4-1", "rule"]
    rows = sorted(claims.names(rule))
    assert {name.partition("_")[0] for name in rows} == {"mcd", "fad", "lsd", "cosine"}
    fine = dict.fromkeys(rows, 0.5)
    for changed, expected in (({}, claims.HOLDS), ({"lsd_no_image_minus_full": -0.5}, claims.FAILS),
                              ({"cosine_full_minus_noise": 0.0}, claims.OPEN)):
        claims.save(measured("S4-1", **fine | changed), "44_art2music_table", "mini", seed=0)
        assert claims.fill("mini").claims.set_index("id").loc["S4-1", "verdict"] == expected


def test_a_distance_of_fewer_clips_than_dimensions_decides_nothing(elsewhere):
    def row(n, dimensions=96):
        rows = [claims.evidence("S2-5", "fad_no_directive_minus_full", 210, 80, 340, n)]
        rows += [claims.evidence("S2-4", "fad_dimensions", *3 * [dimensions], 1)] * bool(dimensions)
        claims.save(rows, "24_mapping_table", "mini", seed=0)
        return claims.fill("mini").claims.set_index("id").loc["S2-5"]
    assert row(97)["verdict"] == claims.HOLDS and row(97)["reason"] == ""
    assert row(16)["verdict"] == claims.OPEN
    assert "decides nothing unless n > S2-4.fad_dimensions (n 16" in row(16)["reason"]
    assert "fad_dimensions not measured" in row(97, 0)["reason"]


def test_a_bound_of_another_embedders_scale_decides_nothing(elsewhere):
    rows = measured("S2-3", time_ratio=0.2, latency_ms_per_10_s=500,
                    fad_projection_minus_pipeline=103, fad_real_against_real=131)
    claims.save(rows, "25_mapping_latency", "mini", seed=0)
    found = claims.fill("mini").claims.set_index("id")
    assert found.loc["S2-3", "verdict"] == claims.OPEN
    assert "unless fad_real_against_real < 0.5 (n 60, fad_real_against_real 131" in found.loc[
        "S2-3", "reason"]
    assert found.loc["S2-13", "verdict"] == claims.HOLDS


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
