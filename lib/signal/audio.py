"""Sound in and out: one sample rate, one mel definition, and one clear line for each bad file."""

import contextlib
import io
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.signal import decoders

SAMPLE_RATE_HZ = 22_050
MEL: dict[str, Any] = {"n_fft": 1024, "hop_length": 256, "n_mels": 80}
MIN_SECONDS = 0.5
SILENCE_RMS = 1e-4  # −80 dBFS
LOUDEST = 8.0       # louder floats are integers in disguise; a mix may well exceed 1
WRITTEN = (".wav", ".flac", ".ogg", ".mp3")


def load(path, *, seconds: float | None = 45.0, sample_rate_hz=SAMPLE_RATE_HZ) -> np.ndarray:
    """The middle `seconds` (``None``: all) of a sound file, or, where these are silent, those about
    its loudest part: float32 [N], mono, resampled, without DC."""
    path = Path(path)
    with _opened(path) as file:
        rate, whole = file.rate, file.n_frames
        wanted = whole if seconds is None else min(whole, int(round(seconds * rate)))
        frames = file.read((whole - wanted) // 2, wanted)  # [N, channels]
        if wanted < whole and _rms(frames) < SILENCE_RMS:
            frames = file.read(_loudest(file, wanted), wanted)
    _check_whole(path, len(frames) / rate, wanted / rate)
    sound = _mono(frames, path)
    check_sound(sound, rate, str(path))
    return soxr.resample(sound, rate, sample_rate_hz) if rate != sample_rate_hz else sound


def inspect(path: Path | str) -> tuple[float, int]:
    """Decodes a whole sound file in blocks → (seconds, rate in Hz); refuses as :func:`load`."""
    path, n_frames, energy = Path(path), 0, 0.0
    with _opened(path) as file:
        for frames in file.blocks():
            n_frames += len(frames)
            energy += float(np.square(_mono(frames, path), dtype=np.float64).sum())
        rate, promised = file.rate, file.n_frames
    _check_whole(path, n_frames / rate, promised / rate)
    _check(n_frames / rate, np.sqrt(energy / max(n_frames, 1)), str(path))
    return n_frames / rate, rate


def _rms(frames: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(frames, dtype=np.float64)))) if frames.size else 0.0


def _loudest(file: decoders.Decoder, wanted: int) -> int:
    """Where `wanted` frames around the loudest block begin."""
    lengths, levels = zip(*((len(frames), _rms(frames)) for frames in file.blocks()))
    loudest = int(np.argmax(levels))
    middle = sum(lengths[:loudest]) + lengths[loudest] // 2
    return max(0, min(middle - wanted // 2, sum(lengths) - wanted))


def check_sound(sound: np.ndarray, sample_rate_hz: int, name: str) -> None:
    """Refuses what no feature can be computed from: under 0.5 s, below −80 dBFS, not [N], NaN."""
    numbers = sound.dtype.kind in "fiu"
    if numbers and (sound.ndim != 1 or not np.isfinite(sound).all()):
        raise KlangfarbeError("a finite mono sound [N]", f"{name}: shape {sound.shape}, "
                              f"{(~np.isfinite(sound)).sum()} NaN or infinite", "average channels")
    peak = np.abs(sound).max(initial=0) if numbers else np.nan
    if sound.dtype.kind != "f" or peak > LOUDEST:
        raise KlangfarbeError("a sound of floats in [−1, 1]", f"{name}: {sound.dtype}, up to "
                              f"{peak:.4g}", "divide 16 bits by 32768")
    _check(len(sound) / sample_rate_hz, _rms(sound), name)


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
    """Writes a mono sound [N], clipped to [−1, 1], atomically: 16-bit .wav or .flac, .ogg, .mp3."""
    path, buffer = Path(path), io.BytesIO()
    if path.suffix.lower() not in WRITTEN:
        raise KlangfarbeError(f"a name ending in {', '.join(WRITTEN)}", str(path), "rename it")
    with artefacts.atomic(path) as temporary:
        if path.suffix.lower() == ".mp3":
            temporary.write_bytes(encode_mp3(sound, sample_rate_hz))
        else:  # not straight to the file: libsndfile's error for a full disk is its own
            soundfile.write(buffer, np.clip(sound, -1, 1), sample_rate_hz,
                            format=path.suffix[1:].upper(),
                            subtype="VORBIS" if path.suffix.lower() == ".ogg" else "PCM_16")
            temporary.write_bytes(buffer.getvalue())
    return path


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[decoders.Decoder]:  # every fault in the block: one line
    if not path.is_file() or path.stat().st_size == 0:
        got = ("a folder" if path.is_dir()
               else "empty (0 bytes)" if path.exists() else "no such file")
        raise KlangfarbeError("a sound file", f"{path}: {got}", "check the path, or copy it again")
    if lacking := decoders.lacking(path):
        raise _cut_short(path, lacking)
    with contextlib.ExitStack() as stack:
        try:
            found = decoders.decoder(path, stack)
            yield found
        except KlangfarbeError:
            raise
        except decoders.FAULTS as error:
            if decoders.kind(path) in ("flac", "ogg"):  # the signature is right, the rest is not
                raise _cut_short(path, f"its {decoders.kind(path)} stream breaks off") from error
            reason = str(error).rsplit("': ", 1)[-1].strip().rstrip(".")  # without the path
            raise KlangfarbeError(
                "a sound file (wav, flac, ogg, mp3, m4a …)", f"{path}: {reason or error!r}",
                f"convert it: ffmpeg -i {shlex.quote(str(path))} "
                f"{shlex.quote(f'{path.stem}-converted.wav')}") from error
    if found.remark:
        print(f"klangfarbe: {path}: {found.remark}", file=sys.stderr)


def _cut_short(path: Path, why: str) -> KlangfarbeError:
    return KlangfarbeError("a whole sound file", f"{path}: cut short ({why})", "copy it again")


def _mono(frames: np.ndarray, path: Path) -> np.ndarray:
    """Frames [N, channels] → their mean [N] without DC; what was written as integers is scaled."""
    if broken := int((~np.isfinite(frames).all(axis=1)).sum()):
        raise KlangfarbeError("finite samples", f"{path}: {broken} samples are NaN or infinite",
                              "export the file again")
    peak = float(np.abs(frames).max(initial=0.0))
    if peak > LOUDEST:
        full = next((full for full in (2.0**15, 2.0**31) if peak <= full), None)
        if full is None:
            raise KlangfarbeError("samples in [−1, 1]", f"{path}: up to {peak:.3g}",
                                  "export the file again")
        print(f"klangfarbe: {path}: samples up to {peak:.0f} instead of 1, divided by {full:.0f}",
              file=sys.stderr)
        frames = frames / np.float32(full)
    sound = frames.mean(axis=1)
    return sound - sound.mean(dtype=np.float64).astype(np.float32) if len(sound) else sound


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
