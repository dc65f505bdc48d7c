"""Whom to ask: a service that speaks OpenAI's protocol, as Gemini does too, or a model of
transformers on this machine.

Keys come from the environment (:data:`KEYS`) and go into the request's header alone. A service is
asked with temperature 0 and the form as JSON Schema.

Source: Hong et al. §IV-C ask Gemini "in direct multimodal mode (image+text+audio)".  Notebook: 46.
"""

import base64
import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import numpy as np
import soundfile
from PIL import Image

from lib.core.errors import KlangfarbeError
from lib.studies.judge import rating
from lib.studies.judge.rating import Case

KEYS = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
URLS = {"openai": "https://api.openai.com/v1",
        "gemini": "https://generativelanguage.googleapis.com/v1beta/openai"}
NAMES = (*KEYS, "local")


class TemporaryFailure(Exception):
    """Worth another try, ``after`` as many seconds as the service asks for, or ``None``."""

    def __init__(self, why: str, after: float | None = None):
        super().__init__(why)
        self.after = after


class Refused(Exception):
    """The model was asked and does not want to answer."""


@dataclass(frozen=True)
class Backend:
    """``ask``: a case and the prompt → the answer's text, TemporaryFailure or Refused."""
    name: str
    ask: Callable[[Case, str], str]


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
        from lib.studies.judge import local  # transformers takes seconds to import

        return Backend(f"local {model}", local.load(model))
    key = os.environ.get(KEYS[name], "") if key is None else key
    if not key and not base_url:
        raise KlangfarbeError(f"a key in {KEYS[name]}", "none, so nobody was asked",
                              "set it, or use another judge: --backend local")
    url = (base_url or URLS[name]).rstrip("/") + "/chat/completions"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": rating.schema()}}

    def ask(case: Case, prompt: str) -> str:
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
            raise KlangfarbeError("an answer of the service", f"status {status}: "
                                  f"{answer.text[:200]!r}", "look at key, model and base URL; what "
                                  "was answered before is kept")
        try:
            choice = answer.json()["choices"][0]
            message = choice["message"]
        except (ValueError, LookupError, TypeError) as error:
            raise TemporaryFailure("an answer without a message") from error
        if message.get("refusal") or choice.get("finish_reason") == "content_filter":
            raise Refused(message.get("refusal") or "content filter")
        return message.get("content") or ""

    return Backend(f"{name} {model}", ask)
