"""CLAP: text and sound in one space, transformers' ClapModel.

The published processor cuts a clip longer than its window at a random place. Here clips are cut
before (lib.metrics.embedders.windows): it meets windows of its own length and draws nothing.

Notebook: 05.
"""

import numpy as np
import torch
from transformers import ClapFeatureExtractor, ClapModel

from lib.pretrained.loading import Pretrained, load_model, read, tokenizer_of, tokens_of
from lib.pretrained.sources import Source


class ClapEncoder(Pretrained):
    """A ClapModel with its feature extractor; an encoder of lib.metrics.embedders."""

    def __init__(self, source: Source, model: ClapModel, extractor, tokenizer, device: str):
        super().__init__(source, model, device, tokenizer)
        self.extractor, self.width = extractor, model.config.projection_dim
        self.sample_rate_hz = int(extractor.sampling_rate)
        self.window_seconds = float(extractor.max_length_s)

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → unit vectors float32 [N, D]."""
        mel = torch.from_numpy(features(self.extractor, windows,
                                        fused=self.model.config.audio_config.enable_fusion))
        with torch.inference_mode():
            longer = torch.zeros((len(mel), 1), dtype=torch.bool, device=self.device)
            output = self.model.get_audio_features(
                input_features=mel.to(self.device, self.model.dtype), is_longer=longer)
        return output.pooler_output.float().cpu().numpy()

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        positions = self.model.config.text_config.max_position_embeddings
        tokens = tokens_of(self.tokenizer, texts, positions - 2)
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        return output.pooler_output.float().cpu().numpy()


def features(extractor, windows: np.ndarray, *, fused: bool = False) -> np.ndarray:
    """Sounds of one length [N, samples] → mel [N, 1, T, mels], uncropped; 4 times if `fused`."""
    output = extractor(list(windows), sampling_rate=extractor.sampling_rate,
                       max_length=windows.shape[1], truncation="fusion" if fused else "rand_trunc",
                       padding="pad")
    return np.asarray(output["input_features"], np.float32)


def encoder(source: Source, device: str, dtype=None) -> ClapEncoder:
    """Loads model, feature extractor and tokenizer."""
    model = load_model(ClapModel, source, device, dtype)
    extractor = read(ClapFeatureExtractor, source, "a CLAP's preprocessor_config.json")
    return ClapEncoder(source, model, extractor, tokenizer_of(source), device)
