"""The studio, ``python -m lib studio``: a painting to pieces of music, music to its feeling over
time and to pictures, a point of the plane to both, on one page of Gradio's components. What is
answered, and the chains: answers.py. Source: ours; Zhang §4 asks for a prototype on the web."""

import functools
import html
import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import gradio as gr
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors, paint, render
from lib.signal import affect, audio, plots
from lib.systems import interface
from studio import answers, server
from studio.answers import PLAYERS, RULES, WEIGHTS

TITLE = "Klangfarbe: the studio"
INTRO = f"""# {TITLE}
Three ways to try what the workbook is about. Everything is computed on the machine that serves this
page; what you give is deleted when it closes, or after {server.KEPT_S // 60} minutes. Small
networks play here, and *{RULES}* is what their music is to be held against: no network, a
composer's rules, which write for the same feeling. What is **felt** in real paintings is told a
little (valence: r .35), in music far better (arousal: r .74)."""
MADE = Path(server.GIVEN) / "made"
EXAMPLE_SIDE, EXAMPLE_S = 128, 15.0
N_PICTURES = 4
COLOURS = {"valence": "#2f6fb3", "arousal": "#d9731a"}
AT_FIRST = ("art2music", RULES)  # who answers within seconds, loading included


class Example(NamedTuple):
    """An input to begin with: its quadrant, its file, and the hash by which a link names it."""
    mood: str
    file: str
    hash: str


def serve(port: int, host: str) -> int:
    """Serves the studio until it is interrupted."""
    with interface.one_thread():  # so that it answers with the bytes of `hear` and `paint`
        return server.serve(build, host, port)


def told(answer: Callable) -> Callable:
    """A handler whose KlangfarbeError becomes a message on the page, without the file's folder."""
    @functools.wraps(answer)
    def safe(*given, **more) -> Iterator:
        try:
            result = answer(*given, **more)
            yield from (result if inspect.isgenerator(result) else [result])
        except KlangfarbeError as error:
            text = f"Expected {error.expected}; got {error.got}; {error.do}."
            for path in (one for one in given if isinstance(one, str) and server.GIVEN in one):
                text = text.replace(f"{Path(path).parent}/", "")
            raise gr.Error(html.escape(text), title="Not this one", duration=None,
                           print_exception=False) from None
    return safe


def build() -> gr.Blocks:
    """The page; loads no network yet."""
    paintings, pieces = examples()
    with gr.Blocks(title=TITLE, analytics_enabled=False,
                   delete_cache=(min(60, server.KEPT_S), server.KEPT_S)) as page:
        gr.Markdown(INTRO)
        with gr.Row():
            players = gr.CheckboxGroup(list(PLAYERS), value=list(AT_FIRST), label="Who plays")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed",
                             info="Another seed, another piece")
            seconds = gr.Slider(2, 30, 8, step=1, label="Seconds of music")
        with gr.Accordion("Who looks, listens and reads", open=False):
            weights = gr.Radio([(f"{name}: {text}", name) for name, text in WEIGHTS.items()],
                               value="by itself", label="Networks")
        settings = [players, seed, seconds, weights]
        with gr.Tabs() as tabs:
            with gr.Tab("A painting becomes music", id="painting"):
                with gr.Row():
                    painting = gr.Image(type="filepath", image_mode=None, label="Painting",
                                        height=320, alt_text="The painting that you gave",
                                        sources=["upload", "webcam", "clipboard"])
                    with gr.Column():
                        comment = gr.Textbox(label="Your comment", lines=2, max_length=2000,
                                             info="What you feel before it; art2music reads it")
                        go = gr.Button("Play it", variant="primary")
                        shelf = gr.Gallery(
                            [(one.file, one.mood) for one in paintings], columns=4, height=150,
                            allow_preview=False, interactive=False, buttons=[],
                            label="Or one of the synthetic collection")
                seen, heard = gr.Markdown(), _pieces()
                asked = gr.Textbox(label="A link to this answer", interactive=False,
                                   buttons=["copy"])
            with gr.Tab("Music becomes a picture", id="music"):
                music = gr.Audio(type="filepath", label="Music", sources=["upload", "microphone"],
                                 buttons=["download"])
                records = gr.Radio([(one.mood, one.file) for one in pieces],
                                   label="Or a piece of the synthetic collection")
                hear = gr.Button("Paint it", variant="primary")
                felt = gr.Markdown()
                over_time = gr.LinePlot(x="seconds", y="value", color="feeling", y_lim=[-1, 1],
                                        height=300, color_map=COLOURS, visible=False,
                                        label="Felt over time: valence blue, arousal orange")
                with gr.Row():
                    painted = [gr.Image(interactive=False, format="png", visible=False,
                                        min_width=150, buttons=["download"], label=f"Picture {k}",
                                        alt_text=f"Picture {k} painted from it")
                               for k in range(1, N_PICTURES + 1)]
                asked_music = gr.Textbox(label="A link to this answer", interactive=False,
                                         buttons=["copy"])
            with gr.Tab("A point of the plane", id="point"):
                with gr.Row():
                    with gr.Column():
                        valence = gr.Slider(-1, 1, 0.5, step=0.05,
                                            label="Valence: unpleasant to pleasant")
                        arousal = gr.Slider(-1, 1, 0.5, step=0.05,
                                            label="Arousal: calm to excited")
                        plane = gr.Image(_plane(0.5, 0.5), interactive=False, label="The plane",
                                         alt_text="The point in the plane of valence and arousal",
                                         buttons=[], height=320)
                    shown = gr.Image(interactive=False, label="Painted there", format="png",
                                     visible=False,
                                     alt_text="A picture painted for this point",
                                     buttons=["download"], height=320)
                move = gr.Button("Paint and play it", variant="primary")
                there = _pieces()
                asked_point = gr.Textbox(label="A link to this answer", interactive=False,
                                         buttons=["copy"])
        def taken(event: gr.SelectData) -> str:
            return paintings[event.index].file
        shelf.select(taken, None, painting, queue=False)
        records.input(lambda path: path, records, music, queue=False)
        one = {"concurrency_id": "networks", "concurrency_limit": 1}
        go.click(told(play), [painting, comment, *settings], [seen, *heard, asked],
                 show_progress_on=seen, **one)
        hear.click(told(show), [music, seed, weights], [felt, over_time, *painted, asked_music],
                   show_progress_on=felt, **one)
        point = [valence, arousal]
        gr.on([valence.change, arousal.change], _plane, point, plane, queue=False)
        plane.select(_pressed, None, point, queue=False)
        move.click(told(move_to), [*point, *settings], [shown, *there, asked_point],
                   show_progress_on=plane, **one)
        def left(request: gr.Request) -> list:
            return restore(paintings, pieces, dict(request.query_params))
        page.load(left, None, [tabs, painting, music, comment, *settings, seen, felt, *point],
                  queue=False)
    return page


def play(path, comment, players, seed, seconds, weights, request: gr.Request,
         progress=gr.Progress()) -> Iterator:  # noqa: B008 (Gradio's own way to ask for it)
    """A painting's pieces, each shown as soon as it is made."""
    picture = answers.read_painting(path)
    felt, said = answers.see(picture, weights)
    link = _link(request, "painting", picture, comment=comment, players=",".join(players),
                 seed=seed, seconds=seconds, weights=weights)
    yield from ([f"**Looks like** {said}", *pieces, link] for pieces in _played(
        picture, felt, players, progress, comment=comment, seed=seed, seconds=seconds,
        weights=weights))


def show(path, seed, weights, request: gr.Request) -> list:
    """What is felt in music, over time, and pictures of it."""
    music = answers.read_music(path)
    felt, point, said = answers.hear(music, weights)
    pictures = answers.paint(point, music.middle, n=N_PICTURES, seed=seed)
    name = affect.QUADRANTS[int(affect.quadrant(*point))]
    return [f"**Sounds** {name}: valence {point[0]:+.2f}, arousal {point[1]:+.2f}. {said}",
            gr.LinePlot(answers.curve(music, felt), visible=True),
            *(gr.Image(picture, visible=True) for picture in pictures),
            _link(request, "music", music.middle, seed=seed, weights=weights)]


def move_to(valence, arousal, players, seed, seconds, weights, request: gr.Request,
            progress=gr.Progress()) -> Iterator:  # noqa: B008
    """A picture of a point, and the pieces that are played to it for that feeling."""
    felt = answers.at_point(valence, arousal)
    picture, = answers.paint(felt.point, felt.point, n=1, seed=seed)
    link = _link(request, "point", valence=valence, arousal=arousal, players=",".join(players),
                 seed=seed, seconds=seconds, weights=weights)
    yield from ([gr.Image(picture, visible=True), *pieces, link] for pieces in _played(
        picture, felt, players, progress, seed=seed, seconds=seconds, weights=weights))


def restore(paintings: list[Example], pieces: list[Example], asked: dict[str, str]) -> list:
    """The controls as a link's query left them; where it names an example, that as well."""
    if "tab" not in asked:
        return [gr.skip() for _ in range(12)]
    def own(known, name: str, default: str) -> str:
        return asked[name] if asked.get(name) in known else default
    def number(name: str, default: float, low: float, high: float) -> float:
        try:
            return min(max(float(asked[name]), low), high)
        except (KeyError, ValueError):
            return default
    players = [name for name in asked.get("players", "").split(",") if name in PLAYERS]
    tab, given = own(("painting", "music", "point"), "tab", "painting"), asked.get("input", "")
    found = [next((one.file for one in some if one.hash == given), gr.skip())
             for some in (paintings, pieces)]
    known = {one.hash for one in (*paintings, *pieces)}
    hint = ("" if given in known or not given.isalnum() else "The link was made with an input "
            f"whose hash is `{given[:16]}`: give it again, and the same answer comes.")
    return [gr.Tabs(selected=tab), *found, asked.get("comment", "")[:2000],
            players or list(AT_FIRST), int(number("seed", 0, 0, 2**53)),
            number("seconds", 8, 2, 30), own(WEIGHTS, "weights", "by itself"),
            hint * (tab == "painting"), hint * (tab == "music"),
            number("valence", 0.5, -1, 1), number("arousal", 0.5, -1, 1)]


def examples() -> tuple[list[Example], list[Example]]:
    """Paintings and pieces of the synthetic collection, one of each quadrant."""
    def mood(item: int) -> int:
        point = factors.draw(TEST_SEED, item)
        return int(affect.quadrant(point.valence, point.arousal))
    items = [next(item for item in range(1000) if mood(item) == quadrant) for quadrant in range(4)]
    pictures, _ = paint.pictures(TEST_SEED, items, EXAMPLE_SIDE)
    sounds, _ = render.sounds(TEST_SEED, items, EXAMPLE_S)
    paintings, pieces = [], []
    for name, picture, sound in zip(affect.QUADRANTS, pictures, sounds, strict=True):
        file = artefacts.write(Path(server.GIVEN) / f"{name}.png", picture)
        paintings.append(Example(name, str(file), _hash(answers.read_painting(str(file)))))
        file = audio.write(Path(server.GIVEN) / f"{name}.wav", sound, audio.SAMPLE_RATE_HZ)
        pieces.append(Example(name, str(file), _hash(answers.read_music(str(file)).middle)))
    return paintings, pieces


def _pieces() -> list:
    """The places of every player's sound, words and score: three components a player."""
    places = []
    with gr.Row():
        for player in PLAYERS:
            with gr.Column(visible=False, min_width=240) as place:
                places += [place, gr.Audio(label=player, interactive=False, buttons=["download"]),
                           gr.Markdown()]
                places.append(gr.DownloadButton("The score (MIDI)", visible=False, size="sm"))
    return places


def _played(picture: np.ndarray, felt, players: list[str], progress, **settings) -> Iterator[list]:
    """What is in the places of :func:`_pieces` after each player."""
    if not players:
        raise KlangfarbeError("somebody who plays", "nobody", "choose one above")
    shown = {name: [gr.Column(visible=False), None, "", gr.DownloadButton(visible=False)]
             for name in PLAYERS}
    for k, player in enumerate(players):
        progress((k, len(players)), desc=f"{player} plays", unit="pieces")
        piece = answers.play(player, picture, felt, **settings)
        name = f"{player.replace(' ', '_')}_{settings['seed']}"
        score = next((gr.DownloadButton(value=kept(name + suffix, content), visible=True)
                      for suffix, content in piece.files.items()),
                     gr.DownloadButton(visible=False))
        shown[player] = [gr.Column(visible=True), kept(f"{name}.mp3", piece.mp3),
                         _listed(piece.told), score]
        yield [part for parts in shown.values() for part in parts]


def kept(name: str, content: bytes) -> str:
    """Writes what a visitor may download, and removes what nobody has fetched for long."""
    for old in MADE.glob("*/*"):
        if time.time() - old.stat().st_mtime > server.KEPT_S:
            old.unlink(missing_ok=True)
    folder = MADE / provenance.content_hash(content)
    return str(artefacts.write(folder / name, content))


def _listed(told: str) -> str:
    """Lines "name  words" as a list."""
    return "\n".join(f"- **{name}** {html.escape(words.strip())}" for name, words in (
        line.strip().split("  ", 1) for line in told.splitlines()))


def _drawn() -> tuple:
    """The empty plane: its axis and the canvas it is drawn on (no pyplot: several visitors)."""
    figure = Figure(figsize=(3.2, 3.2), layout="constrained")
    axis, canvas = plots.affect_plane(figure.subplots()), FigureCanvasAgg(figure)
    canvas.draw()
    return axis, canvas


def _plane(valence: float, arousal: float) -> np.ndarray:
    """The plane with one point, uint8 [H, W, 3]."""
    axis, canvas = _drawn()
    axis.plot(valence, arousal, "o", color="black", markersize=12)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def _pressed(event: gr.SelectData) -> tuple[float, float]:
    """The point of the plane that was pressed in its picture."""
    axis, canvas = _drawn()
    x, y = event.index
    point = axis.transData.inverted().transform((x, canvas.get_width_height()[1] - y))
    valence, arousal = np.clip(np.round(20 * point) / 20, -1, 1)
    return float(valence), float(arousal)


def _hash(given: np.ndarray) -> str:
    return provenance.content_hash(given)


def _link(request: Any, tab: str, given: np.ndarray | None = None, **settings) -> str:
    named = {} if given is None else {"input": _hash(given)}
    return f"{request.request.base_url}?{urlencode({'tab': tab, **named, **settings})}"
