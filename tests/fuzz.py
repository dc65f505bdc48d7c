"""``python -m lib fuzz``: seeded damage to all that Klangfarbe reads, so many changes of each kind.
A changed file is read all the same, or refused in one line that names it: no traceback, no hang, no
memory beyond a bound, and of a command the right exit code and no half of a result. The short form
is ``test_mutations.py``.
"""

import argparse
import contextlib
import functools
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mutations
import numpy as np
import pandas as pd
import torch
from PIL import Image

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage, manifest, registry, splits
from lib.data.atelier import TEST_SEED, compose, factors, paint, render
from lib.studies.listening import store, study
from lib.systems import art2music, bridging, mapping, music2image
from lib.training import loop

MEMORY = 2 * 2**30  # bytes that a process may hold at most


class Subject(NamedTuple):
    """Files of a folder and what reads them; `told_by`: of these words one stands in a refusal
    (none: the folder or the file).
    """

    name: str
    folder: Path
    read: Callable[[Path], Any]
    files: Sequence[Path] = ()
    told_by: Sequence[str] = ()

    def campaign(self, n: int, seed: int = 0) -> mutations.Campaign:
        """Reads after each of `n` changes."""
        return mutations.campaign(self.folder, self.read, n, seed, self.files, self.told_by)


# --- what is typed --------------------------------------------------------------------------------


class Refused(KlangfarbeError):
    """What a command wrote before it ended with exit code 2."""

    def __init__(self, said: str):
        ValueError.__init__(self, said)


def command(words: list[str], output: Path) -> None:
    """A command line in this process: it makes its file and ends with 0, or it ends with 2, says
    why in its last line, and made nothing.
    """
    from lib.cli import main

    with (contextlib.redirect_stdout(io.StringIO()),
          contextlib.redirect_stderr(io.StringIO()) as spoken):
        code = main([*words, "-o", str(output)])
    said = (spoken.getvalue().strip().splitlines() or [""])[-1]
    made = output.exists() and output.stat().st_size
    output.unlink(missing_ok=True)
    assert (code, bool(made)) in ((0, True), (2, False)), f"exit code {code}, made {made}: {said}"
    if code:
        assert said.startswith("klangfarbe: expected "), said
        raise Refused(said)


def sounds(root: Path) -> Iterator[Subject]:
    """Three seconds in eight containers, painted."""
    from test_sound_files import by_ffmpeg, encoded

    from lib.systems.music2image import generate

    generate.load = functools.cache(generate.load)
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff"):
        (root / f"song.{suffix}").write_bytes(encoded(suffix.upper()))
    for suffix, codec in (("m4a", "aac"), ("wma", "wmav2"), ("webm", "libopus")):
        by_ffmpeg(root / f"song.{suffix}", codec, 48_000)
    yield Subject("sounds", root, lambda path: command(
        ["paint", str(path)], root.parent / "picture.png"), files=sorted(root.iterdir()))


def pictures(root: Path) -> Iterator[Subject]:
    """A painting in six formats, heard by the composer's rules."""
    painting = Image.fromarray(paint.paint(factors.draw(TEST_SEED, 4711), 96))
    for suffix in ("png", "jpg", "webp", "tiff", "gif", "bmp"):
        painting.save(root / f"painting.{suffix}")
    yield Subject("pictures", root, lambda path: command(
        ["hear", str(path), "--as-score", "--seconds", "2"], root.parent / "music.wav"),
        files=sorted(root.iterdir()))


# --- what is read ---------------------------------------------------------------------------------


def scores(root: Path) -> Iterator[Subject]:
    """MIDI files of the composer's, measured and rendered."""
    for k in range(3):
        compose.compose(factors.draw(TEST_SEED, k), 4.0).write(str(root / f"score{k}.mid"))

    def read(path):
        manifest.measure(path, "midi")
        alone = root.parent / "alone"
        shutil.rmtree(alone, ignore_errors=True)
        alone.mkdir()
        shutil.copy(path, alone)
        render.render_folder(alone, alone / "sounds")

    yield Subject("scores", root, read)


def tables(root: Path) -> Iterator[Subject]:
    """The published tables of every collection, three rows each."""
    import test_collections

    for name, collection in registry.COLLECTIONS.items():
        getattr(test_collections, f"make_{name}")(root / name)
        yield Subject(name, root / name, lambda _, name=name, collection=collection:
                      collection.manifest(root / name), files=[
                          path for path in sorted((root / name).rglob("*"))
                          if path.suffix in (".csv", ".tsv", ".json", ".txt")])


def results(root: Path) -> Iterator[Subject]:
    """Tables that a notebook stored."""
    for name in ("a.parquet", "b.csv"):
        artefacts.write(root / name, pd.DataFrame({"valence": [0.5, 1.0]}))
    yield Subject("results", root, artefacts.read)


def manifests(root: Path) -> Iterator[Subject]:
    """A collection's manifest as a file, through what every notebook does with one."""
    rng = np.random.default_rng(0)
    for k in range(6):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(root / f"{k}.png")
    rows = pd.DataFrame({
        "item_id": [f"item-{k}" for k in range(6)], "modality": "image",
        "source": "a collection", "licence": "none stated",
        "path": [f"{k}.png" for k in range(6)], "group_id": [f"painter-{k // 2}" for k in range(6)],
        "valence": rng.uniform(-1, 1, 6), "arousal": rng.uniform(-1, 1, 6),
        "split": ["train", "train", "train", "train", "test", "test"]})
    files = [root / "manifest.csv", root / "manifest.parquet"]
    for path in files:
        artefacts.write(path, rows)

    def read(path):
        built = manifest.build(artefacts.read(path), root.parent / "built", root=root)
        splits.by_group(built.manifest["group_id"], {"train": 0.5, "test": 0.5})
        leakage.report(leakage.check(built.manifest))

    yield Subject("manifests", root, read, files, told_by=(
        "a manifest in which", "columns out of", "a column of numbers", "manifest.", "group",
        "something to look at"))


def studies(root: Path) -> Iterator[Subject]:
    """A listening study with one answer, as the page and the analysis read it."""
    import test_listening_page
    import test_listening_store

    clips = test_listening_page.clips()
    wrong = [(np.full((16, 16, 3), k, np.uint8), clips[k].sound[::-1]) for k in range(2)]
    made = study.lay_out(root / "study", clips, n_raters=2, per_rater=3, n_pairs=1, wrong=wrong)
    page = made.block(study.claim(made, "ada"))[0]
    store.append(made.ratings, test_listening_store.row(page["trial"], "ada", study=made.name,
                                                        code=page["code"]))

    def read(_):
        here = study.load(made.folder)
        here.block(study.claim(here, "ada"))
        study.answers(made.folder)

    yield Subject("a study", made.folder, read, files=[
        path for path in sorted(made.folder.iterdir()) if path.suffix in (".json", ".csv")])


# --- what is loaded -------------------------------------------------------------------------------

BUNDLED = ("codec", "picture_codec", "tagger", "musicgen")
PUBLISHED = {"clip": "image_text", "open_clip": "image_text", "blip": "captioner",
             "falcon": "describer", "clap": "text_audio", "musicgen": "musicgen",
             "sentences": "sentences", "panns": "panns", "vggish": "vggish"}
TRAINED = {
    "11_bridging_classifier": lambda: bridging.checkpoints.load_classifier("bundled"),
    "42_art2music_decoder": lambda: art2music.checkpoints.load("bundled"),
    "43_art2music_vocoder": art2music.checkpoints.load_vocoder.__wrapped__,
    "33_music2image_diffusion": lambda: music2image.train_diffusion.load("bundled"),
    "23_mapping_study_two": lambda: mapping.checkpoints.load(
        "bundled", "two", pretrained.load("musicgen", device="cpu"))}


def weights_and_settings(folder: Path) -> list[Path]:
    """What a change would change the network by."""
    return [path for path in sorted(folder.rglob("*"))
            if path.suffix in (".json", ".safetensors") and "provenance" not in path.name]


def copied(name: str, folder: Path) -> Path:
    """A bundled network's files alone."""
    (folder / name).mkdir()
    for path in weights_and_settings(paths.MINIATURES / name):
        shutil.copy(path, folder / name)
    return folder / name


def hub_folders(root: Path) -> Iterator[Subject]:
    """Networks in the layouts that are published, with random weights, and in our own."""
    from rehearsal import networks

    for name, part in PUBLISHED.items():
        torch.manual_seed(0)
        getattr(networks, name)(root / name)
        yield Subject(name, root / name, lambda _, name=name, part=part: pretrained.load(
            part, root / name, device="cpu"))
    (root / "ours").mkdir()
    for name in BUNDLED:
        yield Subject(f"our {name}", copied(name, root / "ours"),
                      lambda _, name=name: pretrained.load(name, root / "ours" / name,
                                                           device="cpu"))


def trained(root: Path) -> Iterator[Subject]:
    """What trainings stored: settings and weights. A refusal names the notebook to run again."""
    bundled = paths.MINIATURES
    for name, read in TRAINED.items():
        here = root / name
        here.mkdir()
        for folder in bundled.iterdir():
            if folder.name != name:
                (here / folder.name).symlink_to(folder)
        own = copied(name, here)

        def from_here(_, read=read, here=here):
            paths.MINIATURES = here
            try:
                read()
            finally:
                paths.MINIATURES = bundled

        yield Subject(name, own, from_here, weights_and_settings(own), told_by=(
            str(own), name, f'"{name[:2]}"', *(path.name for path in weights_and_settings(own))))


def checkpoints(root: Path) -> Iterator[Subject]:
    """A training that was stopped and goes on."""
    def parts():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 4)
        optimiser = torch.optim.AdamW(model.parameters())
        model(torch.ones(1, 3)).sum().backward()
        optimiser.step()
        return loop.Checkpoint(root / "m.safetensors", "key", model=model, optimiser=optimiser,
                               rng=torch.Generator()), model, optimiser

    curve = [{"step": k + 1, "loss": np.float32(1 / 3)} for k in range(3)]
    parts()[0].save(3, curve)

    def go_on(_=None):
        saved, model, optimiser = parts()
        assert saved.load()["curve"] == [row | {"loss": float(row["loss"])} for row in curve]
        model(torch.ones(1, 3)).sum().backward()
        optimiser.step()

    yield Subject("a checkpoint", root, go_on)


KINDS: dict[str, Callable[[Path], Iterator[Subject]]] = {
    "sounds": sounds, "pictures": pictures, "scores": scores, "tables": tables,
    "manifests": manifests, "results": results, "studies": studies, "trained": trained,
    "checkpoints": checkpoints, "hub_folders": hub_folders}


# --- the command ----------------------------------------------------------------------------------


def one_kind(kind: str, n: int, seed: int) -> int:
    """`n` changes, dealt to a kind's subjects, in this process; 1 if something went wrong."""
    warnings.simplefilter("ignore")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder) / kind
        root.mkdir()
        said = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(said))
        subjects = list(KINDS[kind](root))
        shares = [len(range(k, n, len(subjects))) for k in range(len(subjects))]
        campaigns = [subject.campaign(share, seed) for subject, share in zip(subjects, shares)]
    faults = [f"{subject.name} {fault}" for subject, found in zip(subjects, campaigns)
              for fault in found.faults]
    slowest = max(found.slowest_s for found in campaigns)
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{kind:12} {n:6} changes: {sum(found.read for found in campaigns):5} read, "
          f"{sum(found.refused for found in campaigns):5} refused, {len(faults)} faults; "
          f"slowest {slowest:.1f} s, {memory / 2**20:.0f} MiB, {time.monotonic() - began:.0f} s",
          *faults, sep="\n  ", flush=True)
    return int(bool(faults) or slowest > mutations.LONGEST_S or memory > MEMORY)


def parser() -> argparse.ArgumentParser:
    """What a campaign may be told."""
    told = argparse.ArgumentParser(prog="python -m lib fuzz")
    told.add_argument("kinds", nargs="*", metavar="KIND",
                      help=f"out of {', '.join(KINDS)}; none: all")
    told.add_argument("--n", type=int, default=1000, help="changes of each kind (default 1000)")
    told.add_argument("--seed", type=int, default=0, help="another seed, other changes")
    return told


def main(words: list[str]) -> int:
    """Each kind in a process of its own; 1 if one found a fault."""
    chosen = parser().parse_args(words)
    if unknown := set(chosen.kinds) - {*KINDS}:
        parser().error(f"kinds are {', '.join(KINDS)}, not {', '.join(sorted(unknown))}")
    if len(chosen.kinds) == 1:
        return one_kind(*chosen.kinds, chosen.n, chosen.seed)
    print(f"seed {chosen.seed}", flush=True)
    codes = [subprocess.run([sys.executable, "-m", "fuzz", kind, "--n", str(chosen.n), "--seed",
                             str(chosen.seed)], check=False,
                            env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode
             for kind in chosen.kinds or KINDS]
    print(f"{sum(map(bool, codes))} of {len(codes)} kinds with faults")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
