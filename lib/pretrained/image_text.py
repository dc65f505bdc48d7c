"""CLIP as an encoder of pictures and sentences: transformers' CLIPModel (``config.json``), or
open_clip's networks (``open_clip_config.json`` with ``open_clip_model.safetensors``), as bundled.
Notebook: 05."""

from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

from lib.pretrained import loading
from lib.pretrained.loading import Pretrained, Source, load_model, readable


class ClipEncoder(Pretrained):
    """An encoder of pictures and of sentences (lib.metrics.embedders)."""
    def __init__(self, source: Source, model, device: str, encode_pictures, encode_texts,
                 width: int):
        super().__init__(source, model, device, width=width)
        self.encode_pictures, self.encode_texts = encode_pictures, encode_texts

    @torch.inference_mode()
    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → unit vectors float32 [N, D]."""
        vectors = self.encode_pictures(np.asarray(pictures)).float()
        return nn.functional.normalize(vectors, dim=-1).cpu().numpy()

    @torch.inference_mode()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        vectors = self.encode_texts(list(texts)).float()
        return nn.functional.normalize(vectors, dim=-1).cpu().numpy()


def load_image_text(source: Source, device: str, dtype=None) -> ClipEncoder:
    """A folder's CLIP, of either layout."""
    # open_clip's safetensors must be there: else it would unpickle a .bin
    own = all((source.folder / name).is_file()
              for name in ("open_clip_config.json", "open_clip_model.safetensors"))
    with readable(source, "a CLIP's folder, whole"):
        return (_open_clip if own else _transformers)(source, device, dtype or torch.float32)


def _transformers(source: Source, device: str, dtype) -> ClipEncoder:
    model = load_model(CLIPModel, source, device, dtype)
    processor = loading.read(CLIPImageProcessorPil, source, "a CLIP's preprocessor_config.json")
    tokenizer, longest = loading.read(AutoTokenizer, source), model.config.text_config
    def encode_pictures(pictures):
        pixels = loading.pixels_of(processor, pictures).to(device, dtype)
        return model.get_image_features(pixel_values=pixels).pooler_output
    def encode_texts(texts):
        tokens = loading.tokens_of(tokenizer, texts, longest.max_position_embeddings)
        return model.get_text_features(**tokens.to(device)).pooler_output
    return ClipEncoder(source, model, device, encode_pictures, encode_texts,
                       model.config.projection_dim)


def _open_clip(source: Source, device: str, dtype) -> ClipEncoder:
    here = f"local-dir:{source.folder}"
    made: Any = open_clip.create_model_from_pretrained(here, device=device)
    model, transform = made
    model, tokenizer = model.eval(), open_clip.get_tokenizer(here)
    if hasattr(model.visual, "layer1"):  # a ResNet
        fold_batch_norms(model.visual)
    model = model.to(dtype)
    def encode_pictures(pictures):
        pixels = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        return model.encode_image(pixels.to(device, dtype))
    return ClipEncoder(source, model, device, encode_pictures,
                       lambda texts: model.encode_text(tokenizer(texts).to(device)),
                       model.visual.output_dim)


def fold_batch_norms(tower) -> None:
    """Folds an open_clip ResNet's batch norms into its convolutions: a tenth of the time goes."""
    for part in (tower, *tower.layer1, *tower.layer2, *tower.layer3, *tower.layer4):
        for k in (1, 2, 3):
            convolution, norm = getattr(part, f"conv{k}"), getattr(part, f"bn{k}")
            setattr(part, f"conv{k}", fuse_conv_bn_eval(convolution, norm))
            setattr(part, f"bn{k}", nn.Identity())
        if getattr(part, "downsample", None) is not None:
            pool, convolution, norm = part.downsample
            part.downsample = nn.Sequential(pool if pool.kernel_size > 1 else nn.Identity(),
                                            fuse_conv_bn_eval(convolution, norm))
