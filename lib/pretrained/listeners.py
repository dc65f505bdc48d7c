"""Encoders of sound (lib.metrics.embedders): the music tagger and CLAP, transformers' ClapModel.

Notebook: 05."""

import numpy as np
import torch
from transformers import ClapFeatureExtractor, ClapModel

from lib.models.music_tagger import MusicTagger
from lib.pretrained import loading
from lib.pretrained.loading import Pretrained, Source


class TaggerEncoder(Pretrained):
    """A MusicTagger with the names of its genres, `labels`."""
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


def load_tagger(source: Source, device: str, dtype=None) -> TaggerEncoder:
    """The network that ``config.json`` describes."""
    labels = []
    def build(config):
        labels.extend(config.pop("labels"))
        return MusicTagger(len(labels), **config)
    model = loading.load_own(source, build, "tagger").to(device)
    return TaggerEncoder(source, model, tuple(labels), device)


class ClapEncoder(Pretrained):
    """A ClapModel with its feature extractor, which draws nothing: windows are of its length."""
    def __init__(self, source: Source, model: ClapModel, device: str, tokenizer, extractor):
        super().__init__(source, model, device, tokenizer, extractor, model.config.projection_dim)
        self.sample_rate_hz = int(extractor.sampling_rate)
        self.window_seconds = float(extractor.max_length_s)

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → unit vectors float32 [N, D]."""
        mel = torch.from_numpy(clap_features(self.processor, windows))
        with torch.inference_mode():
            longer = torch.zeros((len(mel), 1), dtype=torch.bool, device=self.device)
            output = self.model.get_audio_features(
                input_features=mel.to(self.device, self.model.dtype), is_longer=longer)
        return output.pooler_output.float().cpu().numpy()

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        positions = self.model.config.text_config.max_position_embeddings
        tokens = loading.tokens_of(self.tokenizer, texts, positions - 2)
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        return output.pooler_output.float().cpu().numpy()


def clap_features(extractor, windows: np.ndarray) -> np.ndarray:
    """Sounds of one length [N, samples] → mel [N, 1, T, mels], uncropped."""
    output = extractor(list(windows), sampling_rate=extractor.sampling_rate,
                       max_length=windows.shape[1], truncation="rand_trunc", padding="pad")
    return np.asarray(output["input_features"], np.float32)


def load_text_audio(source: Source, device: str, dtype=None) -> ClapEncoder:
    """A folder's model, feature extractor and tokenizer."""
    model = loading.load_model(ClapModel, source, device, dtype)
    extractor = loading.read(ClapFeatureExtractor, source, "a CLAP's preprocessor_config.json")
    return ClapEncoder(source, model, device, loading.tokenizer_of(source), extractor)
