"""Table IV on a test set, and a true mel's round trip through the vocoder. Source: Hong et al.
§IV-A.3 and 4, Table IV. Known deviations: an input is removed by setting it to 0; the published
cosine is between embeddings of the very model that made the sound, here of the config's `embedder`,
which took no part, each set's mean removed; FAD's encoder is not said, VGGish is the usual one; of
published data the test has one comment a painting.
Notebook: 43, 44."""

from typing import Any, NamedTuple

import librosa
import numpy as np
import pandas as pd

from lib.data.atelier import TEST_SEED
from lib.metrics import embedders, spectral
from lib.metrics.evaluation_table import Measure
from lib.signal import audio
from lib.systems import evaluation
from lib.systems.art2music import data, mel
from lib.systems.art2music.config import Config, DataConfig

PAINTINGS_FROM = 800_000  # index in TEST_SEED, where nothing is trained or chosen
BLOCK = 600  # sounds whose spectra are held at a time
INPUTS = ("full", "no text", "no image", "noise")  # rows of Table IV


class TestSet(NamedTuple):
    """N paintings, a comment each, and their references."""
    comments: pd.DataFrame  # as data.atelier_texts; valence and arousal are the painting's own
    clips: pd.DataFrame  # the matched clip of each comment
    pictures: np.ndarray  # uint8 [N, H, W, 3]
    vectors: np.ndarray  # CLIP's, float32 [N, D]
    texts: dict[str, np.ndarray]  # by setting, as vectors
    reference: np.ndarray  # the matched clip, float32 [N, samples] at 22.05 kHz
    real: np.ndarray  # the second-nearest clip
    mels: np.ndarray  # of the reference, float32 [N, M, T]


def load_test_set(config: Config, clip, sentence_encoder, *, first=PAINTINGS_FROM, split="",
                  seed: int = 0) -> TestSet:
    """Paintings, their comments, and the test clips nearest to these. Of the atelier fresh ones, of
    index `first` on; of published data those that a split (``""``: the config's) tests with when
    :func:`data.load` has the same `seed`, `first` chooses among them."""
    sizes = config.data
    comments, clips = _test_texts(config, sentence_encoder, first, split or sizes.split, seed)
    said, captions = (evaluation.unit(sentence_encoder.embed_text(list(texts)))
                      for texts in (comments["comment"], clips["caption"]))
    closest, second = np.argsort(-(said @ captions.T), axis=1, kind="stable")[:, :2].T
    needed, place = np.unique([closest, second], return_inverse=True)
    at_closest, at_second = place.reshape(2, -1)
    sounds = data.read_sounds(sizes, clips.iloc[needed], TEST_SEED)
    n_frames = mel.n_frames(sizes.seconds)
    mels = data.in_chunks(lambda some: mel.padded_mel(some, n_frames).astype(np.float32), sounds,
                          BLOCK)
    matched = clips.iloc[closest].reset_index(drop=True)
    pictures = data.read_pictures(sizes, comments, TEST_SEED)
    texts = {setting: data.in_chunks(clip.embed_text, data.prompts(comments, matched, setting),
                                     data.CHUNK) for setting in data.SETTINGS}
    vectors = data.in_chunks(clip.embed_pictures, pictures, data.AT_ONCE)
    return TestSet(comments, matched, pictures, vectors, texts, sounds[at_closest],
                   sounds[at_second], mels[at_closest])


def _test_texts(config: Config, encoder, first: int, split: str, seed: int) -> tuple:
    n, sizes = config.test_paintings, config.data
    if sizes.collection == "atelier":
        few = DataConfig("atelier", n_paintings=n, comments_each=1, n_clips=config.test_clips)
        return data.atelier_texts(few, TEST_SEED, first)
    comments, clips, pairs = data.triplets(sizes, encoder, split, seed)
    if split == "corrected":
        clips = clips[data.by_painting_and_clip(comments, clips, seed)[1] == "test"]
    comments = comments[pairs["split"] == "test"].drop_duplicates("painting")
    comments = comments.sample(min(n, len(comments)), random_state=first)
    return tuple(some.reset_index(drop=True) for some in (comments, clips))


def ablated_inputs(test: TestSet, setting: str = "comment_only", seed: int = 0) -> dict:
    """Table IV's inputs: row → (v [N, D], u [N, D]); noise has length 1, as CLIP's vectors."""
    v, u = test.vectors, test.texts[setting]
    noise = np.random.default_rng(seed).standard_normal((2, *v.shape)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=2, keepdims=True)
    return dict(zip(INPUTS, ((v, u), (v, np.zeros_like(u)), (np.zeros_like(v), u),
                             (noise[0], noise[1])), strict=True))


class Reference(NamedTuple):
    """N clips that every row is held against, with what is measured of them once."""
    sounds: np.ndarray  # float32 [N, samples]
    cepstra: list[np.ndarray]  # [T, K] each
    log: np.ndarray | None  # log spectra [N, F, T], dB; of more than BLOCK made when needed
    encoder: Any  # which embeds the rows, too
    windows: Any  # its vectors, float64 [N, W, D]; without one none


def prepare_reference(sounds: np.ndarray, n_frames: int, encoder=None) -> Reference:
    """Measures clips [N, samples] once, spectra as far as the `n_frames` that are generated."""
    cut = sounds[:, : n_frames * mel.HOP]
    return Reference(cut, [spectral.mel_cepstra(sound, mel.RATE_HZ) for sound in cut],
                     spectral.log_spectra(cut) if len(cut) <= BLOCK else None, encoder,
                     None if encoder is None else _windows(encoder, sounds))


def _windows(encoder, sounds: np.ndarray) -> np.ndarray:
    levelled = list(evaluation.match_loudness(sounds))
    vectors, _ = embedders.embed_windows(encoder, levelled, mel.RATE_HZ)
    return vectors.reshape(len(sounds), -1, vectors.shape[1])


def analyse(sounds: np.ndarray, reference: Reference, tagger, *, whole: bool = False,
            n_others: int = 0) -> np.ndarray:
    """Structured [N]: ``affect`` (tagger's), ``windows, embedding`` (the reference's encoder's, and
    their mean), ``cosine, mcd, lsd`` to every reference."""
    windows = _windows(reference.encoder, sounds)
    off = [some.mean(1) - some.mean((0, 1)) for some in (windows, reference.windows)]
    unit = [some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-6) for some in off]
    return evaluation.structured({
        "affect": embedders.predict_affect(tagger, list(sounds), mel.RATE_HZ), "windows": windows,
        "embedding": windows.mean(1), "cosine": unit[0] @ unit[1].T,
        **spectral_distances(sounds, reference, whole=whole, n_others=n_others)})


def spectral_distances(sounds: np.ndarray, reference: Reference, *, whole: bool = False,
                       n_others: int = 0) -> dict:
    """``mcd, lsd`` of every sound against its reference, dB [N, N] or NaN; if `whole`, against
    every one, or against `n_others` others alone, by which the rest of its row is then filled at
    random: a mean over shuffles needs no more, and all paths of 5,000² pairs would take days."""
    n, sounds = len(sounds), sounds[:, : reference.sounds.shape[1]]
    rng, shifts = np.random.default_rng(0), np.arange(n if whole else 1)
    if whole and 0 < n_others < n - 1:
        shifts = np.append(0, 1 + rng.permutation(n - 1)[:n_others])
    columns = (np.arange(n)[:, None] + shifts) % n                      # [N, K], the own one first
    mcd, lsd = np.empty(columns.shape), np.empty(columns.shape)
    for row, sound in enumerate(sounds):
        cepstra = spectral.mel_cepstra(sound, mel.RATE_HZ)
        mcd[row] = [spectral.cepstral_distortion(reference.cepstra[column], cepstra)
                    for column in columns[row]]
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        ours = spectral.log_spectra(sounds[rows])
        for at, wanted in enumerate(columns[rows].T):  # a diagonal at a time
            theirs = (spectral.log_spectra(reference.sounds[wanted]) if reference.log is None
                      else reference.log[wanted])
            lsd[rows, at] = spectral.spectral_distance(theirs, ours)
    tables = {}
    for name, values in (("mcd", mcd), ("lsd", lsd)):
        tables[name] = np.full((n, n), np.nan) if len(shifts) == 1 else np.take_along_axis(
            values, rng.integers(1, len(shifts), (n, n)), axis=1)
        np.put_along_axis(tables[name], columns, values, axis=1)
    return tables


def measures(test: TestSet, reference: Reference, tagger) -> list[Measure]:
    """Table IV's measures, but FAD, and the emotion's, on rows of :func:`analyse`."""
    own = np.arange(len(test.comments))[:, None]
    encoder, printed = embedders.card(reference.encoder), evaluation.published_values("S4-1")
    return [*(Measure(name, evaluation.precomputed(metric), own, encoder=card,
                      view=lambda rows, name=name: rows[name.lower()],
                      published={row: printed[f"{name}_{row.replace(' ', '_')}".lower()]
                                 for row in INPUTS})
              for name, metric, card in (("MCD", spectral.mcd, ""), ("LSD", spectral.lsd, ""),
                                         ("cosine", feeling_cosine, encoder))),
            # without the word
            *evaluation.affect_measures(test.comments, embedders.card(tagger))[:2],
            evaluation.kad_measure(reference.windows.mean(1), encoder)]


def feeling_cosine(reference: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Cosine of a generated clip's embedding with its reference's, [N, D] twice → [N].
    Card: estimates: how far a generated clip is the same music, to an ear, as the clip its comment
        was matched with · direction: ↑ · range: [−1, 1] · unit: none · input: embeddings of
        levelled clips, the mean of each set taken off, by an encoder that neither paired nor
        generated · aggregation: mean over clips · blind to: whether the reference suits the
        painting in the first place; what all clips of a set have in common · minimum n: 30 ·
        source: Hong et al. §IV-A.3 ("feeling consistency")"""
    return evaluation.cosine_similarity(reference, outputs)


def griffin_lim(ln_mel: np.ndarray) -> np.ndarray:
    """ln-mels [B, M, T] → sounds float32 [B, T·256] by librosa (Griffin & Lim 1984)."""
    sounds, n_fft = [], audio.MEL["n_fft"]
    for one in np.asarray(ln_mel, np.float32):
        amplitude = librosa.feature.inverse.mel_to_stft(np.exp(one), sr=mel.RATE_HZ, n_fft=n_fft,
                                                        power=1.0)
        sound = librosa.griffinlim(amplitude, n_iter=32, hop_length=mel.HOP, n_fft=n_fft,
                                   random_state=0)
        # librosa's frame t is centred on t·hop, ours on (t + ½)·hop
        sounds.append(np.pad(sound, (mel.HOP // 2, mel.HOP))[: one.shape[1] * mel.HOP])
    return np.stack(sounds).clip(-1, 1).astype(np.float32)


def round_trip_errors(true: np.ndarray, generated: np.ndarray) -> dict[str, np.ndarray]:
    """Distances [N] of sounds [N, samples] from the true: nats, dB, dB, dB generated over true."""
    length = min(true.shape[1], generated.shape[1]) // mel.HOP * mel.HOP
    true, generated = (some[:, :length].astype(np.float32) for some in (true, generated))
    level, true_level = (10 * np.log10(np.maximum(np.square(some, dtype=np.float64).mean(1), 1e-12))
                         for some in (generated, true))
    mcd, lsd = (np.asarray(distance(true, generated)) for distance in (spectral.mcd, spectral.lsd))
    return {"ln_mel_l1": ln_mel_l1(true, generated), "mcd": mcd, "lsd": lsd,
            "loudness": level - true_level}


def ln_mel_l1(true: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Mean |ln mel(generated) − ln mel(true)| of sounds [N, samples], nats, float64 [N]."""
    length = min(true.shape[1], generated.shape[1])
    parts = [slice(start, start + 32) for start in range(0, len(true), 32)]
    return np.concatenate([(mel.ln_mel(generated[part, :length]) - mel.ln_mel(
        true[part, :length])).abs().mean((1, 2)).double().numpy() for part in parts])
