"""Figures and players that look the same in every notebook: small files, one palette."""

import io
from collections.abc import Mapping

import librosa
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from lib.signal import affect, audio

QUADRANT_COLOURS = ("#e0932c", "#b5374a", "#4a5f8a", "#5a9b78")  # excited, tense, gloomy, calm


def player(sound: np.ndarray, sample_rate_hz: int | None = None):
    """An audio player for a mono sound [N], stored as MP3 (about 6 kB a second instead of 59)."""
    from IPython.display import Audio  # which a light install has not
    widget = Audio(data=audio.encode_mp3(sound, sample_rate_hz or audio.SAMPLE_RATE_HZ))
    widget.mimetype = "audio/mpeg"
    return widget


def listen(sounds: Mapping[str, tuple[np.ndarray, int]]) -> None:
    """Shows name → sound [N] and its rate side by side: a spectrogram each, then the players."""
    figure, axes = plt.subplots(1, len(sounds), figsize=(2.4 * len(sounds), 2.1), sharey=True,
                                layout="constrained")
    for axis, (name, heard) in zip(axes, sounds.items(), strict=True):
        mel(*heard, axis=axis, title=name)
        axis.label_outer()
    from IPython.display import display  # as above
    display(photo(figure, quality=70), *(player(*heard) for heard in sounds.values()))


def pictures(sheet: np.ndarray, title: str = "", width: float = 6.0):
    """Shows a contact sheet uint8 [H, W, 3] without axes; returns the figure."""
    figure, axis = plt.subplots(figsize=(width, width * sheet.shape[0] / sheet.shape[1]))
    axis.imshow(sheet, interpolation="nearest")
    axis.set_axis_off()
    axis.set_title(title, fontsize=9)
    return figure


def photo(content, quality: int = 80, alt: str = ""):
    """Shows a contact sheet uint8 [H, W, 3], or a figure (closed then), as a small JPEG; for who
    does not see it `alt`, else what the figure's own titles and labels say."""
    buffer, alt = io.BytesIO(), alt or written_in(content)
    if hasattr(content, "savefig"):
        content.savefig(buffer, format="jpeg", dpi=100, bbox_inches="tight",
                        pil_kwargs={"quality": quality})
        plt.close(content)
    else:
        Image.fromarray(np.ascontiguousarray(content)).save(buffer, "JPEG", quality=quality,
                                                            optimize=True)
    from IPython.display import Image as Shown  # as above
    return Shown(buffer.getvalue(), format="jpeg", alt=alt)


def written_in(content) -> str:
    """What is written in a figure: its panels' titles and axes, once each."""
    if not hasattr(content, "axes"):
        return f"Pictures, {np.shape(content)[1]} × {np.shape(content)[0]} pixels"
    said = [text.strip() for axis in content.axes for text in
            (axis.get_title(), axis.get_xlabel(), axis.get_ylabel())]
    shown = "; ".join(dict.fromkeys(" ".join(text.split()) for text in said if text))
    return f"Figure of {len(content.axes)} panels" + (f": {shown}" if shown else "")


def affect_plane(axis=None, title: str = ""):
    """An empty valence–arousal plane with its quadrants named; returns the axis."""
    axis = axis or plt.subplots(figsize=(3.6, 3.6))[1]
    axis.axhline(0, color="0.8", lw=0.8, zorder=0)
    axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    for name, (x, y), colour in zip(affect.QUADRANTS, ((1, 1), (-1, 1), (-1, -1), (1, -1)),
                                    QUADRANT_COLOURS, strict=True):
        axis.text(0.97 * x, 0.95 * y, name, color=colour, fontsize=8,
                  ha="right" if x > 0 else "left", va="top" if y > 0 else "bottom")
    axis.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xlabel="valence", ylabel="arousal",
             aspect="equal")
    axis.set_title(title, fontsize=9)
    return axis


def mel(sound: np.ndarray, sample_rate_hz: int | None = None, axis=None, title: str = ""):
    """Draws the mel spectrogram (dB) of a mono sound [N]; returns the axis."""
    rate, axis = sample_rate_hz or audio.SAMPLE_RATE_HZ, axis or plt.subplots(figsize=(6, 2.2))[1]
    power = librosa.feature.melspectrogram(y=sound, sr=rate, **audio.MEL)
    levels = librosa.power_to_db(power, ref=np.max)
    axis.imshow(levels, origin="lower", aspect="auto", cmap="magma", vmin=-70,
                extent=(0, len(sound) / rate, 0, audio.MEL["n_mels"]))
    axis.set(xlabel="seconds", ylabel="mel band", title=title)
    return axis


def curve(values, label: str, axis=None, smooth: int = 1):
    """Draws a training curve, averaged over `smooth` steps; returns the axis."""
    axis = axis or plt.subplots(figsize=(6, 2.4))[1]
    values = np.asarray(values, dtype=float)
    smooth = max(1, min(smooth, len(values)))
    means = np.convolve(values, np.ones(smooth) / smooth, mode="valid")
    axis.plot(np.arange(len(means)) + smooth, means, label=label, lw=1.2)
    axis.set_xlabel("step")
    return axis
