"""The bundled picture–text encoder, a tiny CLIP: ``python -m lib miniature image_text``.

Contrastive on (painting, what is said of it). The network is open_clip's own class (ModifiedResNet
for pictures, a causal transformer for text), saved in open_clip's hub layout, so that the bundled
folder and a published checkpoint load by one code path.

Source: Radford et al. (2021), figure 3.  Notebook: 05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from open_clip import ClipLoss
from open_clip.model import CLIP

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import paint, words
from lib.data.atelier.lexicon import SEEN
from lib.metrics import retrieval
from lib.recipes.bundling import (
    N_TEST,
    SEED,
    curve_means,
    emotion_alone,
    first_items,
    halved,
    mean,
    painted,
    texts_of,
    train_tokenizer,
    write,
)
from lib.recipes.text_audio import SPECIAL
from lib.training import loop

# the collection of image_text and captioner: no generator trains on it, nothing is tested on it
PICTURE_SEED, N_TRAIN, SIZE = 6, 8000, 64
AMONG, VERSIONS = 100, 10
MEAN, STD = (0.48, 0.45, 0.45), (0.27, 0.26, 0.27)  # of pixels in [0, 1]; CLIP's own, rounded


@dataclass(frozen=True)
class Config:
    """The tiny network and its training; ours (ViT-H/14 has 986 million parameters)."""

    image_size: int = 64
    stages: tuple[int, ...] = (1, 1, 1, 1)  # bottlenecks a stage; RN50 has 3, 4, 6, 3
    width: int = 16                         # of the first stage's inside; RN50 has 64
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 1000
    positions: int = 64     # tokens; the atelier's longest caption with its comment has 64
    projection: int = 128
    n_steps: int = 800
    batch_size: int = 64
    learning_rate: float = 2e-3
    p_caption: float = 0.3  # the caption alone,
    p_comment: float = 0.2  # the comment alone; else both
    shift: int = 4          # pixels a picture may be moved by; half of them are mirrored


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level BPE tokenizer without capitals (``<s>`` 0, ``<pad>`` 1, ``</s>`` 2)."""
    return train_tokenizer(texts, config.vocabulary, config.positions, "<s> $A </s>", SPECIAL,
                           lowercase=True)


def settings(n_words: int, config: Config = Config()) -> dict:
    """``model_cfg`` as open_clip's JSON files give it."""
    vision = {"image_size": config.image_size, "layers": list(config.stages), "width": config.width,
              "head_width": 32, "patch_size": None}
    text = {"context_length": config.positions, "vocab_size": n_words,
            "hf_tokenizer_name": "tokenizer.json beside this file", "width": config.text_width,
            "heads": config.text_heads, "layers": config.text_layers, "pool_type": "eos",
            "eos_id": 2, "pad_id": 1}
    return {"embed_dim": config.projection, "vision_cfg": vision, "text_cfg": text}


def build(n_words: int, config: Config = Config(), seed: int = 0) -> CLIP:
    """The untrained network."""
    torch.manual_seed(seed)
    return CLIP(**settings(n_words, config))


def save(folder: Path | str, model: CLIP, tokenizer, config: Config = Config(), *,
         curve: dict | None = None, key: str = "") -> None:
    """Writes open_clip's hub layout in half precision."""
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    write(folder, {"open_clip_config.json": {"model_cfg": settings(len(tokenizer), config),
                                             "preprocess_cfg": preprocess},
                   "open_clip_model.safetensors": halved(model), **(curve or {})}, key, [tokenizer])


def pixels(pictures: np.ndarray) -> torch.Tensor:
    """Pictures uint8 [N, H, W, 3] → float32 tensor [N, 3, H, W], scaled as the saved settings
    say.
    """
    scaled = (pictures.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


def augment(pictures: np.ndarray, rng: np.random.Generator, shift: int) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3], each shifted by up to `shift` pixels either way, its edge
    repeated, and mirrored half of the time.
    """
    height, width = pictures.shape[1:3]
    wide = np.pad(pictures, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
    offsets = rng.integers(0, 2 * shift + 1, (len(pictures), 2))
    mirrored = rng.random(len(pictures)) < 0.5
    cut = np.stack([picture[y : y + height, x : x + width]
                    for picture, (y, x) in zip(wide, offsets, strict=True)])
    return np.where(mirrored[:, None, None, None], cut[:, :, ::-1], cut)


def train(model: CLIP, tokenizer, pictures: np.ndarray, captions: Sequence[str],
          comments: Sequence[str], checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "") -> list[dict]:
    """Trains in place on pictures uint8 [N, size, size, 3] and returns the curve."""
    contrast = ClipLoss()

    def text_of(row, rng):
        which = rng.random()
        if which < config.p_caption:
            return captions[row]
        if which < config.p_caption + config.p_comment:
            return comments[row]
        return both(captions[row], comments[row])

    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), min(config.batch_size, len(pictures)),
                                  replace=False))
        seen = model.encode_image(pixels(augment(pictures[rows], rng, config.shift)),
                                  normalize=True)
        read = model.encode_text(tokens_of(tokenizer, [text_of(row, rng) for row in rows],
                                           config.positions), normalize=True)
        loss = contrast(seen, read, model.logit_scale.exp().clamp(max=100))
        found = (read.detach() @ seen.detach().T).argmax(1) == torch.arange(len(rows))
        return loss, {"loss": loss.item(), "found": found.float().mean().item()}

    return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key, weight_decay=0.05)


def both(caption: str, comment: str) -> str:
    """What is seen, then what is felt, as one text."""
    return f"{caption} {comment}"


def tokens_of(tokenizer, texts: Sequence[str], positions: int) -> torch.Tensor:
    """Tokens int64 [N, positions], padded or cut, as open_clip's own tokenizer gives them."""
    return tokenizer(list(texts), padding="max_length", truncation=True, max_length=positions,
                     return_tensors="pt").input_ids


def make() -> None:
    """The picture–text encoder: painting 3 minutes, training 15 on one core, resumable."""
    texts = texts_of(first_items(PICTURE_SEED, N_TRAIN))
    pictures, key = painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    captions, comments = texts["caption"], texts["comment"]
    words = tokenizer([both(*pair) for pair in zip(captions, comments, strict=True)])
    model = build(len(words), seed=SEED)
    curve = train(model, words, pictures, captions, comments,
                  paths.PROCESSED / "pictures" / "image_text.safetensors", seed=SEED, key=key)
    save("image_text", model, words, curve={"curves.csv": curve_means(curve)}, key=key)


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled encoder finds among held-out paintings: (table, hash of the pictures)."""
    return table(pretrained.load("image_text", device="cpu"))


def table(encoder, seed: int = atelier.TEST_SEED, n: int = N_TEST) -> tuple[pd.DataFrame, str]:
    """What an encoder finds among n (a multiple of 100) paintings of a collection.

    - ``…_r_at_1_of_100``: the right picture comes first for its caption, its comment, or both; and
      the right text for its picture. ``…_subject``: any picture of the caption's subject counts.
      Several of a hundred share a subject and a caption speaks of nothing else: `ceiling` is what
      a reader of captions could reach by knowing subjects.
    - ``subject_zero_shot``: the nearest of 32 subjects, each the mean of its phrases.
    - ``two_caption_rate``: the right text against another painting's.
    - ``emotion_alone_…``: one scene painted at ten points of the affect plane.

    Returns:
        (table ``measure, value, low, high, null, ceiling, n``, hash of the pictures).
    """
    items, (pictures, _) = first_items(seed, n), painted(seed, range(n), SIZE)
    subjects = np.array([list(SEEN).index(f.subject) for f in items])
    texts = {name: texts_of(items)[name] for name in ("caption", "comment")}
    texts["both"] = [both(*pair) for pair in zip(*texts.values(), strict=True)]
    seen = encoder.embed_pictures(pictures)
    read = {name: encoder.embed_text(said) for name, said in texts.items()}
    hundreds = [slice(i, i + AMONG) for i in range(0, n, AMONG)]
    counts = [np.unique(subjects[h], return_counts=True)[1] for h in hundreds]
    rows = []

    def add(measure: str, right, null: float, ceiling: float = np.nan) -> None:
        rows.append({"measure": measure, **mean(right), "null": null, "ceiling": ceiling})

    def ranks(queries, targets, groups=None):
        return pd.concat([retrieval.ranks(queries[h], targets[h],
                                          None if groups is None else groups[h]) for h in hundreds])

    for name, vectors in read.items():
        ceiling = np.mean([len(c) / AMONG for c in counts]) if name == "caption" else np.nan
        add(f"{name}_r_at_1_of_100", ranks(vectors, seen)["r_at_1"], 1 / AMONG, ceiling)
    add("both_r_at_10_of_100", ranks(read["both"], seen)["r_at_10"], 10 / AMONG)
    add("picture_to_both_r_at_1_of_100", ranks(seen, read["both"])["r_at_1"], 1 / AMONG)
    add("caption_r_at_1_of_100_subject", ranks(read["caption"], seen, subjects)["r_at_1"],
        np.mean([(c**2).sum() / AMONG**2 for c in counts]))
    rows += [{"measure": f"distinct_{name}_of_100", "n": n,
              "value": np.mean([len(set(of[h])) for h in hundreds])}
             for name, of in (("captions", texts["caption"]), ("subjects", subjects.tolist()))]
    names = np.stack([encoder.embed_text(list(phrases)).mean(0) for _, phrases in SEEN.values()])
    add("subject_zero_shot", (seen @ names.T).argmax(1) == subjects, 1 / len(SEEN))
    add("two_caption_rate", prefers_own_text(seen, read["both"]), 0.5)

    def cosines(items):
        return (encoder.embed_text([words.comment(f) for f in items])
                @ encoder.embed_pictures(np.stack([paint.paint(f, SIZE) for f in items])).T)

    points = np.random.default_rng(seed).uniform(-1, 1, (n // 4, VERSIONS, 2)).round(3)
    rows += emotion_alone(cosines, points, n)
    return pd.DataFrame(rows), provenance.content_hash(np.asarray(pictures), points)


def prefers_own_text(seen: np.ndarray, read: np.ndarray) -> np.ndarray:
    """For each picture whether its own text lies nearer than the next picture's, each text's mean
    over all pictures taken off: unit vectors [N, D] twice → bool [N].
    """
    cosine = np.asarray(seen, np.float64) @ np.asarray(read, np.float64).T  # [pictures, texts]
    cosine -= cosine.mean(axis=0)
    return np.diagonal(cosine) - np.diagonal(np.roll(cosine, -1, axis=1)) > 1e-9
