"""A judge on this machine: any model of transformers that sees, hears and writes, from a folder or
by its name on the hub. Nothing is unpickled, no code of a repository is run.

Source: transformers' ``AutoProcessor`` and ``AutoModelForMultimodalLM``; the model's chat template.
"""

from collections.abc import Callable

import soxr
import torch
from PIL import Image
from transformers import AutoModelForMultimodalLM, AutoProcessor

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.studies.judge import rating

MAX_TOKENS = 600


def load(model: str) -> Callable[[rating.Case, str], str]:
    """A :class:`Backend`'s ``ask`` (backends.py), decoded greedily."""
    try:
        processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        network = AutoModelForMultimodalLM.from_pretrained(model, use_safetensors=True,
                                                           trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise KlangfarbeError("a model of transformers that sees, hears and writes",
                              f"{model}: {str(error).splitlines()[0][:120]}", "give a folder in "
                              "the hub's layout, for instance of Gemma 3n or Qwen2.5-Omni"
                              ) from error
    return make_ask(processor, network.to(provenance.device()).eval())


def make_ask(processor, network) -> Callable[[rating.Case, str], str]:
    """``ask`` with a processor that has a chat template and takes pictures and sounds."""
    extractor = (getattr(processor, "feature_extractor", None)
                 or getattr(processor, "audio_processor", None))
    if extractor is None or getattr(processor, "image_processor", None) is None:
        raise KlangfarbeError("a model that sees and hears", type(processor).__name__,
                              "use one whose processor has both")

    def ask(case: rating.Case, prompt: str) -> str:
        sound = soxr.resample(case.sound, case.rate_hz, extractor.sampling_rate)
        system = f"{prompt}\nJSON Schema: {rating.schema()}"
        chat = case.messages([{"type": "text", "text": system}],
                             {"type": "image", "image": Image.fromarray(case.picture)},
                             {"type": "audio", "audio": sound})
        inputs = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=True,
                                               return_dict=True, return_tensors="pt")
        inputs = inputs.to(network.device)
        with torch.inference_mode():
            tokens = network.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        return processor.batch_decode(tokens[:, inputs["input_ids"].shape[1]:],
                                      skip_special_tokens=True)[0]

    return ask
