"""What the systems that turn paintings into music share: files in, files out, refusals; nothing is
loaded before all is checked. Notebook: 10, 20."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import torch

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError, one_of
from lib.signal import audio, images
from lib.systems import real_world

PEAK = 0.99  # what would be louder is turned down to this
# What the networks play has −36 to −14 LUFS; squeezed to these, a clip needs no other volume than
# the one before, and what is excited is still louder than what is calm.
PLAYED_LUFS, HEARD_LUFS = (-36.0, -14.0), (-24.0, -14.0)
FADE_IN_S, FADE_OUT_S = 0.01, 0.3
SHORTEST_S, LONGEST_S = 0.5, 120.0  # beyond a window of MusicGen it goes on from where it was


@dataclass(frozen=True)
class Sound:
    """What a painting became: mono float32 [N] in [−1, 1], its rate, its levels."""
    sound: np.ndarray
    sample_rate_hz: int

    @property
    def peak_db(self) -> float:
        return float(20 * np.log10(max(1e-9, np.abs(self.sound).max())))

    @property
    def loudness_lufs(self) -> float:
        return loudness(self.sound, self.sample_rate_hz)

    @property
    def files(self) -> dict[str, bytes]:
        """What is written beside the sound, suffix → content."""
        return {}

    @property
    def told(self) -> str:
        return (f"{len(self.sound) / self.sample_rate_hz:.1f} s, "
                f"loudness {self.loudness_lufs:.0f} LUFS, peak {self.peak_db:.1f} dB")


def loudness(sound: np.ndarray, sample_rate_hz: int) -> float:
    """Integrated loudness in LUFS, −inf of silence. Source: ITU-R BS.1770-4."""
    block = round(0.4 * sample_rate_hz)  # the measure's own
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sample_rate_hz).integrated_loudness(
            pad_to(sound, block + 1).astype(np.float64)))


def finish(sound: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """A sound [N] as it leaves: without DC, faded in and out, its loudness brought from where the
    networks play to where people listen, unless that takes a peak above :data:`PEAK`: such a sound
    stays softer. Silence stays silent."""
    sound = sound - np.mean(sound, dtype=np.float64)
    n_in, n_out = (min(len(sound) // 2, round(seconds * sample_rate_hz))
                   for seconds in (FADE_IN_S, FADE_OUT_S))
    sound[:n_in] *= np.sin(np.linspace(0, np.pi / 2, n_in)) ** 2
    sound[len(sound) - n_out :] *= np.cos(np.linspace(0, np.pi / 2, n_out)) ** 2
    if np.isfinite(played := loudness(sound, sample_rate_hz)):
        sound *= 10 ** ((np.interp(played, PLAYED_LUFS, HEARD_LUFS) - played) / 20)
    return (sound * min(1.0, PEAK / max(np.abs(sound).max(), 1e-9))).astype(np.float32)


def pad_to(sound: np.ndarray, n_samples: int) -> np.ndarray:
    """A sound [N] with silence after it, `n_samples` long or more: taggers need half a second."""
    return np.pad(sound, (0, max(0, n_samples - len(sound))))


def own_seed(seed: int, given: np.ndarray, text: str = "") -> int:
    """A seed for what is given alone, the same whatever else is in a list."""
    return int(provenance.content_hash(given, f"{seed} {text}".encode())[:15], 16)


@contextlib.contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Lets torch count on one core: several add up in another order, and a sum that differs in its
    last digit draws another note. The bundled networks are as fast on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def get_config(table: Mapping, profile: str):
    """A system's config at a profile; ``bundled`` has mini's."""
    known = {artefacts.BUNDLED: table["mini"], **table}
    one_of(known, profile, "a profile")
    return known[profile]


def convert_files(files: Sequence[Path], output: Path, suffixes: Sequence[str], what: str,
                  read: Callable, convert: Callable) -> int:
    """``convert({path: read(path)}, place)``, ``place(path, suffix)`` where a file's result goes;
    exit code 2 if bad files among several are left out."""
    files = [found for path in files for found in matching(path)]
    several, stems, good, faults = len(files) > 1, [path.stem for path in files], {}, []
    given = isinstance(output, paths.Folder) or output.is_dir()
    folder = several or given
    if not folder and output.suffix.lower() not in suffixes:
        raise KlangfarbeError(f"a name ending in {', '.join(suffixes)}, or a folder", str(output),
                              f"for instance -o new{suffixes[0]}, or -o new/")
    if folder and (output.is_file() or not given and output.suffix.lower() in suffixes):
        raise KlangfarbeError(f"a folder for several {what}", str(output), "say -o new/")
    def place(path: Path, suffix: str) -> Path:
        return output / f"{path.stem}{suffix}" if folder else output
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise KlangfarbeError(f"{what} of different names", f"{twice!r} twice", "rename one")
    for path in files:
        try:
            good[path] = read(path)
        except KlangfarbeError as fault:
            if not several:
                raise
            faults.append(fault)
    if good:
        convert(good, place)
    for fault in faults:
        print(f"klangfarbe: passed over: {fault}")
    return 2 if faults else 0


def matching(path: Path) -> list[Path]:
    """A file, or those of a pattern, ``music/*.ogg``, where no shell has looked (Windows)."""
    if path.exists() or not any(mark in path.name for mark in "*?["):
        return [path]
    return sorted(path.parent.glob(path.name)) or [path]


def generate_files(system, paintings: Sequence[Path], output: Path, *, seed: int, seconds: float,
                   profile: str = artefacts.BUNDLED, weights: str = artefacts.BUNDLED,
                   yes: bool = False, **options) -> int:
    """``python -m lib hear``: the music of paintings by a system's ``generate`` module, written."""
    others = weights != artefacts.BUNDLED
    side = max(system.get_config(name).side for name in (profile, "paper" if others else profile))
    check_seconds(seconds)
    check_seed(seed)
    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        picture = images.load(path)
        return images.square(picture, side), images.squeezed(picture, real_world.SEEN_AT)
    def play(pictures: Mapping[Path, tuple[np.ndarray, np.ndarray]], place: Callable) -> None:
        given, felt = {}, real_world.look([seen for _, seen in pictures.values()])
        if others:
            from lib.systems.weights import find  # slow: it loads transformers
            name = system.__name__.split(".")[-2]
            given = {"sources": find(name, system.get_config, profile, weights, yes)}
        models = system.load(profile, **given)
        for (path, (picture, _)), its in zip(pictures.items(), felt, strict=True):
            heard = system.generate(picture, models, seed=seed, seconds=seconds,
                                    felt=None if its.atelier else its, **options)
            target = audio.write(place(path, ".wav"), heard.sound, heard.sample_rate_hz)
            for suffix, content in heard.files.items():
                artefacts.write(target.with_suffix(suffix), content)
            print(f"{path.name} → {target}\n  looks like   "
                  + ("the atelier's: its own parts look at it" if its.atelier else its.told)
                  + f"\n{system.summary(heard)}")
    with one_thread(not others):
        return convert_files(paintings, output, audio.WRITTEN, "paintings", read, play)


def check_seed(seed: int) -> None:
    """Refuses what torch cannot take for a seed."""
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise KlangfarbeError("a seed from 0 to 2⁶³ − 1", str(seed), "leave it out for 0")


def check_several(given: Any, what: str) -> None:
    """Refuses what is no list of `what`, or an empty one."""
    if isinstance(given, str | bytes | Mapping) or not getattr(given, "__len__", int)():
        raise KlangfarbeError(f"a list of {what}", repr(given)[:60], "give one at least: [it]")


def check_seconds(seconds: float) -> None:
    """Refuses a duration too short to hear, or that takes minutes."""
    if not np.isreal(seconds) or not SHORTEST_S <= seconds <= LONGEST_S:  # NaN is not
        raise KlangfarbeError(f"a duration from {SHORTEST_S:g} to {LONGEST_S:g} s", f"{seconds}",
                              "leave --seconds out for 8 s")
