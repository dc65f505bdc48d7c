"""The atelier's paintings: the same everywhere, true to their affect, and silent about it in
subject and style.
"""

import dataclasses
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.data.atelier import JUDGE_SEED, paint, palette
from lib.data.atelier.factors import STYLES, SUBJECTS, draw

N_ITEMS, N_TRAIN = 390, 260
# The first items of JUDGE_SEED, one of each style: (index, SHA-256's first twelve digits).
KNOWN = {0: "3257f99a2725", 2: "054c9a365227", 4: "a7e7c4c3b6ee", 6: "9438de14a277",
         13: "aea22f87ab56", 18: "37591b319925", 19: "c899bb3592ef", 21: "00411115e4b9"}
unit = st.floats(-1, 1)


@pytest.fixture(scope="module")
def collection():
    items = [draw(JUDGE_SEED, i) for i in range(N_ITEMS)]
    return items, *paint.pictures(JUDGE_SEED, range(N_ITEMS))


@pytest.fixture(scope="module")
def features(collection):
    return colour_features(collection[1])


def colour_features(pictures):
    """Means and spreads of hue-free colour planes, and how many edges: [n, 16]. Nothing but numpy,
    nothing of lib.metrics.
    """
    x = pictures.astype(np.float32) / 255
    high, low = x.max(-1), x.min(-1)
    level = x @ np.array([0.299, 0.587, 0.114], np.float32)
    planes = (high, (high - low) / np.maximum(high, 0.01), level, high - low, x[..., 2] - level,
              x[..., 0] - level)
    columns = [statistic(plane, axis=(1, 2)) for plane in planes for statistic in (np.mean, np.std)]
    steps = [np.abs(np.diff(level, axis=axis)) for axis in (1, 2)]
    columns += [step.mean((1, 2)) for step in steps] + [(step > 0.1).mean((1, 2)) for step in steps]
    return np.stack(columns, 1)


def held_out_r2(features, truth):
    """R² of a ridge regression on items it has not seen, a column each."""
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    features = (features - features[:N_TRAIN].mean(0)) / (features[:N_TRAIN].std(0) + 1e-9)
    model = RidgeCV(np.logspace(-1, 4, 11)).fit(features[:N_TRAIN], truth[:N_TRAIN])
    return r2_score(truth[N_TRAIN:], model.predict(features[N_TRAIN:]), multioutput="raw_values")


def one_hot(items, names=lambda f: (f.style, f.style + f.subject, f.genre)):
    seen = sorted({name for f in items for name in names(f)})
    return np.array([[name in names(f) for name in seen] for f in items], float)


def at_32(pictures):
    return np.rint(pictures.reshape(len(pictures), 32, 4, 32, 4, 3).mean((2, 4))).astype(np.uint8)


def fingerprint(picture):
    return hashlib.sha256(picture.tobytes()).hexdigest()[:12]


# The same picture everywhere.

def test_pictures_are_known_by_their_hashes():
    assert {draw(JUDGE_SEED, i).style for i in KNOWN} == set(STYLES)
    assert {i: fingerprint(paint.paint(draw(JUDGE_SEED, i))) for i in KNOWN} == KNOWN


def test_a_processor_without_vector_instructions_paints_the_same():
    script = ("from lib.data.atelier import paint; from lib.data.atelier.factors import draw; "
              "import hashlib, sys;"
              "print(*(hashlib.sha256(paint.paint(draw(2, int(i))).tobytes()).hexdigest()[:12] for "
              "i in sys.argv[1:]))")
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX X86_V3 X86_V4"}
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", script, *map(str, KNOWN)],
                         env=plain, capture_output=True, text=True, timeout=120, check=False)
    assert out.stdout.split() == list(KNOWN.values()), out.stderr


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), unit, unit, st.integers(1, 128))
def test_any_item_paints_at_any_size_and_twice_alike(seed, index, valence, arousal, size):
    item = draw(seed, index, valence=valence, arousal=arousal)
    picture = paint.paint(item, size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, paint.paint(item, size))


@pytest.mark.parametrize(("style", "subject"), [(m, s) for m in STYLES for s in SUBJECTS[m]])
def test_every_subject_paints_at_the_corners_and_differs_from_the_next(style, subject):
    item = dataclasses.replace(draw(1, 3, style=style), subject=subject)
    grey, vivid = (paint.paint(dataclasses.replace(item, valence=x, arousal=x))
                   for x in (-1.0, 1.0))
    assert min(grey.std(), vivid.std()) > 5
    next_one = SUBJECTS[style][(SUBJECTS[style].index(subject) + 1) % 4]
    other = paint.paint(dataclasses.replace(item, subject=next_one, valence=1.0, arousal=1.0))
    assert np.abs(vivid.astype(int) - other).mean() > 8


@pytest.mark.parametrize("index", [300_378, 302_600])
def test_a_band_narrower_than_its_margins_is_painted_as_a_line(index):
    pictures, _ = paint.pictures(1, [index])
    assert pictures.shape[0] == 1 and pictures.std() > 5


def test_smaller_sizes_are_area_averages_of_the_master(collection):
    items, pictures, _ = collection
    small = np.stack([paint.paint(f, 32) for f in items[:6]])
    assert np.abs(small.astype(int) - at_32(pictures[:6])).max() <= 1


def test_pictures_come_with_their_truth_in_the_order_asked(collection):
    items, pictures, va = collection
    some, points = paint.pictures(JUDGE_SEED, [5, 2])
    assert (np.array_equal(some, pictures[[5, 2]]) and np.array_equal(points, va[[5, 2]])
            and points.dtype == np.float32)
    assert np.allclose(points, [[items[5].valence, items[5].arousal],
                                [items[2].valence, items[2].arousal]])
    none, no_points = paint.pictures(JUDGE_SEED, [], 16)
    assert none.shape == (0, 16, 16, 3) and no_points.shape == (0, 2)


@pytest.mark.parametrize("size", [0, -1, 129])
def test_a_size_that_cannot_be_painted_is_refused(size):
    with pytest.raises(KlangfarbeError, match="from 1 to 128"):
        paint.paint(draw(1, 0), size)


def test_an_unknown_manner_is_refused():
    with pytest.raises(KlangfarbeError, match="cubist"):
        draw(1, 0, style="cubist")


# The palette.

@given(unit, unit)
def test_the_palette_equation_is_solved(valence, arousal):
    brightness, saturation = palette.solve(valence, arousal)
    assert 0.69 * brightness + 0.22 * saturation == pytest.approx(valence, abs=1e-9)
    assert -0.31 * brightness + 0.60 * saturation == pytest.approx(arousal, abs=1e-9)


@given(st.integers(0, 1000), st.integers(0, 255), st.integers(0, 140))
def test_a_colour_has_the_brightness_asked_for(hue, level, chroma):
    red, green, blue = rgb = palette.colour(hue, level, chroma)
    assert all(0 <= c <= 255 for c in rgb)
    assert abs((77 * red + 150 * green + 29 * blue >> 8) - min(250, max(6, level))) <= 2
    assert palette.colour(hue + 256, level, chroma) == rgb


def test_hues_are_warm_when_aroused_and_cool_when_calm():
    def warmth(arousal):    # cosine to orange-red, mean over main hues
        main = [palette.Palette(v, arousal, [k * 7919 % 65536 for k in range(i, i + 8)]).hues[0]
                for i in range(40) for v in (-0.8, 0.8)]
        return np.cos(2 * np.pi * (np.array(main) - 12) / 256).mean()

    assert warmth(0.9) > warmth(0.0) + 0.3 > warmth(-0.9) + 0.6


# Truth: pictures tell their affect, subjects do not.

@pytest.mark.parametrize("size", [128, 32])
def test_ordinary_colour_features_recover_valence_and_arousal(collection, features, size):
    _, pictures, va = collection
    assert held_out_r2(features if size == 128 else colour_features(at_32(pictures)),
                       va).min() >= 0.6


def test_subject_style_and_genre_recover_nothing(collection):
    items, _, va = collection
    assert held_out_r2(one_hot(items), va).max() < 0.05


def test_manner_does_not_give_brightness_or_colourfulness(collection, features):
    items = collection[0]
    # mean level, mean colourfulness
    seen = held_out_r2(one_hot(items, lambda f: (f.style,)), features[:, [4, 6]])
    assert seen.max() < 0.08


def test_the_check_finds_a_collection_whose_subjects_leak(collection):
    items, _, va = collection
    leaky = va + 0.8 * np.array([[STYLES.index(f.style) % 2, 0] for f in items])
    found = held_out_r2(one_hot(items), leaky)
    assert found[0] > 0.2 and found[1] < 0.05


def test_the_check_finds_pictures_that_tell_nothing(collection):
    _, pictures, va = collection
    shuffled = np.random.default_rng(0).permutation(len(va))
    assert held_out_r2(colour_features(at_32(pictures)), va[shuffled]).max() < 0.1


def test_nights_can_be_happy_and_landscapes_sad():
    for index in range(6):
        night = paint.paint(draw(1, index, style="night_scene", valence=0.9, arousal=0.0))
        land = paint.paint(draw(1, index, style="landscape", valence=-0.9, arousal=0.0))
        assert night.mean() > land.mean() + 40


@pytest.mark.parametrize("style", STYLES)
def test_arousal_brings_contrast_and_edges_in_every_style(style):
    def crowd(arousal):
        return np.stack([paint.paint(draw(4, i, style=style, valence=0.0, arousal=arousal))
                         for i in range(5)])

    features_calm, features_wild = colour_features(crowd(-0.9)).mean(0), colour_features(
        crowd(0.9)).mean(0)
    # spread of brightness
    assert features_wild[5] > 1.15 * features_calm[5]
    assert features_wild[14:].sum() > 1.3 * features_calm[14:].sum()                # share of edges


def test_manners_are_told_apart_by_eye(collection):
    """A forest on coarse drawing and texture, colours left out: far above the 1/8 of guessing."""
    from sklearn.ensemble import ExtraTreesClassifier

    items, pictures, _ = collection
    level = at_32(pictures).astype(np.float32).mean(-1)
    level = (level - level.mean((1, 2), keepdims=True)) / level.std((1, 2), keepdims=True)
    rows, columns = np.abs(np.diff(level, axis=1)), np.abs(np.diff(level, axis=2))
    features = np.concatenate([plane.reshape(len(plane), -1) for plane in (level, rows, columns)]
                              + [np.stack([rows.mean((1, 2)), columns.mean((1, 2))], 1)], 1)
    styles = np.array([f.style for f in items])
    forest = ExtraTreesClassifier(150, random_state=0).fit(features[:N_TRAIN], styles[:N_TRAIN])
    assert forest.score(features[N_TRAIN:], styles[N_TRAIN:]) > 0.45
