"""Sound in and out: one sample rate, one mel definition, and one clear line for each bad file."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from lib.core import artefacts
from lib.core.errors import KlangfarbeError

SAMPLE_RATE_HZ = 22_050
MEL: dict[str, Any] = {"n_fft": 1024, "hop_length": 256, "n_mels": 80}
MIN_SECONDS = 0.5
SILENCE_RMS = 1e-4  # −80 dBFS
WRITTEN = (".wav", ".flac", ".mp3")


def load(path, *, seconds: float | None = 45.0, sample_rate_hz=SAMPLE_RATE_HZ) -> np.ndarray:
    """The middle `seconds` (``None``: all) of a sound file: float32 [N], mono, resampled."""
    path = Path(path)
    with _opened(path) as file:
        rate = file.samplerate
        wanted = len(file) if seconds is None else min(len(file), int(round(seconds * rate)))
        file.seek((len(file) - wanted) // 2)
        frames = file.read(wanted, dtype="float32", always_2d=True)  # [N, channels]
    _check_whole(path, len(frames) / rate, wanted / rate)
    sound = _mono(frames, path)
    check_sound(sound, rate, str(path))
    return soxr.resample(sound, rate, sample_rate_hz) if rate != sample_rate_hz else sound


def inspect(path: Path | str) -> tuple[float, int]:
    """Decodes a whole sound file in blocks → (seconds, rate in Hz); refuses as :func:`load`."""
    path, n_frames, energy = Path(path), 0, 0.0
    with _opened(path) as file:
        rate, promised = file.samplerate, len(file)
        while len(frames := file.read(1 << 18, dtype="float32", always_2d=True)):
            n_frames += len(frames)
            energy += float(np.square(_mono(frames, path), dtype=np.float64).sum())
    _check_whole(path, n_frames / rate, promised / rate)
    _check(n_frames / rate, np.sqrt(energy / max(n_frames, 1)), str(path))
    return n_frames / rate, rate


def check_sound(sound: np.ndarray, sample_rate_hz: int, name: str) -> None:
    """Refuses what no feature can be computed from: under 0.5 s, below −80 dBFS, not [N], NaN."""
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise KlangfarbeError("a finite mono sound [N]", f"{name}: shape {sound.shape}, "
                              f"{(~np.isfinite(sound)).sum()} NaN or infinite", "average channels")
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    _check(len(sound) / sample_rate_hz, rms, name)


def _check(duration_s: float, rms: float, name: str) -> None:
    if duration_s < MIN_SECONDS:
        raise KlangfarbeError(f"at least {MIN_SECONDS} s of sound", f"{name}: {duration_s:.2f} s",
                              "give a longer clip (15 s or more is best)")
    if rms < SILENCE_RMS:
        raise KlangfarbeError("sound", f"{name}: silence (RMS {rms:.1e})", "do channels cancel?")


def _check_whole(path: Path, decoded_s: float, promised_s: float) -> None:
    if promised_s - decoded_s > 0.1:
        raise _cut_short(path, f"{decoded_s:.1f} of {promised_s:.1f} s can be decoded")


def encode_mp3(sound: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """MP3 bytes of a mono sound [N], small enough for a notebook (about 6 kB a second)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound, -1, 1), sample_rate_hz, format="MP3",
                    bitrate_mode="CONSTANT", compression_level=0.85)
    return buffer.getvalue()


def write(path: Path | str, sound: np.ndarray, sample_rate_hz: int) -> Path:
    """Writes a mono sound [N], clipped to [−1, 1], atomically: 16-bit .wav or .flac, or .mp3."""
    path, buffer = Path(path), io.BytesIO()
    if path.suffix.lower() not in WRITTEN:
        raise KlangfarbeError(f"a name ending in {', '.join(WRITTEN)}", str(path), "rename it")
    with artefacts.atomic(path) as temporary:
        if path.suffix.lower() == ".mp3":
            temporary.write_bytes(encode_mp3(sound, sample_rate_hz))
        else:  # not straight to the file: libsndfile's error for a full disk is its own
            soundfile.write(buffer, np.clip(sound, -1, 1), sample_rate_hz,
                            format=path.suffix[1:].upper(), subtype="PCM_16")
            temporary.write_bytes(buffer.getvalue())
    return path


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:  # every fault in the block: one line
    if not path.is_file() or path.stat().st_size == 0:
        got = ("a folder" if path.is_dir()
               else "empty (0 bytes)" if path.exists() else "no such file")
        raise KlangfarbeError("a sound file", f"{path}: {got}", "check the path, or copy it again")
    kind, lacking = _container(path)
    if lacking:
        raise _cut_short(path, lacking)
    with contextlib.ExitStack() as stack:
        # The MP3 decoder's remarks go straight to file descriptor 2; there may be none to silence.
        with contextlib.suppress(OSError):
            if kind == "mp3, or unknown":
                kept = os.dup(2)
                stack.callback(os.close, kept)
                os.dup2(stack.enter_context(open(os.devnull, "wb")).fileno(), 2)
                stack.callback(os.dup2, kept, 2)
        try:
            yield stack.enter_context(soundfile.SoundFile(path))
        except (OSError, RuntimeError) as error:  # libsndfile's own errors are RuntimeErrors
            if kind in ("flac", "ogg"):  # the signature is right and the rest does not follow
                raise _cut_short(path, f"its {kind} stream breaks off") from error
            reason = str(error).rsplit("': ", 1)[-1].strip().rstrip(".")  # without the path
            raise KlangfarbeError("a sound file (wav, flac, ogg, mp3, aiff)",
                                  f"{path}: {reason or type(error).__name__}",
                                  f"convert it: ffmpeg -i {path.name} {path.stem}.wav") from error


def _cut_short(path: Path, why: str) -> KlangfarbeError:
    return KlangfarbeError("a whole sound file", f"{path}: cut short ({why})", "copy it again")


def _mono(frames: np.ndarray, path: Path) -> np.ndarray:
    if broken := int((~np.isfinite(frames).all(axis=1)).sum()):
        raise KlangfarbeError("finite samples", f"{path}: {broken} samples are NaN or infinite",
                              "export the file again")
    return frames.mean(axis=1)


def _container(path: Path) -> tuple[str, str]:  # its kind, what its bookkeeping says is lacking
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(12)
        file.seek(max(0, size - 70_000))  # an ogg's largest page is 65,307 bytes
        tail = file.read() if head[:4] == b"OggS" else b""
    if head[:4] in (b"RIFF", b"FORM"):
        promised = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
        # 0 and the largest values mean "unknown" (a pipe). A byte of padding may be left out.
        short = 0 < promised < 0x7FFF0000 and size < promised + 7
        return "wav", f"{size:,} of {promised + 8:,} bytes" if short else ""
    if head[:4] == b"OggS":
        page = tail[tail.rfind(b"OggS") :]
        whole = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
        return "ogg", "" if whole else "its last page is not whole"
    return "flac" if head[:4] == b"fLaC" else "mp3, or unknown", ""


def sounding(sound: np.ndarray, at_least: int, *, silent_ok: bool = False) -> np.ndarray:
    """A sound [N] or batch [B, N] as float64, refused if silent, not finite, or too short."""
    sound = np.asarray(sound, np.float64)
    if sound.ndim not in (1, 2) or not sound.size or sound.shape[-1] < at_least or (
            not np.isfinite(sound).all()):
        raise KlangfarbeError(f"finite samples: a sound [N ≥ {at_least}] or a batch [B, N]",
                              f"{sound.shape}, or NaN", "average channels, or give more")
    rms = np.sqrt(np.square(sound).mean(axis=-1))
    if np.min(rms) < SILENCE_RMS and not silent_ok:
        raise KlangfarbeError("sound", f"silence (RMS {np.min(rms):.1e})", "leave silent clips out")
    return sound
