"""Whom to ask: a service that speaks OpenAI's protocol, as Gemini does too (keys from the
environment, in the request's header alone), or a model of transformers on this machine.

Source: Hong et al. §IV-C ask Gemini "in direct multimodal mode (image+text+audio)".  Notebook: 46.
"""

import base64
import io
import os
from collections import namedtuple
from collections.abc import Callable

import httpx
import numpy as np
import soundfile
import soxr
from PIL import Image

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.studies.judge import rating

KEYS = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
URLS = {"openai": "https://api.openai.com/v1",
        "gemini": "https://generativelanguage.googleapis.com/v1beta/openai"}
NAMES = (*KEYS, "local")
MAX_TOKENS = 600  # of a model on this machine
# ask: a case and the prompt → the answer's text, TemporaryFailure or Refused
Backend = namedtuple("Backend", "name ask")


class TemporaryFailure(Exception):
    """Worth another try, ``after`` as many seconds as the service asks for, or ``None``."""

    def __init__(self, why: str, after: float | None = None):
        super().__init__(why)
        self.after = after


class Refused(Exception):
    """The model was asked and does not want to answer."""


def get_backend(name: str, model: str, base_url: str = "", key: str | None = None,
                timeout_s: float = 120.0) -> Backend:
    """A backend out of :data:`NAMES`; without a model (for ``local`` a folder) or a key (``None``:
    from the environment) nobody is asked. base_url: another service of the protocol.
    """
    if name not in NAMES:
        raise KlangfarbeError(f"a judge out of {', '.join(NAMES)}", repr(name), "name one of them")
    if not model:
        raise KlangfarbeError(f"a model for {name}", "none",
                              "for instance --model gemini-2.5-flash, or a folder for local")
    if name == "local":
        return Backend(f"local {model}", ask_locally(*load_model(model)))
    key = os.environ.get(KEYS[name], "") if key is None else key
    if not key and not base_url:
        raise KlangfarbeError(f"a key in {KEYS[name]}", "none, so nobody was asked",
                              "set it, or use another judge: --backend local")
    url = (base_url or URLS[name]).rstrip("/") + "/chat/completions"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": rating.schema()}}

    def ask(case: rating.Case, prompt: str) -> str:
        png, wav = io.BytesIO(), io.BytesIO()
        Image.fromarray(case.picture).save(png, "PNG")
        soundfile.write(wav, np.asarray(case.sound, np.float32), case.rate_hz, format="WAV",
                        subtype="PCM_16")
        picture, sound = (base64.b64encode(file.getvalue()).decode() for file in (png, wav))
        messages = case.messages(
            prompt, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
            {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}})
        body = {"model": model, "temperature": 0, "response_format": form, "messages": messages}
        try:
            answer = httpx.post(url, headers=headers, json=body, timeout=timeout_s)
        except httpx.TimeoutException as error:
            raise TemporaryFailure(f"no answer in {timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise TemporaryFailure(f"not reached: {error}") from error
        status, after = answer.status_code, answer.headers.get("retry-after", "")
        if status == 429 or status >= 500:
            wait = float(after) if after.replace(".", "", 1).isdigit() else None
            raise TemporaryFailure(f"status {status}", wait)
        if status >= 400:
            raise KlangfarbeError("an answer of the service",
                                  f"status {status}: {answer.text[:200]!r}",
                                  "look at key, model and base URL; earlier answers are kept")
        try:
            choice = answer.json()["choices"][0]
            message = choice["message"]
        except (ValueError, LookupError, TypeError) as error:
            raise TemporaryFailure("an answer without a message") from error
        if message.get("refusal") or choice.get("finish_reason") == "content_filter":
            raise Refused(message.get("refusal") or "content filter")
        return message.get("content") or ""

    return Backend(f"{name} {model}", ask)


def load_model(model: str) -> tuple:
    """Processor and network from a folder or by name on the hub; nothing is unpickled or run."""
    from transformers import AutoModelForMultimodalLM, AutoProcessor  # slow to import
    try:
        processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        network = AutoModelForMultimodalLM.from_pretrained(model, use_safetensors=True,
                                                           trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise KlangfarbeError("a model of transformers that sees, hears and writes",
                              f"{model}: {str(error).splitlines()[0][:120]}", "give a folder like "
                              "the hub's, for instance of Gemma 3n or Qwen2.5-Omni") from error
    return processor, network.to(provenance.device()).eval()


def ask_locally(processor, network) -> Callable[[rating.Case, str], str]:
    """``ask`` of a network with its processor (a chat template, pictures, sounds), decoded
    greedily.
    """
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
        inputs = processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True,
            return_tensors="pt").to(network.device)
        tokens = network.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        return processor.batch_decode(tokens[:, inputs["input_ids"].shape[1]:],
                                      skip_special_tokens=True)[0]
    return ask
