"""The bundled captioner, a tiny BLIP: first its picture tower learns to tell subjects apart, then
its decoder to caption. All at once, it learns sentences before the tower sees anything.
Source: Li et al. (2022), BLIP, §3.1, §4.1.  Notebook: 03."""

import copy
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

from lib import pretrained
from lib.data.atelier import TEST_SEED
from lib.data.atelier.factors import SUBJECTS, draw
from lib.data.atelier.lexicon import FEELINGS, SEEN, STYLE_NAMES
from lib.pretrained.captioner import lead, lead_tokens
from lib.recipes import bundling, image_text
from lib.recipes.image_text import N_TRAIN, PICTURE_SEED, SIZE, augment, pixels
from lib.signal import affect
from lib.training import loop

ALL_SUBJECTS = [subject for group in SUBJECTS.values() for subject in group]  # style by style
# of TEST_SEED; the first 400 were looked at while the length of the first phase was chosen
TEST_ITEMS = range(400, 800)
POSITIONS = 64
# BLIP-large has 24 layers of 1,024 that see and 12 of 768 that say
VISION = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3,
          "num_attention_heads": 4, "image_size": SIZE, "patch_size": 8}
TEXT = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": POSITIONS}
STEPS = bundling.Steps(2000, 32, 1.5e-3)  # of the decoder
TOWER = bundling.Steps(2500, 64, 1e-3)    # of the picture tower
P_LED = 0.6       # led by a word: half by the picture's own, half by any
SMOOTHING = 0.05  # of the subjects' labels


def target_text(word: str | None, caption: str, feelings: tuple | list = ()) -> str:
    """What it learns to say: the caption, or led by a word, with two feelings that go with it."""
    if word is None:
        return caption
    return f"{lead(word)}: {caption} it feels {feelings[0]} and {feelings[1]}."


def tokenizer(captions: list[str], size: int = 700):
    """A tokenizer of all targets, without capitals."""
    led = [target_text(word, "", [f, f]) for word, group in feelings().items() for f in group]
    return image_text.tokenizer([*captions, *led], size)


def build(n_words: int, vision: dict = VISION, text: dict = TEXT,
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
        size={"height": side, "width": side}, image_mean=image_text.MEAN, image_std=image_text.STD)


def train_vision(model, pictures: np.ndarray, subjects: np.ndarray, steps=TOWER, *,
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


def train(model, tokenizer, pictures: np.ndarray, captions: list[str], own: list[str],
          steps: bundling.Steps = STEPS, **run) -> list[dict]:
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


def make() -> tuple:
    """The captioner: 4 minutes of one core for the tower, 3 for the decoder, both resumable."""
    items = bundling.first_items(PICTURE_SEED, N_TRAIN)
    texts = bundling.texts_of(items)
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    words = tokenizer(texts["caption"])
    model = build(len(words), seed=bundling.SEED)
    vision = train_vision(model, pictures, np.array([ALL_SUBJECTS.index(f.subject) for f in items]),
                          **bundling.run("captioner_eye", key))
    curve = train(model, words, pictures, texts["caption"], texts["emotion"],
                  **bundling.run("captioner", key))
    return {"curves_eye.csv": vision, "curves_words.csv": curve}, key, parts(model, words)


def feelings() -> dict[str, list[str]]:
    """The five emotion words, each with the lexicon's feelings that lie nearest to it."""
    words = {feeling: affect.emotion_word(v / 10, a / 10) for feeling, (v, a) in FEELINGS.items()}
    return {word: [f for f in words if words[f] == word] for word in affect.EMOTION_POINTS}


def measure(captioner=None, seed: int = TEST_SEED, indices: range = TEST_ITEMS) -> tuple:
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
