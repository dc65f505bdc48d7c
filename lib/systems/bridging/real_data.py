"""System 1's paired data from where the text took it: WikiArt-Emotions' paintings and the
MIREX-like mood dataset's MIDI files.

    ratings ──labels.wikiart──► one of five words ─┐ as many of each word as there are     ┌─► table of pairs, published or corrected
    adjective ──nearest point──► one of five words ┼─ on both sides, the surest first ─────┤
    MIDI ──render, 32 kHz──► FLAC ──every 30 s─────┘                                       └─► Clips, decoded when used

:func:`source` gives a profile's data, this or the atelier's, in one form (:class:`Data`).

Source: text 000, "Bridging Paintings and Music", §V.A.

Known deviations: published is one person's choice of 1,200 paintings and an unstated way of
"combining the emotional aspects" of the music; ours are two stated rules (``labels.GROUPS``;
``affect.MIREX_POINTS`` and the nearest of ``affect.EMOTION_POINTS``) · of each word
the paintings are taken on which most annotators agreed, the words as evenly as both sides allow:
where music of a word is scarce, others fill up · all pieces that can be played are taken, 193 or
196 · a piece's rest shorter than a segment is left out · the synthesiser's voices are this
workbook's. Notebook: 11, 13.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry
from lib.data.atelier import TRAIN_SEED, paint, render
from lib.data.collections import mirex
from lib.models.emotion_classifier import SIDES
from lib.signal import affect, images
from lib.systems.bridging import data as pairs
from lib.systems.bridging import labels, train_classifier
from lib.systems.bridging.clips import Clips

RATE_HZ, SIDE = 32_000, 384
# profile → where its data come from
ORIGIN = {"smoke": "atelier", "mini": "atelier", "gpu": "atelier", "paper": "published"}
# looked for with pictures, in images/ or emotion_labelled/
PAINTINGS = registry.COLLECTIONS["wikiart_emotions"].folders
MUSIC = registry.COLLECTIONS["mirex"].folders
WORK = "published"  # below data/processed/bridging


class Data(NamedTuple):
    """System 1's paired data, whatever its origin.

    Attributes:
        table: ``pairs.pairs``'s, a row a pair. origin: ``atelier`` or ``published``.
        paintings: DataFrame ``painting, emotion``; the atelier's have ``index``, published ones
            ``painting_group, path, share``.
        pieces: DataFrame ``piece, emotion, seconds``; the atelier's have ``index``, published ones
            ``piece_group, adjective, sound``.
        rejects: DataFrame ``item, file, reason``: what is damaged, or shorter than a segment.
        pictures: (names of paintings, side) → uint8 [N, side, side, 3].
        side: at which the captioner is best shown them: the atelier's own 128, published ones 384,
            what BLIP-large sees.
        clips: (rows of the table, rate in Hz) → sequence of float32 [segment_seconds · rate], in
            the rows' order.
    """

    table: "pandas.DataFrame"  # noqa: F821
    origin: str
    paintings: "pandas.DataFrame"  # noqa: F821
    pieces: "pandas.DataFrame"  # noqa: F821
    rejects: "pandas.DataFrame"  # noqa: F821
    pictures: Callable[[Sequence[str], int], np.ndarray]
    side: int
    clips: Callable[["pandas.DataFrame", int], Sequence[np.ndarray]]  # noqa: F821


def source(profile: str, *, seed: int = 0, n_jobs: int = 1) -> Data:
    """A profile's paired data: the atelier's, or at ``paper`` the published collections'
    (``data/README.md`` says where to put them).

    Args:
        n_jobs: processes that play MIDI.

    Raises:
        KlangfarbeError: a collection is absent or incomplete; the line says what is missing and
            where to get it.

    Notebook: 13.
    """
    config = pairs.PROFILES[profile]
    return {"atelier": _atelier, "published": _published}[ORIGIN[profile]](config, seed, n_jobs)


def labelled(profile: str, config, *, seed: int = 0) -> tuple:
    """A profile's paintings for the classifier: (uint8 [N, side, side, 3], DataFrame in the
    manifest's columns with ``split``).

    The atelier's are :func:`classifier.atelier`'s. Published ones are those of the pairs
    (``config.n_paintings`` of them, chosen without regard to music); splits keep a painter
    together, and so does ``group_id``. As published, then, the classifier knows most of the
    paintings whose words lead the captions; ``labels.predicted`` gives words by networks that do
    not.

    Args:
        config: ``classifier.Config``.

    Raises:
        KlangfarbeError: as :func:`source`.

    Notebook: 11.
    """
    if ORIGIN[profile] == "atelier":
        return train_classifier.atelier(config)
    folder = registry.find_folder(PAINTINGS, ("images", "emotion_labelled"))
    rows, _ = whole(folder, paths.PROCESSED / "bridging" / WORK)
    rows = labels.dealt(chosen(rows, config.n_paintings, seed=seed), seed=seed)
    return _pictures(folder, rows["path"],
                     SIDES[config.backbone]), rows.assign(group_id=rows["artist"])


def paired(paintings_folder: Path | str, mirex_folder: Path | str, config: pairs.Config,
           work_folder: Path | str, *, seed: int = 0, n_jobs: int = 1) -> Data:
    """The published paired set from two folders; stopped at any moment, it goes on where it stood.

    Args:
        paintings_folder: as ``labels.wikiart`` takes it, with pictures. mirex_folder: as
            ``mirex.manifest`` takes it, with MIDI.
        config: ``n_paintings``, ``segment_seconds`` and ``how`` are looked at. work_folder: gets
            ``sounds/`` and ``paintings/``.

    Raises:
        KlangfarbeError: a folder lacks what it must have, or one side has nothing for an emotion
            that the other has.

    Source: text 000, §V.A.  Notebook: 13.
    """
    folder, work = Path(paintings_folder), Path(work_folder)
    pieces, broken_pieces = played(mirex_folder, work / "sounds", shortest_s=config.segment_seconds,
                                   n_jobs=n_jobs)
    rows, broken_paintings = whole(folder, work)
    room = pairs.segments(pieces, config.segment_seconds)["emotion"].value_counts().to_dict()
    rows = chosen(rows, config.n_paintings, room, seed)
    paintings = rows.rename(columns={"item_id": "painting", "artist": "painting_group"})
    paintings = paintings[["painting", "painting_group", "emotion", "path", "share"]]
    table = pairs.pairs(paintings, pieces, how=config.how, seed=seed,
                        segment_seconds=config.segment_seconds)
    path_of, sound_of = paintings.set_index("painting")["path"], pieces.set_index("piece")["sound"]
    return Data(table, "published", paintings, pieces,
                pd.concat([broken_paintings, broken_pieces], ignore_index=True), lambda names,
                side: _pictures(folder, path_of.loc[list(names)], side), SIDE, lambda some,
                rate_hz: Clips([work / "sounds" / sound for sound in sound_of.loc[some["piece"]]],
                               some["start_s"], config.segment_seconds, rate_hz))


def whole(folder: Path | str, work_folder: Path | str) -> tuple:
    """Paintings with one of the five words whose picture is there and whole: (``labels.wikiart``'s
    rows, rejects of :class:`Data`).

    Raises:
        KlangfarbeError: the ratings are missing, or there is no picture.
    """
    rows = labels.wikiart(folder, pictures_only=True)
    if not len(rows):
        raise KlangfarbeError(f"pictures of paintings in {folder}", "none",
                              "fetch them as images/<ID>.jpg (see data/README.md)")
    rows = rows[rows["emotion"].notna()]
    built = manifest.build(rows[list(manifest.COLUMNS)].to_dict("records"),
                           Path(work_folder) / "paintings", root=folder)
    rejects = built.rejects.rename(columns={"item_id": "item",
                                            "path": "file"})[["item", "file", "reason"]]
    return rows[rows["item_id"].isin(built.manifest["item_id"])].reset_index(drop=True), rejects


def chosen(rows, n: int, room: dict[str, int] | None = None, seed: int = 0):
    """Of paintings with a word, `n`: the words as evenly as they go, of each those whose word most
    annotators agreed on.

    Args:
        rows: of :func:`whole`, or any of ``labels.wikiart`` with a word. room: word → the most that
            may be taken; words not in it: all.
        seed: of the order among equally sure ones.

    Returns:
        These rows in their order, with ``share``, of annotators, in [0, 1].
    """
    words = list(affect.EMOTION_POINTS)
    ranked = np.sort(rows[words].to_numpy(float), axis=1)
    rows = rows.assign(share=ranked[:, -1], _lead=ranked[:, -1] - ranked[:, -2],
                       _lot=np.random.default_rng(seed).permutation(len(rows)))
    there = rows["emotion"].value_counts()
    quota = quotas({word: min(int(count), (room or {}).get(word, int(count))) for word,
                    count in there.items()}, n)
    best = rows.sort_values(["share", "_lead", "_lot"],
                            ascending=False).groupby("emotion", sort=False, group_keys=False)
    kept = [index for word, of in best for index in of.index[: quota[word]]]
    return rows.loc[sorted(kept)].drop(columns=["_lead", "_lot"]).reset_index(drop=True)


def quotas(there: dict[str, int], n: int) -> dict[str, int]:
    """How many of each to take so that they are `n`, or all there are, and no two differ more than
    they must.
    """
    taken, left = {}, n
    for place, word in enumerate(sorted(there, key=lambda word: (there[word], word))):
        taken[word] = min(there[word], left // (len(there) - place))
        left -= taken[word]
    return taken


def played(folder: Path | str, sounds: Path | str, *, shortest_s: float, n_jobs: int = 1) -> tuple:
    """MIREX's MIDI files as sound at 32 kHz: (pieces, rejects) of :class:`Data`; what was played
    before is not played again.

    Args:
        sounds: gets the FLAC files, each whole or not at all. shortest_s: shorter pieces are set
            aside.

    Raises:
        KlangfarbeError: as ``mirex.manifest``, or no MIDI file is there.
    """
    rows = mirex.manifest(folder)
    rows, scores = rows[rows["modality"] == "midi"], mirex.home(folder) / "MIDIs"
    if not len(rows):
        raise KlangfarbeError(f"MIDI files in {scores}", "none", mirex.WHERE)
    renders, broken = render.render_folder(scores, sounds, sample_rate_hz=RATE_HZ, n_jobs=n_jobs)
    rows = rows.assign(file=[(Path(folder) / path).relative_to(scores).as_posix()
                             for path in rows["path"]],
                       piece=rows["item_id"].str.removesuffix("-midi"),
                       piece_group=rows["group_id"], adjective=rows["emotion"],
                       emotion=[affect.emotion_word(v, a) for v,
                                a in zip(rows["valence"], rows["arousal"], strict=True)])
    found, broken = rows.merge(renders, on="file"), rows.merge(broken,
                                                               on="file")[["piece", "file",
                                                                           "reason"]]
    if not len(found):
        raise KlangfarbeError(f"MIDI files in {scores} that can be played",
                              f"none of {len(rows)}, {broken['file'].iloc[0]}: "
                              f"{broken['reason'].iloc[0]}", mirex.WHERE)
    short = found[found["seconds"] < shortest_s]
    short = short.assign(reason=[f"{seconds:.1f} s, shorter than a segment"
                                 for seconds in short["seconds"]])[["piece", "file", "reason"]]
    found = found[found["seconds"] >= shortest_s].reset_index(drop=True)
    return (found[["piece", "piece_group", "emotion", "adjective", "seconds",
                   "sound"]].astype({"piece": object, "piece_group": object}),
            pd.concat([broken, short], ignore_index=True).rename(columns={"piece": "item"}))


def both_ways(paintings, pieces, config: pairs.Config, seed: int = 0):
    """The same data paired both ways, and what the leak linter says of each.

    Returns:
        DataFrame ``how, pairs, train, validation, test``, the shares of test pairs whose painter
        (``painter_leak``) or whose song's artist (``artist_leak``) is in train too, and
        ``findings``, the linter's.
    """
    lines = []
    for how in pairs.HOW:
        table = pairs.pairs(paintings, pieces, how=how, seed=seed,
                            segment_seconds=config.segment_seconds)
        sizes = table["split"].value_counts()
        lines.append({"how": how, "pairs": len(table),
                      **{split: int(sizes.get(split, 0)) for split in pairs.FRACTIONS},
                      "painter_leak": pairs.leaking(table, "painting_group"),
                      "artist_leak": pairs.leaking(table),
                      "findings": ", ".join(finding.name
                                            for finding in pairs.looked_at(table).findings)})
    return pd.DataFrame(lines)


def _published(config: pairs.Config, seed: int, n_jobs: int) -> Data:
    paintings, music = registry.find_folder(PAINTINGS,
                                      ("images", "emotion_labelled")), registry.find_folder(MUSIC)
    data = paired(paintings, music, config, paths.PROCESSED / "bridging" / WORK, seed=seed,
                  n_jobs=n_jobs)
    print(f"published collections: {len(data.table)} pairs of {len(data.paintings)} paintings and "
          f"{data.table['piece'].nunique()} of "
          f"{len(data.pieces)} pieces; {len(data.rejects)} files set aside"
          + (f", first {data.rejects['file'].iloc[0]} ({data.rejects['reason'].iloc[0]})"
             if len(data.rejects) else ""))
    return data


def _atelier(config: pairs.Config, seed: int, _n_jobs: int) -> Data:
    paintings, pieces = pairs.atelier(config)
    table = pairs.pairs(paintings, pieces, how=config.how, seed=seed,
                        segment_seconds=config.segment_seconds)
    index = paintings.set_index("painting")["index"]

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        painted, _ = paint.pictures(TRAIN_SEED, index.loc[list(names)], min(side, paint.MASTER))
        return images.squares(painted, side)

    def clips(some, rate_hz: int) -> list[np.ndarray]:
        made = dict(pairs.sounds(some, pieces, config, rate_hz))
        return [made[name] for name in some["segment"]]

    return Data(table, "atelier", paintings, pieces,
                pd.DataFrame(columns=["item", "file", "reason"], dtype=object), pictures,
                paint.MASTER, clips)


def _pictures(folder: Path, files: Sequence[str], side: int) -> np.ndarray:
    loaded = [images.load(folder / file, size=side) for file in files]
    return np.stack(loaded) if loaded else np.zeros((0, side, side, 3), np.uint8)
