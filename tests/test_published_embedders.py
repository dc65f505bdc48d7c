"""The networks that published measures hear by: front ends and layers against other people's code
or a plain recomputation, the published names of weights, and that nothing stands in for them.
"""

import hashlib
import pickle

import huggingface_hub.constants
import librosa
import numpy as np
import pytest
import torch
from rehearsal import networks
from torch.nn import functional as F

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.metrics import affect, distances, embedders, evaluation_table
from lib.models import panns
from lib.models.panns import Cnn14
from lib.models.vggish import VGGish, mel_bands
from lib.pretrained import audioset


def music(seconds, rate_hz, seed=0):
    """Chords with noise, mono."""
    rng, t = np.random.default_rng(seed), np.arange(round(seconds * rate_hz)) / rate_hz
    tones = [np.sin(2 * np.pi * f * t) for f in rng.uniform(150, 3000, 6)]
    return (0.1 * np.sum(tones, 0) * (1 + np.sin(3 * t)) / 2
            + 0.01 * rng.normal(size=len(t))).astype(np.float32)


def randomised(network, windows):
    """The network with random weights, its batch norms' statistics from what it hears."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in network.named_parameters():
        fan = parameter[0].numel() if parameter.ndim > 1 else 50
        drawn = torch.randn(parameter.shape, generator=generator) * (2 / fan) ** 0.5
        parameter.data = drawn + ("bn" in name and name.endswith("weight"))
    for part in network.modules():
        part.momentum = 1.0
    with torch.no_grad():
        network.train().embed(windows)
    return network.eval()


def shapes(network_class):
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in network_class().state_dict().items()}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache, out of the network's reach."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


# --- VGGish ---------------------------------------------------------------------------------------


def test_vggish_has_the_published_names_and_shapes():
    convolutions = {0: (1, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512),
                    13: (512, 512)}
    linears = {0: (512 * 4 * 6, 4096), 2: (4096, 4096), 4: (4096, 128)}
    wanted = {}
    for at, (before, after) in convolutions.items():
        wanted |= {f"features.{at}.weight": (after, before, 3, 3), f"features.{at}.bias": (after,)}
    for at, (before, after) in linears.items():
        wanted |= {f"embeddings.{at}.weight": (after, before), f"embeddings.{at}.bias": (after,)}
    assert shapes(VGGish) == wanted


def test_vggish_hears_as_audioset_describes():
    """Recomputed bin by bin from mel_features' description; amplitudes by librosa."""
    sound = music(0.975, 16_000)
    mel = [1127 * np.log(1 + f / 700) for f in np.arange(257) * 16_000 / 512]
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    bands = np.zeros((257, 64))
    for m in range(64):
        low, middle, high = edges[m : m + 3]
        for k in range(1, 257):
            bands[k, m] = max(0, min((mel[k] - low) / (middle - low),
                                     (high - mel[k]) / (high - middle)))
    assert np.allclose(mel_bands(), bands, atol=1e-5)
    # librosa sets the 400 samples in the middle of its 512
    amplitude = np.abs(librosa.stft(np.pad(sound, 56), n_fft=512, hop_length=160, win_length=400,
                                    center=False))
    wanted = np.log(amplitude.T @ bands + 0.01)
    heard = VGGish(widths=((2,),) * 4, hidden=2).mel(torch.from_numpy(sound)[None])[0]
    assert wanted.shape == (96, 64) and np.allclose(heard, wanted, atol=1e-4)
    # and about what librosa's own bands say, which are straight in hertz
    near = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True,
                               norm=None).T
    assert np.abs(bands - near).max() < 0.2


def test_vggish_is_what_its_paper_draws():
    windows = torch.from_numpy(np.stack([music(0.975, 16_000, seed) for seed in range(3)]))
    network = randomised(VGGish(widths=((4,), (6,), (8, 8), (10, 10)), hidden=12), windows)
    weights = {name: t.double() for name, t in network.state_dict().items()}
    with torch.no_grad():
        x = network.mel(windows)[:, None].double()
        for level in ((0,), (3,), (6, 8), (11, 13)):
            for at in level:
                x = F.conv2d(x, weights[f"features.{at}.weight"], weights[f"features.{at}.bias"],
                             padding=1).clamp(min=0)
            x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).amax((3, 5))
        x = torch.stack([item.movedim(0, -1).reshape(-1) for item in x])  # channels last
        for at in (0, 2, 4):
            x = x @ weights[f"embeddings.{at}.weight"].T + weights[f"embeddings.{at}.bias"]
            x = x if at == 4 else x.clamp(min=0)
        heard = network.embed(windows)
    assert heard.shape == (3, 128) and torch.allclose(heard.double(), x, rtol=1e-3, atol=1e-4)
    assert (heard < 0).any(), "taken before the last ReLU"
    assert heard.std(0).max() > 1e-3, "different sounds, different vectors"
    with pytest.raises(KlangfarbeError, match="windows"):
        network.embed(windows[:, :-1])


@pytest.mark.parametrize(("seconds", "count"), [(0.6, 1), (0.975, 1), (10.0, 10), (30.0, 31)])
def test_vggish_windows_are_the_published_examples(hub, seconds, count):
    """96 frames each, none heard twice: the k-th window's mel is frames 96k to 96k + 95."""
    networks.vggish(hub / "vggish")
    ear = pretrained.load("vggish", hub / "vggish", device="cpu")
    sound = music(seconds, 16_000)
    cut = embedders.windows(sound, 16_000, ear)
    assert cut.shape == (count, 15_600)
    if seconds >= 1:
        frames = ear.model.mel(torch.from_numpy(sound)[None])[0]
        each = ear.model.mel(torch.from_numpy(np.ascontiguousarray(cut)))
        assert torch.allclose(each.reshape(-1, 64), frames[: 96 * count], atol=1e-4)


def test_the_rows_of_a_published_fad_are_windows_grouped_by_clip(hub):
    networks.vggish(hub / "vggish")
    ear = pretrained.load("vggish", hub / "vggish", device="cpu")
    sounds = [music(seconds, 32_000, seed) for seed, seconds in enumerate((40.0, 1.0, 2.95))]
    rows, clips = embedders.embed_windows(ear, sounds, 32_000)
    assert np.bincount(clips).tolist() == [41, 1, 3] and rows.shape == (45, 128)
    means = embedders.embed_clips(ear, sounds, 32_000)
    assert np.allclose(means, [rows[clips == k].mean(0) for k in range(3)])


# --- PANNs ----------------------------------------------------------------------------------------


def test_cnn14_has_the_published_names_and_shapes(monkeypatch):
    monkeypatch.setattr(panns, "melscale_fbanks", lambda n, *_, **__: torch.zeros(n, 64))
    def norm(name, n):
        return {f"{name}.{of}": (n,) for of in ("weight", "bias", "running_mean", "running_var")
                } | {f"{name}.num_batches_tracked": ()}
    wanted, before = {"logmel_extractor.melW": (513, 64), **norm("bn0", 64)}, 1
    for number, n in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        block = f"conv_block{number}"
        wanted |= {f"{block}.conv1.weight": (n, before, 3, 3), **norm(f"{block}.bn1", n),
                   f"{block}.conv2.weight": (n, n, 3, 3), **norm(f"{block}.bn2", n)}
        before = n
    wanted |= {"fc1.weight": (2048, 2048), "fc1.bias": (2048,), "fc_audioset.weight": (527, 2048),
               "fc_audioset.bias": (527,)}
    assert shapes(Cnn14) == wanted


def test_cnn14_hears_as_librosa_does():
    sound = music(2.0, 32_000)
    sound[:8000] = 0
    power = librosa.feature.melspectrogram(y=sound, sr=32_000, n_fft=1024, hop_length=320,
                                           n_mels=64, fmin=50, fmax=14_000, pad_mode="reflect")
    wanted = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T
    heard = Cnn14(widths=(2, 2)).mel(torch.from_numpy(sound)[None])[0]
    assert heard.shape == wanted.shape == (201, 64) and heard.min() == -100
    assert np.allclose(heard, wanted, atol=2e-3)


def test_cnn14_is_what_its_paper_draws():
    windows = torch.from_numpy(np.stack([music(2.0, 32_000, seed) for seed in range(3)]))
    network = randomised(Cnn14(widths=(4, 4, 6, 6, 8, 8)), windows)
    weights = {name: t.double() for name, t in network.state_dict().items()}

    def normed(x, name):  # over axis 1
        mean, variance, scale, shift = (weights[f"{name}.{of}"].view(1, -1, 1, 1) for of in (
            "running_mean", "running_var", "weight", "bias"))
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    with torch.no_grad():
        x = network.mel(windows).double()  # [B, T, M]
        x = normed(x.movedim(2, 1)[..., None], "bn0")[..., 0].movedim(1, 2)[:, None]
        for number in range(1, 7):
            for k in (1, 2):
                x = F.conv2d(x, weights[f"conv_block{number}.conv{k}.weight"], padding=1)
                x = normed(x, f"conv_block{number}.bn{k}").clamp(min=0)
            if number < 6:
                times, bands = (n // 2 for n in x.shape[2:])
                x = x[:, :, : 2 * times, : 2 * bands].reshape(*x.shape[:2], times, 2, bands, 2)
                x = x.mean((3, 5))
        x = x.mean(3)
        x = (x.max(2).values + x.mean(2)) @ weights["fc1.weight"].T + weights["fc1.bias"]
        x = x.clamp(min=0)
        heard = network.embed(windows)
        assert torch.allclose(heard.double(), x, rtol=1e-3, atol=1e-3)
        assert heard.std(0).max() > 0.1, "different sounds, different vectors"
        tags = x @ weights["fc_audioset.weight"].T + weights["fc_audioset.bias"]
        assert torch.allclose(network.logits(windows).double(), tags, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_cnn14_of_either_naming_loads_and_uses_the_files_own_bands(tmp_path, prefix):
    networks.panns(tmp_path)
    tensors = artefacts.read(tmp_path / "model.safetensors")
    bands = 2 * tensors["backbone.logmel_extractor.melW"]
    tensors["backbone.logmel_extractor.melW"] = bands
    artefacts.write(tmp_path / "model.safetensors",
                    {name.replace("backbone.", prefix): t for name, t in tensors.items()})
    ear = pretrained.load("panns", tmp_path, device="cpu")
    assert torch.equal(ear.model.logmel_extractor.melW, bands)
    logits = embedders.logits_of_clips(ear, [music(2.0, 22_050), music(12.0, 22_050, 1)], 22_050)
    assert logits.shape == (2, 527) == (2, len(ear.labels)) and ear.width == 16
    assert (distances.paired_kl(logits, logits[::-1]) >= 0).all()


@pytest.mark.parametrize(("part", "write"), [("vggish", networks.vggish),
                                             ("panns", networks.panns)])
def test_a_lacking_weight_is_refused(tmp_path, part, write):
    write(tmp_path)
    tensors = artefacts.read(tmp_path / "model.safetensors")
    tensors.pop(next(name for name in tensors if name.endswith("bias")))
    artefacts.write(tmp_path / "model.safetensors", tensors)
    with pytest.raises(KlangfarbeError, match="weights that fit"):
        pretrained.load(part, tmp_path, device="cpu")


# --- by name --------------------------------------------------------------------------------------

HERE = {"tagger", "musicnn"}  # bundled, and out of a package


def test_every_published_name_loads_from_the_rehearsals_hub(hub, monkeypatch):
    kept = {source: networks.NETWORKS[source] for _, source in embedders.EMBEDDERS.values()
            if source in networks.NETWORKS}
    monkeypatch.setattr(networks, "NETWORKS", kept)
    networks.write_hub(hub)
    for name, (_, source) in embedders.EMBEDDERS.items():
        card = embedders.card(embedders.load(name, device="cpu"))
        assert len(card["sha256"]) == 64
        if name not in HERE:
            assert card["name"] == source and card["revision"] and card["licence"] == "Apache-2.0"


@pytest.mark.parametrize("name", sorted(embedders.EMBEDDERS.keys() - HERE))
def test_out_of_reach_no_other_network_stands_in(hub, name):
    with pytest.raises(KlangfarbeError, match="fetch|put that file"):
        embedders.load(name, device="cpu")


def test_what_is_no_embedder_is_refused(tmp_path):
    with pytest.raises(KlangfarbeError, match="out of tagger, vggish"):
        embedders.load("vgg", device="cpu")
    with pytest.raises(KlangfarbeError, match="has no miniature"):
        pretrained.load("panns", device="cpu")
    networks.panns(tmp_path / "mine")
    assert embedders.load("panns", tmp_path / "mine", device="cpu").name == "mine"


def test_the_published_vggish_is_converted_once_and_only_if_it_is_the_published(hub, monkeypatch):
    file = hub / "file.pth"
    with torch.device("meta"):
        tensors = {name: t for name, t in VGGish().state_dict().items() if t.numel() < 100_000}
    torch.save({name: torch.ones(t.shape) for name, t in tensors.items()}, file)
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(audioset, "FILE", f"vggish-{digits}.pth")
    folder = hub / f"vggish-{digits}"
    folder.mkdir()
    there = folder / f"vggish-{digits}.pth"
    there.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(KlangfarbeError, match="delete it"):
        embedders.load("vggish", device="cpu")
    there.write_bytes(file.read_bytes())
    source = audioset.find_vggish("vggish", pretrained.PUBLISHED["vggish"], audioset.VGGISH)
    assert (source.name, source.revision) == (audioset.VGGISH, "v0.1")
    converted = artefacts.read(source.folder / "model.safetensors")
    assert set(converted) == set(tensors)
    there.unlink()
    again = audioset.find_vggish("vggish", pretrained.PUBLISHED["vggish"], audioset.VGGISH)
    assert again.sha256 == source.sha256, "not fetched again"


def test_a_pickle_that_would_run_code_does_not(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "ran").write_text, ("code ran",)

    content = pickle.dumps(Trap())
    file = tmp_path / f"vggish-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file.write_bytes(content)
    monkeypatch.setattr(audioset, "FILE", file.name)
    with pytest.raises(pickle.UnpicklingError):
        audioset.convert(tmp_path)
    assert not (tmp_path / "ran").exists() and not (tmp_path / "model.safetensors").exists()


def test_a_table_says_which_network_made_a_number():
    rng = np.random.default_rng(0)
    rows = {"ours": rng.normal(size=(20, 3))}
    card = {"name": "nicofarr/panns_Cnn14", "revision": "0123456789abcdef", "sha256": "fedcba" * 10}
    sets = [evaluation_table.Measure("FAD", distances.fad, rng.normal(size=(20, 3)),
                                     evaluation_table.SETS, encoder=encoder)
            for encoder in (card, "")]
    column = [set(evaluation_table.evaluate_table(rows, [measure], n_swaps=9)["encoder"])
              for measure in sets]
    assert column == [{"nicofarr/panns_Cnn14 0123456789ab fedcbafedcba"}, {"not named"}]
    plain = evaluation_table.Measure("RMSE", affect.rmse, np.arange(20.0), evaluation_table.ROWS)
    table = evaluation_table.evaluate_table({"ours": rng.normal(size=20)}, [plain], n_resamples=20)
    assert set(table["encoder"]) == {""}, "nobody listened"
