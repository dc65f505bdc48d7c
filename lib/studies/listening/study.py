"""A study in a folder: ``study.json`` (seed, sizes, the rule of exclusion, the plan's hash; written
last), ``trials.csv`` (for the page), ``key.csv`` (which code is which system: for the analysis),
``images``, levelled ``audio``, ``places.json`` (listeners' codes), ``ratings`` (store.py)."""

import hashlib
import json
from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile
from filelock import FileLock

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError, readable
from lib.signal import audio
from lib.studies.listening import design, store

LEVEL_DBFS, CEILING = -23.0, 0.98
PILOT = paths.RAW / "listening" / "pilot"  # data/raw is never committed: answers are people's
SETTINGS, TRIALS, KEY, PLACES = "study.json", "trials.csv", "key.csv", "places.json"
AS_IT_WAS = "put its files back as they were, or lay the study out anew"
# who is left out, fixed before anybody listens: who in more than `max_failed` attention checks gave
# silence a higher quality, or a wrong pair a higher relevance, than this (0–100)
RULE = {"silent_ovl": 20, "wrong_rel": 80, "max_failed": 0}
# what is rated: a picture uint8 [H, W, 3] with a sound float32 [N], mono at 22 050 Hz
Clip = namedtuple("Clip", "system item picture sound")


class Study(NamedTuple):
    """A laid-out study; ``name`` is the hash that ties answers to this plan."""
    folder: Path
    trials: pd.DataFrame
    settings: dict

    @property
    def name(self) -> str:
        return self.settings["study"]

    @property
    def ratings(self) -> Path:
        return self.folder / "ratings"

    def block(self, place: int) -> list[dict]:
        """The pages of one place, in order."""
        return self.trials.query("place == @place").sort_values("trial").to_dict("records")

    def image(self, name: str) -> bytes:
        return (self.folder / "images" / f"{name}.png").read_bytes()

    def audio(self, name: str) -> bytes:
        return (self.folder / "audio" / f"{name}.flac").read_bytes()


def level(sound: np.ndarray) -> np.ndarray:
    """A sound [N] at −23 dBFS RMS, or below where its peak would pass ±0.98; silence stays."""
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    if rms < audio.SILENCE_RMS:
        return np.zeros_like(sound, dtype=np.float32)
    gain = 10 ** (LEVEL_DBFS / 20) / rms
    return (sound * min(gain, CEILING / np.abs(sound).max())).astype(np.float32)


def lay_out(folder: Path | str, clips: Sequence[Clip], *, n_raters: int = 30, per_rater: int = 20,
            n_pairs: int = 0, wrong: Sequence[tuple[np.ndarray, np.ndarray]] = (),
            seed: int = 0) -> Study:
    """Writes a study of `clips` of every system on the same items: `n_raters` places, `per_rater`
    rated pages and `n_pairs` compared ones each; `wrong`: (picture, sound) for attention checks."""
    folder = Path(folder)
    if (folder / SETTINGS).exists() or any((folder / "ratings").glob("*.jsonl")):
        raise KlangfarbeError("a folder without a study", f"{folder}: there is one",
                              "go on with it, or name another folder")
    images, sounds = {}, {}

    def keep(picture: np.ndarray, sound: np.ndarray) -> tuple[str, str]:
        sound = level(sound)
        names = design.fingerprint(picture), design.fingerprint(sound)
        images[names[0]], sounds[names[1]] = picture, sound
        return names

    stimuli = [design.Stimulus(*keep(clip.picture, clip.sound), clip.system, clip.item)
               for clip in clips]
    checks = [keep(*pair) for pair in wrong]
    _, silence = keep(clips[0].picture, np.zeros(len(clips[0].sound), np.float32))
    plan = design.blocks(stimuli, n_raters, per_rater, seed, silence=silence, wrong=checks)
    if n_pairs:
        plan = design.with_pairs(plan, stimuli, n_pairs, seed)
    text = plan.trials.to_csv(index=False) + json.dumps(RULE)
    settings = {"study": hashlib.sha256(text.encode()).hexdigest()[:12], "seed": seed,
                "places": n_raters, "per_rater": per_rater, "pairs": n_pairs,
                "systems": sorted({c.system for c in clips}), "items": len({c.item for c in clips}),
                "rule": RULE, "level_dbfs": LEVEL_DBFS,
                "seconds": {name: round(len(sound) / audio.SAMPLE_RATE_HZ, 3)
                            for name, sound in sounds.items()}}
    for name, picture in images.items():
        artefacts.write(folder / "images" / f"{name}.png", picture)
    for name, sound in sounds.items():
        with artefacts.atomic(folder / "audio" / f"{name}.flac") as temporary:
            soundfile.write(temporary, sound, audio.SAMPLE_RATE_HZ, subtype="PCM_16")
    artefacts.write(folder / TRIALS, plan.trials)
    artefacts.write(folder / KEY, plan.key)
    artefacts.write(folder / SETTINGS, settings)  # last: a folder with it is whole
    return load(folder)


def load(folder: Path | str) -> Study:
    """Opens a study that was laid out."""
    folder = Path(folder)
    if not (folder / SETTINGS).is_file():
        raise KlangfarbeError(f"a listening study in {folder}", "no study.json",
                              "lay one out: python -m lib listen, or notebook 26")
    with readable("a listening study as it was laid out", folder, AS_IT_WAS):
        settings, trials = artefacts.read(folder / SETTINGS), _table(folder / TRIALS)
        plan = (folder / TRIALS).read_text(encoding="utf-8") + json.dumps(settings["rule"])
        sizes = [settings["places"], settings["per_rater"], settings["pairs"], settings["seed"]]
        if (hashlib.sha256(plan.encode()).hexdigest()[:12] != settings["study"]
                or not all(isinstance(size, int) for size in sizes)):
            raise KlangfarbeError("the plan that the study is named after", "another", AS_IT_WAS)
    return Study(folder, trials, settings)


def claim(study: Study, rater: str) -> int:
    """The place of a listener: the code's own, or the first free one."""
    with _places(study) as places:
        if rater not in places:
            free = sorted(set(range(study.settings["places"])) - set(places.values()))
            if not free:
                raise KlangfarbeError("a free place", f"all {study.settings['places']} are taken",
                                      "thank you; the study is full")
            places[rater] = free[0]
        return places[rater]


def knows(study: Study, rater: str) -> bool:
    """Whether a code has begun this study."""
    with _places(study) as places:
        return rater in places


def withdraw(study: Study, rater: str) -> int:
    """Deletes a listener's answers and code, frees the place; returns how many there were."""
    count = store.delete(study.ratings, rater)
    with _places(study) as places:
        places.pop(rater, None)
    return count


@contextmanager
def _places(study: Study) -> Iterator[dict]:
    path = study.folder / PLACES  # code → place, under a lock; what is changed is written
    with FileLock(study.folder / f".{PLACES}.lock", timeout=store.LOCK_SECONDS):
        before = artefacts.read(path) if path.is_file() else {}
        with readable("the listeners' places", path, AS_IT_WAS):
            places = {rater: int(place) for rater, place in before.items()}
        yield places
        if places != before:
            artefacts.write(path, places)


def answers(folder: Path | str) -> pd.DataFrame:
    """A study's answers with the key's columns; those to another plan are told in ``.attrs``."""
    study = load(folder)
    found = store.read(study.ratings)
    own = found["study"] == study.name
    with readable("the key of a listening study", study.folder / KEY, AS_IT_WAS):
        table = found[own].merge(_table(study.folder / KEY), on="code", how="left",
                                 validate="many_to_one")
        known = table["what"].notna()
    faults = [f"{(~own).sum()} answers belong to another plan"] * bool((~own).any())
    faults += [f"code {code} is not in the key" for code in sorted(set(table.loc[~known, "code"]))]
    table = table.loc[known].reset_index(drop=True)
    table.attrs["faults"] = found.attrs["faults"] + faults
    return table


def _table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)  # a code may look like 1e5
    return table.astype({name: int for name in ("place", "trial") if name in table})
