"""System 4's examination: paintings and comments that nobody trained on, Table IV's rows and ours,
and what each is worth.

    fresh comments ─nearest fresh caption─► reference clip                       (the very same matching that made the training pairs)
    v, u ─┬─ as they are ───────── full        ┐
          ├─ u or v set to 0 ───── no text, no image  (one model, an input removed: published)  ├─► mel ─► vocoder ─► hear ─► marks
          ├─ Gaussian noise ────── noise       ┘
    mean of the training mels ──── mean mel        the second-nearest clip ── another clip
    the reference's own mel ────── round trip      the nearest training clip ── retrieval

Source: text 003, §IV-A.3 and 4, Table IV.

Known deviations: how an input is removed is not said (here it is 0; 44's exercises try its mean) ·
the published cosine is between "embeddings obtained from the Art2Music model", which made the
sound: here it is between the bundled tagger's, which took no part, each set's own mean taken off
(what all clips of a row share is the player's sound, not the painting's) · every clip is levelled
before embeddings are compared, as in system 1's examination.
Notebook: 44.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, TRAIN_SEED, paint, render
from lib.metrics import affect, distances, embedders, spectral, stats
from lib.metrics.evaluation_table import ROWS, SETS, Measure
from lib.systems import evaluation
from lib.systems.art2music import data, matching, mel, triplets
from lib.systems.mapping.evaluate import heard_affect

# index in TEST_SEED; clips lie CLIPS_FROM later; nothing trains or chooses there
PAINTINGS_FROM = 800_000
BANDS = ((0, 27), (27, 54), (54, 80))  # low, middle, high: mel bands of claim S4-2


@dataclass(frozen=True)
class Config:
    """How large the examination is.

    Attributes:
        n_paintings: one comment each. n_clips: fresh ones they are matched with. seconds: of every
            clip; side: of the paintings.
    """

    n_paintings: int = 5_000
    n_clips: int = 472
    seconds: float = 10.4
    side: int = 224

    def __post_init__(self):
        if self.n_paintings < 10 or self.n_clips < 10:
            raise KlangfarbeError("ten paintings and ten clips or more",
                                  f"{self.n_paintings}, {self.n_clips}", "draw more")


PROFILES = {
    "smoke": Config(n_paintings=12, n_clips=16, seconds=1.0, side=128),
    "mini": Config(n_paintings=64, n_clips=96, seconds=5.0, side=128),
    "gpu": Config(n_paintings=600, n_clips=600, side=128),
    "paper": Config(),
}


class TestSet(NamedTuple):
    """N fresh paintings, a comment each, and their references.

    Attributes:
        comments: as ``articaps.sides``; valence and arousal are the painting's own. clips:
            DataFrame, the matched clip of each, aligned.
        pictures: uint8 [N, H, W, 3]. vectors: float32 [N, D]. texts: setting → [N, D].
        reference: float32 [N, samples] at 22.05 kHz, the matched clip; real: likewise, the second
            nearest. mels: float32 [N, M, T].
    """

    comments: "pandas.DataFrame"  # noqa: F821
    clips: "pandas.DataFrame"  # noqa: F821
    pictures: np.ndarray
    vectors: np.ndarray
    texts: dict[str, np.ndarray]
    reference: np.ndarray
    real: np.ndarray
    mels: np.ndarray


def load_test_set(config: Config, sees, matcher, *, first: int = PAINTINGS_FROM) -> TestSet:
    """The atelier's fresh paintings and comments, and the fresh clips that lie nearest to the
    comments.

    Args:
        sees: ``foundations.load("image_text")``. matcher: ``foundations.load("sentences")``. first:
            index of the first painting.
    """
    drawn = data.Config(n_paintings=config.n_paintings, comments_each=1, n_clips=config.n_clips,
                        seconds=config.seconds)
    comments, clips = data.atelier_texts(drawn, TEST_SEED, first)
    cosines = matching.normalise(matcher.embed_text(
            list(comments["comment"]))) @ matching.normalise(
        matcher.embed_text(list(clips["caption"]))).T
    nearest, second = np.argsort(-cosines, axis=1, kind="stable")[:, :2].T
    needed, at = np.unique([nearest, second], return_inverse=True)
    sounds = render.sounds(TEST_SEED, clips["index"].to_numpy()[needed], config.seconds)[0]
    at = at.reshape(2, -1)
    matched = clips.iloc[nearest].reset_index(drop=True)
    pictures = paint.pictures(TEST_SEED, comments["index"].to_numpy(), config.side)[0]
    texts = {setting: sees.embed_text([data.prompt(one, other, setting) for one,
                                       other in zip(comments.to_dict("records"),
                                                    matched.to_dict("records"), strict=True)])
             for setting in data.SETTINGS}
    mels = triplets.padded_mel(sounds, mel.n_frames(config.seconds)).astype(np.float32)
    return TestSet(comments, matched, pictures, sees.embed_pictures(pictures), texts,
                    sounds[at[0]], sounds[at[1]], mels[at[0]])


def ablated_inputs(exam: TestSet, setting: str = "comment_only",
           seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Table IV's four inputs: row → (v [N, D], u [N, D]). Noise has the length of an encoder's
    vectors, 1.
    """
    v, u = exam.vectors, exam.texts[setting]
    noise = np.random.default_rng(seed).standard_normal((2, *v.shape)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=2, keepdims=True)
    return {"full": (v, u), "no text": (v, np.zeros_like(u)), "no image": (np.zeros_like(v), u),
            "noise": (noise[0], noise[1])}


def retrieve_sounds(exam: TestSet, known, matcher, n_samples: int) -> np.ndarray:
    """Of the clips that training saw, the one whose caption lies nearest to each comment: float32
    [N, n_samples].

    Args:
        known: a ``supply.Material``.
    """
    seen = known.clips.iloc[np.unique(known.pairs.loc[known.pairs["split"] == "train", "clip_row"])]
    which, _ = matching.nearest(matcher.embed_text(list(exam.comments["comment"])),
                                matcher.embed_text(list(seen["caption"])))
    needed, at = np.unique(which, return_inverse=True)
    return render.sounds(TRAIN_SEED, seen["index"].to_numpy()[needed],
                         n_samples / mel.RATE_HZ)[0][at, :n_samples]


def analyse(sounds: np.ndarray, exam: TestSet, tagger, *, system: bool = False):
    """A row of the examination as the measures see it: a structured array [N].

    ``affect`` [2] as the tagger hears it, as played; ``embedding`` of the levelled clips; and
    numbers against every reference, [N] a row,
    its own on the diagonal: ``cosine`` (centred), ``mcd``, ``lsd`` (dB). Off the diagonal the last
    two are filled for the `system` alone.
    """
    embedding, there = (embedders.embed_clips(tagger, list(evaluation.match_loudness(some)),
                                              mel.RATE_HZ) for some in (sounds, exam.reference))
    off = [some - some.mean(0) for some in (embedding, there)]
    unit = [some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-6) for some in off]
    columns = {"affect": heard_affect(tagger, sounds, mel.RATE_HZ), "embedding": embedding,
               "cosine": unit[0] @ unit[1].T,
               **spectral_distances(sounds, exam.reference, whole=system)}
    made = np.empty(len(sounds), [(name, found.dtype, found.shape[1:]) for name,
                                  found in columns.items()])
    for name, found in columns.items():
        made[name] = found
    return made


def spectral_distances(sounds: np.ndarray, reference: np.ndarray, *,
                       whole: bool) -> dict[str, np.ndarray]:
    """MCD and LSD of every sound against every reference, dB [N, N] each; not `whole`: against its
    own alone, the others NaN.
    """
    n, length = len(sounds), min(sounds.shape[1], reference.shape[1])
    sounds, reference = sounds[:, :length], reference[:, :length]
    ours, theirs = ([spectral.mel_cepstra(sound, mel.RATE_HZ) for sound in some]
                    for some in (sounds, reference))
    made = {name: np.full((n, n), np.nan) for name in ("mcd", "lsd")}
    for row in range(n):
        for column in range(n) if whole else (row,):
            made["mcd"][row, column] = spectral.cepstral_distortion(theirs[column], ours[row])
    ours, theirs = spectral.log_spectra(sounds), spectral.log_spectra(reference)
    for shift in range(n) if whole else (0,):  # a diagonal at a time
        columns = (np.arange(n) + shift) % n
        made["lsd"][np.arange(n), columns] = spectral.spectral_distance(theirs[columns], ours)
    return made


def measures(exam: TestSet, reference, tagger) -> list:
    """Table IV's measures and the emotion's, for :func:`lib.metrics.evaluation_table.whole`; FAD
    has a table of its own (``marks.frechet_table``).
    """
    own, ears, printed = np.arange(len(exam.comments))[:, None], embedders.card(tagger), published()
    width = distances.median_distance(reference["embedding"])
    return [
        Measure("MCD", evaluation.precomputed(spectral.mcd), own, view=lambda rows: rows["mcd"],
                published=printed["mcd"]),
        Measure("LSD", evaluation.precomputed(spectral.lsd), own, view=lambda rows: rows["lsd"],
                published=printed["lsd"]),
        Measure("cosine", evaluation.precomputed(feeling_cosine), own,
                view=lambda rows: rows["cosine"], published=printed["cosine"], encoder=ears),
        *(Measure(f"CCC {axis}", affect.ccc, exam.comments[axis].to_numpy(), of=ROWS,
                  view=lambda rows, at=at: rows["affect"][:, at], encoder=ears) for at,
          axis in enumerate(("valence", "arousal"))),
        Measure("KAD", evaluation.with_card(distances.kad, lambda a,
                                            b: distances.kad(a, b, bandwidth=width)),
                reference["embedding"], of=SETS, view=lambda rows: rows["embedding"], encoder=ears),
    ]


def feeling_cosine(reference: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Cosine of a generated clip's embedding with its reference's, row by row, [N, D] twice → [N].

    Card:
        estimates: how far a generated clip is the same music, to an ear, as the clip its comment
            was matched with
        direction: ↑
        range: [−1, 1]
        unit: none
        input: embeddings of levelled clips, the mean of each set taken off, by an encoder that
            neither paired nor generated
        aggregation: mean over clips
        blind to: whether the reference suits the painting in the first place; what all clips of a
            set have in common
        minimum n: 30
        source: text 003, §IV-A.3 ("feeling consistency")
    """
    lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(outputs, axis=1)
    return (reference * outputs).sum(1) / np.maximum(lengths, 1e-12)


def published() -> dict[str, dict[str, float]]:
    """Table IV as printed: measure → row → value."""
    table = artefacts.read(paths.ROOT / "data" / "published.csv")
    printed = dict(table[table["claim"] == "S4-1"][["quantity", "value"]].itertuples(index=False))
    return {measure: {row: printed[f"{measure}_{row.replace(' ', '_')}"]
                      for row in ("full", "no text", "no image", "noise")}
            for measure in ("mcd", "fad", "lsd", "cosine")}


def mcd_evidence(rows, *, seed: int = 0) -> list[tuple]:
    """What claim S4-1 asks, a tuple (quantity, value, low, high, n) each: a row's MCD, and what it
    exceeds the full one's by, paired.
    """
    own = {name: np.diagonal(row["mcd"]) for name, row in rows.items()}
    found = []
    for name, values in own.items():
        quantity = f"mcd_{name.replace(' ', '_').replace(',', '')}"
        found.append((quantity, values.mean(), *stats.bootstrap(np.mean, values, seed=seed),
                      len(values)))
        if name != "full":
            found.append((f"{quantity}_minus_full",
                          *stats.paired_difference(values, own["full"], None, seed=seed),
                          len(values)))
    return found


def band_errors(made: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean |m̂ − m| of each mel and band, mels [N, M, T] in [−1, 1] → float64 [N, M]."""
    return np.abs(made.astype(np.float64) - true).mean(axis=2)
