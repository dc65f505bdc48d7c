"""A picture autoencoder: 8 × 8 pixels ↔ one vector of latents, in whose space a diffusion model
paints on a laptop. Source: Rombach et al. (2022), §3.1; the network is diffusers' AutoencoderTiny,
whose published weights ("TAESD") have the same form.  Notebook: 33."""

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from lib.pretrained.loading import Pretrained, Source, load_own
from lib.signal import images

FACTOR, CHANNELS = 8, 4
AT_ONCE = 32


class PictureCodec(Pretrained):
    """An AutoencoderTiny with its card; latents have a variance of about 1."""

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        """Pictures uint8 [N, H, W, 3] → latents float32 [N, C, H/8, W/8], on the processor."""
        parts = [self._run(self.model.encoder, images.to_tensor(pictures[at : at + AT_ONCE]))
                 for at in range(0, len(pictures), AT_ONCE)]
        return torch.cat(parts) * self.model.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Latents [N, C, h, w] → pictures uint8 [N, 8·h, 8·w, 3]."""
        return np.concatenate([images.from_tensor(self._run(self.model.decoder, some))
                               for some in (latents / self.model.config.scaling_factor)
                               .split(AT_ONCE)])

    def _run(self, network: torch.nn.Module, some: torch.Tensor) -> torch.Tensor:
        return network(some.to(self.device)).cpu()


def load_picture_codec(source: Source, device: str, dtype=None) -> PictureCodec:
    """A folder's autoencoder, from its config.json and model.safetensors."""
    model = load_own(source, AutoencoderTiny.from_config, "picture autoencoder")
    return PictureCodec(source, model.to(device), device)
