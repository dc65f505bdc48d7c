"""A study of the atelier alone, and the web page that serves any study (Voila, a kernel a visitor).
Each painting has its own music, another's, and its own heard through a telephone: the second sounds
as good and fits worse, the third the other way round.  Notebook: 26."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from nbformat import v4, writes
from scipy.signal import butter, sosfiltfilt

from lib.core import artefacts, paths
from lib.data import atelier
from lib.data.atelier import compose, factors, paint, render
from lib.signal import audio
from lib.studies.listening import study

OWN, OTHERS, TELEPHONE = "own music", "another's music", "own, by telephone"
CELL = """from lib.studies.listening import page, study
page.Page(study.load({folder!r})).box"""


def telephone(sound: np.ndarray) -> np.ndarray:
    """A sound [N] as an old telephone line carries it: 300 to 3400 Hz, eight bits by μ-law."""
    narrow = sosfiltfilt(butter(4, (300.0, 3400.0), "bandpass", fs=audio.SAMPLE_RATE_HZ,
                                output="sos"), sound)
    narrow = narrow / max(np.abs(narrow).max(), 1e-9)
    squeezed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    stepped = np.round(squeezed * 127) / 127
    return (0.5 * np.sign(stepped) * np.expm1(np.abs(stepped) * np.log(256))
            / 255).astype(np.float32)


def clips(n_items: int = 24, seconds: float = 8.0) -> list[study.Clip]:
    """Three clips for each of `n_items` paintings; every piece is heard once with a stranger."""
    pictures, affect = paint.pictures(atelier.TEST_SEED, range(n_items), 128)
    sounds, _ = render.sounds(atelier.TEST_SEED, range(n_items), seconds)
    # around the plane: half a turn away lies the opposite mood
    order = np.argsort(np.arctan2(affect[:, 1], affect[:, 0]))
    stranger = np.empty(n_items, int)
    stranger[order] = np.roll(order, n_items // 2)
    return [study.Clip(system, factors.draw(atelier.TEST_SEED, i).item_id, pictures[i], sound)
            for i in range(n_items)
            for system, sound in ((OWN, sounds[i]), (OTHERS, sounds[stranger[i]]),
                                  (TELEPHONE, telephone(sounds[i])))]


def wrong_pairs(n: int = 4, seconds: float = 8.0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture, sound) from opposite corners of the affect plane, of items that no clip uses."""
    found = []
    for k in range(n):
        valence, arousal = ((0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9), (0.9, -0.9))[k % 4]
        shown = factors.draw(atelier.TEST_SEED, 10_000 + k, valence=valence, arousal=arousal)
        heard = factors.draw(atelier.TEST_SEED, 10_000 + n + k, valence=-valence, arousal=-arousal)
        found.append((paint.paint(shown), render.render(compose.compose(heard, seconds), seconds)))
    return found


def command(folder: Path, port: int, host: str = "127.0.0.1") -> list[str]:
    """Writes the one-cell notebook into a study's folder; the command that lets Voila serve it."""
    notebook = v4.new_notebook(
        cells=[v4.new_code_cell(CELL.format(folder=str(folder.resolve())))],
        metadata={"title": "A listening study",
                  "kernelspec": {"name": "python3", "display_name": "Python 3"}})
    page = artefacts.write(folder.resolve() / "page.ipynb", writes(notebook))
    return [sys.executable, "-m", "voila", str(page), "--no-browser", f"--port={port}",
            f"--Voila.ip={host}", "--show_tracebacks=False",
            "--VoilaConfiguration.file_denylist=.*"]


def serve(folder: Path | str = "", port: int = 8866, *, host: str = "127.0.0.1") -> int:
    """Serves a study (without a folder the pilot) until interrupted; returns Voila's exit code."""
    folder = Path(folder) if folder else study.PILOT
    if folder == study.PILOT and not (folder / study.SETTINGS).is_file():
        print("laying out the pilot: 24 paintings, 30 places …")
        study.lay_out(folder, clips(), n_pairs=6, wrong=wrong_pairs())
    opened = study.load(folder)
    print(f"{len(opened.trials)} pages for {opened.settings['places']} listeners"
          f" · answers go to {opened.ratings}")
    print(f"open http://{host}:{port} · stop with Ctrl-C")
    return subprocess.run(command(folder, port, host), check=False,
                          env={**os.environ, "PYTHONPATH": str(paths.ROOT)}).returncode
