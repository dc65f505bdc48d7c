"""Asking a judge, case by case: a service that speaks OpenAI's protocol, as Gemini does too (keys
from the environment), or a model of transformers on this machine. Who does not answer in the form
is asked again, a refusal is recorded, and every outcome is a line of JSON on the disk at once.
Source: Hong et al. §IV-C, Gemini in "direct multimodal mode (image+text+audio)".  Notebook: 46."""

import base64
import io
import os
import tempfile
import time
from collections import namedtuple
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import soundfile
import soxr
from PIL import Image

from lib.core import provenance
from lib.core.errors import KlangfarbeError, one_of, readable
from lib.signal import audio, images
from lib.studies import jsonl
from lib.studies.judge import rating

KEYS = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
URLS = {"openai": "https://api.openai.com/v1",
        "gemini": "https://generativelanguage.googleapis.com/v1beta/openai"}
NAMES = (*KEYS, "local")
MAX_TOKENS = 600  # of a model on this machine
RATED, REFUSED, MALFORMED, SILENT = "rated", "refused", "malformed", "silent"
COLUMNS = ("judge", "case", "status", "score", "tries", "why", "rating")
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 120.0
MOST_SILENT = 3  # cases in a row without any answer, after which nobody is asked any more
# ask: a case and the prompt → the answer's text, TemporaryFailure or Refused
Backend = namedtuple("Backend", "name ask")


class TemporaryFailure(Exception):
    """(why, seconds that the service asks for or ``None``): worth another try."""


class Refused(Exception):
    """The model was asked and does not want to answer."""


def get_backend(name: str, model: str, base_url: str = "", key: str | None = None,
                timeout_s: float = 120.0) -> Backend:
    """A backend out of :data:`NAMES`; without a model (for ``local`` a folder) or a key (``None``:
    from the environment) nobody is asked. base_url: another service of the protocol."""
    one_of(NAMES, name, "a judge")
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
            raise TemporaryFailure(f"no answer in {timeout_s:g} s", None) from error
        except httpx.TransportError as error:
            raise TemporaryFailure(f"not reached: {error}", None) from error
        status, after = answer.status_code, answer.headers.get("retry-after", "")
        if status == 429 or status >= 500:
            wait = float(after) if after.replace(".", "", 1).isdigit() else None
            raise TemporaryFailure(f"status {status}", wait)
        if status >= 400:
            raise KlangfarbeError("an answer", f"status {status}: {answer.text[:200]!r}",
                                  "look at key, model and base URL; earlier answers are kept")
        try:
            choice = answer.json()["choices"][0]
            message = choice["message"]
        except (ValueError, LookupError, TypeError) as error:
            raise TemporaryFailure("an answer without a message", None) from error
        if message.get("refusal") or choice.get("finish_reason") == "content_filter":
            raise Refused(message.get("refusal") or "content filter")
        return message.get("content") or ""

    return Backend(f"{name} {model}", ask)


def load_model(model: str) -> tuple:
    """Processor and network from a folder or by name on the hub; nothing is unpickled or run."""
    from transformers import AutoModelForMultimodalLM, AutoProcessor  # slow to import
    with readable("a model of transformers that sees, hears and writes", model, "give a folder "
                  "like the hub's, for instance of Gemma 3n or Qwen2.5-Omni"):
        processor = AutoProcessor.from_pretrained(model, trust_remote_code=False)
        network = AutoModelForMultimodalLM.from_pretrained(model, use_safetensors=True,
                                                           trust_remote_code=False)
    return processor, network.to(provenance.device()).eval()


def ask_locally(processor, network) -> Callable[[rating.Case, str], str]:
    """``ask`` of a network with its processor (chat template, pictures, sounds), greedy."""
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


def collect_ratings(cases: Sequence[rating.Case], backend: Backend, path: Path | str, *,
                    n_tries: int = 5, sleep: Callable[[float], None] = time.sleep) -> pd.DataFrame:
    """Answers of one judge, a row of :data:`COLUMNS` a case; what the file (``….jsonl``, also of
    other judges) answers is not asked again. Waits double from 2 s unless the service says."""
    path, names, silent = Path(path), [case.name for case in cases], 0
    if len(set(names)) < len(names):
        raise KlangfarbeError("cases of different names", "one twice", "name them apart")
    before = read_answers(path, backend.name)
    known = set(before.loc[before["status"] != SILENT, "case"])
    for case in cases:
        if case.name in known:
            continue
        row = {"judge": backend.name, "case": case.name, **_ask(case, backend, n_tries, sleep)}
        jsonl.append(path, row)
        silent = silent + 1 if row["status"] == SILENT else 0
        if silent == MOST_SILENT:
            raise KlangfarbeError(f"an answer of {backend.name}",
                                  f"none to {silent} cases in a row: {row['why']}",
                                  f"try later; {path.name} stays, the same call goes on from there")
    return read_answers(path, backend.name, names)


def read_answers(path: Path | str, judge: str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """A judge's answers from a file, the last one to each case; a torn line is none."""
    rows = {row["case"]: row for _, _, row in jsonl.read(Path(path))
            if row and {"judge", "case", "status"} <= row.keys() and row["judge"] == judge}
    kept = [rows[name] for name in (rows if names is None else names) if name in rows]
    return pd.DataFrame(kept, columns=list(COLUMNS))


def rate_files(painting: Path, music: Path, comment: str, backend: str, model: str,
               base_url: str = "", output: Path | None = None) -> int:
    """``python -m lib judge``: prints one rating, returns the exit code; `output` keeps it."""
    if not (comment := comment.strip()):
        raise KlangfarbeError("a comment, what is felt before the painting", "none",
                              'for instance --comment "it makes me feel calm"')
    case = rating.Case(f"{painting.name} {music.name} {comment}", images.load(painting), comment,
                       audio.load(music), audio.SAMPLE_RATE_HZ)
    judge = get_backend(backend, model, base_url)
    with tempfile.TemporaryDirectory() as folder:
        row = collect_ratings([case], judge, output or Path(folder) / "answers.jsonl").iloc[0]
    if row["status"] != RATED:
        raise KlangfarbeError(f"a rating of {judge.name}",
                              f"{row['status']} after {row['tries']} tries: {row['why']}",
                              "ask again later, or another judge; no rating is made up")
    keywords, reasons = row["rating"]["keywords"], row["rating"]["explanations"]
    print(f"{judge.name}: {row['score']:g} of 10")
    for name, words in keywords.items():
        print(f"  {name:6} {', '.join(words)} · {reasons[name]}")
    print(f"  {reasons['overall']}\nOne rating is an anecdote; notebook 46 has the controls.")
    return 0


def _ask(case: rating.Case, backend: Backend, n_tries: int, sleep) -> dict:
    row = {"status": SILENT, "score": None, "tries": n_tries, "why": "", "rating": None}
    for attempt in range(1, n_tries + 1):
        try:
            found = rating.read_rating(backend.ask(case, rating.PROMPT))
            return row | {"status": RATED, "score": found.score, "tries": attempt, "why": "",
                          "rating": found.model_dump(mode="json")}
        except Refused as refused:
            return row | {"status": REFUSED, "tries": attempt, "why": str(refused)}
        except TemporaryFailure as failure:
            why, after = failure.args
            row |= {"status": SILENT, "why": why}
            if attempt < n_tries:
                wait = FIRST_WAIT_S * 2 ** (attempt - 1) if after is None else after
                sleep(min(LONGEST_WAIT_S, wait))
        except rating.InvalidAnswer as invalid:
            row |= {"status": MALFORMED, "why": invalid.got}
    return row
