"""The atelier as files: what is written is what would be drawn, and a kill costs nothing."""

import numpy as np
import pytest

from lib.core import artefacts
from lib.data import manifest
from lib.data.atelier import collection, paint, render
from lib.signal import audio, images

SEED = 11


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atelier")
    return folder, collection.write_files(folder, SEED, 3, size=32, seconds=1.0, midi=True)


def test_files_hold_what_the_generators_make(written):
    folder, built = written
    assert len(built.manifest) == 9 and len(built.rejects) == 0
    pictures, points = paint.pictures(SEED, range(3), size=32)
    sounds, _ = render.sounds(SEED, range(3), seconds=1.0)
    table = built.manifest.set_index("item_id")
    for i in range(3):
        row = table.loc[f"atelier-{SEED}-{i:06d}-image"]
        assert (row["valence"], row["arousal"]) == pytest.approx(tuple(points[i]))
        from PIL import Image

        assert np.array_equal(np.asarray(Image.open(folder / row["path"])), pictures[i])
        row = table.loc[f"atelier-{SEED}-{i:06d}-audio"]
        assert row["sample_rate_hz"] == audio.SAMPLE_RATE_HZ and row["duration_s"] == 1.0
        assert np.abs(audio.load(folder / row["path"]) - sounds[i]).max() < 1.01 / 32768
    assert images.load(folder / table.iloc[0]["path"].replace("audio",
                                                              "image").replace("flac",
                                                                               "png")).shape[2] == 3
    assert table["caption"].notna().all() and table["comment"].notna().all() and table[
        "description"].notna().all()


def test_picture_and_piece_of_one_item_share_their_group_and_split():
    rows = collection.rows(SEED, 40)
    by_group = {}
    for row in rows:
        by_group.setdefault(row["group_id"],
                            set()).add((row["split"], row["valence"], row["arousal"]))
    assert (all(len(sides) == 1 for sides in by_group.values())
            and {next(iter(s))[0] for s in by_group.values()} == set(manifest.SPLITS))
    noisy = collection.rows(SEED, 40, disagreement=0.3)
    assert np.std([a["valence"] - b["valence"] for a,
                   b in zip(rows, noisy, strict=True)]) == pytest.approx(0.3 / np.sqrt(10), rel=0.5)


def test_a_killed_writing_goes_on_and_ends_in_the_same_bytes(written, tmp_path, monkeypatch):
    folder, _ = written
    inner, left = artefacts.write, [2]

    def dying(path, content):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return inner(path, content)

    monkeypatch.setattr(artefacts, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        collection.write_files(tmp_path, SEED, 3, size=32, seconds=1.0, midi=True)
    monkeypatch.setattr(artefacts, "write", inner)
    collection.write_files(tmp_path, SEED, 3, size=32, seconds=1.0, midi=True)
    ours = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert ours == {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    # its key counts the files' times
    for name in ours - {next(n for n in ours if n.name == "manifest.json")}:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
