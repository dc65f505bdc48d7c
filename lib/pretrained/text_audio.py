"""CLAP: text and sound in one space, transformers' ClapModel.

The published processor cuts a clip longer than its window at a random place, so that the same clip
gives another number at every call. Here clips are cut before (lib.metrics.embedders.windows): the
processor meets windows of exactly its own length and draws nothing.

Notebook: 05.
"""

import numpy as np
import torch
from transformers import ClapFeatureExtractor, ClapModel

from lib.pretrained.loading import Pretrained, load_model, readable, tokenizer_of
from lib.pretrained.sources import Source


class ClapEncoder(Pretrained):
    """A ClapModel with feature extractor and tokenizer; answers to
    lib.metrics.embedders.TextAudioEncoder.

    Attributes:
        sample_rate_hz, window_seconds: of the windows. width: D.
    """

    def __init__(self, source: Source, model: ClapModel, extractor, tokenizer, device: str):
        super().__init__(source, model, device)
        self.extractor, self.tokenizer = extractor, tokenizer
        self.sample_rate_hz = int(extractor.sampling_rate)
        self.window_seconds = float(extractor.max_length_s)
        self.width = model.config.projection_dim

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
        tokens = tokens_of(self.tokenizer, texts,
                           self.model.config.text_config.max_position_embeddings)
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        return output.pooler_output.float().cpu().numpy()


def features(extractor, windows: np.ndarray, *, fused: bool = False) -> np.ndarray:
    """The extractor's mel of sounds of one length, nothing cropped: float32 [N, samples] → [N, 1 or
    4, T, mels].

    `fused` checkpoints see the mel four times, as their processor shows them a clip that is not
    longer than its window.
    """
    output = extractor(list(windows), sampling_rate=extractor.sampling_rate,
                       max_length=windows.shape[1], truncation="fusion" if fused else "rand_trunc",
                       padding="pad")
    return np.asarray(output["input_features"], np.float32)


def tokens_of(tokenizer, texts: list[str], positions: int):
    """Padded ``input_ids`` and ``attention_mask`` [N, L] of sentences, L ≤ positions − 2."""
    return tokenizer(list(texts), padding=True, truncation=True, max_length=positions - 2,
                     return_tensors="pt", return_token_type_ids=False)


def encoder(source: Source, device: str, dtype=None) -> ClapEncoder:
    """Loads model, feature extractor and tokenizer from one folder."""
    model = load_model(ClapModel, source, device, dtype)
    with readable(source, "a CLAP's preprocessor_config.json"):
        extractor = ClapFeatureExtractor.from_pretrained(source.folder, local_files_only=True)
    return ClapEncoder(source, model, extractor, tokenizer_of(source), device)
