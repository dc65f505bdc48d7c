"""``python -m lib data list | check | fetch``: which real collections are there, whether their
files are whole, how to get the rest.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import inventory, registry
from lib.data import manifest as manifests

ACTIONS = ("list", "check", "fetch")


def run(action: str, names: Sequence[str] = ()) -> int:
    """Runs an action on the named collections (all, where none is named); returns the exit code."""
    if action not in ACTIONS:
        raise KlangfarbeError(f"data {' | '.join(ACTIONS)}", repr(action),
                              "for instance: python -m lib data list")
    if action == "fetch" and not names:
        raise KlangfarbeError(f"a collection out of {', '.join(registry.COLLECTIONS)}", "none",
                              "nothing is downloaded unasked: name it")
    rows = registry.select(names)
    if action == "check":
        check(rows, named=bool(names))
    else:
        {"list": show, "fetch": fetch}[action](rows)
    return 0


def show(rows: Sequence[registry.Collection]) -> None:
    """Where each collection lies and how many rows it has, or that it is missing."""
    print(f"looked for in {registry.root()}")
    missing = []
    for row in rows:
        counted, _, _, refused = inventory.count_collections([row])
        there = [f"{c.folder}/: {c.rows:,} rows, {c.files:,} files, {c.points:,} points"
                 for c in counted.itertuples()] + refused
        there = there or [
            f"missing (looked for {', '.join(f'{folder}/' for folder in row.folders)})"]
        print("\n  ".join([f"\n{row.name}{' (stands in)' if row.stands_in else ''}: {row.what}"
                           f" · system {row.used_by}", *there, f"licence: {row.adapter.LICENCE}"]))
        missing += [row.name] if not len(counted) else []
    hint = f"; how to get one: python -m lib data fetch {missing[0]}" if missing else ""
    print(f"\n{len(rows) - len(missing)} of {len(rows)} there{hint}")


def check(rows: Sequence[registry.Collection], *, named: bool = True) -> None:
    """Opens every file of every folder that is there, and prints what was found; raises at the end
    for the first collection that cannot be read, or that was `named` and is missing.
    """
    try:
        known = set(inventory.load_reference()[0]["checksum"])
    except KlangfarbeError:
        known = set()
    faults, n_folders = [], 0
    for row in rows:
        folders = registry.existing_folders(row)
        n_folders += len(folders)
        try:
            if named and not folders:
                raise KlangfarbeError(f"the collection {row.folders[0]}/ in {registry.root()}",
                                      "no such folder",
                                      f"python -m lib data fetch {row.name} gets it or says how")
            for place in folders:
                _check_folder(row, place, row.adapter.manifest(place), known)
        except KlangfarbeError as error:
            faults.append(error)
    if faults:
        raise faults[0]
    if not n_folders:
        raise KlangfarbeError(f"at least one collection in {registry.root()}", "none",
                              "python -m lib data list says what is looked for")


def _check_folder(row: registry.Collection, place: Path, table: pd.DataFrame,
                  known: set[str]) -> None:
    folder = place.relative_to(registry.root()).as_posix()
    built = manifests.build(table, paths.PROCESSED / "checks" / folder.replace("/", "-"),
                            root=place)
    found = inventory.summary(table)
    print(f"\n{row.name}, {folder}/\n  {found['rows']:,} rows, {found['groups']:,} groups, "
          f"{found['files']:,} files, {found['points']:,} points")
    for axis in inventory.AXES if found["points"] else ():
        print(f"  {axis:8}{found[f'{axis}_low']:+.2f} … {found[f'{axis}_high']:+.2f}, "
              f"mean {found[f'{axis}_mean']:+.2f}, standard deviation {found[f'{axis}_sd']:.2f}")
    same = ("as stored with this workbook" if found["checksum"] in known
            else "no stored numbers for it")
    whole = found["files"] - len(built.rejects)
    print(f"  checksum {found['checksum']}: {same}\n"
          f"  opened: {whole:,} whole, {len(built.rejects):,} set aside")
    for reject in built.rejects.head(5).itertuples():
        print(f"    {reject.path}: {reject.reason}")
    for defect in inventory.defects(row, place, built.manifest):
        print(f"  · {defect}")


def fetch(rows: Sequence[registry.Collection]) -> None:
    """Downloads what may be had without a form, and prints the steps for the rest."""
    for row in rows:
        files = [f"{file} (checksum as known)" for file in registry.fetch(row)]
        print("\n".join(files or ["no part of it can be fetched for you"]))
        print(f"\nthe whole collection, by hand\n{registry.instructions(row)}")
