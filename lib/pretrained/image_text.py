"""CLIP as an encoder of pictures and sentences: transformers' CLIPModel, or open_clip's networks
from their own folder.

Two layouts are read, told apart by their files: transformers' (``config.json``) and open_clip's
(``open_clip_config.json`` with ``open_clip_model.safetensors``); the bundled miniature is of the
second kind.

Notebook: 05.
"""

from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import readable, whole_model
from lib.pretrained.sources import Source


class ClipEncoder:
    """Pictures and sentences in one space; answers to lib.metrics.embedders.ImageEmbedder, with
    ``embed_text`` beside it.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. width: D. model: the network.
    """

    def __init__(self, source: Source, model, see, read, width: int, device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.width, self.device = model, width, device
        self._see, self._read = see, read

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → unit vectors float32 [N, D]; scaled and cut by the
        checkpoint's own recipe (its middle square).
        """
        return self._unit(self._see, np.asarray(pictures))

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; what goes beyond the text tower's positions is
        cut off.
        """
        return self._unit(self._read, list(texts))

    def _unit(self, network, given) -> np.ndarray:
        with torch.inference_mode():
            return torch.nn.functional.normalize(network(given).float(), dim=-1).cpu().numpy()


def is_open_clip(folder: Path) -> bool:
    """Whether a folder holds open_clip's layout. Its safetensors must be there: else open_clip
    would unpickle a ``.bin``.
    """
    return all((folder / name).is_file()
               for name in ("open_clip_config.json", "open_clip_model.safetensors"))


def encoder(source: Source, device: str, dtype=None) -> ClipEncoder:
    """Loads a CLIP from one folder, without the network and without unpickling.

    Raises:
        KlangfarbeError: the folder holds another network, or weights that do not fit its
            configuration.
    """
    dtype = dtype or torch.float32
    try:
        if is_open_clip(source.folder):
            return _open_clip(source, device, dtype)
        return _transformers(source, device, dtype)
    except KlangfarbeError:
        raise
    # open_clip asserts widths
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise KlangfarbeError("a CLIP's folder, whole", f"{source.folder}: {type(error).__name__} {str(error).splitlines()[0][:120]}",
                              "use one checkpoint's files, all of them") from error


def _transformers(source: Source, device: str, dtype) -> ClipEncoder:
    model = whole_model(CLIPModel, source, dtype).to(device).eval()
    with readable(source, "a CLIP's preprocessor_config.json and tokenizer"):
        processor = CLIPImageProcessorPil.from_pretrained(source.folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)

    def see(pictures):
        pixels = processor(list(pictures), return_tensors="pt",
                           input_data_format="channels_last")["pixel_values"]
        return model.get_image_features(pixel_values=pixels.to(device, dtype)).pooler_output

    def read(texts):
        tokens = tokenizer(texts, padding=True, truncation=True,
                           max_length=model.config.text_config.max_position_embeddings,
                           return_tensors="pt", return_token_type_ids=False)
        return model.get_text_features(**tokens.to(device)).pooler_output

    return ClipEncoder(source, model, see, read, model.config.projection_dim, device)


def _open_clip(source: Source, device: str, dtype) -> ClipEncoder:
    here = f"local-dir:{source.folder}"
    model, transform = open_clip.create_model_from_pretrained(here, device=device)
    model, tokenizer = model.eval(), open_clip.get_tokenizer(here)
    if isinstance(model.visual, open_clip.modified_resnet.ModifiedResNet):
        folded(model.visual)
    model = model.to(dtype)

    def see(pictures):
        return model.encode_image(torch.stack([transform(Image.fromarray(p))
                                               for p in pictures]).to(device, dtype))

    def read(texts):
        return model.encode_text(tokenizer(texts).to(device))

    return ClipEncoder(source, model, see, read, model.visual.output_dim, device)


def folded(tower) -> None:
    """Folds the batch norms of an open_clip ResNet into the convolutions before them, in place, and
    drops pooling by 1.

    In evaluation both are one linear map, so the vectors stay what they were to rounding; a tenth
    of the time goes.
    """
    for part in (tower, *(block for layer in (tower.layer1, tower.layer2, tower.layer3,
                                              tower.layer4) for block in layer)):
        for k in (1, 2, 3):
            setattr(part, f"conv{k}", fuse_conv_bn_eval(getattr(part, f"conv{k}"),
                                                        getattr(part, f"bn{k}")))
            setattr(part, f"bn{k}", nn.Identity())
        if getattr(part, "downsample", None) is not None:
            pool, convolution, norm = part.downsample
            part.downsample = nn.Sequential(pool if pool.kernel_size > 1 else nn.Identity(),
                                            fuse_conv_bn_eval(convolution, norm))
