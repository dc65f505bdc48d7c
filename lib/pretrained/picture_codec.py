"""A picture autoencoder: 8 × 8 pixels ↔ one vector of four latents, in whose space a diffusion
model paints on a laptop. Source: Rombach et al. (2022), §3.1; the network is diffusers'
AutoencoderDC (Chen et al. 2025), whose shortcuts average and repeat, so that it need not learn what
a mean colour is.  Notebook: 33."""

import numpy as np
import torch

from lib.models.diffusers_parts import AutoencoderDC
from lib.pretrained.loading import Pretrained, Source, load_own
from lib.signal import images

FACTOR, CHANNELS = 8, 4
AT_ONCE = 32


class PictureCodec(Pretrained):
    """An AutoencoderDC with its card; latents have a variance of about 1."""

    @torch.no_grad()
    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        """Pictures uint8 [N, H, W, 3] → latents float32 [N, C, H/8, W/8]."""
        parts = [self.model.encode(images.to_tensor(pictures[at : at + AT_ONCE])
                                   .to(self.device)).latent.cpu()
                 for at in range(0, len(pictures), AT_ONCE)]
        return torch.cat(parts) * self.model.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Latents [N, C, h, w] → pictures uint8 [N, 8·h, 8·w, 3]."""
        latents = latents.to(self.device) / self.model.config.scaling_factor
        return np.concatenate([images.from_tensor(self.model.decode(some).sample)
                               for some in latents.split(AT_ONCE)])


def load_picture_codec(source: Source, device: str, dtype=None) -> PictureCodec:
    """A folder's autoencoder, from its config.json and model.safetensors."""
    model = load_own(source, AutoencoderDC.from_config, "picture autoencoder")
    return PictureCodec(source, model.to(device), device)
