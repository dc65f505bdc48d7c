"""The bundled picture–text encoder, a tiny CLIP of open_clip's own class, contrastive on (painting,
what is said of it).  Source: Radford et al. (2021), figure 3.  Notebook: 05."""

from functools import partial

import numpy as np
import torch
from open_clip import ClipLoss
from open_clip.model import CLIP

from lib import pretrained
from lib.data.atelier import TEST_SEED, paint, words
from lib.recipes import bundling
from lib.recipes.bundling import N_TEST, SEED, Steps
from lib.systems import stored
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
# ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2
tokenizer = partial(bundling.train_tokenizer, positions=POSITIONS, template="<s> $A </s>",
                    special=bundling.ROBERTA_SPECIAL, lowercase=True)
STEPS = Steps(800, 64, 2e-3)
P_CAPTION, P_COMMENT = 0.3, 0.2  # the caption alone, the comment alone; else both
SHIFT = 4  # pixels a picture may be moved by; half of them are mirrored


def settings(n_words: int, vision: dict = VISION, text: dict = TEXT, width: int = 128) -> dict:
    """``model_cfg`` as open_clip's JSON files give it; ``CLIP(**model_cfg)`` is the network."""
    return {"embed_dim": width, "vision_cfg": vision, "text_cfg": {**text, "vocab_size": n_words}}


def files(model: CLIP, model_cfg: dict) -> dict:
    """Settings and weights in open_clip's hub layout, in half precision."""
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    return {"open_clip_config.json": {"model_cfg": model_cfg, "preprocess_cfg": preprocess},
            "open_clip_model.safetensors": stored.half(model)}


def pixels(pictures: np.ndarray) -> torch.Tensor:
    """Pictures uint8 [N, H, W, 3] → float32 [N, 3, H, W], scaled as the saved settings say."""
    mean, std = np.array([MEAN, STD], np.float32)
    scaled = (pictures.astype(np.float32) / 255 - mean) / std
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


def augment(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3], shifted by up to ``SHIFT`` pixels, mirrored half of the time."""
    height, width = pictures.shape[1:3]
    wide = np.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    offsets = rng.integers(0, 2 * SHIFT + 1, (len(pictures), 2))
    mirrored = rng.random(len(pictures)) < 0.5
    cut = np.stack([picture[y : y + height, x : x + width]
                    for picture, (y, x) in zip(wide, offsets, strict=True)])
    return np.where(mirrored[:, None, None, None], cut[:, :, ::-1], cut)


def tokens_of(tokenizer, texts: list[str]) -> torch.Tensor:
    """Tokens int64 [N, POSITIONS], padded or cut, as open_clip's own tokenizer gives them."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=POSITIONS,
                     return_tensors="pt").input_ids


def train(model: CLIP, tokenizer, pictures: np.ndarray, captions: list[str], comments: list[str],
          steps: Steps = STEPS, **run) -> list[dict]:
    """Trains in place on pictures uint8 [N, size, size, 3] and returns the curve."""
    contrast = ClipLoss()
    def text_of(row, which):
        if which < P_CAPTION:
            return captions[row]
        both = which >= P_CAPTION + P_COMMENT
        return f"{captions[row]} {comments[row]}" if both else comments[row]
    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), steps.batch_size, replace=False))
        batch = pixels(augment(pictures[rows], rng))
        texts = [text_of(row, rng.random()) for row in rows]
        seen = model.encode_image(batch, normalize=True)
        read = model.encode_text(tokens_of(tokenizer, texts), normalize=True)
        loss = contrast(seen, read, model.logit_scale.exp().clamp(max=100))
        found = (read.detach() @ seen.detach().T).argmax(1) == torch.arange(len(rows))
        return loss, {"loss": loss.item(), "found": found.float().mean().item()}
    return loop.fit(model, loss_of, steps, weight_decay=0.05, **run)


def make() -> tuple:
    """The picture–text encoder: painting 3 minutes, training 15 on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(PICTURE_SEED, N_TRAIN))
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    vocabulary = tokenizer(map("{} {}".format, texts["caption"], texts["comment"]), 1000)
    torch.manual_seed(SEED)
    model = CLIP(**(model_cfg := settings(len(vocabulary))))
    curve = train(model, vocabulary, pictures, texts["caption"], texts["comment"],
                  **bundling.run("image_text", key))
    return {**files(model, model_cfg), "curves.csv": curve}, key, [vocabulary]


def measure() -> tuple:
    """What texts find among held-out paintings, and among one scene at ten points of affect."""
    encoder = pretrained.load("image_text", device="cpu")
    items = bundling.first_items(TEST_SEED, N_TEST)
    pictures, _ = bundling.painted(TEST_SEED, range(N_TEST), SIZE)
    texts = {name: bundling.texts_of(items)[name] for name in ("caption", "comment")}
    texts["both"] = list(map("{} {}".format, texts["caption"], texts["comment"]))
    seen = encoder.embed_pictures(pictures)
    rows = [bundling.retrieved(encoder.embed_text(said), seen, f"{name}_", [1])[0]
            for name, said in texts.items()]
    def cosines(items):
        return (encoder.embed_text([words.comment(f) for f in items])
                @ encoder.embed_pictures(np.stack([paint.paint(f, SIZE) for f in items])).T)
    points = np.random.default_rng(TEST_SEED).uniform(-1, 1, (N_TEST // 4, 10, 2)).round(3)
    return rows + bundling.emotion_alone(cosines, points), pictures, points
