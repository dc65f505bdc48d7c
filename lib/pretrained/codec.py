"""A neural codec, sound ↔ codes: ours, or transformers' EncodecModel.  Notebook: 03."""

import numpy as np
import torch
from torch import Tensor
from transformers import EncodecModel

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, checked
from lib.models.spectral_codec import SpectralCodec
from lib.pretrained.loading import Pretrained, Source, load_model, load_own

KIND = "spectral_codec"  # ``model_type`` in the miniature's config.json
N_CODEBOOKS = 4  # of EnCodec's bandwidths the smallest with as many is taken, as MusicGen uses


class Codec(Pretrained):
    """A SpectralCodec or :class:`Encodec` with its card: K codebooks of size V, steps a second."""
    def __init__(self, source: Source, model, device: str):
        super().__init__(source, model, device)
        self.sample_rate_hz, self.samples_per_step = model.sample_rate_hz, model.samples_per_step
        self.frame_rate_hz = model.sample_rate_hz / model.samples_per_step
        self.n_codebooks, self.codebook_size = model.n_codebooks, model.codebook_size

    @torch.no_grad()
    def encode(self, sound, n_codebooks: int | None = None) -> Tensor:
        """Sound [B, 1, N] in [−1, 1] → the first `n_codebooks` codes, int64 [B, K, S]."""
        sound = torch.as_tensor(sound, dtype=torch.float32)
        checked(sound, "mono sounds", ("B", 1, "N"), "average the channels, write sound[:, None]")
        return self.model.encode(sound.to(self.device), n_codebooks)

    @torch.no_grad()
    def decode(self, codes, n_samples: int | None = None) -> Tensor:
        """Codes int64 [B, k, S], k ≤ K → sound float32 [B, 1, N], or its first `n_samples`."""
        codes = torch.as_tensor(codes)
        if int(codes.min()) < 0 or int(codes.max()) >= self.codebook_size:
            raise KlangfarbeError(f"codes in 0 to {self.codebook_size - 1}",
                                  f"{codes.min()} to {codes.max()}",
                                  "take out padding and special tokens first")
        return self.model.decode(codes.long().to(self.device)).float()[..., :n_samples]

    def soft_decode(self, probabilities: Tensor, n_samples: int | None = None) -> Tensor:
        """Probabilities [B, k, S, V] → sound [B, 1, N] of the expected vectors, with a gradient."""
        return self.model.soft_decode(probabilities.to(self.device)).float()[..., :n_samples]

    def round_trip(self, sound, n_codebooks: int | None = None) -> Tensor:
        """Sound [B, 1, N] → encoded and decoded, [B, 1, N]."""
        return self.decode(self.encode(sound, n_codebooks), np.shape(sound)[2])


class Encodec:
    """transformers' EncodecModel under SpectralCodec's names: mono, whole clips, one bandwidth."""
    def __init__(self, model):
        config = model.config
        if config.audio_channels != 1 or config.chunk_length_s is not None or config.normalize:
            raise KlangfarbeError("a mono EnCodec that takes a clip whole",
                                  f"{config.audio_channels} channels, chunks of "
                                  f"{config.chunk_length_s} s, normalize {config.normalize}",
                                  "use facebook/encodec_24khz or facebook/encodec_32khz")
        self.model = model
        self.sample_rate_hz, self.codebook_size = config.sampling_rate, config.codebook_size
        self.samples_per_step = int(np.prod(config.upsampling_ratios))
        count_at, bandwidths = model.quantizer.get_num_quantizers_for_bandwidth, sorted(
            config.target_bandwidths)
        self.bandwidth = next((b for b in bandwidths if count_at(b) >= N_CODEBOOKS), bandwidths[-1])
        self.n_codebooks = min(count_at(self.bandwidth), len(model.quantizer.layers))

    def encode(self, sound: Tensor, n_codebooks: int | None = None) -> Tensor:
        output = self.model.encode(sound.to(self.model.dtype), bandwidth=self.bandwidth)
        return output.audio_codes[0][:, :n_codebooks]

    def decode(self, codes: Tensor) -> Tensor:
        return self.model.decode(codes[None], [None]).audio_values

    def soft_decode(self, probabilities: Tensor) -> Tensor:
        vectors = torch.stack([layer.codebook.embed for layer in
                               self.model.quantizer.layers[: probabilities.shape[1]]])
        return self.model.decoder(torch.einsum("bksv,kvd->bds", probabilities.to(vectors.dtype),
                                               vectors))


def load_codec(source: Source, device: str, dtype=None) -> Codec:
    """Whichever codec ``config.json`` names."""
    if artefacts.read(source.folder / "config.json").get("model_type") != KIND:
        model = load_model(EncodecModel, source, device, dtype).requires_grad_(False)
        return Codec(source, Encodec(model), device)
    model = load_own(source, lambda config: SpectralCodec(
        **{name: config[name] for name in config if name != "model_type"}), "spectral codec")
    return Codec(source, model.to(device), device)
