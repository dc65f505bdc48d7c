"""``python -m lib data list | check | fetch``: what of the real collections is there, whether it is whole, how to get the rest."""

from collections.abc import Sequence

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import inventory, registry
from lib.data import manifest as manifests

ACTIONS = ("list", "check", "fetch")


def run(action: str, names: Sequence[str] = ()) -> int:
    """Does what was asked for and returns the exit code.

    Raises:
        KlangfarbeError: an unknown action or collection, a download that fails, or a check of what
            is missing or cannot be read.
    """
    if action not in ACTIONS:
        raise KlangfarbeError(f"data {' | '.join(ACTIONS)}", repr(action),
                              "for instance: python -m lib data list")
    if action == "fetch" and not names:
        raise KlangfarbeError(f"a collection out of {', '.join(registry.COLLECTIONS)}", "none",
                              "nothing is downloaded unasked: name it")
    rows = registry.select(names)
    return checked(rows, asked=bool(names)) if action == "check" else {"list": listed,
                                                                       "fetch": fetched}[action](
        rows)


def listed(rows: Sequence[registry.Collection]) -> int:
    """A line a collection: where it lies and how many rows it has, or that it is missing; its
    systems and licence below.
    """
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
    return 0


def checked(rows: Sequence[registry.Collection], *, asked: bool = True) -> int:
    """Opens every file of every folder that is there; counts, ranges, checksum, rejects and
    measured defects.

    Args:
        asked: by name: then a collection that is missing is a fault, otherwise it is passed over.

    Raises:
        KlangfarbeError: at the end, when every collection had its turn: the first that is missing
            or cannot be read.
    """
    try:
        known = set(inventory.load_reference()[0]["checksum"])
    except KlangfarbeError:
        known = set()
    faults = []
    for row in rows:
        try:
            if not registry.existing_folders(row):
                raise KlangfarbeError(f"the collection {row.folders[0]}/ in {registry.root()}",
                                      "no such folder",
                                      f"python -m lib data fetch {row.name} gets it or says how")
            for place in registry.existing_folders(row):
                _told(row, place, place.relative_to(registry.root()).as_posix(),
                      row.adapter.manifest(place), known)
        except KlangfarbeError as error:
            faults += [error] if asked or registry.existing_folders(row) else []
    if faults:
        raise faults[0]
    if not any(map(registry.existing_folders, rows)):
        raise KlangfarbeError(f"at least one collection in {registry.root()}", "none",
                              "python -m lib data list says what is looked for")
    return 0


def _told(row: registry.Collection, place, folder: str, table, known: set[str]) -> None:
    built = manifests.build(table, paths.PROCESSED / "checks" / folder.replace("/", "-"),
                            root=place)
    found = inventory.summary(table)
    same = "as stored with this workbook" if found[
        "checksum"] in known else "no stored numbers for it"
    print(f"\n{row.name}, {folder}/\n  "
          f"{found['rows']:,} rows, {found['groups']:,} groups, {found['files']:,} files, "
          f"{found['points']:,} points")
    for axis in inventory.AXES if found["points"] else ():
        print(f"  {axis:8}{found[f'{axis}_low']:+.2f} … {found[f'{axis}_high']:+.2f}, "
              f"mean {found[f'{axis}_mean']:+.2f}, "
              f"standard deviation {found[f'{axis}_sd']:.2f}")
    whole = found["files"] - len(built.rejects)
    print(f"  checksum {found['checksum']}: {same}\n  opened: {whole:,} whole, "
          f"{len(built.rejects):,} set aside")
    for reject in built.rejects.head(5).itertuples():
        print(f"    {reject.path}: {reject.reason}")
    for defect in inventory.defects(row, place, built.manifest):
        print(f"  · {defect}")


def fetched(rows: Sequence[registry.Collection]) -> int:
    """Downloads what may be had without a form, and prints the steps for the rest."""
    for row in rows:
        files = registry.fetch(row)
        print("\n".join([f"{file} (checksum as known)" for file in files]
                        + ([] if files else ["no part of it can be fetched for you"])))
        print(f"\nthe whole collection, by hand\n{registry.instructions(row)}")
    return 0
