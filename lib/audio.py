"""Sound in and out: one sample rate, one mel definition, and a loader that meets bad files with one clear line."""

from pathlib import Path

import numpy as np

from lib.errors import KlangfarbeError

SAMPLE_RATE_HZ = 22_050
MEL = {"n_fft": 1024, "hop_length": 256, "n_mels": 80}
MIN_SECONDS = 0.5
SILENCE_RMS = 1e-4  # −80 dBFS


def load(path: Path | str, *, seconds: float | None = 45.0, sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    """Loads the middle of a sound file as mono.

    A long file is never read whole: the decoder seeks to the middle `seconds` and stops there, so three hours cost as
    much memory as one minute.

    Args:
        path: wav, flac, ogg, mp3, aiff: anything libsndfile decodes; any number of channels (averaged).
        seconds: length kept, cut from the middle; ``None`` keeps all.
        sample_rate_hz: rate to resample to.

    Returns:
        float32 [N], in [−1, 1] for files of full scale.

    Raises:
        KlangfarbeError: missing, empty, not audio, truncated to nothing, shorter than 0.5 s, silent, or not finite.
    """
    import soundfile
    import soxr

    path = Path(path)
    if not path.is_file():
        raise KlangfarbeError("a sound file", f"{path}: no such file", "check the path")
    if path.stat().st_size == 0:
        raise KlangfarbeError("a sound file", f"{path}: empty (0 bytes)", "copy or download it again")
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            wanted = len(file) if seconds is None else min(len(file), int(round(seconds * rate)))
            file.seek((len(file) - wanted) // 2)
            frames = file.read(wanted, dtype="float32", always_2d=True)  # [N, channels]
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise KlangfarbeError("a sound file (wav, flac, ogg, mp3, aiff)", f"{path}: {error}",
                              f"convert it: ffmpeg -i {path.name} {path.stem}.wav") from error
    sound = frames.mean(axis=1)
    if not np.isfinite(sound).all():
        raise KlangfarbeError("finite samples", f"{path}: {int((~np.isfinite(sound)).sum())} samples are NaN or infinite", "export the file again")
    check_sound(sound, rate, str(path))
    return soxr.resample(sound, rate, sample_rate_hz) if rate != sample_rate_hz else sound


def check_sound(sound: np.ndarray, sample_rate_hz: int, name: str) -> None:
    """Refuses what no feature can be computed from: under 0.5 s, or below −80 dBFS."""
    duration_s = len(sound) / sample_rate_hz
    if duration_s < MIN_SECONDS:
        raise KlangfarbeError(f"at least {MIN_SECONDS} s of sound", f"{name}: {duration_s:.2f} s", "give a longer clip (15 s or more is best)")
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
    if rms < SILENCE_RMS:
        raise KlangfarbeError("sound", f"{name}: silence (RMS {rms:.1e})", "give a clip in which something sounds")


def encode_mp3(sound: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """MP3 bytes of a mono sound [N], small enough to store inside a notebook (about 6 kB a second)."""
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(sound, -1, 1), sample_rate_hz, format="MP3", bitrate_mode="CONSTANT", compression_level=0.85)
    return buffer.getvalue()
