"""The bundled networks that see: a picture–text encoder, a tiny CLIP of open_clip's own class,
contrastive on (painting, what is said of it); and a captioner, a tiny BLIP: first its picture tower
learns to tell subjects apart, then its decoder to caption. All at once, it learns sentences before
the tower sees anything. Source: Radford et al. (2021), figure 3; Li et al. (2022), BLIP, §3.1,
§4.1.  Notebook: 03, 05."""

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from torch.nn.functional import cross_entropy
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

from lib import pretrained
from lib.data.atelier import TEST_SEED, paint, words
from lib.data.atelier.factors import SUBJECTS, draw
from lib.data.atelier.lexicon import FEELINGS, SEEN, STYLE_NAMES
from lib.pretrained.captioner import lead, lead_tokens
from lib.recipes import bundling
from lib.recipes.bundling import N_TEST, SEED, Steps
from lib.signal import affect
from lib.systems import stored
from lib.training import loop

# their collection: no generator trains on it, nothing is tested on it
PICTURE_SEED, N_TRAIN, SIZE = 6, 8000, 64
MEAN, STD = (0.48, 0.45, 0.45), (0.27, 0.26, 0.27)  # of pixels in [0, 1]; CLIP's own, rounded
POSITIONS = 64  # tokens; the atelier's longest caption with its comment has 64
# RN50 has 3, 4, 6 and 3 bottlenecks a stage, the first 64 wide
CLIP_VISION = {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32,
               "patch_size": None}
CLIP_TEXT = {"context_length": POSITIONS, "vocab_size": 1000,
             "hf_tokenizer_name": "tokenizer.json beside this file", "width": 128, "heads": 4,
             "layers": 2, "pool_type": "eos", "eos_id": 2, "pad_id": 1}
# ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2
clip_tokenizer = partial(bundling.train_tokenizer, positions=POSITIONS, template="<s> $A </s>",
                         special=bundling.ROBERTA_SPECIAL, lowercase=True)
CLIP_STEPS = Steps(800, 64, 2e-3)
P_CAPTION, P_COMMENT = 0.3, 0.2  # the caption alone, the comment alone; else both
SHIFT = 4  # pixels a picture may be moved by; half of them are mirrored
ALL_SUBJECTS = [subject for group in SUBJECTS.values() for subject in group]  # style by style
# of TEST_SEED; the first 400 were looked at while the length of the first phase was chosen
TEST_ITEMS = range(400, 800)
# BLIP-large has 24 layers of 1,024 that see and 12 of 768 that say
BLIP_VISION = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3,
               "num_attention_heads": 4, "image_size": SIZE, "patch_size": 8}
BLIP_TEXT = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
             "num_attention_heads": 4, "max_position_embeddings": POSITIONS}
BLIP_STEPS, TOWER_STEPS = Steps(2000, 32, 1.5e-3), Steps(2500, 64, 1e-3)
P_LED = 0.6       # led by a word: half by the picture's own, half by any
SMOOTHING = 0.05  # of the subjects' labels


def settings(n_words: int, vision: dict = CLIP_VISION, text: dict = CLIP_TEXT,
             width: int = 128) -> dict:
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


def train_clip(model: CLIP, tokenizer, pictures: np.ndarray, captions: list[str],
               comments: list[str], steps: Steps = CLIP_STEPS, **run) -> list[dict]:
    """Trains in place on pictures uint8 [N, size, size, 3] and returns the curve."""
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
        return bundling.contrastive_loss(read @ seen.T * model.logit_scale.exp().clamp(max=100))
    return loop.fit(model, loss_of, steps, weight_decay=0.05, **run)


def make_image_text() -> tuple:
    """The picture–text encoder: painting 3 minutes, training 15 on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(PICTURE_SEED, N_TRAIN))
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    vocabulary = clip_tokenizer(map("{} {}".format, texts["caption"], texts["comment"]), 1000)
    torch.manual_seed(SEED)
    model = CLIP(**(model_cfg := settings(len(vocabulary))))
    curve = train_clip(model, vocabulary, pictures, texts["caption"], texts["comment"],
                       **bundling.run("image_text", key))
    return {**files(model, model_cfg), "curves.csv": curve}, key, [vocabulary]


def measure_image_text() -> tuple:
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


def target_text(word: str | None, caption: str, feelings: tuple | list = ()) -> str:
    """What it learns to say: the caption, or led by a word, with two feelings that go with it."""
    if word is None:
        return caption
    return f"{lead(word)}: {caption} it feels {feelings[0]} and {feelings[1]}."


def blip_tokenizer(captions: list[str], size: int = 700):
    """A tokenizer of all targets, without capitals."""
    led = [target_text(word, "", [f, f]) for word, group in feelings().items() for f in group]
    return clip_tokenizer([*captions, *led], size)


def build_blip(n_words: int, vision: dict = BLIP_VISION, text: dict = BLIP_TEXT,
               seed: int = 0) -> BlipForConditionalGeneration:
    """The untrained network, input and output embeddings untied: no tensor is held twice."""
    torch.manual_seed(seed)
    # transformers' default initializer_range, 1e-10, is for weights that are loaded
    return BlipForConditionalGeneration(BlipConfig(
        vision_config={**vision, "initializer_range": 0.02}, tie_word_embeddings=False,
        text_config={"vocab_size": n_words, **text, "bos_token_id": 0, "pad_token_id": 1,
                     "eos_token_id": 2, "sep_token_id": 2, "tie_word_embeddings": False}))


def parts(model, tokenizer) -> tuple:
    """What is saved in the hub's layout, in half precision."""
    side = model.config.vision_config.image_size
    return copy.deepcopy(model).half(), tokenizer, BlipImageProcessorPil(
        size={"height": side, "width": side}, image_mean=MEAN, image_std=STD)


def train_vision(model, pictures: np.ndarray, subjects: np.ndarray, steps: Steps = TOWER_STEPS, *,
                 seed: int = 0, **run) -> list[dict]:
    """Trains the picture tower on pictures uint8 [N, H, W, 3] and subjects int [N]; a curve."""
    torch.manual_seed(seed)
    tower, labels = model.vision_model, torch.from_numpy(np.asarray(subjects, np.int64))
    head = torch.nn.Linear(tower.config.hidden_size, int(np.max(subjects)) + 1)
    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), steps.batch_size, replace=False))
        batch = pixels(augment(pictures[rows], rng))
        with loop.autocast("cpu"):
            logits = head(tower(pixel_values=batch).last_hidden_state.mean(1)).float()
        loss = cross_entropy(logits, labels[rows], label_smoothing=SMOOTHING)
        right = (logits.argmax(1) == labels[rows]).float().mean().item()
        return loss, {"loss": loss.item(), "right": right}
    return loop.fit(torch.nn.ModuleList([tower, head]), loss_of, steps, seed=seed,
                    weight_decay=0.05, **run)


def train_blip(model, tokenizer, pictures: np.ndarray, captions: list[str], own: list[str],
               steps: Steps = BLIP_STEPS, **run) -> list[dict]:
    """Trains the decoder, the tower frozen; `own`: each picture's emotion word; a curve."""
    felt, tower = feelings(), model.vision_model
    def example(row, rng) -> tuple[str | None, str]:
        if rng.random() >= P_LED:
            return None, captions[row]
        word = own[row] if rng.random() < 0.5 else list(felt)[rng.integers(len(felt))]
        # always in one order, else the likeliest is said twice
        two = np.sort(rng.permutation(len(felt[word]))[:2])
        return word, target_text(word, captions[row], [felt[word][k] for k in two])
    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), steps.batch_size, replace=False))
        ids, mask, labels = targets(tokenizer, [example(row, rng) for row in rows])
        with loop.autocast("cpu"):
            out = model(pixel_values=pixels(augment(pictures[rows], rng)),
                        input_ids=ids, attention_mask=mask, labels=labels)
        return bundling.token_loss(out, labels, shift=1)
    tower.requires_grad_(False)
    try:
        return loop.fit(model, loss_of, steps, weight_decay=0.05, **run)
    finally:
        tower.requires_grad_(True)


def targets(tokenizer, examples: list[tuple[str | None, str]]):
    """Tokens, mask, labels int64 [B, L] of (leading word, text); −100: padding, leading words."""
    tokens = tokenizer([text for _, text in examples], padding=True, truncation=True,
                       max_length=POSITIONS, return_tensors="pt", return_token_type_ids=False)
    labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
    for row, (word, _) in zip(labels, examples, strict=True):
        row[: len(lead_tokens(tokenizer, word)) - 1] = -100
    return tokens.input_ids, tokens.attention_mask, labels


def make_captioner() -> tuple:
    """The captioner: 4 minutes of one core for the tower, 3 for the decoder, both resumable."""
    items = bundling.first_items(PICTURE_SEED, N_TRAIN)
    texts = bundling.texts_of(items)
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    vocabulary = blip_tokenizer(texts["caption"])
    model = build_blip(len(vocabulary), seed=SEED)
    subjects = np.array([ALL_SUBJECTS.index(f.subject) for f in items])
    vision = train_vision(model, pictures, subjects, **bundling.run("captioner_eye", key))
    curve = train_blip(model, vocabulary, pictures, texts["caption"], texts["emotion"],
                       **bundling.run("captioner", key))
    return {"curves_eye.csv": vision, "curves_words.csv": curve}, key, parts(model, vocabulary)


def feelings() -> dict[str, list[str]]:
    """The five emotion words, each with the lexicon's feelings that lie nearest to it."""
    words = {feeling: affect.emotion_word(v / 10, a / 10) for feeling, (v, a) in FEELINGS.items()}
    return {word: [f for f in words if words[f] == word] for word in affect.EMOTION_POINTS}


def measure_captioner(captioner=None, seed: int = TEST_SEED, indices: range = TEST_ITEMS) -> tuple:
    """What a captioner says of paintings, unled and led by a word drawn without looking."""
    captioner = captioner or pretrained.load("captioner", device="cpu")
    items, felt = [draw(seed, i) for i in indices], feelings()
    pictures, own = bundling.painted(seed, indices, SIZE)[0], bundling.texts_of(items)["emotion"]
    drawn = np.random.default_rng(seed).integers(0, len(felt), len(items))
    asked, rows = [list(felt)[k] for k in drawn], []
    def add(measure: str, right, null: Any = np.nan) -> None:
        rows.append({"measure": measure, **bundling.share(right), "null": null})
    said = {"unled": captioner.caption(pictures), "led": captioner.caption(pictures, asked)}
    for way, texts in said.items():
        subjects, styles = zip(*map(named, texts), strict=True)
        for what, found, truth in (("subject", subjects, [f.subject for f in items]),
                                   ("manner", styles, [f.style for f in items])):
            add(f"{way}_{what}_named", [r == {t} for r, t in zip(found, truth, strict=True)],
                max(map(truth.count, truth)) / len(items))
    follows = [[len(spoken := spoken_feelings(text)) == 2 and set(spoken) <= set(felt[word])
                for text, word in zip(said["led"], words, strict=True)] for words in (asked, own)]
    add("led_feeling_follows", follows[0], np.mean(follows[1]))  # null: the painting's own word
    add("unled_feeling", [bool(spoken_feelings(text)) for text in said["unled"]])
    return rows, pictures


def named(text: str) -> tuple[set[str], set[str]]:
    """The subjects a caption names, and the styles that these and its names of styles belong to."""
    text = f" {text.lower()} "
    found = {subject for subject, (_, phrases) in SEEN.items()
             if any(phrase.lower() in text for phrase in phrases)}
    styles = {style for style, names in STYLE_NAMES.items() if any(name in text for name in names)}
    return found, styles | {style for style, group in SUBJECTS.items() if found & set(group)}


def spoken_feelings(text: str) -> list[str]:
    """The two feelings behind "it feels" in a caption, or an empty list."""
    _, mark, behind = text.rpartition(" it feels ")
    return [part.strip() for part in behind.rstrip(".").split(" and ")] if mark else []
