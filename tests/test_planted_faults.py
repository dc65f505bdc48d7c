"""Faults that profile ``paper`` once had, put back one at a time. What the notebooks do there, with
a rehearsal's configs, replicas and random networks, passes as it stands and fails with each fault.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import constants
from rehearsal import collections, networks, sizes

from lib import metrics, pretrained
from lib.cli import main
from lib.core import artefacts, paths, profiles
from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.data.atelier import factors, paint, render
from lib.signal import features
from lib.systems import art2music, bridging, interface, mapping, music2image
from lib.systems.art2music import train_flow, train_vocoder
from lib.systems.bridging import train_musicgen
from lib.systems.mapping import train_projection
from lib.systems.music2image import generate, train_diffusion
from lib.training import loop
from lib.workbook import ledger

MUSICGEN, FALCON = "facebook/musicgen-small", "tiiuae/falcon-rw-1b"
GPU_GB = 24  # the text's GPU (Deepika §5.4)


def rehearsed(system):
    return sizes.of(system)


def paper(system):
    return sizes.PAPER[system]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Replicas of the publishers' folders, and some of the random networks as the hub caches them.
    """
    root, items = tmp_path_factory.mktemp("replicas"), [factors.draw(5, k) for k in range(20)]
    for name in ("deam", "pmemo", "cgna10766", "artemis", "musiccaps", "imemnet", "melbench"):
        getattr(collections, name)(root / "collections" / name, items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "NETWORKS", {name: networks.NETWORKS[name] for name in (
            MUSICGEN, FALCON, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
            "openai/clip-vit-base-patch32",
            "sentence-transformers/paraphrase-TinyBERT-L6-v2")})
        networks.write_hub(root / "hub")
    return root


@pytest.fixture
def at_paper(folders, own_results, monkeypatch):
    """A rehearsal's environment, in this process."""
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(folders / "collections"))
    monkeypatch.setenv(profiles.REHEARSAL_VARIABLE, "1")
    sizes.install(monkeypatch.setitem)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folders / "hub"))
    return folders


def cells(number, *marks):
    """The source of a notebook's code cells that hold these marks, in their order."""
    path, = paths.NOTEBOOKS.glob(f"{number}_*.ipynb")
    sources = ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]
               if cell["cell_type"] == "code"]
    return "\n".join(next(source for source in sources if mark in source) for mark in marks)


def with_fault(source, stands, stood):
    """A source with what stood there once."""
    assert source.count(stands) == 1
    return source.replace(stands, stood)


# --- data -----------------------------------------------------------------------------------------


def test_43_to_45_a_published_split_with_nothing_accepted_stops_at_the_leak_linter(at_paper):
    config = rehearsed(art2music).data
    encoder = pretrained.load("sentences", config.sentence_encoder)

    def check(config):
        comments, clips, pairs = art2music.data.triplets(config, encoder, config.split)
        leakage.assert_no_leakage(art2music.data.check_leakage(pairs, comments, clips,
                                                               "comment_only"), config.accepted)

    check(config)
    with pytest.raises(KlangfarbeError, match="without leaks; got group_in_two"):
        check(replace(config, accepted=()))


def test_41_ids_of_labels_do_not_pass_for_words(at_paper, monkeypatch):
    def check():
        comments, clips = art2music.data.read_texts(rehearsed(art2music).data)
        prompts = art2music.data.prompts(comments[: len(clips)], clips, "with_audio_keywords")
        assert all("Audio: Music, Piano." in text for text in prompts), prompts[0]

    check()
    monkeypatch.setattr(art2music.data, "label_names", lambda folder, labels: list(labels))
    with pytest.raises(AssertionError, match="Audio: /m/04rlf"):
        check()


def atelier_refused(*_, **__):
    raise AssertionError("the atelier at profile paper")


@pytest.mark.parametrize(("system", "adapter", "read"), ids=["S2", "S3", "S4"], argvalues=[
    (mapping, {"origin": "atelier"},
     lambda config: mapping.data.open_pairs(config.data).pictures(["imemnet/images/"
         "COCO_train2014_000000000000.jpg"], 8)),
    (music2image, {"collections": ()},
     lambda config: music2image.data.training_pictures(replace(config.diffusion, n_pictures=8,
                                                               n_held=3))),
    (art2music, {"collection": "atelier", "n_paintings": 2, "n_clips": 2, "comments_each": 1},
     lambda config: art2music.data.read_pictures(config.data, art2music.data.read_texts(
         config.data)[0][:2]))])
def test_pictures_of_the_atelier_do_not_pass_for_published_ones(system, adapter, read, at_paper,
                                                                monkeypatch):
    config, part = rehearsed(system), "diffusion" if system is music2image else "data"
    for module, name in ((paint, "paint"), (paint, "pictures"), (factors, "draw"),
                         (render, "render_items")):
        monkeypatch.setattr(module, name, atelier_refused)
    assert len(read(config))
    with pytest.raises(AssertionError, match="the atelier at profile paper"):
        read(replace(config, **{part: replace(getattr(config, part), **adapter)}))


@pytest.fixture
def notebook_31(at_paper, monkeypatch):
    """What notebook 31 has at hand after its outer folds: real songs, random features, guesses."""
    monkeypatch.setattr(features, "of_files", lambda files, seconds: np.random.default_rng(
        0).standard_normal((len(files), len(features.NAMES))))
    config = rehearsed(music2image).forest
    data = music2image.data.training_table(config, 0)
    rng = np.random.default_rng(1)
    return {"metrics": metrics, "ledger": ledger, "music2image": music2image, "np": np, "pd": pd,
            "replace": replace, "SEED": 0, "config": config, "data": data,
            "part": np.arange(len(data.va)) % config.outer_folds,
            "predicted": rng.uniform(-0.5, 0.5, data.va.shape)}


def test_31_where_nobody_knows_the_truth_no_row_is_asked_for_it(notebook_31):
    source = cells(31, "outputs = {", "scores = metrics", "axes \"")
    exec(source, dict(notebook_31))
    with pytest.raises(KeyError, match="true point"):
        exec(with_fault(source, "c.value.get('true point', np.nan)", "c.value['true point']"),
             dict(notebook_31))


def test_31_songs_without_a_genre_are_told_apart_by_their_collection(notebook_31):
    source = cells(31, "chorus = ")
    exec(source, dict(notebook_31))
    with pytest.raises(IndexError, match="out of bounds"):
        exec(with_fault(source, '("pmemo", ', "("), dict(notebook_31))


# --- networks -------------------------------------------------------------------------------------


def test_a_pin_on_a_commit_that_has_only_a_pickle_is_noticed(at_paper, monkeypatch):
    home = at_paper / "hub" / f"models--{FALCON.replace('/', '--')}"
    pickled = home / "snapshots" / ("1" * 40)
    pickled.mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(pickled.name)
    whole, = (folder for folder in home.glob("snapshots/*") if folder != pickled)
    for file in whole.glob("*.json"):
        (pickled / file.name).write_bytes(file.read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"a pickle")
    assert pretrained.load("describer", paper(bridging).prompts.describer).name == FALCON
    part = pretrained.PARTS["describer"]
    monkeypatch.setitem(pretrained.PARTS, "describer", replace(part, hub=part.hub | {
        FALCON: ("Apache-2.0", "")}))
    with pytest.raises(KlangfarbeError, match="only pytorch_model.bin, which could run code"):
        pretrained.load("describer", FALCON)


def test_43_the_bundled_small_generator_is_not_loaded_into_v1():
    config = rehearsed(art2music).vocoder

    def check(config, kept):
        weights = art2music.checkpoints.initial_weights(config)
        models = train_vocoder.build(config, weights=weights)
        return art2music.checkpoints.vocoder_files(models.generator, kept)

    saved = check(config, config)["generator.json"]["config"]
    assert saved["size"] == paper(art2music).vocoder.size == "v1"
    with pytest.raises(KlangfarbeError, match="weights of a generator of size 'v1'"):
        check(replace(config, initial="miniature"), config)
    with pytest.raises(RuntimeError, match="size mismatch|Missing key"):  # as bundled, beside them
        check(config, art2music.config.MINIATURE_VOCODER)


def test_46_the_bundled_flow_is_not_played_from_another_clip(at_paper):
    config = rehearsed(art2music)
    clip = pretrained.load("image_text", config.image_text)
    models = train_flow.build(config.flow, clip.width)
    for name, content in art2music.checkpoints.files("flow", models, config.flow, clip,
                                                     "comment_only").items():
        artefacts.save(content, art2music.checkpoints.NOTEBOOK, "paper", name, seed=0)

    def check(config):
        return art2music.checkpoints.load(config.played_by or "paper", "flow", clip)[1]

    assert check(config) == config.flow
    with pytest.raises(KlangfarbeError, match=r"the CLIP it was trained with \(image_text mini"):
        check(replace(config, played_by="bundled"))


def test_a_profile_that_nothing_was_trained_at_is_refused(at_paper, tmp_path, monkeypatch, capsys):
    song = tmp_path / "song.wav"
    song.write_bytes(next(at_paper.glob("collections/melbench/audio/*.wav")).read_bytes())
    painting = next(at_paper.glob("collections/melbench/images/*.png"))
    commands = [["paint", str(song), "-o", str(tmp_path / "a.png"), "--profile", "paper"],
                ["hear", str(painting), "-o", str(tmp_path / "a.wav"), "--profile", "paper"]]

    def check(command):
        code, said = main(command), capsys.readouterr()
        assert code == 2 and "make run PROFILE=paper" in said.err, f"fell back: {said.out}"

    for command in commands:
        check(command)
    monkeypatch.setattr(generate, "check_trained", lambda profile: None)
    monkeypatch.setattr(interface, "convert_files", lambda *_: 0)
    with pytest.raises(AssertionError, match="fell back"):
        check(commands[0])


# --- devices, memory, time ------------------------------------------------------------------------


def test_25_conditions_follow_the_decoder_to_its_device(at_paper, monkeypatch):
    generator = pretrained.load("musicgen", rehearsed(mapping).generator, device="cpu")
    generator.network.to("meta")  # stands in for a GPU
    generator.device = "meta"
    states, mask = torch.zeros(2, 5, generator.text_width), torch.ones(2, 5).long()

    def check():
        assert generator.condition(states, mask).device.type == "meta"

    check()
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **__: self)
    with pytest.raises(RuntimeError, match="meta"):
        check()


def test_24_as_many_clips_are_sampled_at_once_as_fit_a_gpu():
    def check(config):
        # keys and values of MusicGen-small's 24 layers, with and without the condition
        per_clip_gb = 24 * 2 * 2 * 1024 * 4 * 10 * 50 / 1e9
        sizes = []
        generator = SimpleNamespace(device="cpu", generate_from=lambda condition, *_, **__: (
            sizes.append(len(condition)), np.zeros((len(condition), 1)))[1])
        mapping.generate.generate_music(generator, np.zeros((960, 1, 8), np.float32), config,
                                        batch=960)
        needed = max(sizes) * per_clip_gb
        assert sum(sizes) == 960 and needed < GPU_GB, f"a cache of {needed:.0f} GB"

    check(paper(mapping).study_two)
    with pytest.raises(AssertionError, match="a cache of 189 GB"):
        check(replace(paper(mapping).study_two, n_at_once=960))


def test_35_pictures_go_through_the_unet_a_few_at_a_time(monkeypatch):
    config, sizes = replace(paper(music2image).diffusion, size=4, n_sampling=2), []
    network = torch.nn.Linear(1, 1)
    models = train_diffusion.Models(network, None)
    monkeypatch.setattr(train_diffusion, "guided", lambda network, x, *_: (
        sizes.append(len(x)), torch.zeros_like(x))[1])

    def check():
        sizes.clear()
        assert len(train_diffusion.generate(models, np.zeros((1802, 2)), config)) == 1802
        assert max(sizes) <= 64, f"{max(sizes)} pictures at once"

    check()
    monkeypatch.setattr(torch.Tensor, "split", lambda self, _: (self,))
    with pytest.raises(AssertionError, match="1802 pictures at once"):
        check()


def test_23_a_batch_of_study_two_is_decoded_in_parts(monkeypatch):
    sizes = []
    monkeypatch.setattr(train_projection, "decode", lambda generator, conditions, codes, **_: (
        sizes.append(len(codes)), (None, (conditions,)))[1])
    models = train_projection.Models(torch.nn.Linear(4, 4), SimpleNamespace(device="cpu"))

    def check(config):
        sizes.clear()
        config, n = replace(config, w_mel=0.0, w_adversarial=0.0), config.audible
        batch = train_projection.Batch(torch.rand(n, 4), torch.rand(n, 4), torch.zeros(n, 4, 1),
                                       torch.zeros(n, 1))
        train_projection.accumulated_losses(models, batch, config)
        assert max(sizes) * config.window_seconds <= 40, f"{max(sizes)} items at once"

    check(paper(mapping).study_two)
    with pytest.raises(AssertionError, match="64 items at once"):
        check(replace(paper(mapping).study_two, accumulate=1))


def test_34_a_killed_training_goes_on_where_it_stood(tmp_path, monkeypatch):
    config = replace(rehearsed(music2image).diffusion, n_steps=4)
    pictures, affect, step = np.zeros((8, 16, 16, 3), np.uint8), np.zeros((8, 2)), None
    step, steps = train_diffusion.train_step, []

    def train(name, kill_at):
        def counted(*given):
            if len(steps) == kill_at:
                raise InterruptedError
            steps.append(given[-2])
            return step(*given)
        monkeypatch.setattr(train_diffusion, "train_step", counted)
        train_diffusion.train(config, pictures, affect, 0, tmp_path / f"{name}.safetensors",
                              every=2)

    def check(name):
        steps.clear()
        with pytest.raises(InterruptedError):
            train(name, 3)
        steps.clear()
        train(name, None)
        assert len(steps) == 2, f"{len(steps)} of 4 steps again"

    check("kept")
    monkeypatch.setattr(loop.Checkpoint, "save", lambda self, *_, **__: None)
    with pytest.raises(AssertionError, match="4 of 4 steps again"):
        check("lost")


def test_13_m4s_initial_layer_stays_as_it_was(at_paper):
    start = pretrained.load("musicgen", MUSICGEN)
    config = replace(rehearsed(bridging).music.for_model("m4"), batch_size=2)
    sounds = list(np.random.default_rng(0).standard_normal((2, 32_000)).astype(np.float32))

    def check(config):
        models = train_musicgen.build(config, start)
        batch = train_musicgen.make_batches(start, sounds, ["calm", "sad"], config)(0)
        train_musicgen.train_step(models, batch, config, 1e-2)
        for name, before in start.network.named_parameters():
            if name.startswith("enc_to_dec_proj"):
                after = models.network.get_parameter(name)
                assert torch.equal(after, before), "the frozen layer moved"

    check(config)
    with pytest.raises(AssertionError, match="the frozen layer moved"):
        check(replace(config, frozen=()))
