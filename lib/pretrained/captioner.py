"""BLIP as a captioner that an emotion word can lead: transformers' BlipForConditionalGeneration.

Led by "a sad painting", the network goes on from these words; led by nothing, it says what it sees.
Captions are read greedily, so that a picture has one caption for ever; pictures whose leading words
have as many tokens are read together, so that no padding enters.

Source: Li et al. (2022), BLIP, §3.1. Notebook: 03.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import BlipForConditionalGeneration, BlipImageProcessorPil

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import Pretrained, load_model, readable, tokenizer_of
from lib.pretrained.sources import Source


def lead(word: str) -> str:
    """How an emotion word leads a caption: ``"a sad painting"``, ``"an angry painting"``."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word} painting"


def without_lead(caption: str, word: str) -> str:
    """A caption without the words that led it."""
    led = lead(word)
    return caption[len(led) :].lstrip(" :,") if caption.lower().startswith(led) else caption


def unled(caption: str, word: str) -> str:
    """What a led caption says is seen: without its lead ("a sad painting: …") and without what it
    says is felt ("… it feels …"); a caption that is all lead stays.
    """
    seen = without_lead(caption, word)
    head, mark, _ = seen.rpartition(" it feels ")
    return (head if mark else seen).strip() or lead(word)


class Captioner(Pretrained):
    """A BLIP with its image processor and tokenizer."""

    def __init__(self, source: Source, model, processor, tokenizer, device: str):
        super().__init__(source, model, device)
        self.processor, self.tokenizer = processor, tokenizer

    def caption(self, pictures: np.ndarray, words: Sequence[str | None] | None = None, *,
                max_tokens: int = 48, batch: int = 32) -> list[str]:
        """A caption a picture, the leading words included.

        Args:
            pictures: uint8 [N, H, W, 3]. words: an emotion word a picture, ``None`` for a picture
                that nothing leads; ``None``: for all.
            max_tokens: at most so many are added.
        """
        pictures = np.asarray(pictures)
        if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8:
            raise KlangfarbeError("pictures uint8 [N, H, W, 3]",
                                  f"{pictures.dtype} {pictures.shape}",
                                  "give a stack of RGB pictures")
        words = [None] * len(pictures) if words is None else list(words)
        if len(words) != len(pictures):
            raise KlangfarbeError(f"{len(pictures)} emotion words, one a picture", str(len(words)),
                                  "give None where nothing leads")
        leads = [lead_tokens(self.tokenizer, word) for word in words]
        captions = [""] * len(pictures)
        for length in sorted({len(lead) for lead in leads}):
            rows = [i for i, lead in enumerate(leads) if len(lead) == length]
            for part in (rows[i : i + batch] for i in range(0, len(rows), batch)):
                texts = self._generate(pictures[part], [leads[i] for i in part], max_tokens)
                for row, text in zip(part, texts, strict=True):
                    captions[row] = text
        return captions

    def _generate(self, pictures: np.ndarray, leads: list[list[int]], max_tokens: int) -> list[str]:
        """Captions of pictures whose leads are equally long."""
        pixels = pixels_of(self.processor, pictures).to(self.device, self.model.dtype)
        ids = torch.tensor(leads, device=self.device)
        with torch.inference_mode():
            output = self.model.generate(pixels, input_ids=ids, attention_mask=torch.ones_like(ids),
                                         max_new_tokens=max_tokens, do_sample=False, num_beams=1)
        return [text.strip()
                for text in self.tokenizer.batch_decode(output[:, 1:], skip_special_tokens=True)]


def lead_tokens(tokenizer, word: str | None) -> list[int]:
    """Tokens of the leading words, the start and end marks with them; transformers' BLIP changes
    the first and drops the last.
    """
    return tokenizer("" if word is None else lead(word)).input_ids


def pixels_of(processor, pictures: np.ndarray):
    """Pictures uint8 [N, H, W, 3] → float tensor [N, 3, side, side], scaled as the checkpoint's
    recipe says.
    """
    return processor(list(pictures), return_tensors="pt",
                     input_data_format="channels_last")["pixel_values"]


def encoder(source: Source, device: str, dtype=None) -> Captioner:
    """Loads model, image processor and tokenizer from one folder."""
    model = load_model(BlipForConditionalGeneration, source, device, dtype)
    with readable(source, "a BLIP's preprocessor_config.json"):
        processor = BlipImageProcessorPil.from_pretrained(source.folder, local_files_only=True)
    return Captioner(source, model, processor, tokenizer_of(source), device)
