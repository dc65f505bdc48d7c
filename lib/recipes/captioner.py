"""The bundled captioner, a tiny BLIP: ``python -m lib miniature captioner``.

Two phases. First the picture tower alone learns to tell subjects apart (:func:`train_vision`), as
BLIP's own starts from a ViT trained on ImageNet's labels. Then the decoder learns to caption, the
tower frozen (:func:`train`). Trained all at once, the decoder learns the sentences before the tower
sees anything. The network is transformers' own, so that the bundled folder and a published
checkpoint load by one code path.

Source: Li et al. (2022), BLIP, §3.1 and §4.1.  Notebook: 03.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier.factors import STYLES, SUBJECTS, draw
from lib.data.atelier.lexicon import FEELINGS, SEEN, STYLE_NAMES
from lib.pretrained.captioner import lead, lead_tokens
from lib.recipes.bundling import (
    SEED,
    curve_means,
    first_items,
    painted,
    share,
    texts_of,
    train_tokenizer,
    write,
)
from lib.recipes.image_text import MEAN, N_TRAIN, PICTURE_SEED, SIZE, STD, augment, pixels
from lib.recipes.text_audio import SPECIAL
from lib.signal import affect
from lib.training import loop

# of TEST_SEED; the first 400 were looked at while the length of the first phase was chosen
TEST_ITEMS = range(400, 800)


@dataclass(frozen=True)
class Vision:
    """The picture tower and its training; ours (BLIP-large has 24 layers of 1,024)."""

    image_size: int = 64
    patch: int = 8
    width: int = 128
    layers: int = 3
    heads: int = 4
    n_steps: int = 2500
    batch_size: int = 64
    learning_rate: float = 1e-3
    smoothing: float = 0.05     # of the labels
    shift: int = 4              # pixels a picture may be moved by; half of them are mirrored
    bfloat16: bool = True


@dataclass(frozen=True)
class Config:
    """The tiny network and its training; ours (BLIP's decoder has 12 layers of 768)."""

    vision: Vision = Vision()
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 700
    positions: int = 64
    n_steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    p_led: float = 0.6  # led by a word: half by the picture's own, half by any


def target_text(word: str | None, caption: str, feelings: Sequence[str] = ()) -> str:
    """What the captioner learns to say: the caption; led by a word, the word before it and two
    feelings that go with it behind.
    """
    if word is None:
        return caption
    return f"{lead(word)}: {caption} it feels {feelings[0]} and {feelings[1]}."


def tokenizer(captions: Sequence[str], feelings: Mapping[str, Sequence[str]],
              config: Config = Config()):
    """A byte-level BPE tokenizer of all targets, without capitals (``<s>`` 0, ``<pad>`` 1,
    ``</s>`` 2).
    """
    led = [target_text(word, "", [f, f]) for word, group in feelings.items() for f in group]
    return train_tokenizer([*captions, *led], config.vocabulary, config.positions, "<s> $A </s>",
                           SPECIAL, lowercase=True)


def build(n_words: int, config: Config = Config(), seed: int = 0) -> BlipForConditionalGeneration:
    """The untrained network, input and output embeddings untied (a checkpoint then holds no tensor
    twice).
    """
    torch.manual_seed(seed)
    tower = config.vision
    # transformers' default initializer_range, 1e-10, is for weights that are loaded
    vision = {"hidden_size": tower.width, "intermediate_size": 3 * tower.width,
              "num_hidden_layers": tower.layers, "num_attention_heads": tower.heads,
              "image_size": tower.image_size, "patch_size": tower.patch, "initializer_range": 0.02}
    text = {"vocab_size": n_words, "hidden_size": config.text_width,
            "intermediate_size": 2 * config.text_width, "num_hidden_layers": config.text_layers,
            "num_attention_heads": config.text_heads, "max_position_embeddings": config.positions,
            "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
            "tie_word_embeddings": False}
    return BlipForConditionalGeneration(BlipConfig(vision_config=vision, text_config=text,
                                                   tie_word_embeddings=False))


def save(folder: Path | str, model, tokenizer, config: Config = Config(), *,
         curves: dict | None = None, key: str = "") -> None:
    """Writes the hub's layout in half precision."""
    size = {"height": config.vision.image_size, "width": config.vision.image_size}
    processor = BlipImageProcessorPil(size=size, image_mean=MEAN, image_std=STD)
    write(folder, curves or {}, key, (copy.deepcopy(model).half(), processor, tokenizer))


def train_vision(model, pictures: np.ndarray, subjects: np.ndarray, checkpoint: Path,
                 config: Vision = Vision(), *, seed: int = 0, key: str = "") -> list[dict]:
    """Trains the picture tower in place, with a linear head over its tokens' mean that is dropped
    afterwards; returns the curve.

    Args:
        pictures: uint8 [N, size, size, 3]. subjects: what each shows, integers [N] from 0.
    """
    torch.manual_seed(seed)
    head = torch.nn.Linear(config.width, int(np.max(subjects)) + 1)
    tower, labels = model.vision_model, torch.from_numpy(np.asarray(subjects, np.int64))

    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), min(config.batch_size, len(pictures)),
                                  replace=False))
        batch = pixels(augment(pictures[rows], rng, config.shift))
        with loop.autocast("cpu", config.bfloat16):
            logits = head(tower(pixel_values=batch).last_hidden_state.mean(1)).float()
        loss = torch.nn.functional.cross_entropy(logits, labels[rows],
                                                 label_smoothing=config.smoothing)
        right = (logits.argmax(1) == labels[rows]).float().mean().item()
        return loss, {"loss": loss.item(), "right": right}

    return loop.fit(torch.nn.ModuleList([tower, head]), loss_of, config, checkpoint, seed=seed,
                    key=key, weight_decay=0.05)


def train(model, tokenizer, pictures: np.ndarray, captions: Sequence[str], own: Sequence[str],
          feelings: Mapping[str, Sequence[str]], checkpoint: Path, config: Config = Config(), *,
          seed: int = 0, key: str = "") -> list[dict]:
    """Trains the decoder in place, the picture tower frozen, and returns the curve.

    Args:
        pictures: uint8 [N, size, size, 3]. own: each picture's own emotion word.
        feelings: emotion word → feelings that go with it, at least two.
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
        rows = np.sort(rng.choice(len(pictures), min(config.batch_size, len(pictures)),
                                  replace=False))
        ids, mask, labels = targets(tokenizer, [example(row, rng) for row in rows],
                                    config.positions)
        with loop.autocast("cpu", config.vision.bfloat16):
            out = model(pixel_values=pixels(augment(pictures[rows], rng, config.vision.shift)),
                        input_ids=ids, attention_mask=mask, labels=labels)
        learned = labels[:, 1:] >= 0
        right = (out.logits[:, :-1].argmax(-1) == labels[:, 1:])[learned].float().mean().item()
        return out.loss, {"loss": out.loss.item(), "right": right}

    tower.requires_grad_(False)
    try:
        return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key, weight_decay=0.05)
    finally:
        tower.requires_grad_(True)


def targets(tokenizer, examples: Sequence[tuple[str | None, str]], positions: int):
    """Tokens, mask and labels int64 [B, L]; labels are −100 where nothing is to be learned:
    padding, the start, the leading words.
    """
    tokens = tokenizer([text for _, text in examples], padding=True, truncation=True,
                       max_length=positions, return_tensors="pt", return_token_type_ids=False)
    labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
    for row, (word, _) in zip(labels, examples, strict=True):
        row[: len(lead_tokens(tokenizer, word)) - 1] = -100
    return tokens.input_ids, tokens.attention_mask, labels


def make() -> None:
    """The captioner: 4 minutes of one core for the tower, 3 for the decoder, both resumable."""
    items, folder = first_items(PICTURE_SEED, N_TRAIN), paths.PROCESSED / "pictures"
    texts, (pictures, key) = texts_of(items), painted(PICTURE_SEED, range(N_TRAIN), SIZE)
    felt = feelings()
    words = tokenizer(texts["caption"], felt)
    model = build(len(words), seed=SEED)
    vision = train_vision(model, pictures, np.array([subjects().index(f.subject) for f in items]),
                          folder / "captioner_eye.safetensors", seed=SEED, key=key)
    curve = train(model, words, pictures, texts["caption"], texts["emotion"], felt,
                  folder / "captioner.safetensors", seed=SEED, key=key)
    save("captioner", model, words, key=key, curves={"curves_eye.csv": curve_means(vision),
                                                     "curves_words.csv": curve_means(curve)})


def subjects() -> list[str]:
    """The atelier's 32 subjects, style by style."""
    return [subject for group in SUBJECTS.values() for subject in group]


def feelings() -> dict[str, list[str]]:
    """The five emotion words, each with the lexicon's feelings that lie nearest to it."""
    return {word: [feeling for feeling, (v, a) in FEELINGS.items()
                   if affect.emotion_word(v / 10, a / 10) == word]
            for word in affect.EMOTION_POINTS}


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled captioner says of held-out paintings: (table, hash of the pictures)."""
    return table(pretrained.load("captioner", device="cpu"))


def table(captioner, seed: int = atelier.TEST_SEED,
          indices: range = TEST_ITEMS) -> tuple[pd.DataFrame, str]:
    """What a captioner says of a collection's paintings, led by nothing ("unled") and by a word
    drawn without looking at the painting ("led").

    - ``…subject_named``, ``…manner_named``: it names the right one of 32 subjects (8 styles) and no
      other.
    - ``led_feeling_follows``: both feelings it names lie nearest to the word that led it; `null`:
      to the painting's own word. ``led_form``: it goes on from its lead and ends with two different
      feelings. ``unled_feeling``: it names a feeling though nobody asked.
    """
    n, items, felt = len(indices), [draw(seed, i) for i in indices], feelings()
    pictures, own = painted(seed, indices, SIZE)[0], texts_of(items)["emotion"]
    asked = [list(felt)[k] for k in np.random.default_rng(seed).integers(0, len(felt), n)]
    commonest = [max(np.bincount([list(of).index(value(f)) for f in items])) / n
                 for value, of in ((lambda f: f.subject, subjects()), (lambda f: f.style, STYLES))]
    rows = []

    def add(measure: str, right, null: float = np.nan) -> None:
        rows.append({"measure": measure, **share(right), "null": null})

    unled, led = captioner.caption(pictures), captioner.caption(pictures, asked)
    for way, texts in (("unled", unled), ("led", led)):
        read = [named(text) for text in texts]
        add(f"{way}_subject_named",
            [r[0] == {f.subject} for r, f in zip(read, items, strict=True)], commonest[0])
        add(f"{way}_manner_named",
            [r[1] == {f.style} for r, f in zip(read, items, strict=True)], commonest[1])
    spoken = [spoken_feelings(text) for text in led]

    def follows(wanted):
        return np.array([len(s) == 2 and set(s) <= set(felt[word])
                         for s, word in zip(spoken, wanted, strict=True)])

    add("led_feeling_follows", follows(asked), follows(own).mean())
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
    """What stands behind "it feels" in a caption: two feelings where the form is kept, else an
    empty list.
    """
    _, mark, behind = text.rpartition(" it feels ")
    return [part.strip() for part in behind.rstrip(".").split(" and ")] if mark else []
