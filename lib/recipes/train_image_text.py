"""Training of the bundled picture–text encoder: a tiny CLIP of open_clip's own class, contrastive
on (painting, what is said of it).

The network is open_clip's (ModifiedResNet for pictures, a causal transformer for text), saved in
open_clip's hub layout, so that the bundled folder and a published checkpoint load by one code path.
Its data come in as arrays; the recipe that paints them is ``python -m lib miniature image_text``.
Notebook: 05.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from open_clip import ClipLoss
from open_clip.model import CLIP
from tokenizers import normalizers

from lib.core import artefacts, provenance
from lib.recipes import train_text_audio
from lib.training import fit

MEAN, STD = (0.48, 0.45, 0.45), (0.27, 0.26, 0.27)  # of pixels in [0, 1]; CLIP's own, rounded


@dataclass(frozen=True)
class Config:
    """The tiny network and how it was trained; ours, so there are no published values (ViT-H/14 has
    986 million parameters).
    """

    image_size: int = 64
    stages: tuple[int, ...] = (1, 1, 1, 1)  # bottlenecks a stage; RN50 has 3, 4, 6, 3
    width: int = 16                         # of the first stage's inside; RN50 has 64
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 1000
    # tokens; the atelier's longest caption with its comment has 64
    positions: int = 64
    projection: int = 128
    n_steps: int = 800
    batch_size: int = 64
    learning_rate: float = 2e-3
    # what is seen; else what is felt; else both, one after the other
    p_caption: float = 0.3
    p_comment: float = 0.2
    # pixels a picture may be moved by; half of them are mirrored
    shift: int = 4


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level BPE tokenizer trained on `texts` without capitals (``<s>`` 0, ``<pad>`` 1,
    ``</s>`` 2).
    """
    like = replace(train_text_audio.Config(), vocabulary=config.vocabulary,
                   positions=config.positions + 2)
    made = train_text_audio.tokenizer([text.lower() for text in texts], like)
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    return made


def settings(n_words: int, config: Config = Config()) -> dict:
    """``model_cfg`` as open_clip's JSON files give it."""
    vision = {"image_size": config.image_size, "layers": list(config.stages), "width": config.width,
              "head_width": 32, "patch_size": None}
    text = {"context_length": config.positions, "vocab_size": n_words,
            "hf_tokenizer_name": "tokenizer.json beside this file", "width": config.text_width,
            "heads": config.text_heads, "layers": config.text_layers, "pool_type": "eos",
            "eos_id": 2, "pad_id": 1}
    return {"embed_dim": config.projection, "vision_cfg": vision, "text_cfg": text}


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network: open_clip's CLIP."""
    torch.manual_seed(seed)
    made = settings(n_words, config)
    return CLIP(made["embed_dim"], made["vision_cfg"], made["text_cfg"])


def save(folder: Path, model, words, config: Config = Config()) -> list[Path]:
    """Writes open_clip's hub layout in half precision and returns the files: configuration,
    weights, tokenizer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    halved = {name: t.half() if t.is_floating_point() else t for name,
              t in model.state_dict().items()}
    words.save_pretrained(folder)
    tokens = [folder / "tokenizer.json", folder / "tokenizer_config.json"]
    for file in tokens:
        file.chmod(0o644)
    return [artefacts.write(folder / "open_clip_config.json",
                            {"model_cfg": settings(len(words), config),
                             "preprocess_cfg": preprocess}),
            artefacts.write(folder / "open_clip_model.safetensors", halved), *tokens]


def pixels(pictures: np.ndarray):
    """Pictures uint8 [N, H, W, 3] → float32 tensor [N, 3, H, W], centred and scaled as the saved
    recipe does.
    """
    scaled = (pictures.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


def moved(pictures: np.ndarray, rng: np.random.Generator, shift: int) -> np.ndarray:
    """Each picture shifted by up to `shift` pixels either way, its edge repeated, and mirrored half
    of the time: uint8 [N, H, W, 3].
    """
    height, width = pictures.shape[1:3]
    wide = np.pad(pictures, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
    places, mirrored = rng.integers(0, 2 * shift + 1,
                                    (len(pictures), 2)), rng.random(len(pictures)) < 0.5
    cut = np.stack([one[y : y + height, x : x + width] for one,
                    (y, x) in zip(wide, places, strict=True)])
    return np.where(mirrored[:, None, None, None], cut[:, :, ::-1], cut)


def train(model, words, pictures: np.ndarray, captions: Sequence[str], comments: Sequence[str],
          checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        model, words: CLIP and tokenizer. pictures: uint8 [N, size, size, 3]. captions, comments: a
            sentence or two a picture.
        key: hash of the data.

    Source: Radford et al. (2021), figure 3; the loss is open_clip's ClipLoss.
    """
    contrast = ClipLoss()

    def said_of(row, rng):
        which = rng.random()
        if which < config.p_caption:
            return captions[row]
        return comments[row] if which < config.p_caption + config.p_comment else both(captions[row],
                                                                                      comments[row])

    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), min(config.batch_size, len(pictures)),
                                  replace=False))
        seen = model.encode_image(pixels(moved(pictures[rows], rng, config.shift)), normalize=True)
        read = model.encode_text(tokens_of(words, [said_of(r, rng) for r in rows],
                                           config.positions), normalize=True)
        loss = contrast(seen, read, model.logit_scale.exp().clamp(max=100))
        found = (read.detach() @ seen.detach().T).argmax(1) == torch.arange(len(rows))
        return loss, {"loss": loss.item(), "found": found.float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed, weight_decay=0.05)


def both(caption: str, comment: str) -> str:
    """What is seen, then what is felt, as one text."""
    return f"{caption} {comment}"


def tokens_of(words, texts: Sequence[str], positions: int):
    """Tokens int64 [N, positions], padded or cut, as open_clip's own tokenizer class gives them."""
    return words(list(texts), padding="max_length", truncation=True, max_length=positions,
                 return_tensors="pt").input_ids
