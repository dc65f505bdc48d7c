"""How the bundled codec was made and what it reaches on music it never heard: ``python -m lib
miniature codec``.
"""

import librosa
import numpy as np
import pandas as pd
import torch

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import render
from lib.metrics import control, spectral, stats
from lib.models.quantiser import perplexity
from lib.models.spectral_codec import SpectralCodec
from lib.pretrained.codec import KIND
from lib.recipes import train_codec
from lib.recipes.bundling import SEED, halved, heard, means, share, write
from lib.training import loop

# the codec's own collection: nothing is tested on it, and no listener or judge has heard it
CODEC_SEED = 5
# tempo and key, slow to find, of the first N_HEARD
N_TRAIN, N_TEST, N_HEARD, TEST_SECONDS = 2000, 150, 80, 8.0
SAME_TEMPO = 0.05  # tempi this near are one: librosa's lags lie 4 to 5 % apart at 120 BPM


def make() -> None:
    """The codec: rendering 2 minutes, training about 25 on one core (resumable)."""
    model, curve, key = trained()
    write("codec", {"config.json": {"model_type": KIND, **model.settings},
                    "model.safetensors": halved(model), "curves.csv": means(curve)}, key)


def measure():
    """What the bundled codec keeps of held-out music: (table, hash of the sounds)."""
    sounds, _ = render.sounds(atelier.TEST_SEED, range(N_TEST), TEST_SECONDS)
    return table(pretrained.load("codec", device="cpu"), sounds), provenance.content_hash(sounds)


def rendered():
    """The training music, rendered once: (float32 [N, samples] mapped from disk, key)."""
    return heard(_whole, "codec", CODEC_SEED, range(N_TRAIN))


def trained():
    """The network, trained or taken up from its checkpoint: (SpectralCodec, curve, key of data and
    settings).
    """
    loop.set_threads()
    sounds, key = rendered()
    torch.manual_seed(SEED)
    model = SpectralCodec()
    curve = train_codec.train(model, sounds, paths.PROCESSED / "codec" / "codec.safetensors",
                              seed=SEED, key=key)
    return model, curve, key


def table(codec, sounds: np.ndarray, n_heard: int = N_HEARD):
    """What the round trip keeps of music it never heard.

    - ``ln_mel_l1``: mean |ln mel(out) − ln mel(in)|, 64 bands of amplitude, floor 1e-5, FFT 1024, hop 256; told with 1 to K codebooks.
      ``ln_mel_l1_of_power``: the same of mel power. ``ln_mel_l1_unquantised``: with the vectors
      themselves, the quantiser left out.
    - ``perplexity``: of each codebook, over all steps of all clips.
    - ``tempo_agrees``: librosa's tempo within 5 %; ``tempo_agrees_folded``: whole octaves apart
    counts too. ``key_agrees``: the same
      best of 24 keys; ``mode_agrees``: major stays major; ``tonic_agrees``: the best key's tonic.
    - ``loudness_r``, ``brightness_r``, ``density_r``: correlation of before and after.

    Args:
        codec: as ``foundations.load("codec")`` gives it. sounds: float32 [n, N] at its rate.
        n_heard: of how many of them tempo, key and controls are measured.

    Returns:
        DataFrame ``measure, codebooks, value, low, high, null, n``; null: the same against the next
        clip instead of its own.
    """
    rows = []

    def add(measure: str, value: float, codebooks: int = codec.n_codebooks,
            interval=(np.nan, np.nan), null: float = np.nan, n: int = len(sounds)):
        rows.append({"measure": measure, "codebooks": codebooks, "value": value, "low": interval[0],
                     "high": interval[1], "null": null, "n": n})

    def distances(of, power: bool = False):
        return np.array([np.abs(ln_mel(a, rate, power) - ln_mel(b, rate, power)).mean() for a,
                         b in zip(sounds, of, strict=True)])

    rate, batches = codec.sample_rate_hz, [sounds[i : i + 16, None]
                                           for i in range(0, len(sounds), 16)]
    codes = torch.cat([codec.encode(batch) for batch in batches])
    strangers = distances(np.roll(sounds, 1, axis=0)).mean()
    for k in range(1, codec.n_codebooks + 1):
        after = np.concatenate([codec.decode(part[:, :k], sounds.shape[1]).cpu().numpy()[:, 0]
                                for part in codes.split(16)])
        l1 = distances(after)
        add("ln_mel_l1", l1.mean(), k, stats.bootstrap(np.mean, l1), strangers)
    l1 = distances(after, power=True)
    add("ln_mel_l1_of_power", l1.mean(), interval=stats.bootstrap(np.mean, l1),
        null=distances(np.roll(sounds, 1, axis=0), True).mean())
    with torch.no_grad():
        whole = [codec.model.sound_of(codec.model.latents(
                    torch.from_numpy(b).to(codec.device))).cpu().numpy()[:, 0] for b in batches]
    l1 = distances(np.concatenate(whole)[:, : sounds.shape[1]])
    add("ln_mel_l1_unquantised", l1.mean(), 0, stats.bootstrap(np.mean, l1), strangers)
    for k, used in enumerate(perplexity(codes, codec.codebook_size).tolist()):
        add("perplexity", used, k + 1)
    heard = sounds[:n_heard], after[:n_heard]
    before, left = (control.measure_controls(list(group), rate) for group in heard)
    tempi = [table["tempo_bpm"].to_numpy() for table in (before, left)]
    keys = [np.array([key_of(s, rate) for s in group]) for group in heard]
    modes = [table["mode"].to_numpy() > 0 for table in (before, left)]

    def agrees(measure: str, same, pair) -> None:
        rows.append({"measure": measure, "codebooks": codec.n_codebooks, **share(same(*pair)),
                     "null": same(pair[0], np.roll(pair[1], 1)).mean()})

    agrees("tempo_agrees", _near, tempi)
    agrees("tempo_agrees_folded", lambda a, b: _near(a, control.fold_octaves(a, b)), tempi)
    agrees("key_agrees", np.equal, keys)
    agrees("tonic_agrees", lambda a, b: a % 12 == b % 12, keys)
    agrees("mode_agrees", np.equal, modes)
    for name, column in (("loudness_r", "loudness_db"), ("brightness_r", "brightness_hz"),
                         ("density_r", "density_per_s")):
        pair = before[column].to_numpy(), left[column].to_numpy()
        add(name, control.correlation(*pair), interval=stats.bootstrap(control.correlation, *pair),
            n=len(before))
    return pd.DataFrame(rows)


def ln_mel(sound: np.ndarray, sample_rate_hz: int, power: bool = False) -> np.ndarray:
    """ln-mel [64, T] of a sound [N], by librosa and not by the codec's own transform: floor 1e-5,
    FFT 1024, hop 256.
    """
    amplitude = np.abs(librosa.stft(sound, n_fft=1024, hop_length=256))
    bands = spectral.mel_filters(sample_rate_hz, 1024, 64) @ (amplitude**2 if power else amplitude)
    return np.log(np.maximum(bands, spectral.MEL_FLOOR))


def key_of(sound: np.ndarray, sample_rate_hz: int) -> int:
    """The key whose profile the chroma of a sound [N] fits best: 0 … 11 major on C … B, 12 … 23
    minor.
    """
    chroma = librosa.feature.chroma_cqt(y=sound, sr=sample_rate_hz)
    level = librosa.feature.rms(y=sound)[0]
    heard = chroma @ level[: chroma.shape[1]]
    profiles = [np.roll(profile, tonic) for profile in (control.MAJOR, control.MINOR)
                for tonic in range(12)]
    return int(np.argmax([control.correlation(profile, heard) for profile in profiles]))


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(b / a - 1) <= SAME_TEMPO


def _whole(sounds: np.ndarray) -> np.ndarray:
    return np.asarray(sounds, np.float32)
