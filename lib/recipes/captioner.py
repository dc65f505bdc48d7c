"""The bundled captioner, a tiny BLIP: ``python -m lib miniature captioner``.

First the picture tower alone learns to tell subjects apart, as BLIP's own starts from a ViT trained
on ImageNet's labels; then the decoder learns to caption, the tower frozen. All at once, the decoder
learns the sentences before the tower sees anything.  Source: Li et al. (2022), BLIP, §3.1, §4.1.
Notebook: 03.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED
from lib.data.atelier.factors import SUBJECTS, draw
from lib.data.atelier.lexicon import FEELINGS, SEEN, STYLE_NAMES
from lib.pretrained.captioner import lead, lead_tokens
from lib.recipes import bundling
from lib.recipes.bundling import ROBERTA_SPECIAL, SEED
from lib.recipes.image_text import MEAN, N_TRAIN, PICTURE_SEED, SIZE, STD, augment, pixels
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


@dataclass(frozen=True)
class Config:
    """How the decoder was trained; ours."""
    n_steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    p_led: float = 0.6       # led by a word: half by the picture's own, half by any
    smoothing: float = 0.05  # of the subjects' labels
    shift: int = 4           # pixels a picture may be moved by; half of them are mirrored
    bfloat16: bool = True


TOWER = Config(n_steps=2500, batch_size=64, learning_rate=1e-3)  # how the picture tower was


def target_text(word: str | None, caption: str, feelings: tuple | list = ()) -> str:
    """What the captioner learns to say: the caption; led by a word, the word before it and two
    feelings that go with it behind.
    """
    if word is None:
        return caption
    return f"{lead(word)}: {caption} it feels {feelings[0]} and {feelings[1]}."


def tokenizer(captions: list[str], feelings: dict[str, list[str]], vocabulary: int = 700):
    """A byte-level BPE tokenizer of all targets, without capitals."""
    led = [target_text(word, "", [f, f]) for word, group in feelings.items() for f in group]
    return bundling.train_tokenizer([*captions, *led], vocabulary, POSITIONS, "<s> $A </s>",
                                    ROBERTA_SPECIAL, lowercase=True)


def build(n_words: int, vision: dict = VISION, text: dict = TEXT,
          seed: int = 0) -> BlipForConditionalGeneration:
    """The untrained network, input and output embeddings untied: no tensor is held twice."""
    torch.manual_seed(seed)
    # transformers' default initializer_range, 1e-10, is for weights that are loaded
    return BlipForConditionalGeneration(BlipConfig(
        vision_config={**vision, "initializer_range": 0.02}, tie_word_embeddings=False,
        text_config={"vocab_size": n_words, **text, "bos_token_id": 0, "pad_token_id": 1,
                     "eos_token_id": 2, "sep_token_id": 2, "tie_word_embeddings": False}))


def save(folder: Path | str, model, tokenizer, curves: dict, key: str = "") -> None:
    """Writes the hub's layout in half precision."""
    side = model.config.vision_config.image_size
    processor = BlipImageProcessorPil(size={"height": side, "width": side}, image_mean=MEAN,
                                      image_std=STD)
    bundling.write(folder, curves, key, (copy.deepcopy(model).half(), processor, tokenizer))


def train_vision(model, pictures: np.ndarray, subjects: np.ndarray, checkpoint: Path,
                 config: Config = TOWER, *, seed: int = 0, key: str = "") -> list[dict]:
    """Trains the picture tower in place on pictures uint8 [N, size, size, 3] and what each shows,
    integers [N] from 0, with a linear head that is dropped afterwards; returns the curve.
    """
    torch.manual_seed(seed)
    tower, labels = model.vision_model, torch.from_numpy(np.asarray(subjects, np.int64))
    head = torch.nn.Linear(tower.config.hidden_size, int(np.max(subjects)) + 1)

    def loss_of(rng):
        rows = np.sort(bundling.draw_rows(rng, len(pictures), config.batch_size))
        batch = pixels(augment(pictures[rows], rng, config.shift))
        with loop.autocast("cpu", config.bfloat16):
            logits = head(tower(pixel_values=batch).last_hidden_state.mean(1)).float()
        loss = torch.nn.functional.cross_entropy(logits, labels[rows],
                                                 label_smoothing=config.smoothing)
        right = (logits.argmax(1) == labels[rows]).float().mean().item()
        return loss, {"loss": loss.item(), "right": right}

    return loop.fit(torch.nn.ModuleList([tower, head]), loss_of, config, checkpoint, seed=seed,
                    key=key, weight_decay=0.05)


def train(model, tokenizer, pictures: np.ndarray, captions: list[str], own: list[str],
          feelings: dict[str, list[str]], checkpoint: Path, config: Config = Config(),
          **run) -> list[dict]:
    """Trains the decoder in place, the picture tower frozen, and returns the curve. `own`: each
    picture's emotion word; `feelings`: emotion word → at least two feelings that go with it.
    """
    names, tower = list(feelings), model.vision_model

    def example(row, rng) -> tuple[str | None, str]:
        if rng.random() >= config.p_led:
            return None, captions[row]
        word = own[row] if rng.random() < 0.5 else names[rng.integers(len(names))]
        # always in one order, else the likeliest is said twice
        two = np.sort(rng.permutation(len(feelings[word]))[:2])
        return word, target_text(word, captions[row], [feelings[word][k] for k in two])

    def loss_of(rng):
        rows = np.sort(bundling.draw_rows(rng, len(pictures), config.batch_size))
        ids, mask, labels = targets(tokenizer, [example(row, rng) for row in rows])
        with loop.autocast("cpu", config.bfloat16):
            out = model(pixel_values=pixels(augment(pictures[rows], rng, config.shift)),
                        input_ids=ids, attention_mask=mask, labels=labels)
        return bundling.token_loss(out, labels, shift=1)

    tower.requires_grad_(False)
    try:
        return loop.fit(model, loss_of, config, checkpoint, weight_decay=0.05, **run)
    finally:
        tower.requires_grad_(True)


def targets(tokenizer, examples: list[tuple[str | None, str]]):
    """Tokens, mask and labels int64 [B, L] of (leading word, text); labels are −100 where nothing
    is to be learned: padding, the start, the leading words.
    """
    tokens = tokenizer([text for _, text in examples], padding=True, truncation=True,
                       max_length=POSITIONS, return_tensors="pt", return_token_type_ids=False)
    labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
    for row, (word, _) in zip(labels, examples, strict=True):
        row[: len(lead_tokens(tokenizer, word)) - 1] = -100
    return tokens.input_ids, tokens.attention_mask, labels


def make() -> None:
    """The captioner: 4 minutes of one core for the tower, 3 for the decoder, both resumable."""
    items = bundling.first_items(PICTURE_SEED, N_TRAIN)
    texts, felt = bundling.texts_of(items), feelings()
    pictures, key = bundling.painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    vocabulary = tokenizer(texts["caption"], felt)
    model = build(len(vocabulary), seed=SEED)
    vision = train_vision(model, pictures, np.array([ALL_SUBJECTS.index(f.subject) for f in items]),
                          bundling.checkpoint("captioner_eye"), seed=SEED, key=key)
    curve = train(model, vocabulary, pictures, texts["caption"], texts["emotion"], felt,
                  bundling.checkpoint("captioner"), seed=SEED, key=key)
    save("captioner", model, vocabulary, {"curves_eye.csv": vision, "curves_words.csv": curve}, key)


def feelings() -> dict[str, list[str]]:
    """The five emotion words, each with the lexicon's feelings that lie nearest to it."""
    return {word: [feeling for feeling, (v, a) in FEELINGS.items()
                   if affect.emotion_word(v / 10, a / 10) == word]
            for word in affect.EMOTION_POINTS}


def measure(captioner=None, seed: int = TEST_SEED,
            indices: range = TEST_ITEMS) -> tuple[pd.DataFrame, str]:
    """What a captioner (default: the bundled one) says of held-out paintings, led by nothing
    ("unled") and by a word drawn without looking ("led"): (table, hash of the pictures).

    - ``…_named``: it names the right one of 32 subjects (8 styles) and no other.
    - ``led_feeling_follows``: both feelings it names lie nearest to the word that led it; `null`:
      to the painting's own word. ``led_form``: it goes on from its lead and ends with two different
      feelings. ``unled_feeling``: it names a feeling though nobody asked.
    """
    captioner = captioner or pretrained.load("captioner", device="cpu")
    n, items, felt = len(indices), [draw(seed, i) for i in indices], feelings()
    pictures, own = bundling.painted(seed, indices, SIZE)[0], bundling.texts_of(items)["emotion"]
    asked = [list(felt)[k] for k in np.random.default_rng(seed).integers(0, len(felt), n)]
    unled, led = captioner.caption(pictures), captioner.caption(pictures, asked)
    rows = []

    def add(measure: str, right, null=np.nan) -> None:
        rows.append({"measure": measure, **bundling.share(right), "null": null})

    for way, texts in (("unled", unled), ("led", led)):
        read = list(zip(*map(named, texts), strict=True))
        for what, found, truth in (("subject", read[0], [f.subject for f in items]),
                                   ("manner", read[1], [f.style for f in items])):
            add(f"{way}_{what}_named", [r == {t} for r, t in zip(found, truth, strict=True)],
                max(map(truth.count, truth)) / n)
    spoken = [spoken_feelings(text) for text in led]
    follows = [[len(s) == 2 and set(s) <= set(felt[word])
                for s, word in zip(spoken, wanted, strict=True)] for wanted in (asked, own)]
    add("led_feeling_follows", follows[0], np.mean(follows[1]))
    add("led_form", [text.startswith(f"{lead(word)}: ") and text.endswith(".") and len(set(s)) == 2
                     for text, word, s in zip(led, asked, spoken, strict=True)])
    add("unled_feeling", [bool(spoken_feelings(text)) for text in unled])
    return pd.DataFrame(rows), provenance.content_hash(np.asarray(pictures))


def named(text: str) -> tuple[set[str], set[str]]:
    """The subjects whose phrases a caption holds, and the styles that these and its names of styles
    belong to.
    """
    text = f" {text.lower()} "
    found = {subject for subject, (_, phrases) in SEEN.items()
             if any(phrase.lower() in text for phrase in phrases)}
    styles = {style for style, names in STYLE_NAMES.items() if any(name in text for name in names)}
    return found, styles | {style for style, group in SUBJECTS.items() if found & set(group)}


def spoken_feelings(text: str) -> list[str]:
    """The two feelings behind "it feels" in a caption, or an empty list."""
    _, mark, behind = text.rpartition(" it feels ")
    return [part.strip() for part in behind.rstrip(".").split(" and ")] if mark else []
