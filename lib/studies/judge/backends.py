"""Whom to ask: a service that speaks OpenAI's protocol, Gemini's, or a model of transformers on
this machine.

    Case (picture, text, sound, in an order) ──of(name)──► Backend.ask ──► the answer's text

Keys come from the environment (:data:`KEYS`) and go nowhere but into the request's header. A
service is asked with temperature 0 and with the form as JSON Schema, so far as it knows either.

Source: text 003, §IV-C, asked Gemini "in direct multimodal mode (image+text+audio)".  Notebook: 46.
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

KEYS = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
BASES = {"openai": "https://api.openai.com/v1",
         "gemini": "https://generativelanguage.googleapis.com/v1beta"}
NAMES = (*KEYS, "local")
TIMEOUT_S = 120.0
ORDERS = (("text", "image", "audio"), ("audio", "image", "text"))


class Again(Exception):
    """It may work in a while: too many requests, a service that is down, no answer in time.
    ``after``: seconds it asks for, or ``None``.
    """

    def __init__(self, why: str, after: float | None = None):
        super().__init__(why)
        self.after = after


class Refused(Exception):
    """The model was asked and does not want to answer."""


@dataclass(frozen=True)
class Case:
    """One thing to judge.

    Attributes:
        case: its name. picture: uint8 [H, W, 3]. text: what was said. sound: float32 [N] at
            rate_hz. order: of the parts.
    """

    case: str
    picture: np.ndarray
    text: str
    sound: np.ndarray
    rate_hz: int
    order: tuple[str, ...] = ORDERS[0]


@dataclass(frozen=True)
class Backend:
    """``name`` for the records, and ``ask``: :class:`Case`, prompt → text of the answer. Raises
    :class:`Again` or :class:`Refused`.
    """

    name: str
    ask: Callable[[Case, str], str]


def of(name: str, model: str, base_url: str = "", key: str | None = None,
       timeout_s: float = TIMEOUT_S) -> Backend:
    """A back end.

    Args:
        name: out of :data:`NAMES`. model: its name at the service, or a folder in the hub's layout
            (``local``).
        base_url: of another service that speaks the protocol; empty: :data:`BASES`'. key: ``None``:
            from the environment.

    Raises:
        KlangfarbeError: no such back end, no model, or no key. Nothing is asked then, and no rating
            is made up.
    """
    if name not in NAMES:
        raise KlangfarbeError(f"a judge out of {', '.join(NAMES)}", repr(name), "name one of them")
    if not model:
        raise KlangfarbeError(f"a model for {name}", "none",
                              "for instance --model gemini-2.5-flash, or a folder for local")
    if name == "local":
        from lib.studies.judge import local

        return Backend(f"local {model}", local.load(model))
    key = os.environ.get(KEYS[name], "") if key is None else key
    if not key and not base_url:
        raise KlangfarbeError(f"a key in {KEYS[name]}", "none, so nobody was asked",
                              "set it, or use another judge: --backend local")
    make = {"openai": _openai, "gemini": _gemini}[name]
    return Backend(f"{name} {model}", make(model, (base_url or BASES[name]).rstrip("/"), key,
                                           timeout_s))


def png(picture: np.ndarray) -> str:
    """A picture as PNG, base64."""
    made = io.BytesIO()
    Image.fromarray(picture).save(made, "PNG")
    return base64.b64encode(made.getvalue()).decode()


def wav(sound: np.ndarray, rate_hz: int) -> str:
    """A sound as 16-bit WAV, base64."""
    made = io.BytesIO()
    soundfile.write(made, np.asarray(sound, np.float32), rate_hz, format="WAV", subtype="PCM_16")
    return base64.b64encode(made.getvalue()).decode()


def _openai(model: str, base: str, key: str, timeout_s: float):
    def ask(case: Case, prompt: str) -> str:
        parts = {"text": {"type": "text", "text": f"Text: {case.text}"},
                 "image": {"type": "image_url",
                           "image_url": {"url": f"data:image/png;base64,{png(case.picture)}"}},
                 "audio": {"type": "input_audio",
                           "input_audio": {"data": wav(case.sound, case.rate_hz), "format": "wav"}}}
        form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": rating.schema()}}
        said = _post(
            f"{base}/chat/completions",
            {"Authorization": f"Bearer {key}"} if key else {},
            timeout_s,
            {"model": model, "temperature": 0, "response_format": form,
             "messages": [{"role": "system", "content": prompt},
                          {"role": "user", "content": [parts[name] for name in case.order]}]},
        )
        message = _inside(said, "choices", 0, "message")
        if message.get("refusal"):
            raise Refused(message["refusal"])
        if _inside(said, "choices", 0).get("finish_reason") == "content_filter":
            raise Refused("content filter")
        return message.get("content") or ""

    return ask


def _gemini(model: str, base: str, key: str, timeout_s: float):
    def ask(case: Case, prompt: str) -> str:
        parts = {"text": {"text": f"Text: {case.text}"},
                 "image": {"inline_data": {"mime_type": "image/png", "data": png(case.picture)}},
                 "audio": {"inline_data": {"mime_type": "audio/wav",
                                           "data": wav(case.sound, case.rate_hz)}}}
        said = _post(
            f"{base}/models/{model}:generateContent",
            {"x-goog-api-key": key} if key else {},
            timeout_s,
            {"systemInstruction": {"parts": [{"text": prompt}]},
             "contents": [{"role": "user", "parts": [parts[name] for name in case.order]}],
             "generationConfig": {"temperature": 0, "responseMimeType": "application/json",
                                  "responseJsonSchema": rating.schema()}},
        )
        if blocked := said.get("promptFeedback", {}).get("blockReason"):
            raise Refused(blocked)
        answer = _inside(said, "candidates", 0)
        if answer.get("finishReason") in ("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION",
                                          "SPII"):
            raise Refused(answer["finishReason"])
        return "".join(part.get("text", "") for part in answer.get("content", {}).get("parts", [])
                       if not part.get("thought"))

    return ask


def _post(url: str, headers: dict, timeout_s: float, body: dict) -> dict:
    """One request; what may pass by itself is :class:`Again`, what will not is a line for the
    user.
    """
    try:
        answer = httpx.post(url, headers=headers, json=body, timeout=timeout_s)
    except httpx.TimeoutException as error:
        raise Again(f"no answer in {timeout_s:g} s") from error
    except httpx.TransportError as error:
        raise Again(f"not reached: {error}") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        after = answer.headers.get("retry-after", "")
        raise Again(f"status {answer.status_code}",
                    float(after) if after.replace(".", "", 1).isdigit() else None)
    if answer.status_code >= 400:
        raise KlangfarbeError("an answer of the service",
                              f"status {answer.status_code}: {answer.text[:200]!r}",
                              "look at key, model and base URL; what was answered before is kept")
    try:
        return answer.json()
    except ValueError as error:
        raise Again("an answer that is not JSON") from error


def _inside(said: dict, *path) -> dict:
    """A part of a service's answer; what lacks it may be better the next time."""
    for key in path:
        try:
            said = said[key]
        except (KeyError, IndexError, TypeError) as error:
            raise Again(f"an answer without {'.'.join(map(str, path))}") from error
    return said
