"""A U-Net conditioned on emotion: in each residual block of diffusers' UNet2DModel, time step and
emotion E give scale γ and shift β of the normalised map, H·(1 + γ(E)) + β(E): AdaIN with groups.
Source: Zhang §2.6 "Emotion Conditioning (AdaIN)"; Huang & Belongie (2017), eq. 8.  Notebook: 33."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import KlangfarbeError, checked
from lib.models.diffusers_parts import UNet2DModel


class EmotionUNet(nn.Module):
    """Noisy pictures or latents [B, C, H, W], time steps [B], affect [B, 2] → prediction
    [B, C, H, W]. `null`, "no emotion", is a ``"learned"`` vector, or ``"zero"``: (0, 0) sent
    through the MLP, as released. `patch` 2 folds 2×2 pixels into channels: about 4× faster."""
    def __init__(self, size: int, channels: tuple[int, ...], *, layers: int = 1,
                 attention_levels: int = 1, embedding: int = 256, null: str = "learned",
                 patch: int = 1, groups: int = 8, depth: int = 3):
        super().__init__()
        if size % (patch * 2 ** (len(channels) - 1)):
            raise KlangfarbeError(f"a size divisible by {patch * 2 ** (len(channels) - 1)}",
                                  str(size), "use fewer levels or another size")
        if null not in ("learned", "zero"):
            raise KlangfarbeError("null 'learned' or 'zero'", repr(null), "name one of them")
        plain, depth = len(channels) - attention_levels, depth * patch**2
        self.size, self.patch = size, patch
        self.unet = UNet2DModel(
            sample_size=size // patch, in_channels=depth, out_channels=depth,
            block_out_channels=tuple(channels), layers_per_block=layers, norm_num_groups=groups,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",) * attention_levels,
            up_block_types=("AttnUpBlock2D",) * attention_levels + ("UpBlock2D",) * plain,
            attention_head_dim=min(32, *channels), time_embedding_dim=embedding,
            resnet_time_scale_shift="scale_shift", class_embed_type="identity")
        self.emotion = nn.Sequential(nn.Linear(2, embedding), nn.SiLU(),
                                     nn.Linear(embedding, embedding))
        self.null = nn.Parameter(torch.zeros(embedding)) if null == "learned" else None

    def embed(self, affect: Tensor, is_null: Tensor | None = None) -> Tensor:
        """E [B, embedding] of affect [B, 2] in [−1, 1], the null's where `is_null` [B] (bool)."""
        checked(affect, "affect", ("B", 2), "give one row (valence, arousal) a picture")
        if is_null is None:
            return self.emotion(affect)
        if self.null is None:
            return self.emotion(affect.masked_fill(is_null[:, None], 0.0))
        return torch.where(is_null[:, None], self.null, self.emotion(affect))

    def forward(self, x: Tensor, t: Tensor, affect: Tensor,
                is_null: Tensor | None = None) -> Tensor:
        folded = F.pixel_unshuffle(x, self.patch)  # [B, C·patch², H/patch, W/patch]
        output = self.unet(folded, t, class_labels=self.embed(affect, is_null)).sample
        return F.pixel_shuffle(output, self.patch)

    @torch.no_grad()
    def emotion_from_null(self) -> None:
        """Lets every emotion begin as "no emotion": for fine-tuning a neutral network."""
        last: Any = self.emotion[-1]
        last.weight.zero_()
        last.bias.copy_(self.null)
