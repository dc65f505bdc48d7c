"""Which real collections there are, who uses them, how to get them; what is at hand in numbers,
never an item, and its defects; the command ``data list | check | fetch``. Notebook: 04."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pooch

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError, readable
from lib.data import manifest
from lib.data.collections import layout, music, pairs, pictures, texts

ACTIONS, AXES = ("list", "check", "fetch"), ("valence", "arousal")
EDGES = np.linspace(-1, 1, 21)
RUN, TABLES = "real", ("collections.csv", "planes.csv", "defects.csv")  # below results/reference/
CONTENT = ["item_id", "group_id", "split", "emotion", *AXES, "caption", "comment", "description",
           "genre"]


@dataclass(frozen=True)
class Collection:
    """One real collection."""
    name: str
    what: str
    used_by: str                # systems, 1 … 4
    read: Callable[..., dict]   # folder → the manifest's columns [N], or one text for all rows
    folders: tuple[str, ...]    # looked for in root(), the publisher's own name first
    url: str
    licence: str
    files: tuple[tuple[str, str], ...] = ()  # to be had without a form: address, SHA-256
    stands_in: bool = False     # no data of the four sources, but of a form that runs the same code

    def manifest(self, folder: Path | str, **settings) -> Any:
        """The checked manifest of the collection in `folder`, on [−1, 1]; ``path`` is null where a
        file is not there. A row's group is its artist's, else its ``group_id``, else its own."""
        with readable(f"{self.name} as published", folder):
            return self._manifest(Path(folder), settings)

    def _manifest(self, folder: Path, settings: dict) -> Any:
        columns = {"group_id": None, "source": self.name, "licence": self.licence,
                   "origin_url": self.url} | self.read(folder, **settings)
        points, artists = columns.pop("points", None), columns.pop("artists", None)
        if points is not None:
            columns["valence"], columns["arousal"] = np.array(points, float).reshape(-1, 2).T
        table = pd.DataFrame({name: of if isinstance(of, str | None) else list(of)
                              for name, of in columns.items()})
        groups = table["group_id"].where(table["group_id"].notna(), table["item_id"])
        if artists is not None:
            groups = [f"artist:{artist}" if artist else group
                      for artist, group in zip(artists, groups, strict=True)]
        return manifest.frame(table.assign(group_id=groups))


def _listed() -> dict[str, Collection]:
    """The table ``collections/collections.json``; ``read`` names a module there, a function."""
    rows = json.loads(Path(layout.__file__).with_name("collections.json").read_text("utf-8"))
    of = {"music": music, "pairs": pairs, "pictures": pictures, "texts": texts}
    for row in rows.values():
        module, function = row["read"].split(".")
        row |= {"read": getattr(of[module], function), "folders": tuple(row["folders"]),
                "files": tuple(row.get("files", {}).items())}
    return {name: Collection(name, **row) for name, row in rows.items()}


COLLECTIONS = _listed()


def root() -> Path:
    """``KLANGFARBE_REAL_DATA`` where it is set, else ``data/raw``."""
    return Path(os.environ.get(paths.REAL_DATA_VARIABLE) or paths.RAW)


def existing_folders(row: Collection) -> list[Path]:
    """A collection's folders that are there: it may lie in parts, or under two names (once)."""
    places = [root() / folder for folder in row.folders if (root() / folder).is_dir()]
    first = {place.resolve(): place for place in reversed(places)}
    return [place for place in places if first[place.resolve()] == place]


def find_folder(names: Sequence[str], inside: Sequence[str] = ("",)) -> Path:
    """The first folder of these names in :func:`root` that has one of the sub-folders `inside`."""
    for name in names:
        if any((root() / name / part).is_dir() for part in inside):
            return root() / name
    part = f" with {' or '.join(f'{part}/' for part in inside)}" if any(inside) else ""
    raise KlangfarbeError(f"the collection {names[0]}/{part} in {root()}", "no such folder",
                          "see data/README.md for where to get it and where to put it")


def card(name: str) -> dict[str, str]:
    """A collection's card in data/README.md, field → text: what, where, licence, layout, …"""
    readme = (paths.DATA / "README.md").read_text(encoding="utf-8")
    section = readme.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
    return dict(re.findall(r"^- \*\*(.+?)\.\*\* (.+)$", section, flags=re.M))


def instructions(row: Collection) -> str:
    """How one gets a collection: where from, what to do, where to put it, under which licence."""
    about = card(row.name)
    return (f"{row.name}: {row.what}\n  1. get it: {about['Where']}\n"
            f"  2. it belongs into {root() / row.folders[0]}, as {about['Layout']}\n"
            f"  3. python -m lib data check {row.name}\n  licence: {about['Licence']}")


def fetch(row: Collection) -> list[Path]:
    """Downloads a collection's files into its first folder, or compares what is there already."""
    folder, found = root() / row.folders[0], []
    pooch.get_logger().setLevel("ERROR")
    for url, sha256 in row.files:
        name = url.rsplit("/", 1)[-1]
        with readable(f"{name} from {url}", folder, f"try again later, or put it into {folder} by "
                      f"hand: {card(row.name)['Where']}"):
            folder.mkdir(parents=True, exist_ok=True)
            found.append(Path(pooch.retrieve(url, known_hash=sha256, fname=name, path=folder)))
    return found


def summary(table: Any) -> dict:
    """``rows, files, points, groups, <axis>_mean, _sd, _low, _high, correlation, checksum``."""
    points = table[list(AXES)].dropna().to_numpy(dtype=float)
    found = {"rows": len(table), "files": int(table["path"].notna().sum()), "points": len(points),
             "groups": int(table["group_id"].nunique())}
    for axis, column in zip(AXES, points.T if len(points) else np.full((2, 1), np.nan)):
        found |= {f"{axis}_mean": column.mean(), f"{axis}_sd": column.std(),
                  f"{axis}_low": column.min(), f"{axis}_high": column.max()}
    varies = len(points) > 1 and points.std(axis=0).min() > 0
    text = table[CONTENT].to_csv(index=False, float_format="%.6f")
    return found | {"correlation": float(np.corrcoef(points.T)[0, 1]) if varies else np.nan,
                    "checksum": provenance.content_hash(text.encode())}


def histograms(collection: str, table: Any) -> pd.DataFrame:
    """How many points lie in each slice of :data:`EDGES`: ``collection, axis, low, count``."""
    points = table[list(AXES)].dropna().astype(float)
    rows = [(collection, axis, round(float(low), 3), int(count)) for axis in AXES if len(points)
            for low, count in zip(EDGES, np.histogram(points[axis], EDGES)[0], strict=False)]
    return pd.DataFrame(rows, columns=["collection", "axis", "low", "count"])


def count_collections(rows=None) -> tuple[Any, Any, Any, list[str]]:
    """Summaries, :func:`histograms`, :func:`defects` of what is at hand; what cannot be read."""
    nothing = manifest.frame([])
    counted, spread, known, refused = [], [histograms("", nothing)], [], []
    for row in COLLECTIONS.values() if rows is None else rows:
        for k, place in enumerate(existing_folders(row)):
            folder = place.relative_to(root()).as_posix()
            try:
                table = row.manifest(place)
                with readable(f"{row.name} as published", place):
                    faults = [(row.name, folder, defect) for defect in defects(row, place, table)]
            except KlangfarbeError as error:
                refused.append(f"{row.name} in {folder}: {error.got}; {error.do}")
                continue
            counted.append({"collection": row.name, "folder": folder, **summary(table)})
            spread += [histograms(row.name, table)] if k == 0 else []
            known += faults
    return (pd.DataFrame(counted, columns=["collection", "folder", *summary(nothing)]),
            pd.concat(spread),
            pd.DataFrame(known, columns=["collection", "folder", "defect"], dtype=object), refused)


def store_reference() -> None:
    """Writes the numbers to ``results/reference/real/``, for readers without the collections."""
    *tables, refused = count_collections()
    if not len(counted := tables[0]):
        raise KlangfarbeError(f"a real collection in {root()}", "none", "see data/README.md")
    stamp = provenance.provenance(
        "reference", 0, provenance.content_hash("".join(counted["checksum"]).encode()))
    for name, table in zip(TABLES, tables, strict=True):
        artefacts.write(paths.REFERENCE / RUN / name, table)
        artefacts.write(paths.REFERENCE / RUN / (name + artefacts.PROVENANCE_SUFFIX), stamp)
    print(f"collections: {len(counted)} folders of {counted['collection'].nunique()} collections "
          "counted", *refused, sep="\n  ")


def load_reference() -> tuple[Any, ...]:
    """The stored numbers: summaries, histograms, defects."""
    return tuple(artefacts.read(paths.REFERENCE / RUN / name) for name in TABLES)


def defects(row: Collection, place, table: Any) -> list[str]:
    """What one should know of the copy in `place` before training, counted on its manifest too."""
    n, points, dealt = len(table), table[list(AXES)].dropna(), table.dropna(subset=["split"])
    in_splits = dealt.groupby("group_id")["split"].nunique()
    twice = {name: int(table[name].dropna().duplicated(keep=False).sum())
             for name in ("caption", "comment", "description", "sha256")}
    counted = [((table["path"].isna() & table["modality"].ne("text")).sum(),
                f"of {n:,} rows have no file here"),
        ((n - len(points)) * bool(len(points)),
         f"of {n:,} rows have no point: join by name, never by position"),
        *((axis, f"takes {points[axis].nunique()} values only: a side, not a place")
          for axis in AXES if points[axis].nunique() <= 5 < len(points)),
        ((in_splits > 1).sum(),
         f"of {len(in_splits):,} groups stand in two of the published splits"),
        *((twice[text], f"of {table[text].count():,} rows share their {text} with another")
          for text in ("caption", "comment", "description")),
        (twice["sha256"], "files are byte for byte another row's")]
    own = {"deam": _exchanged_axes, "pmemo": _rescaled_means, "imemnet": _shared_lists}
    return ([f"{count if isinstance(count, str) else format(count, ',')} {defect}"
             for count, defect in counted if count]
            + (own[row.name](place) if row.name in own else []))


def swapped_axes(published: pd.DataFrame, trusted: pd.DataFrame) -> dict[str, float]:
    """Whether the axes are exchanged: ``songs`` in both; ``straight, crossed``, correlation of the
    valence with the trusted valence, arousal; ``agree, agree_crossed``, songs within .025."""
    left, right = (t.assign(song=t["item_id"].str.extract(r"(\d+)$")[0].astype(int)).set_index(
            "song")[list(AXES)].dropna().astype(float) for t in (published, trusted))
    songs = left.index.intersection(right.index)  # by the number that ends ``item_id``
    a, b = left.loc[songs].to_numpy(), right.loc[songs].to_numpy()
    straight, crossed = (float(np.corrcoef(a[:, 0], b[:, k])[0, 1]) if len(songs) > 1 else np.nan
                         for k in range(2))
    agree, agree_crossed = (int((np.abs(a - other).max(axis=1, initial=0) <= 0.025 + 1e-9).sum())
                            for other in (b, b[:, ::-1]))
    return {"songs": len(songs), "straight": straight, "crossed": crossed, "agree": agree,
            "agree_crossed": agree_crossed}


def _exchanged_axes(place) -> list[str]:
    deam, emomusic = (COLLECTIONS[name] for name in ("deam", "emomusic"))
    for other in existing_folders(emomusic):
        seen = swapped_axes(deam.manifest(place, exchange_2013=False), emomusic.manifest(other))
        if seen["songs"] > 1 and seen["crossed"] > seen["straight"]:
            return [f"of {seen['songs']} songs shared with emoMusic {seen['agree_crossed']} agree "
                    f"only when valence and arousal are exchanged (correlation "
                    f"{seen['crossed']:.3f}, as published {seen['straight']:.3f}); the adapter "
                    "exchanges them back"]
    return []


def spread_of_another_scale(means, deviations) -> bool:
    """Whether standard deviations belong to a scale an eighth as long as the means'."""
    return bool(np.nanmax(means) > 1 and np.nanmax(deviations) <= 0.5)


def _rescaled_means(place) -> list[str]:
    for file in sorted(place.rglob("static_annotations.csv")):
        table = layout.read_table(file, ())
        both = [(table[c], table[c.replace("mean", "std")]) for c in table.columns
                if "mean" in c and c.replace("mean", "std") in table.columns]
        if any(spread_of_another_scale(*pair) for pair in both):
            highest, widest = (max(pair[k].max() for pair in both) for k in range(2))
            return [f"means up to {highest:g} with deviations up to {widest:.2f}: "
                    f"the means were rescaled to 1–9, the deviations were not"]
    return []


def _shared_lists(place) -> list[str]:
    table, found = pairs.read_imemnet(place), []
    for small, large in (("val", "test"), ("val", "train"), ("test", "train")):
        part = table["published"].map({small: "test", large: "train"}).fillna("").to_numpy()
        if {"test", "train"} <= set(part):
            shared = pairs.overlap(table, part)
            found.append(f"{small} shares with {large} " + ", ".join(
                f"{row.met:,} of its {row.of:,} {row.Index}s" for row in shared.itertuples()))
    twice = int(table.duplicated(["clip", "image", "published"]).sum())
    return found + ([f"{twice} pairs stand twice in their own list"] if twice else [])


def run(action: str, names: Sequence[str] = ()) -> int:
    """Runs an action on the named collections (all, where none is named); returns the exit code."""
    known = ", ".join(COLLECTIONS)
    if action not in ACTIONS:
        raise KlangfarbeError(f"data {' | '.join(ACTIONS)}", repr(action), "choose one of them")
    if action == "fetch" and not names:
        raise KlangfarbeError(f"a collection out of {known}", "none", "name what to fetch")
    if unknown := [name for name in names if name not in COLLECTIONS]:
        raise KlangfarbeError(f"a collection out of {known}", repr(unknown[0]), "name one of them")
    rows = [COLLECTIONS[name] for name in names or COLLECTIONS]
    if action == "list":
        _list(rows)
    elif action == "check":
        _check(rows, named=bool(names))
    else:  # what may be had without a form, and the steps for the rest
        for row in rows:
            files = [f"{file} (checksum as known)" for file in fetch(row)]
            print(*files or ["no part of it can be fetched for you"], "",
                  f"the whole collection, by hand\n{instructions(row)}", sep="\n")
    return 0


def _list(rows: Sequence[Collection]) -> None:
    print(f"looked for in {root()}")
    missing = []
    for row in rows:
        counted, _, _, refused = count_collections([row])
        there = [f"{c.folder}/: {c.rows:,} rows, {c.files:,} files, {c.points:,} points"
                 for c in counted.itertuples()] + refused
        print(f"\n{row.name}{' (stands in)' if row.stands_in else ''}: {row.what} · system "
              f"{row.used_by}", *there or [f"missing (looked for {'/, '.join(row.folders)}/)"],
              f"licence: {row.licence}", sep="\n  ")
        missing += [] if len(counted) else [row.name]
    hint = f"; how to get one: python -m lib data fetch {missing[0]}" if missing else ""
    print(f"\n{len(rows) - len(missing)} of {len(rows)} there{hint}")


def _check(rows: Sequence[Collection], *, named: bool) -> None:  # raises the first fault at last
    stored = (paths.REFERENCE / RUN / TABLES[0]).is_file()
    known = set(load_reference()[0]["checksum"]) if stored else set()
    faults = [] if any(map(existing_folders, rows)) or named else [KlangfarbeError(
        f"at least one collection in {root()}", "none",
        "python -m lib data list says what is looked for")]
    for row in rows:
        try:
            if named and not existing_folders(row):
                raise KlangfarbeError(f"the collection {row.folders[0]}/ in {root()}",
                    "no such folder", f"python -m lib data fetch {row.name} gets it or says how")
            for place in existing_folders(row):
                _check_folder(row, place, known)
        except KlangfarbeError as error:
            faults.append(error)
    if faults:
        raise faults[0]


def _check_folder(row: Collection, place: Path, known: set[str]) -> None:
    table, folder = row.manifest(place), place.relative_to(root()).as_posix()
    built = manifest.build(table, paths.PROCESSED / "checks" / folder.replace("/", "-"), root=place)
    found = summary(table)
    print(f"\n{row.name}, {folder}/\n  {found['rows']:,} rows, {found['groups']:,} groups, "
          f"{found['files']:,} files, {found['points']:,} points")
    for axis in AXES if found["points"] else ():
        print("  {:8}{:+.2f} … {:+.2f}, mean {:+.2f}, standard deviation {:.2f}".format(
            axis, *(found[f"{axis}_{what}"] for what in ("low", "high", "mean", "sd"))))
    print(f"  checksum {found['checksum']}: " + ("as stored with this workbook" if found["checksum"]
          in known else "no stored numbers for it") + "\n  opened: "
          f"{found['files'] - len(built.rejects):,} whole, {len(built.rejects):,} set aside",
          *(f"  {reject.path}: {reject.reason}" for reject in built.rejects.head(5).itertuples()),
          *(f"· {defect}" for defect in defects(row, place, built.manifest)), sep="\n  ")
