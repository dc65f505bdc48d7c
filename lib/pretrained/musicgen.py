"""MusicGen whole: texts, T5's states, conditions, codes, sound. Two layouts are read: the hub's,
and the bundled one: decoder, projection, and hashes of text encoder and codec in parts.json.
Source: Copet et al. (2023), §2, §3.1 and §4 (top-k 250, temperature 1, guidance 3); stored states
and codes: Hisariya & Liang, setting M4.  Notebook: 03."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, MusicgenDecoderConfig, MusicgenForCausalLM
from transformers import MusicgenForConditionalGeneration as WholeMusicgen
from transformers.utils import logging

from lib import pretrained
from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError, checked
from lib.models.musicgen_step import StaticDecoder, exponential_noise, sample_token
from lib.pretrained.codec import Codec, Encodec
from lib.pretrained.encoders import TextEncoder
from lib.pretrained.loading import Pretrained, Source, load_model, read
from lib.training import musicgen

PARTS_FILE = "parts.json"
# seconds that a decoder was trained on at once, beyond which it has seen no position: published,
# bundled; and the share of such a window that the next one hears again (audiocraft: 12 of 30 s)
WINDOW_S, BUNDLED_WINDOW_S, HEARD_AGAIN = 30.0, 8.0, 0.4
NEXT_WINDOW = 1_000_003  # added to the seed, so that no item's window is another item's


class MusicGenerator(Pretrained):
    """Parts `text` and `codec`, and `network`, what lib.training.musicgen trains: a ``decoder``
    and, where widths differ, ``enc_to_dec_proj``."""
    def __init__(self, source: Source, network, text: TextEncoder, codec: Codec, device: str,
                 window_s: float = WINDOW_S):
        super().__init__(source, None, device)
        self.window_s = window_s
        self.network, self.text, self.codec = network, text, codec
        config = network.decoder.config
        self.width, self.text_width = config.hidden_size, text.width
        self.n_codebooks = config.num_codebooks
        self.sample_rate_hz, self.frame_rate_hz = codec.sample_rate_hz, codec.frame_rate_hz

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
        """N texts → N sounds, float32 [N, samples]; `settings` as for :func:`sample`."""
        if (isinstance(texts, str) or not np.iterable(texts) or not len(texts)
                or not all(isinstance(text, str) for text in texts)):
            raise KlangfarbeError("a list of texts", repr(texts)[:60], "write ['a calm waltz']")
        states, mask = self.states(texts)
        return self.generate_from(self.condition(states, mask), mask, seconds, **settings)

    def generate_from(self, condition: Tensor, mask: Tensor, seconds: float = 8.0,
                      seed: int | Sequence[int] = 0, **settings) -> np.ndarray:
        """Conditions [N, L, D], e.g. another network's vectors, mask [N, L] → N sounds; what is
        longer than a window goes on from the end of the window before. `seed`: as in `sample`."""
        if not 0 < seconds < math.inf:
            raise KlangfarbeError("a duration above 0 s", f"{seconds}", "8 s is usual")
        seeds = seeds_of(seed, len(condition))
        n_steps, window = (max(1, round(s * self.frame_rate_hz)) for s in (seconds, self.window_s))
        codes = sample(self.network.decoder, condition, mask, min(window, n_steps), seed=seeds,
                       **settings)
        while (left := n_steps - codes.shape[2]) > 0:
            seeds = [own + NEXT_WINDOW for own in seeds]
            begun = codes[..., -round(HEARD_AGAIN * window) :]
            whole = sample(self.network.decoder, condition, mask,
                           min(window, begun.shape[2] + left), seed=seeds, begun=begun, **settings)
            codes = torch.cat([codes, whole[..., begun.shape[2] :]], dim=2)
        return self.codec.decode(codes, round(seconds * self.sample_rate_hz))[:, 0].cpu().numpy()


def load_musicgen(source: Source, device: str, dtype=None) -> MusicGenerator:
    """A folder's MusicGen, of either layout."""
    if (source.folder / PARTS_FILE).is_file():
        return _bundled(source, device, dtype or torch.float32)
    model = load_model(WholeMusicgen, source, device, dtype)
    if (channels := model.config.decoder.audio_channels) != 1:
        raise KlangfarbeError("a mono MusicGen", f"{source.name}: {channels} channels",
                              "use facebook/musicgen-small, -medium or -large")
    text = TextEncoder(source, model.text_encoder, device, read(AutoTokenizer, source),
                       width=model.text_encoder.config.d_model)
    codec = Codec(source, Encodec(model.audio_encoder.requires_grad_(False)), device)
    return MusicGenerator(source, model, text, codec, device)


def _bundled(source: Source, device: str, dtype) -> MusicGenerator:
    config, tensors, hashes = (artefacts.read(source.folder / name) for name in (
        "config.json", "model.safetensors", PARTS_FILE))
    with artefacts.Bounded(source.folder):
        network = untrained(config, hashes["text_width"])
    network.load_state_dict(tensors)
    text, codec = (pretrained.load(name, device=device) for name in ("text_encoder", "codec"))
    for name, part in (("text_encoder", text), ("codec", codec)):
        if part.sha256 != hashes[name]:
            raise KlangfarbeError(f"the {name} it was trained with ({hashes[name][:12]}…)",
                                  f"{part.name} ({part.sha256[:12]}…)", "train the music model "
                                  "again, or take the older part from the history")
    return MusicGenerator(source, network.to(device, dtype).eval(), text, codec, device,
                          BUNDLED_WINDOW_S)


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


def sample(decoder, states: Tensor, mask: Tensor, n_steps: int, *, guidance: float = 3.0,
           temperature: float = 1.0, top_k: int = 250, seed: int | Sequence[int] = 0,
           step: str = "", begun: Tensor | None = None) -> Tensor:
    """A mono MusicgenForCausalLM's conditions [B, L, D], mask [B, L] → codes int64 [B, K, n_steps];
    `guidance` 1: none; `top_k` 1: greedy, 0: all; `step`: eager or graph (CUDA); `begun`: its
    first codes [B, K, S < n_steps]. Item i is drawn by `seed` + i, or by its own of several:
    it is the same alone, with that seed, as in a batch of any size."""
    config = decoder.config
    step = step or ("graph" if states.device.type == "cuda" else "eager")
    checked(states, "conditions", (*mask.shape, config.hidden_size), "project them to that width")
    if n_steps < 1 or not temperature > 0 or top_k < 0:
        raise KlangfarbeError("n_steps ≥ 1, temperature > 0, top_k ≥ 0",
                              f"{n_steps}, {temperature}, {top_k}", "top_k=1 is greedy")
    n_items, n_codebooks, special = len(states), config.num_codebooks, config.vocab_size
    n_times, kept = n_steps + n_codebooks - 1, min(top_k or special, special)
    with torch.inference_mode():
        noise = torch.stack([exponential_noise(
            (n_times, n_codebooks, kept), torch.Generator(states.device).manual_seed(own))
            for own in seeds_of(seed, n_items)], 1)  # [n_times, B, K, kept]
        network = StaticDecoder(decoder, n_items, n_times, guidance, packed=step == "eager")
        network.condition(states, mask)
        line = torch.full((n_items, n_codebooks, n_steps + n_codebooks), special,
                          device=states.device)
        none = torch.zeros_like(line[:, :, :n_steps])
        is_code = musicgen.delay(none[:1], special)[0] != special
        if begun is not None:
            given = torch.cat([begun, torch.full_like(none[..., begun.shape[2] :], special)], 2)
            line = musicgen.delay(given, special)
        is_open = line == special  # [B, K, S+K]
        at = torch.zeros(1, dtype=torch.long, device=states.device)
        # a number of Python's would be copied over at every step
        blank = torch.full((), special, device=states.device)
        def advance(length=None):
            logits = network.step(line.index_select(2, at).squeeze(2), at, length)
            tokens = sample_token(logits, temperature, noise.index_select(0, at)[0])
            at.add_(1)
            tokens = torch.where(is_code.index_select(1, at), tokens[..., None], blank)
            line.index_copy_(2, at, torch.where(is_open.index_select(2, at), tokens,
                                                line.index_select(2, at)))
            return logits
        last = _run(advance, at, n_times, step)
    # NaN stays in the cache, so the last step has seen every earlier one
    if not bool(last.isfinite().all()):
        raise KlangfarbeError("finite logits", "NaN or infinity while sampling",
                              "check weights and conditions; try float32")
    return musicgen.undelay(line).clone()


def seeds_of(seed: int | Sequence[int], n_items: int) -> list[int]:
    """Each item's seed: `seed`, `seed` + 1, …, or the ones given."""
    return list(range(seed, seed + n_items) if isinstance(seed, int) else seed)


def _run(advance, at: Tensor, n_times: int, step: str) -> Tensor:
    """The last logits of `n_times` steps; a graph is replayed: no step may read a Python number."""
    if step == "eager" or at.device.type != "cuda":
        for i in range(n_times - 1):
            advance(i + 1 if step == "eager" else None)
        return advance(n_times if step == "eager" else None)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(min(2, n_times)):  # kernels and workspaces are made before the capture
            advance()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    at.zero_()
    with torch.cuda.graph(graph):
        logits = advance()
    at.zero_()
    for _ in range(n_times):
        graph.replay()
    return logits.clone()  # the graph's own memory goes with the graph


def stored(folder: Path, contents: Sequence, network_sha256: str,
           compute: Callable[[], list[Tensor]]) -> list[Tensor]:
    """A tensor for each text or sound: read where all are stored as this network encodes them (a
    published epoch: 240 s → 70 s), else computed and stored; a damaged file counts as absent."""
    key = provenance.content_hash(network_sha256.encode(), *(
        repr(content).encode() if isinstance(content, str) else content for content in contents))
    path = folder / f"{key}.safetensors"
    try:
        tensors = artefacts.read(path)
    except KlangfarbeError:  # absent or damaged
        tensors = {str(i): tensor.clone() for i, tensor in enumerate(compute())}
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise KlangfarbeError("finite tensors", "NaN or infinity",
                                  "look at what computes them") from None
        artefacts.write(path, tensors)
    return [tensors[str(i)] for i in range(len(contents))]


def text_states(folder: Path, texts: Sequence[str], encode: Callable, network_sha256: str, *,
                batch: int = 32) -> list[Tensor]:
    """States of N texts, float32 [L, D] each; `encode`: texts → states [N, L, D], mask [N, L]."""
    def compute():
        unique, found = list(dict.fromkeys(texts)), []
        for at in range(0, len(unique), batch):
            states, mask = encode(unique[at : at + batch])
            found += [torch.as_tensor(s[: int(m.sum())]).float().cpu()
                      for s, m in zip(states, mask, strict=True)]
        return [found[unique.index(text)] for text in texts]
    return stored(folder, texts, network_sha256, compute)


def sound_codes(folder: Path, sounds: Sequence[np.ndarray], encode: Callable,
                network_sha256: str) -> list[Tensor]:
    """Stored codes of sounds [N], int16 [K, S] each; `encode`: sound [1, 1, N] → [1, K, S]."""
    def compute():
        clips = (torch.as_tensor(np.asarray(sound, np.float32))[None, None] for sound in sounds)
        return [encode(clip)[0].cpu().to(torch.int16) for clip in clips]
    return stored(folder, sounds, network_sha256, compute)
