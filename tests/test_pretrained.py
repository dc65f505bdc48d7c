"""One door for pretrained networks: bundled, from a folder, from the hub; only safetensors; nothing
half-loaded; windows fixed.
"""

import json
import re
import shutil

import numpy as np
import pytest
from rehearsal import networks

from lib import pretrained
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.metrics import embedders, text_audio
from lib.pretrained import loading
from lib.recipes import bundling, listeners
from lib.training import loop

AUDIO = {**listeners.AUDIO, "num_mel_bins": 32, "spec_size": 64, "patch_embeds_hidden_size": 8,
         "hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2], "num_hidden_layers": 2}
TEXT = {**listeners.TEXT, "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64}
EXTRACTOR = {**listeners.EXTRACTOR, "feature_size": 32, "fft_window_size": 512, "hop_length": 320,
             "sampling_rate": 16_000, "max_length_s": 1, "frequency_max": 8_000}
SAID = [f"{mood} {kind} number {i}" for i,
        (mood, kind) in enumerate([("quiet", "waltz"), ("loud", "march"), ("slow", "song")] * 6)]


def tone(hz, seconds, rate_hz):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.4 * np.sin(2 * np.pi * hz * t)
            * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def clips():
    """Eighteen clips of 1 to 2.7 s at 32 kHz."""
    return [tone(200 + 100 * i, 1 + 0.1 * i, 32_000) for i in range(18)]


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    """A CLAP of random weights in the hub's layout."""
    folder = tmp_path_factory.mktemp("clap")
    words = listeners.clap_tokenizer(SAID, 300)
    for part in (listeners.build_clap(len(words), AUDIO, TEXT, 16),
                 listeners.ClapFeatureExtractor(**EXTRACTOR), words):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A CLIP of random weights in the hub's layout."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    words = listeners.clap_tokenizer(SAID, 300)
    text = {"vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
            "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision,
                         projection_dim=12)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32},
                          crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture
def copied(tmp_path):
    """``copied(folder)`` → a copy of it to spoil."""

    def copy(folder):
        return shutil.copytree(folder, tmp_path / "copy")

    return copy


def refuses(match, *args, **kwargs):
    with pytest.raises(KlangfarbeError, match=match):
        pretrained.load(*args, **kwargs)


# --- the bundled two ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def atelier_clips():
    """Twenty-four pieces no miniature has heard: sounds, descriptions, genre numbers, affect."""
    from lib.data import atelier
    from lib.data.atelier import factors, render, words

    items = [factors.draw(atelier.TEST_SEED, i) for i in range(1000, 1024)]
    sounds, va = render.sounds(atelier.TEST_SEED, range(1000, 1024), 5.0)
    return sounds, [words.description(f)
                    for f in items], np.array([factors.GENRES.index(f.genre) for f in items]), va


def test_the_bundled_tagger_hears_genre_and_affect(atelier_clips):
    sounds, _, genres, va = atelier_clips
    tagger = pretrained.load("tagger", device="cpu")
    assert len(tagger.labels) == 10
    assert (embedders.logits_of_clips(tagger, sounds, 22_050).argmax(1) == genres).mean() >= 0.8
    felt = embedders.mean_over_windows(tagger, tagger.affect, 2, sounds, 22_050)
    assert [np.corrcoef(felt[:, k], va[:, k])[0, 1] > 0.75 for k in (0, 1)] == [True, True]
    vectors = embedders.embed_clips(tagger, sounds[:4], 22_050)
    alone = [embedders.embed_clips(tagger, sounds[i : i + 1], 22_050)[0] for i in range(4)]
    assert vectors.shape == (4, tagger.width) and np.allclose(vectors, alone, atol=1e-4)


def test_the_bundled_tagger_wants_its_own_windows():
    tagger = pretrained.load("tagger", device="cpu")
    with pytest.raises(KlangfarbeError):
        tagger.embed(np.zeros((2, 22_050), np.float32))
    assert np.isfinite(tagger.embed(np.zeros((1,
                                              round(tagger.sample_rate_hz * tagger.window_seconds)),
                                             np.float32))).all(), "silence"


def test_the_bundled_text_audio_encoder_passes_the_two_caption_check(atelier_clips):
    sounds, said, _, _ = atelier_clips
    encoder = pretrained.load("text_audio", device="cpu")
    check = text_audio.verify_encoder(encoder, sounds, 22_050, said)
    assert check.rate > 0.75
    right, other = (text_audio.clap(check, said[k : k + 8], sounds[:8], 22_050).mean()
                    for k in (0, 1))
    assert right > other + 0.1


@pytest.mark.parametrize("part", ["tagger", "text_audio"])
def test_a_miniature_has_a_card_and_is_small(part):
    card = embedders.card(pretrained.load(part, device="cpu"))
    assert len(card["sha256"]) == 64 and "miniature" in card["name"]
    folder = paths.MINIATURES / part
    assert card["sha256"] in (folder
                              / "CARD.md").read_text(
        encoding="utf-8"), "CARD.md names the hash of the weights beside it"
    assert sum(p.stat().st_size for p in folder.iterdir()) < 5e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in folder.glob("*.csv"))


# --- a CLAP from a folder


def test_a_clap_folder_loads_and_embeds(clap_folder, clips):
    encoder = pretrained.load("text_audio", clap_folder, device="cpu")
    assert (encoder.sample_rate_hz, encoder.window_seconds, encoder.width) == (16_000, 1.0, 16)
    assert embedders.windows(clips[-1], 32_000,
                             encoder).shape == (3,
                                                16_000), (
        "2.7 s: two windows and one that ends with the clip")
    vectors = encoder.embed(embedders.windows(clips[-1], 32_000, encoder))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(encoder.embed_text(SAID), axis=1), 1, atol=1e-5)


def test_the_same_clips_give_the_same_vectors_whatever_the_batch(clap_folder, clips, monkeypatch):
    encoder = pretrained.load("text_audio", clap_folder, device="cpu")
    first = embedders.embed_clips(encoder, clips, 32_000)
    for batch in (1, 4):
        monkeypatch.setattr(embedders, "BATCH", batch)
        assert np.allclose(first, embedders.embed_clips(encoder, clips, 32_000), atol=1e-5)
    one_by_one = np.concatenate([encoder.embed_text([t]) for t in SAID])
    assert np.allclose(one_by_one, encoder.embed_text(SAID),
                       atol=1e-5), "padding must not change a sentence"
    assert len(encoder.embed_text(["word " * 500])) == 1, "a long text is cut, not an error"


def test_an_untrained_clap_is_not_trusted(clap_folder, clips):
    encoder = pretrained.load("text_audio", clap_folder, device="cpu")
    with pytest.raises(KlangfarbeError, match="on one point|more often than luck"):
        text_audio.verify_encoder(encoder, clips, 32_000, SAID)


def test_half_precision_loads(clap_folder, clips):
    import torch

    whole = pretrained.load("text_audio", clap_folder, device="cpu")
    half = pretrained.load("text_audio", clap_folder, device="cpu", dtype=torch.bfloat16)
    assert half.model.dtype == torch.bfloat16 and half.sha256 == whole.sha256
    assert np.allclose(half.embed_text(SAID), whole.embed_text(SAID), atol=0.05)


# --- what is refused ------------------------------------------------------------------------------


def test_pickled_weights_are_refused(clap_folder, copied):
    folder = copied(clap_folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refuses("safe_serialization=True", "text_audio", folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json",
                                  "preprocessor_config.json"])
def test_a_folder_that_lacks_a_file_is_told_which(clap_folder, copied, file):
    folder = copied(clap_folder)
    (folder / file).unlink()
    refuses(f"all but {file}", "text_audio", folder)


def test_a_lacking_weight_is_an_error_not_a_warning(clap_folder, copied):
    from safetensors.torch import load_file, save_file

    folder = copied(clap_folder)
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("audio_projection.linear1.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    refuses("1 missing or of another shape: audio_projection.linear1.weight", "text_audio", folder)


@pytest.mark.parametrize("spoil", ["truncate", "shape"])
def test_damaged_weights_are_refused(clap_folder, copied, spoil):
    folder = copied(clap_folder)
    if spoil == "truncate":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    else:
        config = json.loads((folder / "config.json").read_text())
        config["projection_dim"] = config["text_config"]["projection_dim"] = config["audio_config"][
            "projection_dim"] = 24
        (folder / "config.json").write_text(json.dumps(config))
    refuses("weight", "text_audio", folder)


def test_a_folder_of_another_network_is_refused(clap_folder, clip_folder, copied):
    refuses("a ClapModel", "text_audio", clip_folder)
    refuses("a tagger's config.json", "tagger", clap_folder)


def test_the_hash_goes_by_content(clap_folder, copied):
    folder, part = copied(clap_folder), pretrained.PARTS["text_audio"]
    def sha256(folder):
        return loading.inspect(folder, part, "clap").sha256

    before = sha256(folder)
    assert before == sha256(clap_folder) and len(before) == 64
    (folder / "CARD.md").write_text("read me")
    (folder / "model.safetensors.provenance.json").write_text("{}")
    (folder / "tf_model.h5").write_text("for another library")
    assert sha256(folder) == before, "what is not read changes no number"
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    changed = sha256(folder)
    (folder / "preprocessor_config.json").write_text((folder
                                                      / "preprocessor_config.json").read_text()
                                                     + " ")
    assert len({before, changed, sha256(folder)}) == 3


def test_names_that_lead_nowhere(tmp_path):
    refuses("a part out of tagger, text_audio, ", "taggr")
    refuses("a hub name", "text_audio", tmp_path / "nothing here")


@pytest.mark.parametrize(("part", "kind"), [("text_audio", "clap"), ("image_text", "clip")])
@pytest.mark.parametrize("file", ["tokenizer.json", "preprocessor_config.json"])
def test_a_damaged_file_beside_the_weights_gives_one_line(part, kind, file, copied, request):
    folder = copied(request.getfixturevalue(f"{kind}_folder"))
    (folder / file).write_text('{"cut')
    with pytest.raises(KlangfarbeError, match=file):
        pretrained.load(part, folder)


# --- the hub --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part, name, revision", [
    ("text_audio", "laion/clap-htsat-unfused", "8fa0f1c6d0433df6"),
    ("captioner", "Salesforce/blip-image-captioning-large", "2227ac38c9f16105"),
    ("describer", "tiiuae/falcon-rw-1b", ""), ("text_encoder", "google-t5/t5-base", ""),
    ("sentences", "sentence-transformers/all-MiniLM-L6-v2", "")])
def test_out_of_reach_the_error_lists_the_files(part, name, revision, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(KlangfarbeError) as caught:
        pretrained.load(part, name)
    for word in ("model.safetensors", "tokenizer.json", f"{name} at {revision}"):
        assert word in str(caught.value)


def test_the_cache_is_asked_before_the_network(monkeypatch, clap_folder, tmp_path):
    import huggingface_hub
    import huggingface_hub.constants

    asked = []

    def snapshot_download(name, *, revision, allow_patterns, local_files_only):
        asked.append((name, revision, local_files_only))
        assert not any("bin" in p or p == "*.safetensors" for p in allow_patterns)
        return str(clap_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    pinned = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"
    encoder = pretrained.load("text_audio", "laion/clap-htsat-unfused", device="cpu")
    assert asked == [("laion/clap-htsat-unfused", pinned, True)]
    card = embedders.card(encoder)
    assert (card["name"], card["revision"],
            card["licence"]) == ("laion/clap-htsat-unfused", pinned, "Apache-2.0")
    # as the hub's cache names it
    clap_folder = shutil.copytree(clap_folder, tmp_path / ("0123abcd" * 5))
    unknown = pretrained.load("text_audio", "someone/unknown", device="cpu")
    assert asked[-1][1] == "main" and (unknown.revision,
                                       unknown.licence) == ("0123abcd" * 5, "unknown")


def test_what_is_pinned_is_a_commit():
    known = [(name, k) for part in pretrained.PARTS.values() for name, k in part.hub.items()]
    pinned = [revision for _, (_, revision) in known if revision]
    # or a pull request of the hub's own conversion to safetensors
    assert all(re.fullmatch("[0-9a-f]{40}|refs/pr/[0-9]+", revision) for revision in pinned)
    assert len(set(pinned)) == len(pinned)
    assert len(pinned) >= 11 and all("/" in name and licence for name, (licence, _) in known)


def test_falcon_is_taken_where_its_weights_are_safetensors(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    name, pickled = "tiiuae/falcon-rw-1b", "e4b9872bb803165eb22f0a867d4e6a64d34fce19"
    monkeypatch.setattr(networks, "NETWORKS", {name: networks.NETWORKS[name]})
    networks.write_hub(tmp_path)
    assert pretrained.load("describer", name, device="cpu").revision not in ("", pickled)
    weights, = tmp_path.glob("models--*/snapshots/*/model.safetensors")
    weights.rename(weights.with_name("pytorch_model.bin"))  # as that commit has them
    refuses("safe_serialization=True", "describer", weights.parent)


# --- CLIP -----------------------------------------------------------------------------------------


def pictures(count=3, size=40):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_a_clip_folder_loads_and_embeds(clip_folder):
    encoder = pretrained.load("image_text", clip_folder, device="cpu")
    assert encoder.width == 12
    seen = embedders.embed_pictures(encoder, pictures())
    assert np.allclose(np.linalg.norm(seen, axis=1), 1, atol=1e-5)
    assert np.allclose(seen[:1], embedders.embed_pictures(encoder, pictures()[:1]), atol=1e-5)
    assert np.abs(seen[0] - seen[1]).max() > 1e-4, "different pictures, different vectors"
    assert encoder.embed_text(SAID).shape == (18, 12)


def test_an_open_clip_folder_loads_and_embeds(tmp_path):
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {"embed_dim": 12, "vision_cfg": {"image_size": 32, "layers": 1, "width": 16,
                                              "head_width": 8, "patch_size": 8},
              "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2,
                           "layers": 1}}
    torch.manual_seed(0)
    save_file(open_clip.model.CLIP(**config).state_dict(), tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config,
                                                                "preprocess_cfg": {}}))
    encoder = pretrained.load("image_text", tmp_path, device="cpu")
    assert (encoder.embed_pictures(pictures()).shape == (3, 12)
            and encoder.embed_text(["a hill", "the sea"]).shape == (2, 12))
    (tmp_path / "open_clip_model.safetensors").rename(tmp_path / "open_clip_pytorch_model.bin")
    refuses("safetensors", "image_text", tmp_path)


# --- training -------------------------------------------------------------------------------------


def test_a_killed_training_goes_on_where_it_stood(tmp_path):
    import torch

    def run(n_stop, folder):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5),
                                    torch.nn.Linear(4, 1))
        calls = iter(range(n_stop))

        def loss_of(rng):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            loss = model(torch.from_numpy(rng.standard_normal((8, 3),
                                                              dtype=np.float32))).square().mean()
            return loss, {"loss": loss.item()}

        try:
            curve = loop.fit(model, loss_of, bundling.Steps(8, 32, 0.1),
                             folder / "m.safetensors", key="k", every=3)
        except KeyboardInterrupt:
            return None
        return curve, torch.cat([p.flatten() for p in model.parameters()])

    straight = run(99, tmp_path / "straight")
    assert run(5, tmp_path / "killed") is None
    resumed = run(99, tmp_path / "killed")
    assert resumed[0] == straight[0] and torch.equal(resumed[1], straight[1])
    assert [row["step"] for row in resumed[0]] == list(range(1, 9))


def test_hiss_is_as_loud_as_asked_and_treble_is_cut():
    from lib.models.music_tagger import FLOOR, MusicTagger

    network, lowest = MusicTagger(n_genres=2, widths=(4, 4)), float(np.log(FLOOR))
    white = (network.bands.sum(0) * network.hann.square().sum()).numpy()
    noise = np.random.default_rng(0).standard_normal((2, 110_250)).astype(np.float32) * 0.05
    measured = np.exp(listeners.mels(network, noise).astype(np.float32)).mean((0, 2))
    ratio = (measured / (white * 0.05**2)).reshape(16, 8).mean(1)
    assert np.allclose(ratio, 1, atol=0.1), "the mel of white noise is known in closed form"
    config = listeners.TaggerConfig(p_hiss=1.0, hiss_dbfs=(-26.02, -26.02), p_dull=0.0)
    silent = np.full((200, 128, 20), lowest, np.float32)
    spoiled = listeners.spoil(silent, white, np.random.default_rng(0), config, lowest)
    assert np.exp(spoiled[:, 60:68]).mean() == pytest.approx(np.exp(lowest) + 0.05**2
                                                             * white[60:68].mean(), rel=0.05)
    dull = listeners.spoil(silent + 5, white, np.random.default_rng(0),
                               listeners.TaggerConfig(p_hiss=0.0, p_dull=1.0), lowest)
    cut = (dull == np.float32(lowest)).all(2)
    assert (cut.sum(1) >= 1).all() and not cut[:,
                                               :64].any() and (np.diff(cut.astype(int), axis=1)
                                                               >= 0).all()


def test_the_tagger_learns_what_tells_two_kinds_apart(tmp_path):
    """Clips with one loud band: which band is the genre, how loud the feeling."""
    import torch

    from lib.models.music_tagger import MusicTagger

    rng = np.random.default_rng(0)
    genres, affect = rng.integers(0, 2, 64), rng.uniform(-1, 1, (64, 2)).astype(np.float32)
    mel = np.full((64, 128, 230), -8, np.float16)
    for k in range(64):
        mel[k, 20 + 60 * genres[k] : 30 + 60 * genres[k]] = 2 + 3 * affect[k, 0]
    affect[:, 1] = affect[:, 0]
    torch.manual_seed(0)
    network = MusicTagger(2, widths=(4, 8), embedding=8)
    config = listeners.TaggerConfig(n_steps=40, batch_size=16, learning_rate=1e-2, gain_db=0.0,
                                 p_hiss=0.0, p_dull=0.0, n_masks=1)
    listeners.train_tagger(network, mel, genres, affect, config,
                           checkpoint=tmp_path / "t.safetensors")
    with torch.inference_mode():
        logits, felt = network.heads(network.embed(torch.from_numpy(mel[:, :,
                                                                        :216].astype(np.float32))))
    assert (logits.argmax(1).numpy() == genres).mean() > 0.9
    assert np.corrcoef(felt[:, 0], affect[:, 0])[0, 1] > 0.7 and not network.training


def test_material_is_rendered_once_and_kept_by_content(own_results):
    from lib.data.atelier import render

    made, key = bundling.computed_of_clips(lambda sounds: sounds[:, 1000:1010], "probe", 9, 3)
    assert np.array_equal(made, render.sounds(9, range(3), bundling.CLIP_SECONDS)[0][:, 1000:1010])
    again, same = bundling.computed_of_clips(lambda sounds: sounds[:, 1000:1010], "probe", 9, 3)
    _, other = bundling.computed_of_clips(lambda sounds: sounds[:, 1001:1011], "probe", 9, 3)
    assert same == key != other and np.array_equal(made, again)
    assert len(list((own_results / "processed" / "rows").glob("*/probe.npy"))) == 2
