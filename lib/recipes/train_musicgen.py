"""Training of the bundled music model from scratch: stored text states and codec codes in, a
decoder of delayed codes out.

One item is a crop of one piece's codes under its whole description. The step is the one that
fine-tunes a published MusicGen (:mod:`lib.training.musicgen`); only the start differs: here nothing
is pretrained but the text encoder and the codec, which stay as they are. Its data come in as
arrays; the recipe that renders them is ``python -m lib miniature musicgen``.
Notebook: 03.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from lib.core import provenance
from lib.pretrained import musicgen
from lib.training import fit, loop
from lib.training import musicgen as steps


@dataclass(frozen=True)
class Config:
    """The small decoder and how it was trained; MusicGen-small has 24 layers of 1,024 and a million
    steps of 192 clips of 30 s.
    """

    width: int = 256
    layers: int = 6
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    n_steps: int = 4000
    batch_size: int = 16
    crop_steps: int = 200       # of the codec: 8 s at 25 Hz
    learning_rate: float = 1e-3
    dropped: float = 0.1        # share of items trained without their condition, as published
    bfloat16: bool = True


def build(n_codebooks: int, codebook_size: int, text_width: int, config: Config = Config(),
          seed: int = 0):
    """The untrained network: MusicgenForCausalLM and the projection of text states to its width, as
    the bundled layout holds them.
    """
    torch.manual_seed(seed)
    return musicgen.untrained(
        {"vocab_size": codebook_size, "num_codebooks": n_codebooks, "hidden_size": config.width,
         "num_hidden_layers": config.layers, "num_attention_heads": config.heads,
         "ffn_dim": config.hidden, "dropout": config.dropout, "attention_dropout": 0.0,
         "activation_dropout": 0.0, "max_position_embeddings": 2048, "audio_channels": 1,
         "pad_token_id": codebook_size, "bos_token_id": codebook_size,
         "decoder_start_token_id": codebook_size},
        text_width,
    )


def train(network, codes: np.ndarray, states: Sequence[np.ndarray], checkpoint: Path,
          config: Config = Config(), *, seed: int = 0, key: str = "",
          every: int = 100) -> list[dict]:
    """Trains in place and returns the curve: the loss and, codebook by codebook, its cross-entropy
    in nats.

    Args:
        network: :func:`build`'s. codes: int [N, K, S], S at least ``crop_steps``. states: the text
            encoder's, [L, D_text] a piece.
        key: hash of the data.

    Source: Copet et al. (2023), §2.2 and §3 (delay pattern, cross-entropy, conditions dropped for
    guidance).
    """
    n_places = codes.shape[2] - config.crop_steps + 1

    def loss_of(rng):
        rows, places = rng.integers(0, len(codes),
                                    config.batch_size), rng.integers(0, n_places, config.batch_size)
        batch = steps.collate([np.asarray(codes[r, :, p : p + config.crop_steps], np.int64) for r,
                               p in zip(rows, places, strict=True)], [states[r] for r in rows])
        given = steps.drop_conditions(batch.states, batch.mask, config.dropped,
                                      torch.Generator().manual_seed(int(rng.integers(2**31))))
        with loop.autocast("cpu", config.bfloat16):
            loss, each = steps.loss(network, steps.Batch(batch.codes, batch.lengths, *given))
        return loss, {"loss": loss.item(),
                      **{f"codebook_{k}": value.item() for k, value in enumerate(each, 1)}}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(network, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed, weight_decay=0.05, every=every)
