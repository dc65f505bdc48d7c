"""What is judged, the judge's prompt and the form of its answer, word for word, and how it is read.
Source: Hong et al., Tables VIII (prompt) and IX (fields; another one is refused).  Notebook: 46."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lib.core.errors import KlangfarbeError

PROMPT = """You are a multimodal feeling consistency evaluator.
Given that the audio is generated based on text and images,
please determine the similarity between the audio and the
text and images in terms of feelings.
Please output as follows: \\n
1. Give an integer score ranging from 0 to 10. The higher
the score, the more consistent the feelings are. \\n
2. Analyze the main feeling keywords of each of the three
modalities: audio, text, and images. \\n
3. Explain why you make such a judgment, including but not
limited to:
- Text: Word choice, sentence structure, artistic
conception, etc.
- Image: Tone, composition, main elements, etc.
- Audio: timbre, rhythm, melody, sense of energy, etc.
Please ensure that the output strictly complies with the
specified JSON Schema."""
ORDERS = (("text", "image", "audio"), ("audio", "image", "text"))

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Words = Annotated[list[Text], Field(min_length=1, max_length=5)]


@dataclass(frozen=True)
class Case:
    """One thing to judge: a picture uint8 [H, W, 3], a text, a sound float32 [N], in an order."""
    name: str
    picture: np.ndarray
    text: str
    sound: np.ndarray
    rate_hz: int
    order: tuple[str, ...] = ORDERS[0]

    def messages(self, prompt: str | list, image: dict, audio: dict) -> list[dict]:
        """The chat that asks: the prompt, then the case's parts in its order."""
        parts = {"text": {"type": "text", "text": f"Text: {self.text}"}, "image": image,
                 "audio": audio}
        return [{"role": "system", "content": prompt},
                {"role": "user", "content": [parts[name] for name in self.order]}]


class InvalidAnswer(KlangfarbeError):
    """An answer that is not in the form."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Scores(_Form):
    Feeling_alignment: Annotated[int, Field(ge=0, le=10)]


class _Keywords(_Form):
    text: Words
    image: Words
    audio: Words


class _Explanations(_Form):
    text: Text
    image: Text
    audio: Text
    overall: Text


class Rating(_Form):
    """Table IX."""
    scores: _Scores              # 0 … 10 ↑
    keywords: _Keywords          # one to five main feeling keywords of each modality
    explanations: _Explanations  # why
    notes: str | None = None

    @property
    def score(self) -> int:
        """Feeling alignment."""
        return self.scores.Feeling_alignment


def schema() -> dict[str, Any]:
    """Table IX as JSON Schema without references, which services do not resolve."""
    whole = Rating.model_json_schema()
    definitions = whole.pop("$defs")
    def inline(part: Any) -> Any:
        if isinstance(part, list):
            return [inline(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return inline(definitions[part["$ref"].rsplit("/", 1)[1]])
        return {key: inline(value) for key, value in part.items()
                if key not in ("title", "description", "default")}
    return inline(whole)


def read_rating(answer: str) -> Rating:
    """A judge's answer, also in a code fence; InvalidAnswer says where it leaves the form."""
    text = answer.strip()
    if text.startswith("```"):
        text = text.removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        return Rating.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise InvalidAnswer("JSON of Table IX's form", f"{where}: {first['msg']}; it begins "
                            f"{text[:60]!r}", "ask again") from error
