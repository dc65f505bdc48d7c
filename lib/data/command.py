"""``python -m lib data list | check | fetch``: what is there, is it whole, how to get it."""

from collections.abc import Sequence
from pathlib import Path

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import inventory, registry
from lib.data import manifest as manifests

ACTIONS = ("list", "check", "fetch")


def run(action: str, names: Sequence[str] = ()) -> int:
    """Runs an action on the named collections (all, where none is named); returns the exit code."""
    known = ", ".join(registry.COLLECTIONS)
    if action not in ACTIONS:
        raise KlangfarbeError(f"data {' | '.join(ACTIONS)}", repr(action),
                              "for instance: python -m lib data list")
    if action == "fetch" and not names:
        raise KlangfarbeError(f"a collection out of {known}", "none",
                              "nothing is downloaded unasked: name it")
    if unknown := [name for name in names if name not in registry.COLLECTIONS]:
        raise KlangfarbeError(f"a collection out of {known}", repr(unknown[0]), "name one of them")
    rows = [registry.COLLECTIONS[name] for name in names or registry.COLLECTIONS]
    if action == "list":
        _list(rows)
    elif action == "check":
        _check(rows, named=bool(names))
    else:  # what may be had without a form, and the steps for the rest
        for row in rows:
            files = [f"{file} (checksum as known)" for file in registry.fetch(row)]
            print(*files or ["no part of it can be fetched for you"], sep="\n")
            print(f"\nthe whole collection, by hand\n{registry.instructions(row)}")
    return 0


def _list(rows: Sequence[registry.Collection]) -> None:
    print(f"looked for in {registry.root()}")
    missing = []
    for row in rows:
        counted, _, _, refused = inventory.count_collections([row])
        there = [f"{c.folder}/: {c.rows:,} rows, {c.files:,} files, {c.points:,} points"
                 for c in counted.itertuples()] + refused
        looked_for = ", ".join(f"{folder}/" for folder in row.folders)
        print(f"\n{row.name}{' (stands in)' if row.stands_in else ''}: {row.what} · system "
              f"{row.used_by}", *there or [f"missing (looked for {looked_for})"],
              f"licence: {row.licence}", sep="\n  ")
        missing += [] if len(counted) else [row.name]
    hint = f"; how to get one: python -m lib data fetch {missing[0]}" if missing else ""
    print(f"\n{len(rows) - len(missing)} of {len(rows)} there{hint}")


def _check(rows: Sequence[registry.Collection], *, named: bool) -> None:
    """Opens every file that is there; raises at the end for the first fault, or what is missing."""
    try:
        known = set(inventory.load_reference()[0]["checksum"])
    except KlangfarbeError:
        known = set()
    faults = [] if any(map(registry.existing_folders, rows)) or named else [KlangfarbeError(
        f"at least one collection in {registry.root()}", "none",
        "python -m lib data list says what is looked for")]
    for row in rows:
        folders = registry.existing_folders(row)
        if named and not folders:
            faults.append(KlangfarbeError(
                f"the collection {row.folders[0]}/ in {registry.root()}", "no such folder",
                f"python -m lib data fetch {row.name} gets it or says how"))
        try:
            for place in folders:
                _check_folder(row, place, known)
        except KlangfarbeError as error:
            faults.append(error)
    if faults:
        raise faults[0]


def _check_folder(row: registry.Collection, place: Path, known: set[str]) -> None:
    table, folder = row.manifest(place), place.relative_to(registry.root()).as_posix()
    built = manifests.build(table, paths.PROCESSED / "checks" / folder.replace("/", "-"),
                            root=place)
    found = inventory.summary(table)
    print(f"\n{row.name}, {folder}/\n  {found['rows']:,} rows, {found['groups']:,} groups, "
          f"{found['files']:,} files, {found['points']:,} points")
    for axis in inventory.AXES if found["points"] else ():
        print(f"  {axis:8}{found[f'{axis}_low']:+.2f} … {found[f'{axis}_high']:+.2f}, "
              f"mean {found[f'{axis}_mean']:+.2f}, standard deviation {found[f'{axis}_sd']:.2f}")
    print(f"  checksum {found['checksum']}: " + ("as stored with this workbook" if found["checksum"]
          in known else "no stored numbers for it") + "\n  opened: "
          f"{found['files'] - len(built.rejects):,} whole, {len(built.rejects):,} set aside",
          *(f"  {reject.path}: {reject.reason}" for reject in built.rejects.head(5).itertuples()),
          *(f"· {defect}" for defect in inventory.defects(row, place, built.manifest)), sep="\n  ")
