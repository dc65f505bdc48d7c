"""BLIP or BLIP-2 as a captioner that an emotion word can lead. Led by "a sad painting", it goes on;
led by nothing, it says what it sees. Greedy: a picture has one caption for ever. Source: Li et al.
(2022), BLIP, §3.1; Li et al. (2023), BLIP-2, §3.3.  Notebook: 03."""

from collections.abc import Sequence

import numpy as np
import torch
import transformers as hf

from lib.core.errors import KlangfarbeError, checked
from lib.pretrained.loading import Pretrained, Source, load_model, pixels_of, read


def lead(word: str) -> str:
    """How an emotion word leads a caption: ``"a sad painting"``, ``"an angry painting"``."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word} painting"


def without_lead(caption: str, word: str) -> str:
    """A caption without the words that led it."""
    led = lead(word)
    return caption[len(led) :].lstrip(" :,") if caption.lower().startswith(led) else caption


def unled(caption: str, word: str) -> str:
    """What a led caption says is seen, without lead and "… it feels …"; all lead stays."""
    seen = without_lead(caption, word)
    head, mark, _ = seen.rpartition(" it feels ")
    return (head if mark else seen).strip() or lead(word)


def lead_tokens(tokenizer, word: str | None) -> list[int]:
    """Leading words as the tokenizer marks them: BLIP's has a start, which BLIP changes, and an
    end, which it drops; BLIP-2's a start alone."""
    return tokenizer("" if word is None else lead(word)).input_ids


class Captioner(Pretrained):
    """A BLIP with its image processor and tokenizer; a BLIP-2's language model reads the picture
    as `picture_tokens` before the words."""
    picture_tokens: tuple[int, ...] = ()
    def caption(self, pictures: np.ndarray, words: Sequence[str | None] | None = None, *,
                max_tokens: int = 48, batch: int = 32) -> list[str]:
        """Pictures uint8 [N, H, W, 3], leading words or ``None`` → N captions, lead included."""
        pictures = checked(np.asarray(pictures), "pictures", ("N", "H", "W", 3), "give a stack")
        words = [None] * len(pictures) if words is None else words
        leads = [[*self.picture_tokens, *lead_tokens(self.tokenizer, word)]
                 for _, word in zip(pictures, words, strict=True)]
        first = len(self.picture_tokens) or 1  # of the words that are said; BLIP's start is none
        captions = [""] * len(pictures)
        for length in sorted({len(lead) for lead in leads}):  # read together without any padding
            rows = [i for i, lead in enumerate(leads) if len(lead) == length]
            for part in (rows[i : i + batch] for i in range(0, len(rows), batch)):
                pixels = pixels_of(self.processor, pictures[part]).to(self.device, self.model.dtype)
                ids = torch.tensor([leads[i] for i in part], device=self.device)
                with torch.inference_mode():
                    output = self.model.generate(
                        pixels, input_ids=ids, attention_mask=torch.ones_like(ids),
                        max_new_tokens=max_tokens, do_sample=False, num_beams=1)
                texts = self.tokenizer.batch_decode(output[:, first:], skip_special_tokens=True)
                for row, text in zip(part, texts, strict=True):
                    captions[row] = text.strip()
        return captions


def load_captioner(source: Source, device: str, dtype=None) -> Captioner:
    """A folder's model, image processor and tokenizer."""
    model = load_model(hf.BlipForConditionalGeneration, source, device, dtype,
                       {hf.Blip2Config: hf.Blip2ForConditionalGeneration})
    processor = read(hf.BlipImageProcessorPil, source, "a BLIP's preprocessor_config.json")
    captioner = Captioner(source, model, device, read(hf.AutoTokenizer, source), processor)
    if isinstance(model.config, hf.Blip2Config):
        if model.config.image_token_id is None:  # so are conversions of before November 2024
            raise KlangfarbeError("a BLIP-2 whose config.json has image_token_index",
                                  f"{source.folder}: none", "take a later revision")
        captioner.picture_tokens = (model.config.image_token_id,) * model.config.num_query_tokens
    return captioner
