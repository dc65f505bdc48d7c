"""What a teacher is given: a sheet for each lesson, which a solved copy passes and an empty or a
mistaken one fails, marked by nbgrader itself; lectures that open in a browser without a network.
"""

from html.parser import HTMLParser

import browsers
import pytest
from kit import assignment, equations, slides
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from lib.core.errors import KlangfarbeError
from lib.workbook import graph

# What a student might write in place of a line of the solution.
MISTAKES = [
    ("00_start_here", "np.mean((asked - asked.mean()) * (measured - measured.mean()))",
     "np.cov(asked, measured)[0, 1]"),  # divided by N − 1
    ("00_start_here", " + (asked.mean() - measured.mean()) ** 2", ""),  # r of equal spreads
    ("01_start_affect", "share * (1 - share)", "share"),
    ("02_start_atelier", r"\b{word}\b", "{word}"),  # a part of a word counts
    ("03_start_miniatures", "log2", "log"),  # nats
    ("04_start_collections", "p = p[p > 0]", "pass"),
    ("05_start_metrics", "std(axis=0).sum() / reference.std(axis=0)",
     "std(axis=0).max() / reference.std(axis=0)"),
    ("06_start_real_world", "np.abs(told - np.median(told))", "np.abs(told)"),
    ("10_bridging_tour", ">= least", "> least"),
    ("11_bridging_classifier", "nearest[:, 1] - nearest[:, 0]", "nearest[:, 0]"),
    ("12_bridging_words", r"\b(major|minor)\b", "(major|minor)"),
    ("13_bridging_music", "n_pairs - n_pairs % batch_size", "n_pairs"),  # short batches count
    ("14_bridging_generate", "before < q", "before + p < q"),  # stops one code early
    ("15_bridging_table", "axis=0", "axis=1"),
    ("20_mapping_tour", "[-3:]", "[-1:]"),
    ("21_mapping_data", "targets.mean(0)", "made.mean(0)"),
    ("22_mapping_study_one", "centre = known.mean(0)", "centre = 0"),
    ("23_mapping_study_two", "retain_graph=True", "retain_graph=False"),
    ("24_mapping_table", " - within / len(scores)", ""),
    ("25_mapping_latency", "(w - 2 * c)", "(w - c)"),
    ("26_mapping_listening", "np.add.outer(np.arange(n_listeners), np.arange(n_pictures))",
     "np.add.outer(np.zeros(n_listeners, int), np.arange(n_pictures))"),  # all hear the same
    ("27_mapping_abroad", "np.unique", "pd.unique"),  # in the order that they come in
    ("30_music2image_tour", "(n - 1)", "n"),
    ("31_music2image_forest", "return data._replace(features=np.where(family == FAMILY_OF, 0, "
     "data.features))", "data.features[:, family == FAMILY_OF] = 0; return data"),
    ("32_music2image_gan", "create_graph=True", "create_graph=False"),  # nothing to train on
    ("32_music2image_gan", ".square().mean()", ".clamp(min=0).square().mean() * 0.5"),
    ("33_music2image_diffusion", "(1, 2, 3)", "(0, 1, 2, 3)"),  # one deviation for all pictures
    ("34_music2image_grey", " * root[0] / (root[0] - root[-1])", ""),
    ("35_music2image_chain", "r(heard, read, axis)", "r(meant, read, axis)"),
    ("40_art2music_tour", "[np.triu_indices(len(points), 1)]", ""),  # each with itself
    ("41_art2music_articaps", "np.argsort(-similarity.max(1), kind=\"stable\")",
     "range(len(similarity))"),
    ("42_art2music_decoder", "step / n, h", "(step + 1) / n, h"),
    ("43_art2music_vocoder", "high[cut:, :frames]", "high[:-cut, :frames]"),
    ("44_art2music_table", "np.maximum(rms(sounds), 1e-9)", "rms(sounds)"),
    ("45_art2music_loss", "caught_up[-1] + 1 if len(caught_up) else 0",
     "np.flatnonzero(behind)[0]"),  # the first time it was behind
    ("46_art2music_judge", "cases[k] for k in np.random.default_rng(seed).permutation(len(cases))",
     "case for case in cases"),
    ("90_side_by_side", "argmin(0)", "argmax(0)"),
    ("91_round_trip", "if abs(slope) < 1 else", "if slope != 1 else"),
    ("92_swapped_parts", "rest.var()", "rest.std()"),
    ("93_real_worlds", "inputs[~unseen], truth[~unseen]", "inputs, truth"),  # a leak
]


def code(notebook):
    """The source of each code cell, by its name."""
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}


def released(notebook):
    """What nbgrader leaves of an instructor's version for the students."""
    for preprocessor in (ClearSolutions(), ClearHiddenTests()):
        notebook, _ = preprocessor.preprocess(notebook, {})
    return notebook


@pytest.mark.parametrize("stem", graph.STEPS)
def test_a_solved_sheet_passes_and_an_empty_one_fails(stem):
    notebook = assignment.sheet(stem)
    cells, names = code(notebook), {}
    for name in ("given", "function", "test", "hidden"):
        exec(compile(cells[name], f"{stem}: {name}", "exec"), names)

    empty = released(assignment.sheet(stem))
    text = "\n".join(cell.source for cell in empty.cells)
    assert "SOLUTION" not in text and "HIDDEN" not in text and code(empty)["hidden"] == ""
    function = cells["function"].split("### BEGIN SOLUTION")[1].split("### END")[0].strip()
    assert function not in text
    for answer in (cell for cell in empty.cells if cell.metadata.nbgrader.solution):
        assert cell_is_empty(answer), answer.source
    names = {}
    exec(code(empty)["given"], names)
    exec(code(empty)["function"], names)
    for name in ("test", "hidden"):  # the second needs nothing that the first would have reached
        with pytest.raises(NotImplementedError):
            exec(cells[name], names)


def cell_is_empty(cell):
    return (cell.source == "*Your answer.*" or cell.source == "YOUR ANSWER HERE"
            if cell.cell_type == "markdown" else "raise NotImplementedError" in cell.source)


@pytest.mark.filterwarnings("ignore")  # a mistake may well divide by zero
@pytest.mark.parametrize("stem, line, mistake", MISTAKES,
                         ids=[f"{stem}-{k}" for k, (stem, *_) in enumerate(MISTAKES)])
def test_a_mistaken_sheet_fails(stem, line, mistake):
    cells, names = code(assignment.sheet(stem)), {}
    assert line in cells["function"]
    cells["function"] = cells["function"].replace(line, mistake)
    exec(cells["given"], names)
    exec(cells["function"], names)
    failed = []
    for name in ("test", "hidden"):
        try:
            exec(cells[name], names)
        except (ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError):
            failed.append(name)
    assert failed


def test_each_lesson_has_a_mistake():
    assert {stem for stem, *_ in MISTAKES} == set(graph.STEPS)


@pytest.mark.parametrize("stem", graph.STEPS)
def test_a_sheet_asks_each_exercise_and_knows_its_answer(stem):
    notebook = assignment.sheet(stem)
    text = {cell.id: cell.source for cell in notebook.cells}
    asked = assignment.exercises(stem)
    assert len(asked) == 3 and "Predict" in asked[0]
    assert all(text[f"exercise-{k}"].endswith(line) for k, line in enumerate(asked, 1))
    assert all(len(text[f"answer-{k}"]) > 80 for k in (1, 2, 3))
    assert text["question"].count("`") >= 2 and "### BEGIN HIDDEN TESTS" in text["hidden"]
    assert sum(cell.metadata.nbgrader.get("points", 0) for cell in notebook.cells) == 36


@pytest.mark.slow
def test_nbgrader_marks_them(tmp_path):
    (stem, solved, empty, most), = assignment.rehearsal(["25_mapping_latency"], tmp_path)
    assert (solved, empty, most) == (6, 0, 6)
    release = tmp_path / "release" / stem / f"{stem}.ipynb"
    tampered = tmp_path / "tampered.ipynb"  # an empty function, and tests that were taken out
    tampered.write_text(release.read_text().replace("assert ", "# assert "))
    assert assignment.grade(stem, "clever", tampered, tmp_path) == (0, 6)


def test_nbgrader_says_why_it_refuses(tmp_path, monkeypatch):
    whole = assignment.question("25_mapping_latency")
    monkeypatch.setattr(assignment, "question", lambda stem: whole | {
        "answer": whole["answer"].replace("### END SOLUTION", "")})
    with pytest.raises(KlangfarbeError, match="25_mapping_latency: .*no end solution"):
        assignment.make("25_mapping_latency", tmp_path)


def test_equations_in_a_slide_are_mathml_and_code_is_left_alone():
    text = slides.with_equations("With $x^2$, `a $b$` and\n```\n$HOME $PATH\n```\n"
                                 "$$ \\frac{1}{2} $$")
    assert text.count("<math") == 2 and "`a $b$`" in text and "$HOME $PATH" in text
    assert "<mfrac" in text and "\n" not in equations.draw(r"\frac{1}{2}", block=True)


class Loaded(HTMLParser):
    """The addresses that a page loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        wanted = {"script": "src", "img": "src", "audio": "src", "link": "href", "source": "src"}
        found = dict(attributes).get(wanted.get(tag))
        self.addresses += [found] if found and not found.startswith("data:") else []


@pytest.mark.parametrize("stem", ["00_start_here", "40_art2music_tour"])
def test_a_lecture_in_a_browser(stem, tmp_path):
    deck = slides.make(stem, tmp_path)
    text = deck.read_text(encoding="utf-8")
    assert all((tmp_path / address).is_file() for address in Loaded(text).addresses)
    asked = []
    with browsers.browser() as window:
        tab = window.new_page(viewport={"width": 1280, "height": 800})
        tab.on("request", lambda request: asked.append(request.url))
        faults = []
        tab.on("pageerror", lambda fault: faults.append(str(fault)))
        tab.goto(deck.as_uri())
        tab.wait_for_function("window.Reveal && Reveal.isReady()")
        seen, titles = 1, {tab.locator("section.present h1").first.inner_text()}
        while not tab.evaluate("Reveal.isLastSlide()"):
            tab.keyboard.press("Space")
            seen += 1
            titles |= set(tab.locator("section.present h2").all_inner_texts())
        assert seen == tab.evaluate("Reveal.getTotalSlides()") > 10
        tab.close()
    assert not faults and not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert graph.title(stem) in titles and any("What stays" in title for title in titles)
