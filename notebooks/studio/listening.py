"""The page a listener sees, of Gradio's components, worked with Tab, arrows and enter: it shows a
:class:`~lib.studies.listening.session.Session` and passes on what is pressed. The browser keeps the
listener's code, so that a reload goes on where it was."""

import base64
import html
import secrets
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from lib.core.errors import KlangfarbeError
from lib.studies.listening import pilot, questions, study
from lib.studies.listening.questions import ASKED, CHOICES, COMPARE, QUESTIONS, RATE, SIDES
from lib.studies.listening.session import CONSENT, DONE, GONE, PAGE, Session
from studio import server

TITLE = "A listening study"
BEGIN, DECLINE, NEXT, STOP, SURE = ("I agree: begin", "I do not wish to take part", "Next page",
                                    "Stop and delete my answers", "Yes, delete them all")
LIKERT = [(f"{k} {questions.LIKERT_ENDS.get(k, '')}".strip(), k) for k in range(6)]
ENDS = {DONE: "## Thank you\nEvery answer is stored. Your code is **{}**: with it your answers can "
              "be deleted later.",
        GONE: "## Good-bye\nNothing of yours is stored. You may close this page."}
NAMES = (*ASKED[RATE], *ASKED[COMPARE])
TO_FIRST = "() => document.querySelector('#play-left')?.focus()"  # Tab begins at the player


def serve(folder: str, port: int, host: str) -> int:
    """Serves a study (without a folder the pilot, laid out when it is first asked for) until it is
    interrupted; returns 0."""
    place = Path(folder).resolve() if folder else study.PILOT
    if place == study.PILOT and not (place / study.SETTINGS).is_file():
        print("laying out the pilot: 24 paintings, 30 places …")
        study.lay_out(place, pilot.clips(), n_pairs=6, wrong=pilot.wrong_pairs())
    opened = study.load(place)
    print(f"{len(opened.trials)} pages for {opened.settings['places']} listeners"
          f" · answers go to {opened.ratings}")
    return server.serve(lambda: build(opened), host, port, ask=False)


def build(of: study.Study, **options) -> gr.Blocks:
    """The page of a study; `options` are a session's."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        sitting = gr.State()
        kept = gr.BrowserState("", storage_key=f"study-{of.name}", secret=of.name)
        with gr.Column(visible=False) as asking:  # until it is known whether a sitting goes on
            gr.Markdown(f"# {TITLE}\n{Session(of, 'nobody').text}")
            code = gr.Textbox(label="My code", info="only to go on with a sitting", max_lines=1)
            with gr.Row():
                begin, decline = gr.Button(BEGIN, variant="primary"), gr.Button(DECLINE)
        with gr.Column(visible=False) as paging:
            head = gr.Markdown()
            with gr.Row():
                picture = gr.HTML()
                with gr.Column():
                    plays = {side: gr.Button(elem_id=f"play-{side}") for side in SIDES}
            sound = gr.HTML()  # the player has no controls: presses must be counted
            with gr.Column() as rating:
                rated = [gr.Radio(LIKERT, label=q.title, info=q.text) if q.high == 5 else
                         gr.Number(None, minimum=0, maximum=q.high, precision=0, info=q.text,
                                   label=f"{q.title}, 0 to {q.high}") for q in QUESTIONS]
            with gr.Column() as comparing:
                chosen = [gr.Radio(list(SIDES), label=text) for _, text in CHOICES]
            go_on = gr.Button(NEXT, variant="primary")
        ended = gr.Markdown(visible=False)
        message = gr.HTML()
        stop = gr.Button(STOP, visible=False)
        sure = gr.Button(SURE, visible=False, variant="stop")
        answers = [*rated, *chosen]
        whole = [sitting, kept, asking, paging, head, picture, *plays.values(), sound, rating,
                 comparing, *answers, ended, message, stop, sure]

        def shown(session: Session) -> list:
            state, trial, (done, pages) = session.state, session.trial, session.progress
            sounds = session.sounds if state == PAGE else {}
            image = _picture(of.image(trial["image"])) if state == PAGE else ""
            return [session, "" if state in (CONSENT, GONE) else session.rater,
                    gr.Column(visible=state == CONSENT), gr.Column(visible=state == PAGE),
                    f"Page {done + 1} of {pages} · your code: **{session.rater}**", image,
                    *(gr.Button(f"▶ Play {side}" if len(sounds) == 2 else "▶ Play",
                                visible=side in sounds) for side in SIDES), "",
                    gr.Column(visible=trial.get("kind") == RATE),
                    gr.Column(visible=trial.get("kind") == COMPARE), *[None] * len(answers),
                    gr.Markdown(ENDS.get(state, "").format(session.rater), visible=state in ENDS),
                    _said(""), gr.Button(visible=state in (PAGE, DONE)), gr.Button(visible=False)]

        def told(action: Callable[..., Session]) -> Callable[..., dict | list]:
            # what was refused is said; the page stays
            def safe(session: Session | None, *values):
                before = session and (session.state, session.progress)
                try:
                    return shown(action(session, *values))
                except KlangfarbeError as error:
                    # deleted or answered in another window: this one shows where that one is
                    where: list = [gr.skip() for _ in whole]
                    if session and (session.state, session.progress) != before:
                        where = shown(session)
                    where[whole.index(message)] = _said(f"{error.got}. {error.do}.")
                    return where
            return safe

        def start(_, typed: str) -> Session:
            if typed.strip() and not study.knows(of, typed.strip()):
                raise KlangfarbeError("the code of a sitting", "No sitting has this code",
                                      "Leave the field empty to begin a new one")
            session = Session(of, typed.strip() or secrets.token_hex(4), **options)
            session.agree()
            return session

        def opened(_, known: str) -> Session:
            return start(_, known) if known and study.knows(of, known) else Session(
                of, secrets.token_hex(4), **options)

        def leave(_) -> Session:
            session = Session(of, secrets.token_hex(4), **options)
            session.decline()
            return session

        def submit(session: Session, *values) -> Session:
            for name, value in zip(NAMES, values, strict=True):
                if name in ASKED[session.trial["kind"]] and value is not None:
                    session.answer(name, value)
            session.submit()
            return session

        def withdraw(session: Session) -> Session:
            session.withdraw()
            return session

        blocks.load(told(opened), [sitting, kept], whole)
        begin.click(told(start), [sitting, code], whole).then(None, js=TO_FIRST)
        decline.click(told(leave), sitting, whole)
        for side, button in plays.items():
            button.click(lambda session, side=side: (_played(session.play(side)), _said("")),
                         sitting, [sound, message])
        go_on.click(told(submit), [sitting, *answers], whole).then(None, js=TO_FIRST)
        stop.click(lambda: (gr.Button(visible=True), _said(
            "This removes every answer you have given.")), None, [sure, message])
        sure.click(told(withdraw), sitting, whole)
    return blocks


def _said(text: str) -> str:
    # a line that screen readers read out, too
    return f'<div role="status" style="min-height:1.5em">{html.escape(text)}</div>'


def _picture(png: bytes) -> str:
    return (f'<img alt="The picture of this page" style="max-width:100%" '
            f'src="data:image/png;base64,{base64.b64encode(png).decode()}">')


def _played(flac: bytes) -> str:
    data = f"data:audio/flac;base64,{base64.b64encode(flac).decode()}"
    return f'<audio autoplay src="{data}"></audio>'
