"""The page a listener sees, in ipywidgets, worked with Tab, number keys, arrows and enter: it shows
a :class:`~lib.studies.listening.session.Session` and passes on what is pressed."""

import html
import secrets
from collections.abc import Callable

import ipywidgets as widgets

from lib.core.errors import KlangfarbeError
from lib.studies.listening import questions
from lib.studies.listening import session as sessions
from lib.studies.listening import study as studies
from lib.studies.listening.questions import CHOICES, COMPARE, QUESTIONS, SIDES

PICTURE_WIDTH = "320px"
BEGIN, DECLINE, NEXT, STOP, SURE = ("I agree: begin", "I do not wish to take part", "Next page",
                                    "Stop and delete my answers", "Yes, delete them all")
KEYS = ("With the keyboard: Tab goes on, enter plays, 0 to 5 answer a list, "
        "the arrows move a slider (its number can be typed, too).")
THANKS = ("<h2>Thank you</h2><p>Every answer is stored. Your code is <b>{}</b>: with it your "
          "answers can be deleted later.</p>")
GONE = "<h2>Good-bye</h2><p>Nothing of yours is stored. You may close this page.</p>"


class Page:
    """Widgets around a sitting, in ``box``; ``controls``: the present ones, in Tab's order."""

    def __init__(self, study: studies.Study, rater: str = "", **options):
        self._study, self._options = study, options
        self.session = sessions.Session(study, rater or secrets.token_hex(4), **options)
        self.message = widgets.HTML()
        self.sound = widgets.Box()  # the player has no controls: presses must be counted here
        self.box = widgets.VBox(layout={"max_width": "860px"})
        self._show()

    def say(self, text: str) -> None:
        # a line that screen readers read out, too
        self.message.value = (f'<div role="status" aria-live="polite" '
                              f'style="min-height:1.5em;color:#8a2a2a">{html.escape(text)}</div>')

    def _show(self, action: Callable[[], object] = lambda: None) -> None:
        action()
        self.say("")
        self.controls: dict[str, widgets.DOMWidget] = {}
        self.sound.children = ()
        if self.session.state == sessions.CONSENT:
            self.box.children = self._consent()
        elif self.session.state == sessions.PAGE:
            self.box.children = self._page()
        elif self.session.state == sessions.DONE:
            self.box.children = [widgets.HTML(THANKS.format(self.session.rater)), self.message,
                                 self._button("stop", STOP, self._ask)]
        else:
            self.box.children = [widgets.HTML(GONE), self.message]

    def _button(self, name: str, text: str, press: Callable[[], None], style: str = ""):
        def pressed(_):
            try:
                press()
            except KlangfarbeError as error:
                self.say(f"{error.got}. {error.do}.")
        button = widgets.Button(description=text, layout={"width": "auto"}, tooltip=text,
                                button_style=style)
        button.on_click(pressed)
        self.controls[name] = button
        return button

    def _consent(self) -> list:
        code = widgets.Text(description="My code", layout={"width": "380px"},
                            placeholder="only to go on with a sitting")
        self.controls["code"] = code
        def begin():
            typed = code.value.strip()
            if typed and typed != self.session.rater:
                if not studies.knows(self._study, typed):
                    self.say("No sitting has this code. Leave the field empty to begin a new one.")
                    return
                self.session = sessions.Session(self._study, typed, **self._options)
            self._show(self.session.agree)
        buttons = [self._button("begin", BEGIN, begin, "primary"),
                   self._button("decline", DECLINE, lambda: self._show(self.session.decline))]
        text = "".join(f"<p>{html.escape(part)}</p>" for part in self.session.text.split("\n\n"))
        return [widgets.HTML(f"<h2>A listening study</h2>{text}"), code, widgets.HBox(buttons),
                self.message]

    def _page(self) -> list:
        trial = self.session.trial
        picture = widgets.Image(value=self._study.image(trial["image"]), format="png",
                                layout={"width": PICTURE_WIDTH})
        two = len(self.session.sounds) == 2
        plays = [self._button(f"play {side}", f"▶ Play {side}" if two else "▶ Play",
                              lambda side=side: self._play(side), "info")
                 for side in self.session.sounds]
        if trial["kind"] == COMPARE:
            sides = [(side, side) for side in SIDES]
            asked = [self._control(name, name.capitalize(), text, "auto", sides)
                     for name, text in CHOICES]
        else:
            steps = [(f"{k} {questions.LIKERT_ENDS.get(k, '')}".strip(), k) for k in range(6)]
            scales = [self._control(name, title, text, "415px", steps) if high == 5
                      else self._control(name, title, text, "auto")
                      for name, title, text, high in QUESTIONS]
            asked = [widgets.HTML(KEYS), widgets.HBox(scales[:2]), widgets.HBox(scales[2:4]),
                     *scales[4:]]
        end = [self._button("next", NEXT, self._submit, "primary"),
               self._button("stop", STOP, self._ask)]
        done, pages = self.session.progress
        head = f"<p>Page {done + 1} of {pages} · your code: <b>{self.session.rater}</b></p>"
        return [widgets.HTML(head), widgets.HBox([picture, widgets.VBox(plays)]), self.sound,
                *asked, self.message, widgets.HBox(end)]

    def _play(self, side: str) -> None:
        self.sound.children = (widgets.Audio(value=self.session.play(side), format="flac",
                                             autoplay=True, loop=False, controls=False),)
        self.say("")

    def _submit(self) -> None:
        if lacking := self.session.missing():
            self.say(lacking)
        else:
            self._show(self.session.submit)
            next(iter(self.controls.values())).focus()  # Tab begins at the page's first control

    def _ask(self) -> None:
        if "sure" not in self.controls:
            sure = self._button("sure", SURE, lambda: self._show(self.session.withdraw), "danger")
            self.box.children = (*self.box.children, sure)
        self.say("This removes every answer you have given.")

    def _control(self, name: str, title: str, text: str, width: str, options: list | None = None):
        # a list of (label, step), or a slider to 100 that is no answer until it is moved
        look = {"style": {"description_width": "220px"},
                "layout": {"width": "400px" if options else "820px"}}
        if options:
            control = widgets.Select(options=options, value=None, rows=len(options),
                                     description=title, **look)
        else:
            control = widgets.IntSlider(value=50, max=100, description=f"{title}, not set", **look)
        def changed(change):
            self.session.answer(name, change["new"])
            control.description = title
        control.observe(changed, "value")
        self.controls[name] = control
        return widgets.VBox([widgets.HTML(html.escape(text)), control],
                            layout={"margin": "6px 0", "width": width})
