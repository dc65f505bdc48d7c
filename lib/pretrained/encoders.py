"""Encoders: T5's states, a token each, which MusicGen is conditioned on; and unit vectors of
sentences, by which Art2Music pairs comments with captions, of sound (the music tagger and CLAP) and
of pictures and sentences (CLIP: transformers' CLIPModel by ``config.json``, or open_clip's networks
by ``open_clip_config.json``, as bundled), for lib.metrics.embedders. Source: Copet et al. (2023),
§2.3; Reimers & Gurevych (2019), §3.  Notebook: 03, 05."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers as hf
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models.music_tagger import MusicTagger
from lib.pretrained import loading
from lib.pretrained.audioset import AudioSetEncoder
from lib.pretrained.loading import Pretrained, Source, load_model, read, tokens_of

MAX_TOKENS = 512
POOLING = "1_Pooling/config.json"


class TextEncoder(Pretrained):
    """A T5EncoderModel with its tokenizer; its states are `width` wide."""
    def states(self, texts: Sequence[str], batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """N texts → states float32 [N, L, D], 0 where padded, and mask bool [N, L]."""
        each = []
        for at in range(0, len(texts), batch):
            tokens = tokens_of(self.tokenizer, texts[at : at + batch], MAX_TOKENS).to(self.device)
            with torch.inference_mode():
                output = self.model(**tokens).last_hidden_state.float().cpu().numpy()
            masks = tokens["attention_mask"].bool().cpu().numpy()
            each += [states[mask] for states, mask in zip(output, masks, strict=True)]
        length = max(map(len, each), default=0)
        states = np.zeros((len(each), length, self.width), np.float32)
        mask = np.zeros((len(each), length), bool)
        for row, own in enumerate(each):
            states[row, : len(own)], mask[row, : len(own)] = own, True
        return states, mask

    def pooled(self, texts: Sequence[str]) -> np.ndarray:
        """N texts → float32 [N, D], each the mean of its own tokens' states."""
        states, mask = self.states(texts)
        return states.sum(axis=1) / mask.sum(axis=1, keepdims=True)


def load_text_encoder(source: Source, device: str, dtype=None) -> TextEncoder:
    """A T5's encoder, of which a whole T5's folder serves, and its tokenizer."""
    model = load_model(hf.T5EncoderModel, source, device, dtype)
    tokenizer = read(hf.AutoTokenizer, source)
    return TextEncoder(source, model, device, tokenizer, width=model.config.d_model)


class SentenceEncoder(Pretrained):
    """A BERT with its tokenizer, `width` wide."""
    def embed_text(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """N texts → unit vectors float32 [N, D]; cut off at the network's positions."""
        parts = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(texts), batch):
            with torch.inference_mode():
                parts.append(vectors(self.model, self.tokenizer,
                                     texts[at : at + batch]).float().cpu().numpy())
        return np.concatenate(parts)


def vectors(model, tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Texts → unit vectors [N, D] with a gradient: the means over tokens."""
    tokens = tokens_of(tokenizer, texts, model.config.max_position_embeddings).to(model.device)
    states = model(**tokens).last_hidden_state                    # [N, L, D]
    mask = tokens["attention_mask"][..., None].to(states.dtype)   # [N, L, 1]
    return F.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def load_sentences(source: Source, device: str, dtype=None) -> SentenceEncoder:
    """A folder's network and tokenizer, as sentence-transformers lays them out."""
    on = [name for name, value in artefacts.read(source.folder / POOLING).items()
          if name.startswith("pooling_mode_") and value is True]
    if on != ["pooling_mode_mean_tokens"]:
        raise KlangfarbeError("a pooling by the mean over tokens", f"{source.folder / POOLING}: "
                              f"{', '.join(on) or 'none'}", "choose a checkpoint that pools so")
    model = load_model(hf.BertModel, source, device, dtype)
    tokenizer, width = read(hf.AutoTokenizer, source), model.config.hidden_size
    return SentenceEncoder(source, model, device, tokenizer, width=width)


class TaggerEncoder(AudioSetEncoder):
    """A MusicTagger with the names of its genres, `labels`."""
    def __init__(self, source: Source, model: MusicTagger, labels: tuple[str, ...], device: str):
        super().__init__(source, model, device)
        self.labels = labels

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → embeddings float32 [N, D]."""
        return self._outputs(lambda sound: self.model(sound)[2], windows)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → genre logits float32 [N, G], in the order of `labels`."""
        return self._outputs(lambda sound: self.model(sound)[0], windows)

    def affect(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → (valence, arousal), clipped to [−1, 1], float32 [N, 2]."""
        return np.clip(self._outputs(lambda sound: self.model(sound)[1], windows), -1, 1)


def load_tagger(source: Source, device: str, dtype=None) -> TaggerEncoder:
    """The network that ``config.json`` describes."""
    labels = []
    def build(config):
        labels.extend(config.pop("labels"))
        return MusicTagger(len(labels), **config)
    return TaggerEncoder(source, loading.load_own(source, build, "tagger"), tuple(labels), device)


class ClapEncoder(Pretrained):
    """A ClapModel with its feature extractor, which draws nothing: windows are of its length."""
    def __init__(self, source: Source, model: hf.ClapModel, device: str, tokenizer, extractor):
        super().__init__(source, model, device, tokenizer, extractor, model.config.projection_dim)
        self.sample_rate_hz = int(extractor.sampling_rate)
        self.window_seconds = float(extractor.max_length_s)

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] → unit vectors float32 [N, D]."""
        mel = torch.from_numpy(clap_features(self.processor, windows))
        with torch.inference_mode():
            longer = torch.zeros((len(mel), 1), dtype=torch.bool, device=self.device)
            output = self.model.get_audio_features(
                input_features=mel.to(self.device, self.model.dtype), is_longer=longer)
        return output.pooler_output.float().cpu().numpy()

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        positions = self.model.config.text_config.max_position_embeddings
        tokens = tokens_of(self.tokenizer, texts, positions - 2)
        with torch.inference_mode():
            output = self.model.get_text_features(**tokens.to(self.device))
        return output.pooler_output.float().cpu().numpy()


def clap_features(extractor, windows: np.ndarray) -> np.ndarray:
    """Sounds of one length [N, samples] → mel [N, 1, T, mels], uncropped."""
    output = extractor(list(windows), sampling_rate=extractor.sampling_rate,
                       max_length=windows.shape[1], truncation="rand_trunc", padding="pad")
    return np.asarray(output["input_features"], np.float32)


def load_text_audio(source: Source, device: str, dtype=None) -> ClapEncoder:
    """A folder's model, feature extractor and tokenizer."""
    model = load_model(hf.ClapModel, source, device, dtype)
    extractor = read(hf.ClapFeatureExtractor, source, "a CLAP's preprocessor_config.json")
    return ClapEncoder(source, model, device, read(hf.AutoTokenizer, source), extractor)


class ClipEncoder(Pretrained):
    """An encoder of pictures and of sentences (lib.metrics.embedders)."""
    def __init__(self, source: Source, model, device: str, encode_pictures, encode_texts, width):
        super().__init__(source, model, device, width=width)
        self.encode_pictures, self.encode_texts = encode_pictures, encode_texts

    @torch.inference_mode()
    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → unit vectors float32 [N, D]."""
        return F.normalize(self.encode_pictures(np.asarray(pictures)).float(), dim=-1).cpu().numpy()

    @torch.inference_mode()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        """N sentences → unit vectors float32 [N, D]; cut off at the text tower's positions."""
        return F.normalize(self.encode_texts(list(texts)).float(), dim=-1).cpu().numpy()


def load_image_text(source: Source, device: str, dtype=None) -> ClipEncoder:
    """A folder's CLIP, of either layout."""
    # open_clip's safetensors must be there: else it would unpickle a .bin
    own = all((source.folder / name).is_file()
              for name in ("open_clip_config.json", "open_clip_model.safetensors"))
    return (_open_clip if own else _transformers)(source, device, dtype or torch.float32)


def _transformers(source: Source, device: str, dtype) -> ClipEncoder:
    model = load_model(hf.CLIPModel, source, device, dtype)
    processor = read(hf.CLIPImageProcessorPil, source, "a CLIP's preprocessor_config.json")
    tokenizer, longest = read(hf.AutoTokenizer, source), model.config.text_config
    def encode_pictures(pictures):
        pixels = loading.pixels_of(processor, pictures).to(device, dtype)
        return model.get_image_features(pixel_values=pixels).pooler_output
    def encode_texts(texts):
        tokens = tokens_of(tokenizer, texts, longest.max_position_embeddings)
        return model.get_text_features(**tokens.to(device)).pooler_output
    return ClipEncoder(source, model, device, encode_pictures, encode_texts,
                       model.config.projection_dim)


def _open_clip(source: Source, device: str, dtype) -> ClipEncoder:
    import open_clip  # slow, and needed for this layout alone
    here = f"local-dir:{source.folder}"
    with artefacts.Bounded(source.folder):
        made: Any = open_clip.create_model_from_pretrained(here, device=device)
    model, transform = made
    model, tokenizer = model.eval(), open_clip.get_tokenizer(here)
    if hasattr(model.visual, "layer1"):  # a ResNet
        fold_batch_norms(model.visual)
    model = model.to(dtype)
    def encode_pictures(pictures):
        pixels = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        return model.encode_image(pixels.to(device, dtype))
    return ClipEncoder(source, model, device, encode_pictures,
                       lambda texts: model.encode_text(tokenizer(texts).to(device)),
                       model.visual.output_dim)


def fold_batch_norms(tower) -> None:
    """Folds an open_clip ResNet's batch norms into its convolutions: a tenth of the time goes."""
    for part in (tower, *tower.layer1, *tower.layer2, *tower.layer3, *tower.layer4):
        for k in (1, 2, 3):
            convolution, norm = getattr(part, f"conv{k}"), getattr(part, f"bn{k}")
            setattr(part, f"conv{k}", fuse_conv_bn_eval(convolution, norm))
            setattr(part, f"bn{k}", nn.Identity())
        if getattr(part, "downsample", None) is not None:
            pool, convolution, norm = part.downsample
            part.downsample = nn.Sequential(pool if pool.kernel_size > 1 else nn.Identity(),
                                            fuse_conv_bn_eval(convolution, norm))
