"""The music tagger as an encoder: embeddings for Fréchet distances, logits for KL, valence and
arousal for agreement.

Notebook: 05.
"""

import numpy as np
import torch

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models.music_tagger import MusicTagger
from lib.pretrained.sources import Source


class TaggerEncoder:
    """A lib.models.music_tagger.MusicTagger with its card; answers to lib.metrics.embedders.Tagger.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. sample_rate_hz, window_seconds, width:
            what it hears and gives.
        labels: genres. model: the network itself.
    """

    def __init__(self, source: Source, model, labels: tuple[str, ...], device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.labels, self.device = model, labels, device
        self.sample_rate_hz, self.window_seconds = model.sample_rate_hz, model.window_seconds
        self.width = model.squeeze.out_features

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → embeddings float32 [N, D]."""
        return self._answers(windows)[2]

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → genre logits float32 [N, G], in the order of
        ``labels``.
        """
        return self._answers(windows)[0]

    def affect(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → (valence, arousal), clipped to [−1, 1], float32 [N, 2]."""
        return np.clip(self._answers(windows)[1], -1, 1)

    def _answers(self, windows: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            sound = torch.from_numpy(np.ascontiguousarray(windows, np.float32)).to(self.device)
            return [answer.float().cpu().numpy() for answer in self.model(sound)]


def encoder(source: Source, device: str, dtype=None) -> TaggerEncoder:
    """Builds the network that ``config.json`` describes and puts the weights in: always float32, it
    is small (`dtype` is not used).

    Raises:
        KlangfarbeError: a configuration or weights of another network.
    """
    config = artefacts.read(source.folder / "config.json")
    tensors = artefacts.read(source.folder / "model.safetensors")
    try:
        labels = tuple(config.pop("labels"))
        model = MusicTagger(len(labels), **config)
        model.load_state_dict({name: t.float() if t.is_floating_point() else t for name,
                               t in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise KlangfarbeError("a tagger's config.json and weights that fit it",
                              f"{source.folder}: {str(error).splitlines()[0][:120]}",
                              "use the folder that one training run wrote, whole") from error
    return TaggerEncoder(source, model.to(device).eval(), labels, device)
