"""MusicGen whole: texts, T5's states, conditions, codes, sound. Two layouts are read: the hub's,
and the bundled one: decoder, projection, and hashes of text encoder and codec in parts.json.

Source: Copet et al. (2023), "Simple and Controllable Music Generation", §2.  Notebook: 03.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import MusicgenDecoderConfig, MusicgenForCausalLM
from transformers import MusicgenForConditionalGeneration as WholeMusicgen
from transformers.utils import logging

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.pretrained import musicgen_sampling
from lib.pretrained.codec import Codec, Encodec
from lib.pretrained.loading import Pretrained, load_model, readable, tokenizer_of
from lib.pretrained.sources import Source
from lib.pretrained.texts import TextEncoder
from lib.training import musicgen

PARTS_FILE = "parts.json"
LONGEST_S = 30.0  # what MusicGen was trained on; beyond, its positions were never seen


class MusicGenerator(Pretrained):
    """Parts `text` and `codec`, and `network`, what lib.training.musicgen trains: a ``decoder``
    and, where widths differ, ``enc_to_dec_proj``.
    """

    def __init__(self, source: Source, network, text: TextEncoder, codec: Codec, device: str):
        super().__init__(source, None, device)
        self.network, self.text, self.codec = network, text, codec
        config = network.decoder.config
        self.width, self.text_width = config.hidden_size, text.width
        self.n_codebooks = config.num_codebooks
        self.sample_rate_hz, self.frame_rate_hz = codec.sample_rate_hz, codec.frame_rate_hz
        if (codec.n_codebooks, codec.codebook_size) != (config.num_codebooks, config.vocab_size):
            raise KlangfarbeError(f"a codec of {config.num_codebooks} × {config.vocab_size}",
                                  f"{codec.n_codebooks} × {codec.codebook_size}",
                                  "use the codec the decoder was trained with")

    def states(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """N texts → the text encoder's states float32 [N, L, D_text], mask int64 [N, L]."""
        states, mask = self.text.states(texts)
        return torch.as_tensor(states).to(self.device), torch.as_tensor(mask).long().to(self.device)

    def condition(self, states: Tensor, mask: Tensor) -> Tensor:
        """States [N, L, D_text] → conditions of the decoder [N, L, D], zero where the mask is 0."""
        with torch.inference_mode():
            dtype = next(self.network.parameters()).dtype
            return musicgen.condition(self.network, states.to(self.device, dtype),
                                      mask.to(self.device))

    def generate(self, texts: list[str], seconds: float = 8.0, **settings) -> np.ndarray:
        """N texts → N sounds, float32 [N, samples]; `settings` as for musicgen_sampling.sample."""
        states, mask = self.states(texts)
        return self.generate_from(self.condition(states, mask), mask, seconds, **settings)

    def generate_from(self, condition: Tensor, mask: Tensor, seconds: float = 8.0,
                      **settings) -> np.ndarray:
        """Conditions [N, L, D], e.g. another network's vectors, mask [N, L] → N sounds."""
        if not 0 < seconds <= LONGEST_S:
            raise KlangfarbeError(f"a duration in (0, {LONGEST_S:g}] s", f"{seconds}",
                                  "make several clips")
        n_steps = max(1, round(seconds * self.frame_rate_hz))
        codes = musicgen_sampling.sample(self.network.decoder, condition, mask, n_steps, **settings)
        return self.codec.decode(codes, round(seconds * self.sample_rate_hz))[:, 0].cpu().numpy()


def load_musicgen(source: Source, device: str, dtype=None) -> MusicGenerator:
    """A folder's MusicGen, of either layout."""
    if (source.folder / PARTS_FILE).is_file():
        return _bundled(source, device, dtype or torch.float32)
    model = load_model(WholeMusicgen, source, device, dtype)
    if (channels := model.config.decoder.audio_channels) != 1:
        raise KlangfarbeError("a mono MusicGen", f"{source.name}: {channels} channels",
                              "use facebook/musicgen-small, -medium or -large")
    text = TextEncoder(source, model.text_encoder, tokenizer_of(source), device)
    codec = Codec(source, Encodec(model.audio_encoder.requires_grad_(False)), device)
    return MusicGenerator(source, model, text, codec, device)


def _bundled(source: Source, device: str, dtype) -> MusicGenerator:
    with readable(source, "a decoder's config.json, parts.json and weights that fit"):
        files: dict[str, Any] = {name: artefacts.read(source.folder / name) for name in
                                 (PARTS_FILE, "config.json", "model.safetensors")}
        hashes = files[PARTS_FILE]
        network = untrained(files["config.json"], hashes["text_width"])
        network.load_state_dict(files["model.safetensors"])
    text, codec = (pretrained.load(name, device=device) for name in ("text_encoder", "codec"))
    for name, part in (("text_encoder", text), ("codec", codec)):
        if part.sha256 != hashes[name]:
            raise KlangfarbeError(f"the {name} it was trained with ({hashes[name][:12]}…)",
                                  f"{part.name} ({part.sha256[:12]}…)", "train the music model "
                                  "again, or take the older part from the history")
    return MusicGenerator(source, network.to(device, dtype).eval(), text, codec, device)


def contents(network, text: TextEncoder, codec: Codec, dtype=None) -> dict:
    """The bundled layout's files: decoder and projection, hashes of the other parts."""
    tensors = {name: t.to(dtype or t.dtype) for name, t in network.state_dict().items()
               if name.startswith(("decoder.", "enc_to_dec_proj."))}
    return {"model.safetensors": tensors, "config.json": network.decoder.config.to_dict(),
            PARTS_FILE: {"text_width": text.width, "text_encoder": text.sha256,
                         "codec": codec.sha256}}


def untrained(settings: dict, text_width: int) -> torch.nn.Module:
    """An untrained decoder of MusicgenDecoderConfig settings, and the projection to its width."""
    network, verbosity = torch.nn.Module(), logging.get_verbosity()
    logging.set_verbosity_error()  # the special token is one beyond the codebook, as published
    try:
        network.decoder = MusicgenForCausalLM(MusicgenDecoderConfig.from_dict(settings))
    finally:
        logging.set_verbosity(verbosity)
    if text_width != network.decoder.config.hidden_size:
        network.enc_to_dec_proj = torch.nn.Linear(text_width, network.decoder.config.hidden_size)
    return network
