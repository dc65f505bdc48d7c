"""Training of the bundled describer: a tiny Llama that learns (prompt → musical description) from
the atelier's pairs.

The loss falls on the response alone: the prompt is given, so nothing is learned from guessing it.
The three prompts take turns, and the emotion word stands in front, somewhere in the caption, or
(rarely) nowhere, so that the model looks for the word and not for a place. The recipe that makes
the pairs is ``python -m lib miniature describer``.
Notebook: 03.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lib.core import provenance
from lib.pretrained import describer
from lib.pretrained import tokenizer as vocabulary
from lib.training import fit

IGNORED = -100  # torch's mark for a place that carries no loss


@dataclass(frozen=True)
class Config:
    """The tiny network and how it was trained; ours, so there are no published values (Falcon-RW-1B
    has 24 layers of 2,048).
    """

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 352
    vocabulary: int = 1500
    positions: int = 512
    n_steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 3e-3
    p_front: float = 0.6    # the emotion word before the caption
    # no emotion word at all; else it stands between two words of the caption
    p_nowhere: float = 0.1


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level tokenizer trained on captions and descriptions; a prompt's fixed words before
    and after the caption are a token each.

    So a prompt is a caption and two tokens, and training takes half the time.
    """
    frames = [frame for name in describer.PROMPTS
              for frame in describer.plain("{description}", name).split("{description}")]
    return vocabulary.trained(texts, config.vocabulary, config.positions, "<s> $A", frames,
                              padding_side="left")


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network: LlamaForCausalLM."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(vocab_size=n_words, hidden_size=config.hidden,
                                        intermediate_size=config.inner,
                                        num_hidden_layers=config.layers,
                                        num_attention_heads=config.heads,
                                        num_key_value_heads=config.heads,
                                        max_position_embeddings=config.positions,
                                        tie_word_embeddings=False, pad_token_id=0, bos_token_id=1,
                                        eos_token_id=2))


def response(description: str) -> str:
    """A description as the response the prompts ask for: its first sentence on one line, the rest
    on the next.
    """
    return description.replace(". ", ".\n", 1)


def with_emotion(caption: str, emotion: str, rng, config: Config = Config()) -> str:
    """The image description with its emotion word in one of the places a captioner may put it."""
    where = rng.random()
    if where < config.p_front:
        return describer.image_description(caption, emotion)
    if where < config.p_front + config.p_nowhere:
        return caption
    words = caption.split(" ")
    at = rng.integers(0, len(words) + 1)
    return " ".join([*words[:at], emotion, *words[at:]])


def batch_of(tokenizer, prompts: Sequence[str], responses: Sequence[str]):
    """Prompt and response as one row of tokens each: ``input_ids``, ``attention_mask`` and
    ``labels`` [B, L], padded on the right.
    """
    asked = tokenizer(list(prompts))["input_ids"]
    said = [ids + [tokenizer.eos_token_id]
            for ids in tokenizer(list(responses), add_special_tokens=False)["input_ids"]]
    length = max(len(a) + len(s) for a, s in zip(asked, said, strict=True))
    ids = torch.full((len(asked), length), tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, (a, s) in enumerate(zip(asked, said, strict=True)):
        ids[row, : len(a) + len(s)] = torch.tensor(a + s)
        mask[row, : len(a) + len(s)] = 1
        labels[row, len(a) : len(a) + len(s)] = torch.tensor(s)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def train(model, words, captions: Sequence[str], emotions: Sequence[str],
          descriptions: Sequence[str], checkpoint: Path, config: Config = Config(), *,
          seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve: cross-entropy and share of right next tokens, over the
    responses alone.

    Args:
        model, words: LlamaForCausalLM and tokenizer. captions, emotions, descriptions: a row each
            of N items. key: hash of the data.
    """
    names = list(describer.PROMPTS)

    def loss_of(rng):
        rows = rng.choice(len(captions), min(config.batch_size, len(captions)), replace=False)
        prompts = [describer.plain(with_emotion(captions[r], emotions[r], rng, config),
                                   names[rng.integers(len(names))]) for r in rows]
        batch = batch_of(words, prompts, [response(descriptions[r]) for r in rows])
        out = model(**batch)
        answered = batch["labels"][:, 1:] != IGNORED
        right = out.logits[:, :-1].argmax(-1) == batch["labels"][:, 1:]
        return out.loss, {"loss": out.loss.item(), "right": right[answered].float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed)
