"""A T5 encoder: a text as one state a token, what MusicGen is conditioned on.

The published one is ``google-t5/t5-base`` (768 wide), which MusicGen keeps frozen. The bundled one
is the encoder of a tiny T5 that learned, on the atelier's words, to fill gaps (Raffel et al. 2020,
§3.1.4) and to say a description's tags.

Notebook: 03.
"""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, T5Config, T5EncoderModel, T5ForConditionalGeneration

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.pretrained import tokenizer as vocabulary
from lib.pretrained.loading import readable, whole_model
from lib.pretrained.sources import Source
from lib.training import fit

MAX_TOKENS = 512
GAPS = tuple(f"<extra_id_{k}>" for k in range(20))
IGNORED = -100  # torch's mark for a place that carries no loss


class TextEncoder:
    """A T5EncoderModel with its tokenizer and card.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. model, tokenizer: transformers' own.
            width: D of its states.
    """

    def __init__(self, source: Source, model, tokenizer, device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.tokenizer, self.device, self.width = model, tokenizer, device, model.config.d_model

    def states(self, texts: Sequence[str], batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """N texts → (float32 [N, L, D] states, bool [N, L] mask), L the longest text's tokens; a
        padded place holds zeros.

        What goes beyond ``MAX_TOKENS`` is cut off.
        """
        found = []
        for at in range(0, len(texts), batch):
            tokens = self.tokenizer(list(texts[at : at + batch]), padding=True, truncation=True,
                                    max_length=MAX_TOKENS, return_tensors="pt",
                                    return_token_type_ids=False).to(self.device)
            with torch.inference_mode():
                out = self.model(**tokens).last_hidden_state.float().cpu().numpy()
            found += [states[keep] for states,
                      keep in zip(out, tokens["attention_mask"].bool().cpu().numpy(), strict=True)]
        length = max(map(len, found), default=0)
        states, mask = np.zeros((len(found), length, self.width),
                                np.float32), np.zeros((len(found), length), bool)
        for row, kept in enumerate(found):
            states[row, : len(kept)], mask[row, : len(kept)] = kept, True
        if not np.isfinite(states).all():
            raise KlangfarbeError("finite states", f"{self.name} overflows in {self.model.dtype}",
                                  "load T5 in float32 or bfloat16")
        return states, mask

    def pooled(self, texts: Sequence[str]) -> np.ndarray:
        """N texts → float32 [N, D], each the mean of its own tokens' states."""
        states, mask = self.states(texts)
        return states.sum(axis=1) / mask.sum(axis=1, keepdims=True)


def encoder(source: Source, device: str, dtype=None) -> TextEncoder:
    """Loads a T5's encoder and tokenizer from one folder (a whole T5's folder serves), without the
    network and without unpickling.

    Raises:
        KlangfarbeError: the folder holds another network, or weights that do not fit its
            configuration.
    """
    model = whole_model(T5EncoderModel, source, dtype or torch.float32)
    with readable(source, "a T5's tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    return TextEncoder(source, model.to(device).eval(), tokenizer, device)


@dataclass(frozen=True)
class Config:
    """The tiny T5 and how it was trained; ours, so there are no published values (t5-base has 12
    layers of 768).
    """

    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 384
    vocabulary: int = 2000
    n_steps: int = 500
    batch_size: int = 48
    learning_rate: float = 1e-3
    p_tags: float = 0.5      # description → tags; else gaps are filled
    p_gap: float = 0.15      # of a text's words
    gap_words: float = 2.0   # mean length of a gap


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level tokenizer trained on `texts`, with T5's closing mark and gaps (``<extra_id_0>``
    …).
    """
    return vocabulary.trained(texts, config.vocabulary, MAX_TOKENS, "$A </s>", GAPS)


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network: T5ForConditionalGeneration with a decoder of one layer.

    Its encoder, its decoder and its head keep a table of words each: the decoder is thrown away, so
    nothing is gained by sharing.
    """
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(T5Config(vocab_size=n_words, d_model=config.width,
                                                d_kv=config.width // config.heads,
                                                d_ff=config.inner, num_layers=config.layers,
                                                num_decoder_layers=1, num_heads=config.heads,
                                                dropout_rate=0.0, tie_word_embeddings=False,
                                                pad_token_id=0, eos_token_id=2,
                                                decoder_start_token_id=0))
    model.encoder.embed_tokens, model.decoder.embed_tokens = copy.deepcopy(
        model.shared), copy.deepcopy(model.shared)
    model.lm_head = torch.nn.Linear(config.width, n_words, bias=False)
    return model


def encoder_of(model):
    """The encoder of a whole T5 as the T5EncoderModel that is bundled."""
    # it writes into the configuration it is given
    alone = T5EncoderModel(copy.deepcopy(model.config))
    alone.encoder.load_state_dict(model.encoder.state_dict())
    return alone.eval()


def with_gaps(text: str, rng: np.random.Generator, config: Config = Config()) -> tuple[str, str]:
    """Span corruption: the text with some runs of words replaced by gap marks, and what stood in
    each.

    ``("a <extra_id_0> march in <extra_id_1>", "<extra_id_0> slow solemn <extra_id_1> D minor")``
    """
    words, given, gone, at = text.split(" "), [], [], 0
    # how often a gap opens, so that p_gap of the words fall into one
    start = config.p_gap / config.gap_words / (1 - config.p_gap)
    while at < len(words):
        if len(gone) < len(GAPS) and rng.random() < start:
            length = int(rng.geometric(1 / config.gap_words))
            given.append(GAPS[len(gone)])
            gone.append(f"{GAPS[len(gone)]} {' '.join(words[at : at + length])}")
            at += length
        else:
            given.append(words[at])
            at += 1
    return " ".join(given), " ".join(gone)


def train(model, words, descriptions: Sequence[str], tags: Sequence[Sequence[str]],
          further: Sequence[str], checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        model, words: T5ForConditionalGeneration and tokenizer. descriptions, tags: a row each of N
            items. key: hash of the data.
        further: other texts (captions, comments, emotion words), met in gaps only.

    Source: Raffel et al. (2020), §3.1.4 (gaps).
    """
    def pair(rng):
        row = rng.integers(len(descriptions))
        if rng.random() < config.p_tags:
            return descriptions[row], ", ".join(tags[row])
        texts = (descriptions[row], ", ".join(rng.permutation(tags[row])),
                 further[rng.integers(len(further))])
        return with_gaps(texts[rng.integers(len(texts))], rng, config)

    def loss_of(rng):
        given, wanted = zip(*[pair(rng) for _ in range(config.batch_size)], strict=True)
        tokens = words(list(given), padding=True, return_tensors="pt", return_token_type_ids=False)
        labels = words(list(wanted), padding=True, return_tensors="pt")
        labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, IGNORED)
        out = model(**tokens, labels=labels)
        right = (out.logits.argmax(-1) == labels)[labels != IGNORED]
        return out.loss, {"loss": out.loss.item(), "right": right.float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed)
