"""The bundled picture–text encoder, a tiny CLIP: ``python -m lib miniature image_text``.

Contrastive on (painting, what is said of it): open_clip's own class (ModifiedResNet for pictures, a
causal transformer for text) in its hub layout.  Source: Radford et al. (2021), figure 3.
Notebook: 05.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from open_clip import ClipLoss
from open_clip.model import CLIP

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED, paint, words
from lib.data.atelier.lexicon import SEEN
from lib.recipes import bundling
from lib.recipes.bundling import AMONG, N_TEST, ROBERTA_SPECIAL, SEED
from lib.training import loop

# the collection of image_text and captioner: no generator trains on it, nothing is tested on it
PICTURE_SEED, N_TRAIN, SIZE = 6, 8000, 64
MEAN, STD = (0.48, 0.45, 0.45), (0.27, 0.26, 0.27)  # of pixels in [0, 1]; CLIP's own, rounded
POSITIONS = 64  # tokens; the atelier's longest caption with its comment has 64
# RN50 has 3, 4, 6 and 3 bottlenecks a stage, the first 64 wide
VISION = {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32,
          "patch_size": None}
TEXT = {"context_length": POSITIONS, "vocab_size": 1000,
        "hf_tokenizer_name": "tokenizer.json beside this file", "width": 128, "heads": 4,
        "layers": 2, "pool_type": "eos", "eos_id": 2, "pad_id": 1}


@dataclass(frozen=True)
class Config:
    """How it was trained; ours."""
    n_steps: int = 800
    batch_size: int = 64
    learning_rate: float = 2e-3
    p_caption: float = 0.3  # the caption alone,
    p_comment: float = 0.2  # the comment alone; else both
    shift: int = 4          # pixels a picture may be moved by; half of them are mirrored


def tokenizer(texts: list[str], vocabulary: int = TEXT["vocab_size"]):
    """A byte-level BPE tokenizer without capitals (``<s>`` 0, ``<pad>`` 1, ``</s>`` 2)."""
    return bundling.train_tokenizer(texts, vocabulary, POSITIONS, "<s> $A </s>", ROBERTA_SPECIAL,
                                    lowercase=True)


def settings(n_words: int, vision: dict = VISION, text: dict = TEXT, width: int = 128) -> dict:
    """``model_cfg`` as open_clip's JSON files give it; ``CLIP(**model_cfg)`` is the network."""
    return {"embed_dim": width, "vision_cfg": vision, "text_cfg": {**text, "vocab_size": n_words}}


def save(folder: Path | str, model: CLIP, tokenizer, model_cfg: dict, curves: dict,
         key: str = "") -> None:
    """Writes open_clip's hub layout in half precision."""
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
    bundling.write(folder, {"open_clip_config.json": config, **curves,
                            "open_clip_model.safetensors": bundling.halved(model)}, key,
                   [tokenizer])


def pixels(pictures: np.ndarray) -> torch.Tensor:
    """Pictures uint8 [N, H, W, 3] → float32 [N, 3, H, W], scaled as the saved settings say."""
    mean, std = np.array([MEAN, STD], np.float32)
    scaled = (pictures.astype(np.float32) / 255 - mean) / std
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


def tokens_of(tokenizer, texts: list[str]) -> torch.Tensor:
    """Tokens int64 [N, POSITIONS], padded or cut, as open_clip's own tokenizer gives them."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=POSITIONS,
                     return_tensors="pt").input_ids


def train(model: CLIP, tokenizer, pictures: np.ndarray, captions: list[str], comments: list[str],
          checkpoint: Path, config: Config = Config(), **run) -> list[dict]:
    """Trains in place on pictures uint8 [N, size, size, 3] and returns the curve."""
    contrast = ClipLoss()

    def text_of(row, which):
        if which < config.p_caption:
            return captions[row]
        if which < config.p_caption + config.p_comment:
            return comments[row]
        return f"{captions[row]} {comments[row]}"

    def loss_of(rng):
        rows = np.sort(bundling.draw_rows(rng, len(pictures), config.batch_size))
        batch = pixels(augment(pictures[rows], rng, config.shift))
        texts = [text_of(row, rng.random()) for row in rows]
        seen = model.encode_image(batch, normalize=True)
        read = model.encode_text(tokens_of(tokenizer, texts), normalize=True)
        loss = contrast(seen, read, model.logit_scale.exp().clamp(max=100))
        found = (read.detach() @ seen.detach().T).argmax(1) == torch.arange(len(rows))
        return loss, {"loss": loss.item(), "found": found.float().mean().item()}

    return loop.fit(model, loss_of, config, checkpoint, weight_decay=0.05, **run)


def make() -> None:
    """The picture–text encoder: painting 3 minutes, training 15 on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(PICTURE_SEED, N_TRAIN))
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    vocabulary = tokenizer(list(map("{} {}".format, texts["caption"], texts["comment"])))
    torch.manual_seed(SEED)
    model = CLIP(**(model_cfg := settings(len(vocabulary))))
    curve = train(model, vocabulary, pictures, texts["caption"], texts["comment"],
                  bundling.checkpoint("image_text"), seed=SEED, key=key)
    save("image_text", model, vocabulary, model_cfg, {"curves.csv": curve}, key)


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled encoder finds among held-out paintings: (table, hash of the pictures).

    - ``…_subject``: any picture of the caption's subject counts; a caption speaks of nothing else:
      `ceiling` is what knowing subjects could reach.
    - ``subject_zero_shot``: the nearest of 32 subjects, each the mean of its phrases.
    - ``two_caption_rate``: the right text against another painting's, each text's mean over all
      pictures taken off. ``emotion_alone_…``: one scene painted at ten points of the affect plane.
    """
    encoder = pretrained.load("image_text", device="cpu")
    items = bundling.first_items(TEST_SEED, N_TEST)
    pictures, _ = bundling.painted(TEST_SEED, range(N_TEST), SIZE)
    subjects = np.array([list(SEEN).index(f.subject) for f in items])
    texts = {name: bundling.texts_of(items)[name] for name in ("caption", "comment")}
    texts["both"] = list(map("{} {}".format, texts["caption"], texts["comment"]))
    seen = encoder.embed_pictures(pictures)
    read = {name: encoder.embed_text(said) for name, said in texts.items()}
    hundreds = [slice(at, at + AMONG) for at in range(0, N_TEST, AMONG)]
    counts = [np.unique(subjects[h], return_counts=True)[1] for h in hundreds]
    rows = []

    def add(measure: str, right, null, ceiling=np.nan) -> None:
        rows.append({"measure": measure, **bundling.mean(right), "null": null, "ceiling": ceiling})

    for name, vectors in read.items():
        ceiling = np.mean([len(c) / AMONG for c in counts]) if name == "caption" else np.nan
        add(f"{name}_r_at_1_of_100", bundling.ranks_among(vectors, seen)["r_at_1"], 1 / AMONG,
            ceiling)
    add("both_r_at_10_of_100", bundling.ranks_among(read["both"], seen)["r_at_10"], 10 / AMONG)
    add("picture_to_both_r_at_1_of_100", bundling.ranks_among(seen, read["both"])["r_at_1"],
        1 / AMONG)
    add("caption_r_at_1_of_100_subject",
        bundling.ranks_among(read["caption"], seen, subjects)["r_at_1"],
        np.mean([(c**2).sum() / AMONG**2 for c in counts]))
    rows += [{"measure": f"distinct_{name}_of_100", "n": N_TEST,
              "value": np.mean([len(set(of[h])) for h in hundreds])}
             for name, of in (("captions", texts["caption"]), ("subjects", subjects.tolist()))]
    names = np.stack([encoder.embed_text(list(phrases)).mean(0) for _, phrases in SEEN.values()])
    add("subject_zero_shot", (seen @ names.T).argmax(1) == subjects, 1 / len(SEEN))
    cosine = np.asarray(seen, np.float64) @ np.asarray(read["both"], np.float64).T
    cosine -= cosine.mean(axis=0)  # [pictures, texts]
    own, other = np.diagonal(cosine), np.diagonal(np.roll(cosine, -1, axis=1))
    add("two_caption_rate", own - other > 1e-9, 0.5)

    def cosines(items):
        return (encoder.embed_text([words.comment(f) for f in items])
                @ encoder.embed_pictures(np.stack([paint.paint(f, SIZE) for f in items])).T)

    points = np.random.default_rng(TEST_SEED).uniform(-1, 1, (N_TEST // 4, 10, 2)).round(3)
    rows += bundling.emotion_alone(cosines, points)
    return pd.DataFrame(rows), provenance.content_hash(np.asarray(pictures), points)
