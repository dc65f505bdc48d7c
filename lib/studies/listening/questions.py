"""What a listener is asked and told: the questions letter by letter, the consent, and the form of
one answer.
"""

from dataclasses import asdict, dataclass, fields

from lib.core.errors import KlangfarbeError

LIKERT_ENDS = ("Strongly Disagree", "Strongly Agree")
SIDES = ("left", "right")
RATE, COMPARE = "rate", "compare"


@dataclass(frozen=True)
class Question:
    """One question with its scale.

    Attributes:
        name: column of the answer. title: the text's own heading. text: what is asked.
        low, high: ends of the scale, whole numbers. ends: the words at them; empty where the source
            prints none.
        source: where it is printed.
    """

    name: str
    title: str
    text: str
    low: int
    high: int
    ends: tuple[str, str]
    source: str

    @property
    def level(self) -> str:
        """How its answers are measured, for α: ordinal for the six steps, interval for 0–100."""
        return "ordinal" if self.high == 5 else "interval"


QUESTIONS = (
    Question("quality", "Quality Assessment",
             "Do you think the sound sample has good audio quality, clarity, and fidelity?", 0, 5,
             LIKERT_ENDS, "§6.2.3"),
    Question("novelty", "Novelty Assessment",
             "Do you consider the sound sample to be novel and creatively interesting?", 0, 5,
             LIKERT_ENDS, "§6.2.3"),
    Question("aesthetics", "Aesthetics Assessment",
             "How much did you enjoy listening to the sound sample?", 0, 5, LIKERT_ENDS, "§6.2.3"),
    Question("relationship", "Relationship Assessment",
             "Do you relate the sound sample to the image shown? Does the music reflect the "
             "mood, objects, or context of the image?", 0, 5, LIKERT_ENDS, "§6.2.3"),
    Question("ovl", "Overall Quality (OVL)",
             "A score from 0 to 100 reflecting the general audio quality, "
             "including aspects such as "
             "clarity, richness, absence of artifacts, and overall pleasantness.", 0, 100, ("", ""),
             "§6.1.4"),
    Question("rel", "Relevance (REL)",
             "A score from 0 to 100 indicating how well the music matches the input image’s mood, "
             "theme, and " "content, evaluating semantic coherence and emotional alignment.", 0,
             100, ("", ""), "§6.1.4"),
)
# The comparisons are ours: the text has none.
CHOICES = (("better", "Which of the two sounds better?"),
           ("fitting", "Which of the two fits the picture better?"))
NAMES = tuple(question.name for question in QUESTIONS)
CHOICE_NAMES = tuple(name for name, _ in CHOICES)


def question(name: str) -> Question:
    """The question of that name.

    Raises:
        KlangfarbeError: no such question.
    """
    for one in QUESTIONS:
        if one.name == name:
            return one
    raise KlangfarbeError(f"a question out of {', '.join(NAMES)}", repr(name), "name one of them")


def consent(n_trials: int, minutes: int, contact: str = "") -> str:
    """What a listener reads before anything is asked: what, how long, what is stored, how to stop
    and delete.
    """
    writing = f", or by writing to {contact}" if contact else ""
    return f"""You are invited to listen to short pieces of music, each shown with a picture, and to
say what you think of them.

What you do. {n_trials} pages, about {minutes} minutes. On each page: look at the picture, play the
sound to its end, answer the questions. There are no right answers. Some sounds may seem odd, and
some may be silent: rate them as you hear them. Please use headphones if you have some, and set a
comfortable volume before you begin; leave it there.

What is stored. Your answers, how long each page took, how often you pressed "Play", and the date
and time. No name, no address, no sound or picture of you, nothing about your computer. A random
code stands for you; write it down, with it you can go on later or have your answers deleted.

You may stop. At any time, without a reason: close the page, or press "Stop and delete my answers",
which removes every answer of yours from the disk at once. It works from the first page to the last,
and later, with your code{writing}.

What for. To learn how well systems that turn pictures into music do it. Answers are published as
tables and averages; single answers may be published under random codes."""


@dataclass(frozen=True)
class Row:
    """One answered page: a line in a listener's file.

    Attributes:
        study: hash of the design it belongs to. rater: the listener's random code. trial: which
            page, from 0.
        kind: ``rate`` (six answers) or ``compare`` (two choices). code: blind name of what was
            played.
        quality, novelty, aesthetics, relationship: 0–5. ovl, rel: 0–100. better, fitting: ``left``
            or ``right``.
        plays: how often "Play" was pressed (both sides together). heard: played, and the page open
            until the sound had ended.
        seconds: time on the page. at: when it was stored, ISO 8601, UTC.
        simulated: True for the rows of :mod:`lib.studies.listening.simulate`; never False for them.
    """

    study: str
    rater: str
    trial: int
    kind: str
    code: str
    quality: int | None = None
    novelty: int | None = None
    aesthetics: int | None = None
    relationship: int | None = None
    ovl: int | None = None
    rel: int | None = None
    better: str | None = None
    fitting: str | None = None
    plays: int = 0
    heard: bool = False
    seconds: float = 0.0
    at: str = ""
    simulated: bool = False

    def __post_init__(self):
        fault = _fault(self)
        if fault:
            raise KlangfarbeError("a whole answer", f"trial {self.trial} of {self.rater}: {fault}",
                                  "answer every question of the page")

    def plain(self) -> dict:
        """The row as a mapping of plain values, in the order of the fields."""
        return asdict(self)


FIELDS = tuple(field.name for field in fields(Row))


def _fault(row: Row) -> str:
    """What is wrong with a row, or an empty string."""
    texts = (row.study, row.rater, row.kind, row.code, row.at)
    if not all(isinstance(text, str) for text in texts) or not (row.study and row.rater
                                                                and row.code):
        return "study, rater and code are words"
    if type(row.trial) is not int or row.trial < 0 or type(row.plays) is not int or row.plays < 0:
        return "trial and plays are whole numbers from 0"
    if type(row.heard) is not bool or type(row.simulated) is not bool:
        return "heard and simulated are yes or no"
    if not isinstance(row.seconds, int | float) or row.seconds < 0:
        return "seconds are at least 0"
    if row.kind not in (RATE, COMPARE):
        return f"kind {row.kind!r}"
    for one in QUESTIONS:
        value = getattr(row, one.name)
        if row.kind == COMPARE and value is not None:
            return f"{one.name} answered in a comparison"
        if row.kind == RATE and (type(value) is not int or not one.low <= value <= one.high):
            return f"{one.name} is {value!r}, not a whole number from {one.low} to {one.high}"
    for name in CHOICE_NAMES:
        value = getattr(row, name)
        if (row.kind == COMPARE and value not in SIDES) or (row.kind == RATE and value is not None):
            return f"{name} is {value!r}"
    return ""
