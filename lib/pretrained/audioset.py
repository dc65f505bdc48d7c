"""Networks that published measures hear by, trained on AudioSet's kind of sound, for
lib.metrics.embedders: VGGish and PANNs' CNN14. They have no miniature. Of VGGish no safetensors are
on the hub: torchvggish's published file is fetched once, checked by its hash, read as tensors alone
and converted. Source: Hershey et al. (2017); Kong et al. (2020).  Notebook: 05."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models.panns import N_CLASSES, WIDTHS, Cnn14
from lib.models.vggish import VGGish
from lib.pretrained.loading import Part, Pretrained, Source, find, inspect, load_own

VGGISH = "harritaylor/torchvggish"  # on GitHub
RELEASE, FILE = "v0.1", "vggish-10086976.pth"  # its name has the first digits of its SHA-256
URL = f"https://github.com/{VGGISH}/releases/download/{RELEASE}/{FILE}"


class AudioSetEncoder(Pretrained):
    """A network with ``embed``, at its own rate and window."""
    def __init__(self, source: Source, model: Any, device: str):
        super().__init__(source, model.to(device), device, width=model.width)
        self.sample_rate_hz, self.window_seconds = model.sample_rate_hz, model.window_seconds

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → embeddings float32 [N, D]."""
        return self._outputs(self.model.embed, windows)

    def _outputs(self, function: Callable, windows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            sound = torch.from_numpy(np.ascontiguousarray(windows, np.float32)).to(self.device)
            return function(sound).cpu().numpy()


class VggishEncoder(AudioSetEncoder):
    """A VGGish, whose windows overlap a little."""
    hop_seconds = VGGish.hop_seconds


class PannsEncoder(AudioSetEncoder):
    """A CNN14; `labels` are the numbers of AudioSet's class_labels_indices.csv."""
    labels = tuple(map(str, range(N_CLASSES)))

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → logits float32 [N, 527]."""
        return self._outputs(self.model.logits, windows)


def load_vggish(source: Source, device: str, dtype=None) -> VggishEncoder:
    """A folder's VGGish, in single precision; sizes that ``config.json`` leaves out: published."""
    def build(config):
        return VGGish(**{name: config[name] for name in ("widths", "hidden") if name in config})
    return VggishEncoder(source, load_own(source, build, "VGGish"), device)


def load_panns(source: Source, device: str, dtype=None) -> PannsEncoder:
    """A folder's CNN14, in single precision; the hub's copy puts "backbone." before each name."""
    def names(tensors):  # without the kernels of a Fourier transform: torch has one
        return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()
                if "spectrogram_extractor." not in name}
    def build(config):
        return Cnn14(config.get("widths", WIDTHS))
    return PannsEncoder(source, load_own(source, build, "CNN14", names), device)


def find_vggish(name: str, part: Part, source: str | Path) -> Source:
    """As ``loading.find``; :data:`VGGISH` is the published file, converted beside the hub's."""
    if source != VGGISH:
        return find(name, part, source)
    folder = Path(constants.HF_HUB_CACHE) / Path(FILE).stem
    if not (folder / "model.safetensors").is_file():
        convert(folder)
    return inspect(folder, part, VGGISH, revision=RELEASE, licence="Apache-2.0")


def convert(folder: Path) -> None:
    """Writes the published file's tensors as safetensors; it is fetched unless it lies there, and
    one of another hash is refused."""
    file, wanted = folder / FILE, Path(FILE).stem.split("-")[1]
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if constants.HF_HUB_OFFLINE:
                raise OSError("HF_HUB_OFFLINE is set")
            torch.hub.download_url_to_file(URL, str(file))
        except OSError as error:  # urllib's and the disk's, too
            raise KlangfarbeError(f"VGGish's weights, {URL}", f"{type(error).__name__}: {error}",
                                  f"put that file into {folder}") from error
    if not (digest := hashlib.sha256(file.read_bytes()).hexdigest()).startswith(wanted):
        raise KlangfarbeError(f"{file} of SHA-256 {wanted}…", f"{digest[:8]}…",
                              "delete it, it will be fetched again")
    artefacts.write(folder / "config.json", {"model_type": "vggish"})
    artefacts.write(folder / "model.safetensors",
                    torch.load(file, map_location="cpu", weights_only=True))
