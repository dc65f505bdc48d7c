"""System 1's marks: what the examination's music gets, each number beside its null and its ceiling,
and what may be claimed from it.

    rows of sound ──hear──► what two networks heard and four ratios ──measures, tables.evaluate_table──► the table
                                        ├─ one model minus another, painting by painting ──► S1-1, S1-2
                                        └─ judged affect against the painting's own ────────► S1-5, S1-6

Every clip is brought to one loudness before sets are compared: the tagger's embedding hears
loudness, and a set that is louder by a hair would lie farther from the reference than one that
plays other music. The judge of affect hears clips as they were played, for loudness is part of what
makes music excited.

Source: text 000, §V.C (FAD, CLAP, KL, THD, SNR), Table 2, Figure 4.  Notebook: 15.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data.atelier.lexicon import MOODS
from lib.metrics import affect, distances, divergence, embedders, spectral, stats, text_audio
from lib.metrics.evaluation_table import ROWS, SETS, Measure
from lib.signal import affect as plane
from lib.signal.audio import SILENCE_RMS

LEVEL = 0.05              # RMS that every clip is brought to before sets are compared
FIGURE_4 = "{} song"      # what the published Figure 4 asks of every model
N_BINS = 100              # of the released histograms
MODELS = ("M1", "M2", "M3", "M4")


def match_loudness(sounds: np.ndarray, rms: float = LEVEL) -> np.ndarray:
    """Sounds [N, samples] at one RMS, float32; what is silent stays so."""
    found = np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=1, keepdims=True))
    return (sounds * np.where(found > SILENCE_RMS, rms / np.maximum(found, SILENCE_RMS),
                              1)).astype(np.float32)


def score_clips(sounds: np.ndarray, reference: np.ndarray, own: Sequence[str],
                common: Sequence[str], tagger, clap, sample_rate_hz: int):
    """One row of the examination as the measures see it.

    Args:
        sounds: float32 [N, samples], what was played to N paintings. reference: likewise, a real
            piece of each painting's word.
        own: N texts this row was told. common: N texts that are the same for every row. tagger:
            ``foundations.load("tagger")``.
        clap: text–audio encoder that passed ``text_audio.verify_encoder``.

    Returns:
        A structured array [N]. ``affect`` [2] valence and arousal in [−1, 1], as played; ``word``,
        the nearest of five; ``logits``, ``embedding`` of the tagger, levelled, and ``loud``, the
        embedding as played; ``thd``; and numbers against every painting, [N] a
        row, its own on the diagonal: ``own``, ``common`` (cosines), ``snr`` (dB), ``histogram``
            (nats).
    """
    if not len(sounds) == len(reference) == len(own) == len(common):
        raise KlangfarbeError("a reference, an own and a common text for each sound",
                              f"{len(reference)}, {len(own)} and {len(common)} of "
                              f"{len(sounds)}", "align them")
    length = min(sounds.shape[1], reference.shape[1])
    sounds, reference = sounds[:, :length], reference[:, :length]
    as_played, even = (_answers(tagger, some, sample_rate_hz)
                       for some in (sounds, match_loudness(sounds)))
    cosines = _unit(embedders.embed_clips(clap.encoder, sounds, sample_rate_hz))
    texts = [list(some) for some in (own, common)]
    read = _unit(embedders.check_vectors(clap.encoder,
                                   clap.encoder.embed_text(sorted({*texts[0], *texts[1]})),
                                   len({*texts[0], *texts[1]}), clap.encoder.width))
    place = {text: row for row, text in enumerate(sorted({*texts[0], *texts[1]}))}
    columns = {"affect": as_played[1], "logits": even[0], "embedding": even[2],
               "loud": as_played[2], **{name: cosines @ read[[place[text] for text in some]].T
                                        for name, some in zip(("own", "common"), texts,
                                                              strict=True)},
               "snr": _snr(sounds, reference), "histogram": _histogram_kl(sounds, reference),
               "thd": np.array([_thd(sound, sample_rate_hz) for sound in sounds]),
               "word": np.array([plane.emotion_word(*point) for point in as_played[1]], "U8")}
    made = np.empty(len(sounds), [(name, found.dtype, found.shape[1:]) for name,
                                  found in columns.items()])
    for name, found in columns.items():
        made[name] = found
    return made


@functools.cache
def common_caption(word: str) -> str:
    """One text for all models, in the bundled text–audio encoder's own vocabulary: the two moods
    nearest to the word's point.

    :data:`FIGURE_4` is what the text asks; the bundled encoder never met "happy song", and
    :func:`named` shows how little it makes of it.
    """
    point = np.array(plane.EMOTION_POINTS[word])
    first, second = sorted(MOODS,
                           key=lambda mood: float(np.square(np.array(MOODS[mood]) / 10
                                                            - point).sum()))[:2]
    return f"A {first} and {second} piece."


def caption_recognised(clap, texts: Mapping[str, str], words: Sequence[str], sounds: np.ndarray,
          sample_rate_hz: int) -> np.ndarray:
    """Whether, of K texts, a sound's own is the nearest: float64 [N], 1 or 0; a text's mean cosine
    over all sounds is taken off first.

    Args:
        clap: as in :func:`hear`. texts: word → its text. words: N of them. sounds: float32 [N,
            samples].
    """
    cosines = _unit(embedders.embed_clips(clap.encoder, sounds,
                                          sample_rate_hz)) @ _unit(
        clap.encoder.embed_text(list(texts.values()))).T
    return emotion_recognised(np.array(words),
                              np.array(list(texts))[(cosines - cosines.mean(0)).argmax(1)])


def emotion_recognised(asked: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Whether the judge's nearest of the five words is the one that was asked for: two arrays of
    words [N] → float64 [N], 1 or 0.

    Card:
        estimates: share of outputs in which the asked emotion is heard
        direction: ↑
        range: [0, 1]
        unit: none
        input: words out of five; the heard one nearest to valence and arousal as a judge hears them
            that conditioned nothing
        aggregation: mean over rows
        blind to: how near a miss was; what a judge hears in everything
        minimum n: 50
        source: text 000, §III.A (the five words)
    """
    return (np.asarray(asked) == np.asarray(heard)).astype(np.float64)


def measures(table, reference, tagger, clap) -> list:
    """The measures of :func:`lib.metrics.evaluation_table.whole`, for rows of :func:`hear`; FAD has
    its own table (:func:`frechet_table`).

    THD, SNR and the histogram KL stand there without direction: they rank nothing (METRICS).

    Args:
        table: the material's. reference: :func:`hear`'s array of the reference pieces. tagger,
            clap: for their cards.
    """
    n, printed = np.arange(len(table))[:, None], published()
    ears, eyes = embedders.card(tagger), clap.card()
    width = distances.median_distance(reference["embedding"])
    return [
        Measure("CLAP, own text", precomputed(text_audio.clap), n, view=_of("own"),
                published=printed["clap"], encoder=eyes),
        Measure("CLAP, common text", precomputed(text_audio.clap), n, view=_of("common"),
                encoder=eyes),
        Measure("KAD", with_card(distances.kad, functools.partial(distances.kad, bandwidth=width)),
                reference["embedding"], of=SETS, view=_of("embedding"), encoder=ears),
        Measure("paired KL", divergence.paired_kl, reference["logits"], view=_of("logits"),
                encoder=ears),
        Measure("CCC valence", affect.ccc, table["valence"].to_numpy(), of=ROWS,
                view=_of("affect", 0), encoder=ears),
        Measure("CCC arousal", affect.ccc, table["arousal"].to_numpy(), of=ROWS,
                view=_of("affect", 1), encoder=ears),
        Measure("word heard", emotion_recognised, table["emotion"].to_numpy("U8"), view=_of("word"),
                encoder=ears),
        Measure("histogram KL", precomputed(divergence.original_histogram_kl), n,
                view=_of("histogram"), published=printed["kl"], printed="↓"),
        Measure("SNR", precomputed(spectral.snr, ranked=False), n, view=_of("snr"),
                published=printed["snr"], printed="↓"),
        Measure("THD", with_card(spectral.thd, lambda _, values: values, ranked=False), n,
                view=_of("thd"), published=printed["thd"], printed="↑"),
    ]


def frechet_table(rows: Mapping[str, np.ndarray], reference, *, groups, field: str = "embedding",
                  seed: int = 0, n_folds: int = 10):
    """FAD and FAD∞ of every row: DataFrame ``measure, row, value, low, high, n`` (jackknife), the
    two halves of the reference last.

    No test stands there: at this n FAD is mostly bias, the same for all rows; :func:`minus` tells
    two of them apart.

    Args:
        rows: of :func:`hear`. reference: likewise. groups: [N] paintings. field: ``embedding``
            (levelled) or ``loud``.
    """
    there, made = reference[field], []
    for name, row in rows.items():
        here = row[field]
        low, high = stats.jackknife(functools.partial(distances.fad, there), here, groups=groups,
                                    seed=seed)
        far = distances.fad_infinity(there, here, groups=groups, seed=seed, n_folds=n_folds)
        made += [("FAD", name, distances.fad(there, here), low, high, len(here)),
                 ("FAD∞", name, far.value, far.low, far.high, len(here))]
    half = np.random.default_rng(seed).permutation(len(there))[: len(there) // 2]
    made.append(("FAD", "real against real",
                 distances.fad(there[half], np.delete(there, half, axis=0)), np.nan, np.nan,
                 len(half)))
    return pd.DataFrame(made, columns=["measure", "row", "value", "low", "high", "n"])


def fad_difference(reference: np.ndarray, ours: np.ndarray, theirs: np.ndarray, groups, *,
              seed: int = 0) -> tuple[float, float, float]:
    """FAD of one row of embeddings [N, D] minus another's: (value, low, high), 95 %, jackknife that
    leaves the same paintings out of both.

    What both have in common, the bias of n clips in D dimensions among it, goes away.
    """
    def difference(some: np.ndarray) -> float:
        return distances.fad(reference, ours[some]) - distances.fad(reference, theirs[some])

    everyone = np.arange(len(ours))
    return difference(everyone), *stats.jackknife(difference, everyone, groups=groups, seed=seed)


def agreement(wanted: np.ndarray, heard: np.ndarray) -> float:
    """CCC of valence and of arousal, [N, 2] against [N, 2], averaged over the two: [−1, 1] ↑. The
    agreement of claim S1-5.
    """
    return float(np.mean([affect.ccc(wanted[:, axis], heard[:, axis]) for axis in (0, 1)]))


def agreement_difference(wanted: np.ndarray, ours: np.ndarray, theirs: np.ndarray, groups, *,
                    seed: int = 0) -> tuple[float, float, float]:
    """:func:`agreement` of one row minus another's over the same paintings: (value, low, high), 95
    %, bootstrap over groups.
    """
    def difference(target, one, other):
        return agreement(target, one) - agreement(target, other)

    return difference(wanted, ours, theirs), *stats.bootstrap(difference, wanted, ours, theirs,
                                                              groups=groups, seed=seed)


def permutation_p_value(wanted: np.ndarray, heard: np.ndarray, *, n_shuffles: int = 1999,
               seed: int = 0) -> float:
    """One-sided permutation p-value, in (0, 1] ↓: how often music dealt to other paintings agrees
    (:func:`agreement`) as well.
    """
    luck = stats.permutation_null(agreement, wanted, heard, n_shuffles=n_shuffles, seed=seed)
    return float((1 + np.sum(luck >= agreement(wanted, heard) - 1e-12)) / (1 + n_shuffles))


def published() -> dict[str, dict[str, float]]:
    """Table 2 as printed: ``{"fad": {"M1": 7.02, …}, "clap": …, "kl": …, "thd": …, "snr": …}``."""
    table = artefacts.read(paths.ROOT / "data" / "published.csv")
    printed = dict(table[table["claim"].isin(["S1-1",
                                              "S1-2"])][["quantity",
                                                         "value"]].itertuples(index=False))
    return {name: {model: printed[f"{name}_{model.lower()}"] for model in MODELS}
            for name in ("fad", "clap", "kl", "thd", "snr")}


def precomputed(metric: Callable, *, ranked: bool = True) -> Callable:
    """`metric`, with its card, on values computed before: ``scores[i, j]``, output i against
    condition j; reference [N, 1] says which j.
    """
    return with_card(metric, lambda condition,
                  scores: np.take_along_axis(scores, condition, axis=1)[:, 0], ranked=ranked)


def with_card(metric: Callable, function: Callable, *, ranked: bool = True) -> Callable:
    """`function` under `metric`'s name and card; not `ranked`: its direction is –, and no test is
    made of it.
    """

    def renamed(reference, outputs):
        return function(reference, outputs)

    functools.update_wrapper(renamed, metric)
    if not ranked:
        renamed.__doc__ = renamed.__doc__.replace("direction: ↓",
                                                  "direction: –").replace("direction: ↑",
                                                                          "direction: –")
    return renamed


def _of(name: str, column: int | None = None) -> Callable:
    return lambda rows: rows[name] if column is None else rows[name][:, column].astype(np.float64)


def _answers(tagger, sounds: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Logits [N, C], affect [N, 2], embedding [N, D] of the tagger, from one pass, averaged over
    windows.
    """
    widths = np.cumsum([len(tagger.labels), 2])

    def answer(windows):
        with torch.inference_mode():
            said = [part.float().cpu().numpy()
                    for part in tagger.model(torch.from_numpy(windows).to(tagger.device))]
        return np.concatenate([said[0], np.clip(said[1], -1, 1), said[2]], axis=1)

    return np.split(embedders.mean_over_windows(tagger, answer, widths[-1] + tagger.width, sounds,
                                                sample_rate_hz), widths, axis=1)


def _snr(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``spectral.snr`` of every sound against every reference, dB [N, N]."""
    sounds, reference = sounds.astype(np.float64), reference.astype(np.float64)
    power, error = (np.square(reference).sum(1),
                    np.square(sounds).sum(1)[:, None] - 2 * sounds @ reference.T)
    return 10 * np.log10(power / np.maximum(error + power, np.finfo(float).tiny))


def _histogram_kl(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``divergence.original_histogram_kl`` of every sound against every reference, nats [N, N]."""
    shares = [np.stack([np.histogram(sound.astype(np.float64), N_BINS)[0] + 1e-10
                        for sound in some]) for some in (sounds, reference)]
    q, p = (some / some.sum(1, keepdims=True) for some in shares)
    return np.maximum((p * np.log(p)).sum(1) - np.log(q) @ p.T, 0)


def _thd(sound: np.ndarray, sample_rate_hz: int) -> float:
    """``spectral.thd``, the strongest frequency between 50 and 2,000 Hz taken for the fundamental
    that music does not have.
    """
    level = np.abs(np.fft.rfft(sound))
    hertz = np.arange(len(level)) * sample_rate_hz / len(sound)
    return spectral.thd(sound, sample_rate_hz,
                        float(hertz[np.where((hertz > 50) & (hertz < 2000), level, 0).argmax()]))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
