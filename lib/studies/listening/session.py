"""One listener's way through a study as a machine of states, without widgets: what the page may do,
and when.

```
consent ──agree──► page 0 ──submit──► page 1 … ──submit──► done
   │                  └────────────── withdraw ──────────► gone   (from everywhere; deletes all)
   └──decline──► gone
```
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from lib.core.errors import KlangfarbeError
from lib.studies.listening import store, study
from lib.studies.listening.questions import (
    CHOICE_NAMES,
    CHOICES,
    COMPARE,
    NAMES,
    QUESTIONS,
    SIDES,
    Row,
    consent,
    question,
)

CONSENT, PAGE, DONE, GONE = "consent", "page", "done", "gone"
SLACK_SECONDS = 0.25  # between the button and the first sound


class Session:
    """One listener's sitting. Every answer is on the disk before :meth:`submit` returns.

    Args:
        of: the study. rater: the listener's code; with a known one the sitting goes on where it
            stopped.
        clock: seconds that only rise; tests give their own.
        simulated: True where a program answers: its rows say so, and the ledger refuses them.

    Attributes:
        state: ``consent``, ``page``, ``done`` or ``gone``. trial: the page's row of the plan, or
            None.
        answers: what has been answered on this page.
    """

    def __init__(self, of: study.Study, rater: str, *, clock: Callable[[], float] = time.monotonic,
                 simulated: bool = False):
        store.check_code(rater)
        self.study, self.rater, self.clock, self.simulated = of, rater, clock, simulated
        self.state, self.trial, self.answers = CONSENT, None, {}
        self._block, self._done, self._plays, self._since = [], set(), [], 0.0

    @property
    def text(self) -> str:
        """The consent text with this study's own length."""
        pages = self.study.block(0)
        seconds = sum(self.study.seconds(p["audio"])
                      + (self.study.seconds(p["other"]) if p["other"] else 25) + 5 for p in pages)
        return consent(len(pages), max(1, round(seconds / 60)))

    @property
    def progress(self) -> tuple[int, int]:
        """(pages answered, pages in all)."""
        return len(self._done), len(self._block)

    @property
    def sides(self) -> tuple[str, ...]:
        """What can be played on this page: one side, or two in a comparison."""
        return SIDES if self.trial["kind"] == COMPARE else SIDES[:1]

    def agree(self) -> None:
        """The listener agrees: takes a place, and the first page that is not answered yet comes."""
        self._expect(CONSENT)
        self._block = self.study.block(study.claim(self.study, self.rater))
        self._done = store.answered(self.study.ratings, self.rater, self.study.name)
        self._next()

    def decline(self) -> None:
        """The listener does not wish to take part: nothing is stored."""
        self._expect(CONSENT)
        self.state = GONE

    def play(self, side: str = "left") -> bytes:
        """FLAC bytes of one side; the time is noted."""
        self._expect(PAGE)
        if side not in self.sides:
            raise KlangfarbeError(f"a side out of {', '.join(self.sides)}", repr(side),
                                  "play one that is there")
        self._plays.append((side, self.clock()))
        return self.study.audio(self._audio(side))

    def answer(self, name: str, value) -> None:
        """Answers one question of this page, or changes the answer.

        Raises:
            KlangfarbeError: a question this page does not ask, or a value off its scale.
        """
        self._expect(PAGE)
        if self.trial["kind"] == COMPARE:
            right = name in CHOICE_NAMES and value in SIDES
        else:
            right = name in NAMES and type(value) is int and question(
                name).low <= value <= question(name).high
        if not right:
            raise KlangfarbeError("an answer on the scale of a question of this page",
                                  f"{name} = {value!r}", "answer what is asked")
        self.answers[name] = value

    def missing(self) -> str:
        """What is still to do before the next page, as a sentence; empty where nothing is."""
        self._expect(PAGE)
        for side in self.sides:
            left = self._left(side)
            which = "the sound" if len(self.sides) == 1 else f"the {side} sound"
            if left == self.study.seconds(self._audio(side)):
                return f"Please play {which} first."
            if left > 0:
                return (f"Please hear {which} to its end ({left:.0f} s more)." if left >= 1
                        else f"Please hear {which} to its end.")
        asked = CHOICES if self.trial["kind"] == COMPARE else [(q.name, q.title) for q in QUESTIONS]
        unanswered = [title for name, title in asked if name not in self.answers]
        return f"Still to answer: {' · '.join(unanswered)}" if unanswered else ""

    def submit(self) -> None:
        """Stores the page's answers and goes on.

        Raises:
            KlangfarbeError: something is missing, or the disk refuses (the page stays, nothing is
                lost).
        """
        lacking = self.missing()
        # withdrawn in another window: nothing more may be stored
        if not study.knows(self.study, self.rater):
            self.state, self.trial, self.answers = GONE, None, {}
            raise KlangfarbeError("a sitting that goes on", "Your answers were deleted",
                                  "Begin a new sitting, if you like")
        if lacking:
            raise KlangfarbeError("a whole page", lacking, "do what it says, then go on")
        store.append(
            self.study.ratings,
            Row(study=self.study.name, rater=self.rater, trial=self.trial["trial"],
                kind=self.trial["kind"], code=self.trial["code"], plays=len(self._plays),
                heard=True, seconds=round(self.clock() - self._since, 1),
                at=datetime.now(UTC).isoformat(timespec="seconds"), simulated=self.simulated,
                **self.answers),
        )
        self._done.add(self.trial["trial"])
        self._next()

    def withdraw(self) -> int:
        """Deletes everything this listener answered and ends the sitting; returns how many answers
        there were.
        """
        count = study.withdraw(self.study, self.rater)
        self.state, self.trial, self.answers = GONE, None, {}
        return count

    def _expect(self, state: str) -> None:
        if self.state != state:
            raise KlangfarbeError(f"a sitting at {state!r}", repr(self.state),
                                  "begin a new sitting")

    def _next(self) -> None:
        self.trial = next((page for page in self._block if page["trial"] not in self._done), None)
        self.state = PAGE if self.trial else DONE
        self.answers, self._plays, self._since = {}, [], self.clock()

    def _audio(self, side: str) -> str:
        return self.trial["other"] if side == "right" else self.trial["audio"]

    def _left(self, side: str) -> float:
        """Seconds of a side not yet heard in one go: a sound ends where the next one is started."""
        whole = self.study.seconds(self._audio(side))
        if side not in [which for which, _ in self._plays]:
            return whole
        ends = [when for _, when in self._plays[1:]] + [self.clock()]
        heard = max(end - when for (which, when),
                    end in zip(self._plays, ends, strict=True) if which == side)
        return max(0.0, whole - SLACK_SECONDS - heard)
