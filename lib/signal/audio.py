"""Sound in and out: one sample rate, one mel definition, and a loader that meets bad files with one
clear line.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from lib.core import artefacts
from lib.core.errors import KlangfarbeError

SAMPLE_RATE_HZ = 22_050
MEL = {"n_fft": 1024, "hop_length": 256, "n_mels": 80}
MIN_SECONDS = 0.5
SILENCE_RMS = 1e-4  # −80 dBFS
WRITTEN = (".wav", ".flac", ".mp3")


def load(path: Path | str, *, seconds: float | None = 45.0,
         sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Loads the middle of a sound file as mono.

    A long file is never read whole: the decoder seeks to the middle `seconds` and stops there, so
    three hours cost as much memory as one minute.

    Args:
        path: wav, flac, ogg, mp3, aiff: anything libsndfile decodes; any number of channels
            (averaged).
        seconds: length kept, cut from the middle; ``None`` keeps all.
        sample_rate_hz: rate to resample to.

    Returns:
        float32 [N], in [−1, 1] for files of full scale.

    Raises:
        KlangfarbeError: missing, a folder, empty, not audio, cut short, shorter than 0.5 s, silent,
            or not finite.
    """
    path = Path(path)
    with _opened(path) as file:
        rate = file.samplerate
        wanted = len(file) if seconds is None else min(len(file), int(round(seconds * rate)))
        file.seek((len(file) - wanted) // 2)
        frames = file.read(wanted, dtype="float32", always_2d=True)  # [N, channels]
    if wanted - len(frames) > 0.1 * rate:
        raise _cut_short(path, f"{len(frames) / rate:.1f} of {wanted / rate:.1f} s can be decoded")
    sound = _mono(frames, path)
    if frames.shape[1] > 1 and len(frames) and np.abs(sound).max() < SILENCE_RMS <= np.sqrt(
        np.square(frames).mean()):
        raise KlangfarbeError("channels that can be averaged",
                              f"{path}: they cancel (one is the other turned upside down)",
                              f"keep one: ffmpeg -i {path.name} -af 'pan=mono|c0=c0' "
                              f"{path.stem}_mono.wav")
    check_sound(sound, rate, str(path))
    return soxr.resample(sound, rate, sample_rate_hz) if rate != sample_rate_hz else sound


def inspect(path: Path | str) -> tuple[float, int]:
    """Decodes a whole sound file block by block (a few MB of memory at any length) and returns
    (seconds, rate in Hz).

    Raises:
        KlangfarbeError: whatever :func:`load` refuses; here every second of the file must decode.
    """
    path = Path(path)
    n_frames, energy = 0, 0.0
    with _opened(path) as file:
        rate, promised = file.samplerate, len(file)
        while len(frames := file.read(1 << 18, dtype="float32", always_2d=True)):
            n_frames += len(frames)
            energy += float(np.square(_mono(frames, path), dtype=np.float64).sum())
    if promised - n_frames > 0.1 * rate:
        raise _cut_short(path, f"{n_frames / rate:.1f} of {promised / rate:.1f} s can be decoded")
    _check(n_frames / rate, np.sqrt(energy / max(n_frames, 1)), str(path))
    return n_frames / rate, rate


def check_sound(sound: np.ndarray, sample_rate_hz: int, name: str) -> None:
    """Refuses what no feature can be computed from: under 0.5 s, or below −80 dBFS."""
    _check(len(sound) / sample_rate_hz,
           float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0, name)


def _check(duration_s: float, rms: float, name: str) -> None:
    if duration_s < MIN_SECONDS:
        raise KlangfarbeError(f"at least {MIN_SECONDS} s of sound", f"{name}: {duration_s:.2f} s",
                              "give a longer clip (15 s or more is best)")
    if rms < SILENCE_RMS:
        raise KlangfarbeError("sound", f"{name}: silence (RMS {rms:.1e})",
                              "give a clip in which something sounds")


def encode_mp3(sound: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """MP3 bytes of a mono sound [N], small enough to store inside a notebook (about 6 kB a
    second).
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound, -1, 1), sample_rate_hz, format="MP3",
                    bitrate_mode="CONSTANT", compression_level=0.85)
    return buffer.getvalue()


def write(path: Path | str, sound: np.ndarray, sample_rate_hz: int) -> Path:
    """Writes a mono sound, float32 [N] in [−1, 1], atomically: 16-bit .wav or .flac, or .mp3. What
    stands outside is clipped.

    Raises:
        KlangfarbeError: another suffix, or a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise KlangfarbeError(f"a sound's name ending in {', '.join(WRITTEN)}", str(path),
                              "for instance music.wav")
    with artefacts.atomic(path) as temporary:
        if path.suffix.lower() == ".mp3":
            temporary.write_bytes(encode_mp3(sound, sample_rate_hz))
        else:
            # not straight to the file: libsndfile's error for a full disk is its own
            made = io.BytesIO()
            soundfile.write(made, np.clip(sound, -1, 1), sample_rate_hz,
                            format=path.suffix[1:].upper(), subtype="PCM_16")
            temporary.write_bytes(made.getvalue())
    return path


@contextlib.contextmanager
def _opened(path: Path) -> Iterator:
    """A decoder for `path`; whatever goes wrong inside the block becomes one line."""
    if path.is_dir():
        raise KlangfarbeError("a sound file", f"{path}: a folder", "name one file in it")
    if not path.is_file():
        raise KlangfarbeError("a sound file", f"{path}: no such file", "check the path")
    if path.stat().st_size == 0:
        raise KlangfarbeError("a sound file", f"{path}: empty (0 bytes)",
                              "copy or download it again")
    kind, lacking = _container(path)
    if lacking:
        raise _cut_short(path, lacking)
    try:
        with _quiet_decoder(kind), soundfile.SoundFile(path) as file:
            yield file
    except (OSError, RuntimeError) as error:  # libsndfile's own errors are RuntimeErrors
        if kind in ("flac", "ogg"):  # the signature is right and the rest does not follow
            raise _cut_short(path, f"its {kind} stream breaks off") from error
        raise KlangfarbeError("a sound file (wav, flac, ogg, mp3, aiff)",
                              f"{path}: {_reason(error)}",
                              f"convert it: ffmpeg -i {path.name} {path.stem}.wav") from error


def _cut_short(path: Path, why: str) -> KlangfarbeError:
    return KlangfarbeError("a whole sound file", f"{path}: cut short ({why})",
                           "copy or download it again")


def _mono(frames: np.ndarray, path: Path) -> np.ndarray:
    """Averages channels, float32 [N, channels] → [N]; refuses what is not finite."""
    broken = ~np.isfinite(frames).all(axis=1)
    if broken.any():
        raise KlangfarbeError("finite samples",
                              f"{path}: {int(broken.sum())} samples are NaN or infinite",
                              "export the file again")
    return frames.mean(axis=1)


def _container(path: Path) -> tuple[str, str]:
    """What the first bytes say the file is, and what its own bookkeeping says is lacking ("" where
    nothing is).
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"FORM"):
            promised = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
            # 0 and the largest values mean "unknown" (written to a pipe). A byte of padding may be
            # left out.
            known = 0 < promised < 0x7FFF0000
            return ("wav", f"{size:,} of {promised + 8:,} bytes" if known and size < promised + 7
                    else "")
        if head[:4] == b"OggS":
            file.seek(max(0, size - 70_000))  # the largest page is 65,307 bytes
            tail = file.read()
            page = tail[tail.rfind(b"OggS") :]
            whole = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
            return "ogg", "" if whole else "its last page is not whole"
    if head[:4] == b"fLaC":
        return "flac", ""
    is_mp3 = head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)
    return ("mp3" if is_mp3 else "unknown"), ""


@contextlib.contextmanager
def _quiet_decoder(kind: str) -> Iterator[None]:
    """Silences the MP3 decoder, which writes its own remarks about a damaged file straight to file
    descriptor 2.
    """
    try:
        kept = os.dup(2) if kind in ("mp3", "unknown") else None
    except OSError:  # there is no standard error to silence
        kept = None
    if kept is None:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reason(error: Exception) -> str:
    """libsndfile's own words without the path it repeats."""
    return str(error).rsplit("': ", 1)[-1].strip().rstrip(".") or type(error).__name__


def sounding(sound: np.ndarray, at_least: int, *, silent_ok: bool = False) -> np.ndarray:
    """A sound [N] or batch [B, N] as float64, refused if silent (RMS under −80 dBFS), not finite,
    or under `at_least` samples.
    """
    sound = np.asarray(sound, np.float64)
    if sound.ndim not in (1, 2) or not sound.size or sound.shape[-1] < at_least:
        raise KlangfarbeError(f"a mono sound [N ≥ {at_least}] or a batch [B, N]", str(sound.shape),
                              "average channels, or give more")
    if not np.isfinite(sound).all():
        raise KlangfarbeError("finite samples", "NaN or infinite ones",
                              "look at what made the sound")
    rms = np.sqrt(np.square(sound).mean(axis=-1))
    if np.min(rms) < SILENCE_RMS and not silent_ok:
        raise KlangfarbeError("sound", f"silence (RMS {np.min(rms):.1e})",
                              "leave silent clips out, and say how many there were")
    return sound
