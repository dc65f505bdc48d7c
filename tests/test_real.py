"""Real paintings and pieces: drawn as they lie, held out by painter and track, compared with luck;
absent ones are named.
"""

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.signal import affect
from lib.systems import evaluation, real_world, recombine


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(tmp_path))
    return tmp_path


def gallery(shelf, n=12):
    """Paintings between black bars, each brighter than the one before; four painters; joy and
    sorrow in turn.
    """
    (shelf / "wikiart_paintings" / "emotion_labelled").mkdir(parents=True)
    rows = []
    for k in range(n):
        picture = np.zeros((40, 60, 3), np.uint8)
        picture[8:32] = 60 + 15 * k
        Image.fromarray(picture).save(shelf / "wikiart_paintings" / "emotion_labelled"
                                      / f"p{k}.png")
        shares = dict.fromkeys(affect.WIKIART_POINTS, 0.0) | {("happiness", "sadness")[k % 2]: 1.0}
        rows.append({"wikiart_emotions_id": f"p{k}", "artist": f"Painter {k % 4}",
                     "title": f"Light by day {k}", "category": "x",
                     "Is painting": "yes" if k else "no"}
                    | {f"Art (image+title): {name}": share for name, share in shares.items()})
    pd.DataFrame(rows).to_csv(shelf / "wikiart_paintings" / "emotion_labelled.csv", index=False)


def test_paintings_come_without_bars_with_their_painters_and_what_people_felt(shelf):
    gallery(shelf)
    works = real_world.load_paintings(99, 16)
    assert works.content.shape == (11, 16, 16, 3), "the sculpture stays outside"
    assert sorted(int(some.mean()) for some in works.content) == [60 + 15 * k
                                                                  for k in range(1,
                                                                                 12)], (
        "bars are cut off")
    for content, (valence, _), painter, file in zip(works.content, works.truth, works.groups,
                                                    works.files, strict=True):
        k = int(file.stem[1:])
        assert (content[0, 0, 0] == 60 + 15 * k and painter == f"Painter {k % 4}" and (valence < 0)
                == bool(k % 2))
    few = real_world.load_paintings(6, 16, seed=1)
    assert len(few.files) == 6 and set(few.files) < set(
        works.files) and few.files == real_world.load_paintings(6, 16, seed=1).files
    assert works.files != real_world.load_paintings(99, 16,
                                                    seed=1).files, (
        "the order is drawn too, not the collection's")


def test_pieces_come_at_the_rate_and_length_that_was_asked_for(shelf):
    (shelf / "emotify" / "emotifymusic" / "pop").mkdir(parents=True)
    names = list(affect.GEMS_POINTS)
    rows = ["track id, genre, " + ", ".join(names) + ", mood, liked, disliked, age"]
    for k in range(1, 7):
        tone = 0.3 * np.sin(2 * np.pi * 200 * k * np.arange(3 * 16_000) / 16_000)
        soundfile.write(shelf / "emotify" / "emotifymusic" / "pop" / f"{k}.wav", tone, 16_000)
        rows.append(f"{300 + k},pop," + ",".join("1" if name == ("sadness", "power")[k % 2] else "0"
                                                 for name in names) + ",3,1,0,21")
    (shelf / "emotify" / "data.csv").write_text("\n".join(rows))
    works = real_world.load_pieces(99, 1.0, 8_000)
    assert works.content.shape == (6,
                                   8_000) and works.content.dtype == np.float32 and len(
        set(works.groups)) == 6
    for sound, (_, arousal), file in zip(works.content, works.truth, works.files, strict=True):
        k = int(file.stem)
        assert abs(np.abs(np.fft.rfft(sound)).argmax() - 200
                   * k) <= 1 and (arousal > 0) == bool(k % 2)


def test_what_is_not_there_is_named(shelf):
    with pytest.raises(KlangfarbeError, match="wikiart_emotions"):
        real_world.load_paintings(8, 16)
    with pytest.raises(KlangfarbeError, match="emotify"):
        real_world.load_pieces(8, 1.0, 8_000)
    gallery(shelf, 5)
    with pytest.raises(KlangfarbeError, match="5 files with labels or more"):
        real_world.load_paintings(8, 16)


def held_out(inputs, truth, groups):
    """A line that never saw the group it predicts, as in notebook 93."""
    return splits.cross_validated(
        lambda known, felt, unseen: recombine.fit_linear_map(known, felt).predict(unseen),
        inputs, truth, groups)


def test_no_line_has_seen_the_group_it_speaks_about():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    known = rng.standard_normal((120, 4))
    truth = np.column_stack([known @ [1, 0, 2, 0], known @ [0, 1, 0, -1]])
    assert evaluation.agreement(truth, held_out(known, truth, groups)) > 0.99
    own = rng.standard_normal((20, 2))[groups]  # a group's mood, told by nothing but who it is
    who = np.eye(20)[groups]
    assert evaluation.agreement(own, held_out(who, own, groups)) < 0.05
    mixed = rng.permutation(120)  # with its members on both sides the same line tells nearly all
    assert evaluation.agreement(own, held_out(who, own, mixed)) > 0.9


def test_agreement_asks_for_the_spread_and_correlation_does_not():
    truth = np.random.default_rng(1).standard_normal((400, 2))
    found = {"itself": truth, "four times": 4 * truth, "shifted": truth + 1,
             "constant": np.zeros_like(truth),
             "noise": np.random.default_rng(2).standard_normal((400, 2))}
    table = real_world.agreement_table(truth, found).set_index("row")
    assert table.agreement["itself"] == pytest.approx(1) and (table.n == 400).all()
    ours = np.mean(8 / (17 + 9 * truth.mean(0) ** 2 / truth.var(0)))
    assert table.agreement["four times"] == pytest.approx(ours)
    assert table.agreement["shifted"] == pytest.approx(np.mean(2 / (2 + 1 / truth.var(0))))
    assert table.correlation[["itself", "four times",
                              "shifted"]].to_numpy() == pytest.approx(1) and table.correlation[
        "constant"] == 0
    assert table.agreement["noise"] < 0.15 and table.low["noise"] < 0 < table.high["noise"]
    assert ((table.low <= table.agreement)
            & (table.agreement <= table.high)).all() and (table.luck.drop("constant") < 0.2).all()


@pytest.mark.real_data
def test_the_real_collections_are_drawn_whole(real_data):
    real_data("wikiart_paintings")
    real_data("emotify")
    works, played = real_world.load_paintings(40, 64), real_world.load_pieces(8, 2.0, 22_050)
    assert works.content.shape == (40, 64, 64,
                                   3) and len(set(works.groups)) > 20 and np.abs(
        works.truth).max() <= 1
    assert played.content.shape == (8,
                                    44_100) and np.abs(played.content).max(
        1).min() > 0.01 and played.truth.std(0).min() > 0.01
