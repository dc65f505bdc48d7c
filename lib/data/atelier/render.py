"""From scores to sound: General MIDI through pretty_midi's SoundFont (TimGM6mb) and tinysoundfont.
Nothing is normalised per clip, only what would exceed the ceiling is turned down. Notebook: 02."""

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import soundfile
import soxr
from scipy.signal import oaconvolve
from tinysoundfont import _tinysoundfont  # pyright: ignore[reportAttributeAccessIssue]

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, readable
from lib.data.atelier.compose import compose
from lib.data.atelier.factors import Factors, draw
from lib.signal.audio import SAMPLE_RATE_HZ, SILENCE_RMS

CEILING, GAIN_DB, ROOM_SECONDS, ROOM_DB = 0.98, 6.0, 0.9, -11.0
MAX_VOICES = 96     # beyond these nothing is heard (−34 dB on the densest piece)
GRID = 64           # the synthesiser works in blocks of 64 samples: events fall on their beginnings


@lru_cache(maxsize=1)
def _soundfont():
    return _tinysoundfont.SoundFont(str(Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")))


@lru_cache(maxsize=4)
def _room(sample_rate_hz: int) -> np.ndarray:
    # a small hall: the direct sound, then noise falling 60 dB in 0.9 s
    n = int(ROOM_SECONDS * sample_rate_hz)
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal(n)
    t = np.arange(n) / sample_rate_hz
    smooth = np.convolve(noise, np.ones(8) / 8, "same")
    tail = (noise * np.exp(-14 * t) * 0.5 + smooth * np.exp(-6.9 / ROOM_SECONDS * t)) * (t > 0.012)
    tail *= 10 ** (ROOM_DB / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def render(midi, seconds: float | None = None, sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Plays a score for `seconds` (``None``: to one second after its end, ten minutes at most):
    float32 [seconds · sample_rate_hz], mono, no sample beyond ±0.98."""
    if not any(i.notes for i in midi.instruments):
        raise KlangfarbeError("a score with notes", "none", "check the file: lyrics alone?")
    if seconds is None:
        seconds = min(max(n.end for i in midi.instruments for n in i.notes) + 1.0, 600.0)
    if not (0 < seconds <= 36_000 and 4000 <= sample_rate_hz <= 192_000):
        raise KlangfarbeError("up to ten hours at 4,000 to 192,000 Hz",
                              f"{seconds} s at {sample_rate_hz} Hz", "choose values in between")
    synth = _tinysoundfont.SoundFont(_soundfont())  # a copy shares the samples, starts in silence
    synth.set_output(_tinysoundfont.OutputMode.Mono, sample_rate_hz, GAIN_DB)
    synth.set_max_voices(MAX_VOICES)
    # (seconds, rank, channel, number, value), rank 0 controller, 1 bend, 2 note off, 3 note on
    events = []
    for channel, instrument in enumerate(midi.instruments):
        synth.channel_set_preset_number(channel, instrument.program, instrument.is_drum)
        synth.channel_midi_control(channel, 7, 100)     # the volume where a file sets none
        events += [(c.time, 0, channel, c.number, c.value) for c in instrument.control_changes]
        events += [(b.time, 1, channel, 0, b.pitch + 8192) for b in instrument.pitch_bends]
        for n in instrument.notes:
            events += [(n.start, 3, channel, n.pitch, n.velocity),
                       (max(n.end, n.start + 0.01), 2, channel, n.pitch, 0)]
    sound = np.zeros(int(round(seconds * sample_rate_hz)), dtype=np.float32)
    buffer, done = sound.data.cast("B"), 0
    for time, rank, channel, number, value in sorted(events):
        at = int(min(max(time, 0.0), seconds) * sample_rate_hz) // GRID * GRID
        if at >= len(sound):
            break
        if at > done:
            synth.render(buffer[4 * done : 4 * at])
            done = at
        if rank == 3:
            synth.channel_note_on(channel, number, value / 127)
        elif rank == 2:
            synth.channel_note_off(channel, number)
        elif rank == 1:
            synth.channel_set_pitch_wheel(channel, value)
        else:
            synth.channel_midi_control(channel, number, value)
    synth.render(buffer[4 * done :])
    sound = oaconvolve(sound, _room(sample_rate_hz))[: len(sound)].astype(np.float32, copy=False)
    peak = float(np.abs(sound).max())
    return sound * np.float32(CEILING / peak) if peak > CEILING else sound


def read_midi(path: Path | str) -> pretty_midi.PrettyMIDI:
    """Reads a MIDI file that holds at least one note."""
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        got = "empty (0 bytes)" if path.is_file() else "no such file"
        raise KlangfarbeError("a MIDI file", f"{path}: {got}", "check the path, or copy it again")
    with (readable("a MIDI file", path, "export it again as a standard MIDI file"),
          warnings.catch_warnings()):
        warnings.simplefilter("ignore")
        score = pretty_midi.PrettyMIDI(str(path))
    if not any(instrument.notes for instrument in score.instruments):
        raise KlangfarbeError("a MIDI file with notes", f"{path}: no notes", "leave it out")
    return score


def render_folder(folder: Path | str, out: Path | str, *, seconds: float | None = None,
                  sample_rate_hz: int = SAMPLE_RATE_HZ) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Renders a folder's MIDI to ``out/<file>.flac`` where missing: tables of renders, rejects."""
    folder, out, renders, rejects = Path(folder), Path(out), [], []
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".mid", ".midi"))
    if not files:
        raise KlangfarbeError("a folder of MIDI files", f"{folder}: none in it", "check the path")
    for file in files:
        name = file.relative_to(folder).as_posix()
        target = out / f"{name}.flac"
        try:
            if not target.is_file():
                sound = render(read_midi(file), seconds, sample_rate_hz)
                if float(np.abs(sound).max()) < SILENCE_RMS:
                    raise KlangfarbeError("a MIDI file that sounds",
                        f"silence for {len(sound) / sample_rate_hz:.0f} s", "ask for more seconds")
                with artefacts.atomic(target) as temporary:
                    soundfile.write(temporary, sound, sample_rate_hz, format="FLAC")
            renders.append((name, f"{name}.flac", soundfile.info(target).duration))
        except KlangfarbeError as error:
            rejects.append((name, error.got.replace(f"{file}: ", "")))
    return (pd.DataFrame(renders, columns=["file", "sound", "seconds"]),
            pd.DataFrame(rejects, columns=["file", "reason"]))


def sounds(seed: int, indices, seconds: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """The music of atelier items: float32 [n, N] at 22,050 Hz, and their points, float32 [n, 2]."""
    items = [draw(seed, int(index)) for index in indices]
    points = np.array([(f.valence, f.arousal) for f in items], np.float32).reshape(-1, 2)
    return render_items(items, seconds), points


def render_items(items: list[Factors], seconds: float, sample_rate_hz=SAMPLE_RATE_HZ) -> np.ndarray:
    """The music of drawn items, resampled: float32 [n, N]."""
    clips = [render(compose(item, seconds), seconds) for item in items]
    if sample_rate_hz != SAMPLE_RATE_HZ:
        clips = [soxr.resample(clip, SAMPLE_RATE_HZ, sample_rate_hz) for clip in clips]
    n_samples = len(clips[0]) if clips else int(round(seconds * sample_rate_hz))
    return np.array(clips, np.float32).reshape(-1, n_samples)
