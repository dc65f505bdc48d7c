"""Training of the bundled captioner: a tiny BlipForConditionalGeneration that says what it sees
and, led by an emotion word, how it feels.

The eye first (:func:`look`): the picture tower alone learns to tell subjects apart, as BLIP's own
starts from a ViT that was trained on ImageNet's labels. Then the words (:func:`train`), the tower
held still. Trained all at once, the decoder learns the sentences and leaves the tower, which at
this size needs some thousand steps, unseeing. The network is transformers' own (ViT for the
picture, a causal BERT with cross-attention for the words), so that the bundled folder and a
published checkpoint load by one code path. Its data come in as arrays; the recipe is ``python -m
lib miniature captioner``.
Notebook: 03.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

from lib.core import provenance
from lib.pretrained import captioner
from lib.recipes import train_image_text
from lib.recipes.train_image_text import MEAN, STD, moved, pixels
from lib.training import fit, loop


@dataclass(frozen=True)
class Eye:
    """The picture tower and how it was trained; ours, so there are no published values (BLIP-large
    has 24 layers of 1,024).
    """

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
    # numbers of 16 bits (bfloat16) where torch's autocast sees no harm in it
    brief: bool = True


@dataclass(frozen=True)
class Config:
    """The tiny network and how it was trained; ours, so there are no published values (BLIP's
    decoder has 12 layers of 768).
    """

    eye: Eye = Eye()
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 700
    positions: int = 64
    n_steps: int = 2000
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    # of these half by the picture's own word, half by any; the others are led by nothing
    p_led: float = 0.6


def said(word: str | None, caption: str, feelings: Sequence[str] = ()) -> str:
    """What the captioner learns to say: the caption; led by a word, the word before it and two
    feelings that go with it behind.
    """
    if word is None:
        return caption
    return f"{captioner.lead(word)}: {caption} it feels {feelings[0]} and {feelings[1]}."


def tokenizer(captions: Sequence[str], feelings: Mapping[str, Sequence[str]],
              config: Config = Config()):
    """A byte-level BPE tokenizer of all that may be said, without capitals (``<s>`` 0, ``<pad>`` 1,
    ``</s>`` 2).
    """
    like = replace(train_image_text.Config(), vocabulary=config.vocabulary,
                   positions=config.positions)
    return train_image_text.tokenizer([*captions,
                                       *(said(word, "", [f, f]) for word,
                                         group in feelings.items() for f in group)], like)


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network: BlipForConditionalGeneration, input and output words untied (a
    checkpoint then holds no tensor twice).
    """
    torch.manual_seed(seed)
    eye = config.eye
    # transformers' default, 1e-10, is for weights that are loaded
    vision = {"hidden_size": eye.width, "intermediate_size": 3 * eye.width,
              "num_hidden_layers": eye.layers, "num_attention_heads": eye.heads,
              "image_size": eye.image_size, "patch_size": eye.patch, "initializer_range": 0.02}
    text = {"vocab_size": n_words, "hidden_size": config.text_width,
            "intermediate_size": 2 * config.text_width, "num_hidden_layers": config.text_layers,
            "num_attention_heads": config.text_heads, "max_position_embeddings": config.positions,
            "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
            "tie_word_embeddings": False}
    return BlipForConditionalGeneration(BlipConfig(vision_config=vision, text_config=text,
                                                   tie_word_embeddings=False))


def save(folder: Path, model, words, config: Config = Config()) -> list[Path]:
    """Writes the hub's layout in half precision and returns the files: configuration, weights,
    picture recipe, tokenizer.
    """
    size = {"height": config.eye.image_size, "width": config.eye.image_size}
    for part in (copy.deepcopy(model).half(),
                 BlipImageProcessorPil(size=size, image_mean=MEAN, image_std=STD), words):
        part.save_pretrained(folder)
    names = ("config.json", "generation_config.json", "model.safetensors",
             "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
    for name in names:
        (folder / name).chmod(0o644)
    return [folder / name for name in names]


def look(model, pictures: np.ndarray, subjects: np.ndarray, checkpoint: Path, eye: Eye = Eye(), *,
         seed: int = 0, key: str = "") -> list[dict]:
    """Trains the picture tower in place, with a linear reading of its tokens' mean that is dropped
    afterwards; returns the curve.

    Args:
        model: of :func:`build`. pictures: uint8 [N, size, size, 3]. subjects: what each shows,
            integers [N] from 0.
        checkpoint: of this phase alone. key: hash of the data.

    Source: Li et al. (2022), §4.1 (the ViT is trained on ImageNet's labels before anything else).
    """
    torch.manual_seed(seed)
    reading = torch.nn.Linear(eye.width, int(np.max(subjects)) + 1)
    tower, known = model.vision_model, torch.from_numpy(np.asarray(subjects, np.int64))

    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), min(eye.batch_size, len(pictures)), replace=False))
        with loop.autocast("cpu", eye.brief):
            read = reading(tower(pixel_values=pixels(moved(pictures[rows], rng,
                                                           eye.shift))).last_hidden_state.mean(
                    1)).float()
        loss = torch.nn.functional.cross_entropy(read, known[rows], label_smoothing=eye.smoothing)
        return loss, {"loss": loss.item(),
                      "right": (read.argmax(1) == known[rows]).float().mean().item()}

    key = provenance.content_hash(repr((asdict(eye), seed, key)).encode())
    return fit.fit(torch.nn.ModuleList([tower, reading]), loss_of, eye.n_steps,
                   learning_rate=eye.learning_rate, checkpoint=checkpoint, key=key, seed=seed,
                   weight_decay=0.05)


def train(model, words, pictures: np.ndarray, captions: Sequence[str], own: Sequence[str],
          feelings: Mapping[str, Sequence[str]], checkpoint: Path, config: Config = Config(), *,
          seed: int = 0, key: str = "") -> list[dict]:
    """Trains the decoder in place, the picture tower held as it is, and returns the curve.

    Args:
        model, words: network (its tower after :func:`look`) and tokenizer. pictures: uint8 [N,
            size, size, 3].
        captions: what is seen on each. own: each picture's own emotion word.
        feelings: emotion word → feelings that go with it, at least two. key: hash of the data.

    Source: Li et al. (2022), §3.1 (language modelling loss; the leading words are given, not
    learned).
    """

    names, tower = list(feelings), model.vision_model

    def spoken(row, rng) -> tuple[str | None, str]:
        if rng.random() >= config.p_led:
            return None, captions[row]
        word = own[row] if rng.random() < 0.5 else names[rng.integers(len(names))]
        # always in one order, else the likeliest is said twice
        two = np.sort(rng.permutation(len(feelings[word]))[:2])
        return word, said(word, captions[row], [feelings[word][k] for k in two])

    def loss_of(rng):
        rows = np.sort(rng.choice(len(pictures), min(config.batch_size, len(pictures)),
                                  replace=False))
        ids, mask, labels = targets(words, [spoken(r, rng) for r in rows], config.positions)
        with loop.autocast("cpu", config.eye.brief):
            out = model(pixel_values=pixels(moved(pictures[rows], rng, config.eye.shift)),
                        input_ids=ids, attention_mask=mask, labels=labels)
        known = labels[:, 1:] >= 0
        right = (out.logits[:, :-1].argmax(-1) == labels[:, 1:])[known]
        return out.loss, {"loss": out.loss.item(), "right": right.float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    tower.requires_grad_(False)
    try:
        return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                       checkpoint=checkpoint, key=key, seed=seed, weight_decay=0.05)
    finally:
        tower.requires_grad_(True)


def targets(words, spoken: Sequence[tuple[str | None, str]], positions: int):
    """Tokens, mask and labels int64 [B, L]; labels are −100 where nothing is to be learned:
    padding, the start, the leading words.
    """
    tokens = words([text for _, text in spoken], padding=True, truncation=True,
                   max_length=positions, return_tensors="pt", return_token_type_ids=False)
    labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
    for row, (word, _) in zip(labels, spoken, strict=True):
        row[: len(captioner.lead_tokens(words, word)) - 1] = -100
    return tokens.input_ids, tokens.attention_mask, labels
