"""CLIP as an encoder of pictures and sentences: transformers' CLIPModel, or open_clip's networks
from their own folder.

Two layouts are read, told apart by their files: transformers' (``config.json``) and open_clip's
(``open_clip_config.json`` with ``open_clip_model.safetensors``); the bundled miniature is of the
second kind.

Notebook: 05.
"""

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import CLIPImageProcessorPil, CLIPModel

from lib.pretrained.loading import Pretrained, load_model, readable, tokenizer_of
from lib.pretrained.sources import Source


class ClipEncoder(Pretrained):
    """Pictures and sentences in one space; answers to lib.metrics.embedders.ImageEmbedder, with
    ``embed_text`` beside it. width: D.
    """

    def __init__(self, source: Source, model, encode_pictures, encode_texts, width: int,
                 device: str):
        super().__init__(source, model, device)
        self.width = width
        self._encode_pictures, self._encode_texts = encode_pictures, encode_texts

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → unit vectors float32 [N, D]; scaled and cropped as the
        checkpoint says.
        """
        return self._unit(self._encode_pictures, np.asarray(pictures))

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        return self._unit(self._encode_texts, list(texts))

    def _unit(self, encode, inputs) -> np.ndarray:
        with torch.inference_mode():
            return torch.nn.functional.normalize(encode(inputs).float(), dim=-1).cpu().numpy()


def encoder(source: Source, device: str, dtype=None) -> ClipEncoder:
    """Loads a CLIP from one folder, of transformers' or of open_clip's layout.

    open_clip's safetensors must be there: else it would unpickle a ``.bin``.
    """
    dtype = dtype or torch.float32
    with readable(source, "a CLIP's folder, whole"):
        if all((source.folder / name).is_file()
               for name in ("open_clip_config.json", "open_clip_model.safetensors")):
            return _open_clip(source, device, dtype)
        return _transformers(source, device, dtype)


def _transformers(source: Source, device: str, dtype) -> ClipEncoder:
    model = load_model(CLIPModel, source, device, dtype)
    with readable(source, "a CLIP's preprocessor_config.json"):
        processor = CLIPImageProcessorPil.from_pretrained(source.folder, local_files_only=True)
    tokenizer = tokenizer_of(source)

    def encode_pictures(pictures):
        pixels = processor(list(pictures), return_tensors="pt",
                           input_data_format="channels_last")["pixel_values"]
        return model.get_image_features(pixel_values=pixels.to(device, dtype)).pooler_output

    def encode_texts(texts):
        tokens = tokenizer(texts, padding=True, truncation=True,
                           max_length=model.config.text_config.max_position_embeddings,
                           return_tensors="pt", return_token_type_ids=False)
        return model.get_text_features(**tokens.to(device)).pooler_output

    return ClipEncoder(source, model, encode_pictures, encode_texts, model.config.projection_dim,
                       device)


def _open_clip(source: Source, device: str, dtype) -> ClipEncoder:
    here = f"local-dir:{source.folder}"
    model, transform = open_clip.create_model_from_pretrained(here, device=device)
    model, tokenizer = model.eval(), open_clip.get_tokenizer(here)
    if isinstance(model.visual, open_clip.modified_resnet.ModifiedResNet):
        fold_batch_norms(model.visual)
    model = model.to(dtype)

    def encode_pictures(pictures):
        pixels = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        return model.encode_image(pixels.to(device, dtype))

    def encode_texts(texts):
        return model.encode_text(tokenizer(texts).to(device))

    return ClipEncoder(source, model, encode_pictures, encode_texts, model.visual.output_dim,
                       device)


def fold_batch_norms(tower) -> None:
    """Folds the batch norms of an open_clip ResNet into the convolutions before them, in place, and
    drops pooling by 1; the vectors stay what they were to rounding, a tenth of the time goes.
    """
    blocks = [block for layer in (tower.layer1, tower.layer2, tower.layer3, tower.layer4)
              for block in layer]
    for part in (tower, *blocks):
        for k in (1, 2, 3):
            convolution, norm = getattr(part, f"conv{k}"), getattr(part, f"bn{k}")
            setattr(part, f"conv{k}", fuse_conv_bn_eval(convolution, norm))
            setattr(part, f"bn{k}", nn.Identity())
        if getattr(part, "downsample", None) is not None:
            pool, convolution, norm = part.downsample
            part.downsample = nn.Sequential(pool if pool.kernel_size > 1 else nn.Identity(),
                                            fuse_conv_bn_eval(convolution, norm))
