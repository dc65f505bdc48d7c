"""One listener's way through a study, without widgets: what the page may do, and when.

    consent ──agree──► page 0 ──submit──► page 1 … ──submit──► done
       └──decline──► gone ◄── withdraw (from everywhere; deletes all)"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from lib.core.errors import KlangfarbeError, one_of
from lib.studies.listening import questions, store, study
from lib.studies.listening.questions import ASKED, SIDES, Row

CONSENT, PAGE, DONE, GONE = "consent", "page", "done", "gone"
SLACK_SECONDS = 0.25  # between the button and the first sound


class Session:
    """One listener's sitting: its ``state``, the present page's ``trial`` and ``answers``; a known
    code goes on where it stopped. `clock`: rising seconds; `simulated`: a program answers."""

    def __init__(self, of: study.Study, rater: str, *, clock: Callable[[], float] = time.monotonic,
                 simulated: bool = False):
        store.check_code(rater)
        self.study, self.rater, self.clock, self.simulated = of, rater, clock, simulated
        self.state, self.trial, self.answers = CONSENT, {}, {}
        self._block, self._done, self._plays, self._since = [], set(), [], 0.0

    @property
    def text(self) -> str:
        pages, seconds = self.study.block(0), self.study.settings["seconds"]
        whole = sum(seconds[p["audio"]] + (seconds[p["other"]] if p["other"] else 25) + 5
                    for p in pages)
        return questions.consent(len(pages), max(1, round(whole / 60)))

    @property
    def progress(self) -> tuple[int, int]:
        return len(self._done), len(self._block)  # pages answered, pages in all

    @property
    def sounds(self) -> dict[str, str]:
        # what can be played on this page: side → name of the sound
        names = {"left": self.trial["audio"], "right": self.trial["other"]}
        return {side: names[side] for side in SIDES if names[side]}

    def agree(self) -> None:
        """The listener agrees: takes a place, and the first page that is not answered yet comes."""
        self._expect(CONSENT)
        self._block = self.study.block(study.claim(self.study, self.rater))
        self._done = store.answered(self.study.ratings, self.rater, self.study.name)
        self._next()

    def decline(self) -> None:
        self._expect(CONSENT)
        self.state = GONE

    def play(self, side: str = "left") -> bytes:
        self._expect(PAGE)
        one_of(self.sounds, side, "a side", "play another")
        self._plays.append((side, self.clock()))
        return self.study.audio(self.sounds[side])

    def answer(self, name: str, value: int | str) -> None:
        self._expect(PAGE)
        if name not in ASKED[self.trial["kind"]] or not questions.on_scale(name, value):
            raise KlangfarbeError("an answer on the scale of a question of this page",
                                  f"{name} = {value!r}", "answer what is asked")
        self.answers[name] = value

    def missing(self) -> str:
        """What is still to do before the next page, as a sentence; empty where nothing is."""
        self._expect(PAGE)
        ends = [when for _, when in self._plays[1:]] + [self.clock()]
        for side, name in self.sounds.items():
            which = "the sound" if len(self.sounds) == 1 else f"the {side} sound"
            # heard in one go: a sound ends where the next one is started
            heard = [end - when for (played, when), end in zip(self._plays, ends, strict=False)
                     if played == side]
            if not heard:
                return f"Please play {which} first."
            left = self.study.settings["seconds"][name] - SLACK_SECONDS - max(heard)
            if left > 0:
                more = f" ({left:.0f} s more)" if left >= 1 else ""
                return f"Please hear {which} to its end{more}."
        titles = {q.name: q.title for q in questions.QUESTIONS} | dict(questions.CHOICES)
        unanswered = [titles[n] for n in ASKED[self.trial["kind"]] if n not in self.answers]
        return f"Still to answer: {' · '.join(unanswered)}" if unanswered else ""

    def submit(self) -> None:
        """Stores the page's answers and goes on; where the disk refuses, the page stays."""
        lacking = self.missing()
        if not study.knows(self.study, self.rater):  # withdrawn in another window: store no more
            self.state = GONE
            raise KlangfarbeError("a sitting that goes on", "Your answers were deleted",
                                  "Begin a new sitting, if you like")
        if lacking:
            raise KlangfarbeError("a whole page", lacking, "do what it says, then go on")
        row = Row(
            study=self.study.name, rater=self.rater, trial=self.trial["trial"],
            kind=self.trial["kind"], code=self.trial["code"], plays=len(self._plays), heard=True,
            seconds=round(self.clock() - self._since, 1), simulated=self.simulated,
            at=datetime.now(UTC).isoformat(timespec="seconds"), **self.answers)
        try:
            store.append(self.study.ratings, row)
        finally:  # answered now, or in another window before: on from there
            self._done = store.answered(self.study.ratings, self.rater, self.study.name)
            if self.trial["trial"] in self._done:
                self._next()

    def withdraw(self) -> int:
        self.state = GONE
        return study.withdraw(self.study, self.rater)

    def _expect(self, state: str) -> None:
        if self.state != state:
            raise KlangfarbeError(f"a sitting at {state!r}", repr(self.state), "begin a new one")

    def _next(self) -> None:
        self.trial = next((page for page in self._block if page["trial"] not in self._done), {})
        self.state = PAGE if self.trial else DONE
        self.answers, self._plays, self._since = {}, [], self.clock()
