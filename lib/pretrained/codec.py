"""A neural codec, sound ↔ codes: our spectral miniature or the transformers' EncodecModel, one
interface.

    sound [B, 1, N] ──encode──► codes int64 [B, K, S] ──decode──► sound [B, 1, S·samples_per_step]
                  probabilities [B, K, S, V] ──soft_decode──► sound, with a gradient

Notebook: 03.
"""

import numpy as np
import torch
from transformers import EncodecModel

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models.spectral_codec import SpectralCodec
from lib.pretrained.loading import whole_model
from lib.pretrained.sources import Source

KIND = "spectral_codec"  # ``model_type`` in the miniature's config.json
# of an EnCodec with a choice of bandwidths the smallest with as many is taken, as MusicGen uses
N_CODEBOOKS = 4


class Codec:
    """A codec with its card.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. sample_rate_hz: what it hears and makes;
            resample before.
        frame_rate_hz: steps a second. samples_per_step: sample_rate_hz / frame_rate_hz.
            n_codebooks: K. codebook_size: V.
        model: the network (lib.models.spectral_codec.SpectralCodec, or :class:`Encodec` around
            transformers' own). device: where it runs.
    """

    def __init__(self, source: Source, model, device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.device = model, device
        self.sample_rate_hz, self.samples_per_step = model.sample_rate_hz, model.samples_per_step
        self.frame_rate_hz = model.sample_rate_hz / model.samples_per_step
        self.n_codebooks, self.codebook_size = model.n_codebooks, model.codebook_size

    def encode(self, sound, n_codebooks: int | None = None):
        """Sound [B, 1, N], tensor or array in [−1, 1] → codes, an int64 tensor [B, K, S], S = ⌈N /
        samples_per_step⌉.

        Args:
            n_codebooks: the first so many; ``None``: all.

        Raises:
            KlangfarbeError: another shape, values that are not finite, or more codebooks than there
                are.
        """
        sound = torch.as_tensor(sound, dtype=torch.float32)
        if sound.ndim != 3 or sound.shape[1] != 1 or not sound.numel() or not bool(
            sound.isfinite().all()):
            raise KlangfarbeError("finite mono sounds [B, 1, N]", _seen(sound),
                                  "average the channels and write sound[:, None]")
        if n_codebooks is not None and not 1 <= n_codebooks <= self.n_codebooks:
            raise KlangfarbeError(f"1 to {self.n_codebooks} codebooks", str(n_codebooks),
                                  "ask for fewer")
        with torch.no_grad():
            return self.model.encode(sound.to(self.device), n_codebooks)

    def decode(self, codes, n_samples: int | None = None):
        """Codes int64 [B, k, S], k ≤ K → sound, a float32 tensor [B, 1, S·samples_per_step], or its
        first `n_samples`.

        Raises:
            KlangfarbeError: another shape, or numbers outside the codebooks.
        """
        codes = torch.as_tensor(codes)
        if codes.ndim != 3 or not 1 <= codes.shape[
            1] <= self.n_codebooks or not codes.numel() or codes.is_floating_point():
            raise KlangfarbeError(f"whole numbers [B, 1 to {self.n_codebooks}, S]", _seen(codes),
                                  "give codes as encode returns them")
        if int(codes.min()) < 0 or int(codes.max()) >= self.codebook_size:
            raise KlangfarbeError(f"codes in 0 to {self.codebook_size - 1}",
                                  f"{int(codes.min())} to {int(codes.max())}",
                                  "take out padding and special tokens first")
        with torch.no_grad():
            return self.model.decode(codes.long().to(self.device)).float()[..., :n_samples]

    def soft_decode(self, shares, n_samples: int | None = None):
        """Probabilities [B, k, S, V] → sound [B, 1, N] of the expected codebook vectors, with a
        gradient to the probabilities.

        Where every probability is 0 or 1 it is what :meth:`decode` gives. The network's own weights
        are frozen.

        Raises:
            KlangfarbeError: another shape.
        """
        if shares.ndim != 4 or not 1 <= shares.shape[1] <= self.n_codebooks or shares.shape[
            3] != self.codebook_size:
            raise KlangfarbeError(
                f"probabilities [B, 1 to {self.n_codebooks}, S, {self.codebook_size}]",
                _seen(shares), "softmax over the last axis of the logits")
        return self.model.soft_decode(shares.to(self.device)).float()[..., :n_samples]

    def round_trip(self, sound, n_codebooks: int | None = None):
        """Sound [B, 1, N] → what is left of it, [B, 1, N]."""
        return self.decode(self.encode(sound, n_codebooks), np.shape(sound)[2])


class Encodec:
    """transformers' EncodecModel under the names of lib.models.spectral_codec.SpectralCodec: mono,
    whole clips, one bandwidth.

    Args:
        model: EncodecModel, evaluated as one piece (no chunks, no loudness normalisation).

    Raises:
        KlangfarbeError: a stereo, chunked or normalising configuration (encodec_48khz).
    """

    def __init__(self, model):
        config = model.config
        if config.audio_channels != 1 or config.chunk_length_s is not None or config.normalize:
            raise KlangfarbeError("a mono EnCodec that takes a clip whole",
                                  f"{config.audio_channels} channels, chunks of {config.chunk_length_s} s, normalize {config.normalize}",
                                  "use facebook/encodec_24khz or facebook/encodec_32khz")
        self.model = model
        self.sample_rate_hz, self.codebook_size = config.sampling_rate, config.codebook_size
        self.samples_per_step = int(np.prod(config.upsampling_ratios))
        counts = {b: model.quantizer.get_num_quantizers_for_bandwidth(b)
                  for b in sorted(config.target_bandwidths)}
        self.bandwidth = next((b for b, count in counts.items() if count >= N_CODEBOOKS),
                              max(counts))
        self.n_codebooks = min(counts[self.bandwidth], len(model.quantizer.layers))

    def encode(self, sound, n_codebooks: int | None = None):
        """Sound [B, 1, N] → codes int64 [B, K, S]."""
        made = self.model.encode(sound.to(self.model.dtype), bandwidth=self.bandwidth)
        return made.audio_codes[0][:, :n_codebooks]

    def decode(self, codes):
        """Codes int64 [B, k, S] → sound [B, 1, N]."""
        return self.model.decode(codes[None], [None]).audio_values

    def soft_decode(self, shares):
        """Probabilities [B, k, S, V] → sound [B, 1, N]."""
        vectors = torch.stack([layer.codebook.embed
                               for layer in self.model.quantizer.layers[: shares.shape[1]]])
        return self.model.decoder(torch.einsum("bksv,kvd->bds", shares.to(vectors.dtype), vectors))


def encoder(source: Source, device: str, dtype=None) -> Codec:
    """Loads whichever codec ``config.json`` names; the miniature always in float32 (its Fourier
    transforms want it).

    Raises:
        KlangfarbeError: a configuration or weights of another network.
    """
    config = artefacts.read(source.folder / "config.json")
    if config.get("model_type") == KIND:
        return Codec(source, _spectral(source, config).to(device), device)
    model = whole_model(EncodecModel, source,
                        dtype or torch.float32).to(device).eval().requires_grad_(False)
    return Codec(source, Encodec(model), device)


def _spectral(source: Source, config: dict):
    tensors = artefacts.read(source.folder / "model.safetensors")
    try:
        model = SpectralCodec(**{name: value for name,
                                 value in config.items() if name != "model_type"})
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (TypeError, ValueError, RuntimeError) as error:
        raise KlangfarbeError("a spectral codec's config.json and weights that fit it",
                              f"{source.folder}: {str(error).splitlines()[0][:120]}",
                              "use the folder that one training run wrote, whole") from error
    return model.eval().requires_grad_(False)


def _seen(tensor) -> str:
    finite = torch.is_tensor(tensor) and bool(torch.isfinite(tensor).all())
    return f"{tuple(tensor.shape)} of {tensor.dtype}" + ("" if finite else ", not finite")
