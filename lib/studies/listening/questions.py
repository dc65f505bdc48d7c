"""The questions letter by letter, the consent, and the form of one answer.
Source: Deepika §6.1.4 (OVL, REL), §6.2.3; the comparisons are ours.  Notebook: 26."""

from collections import namedtuple
from dataclasses import fields
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lib.core.errors import KlangfarbeError

RATE, COMPARE = "rate", "compare"
SIDES = ("left", "right")
# column of the answers, the text's own heading, what is asked, whole-number scale 0 … high
Question = namedtuple("Question", "name title text high")
LIKERT_ENDS = {0: "Strongly Disagree", 5: "Strongly Agree"}
QUESTIONS = (
    Question("quality", "Quality Assessment",
             "Do you think the sound sample has good audio quality, clarity, and fidelity?", 5),
    Question("novelty", "Novelty Assessment",
             "Do you consider the sound sample to be novel and creatively interesting?", 5),
    Question("aesthetics", "Aesthetics Assessment",
             "How much did you enjoy listening to the sound sample?", 5),
    Question("relationship", "Relationship Assessment", "Do you relate the sound sample to the "
             "image shown? Does the music reflect the mood, objects, or context of the image?", 5),
    Question("ovl", "Overall Quality (OVL)", "A score from 0 to 100 reflecting the general audio "
             "quality, including aspects such as clarity, richness, absence of artifacts, and "
             "overall pleasantness.", 100),
    Question("rel", "Relevance (REL)", "A score from 0 to 100 indicating how well the music "
             "matches the input image’s mood, theme, and content, evaluating semantic coherence "
             "and emotional alignment.", 100))
CHOICES = (("better", "Which of the two sounds better?"),
           ("fitting", "Which of the two fits the picture better?"))
NAMES = tuple(question.name for question in QUESTIONS)
CHOICE_NAMES = tuple(name for name, _ in CHOICES)
ASKED = {RATE: NAMES, COMPARE: CHOICE_NAMES}  # kind of page → its questions
SCALES = {q.name: range(q.high + 1) for q in QUESTIONS} | dict.fromkeys(CHOICE_NAMES, SIDES)


def on_scale(name: str, value: object) -> bool:
    """Whether `value` is one of the steps of a question's or choice's scale."""
    return type(value) in (int, str) and value in SCALES[name]


def consent(n_trials: int, minutes: int) -> str:
    """What a listener reads before anything is asked."""
    return f"""You are invited to listen to short pieces of music, each shown with a picture, and to
say what you think of them.

What you do. {n_trials} pages, about {minutes} minutes. On each page: look at the picture, play the
sound to its end, answer the questions. There are no right answers. Some sounds may seem odd, and
some may be silent: rate them as you hear them. Please use headphones if you have some, and set a
comfortable volume before you begin; leave it there.

What is stored. Your answers, how long each page took, how often you pressed "Play", and the date
and time. No name, no address, no sound or picture of you, nothing about your computer. A random
code stands for you; write it down, with it you can go on later or have your answers deleted. Your
browser keeps the code, too, so that a closed page can be opened again.

You may stop. At any time, without a reason: close the page, or press "Stop and delete my answers",
which removes every answer of yours from the disk at once. It works from the first page to the last,
and later, with your code.

What for. To learn how well systems that turn pictures into music do it. Answers are published as
tables and averages; single answers may be published under random codes."""


Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class Row:
    """One answered page. ``simulated``: True for every row of simulate.py and for no other."""
    study: Name
    rater: Name
    trial: Count                        # pages from 0
    kind: str
    code: Name                          # blind name of what was played
    quality: int | None = None
    novelty: int | None = None
    aesthetics: int | None = None
    relationship: int | None = None
    ovl: int | None = None
    rel: int | None = None
    better: str | None = None
    fitting: str | None = None
    plays: Count = 0                    # both sides together
    heard: bool = False                 # to its end
    seconds: Annotated[float, Field(ge=0)] = 0.0
    at: str = ""                        # ISO 8601, UTC
    simulated: bool = False

    def __post_init__(self):
        asked = ASKED.get(self.kind, ())
        wrong = [name for name in SCALES
                 if not (on_scale(name, getattr(self, name)) if name in asked
                         else getattr(self, name) is None)]
        if wrong or not asked:
            raise KlangfarbeError("a whole answer", f"trial {self.trial} of {self.rater}, "
                                  f"{self.kind}: {', '.join(wrong)}", "answer the whole page")


FIELDS = tuple(field.name for field in fields(Row))
