"""What was changed since it was published, by whatever: one clear line with the file, no traceback,
no hang, no memory beyond the file's own size. ``KLANGFARBE_FUZZ=100`` tries as many changes to each
folder, instead of a few."""

import json
import os
import shutil

import mutations
import numpy as np
import pandas as pd
import pytest
import test_collections
import test_listening_page
import test_listening_store
import torch
from rehearsal import networks

from lib import pretrained
from lib.cli import main
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import registry, splits
from lib.studies.listening import store, study
from lib.systems import art2music, bridging, mapping, music2image, score, stored
from lib.training import loop

N = int(os.environ.get("KLANGFARBE_FUZZ", "0"))
BUNDLED = ("codec", "picture_codec", "tagger", "musicgen")
PUBLISHED = {"clip": "image_text", "open_clip": "image_text", "blip": "captioner",
             "falcon": "describer", "clap": "text_audio", "musicgen": "musicgen",
             "sentences": "sentences", "panns": "panns", "vggish": "vggish"}


def weights_and_settings(folder):
    return [path for path in sorted(folder.rglob("*"))
            if path.suffix in (".json", ".safetensors") and "provenance" not in path.name]


def bundled(name, folder):
    folder.mkdir()
    for path in weights_and_settings(paths.MINIATURES / name):
        shutil.copy(path, folder)


# --- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_changed_folder_of_the_hub_is_told(name, tmp_path):
    torch.manual_seed(0)
    getattr(networks, name)(tmp_path / "folder")
    assert not mutations.campaign(tmp_path / "folder", lambda: pretrained.load(
        PUBLISHED[name], tmp_path / "folder", device="cpu"), N or 4)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_changed_folder_in_our_own_layout_is_told(name, tmp_path):
    bundled(name, tmp_path / name)
    assert not mutations.campaign(tmp_path / name, lambda: pretrained.load(
        name, tmp_path / name, device="cpu"), N or 4)


@pytest.mark.parametrize(("name", "file", "change"), [
    ("clip", "config.json", lambda c: c["text_config"].update(vocab_size=10**6)),
    ("clip", "config.json", lambda c: c["text_config"].update(num_hidden_layers=10**6)),
    ("clip", "config.json", lambda c: c["vision_config"].update(hidden_size=2**19)),
    ("clip", "config.json", lambda c: c.update(num_labels=10**12)),
    ("clap", "preprocessor_config.json", lambda c: c.update(feature_size=2**19)),
    ("clip", "preprocessor_config.json", lambda c: c["size"].update(shortest_edge=2**19)),
    ("vggish", "config.json", lambda c: c.update(hidden=2**20)),
    ("falcon", "config.json", lambda c: c.update(vocab_size=2**40, hidden_size=-16))])
def test_a_giant_is_refused_before_it_is_built(name, file, change, tmp_path):
    getattr(networks, name)(tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / file).read_text())
    change(config)
    (tmp_path / "folder" / file).write_text(json.dumps(config))
    with mutations.little_room(), pytest.raises(KlangfarbeError) as error:
        pretrained.load(PUBLISHED[name], tmp_path / "folder", device="cpu")
    said = str(error.value)
    assert str(tmp_path / "folder") in said and " up to " in said or "far larger" in said
    assert "allocate" not in said and "MemoryError" not in said


READERS = {
    "11_bridging_classifier": lambda: bridging.checkpoints.load_classifier("bundled"),
    "42_art2music_decoder": lambda: art2music.checkpoints.load("bundled"),
    "43_art2music_vocoder": art2music.checkpoints.load_vocoder.__wrapped__,
    "33_music2image_diffusion": lambda: music2image.train_diffusion.load("bundled"),
    "23_mapping_study_two": lambda: mapping.checkpoints.load(
        "bundled", "two", pretrained.load("musicgen", device="cpu"))}


@pytest.mark.parametrize("name", READERS)
def test_changed_files_of_a_training_are_told(name, tmp_path, monkeypatch, capsys):
    for folder in paths.MINIATURES.iterdir():
        if folder.name != name:
            (tmp_path / folder.name).symlink_to(folder)
    bundled(name, tmp_path / name)
    monkeypatch.setattr(paths, "MINIATURES", tmp_path)
    files = weights_and_settings(tmp_path / name)
    faults = mutations.campaign(tmp_path / name, READERS[name], N or 6, files=files)
    assert not [fault for fault in faults if ": unclear: " not in fault], (
        "the notebook is named, not the folder")


def test_settings_keep_their_types():
    config = stored.make_config(bridging.config.ClassifierConfig, {"width": 8, "unknown": 1})
    assert config.width == 8
    for width in ("wide", None, 2**30):
        with pytest.raises(ValueError, match="width"):
            stored.make_config(bridging.config.ClassifierConfig, {"width": width})


def test_a_changed_checkpoint_is_told_and_says_what_to_delete(tmp_path):
    def parts():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 4)
        optimiser = torch.optim.AdamW(model.parameters())
        model(torch.ones(1, 3)).sum().backward()
        optimiser.step()
        return loop.Checkpoint(tmp_path / "m.safetensors", "key", model=model, optimiser=optimiser,
                               rng=torch.Generator()), model, optimiser

    curve = [{"step": k + 1, "loss": np.float32(1 / 3)} for k in range(3)]
    parts()[0].save(3, curve)

    def go_on():
        saved, model, optimiser = parts()
        assert saved.load()["curve"] == [row | {"loss": float(row["loss"])} for row in curve]
        model(torch.ones(1, 3)).sum().backward()
        optimiser.step()

    go_on()
    assert not mutations.campaign(tmp_path, go_on, N * 10 or 60)
    state, = tmp_path.glob("m.*.json")
    state.write_text(state.read_text().replace('"step": 3', '"step": 4'))
    with pytest.raises(KlangfarbeError, match="changed since; delete the files"):
        go_on()


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.COLLECTIONS)
def test_a_changed_table_is_told_with_its_folder(name, tmp_path):
    getattr(test_collections, f"make_{name}")(tmp_path)
    files = [path for path in sorted(tmp_path.rglob("*"))
             if path.suffix in (".csv", ".tsv", ".json", ".txt")]
    assert not mutations.campaign(tmp_path, lambda: registry.COLLECTIONS[name].manifest(tmp_path),
                                  N or 4, files=files)


@pytest.mark.parametrize(("name", "file", "old", "new", "said"), [
    ("pmemo", "PMEmo2019/annotations/static_annotations.csv", "5,1,0", "5,loud,0",
     r"column Arousal\(mean\) of .*static_annotations.csv; got 'loud' in row 2"),
    ("emomusic", "annotations/static_annotations.csv", "3,9,1,1", ",9,1,1",
     "column song_id of .*static_annotations.csv; got nan in row 2"),
    ("oasis", "OASIS.csv", "7,0.8", "inf,0.8", "column Valence_mean of .*; got inf in row 2"),
    ("emotify", "data.csv", "electronic,0", "electronic,x", "column amazement of .*'x' in row 3")])
def test_a_wrong_cell_is_told_with_row_and_column(name, file, old, new, said, tmp_path):
    getattr(test_collections, f"make_{name}")(tmp_path)
    text = (tmp_path / file).read_bytes().decode()
    assert old in text
    (tmp_path / file).write_bytes(text.replace(old, new).encode())
    with pytest.raises(KlangfarbeError, match=said):
        registry.COLLECTIONS[name].manifest(tmp_path)


@pytest.fixture
def a_study(tmp_path):
    """A listening study with one answer, and how the page and the analysis read it."""
    clips = test_listening_page.clips()
    wrong = [(np.full((16, 16, 3), k, np.uint8), clips[k].sound[::-1]) for k in range(2)]
    made = study.lay_out(tmp_path / "study", clips, n_raters=2, per_rater=3, n_pairs=1,
                         wrong=wrong)
    page = made.block(study.claim(made, "ada"))[0]
    store.append(made.ratings, test_listening_store.row(page["trial"], "ada", study=made.name,
                                                        code=page["code"]))

    def read():
        here = study.load(made.folder)
        here.block(study.claim(here, "ada"))
        study.answers(made.folder)

    return made.folder, read


def test_a_changed_study_is_told(a_study):
    folder, read = a_study
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".csv")]
    assert len(files) == 4 and not mutations.campaign(folder, read, N or 40, files=files)


@pytest.mark.parametrize(("groups", "row"), [
    (["a", "b", np.nan, "c"], "nan in row 2"), (["a", None, "c", "c"], "None in row 1"),
    ([1, "1", 2, 3], "'1' in row 1"), ([1.0, np.nan, 2.0, 3.0], "1.0 in row 0"),
    ([pd.NA, "a", "b", "c"], "<NA> in row 0"), ([["a"], "b", "c", "d"], r"\['a'\] in row 0")])
def test_groups_that_are_missing_or_of_two_kinds_are_refused(groups, row):
    for deal in (lambda: splits.folds(groups, 2), lambda: splits.by_group(groups, {"train": 1.0}),
                 lambda: splits.linked_groups(groups, "wxyz")):
        with pytest.raises(KlangfarbeError, match=row):
            deal()
    splits.folds(np.array([1, 2, 3]), 2)
    splits.folds(pd.Series(["a", "b"], dtype="string"), 2)


# --- what is called and typed ---------------------------------------------------------------------

NO_PAINTINGS = ([], "sad", None, 5, ["sad"], [None], [np.zeros((8, 8), np.uint8)], {"a": 1},
                [np.zeros((8, 8, 3))], [np.zeros((0, 8, 3), np.uint8)], b"sad")


@pytest.mark.parametrize("given", NO_PAINTINGS, ids=repr)
@pytest.mark.parametrize("system", [bridging, mapping, art2music])
def test_what_is_no_painting_becomes_no_music(system, given):
    models = bridging.generate.Models(*[None] * 5, bridging.config.get_config("mini"), False) \
        if system is bridging else _side_alone(system.generate.Models)
    with pytest.raises(KlangfarbeError, match="paintings? uint8|pictures uint8"):
        system.generate.generate_batch(given, models, seconds=8.0)
    with pytest.raises(KlangfarbeError, match="pictures uint8"):
        system.generate.generate(given, models, seconds=8.0)
    with pytest.raises(KlangfarbeError, match="a duration"):
        system.generate.generate_batch([np.zeros((8, 8, 3), np.uint8)], models, seconds="long")


def _side_alone(kind):
    return kind(**dict.fromkeys(kind._fields) | {"side": 64})


@pytest.mark.parametrize("given", NO_PAINTINGS, ids=repr)
def test_no_piece_is_composed_and_no_picture_painted_for_it(given):
    with pytest.raises(KlangfarbeError, match="pictures uint8"):
        score.generate(given, None)
    with pytest.raises(KlangfarbeError, match="sound"):
        music2image.generate.generate(given, (None, None, None))


@pytest.mark.parametrize("texts", [[], "sad", None, 5, [1], [None], {}], ids=repr)
def test_musicgen_wants_a_list_of_texts(texts):
    with pytest.raises(KlangfarbeError, match="a list of texts"):
        pretrained.load("musicgen", device="cpu").generate(texts)


@pytest.mark.parametrize("comments", ["calm", [5], ["calm", "loud"], [b"calm"]])
def test_a_comment_is_text_and_there_is_one_a_painting(comments):
    with pytest.raises(KlangfarbeError, match="comment"):
        art2music.generate.generate_batch([np.zeros((8, 8, 3), np.uint8)], _side_alone(
            art2music.generate.Models), comments, seconds=8.0)


@pytest.mark.parametrize("engine", ['"x', "it's", "'", "a 'b\\"])
def test_an_open_quotation_mark_is_told(engine, capsys):
    assert main(["run", "--engine", engine]) == 2
    said = capsys.readouterr().err
    assert "quotation mark" in said and len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"cells": [{"cell_type"'])
def test_a_notebook_that_is_none_is_told(content, tmp_path, capsys, monkeypatch):
    for name in ("OMP_NUM_THREADS", "KLANGFARBE_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")  # what execute sets goes with the test
    source = tmp_path / "lesson.ipynb"
    if content is not None:
        source.write_bytes(content)
    assert main(["execute", str(source), str(tmp_path / "out.ipynb")]) == 2
    assert str(source) in capsys.readouterr().err and not (tmp_path / "out.ipynb").exists()


def test_a_table_of_ours_that_was_cut_is_told(tmp_path):
    artefacts.write(tmp_path / "a.parquet", pd.DataFrame({"valence": [0.5, 1.0]}))
    artefacts.write(tmp_path / "b.csv", pd.DataFrame({"valence": [0.5, 1.0]}))
    assert not mutations.campaign(tmp_path, lambda: [artefacts.read(path) for path in sorted(
        tmp_path.iterdir())], N or 40)
