"""The page a listener sees, in ipywidgets: every control is reached with Tab and worked with number
keys, arrows and enter.

It only shows a :class:`lib.studies.listening.session.Session` and passes on what is pressed; what
is allowed when stands there. :func:`still` draws the same page as plain HTML, for a reader who has
no kernel running.
"""

import base64
import html
import secrets

import ipywidgets
from IPython.display import HTML

from lib.core.errors import KlangfarbeError
from lib.studies.listening import session as sessions
from lib.studies.listening import study as studies
from lib.studies.listening.questions import CHOICES, COMPARE, QUESTIONS, SIDES, Question

PICTURE_WIDTH, LABEL_WIDTH = "320px", "220px"
BEGIN, DECLINE, NEXT, STOP, SURE = ("I agree: begin", "I do not wish to take part", "Next page",
                                    "Stop and delete my answers", "Yes, delete them all")
KEYS = ("With the keyboard: Tab goes on, enter plays, 0 to 5 answer a list, "
        "the arrows move a slider (its number can be typed, too).")
PLAY = {"left": "▶ Play", "right": "▶ Play right"}


def page(study: studies.Study, rater: str = "", **options):
    """The interface to one sitting; display what it returns. ``page(study).box`` in Voila gives
    each visitor a sitting of their own.

    Args:
        rater: a code to go on with; empty: a new random one, or the one the listener types.
        options: `clock` and `simulated` of :class:`lib.studies.listening.session.Session`.
    """
    return Page(study, rater, **options)


class Page:
    """Widgets around a sitting.

    Attributes:
        box: the widget to display. session: the sitting behind it. controls: the present widgets by
            name (``begin``, ``play left``, ``quality``, ``next`` …), in the order in which Tab
            reaches them.
    """

    def __init__(self, study: studies.Study, rater: str = "", **options):
        self._w, self._study, self._options = ipywidgets, study, options
        self._typed = rater
        self.session = sessions.Session(study, rater or secrets.token_hex(4), **options)
        self.message = ipywidgets.HTML()
        # the player has no controls of its own: what is not pressed here could not be counted
        self.sound = ipywidgets.Box()
        self.box = ipywidgets.VBox(layout={"max_width": "860px"})
        self.controls = {}
        self._show()

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    def say(self, text: str) -> None:
        """Shows a line that screen readers read out, too."""
        self.message.value = (f'<div role="status" aria-live="polite" '
                              f'style="min-height:1.5em;color:#8a2a2a">{html.escape(text)}</div>')

    def _show(self) -> None:
        self.say("")
        self.controls, self.sound.children = {}, ()
        build = {sessions.CONSENT: self._consent, sessions.PAGE: self._page,
                 sessions.DONE: self._done, sessions.GONE: self._gone}
        self.box.children = build[self.session.state]()

    def _button(self, name: str, text: str, press, **style):
        button = self._w.Button(description=text, layout={"width": "auto"}, tooltip=text, **style)

        def pressed(_):
            try:
                press()
            except KlangfarbeError as error:
                self.say(f"{error.got}. {error.do}.")
            except OSError as error:
                self.say(f"This could not be stored ({error.strerror}). "
                         f"Your earlier answers are safe; please call for help.")

        button.on_click(pressed)
        self.controls[name] = button
        return button

    def _consent(self):
        text = "".join(f"<p>{html.escape(part)}</p>" for part in self.session.text.split("\n\n"))
        code = self._w.Text(value=self._typed, description="My code",
                            placeholder="only to go on with a sitting", layout={"width": "380px"})
        self.controls["code"] = code

        def begin():
            typed = code.value.strip()
            if typed and typed != self.session.rater:
                if not studies.knows(self._study, typed):
                    return self.say(
                        "No sitting has this code. Leave the field empty to begin a new one.")
                self.session = sessions.Session(self._study, typed, **self._options)
            self.session.agree()
            self._show()
            return None

        def decline():
            self.session.decline()
            self._show()

        buttons = self._w.HBox([self._button("begin", BEGIN, begin, button_style="primary"),
                                self._button("decline", DECLINE, decline)])
        return [self._w.HTML(f"<h2>A listening study</h2>{text}"), code, buttons, self.message]

    def _page(self):
        done, all_pages = self.session.progress
        head = self._w.HTML(
            f"<p>Page {done + 1} of {all_pages} · your code: <b>{self.session.rater}</b></p>")
        picture = self._w.Image(value=self._study.image(self.session.trial["image"]), format="png",
                                layout={"width": PICTURE_WIDTH})
        plays = [self._button(f"play {side}",
                              f"▶ Play {side}" if len(self.session.sides) == 2 else PLAY["left"],
                              lambda side=side: self._play(side), button_style="info")
                 for side in self.session.sides]
        if self.session.trial["kind"] == COMPARE:
            asked = [self._choice(name, text) for name, text in CHOICES]
        else:
            scales = [self._scale(question) for question in QUESTIONS]
            asked = [self._w.HTML(KEYS), self._w.HBox(scales[:2]), self._w.HBox(scales[2:4]),
                     *scales[4:]]
        end = self._w.HBox([self._button("next", NEXT, self._submit, button_style="primary"),
                            self._button("stop", STOP, self._ask)])
        return [head, self._w.HBox([picture, self._w.VBox(plays)]), self.sound, *asked,
                self.message, end]

    def _play(self, side: str) -> None:
        heard = self.session.play(side)
        self.sound.children = (self._w.Audio(value=heard, format="flac", autoplay=True, loop=False,
                                             controls=False),)
        self.say("")

    def _submit(self) -> None:
        lacking = self.session.missing()
        if lacking:
            self.say(lacking)
            return
        self.session.submit()
        self._show()
        first = next(iter(self.controls.values()), None)
        if first is not None:
            first.focus()  # Tab begins at the new page's first control

    def _ask(self) -> None:
        def delete():
            self.session.withdraw()
            self._show()

        if "sure" not in self.controls:
            self.box.children = (*self.box.children,
                                 self._button("sure", SURE, delete, button_style="danger"))
        self.say("This removes every answer you have given.")

    def _scale(self, question: Question):
        label = self._w.HTML(html.escape(question.text))
        if question.high == 5:
            steps = [(_step(question, value), value)
                     for value in range(question.low, question.high + 1)]
            control = self._w.Select(options=steps, value=None, rows=len(steps),
                                     description=question.title, **self._wide("400px"))
        else:
            control = self._w.IntSlider(value=50, min=question.low, max=question.high,
                                        description=f"{question.title}, not set",
                                        **self._wide("820px"))

        def changed(change):
            self.session.answer(question.name, int(change["new"]))
            if question.high != 5:
                control.description = question.title

        control.observe(changed, "value")
        self.controls[question.name] = control
        return self._w.VBox([label, control],
                            layout={"margin": "6px 0",
                                    "width": "415px" if question.high == 5 else "auto"})

    def _wide(self, width: str) -> dict:
        return {"layout": {"width": width}, "style": {"description_width": LABEL_WIDTH}}

    def _choice(self, name: str, text: str):
        control = self._w.Select(options=[(side, side) for side in SIDES], value=None, rows=2,
                                 description=name.capitalize(), **self._wide("400px"))
        control.observe(lambda change: self.session.answer(name, change["new"]), "value")
        self.controls[name] = control
        return self._w.VBox([self._w.HTML(f"<b>{html.escape(text)}</b>"), control],
                            layout={"margin": "6px 0"})

    def _done(self):
        text = (f"Every answer is stored. Your code is <b>{self.session.rater}</b>: "
                f"with it your answers can be deleted later.")
        return [self._w.HTML(f"<h2>Thank you</h2><p>{text}</p>"), self.message,
                self._button("stop", STOP, self._ask)]

    def _gone(self):
        return [
            self._w.HTML(
                "<h2>Good-bye</h2><p>Nothing of yours is stored. You may close this page.</p>"),
            self.message]


def _step(question: Question, value: int) -> str:
    """The label of one step: the text's words stand at both ends."""
    word = {question.low: question.ends[0], question.high: question.ends[1]}.get(value, "")
    return f"{value} {word}".strip()


def _list(options) -> str:
    return (f'<select size="{len(options)}" '
            f'disabled>{"".join(f"<option>{option}</option>" for option in options)}</select>')


def still(session: sessions.Session):
    """The present page of a sitting as HTML that needs no kernel, for reading; it stores
    nothing.
    """
    if session.state != sessions.PAGE:
        text = "".join(f"<p>{html.escape(part)}</p>" for part in session.text.split("\n\n"))
        return HTML(
            f'<div style="border:1px solid #999;padding:1em;max-width:820px"><h3>A listening '
            f'study</h3>{text}'
            f"<button disabled>{BEGIN}</button> <button disabled>{DECLINE}</button></div>")
    done, pages = session.progress
    data = base64.b64encode(session.study.image(session.trial["image"])).decode()
    rows = []
    for question in QUESTIONS:
        if question.high == 5:
            control = _list([_step(question, value) for value in range(6)])
        else:
            control = (f'0 <input type="range" min="0" max="{question.high}" value="50" disabled '
                       f'style="width:22em"> {question.high}')
        width = 48 if question.high == 5 else 98
        rows.append(f'<p style="display:inline-block;vertical-align:top;width:{width}%">'
                    f'<b>{html.escape(question.title)}.</b> '
                    f"{html.escape(question.text)}<br>{control}</p>")
    if session.trial["kind"] == COMPARE:
        rows = [f"<p><b>{html.escape(text)}</b><br>{_list(SIDES)}</p>" for _, text in CHOICES]
    plays = " ".join(
        f"<button disabled>▶ Play{f' {side}' if len(session.sides) == 2 else ''}</button>"
        for side in session.sides)
    return HTML(
        f'<div style="border:1px solid #999;padding:1em;max-width:820px"><p>Page {done + 1} '
        f'of {pages} · your code: '
        f'<b>{session.rater}</b></p><p><img src="data:image/png;base64,{data}" '
        f'style="width:{PICTURE_WIDTH}" alt="the picture"> '
        f'{plays}</p>{"".join(rows)}<button disabled>{NEXT}</button> <button '
        f'disabled>{STOP}</button></div>')
