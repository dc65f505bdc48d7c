"""CLAP as an encoder of sounds and sentences: the transformers' ClapModel, heard through the
workbook's fixed windows.

The released processor cuts a clip longer than its window at a random place, so that the same clip
gives another number at every call. Here clips are cut before (lib.metrics.embedders.windows): the
processor meets windows of exactly its own length and draws nothing.

Notebook: 05.
"""

import numpy as np
import torch
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from lib.pretrained.loading import readable, whole_model
from lib.pretrained.sources import Source


class ClapEncoder:
    """A ClapModel with its feature extractor, tokenizer and card; answers to
    lib.metrics.embedders.TextAudioEncoder.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. sample_rate_hz, window_seconds, width:
            what it hears and gives.
        model, extractor, tokenizer: transformers' own.
    """

    def __init__(self, source: Source, model, extractor, tokenizer, device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.extractor, self.tokenizer, self.device = model, extractor, tokenizer, device
        self.sample_rate_hz, self.window_seconds = int(extractor.sampling_rate), float(
            extractor.max_length_s)
        self.width = model.config.projection_dim

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → unit vectors float32 [N, D]."""
        given = features(self.extractor, windows,
                         fused=self.model.config.audio_config.enable_fusion)
        with torch.inference_mode():
            mel = torch.from_numpy(given).to(self.device, self.model.dtype)
            longer = torch.zeros((len(mel), 1), dtype=torch.bool, device=self.device)
            return self.model.get_audio_features(input_features=mel, is_longer=longer).pooler_output.float().cpu().numpy()

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; what goes beyond the text tower's positions is
        cut off.
        """
        with torch.inference_mode():
            tokens = tokens_of(self.tokenizer, texts,
                               self.model.config.text_config.max_position_embeddings).to(
                self.device)
            return self.model.get_text_features(**tokens).pooler_output.float().cpu().numpy()


def features(extractor, windows: np.ndarray, *, fused: bool = False) -> np.ndarray:
    """The extractor's mel of sounds of one length, nothing cropped: float32 [N, samples] → [N, 1 or
    4, T, mels].

    `fused` checkpoints see the mel four times, as their processor shows them a clip that is not
    longer than its window.
    """
    made = extractor(list(windows), sampling_rate=extractor.sampling_rate,
                     max_length=windows.shape[1], truncation="fusion" if fused else "rand_trunc",
                     padding="pad")
    return np.asarray(made["input_features"], np.float32)


def tokens_of(tokenizer, texts: list[str], positions: int):
    """Padded tokens of sentences as torch tensors: ``input_ids`` and ``attention_mask`` [N, L], L ≤
    positions − 2.
    """
    return tokenizer(list(texts), padding=True, truncation=True, max_length=positions - 2,
                     return_tensors="pt", return_token_type_ids=False)


def encoder(source: Source, device: str, dtype=None) -> ClapEncoder:
    """Loads model, feature extractor and tokenizer from one folder, without the network and without
    unpickling.

    Raises:
        KlangfarbeError: the folder holds another network, or weights that do not fit its
            configuration.
    """
    model = whole_model(ClapModel, source, dtype or torch.float32)
    with readable(source, "a CLAP's preprocessor_config.json and tokenizer"):
        extractor = ClapFeatureExtractor.from_pretrained(source.folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    return ClapEncoder(source, model.to(device).eval(), extractor, tokenizer, device)
