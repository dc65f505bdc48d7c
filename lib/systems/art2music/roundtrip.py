"""System 4's round trip: a true mel back to sound, by the vocoder or by Griffin–Lim, and how far
from the true sound that ends.

Whatever stage one predicts, the sound cannot be better than what the vocoder makes of a *true* mel:
this comes first. Notebook: 43.
"""

import librosa
import numpy as np

from lib.metrics import spectral
from lib.signal import audio
from lib.systems.art2music import mel


def griffin_lim(ln_mel: np.ndarray, n_iterations: int = 32) -> np.ndarray:
    """ln-mels [B, M, T] → sounds float32 [B, T·256] by librosa: the mel undone by non-negative
    least squares, the phase by walking.

    Source: Griffin & Lim (1984); Perraudin et al. (2013).
    """
    made = []
    for one in np.asarray(ln_mel, np.float32):
        amplitude = librosa.feature.inverse.mel_to_stft(np.exp(one), sr=mel.RATE_HZ,
                                                        n_fft=audio.MEL["n_fft"], power=1.0)
        sound = librosa.griffinlim(amplitude, n_iter=n_iterations, hop_length=mel.HOP,
                                   n_fft=audio.MEL["n_fft"], random_state=0)
        # librosa's frame t is centred on t·hop, ours on (t + ½)·hop
        made.append(np.pad(sound, (mel.HOP // 2, mel.HOP))[: one.shape[1] * mel.HOP])
    return np.stack(made).clip(-1, 1).astype(np.float32)


def round_trip_errors(true: np.ndarray, made: np.ndarray) -> dict[str, np.ndarray]:
    """How far sounds [N, samples] at 22.05 kHz lie from the true ones: ``ln_mel_l1`` (nats),
    ``mcd``, ``lsd``, ``loudness`` (dB), each [N].

    The longer of the two is cut. Loudness is the made one's root mean square over the true one's;
    the others are ↓.
    """
    length = min(true.shape[1], made.shape[1]) // mel.HOP * mel.HOP
    true, made = true[:, :length].astype(np.float32), made[:, :length].astype(np.float32)
    level = [10 * np.log10(np.maximum(np.square(some, dtype=np.float64).mean(1), 1e-12))
             for some in (made, true)]
    return {"ln_mel_l1": ln_mel_l1(true, made), "mcd": spectral.mcd_many(true, made),
            "lsd": spectral.lsd(true, made), "loudness": level[0] - level[1]}


def ln_mel_l1(true: np.ndarray, made: np.ndarray, batch: int = 32) -> np.ndarray:
    """Mean |ln mel(made) − ln mel(true)| of each pair of sounds [N, samples], nats: float64 [N]; the longer is cut."""
    length = min(true.shape[1], made.shape[1])
    true, made = true[:, :length], made[:, :length]
    parts = [(mel.ln_mel(made[at : at + batch])
              - mel.ln_mel(true[at : at + batch])).abs().mean((1, 2)).double().numpy()
             for at in range(0, len(true), batch)]
    return np.concatenate(parts)
