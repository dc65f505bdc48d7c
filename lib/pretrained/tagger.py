"""The music tagger: embeddings for Fréchet distances, logits for KL, valence and arousal.

Notebook: 05.
"""

import numpy as np
import torch

from lib.models.music_tagger import MusicTagger
from lib.pretrained.loading import Pretrained, load_own
from lib.pretrained.sources import Source


class TaggerEncoder(Pretrained):
    """A MusicTagger with the names of its genres, `labels`; a tagger of lib.metrics.embedders."""

    def __init__(self, source: Source, model: MusicTagger, labels: tuple[str, ...], device: str):
        super().__init__(source, model, device)
        self.labels, self.width = labels, model.squeeze.out_features
        self.sample_rate_hz, self.window_seconds = model.sample_rate_hz, model.window_seconds

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → embeddings float32 [N, D]."""
        return self._outputs(windows)[2]

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → genre logits float32 [N, G], in the order of `labels`."""
        return self._outputs(windows)[0]

    def affect(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → (valence, arousal), clipped to [−1, 1], float32 [N, 2]."""
        return np.clip(self._outputs(windows)[1], -1, 1)

    def _outputs(self, windows: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            sound = torch.from_numpy(np.ascontiguousarray(windows, np.float32)).to(self.device)
            return [output.float().cpu().numpy() for output in self.model(sound)]


def encoder(source: Source, device: str, dtype=None) -> TaggerEncoder:
    """Loads the network that ``config.json`` describes."""
    labels = []

    def build(config):
        labels.extend(config.pop("labels"))
        return MusicTagger(len(labels), **config)

    model = load_own(source, build, "tagger").to(device)
    return TaggerEncoder(source, model, tuple(labels), device)
