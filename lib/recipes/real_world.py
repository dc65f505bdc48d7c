"""The heads that read feeling off real pictures and music (lib.systems.real_world), fitted on the
user's own copies of OASIS, WikiArt Emotions and a part of ArtEmis, of Emotify and 4Q. No item is
bundled, only the ridges' weights.  Notebook: 06."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from sklearn.linear_model import LogisticRegression

from lib import pretrained
from lib.data import memmaps, registry, splits
from lib.data.atelier import JUDGE_SEED, factors, paint, render, words
from lib.data.collections import layout, music
from lib.signal import audio, images
from lib.systems import real_world

DEALS, FOLDS = 8, 5
GAMMA = {"emotions": 0.35, "sides": 0.5}  # of the kernels on music's features, chosen once
LISTENED_S, RATE_HZ = 15.0, 16_000  # of each piece, its middle
N_ATELIER = 300         # items of the atelier that tell it from the real world
N_VECTORS = 2000        # items from whose vectors CLIP's are told by the plane
LICENCES = {"wikiart": "WikiArt Emotions: research only", "oasis": "OASIS: for research",
            "artemis": "ArtEmis: research, not to be passed on", "genres": "ArtGAN's list: BSD-3",
            "emobank": "EmoBank: CC BY-SA 4.0", "emotify": "Emotify: CC BY-NC-SA",
            "4q": "4Q audio emotion dataset: research only"}


def manifest(name: str, n: int | None = None, inside: tuple[str, ...] = ("",), **settings):
    """The rows of a collection at hand that have a file and a point (of `n` picked at random, in
    all tables here, where it is given), with ``file``."""
    row = registry.COLLECTIONS[name]
    folder = registry.find_folder(row.folders, inside)
    rows = row.manifest(folder, **settings).dropna(subset=["path", "valence"])
    rows = picked(rows, n)
    return rows.assign(file=[folder / path for path in rows["path"]]).reset_index(drop=True)


def picked(rows, n: int | None):
    """`n` rows in random order; None: all as they are."""
    return rows if n is None else rows.sample(frac=1, random_state=0).head(n)


def features(kind: str, files: list[Path]) -> np.ndarray:
    """real_world's features of picture or sound files [N, D], kept on disk."""
    if kind == "pictures":
        part, width = "picture_features", 2400
        def of(path):
            return real_world.picture_features([images.load(path)])
    else:
        part, width = "music_tags", 1756
        def of(path):
            sound = audio.load(path, seconds=LISTENED_S, sample_rate_hz=RATE_HZ)
            return real_world.music_features([sound], RATE_HZ)
    where = memmaps.cache_folder(pretrained.load(part, pretrained.PACKAGE).sha256, width, [
        (str(path), path.stat().st_size) for path in files])
    return np.array(memmaps.cached_rows(
        where, part, len(files), (width,), np.float32,
        lambda rows: np.concatenate([of(files[row]) for row in rows])))


def slug(name: str) -> str:
    """An artist's name as ArtEmis writes it, so that both collections' groups agree."""
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-")


def standard(values: np.ndarray) -> np.ndarray:
    """Columns in standard deviations from their means."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def picture_tables(n: int | None = None) -> dict[str, SimpleNamespace]:
    """``oasis, wikiart, artemis`` → ``features`` [N, 2400], ``points`` [N, 2] on [−1, 1],
    ``groups`` (subjects, artists), ``files``; and ``genres``, whose ``names`` stand for points."""
    tables = {}
    photos = manifest("oasis", n)
    works = manifest("wikiart_emotions", n, ("images", "emotion_labelled"), paintings_only=True)
    others = manifest("artemis_subset", n)
    artists = works["caption"].str.rsplit(" by ", n=1).str[-1].map(slug)
    for name, rows, groups in (("oasis", photos, photos["group_id"]), ("wikiart", works, artists),
                               ("artemis", others, others["group_id"].str.removeprefix("artist:"))):
        tables[name] = SimpleNamespace(
            features=features("pictures", list(rows["file"])), groups=groups.to_numpy(str),
            files=list(rows["file"]), points=rows[["valence", "arousal"]].to_numpy(float))
    folder = registry.find_folder(["wikiart_paintings"])
    rows = layout.read_table(folder / "style_labelled.csv", ("file", "genre", "artist"))
    rows = picked(rows.dropna(subset=["genre"]), n)
    tables["genres"] = SimpleNamespace(
        features=features("pictures", [folder / name for name in rows["file"]]),
        groups=rows["artist"].map(slug).to_numpy(str), names=rows["genre"].to_numpy(str))
    return tables


def music_tables(n: int | None = None) -> dict[str, SimpleNamespace]:
    """``emotify, 4q`` → ``features`` [N, 1756], ``points`` [N, 2], ``groups`` (artists), and
    Emotify's ``shares`` [N, 9] of listeners who ticked each emotion."""
    tables = {}
    for name, rows in (("emotify", manifest("emotify", n)), ("4q", manifest("mer_audio_4q", n))):
        tables[name] = SimpleNamespace(
            features=features("music", list(rows["file"])), groups=rows["group_id"].to_numpy(str),
            points=rows[["valence", "arousal"]].to_numpy(float), ids=rows["item_id"].to_numpy(str),
            files=list(rows["file"]))
    shares = music.emotify_shares(registry.find_folder(["emotify"]))
    tables["emotify"].shares = shares.loc[tables["emotify"].ids].to_numpy()
    return tables


def held_out(kind: str, tables: dict[str, SimpleNamespace], deal: int) -> dict[str, np.ndarray]:
    """What heads read off works whose artists (subjects, of photographs) they never met, one deal
    of the folds: collection → [N, 2]. The other collections are learnt from whole, but for an
    artist's works that stand in both."""
    if kind == "music":
        own, other = {}, {}
        for name, table, there in (("emotions", tables["emotify"], tables["4q"]),
                                   ("sides", tables["4q"], tables["emotify"])):
            part, targets = real_world.HEARS[name], taught(name, table)
            own[name] = splits.cross_validated(
                lambda x, y, new, gamma=GAMMA[name]: real_world.fit(x, y, gamma)(new),
                table.features[:, part], targets, table.groups, k=FOLDS, seed=deal)
            other[name] = real_world.fit(table.features[:, part], targets,
                                         GAMMA[name])(there.features[:, part])
        return own | {"emotify": real_world.combine(own["emotions"], other["sides"]),
                      "4q": real_world.combine(other["emotions"], own["sides"])}
    paintings = [tables["wikiart"], tables["artemis"]]
    x, groups = (np.concatenate([getattr(table, part) for table in paintings])
                 for part in ("features", "groups"))
    y = np.concatenate([standard(table.points) for table in paintings])
    photos = tables["oasis"]
    also = photos.features, standard(photos.points)
    felt = splits.cross_validated(
        lambda known, points, new: real_world.fit(np.concatenate([known, also[0]]),
                                                  np.concatenate([points, also[1]]))(new),
        x, y, groups, k=FOLDS, seed=deal)
    n = len(paintings[0].points)
    return {"wikiart": felt[:n], "artemis": felt[n:], "oasis": splits.cross_validated(
        lambda known, points, new: real_world.fit(known, points)(new), *also, photos.groups,
        k=FOLDS, seed=deal)}


def taught(name: str, table: SimpleNamespace) -> np.ndarray:
    """What a head of music learns: Emotify's shares [N, 9], or 4Q's points [N, 2]."""
    return table.shares if name == "emotions" else table.points


def of_the_atelier(kind: str) -> np.ndarray:
    """Features of :data:`N_ATELIER` of the atelier's pictures or pieces [N, D]."""
    numbers = range(N_ATELIER)
    if kind == "music":
        return real_world.music_features(list(render.sounds(JUDGE_SEED, numbers, 8.0)[0]),
                                         render.SAMPLE_RATE_HZ)
    return real_world.picture_features(list(paint.pictures(JUDGE_SEED, numbers, 128)[0]))


def make() -> tuple[dict, str]:
    """Fits all heads on all items at hand and writes them with their cards, as they are made."""
    for kind, tables in (("pictures", picture_tables()), ("music", music_tables())):
        real_world.save(kind, *heads_of(kind, tables, [held_out(kind, tables, deal)
                                                       for deal in range(DEALS)]))
    make_comments()
    make_vectors()
    return {}, ""


def comment_table(n: int | None = None) -> SimpleNamespace:
    """EmoBank's sentences: ``features`` [N, 388], ``points``, ``groups`` (documents), ``test``,
    whether the publisher put them aside. Source: Buechel & Hahn (2017)."""
    row = registry.COLLECTIONS["emobank"]
    rows = picked(row.manifest(registry.find_folder(row.folders)), n)
    texts = rows["comment"].to_list()
    where = memmaps.cache_folder(pretrained.load("sentences", pretrained.PACKAGE).sha256, texts)
    found = memmaps.cached_rows(where, "sentences", len(texts), (388,), np.float32, chunk=512,
                                compute=lambda some: real_world.comment_features(
                                    [texts[row] for row in some]))
    return SimpleNamespace(features=np.array(found), test=(rows["split"] == "test").to_numpy(),
                           points=rows[["valence", "arousal"]].to_numpy(float),
                           groups=rows["group_id"].to_numpy(str))


def make_comments() -> None:
    """The head of comments, fitted on all of EmoBank; its card is measured on the test split."""
    table = comment_table()
    known, unseen = ~table.test, table.test
    told = real_world.fit(table.features[known], table.points[known])(table.features[unseen])
    points = table.points[unseen]
    real_world.save("comments", {"affect": real_world.fit(table.features, table.points)}, {
        "mean": told.mean(axis=0), "spread": told.std(axis=0),
        "r": [np.corrcoef(points[:, axis], told[:, axis])[0, 1] for axis in (0, 1)],
        "fitted_on": {"emobank": {"items": len(table.points), "groups": len(set(table.groups)),
                                  "terms": LICENCES["emobank"]}}})


def heads_of(kind: str, tables: dict, deals: list[dict]) -> tuple[dict, dict]:
    """Heads fitted on all of a kind's tables, and their card: what their predictions for works
    that were held out (`deals` of :func:`held_out`) are worth."""
    own, signs = ("emotify", "4q") if kind == "music" else ("wikiart", "wikiart")
    felt, points = np.array([deal[own] for deal in deals]), tables[own].points
    if kind == "music":
        heads = {name: real_world.fit(table.features[:, real_world.HEARS[name]],
                                      taught(name, table), GAMMA[name])
                 for name, table in (("emotions", tables[own]), ("sides", tables["4q"]))}
    else:
        rated, genres = [tables[name] for name in ("oasis", "wikiart", "artemis")], tables["genres"]
        heads = {"affect": real_world.fit(np.concatenate([table.features for table in rated]),
                                          np.concatenate([standard(table.points)
                                                          for table in rated])),
                 "genre": real_world.fit(genres.features, one_of(genres.names))}
    real = np.concatenate([table.features for table in tables.values()])
    ours = of_the_atelier(kind)
    heads["atelier"] = real_world.fit(np.concatenate([ours, real]),
                                      np.repeat([1.0, -1.0], [len(ours), len(real)]))
    middle, spread = felt.mean(axis=(0, 1)), felt.std(axis=(0, 1))
    steps = np.concatenate([(deal[signs][:, 0] - middle[0]) / spread[0] for deal in deals])
    valence = tables[signs].points[:, 0]
    pleasant = np.tile(valence > np.median(valence), len(deals))
    line = LogisticRegression(C=np.inf).fit(steps[:, None], pleasant)
    card = {"mean": middle, "spread": spread, "people_mean": points.mean(axis=0),
            "people_spread": points.std(axis=0),
            "r": [np.mean([np.corrcoef(points[:, axis], deal[:, axis])[0, 1] for deal in felt])
                  for axis in (0, 1)],
            "pleasant": [line.coef_[0, 0], line.intercept_[0]],
            "fitted_on": {name: {"items": len(table.features), "groups": len(set(table.groups)),
                                 "terms": LICENCES[name]} for name, table in tables.items()}}
    if kind == "pictures":
        card["genres"] = [name.replace("_", " ") for name in sorted(set(tables["genres"].names))]
    return heads, card


def one_of(names: np.ndarray) -> np.ndarray:
    """Names [N] → ones and noughts [N, K], in alphabetical order."""
    return (names[:, None] == np.unique(names)).astype(float)


def make_vectors() -> None:
    """The maps from the plane to the bundled CLIP's vectors of the atelier's pictures and
    comments (``real_world.clip_vectors``)."""
    clip, numbers = pretrained.load("image_text"), range(N_VECTORS)
    items = [factors.draw(JUDGE_SEED, number) for number in numbers]
    points = np.array([(item.valence, item.arousal) for item in items])
    vectors = {"image": np.concatenate([clip.embed_pictures(
                   paint.pictures(JUDGE_SEED, numbers[at : at + 100], 64)[0])
                   for at in range(0, N_VECTORS, 100)]),
               "text": clip.embed_text([words.comment(item) for item in items])}
    terms = real_world.terms(points)
    real_world.save("atelier", {name: real_world.fit(terms, some)
                                for name, some in vectors.items()}, {"items": N_VECTORS})
