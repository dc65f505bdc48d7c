"""System 2's examination: paintings nobody trained on, what each way of getting from picture to
music plays to them, and what it is worth.

    fresh paintings, every style with every word ─┬─ CLIP ─► projections (Study I, Study II, ablations × seeds) ─┐
          │                                        ├─ caption (─► directive), written at run time ────────────────┼─► music ─► hear ─► marks
          │                                        └─ nearest training picture ─► its music (retrieval) ──────────┘
    fresh pieces of the same word ─► one is the reference, one more is real music, and it through the codec

Source: text 001, chapters 5 and 6, Tables 6.1 to 6.4.

Known deviations: the published test set is a tenth of the pairs; here paintings and pieces are the
atelier's ``TEST_SEED``, at indices that nothing trains on, held against the training table by the
leak linter · one clip in a set's distance is levelled first, as in system 1's examination, whose
measures are used here (``bridging.marks``) · differences between ablations are taken over seeds and
paintings at once (:func:`ablations.minus`); how often each was trained in the text is not said.
Notebook: 24, 27.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import librosa
import numpy as np
import pandas as pd

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.data import registry
from lib.data.atelier import TEST_SEED, factors, paint, render, words
from lib.metrics import divergence, embedders, text_audio
from lib.metrics.evaluation_table import Measure
from lib.signal import affect, images
from lib.systems import evaluation
from lib.systems.mapping import checkpoints, targets, train_projection

EMOTIONS = tuple(affect.EMOTION_POINTS)
# indices in TEST_SEED: nothing trains or chooses on them
PICTURES_FROM, PIECES_LATER = 700_000, 100_000


@dataclass(frozen=True)
class Config:
    """How large the examination is, and how long the ablations train. Defaults: a tenth of 13,000
    pairs, clips of 10 s, trained in full.

    Attributes:
        n_pictures: a multiple of eight (styles); 40 hold every word in every style. seconds: of
            every clip. side: of the pictures.
        n_played, played_seconds: how many of them the ablations play to, and how long. n_seeds:
            trainings of each ablation.
        heard_epochs, schedule: of the ablations' training (``ablations.trained``); all of them have
            the same.
    """

    n_pictures: int = 1_280
    seconds: float = 10.0
    side: int = 128
    n_played: int = 320
    played_seconds: float = 10.0
    n_seeds: int = 3
    heard_epochs: int | None = None
    schedule: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.n_pictures % 8 or not 8 <= self.n_played <= self.n_pictures or self.n_seeds < 2:
            raise KlangfarbeError(
                "a multiple of eight pictures, eight or more of them played to, two or more seeds",
                f"{self.n_pictures}, {self.n_played}, {self.n_seeds}",
                "change n_pictures, n_played or n_seeds")


PROFILES = {
    "smoke": Config(n_pictures=16, seconds=1.0, n_played=8, played_seconds=0.6, n_seeds=2,
                    heard_epochs=1, schedule={"epochs": 6, "audible": 2, "window_seconds": 0.2,
                                              "batch_size": 16}),
    "mini": Config(n_pictures=40, seconds=4.0, n_played=16, played_seconds=2.5, heard_epochs=2,
                   schedule={"epochs": 12, "learning_rate": 1e-3, "audible": 2,
                             "window_seconds": 0.3}),
    "gpu": Config(n_pictures=400, n_played=160, schedule={"audible": 8}),
    "paper": Config(),
}


class Material(NamedTuple):
    """N fresh paintings and real music to each, rows aligned.

    Attributes:
        table: DataFrame ``pair, image, emotion, style, valence, arousal`` (the painting's own, in
            [−1, 1])``, audio`` (the reference) ``, real``.
        pictures: uint8 [N, H, W, 3]. reference, real: float32 [N, samples], pieces of the
            painting's word. rate_hz: of both.
    """

    table: "pandas.DataFrame"  # noqa: F821
    pictures: np.ndarray
    reference: np.ndarray
    real: np.ndarray
    rate_hz: int


def material(config: Config, rate_hz: int, known) -> Material:
    """Paintings in all styles and words by turns (any 40 in a row hold every word in every
    style), and two real pieces for each.

    Args:
        rate_hz: the codec's. known: the merged table of ``aimus.merged`` that the projections were
            trained on.

    Raises:
        KlangfarbeError: one of these is in that table.
    """
    at, seen = PICTURES_FROM, []
    for k in range(config.n_pictures):
        turn, column = divmod(k, len(factors.STYLES))
        word = EMOTIONS[(turn + column) % len(EMOTIONS)]
        while words.emotion_word(item := factors.draw(TEST_SEED, at,
                                                      style=factors.STYLES[column])) != word:
            at += 1
        seen.append(item)
        at += 1
    wanted = {word: 2 * sum(words.emotion_word(item) == word for item in seen) for word in EMOTIONS}
    free = evaluation.draw_by_emotion(TEST_SEED, wanted, PICTURES_FROM + PIECES_LATER)
    pieces = [[free[words.emotion_word(item)].pop(0) for item in seen] for _ in range(2)]
    table = pd.DataFrame({"pair": [f"{a.item_id}+{b.item_id}" for a,
                                   b in zip(seen, pieces[0], strict=True)],
                          "image": [f.item_id for f in seen],
                          "emotion": [words.emotion_word(f) for f in seen],
                          "style": [f.style for f in seen], "valence": [f.valence for f in seen],
                          "arousal": [f.arousal for f in seen],
                          "audio": [f.item_id for f in pieces[0]],
                          "real": [f.item_id for f in pieces[1]]})
    unseen(table, known)
    pictures = np.stack([paint.paint(item, config.side) for item in seen])
    return Material(table, pictures, *(render.render_items(some, config.seconds, rate_hz)
                                       for some in pieces), rate_hz)


def unseen(table, known) -> None:
    """Refuses pictures (``image``) and pieces (``audio``, ``real``) that are in the training table,
    by the leak linter.

    Raises:
        KlangfarbeError: says which.
    """
    old = known.rename(columns={"image": "image_id",
                                "audio": "audio_id"})[["image_id", "audio_id", "image_group",
                                                       "audio_group"]]
    evaluation.assert_unseen(old, *(
        pd.DataFrame({"image_id": table["image"], "audio_id": table[side],
                      "image_group": table["image"], "audio_group": table[side]})
        for side in ("audio", "real") if side in table))


def written(known, profile: str, captioner, describer):
    """The texts of the training pairs, a column a kind (``targets.TEXTS``): notebook 21's where it
    ran, else written now.
    """
    try:
        found = artefacts.load("21_mapping_data", profile, "texts.parquet")
        if list(found["pair"]) == list(known.table["pair"]):
            return found
    except KlangfarbeError as absent:
        print(f"the texts are written now ({absent.do})")
    return targets.written(known, captioner, describer)


def study_one(profile: str, known, generator, clip, seed: int = 0) -> tuple:
    """Study I, (studies.Models, studies.Config): notebook 22's where it ran, else one trained now
    by its latent loss alone.
    """
    try:
        return checkpoints.load(profile, "one", generator, clip)
    except KlangfarbeError as absent:
        print(f"Study I is trained now, by its latent loss alone and shorter than published "
              f"({absent.do})")
    config = train_projection.of("one", profile, w_mel=0.0, w_adversarial=0.0)
    models = train_projection.build(config, generator, clip.width, seed)
    train_projection.train(models, known, targets.audio_targets(known.codes, generator), config,
                           seed=seed)
    return models, config


def told(generator, texts: Sequence[str], config, seed: int, seconds: float,
         batch: int = 32) -> np.ndarray:
    """Texts → music float32 [N, samples] the way MusicGen is meant to be used, with the sampling
    and the dice of ``studies.generate``.
    """
    settings = {"top_k": config.top_k, "temperature": config.temperature,
                "guidance": config.guidance}
    return np.concatenate([generator.generate(list(texts[at : at + batch]), seconds, seed=seed + at,
                                              **settings) for at in range(0, len(texts), batch)])


def paintings(collection: str, n: int, side: int) -> np.ndarray:
    """Real paintings, evenly out of a collection's list of files: uint8 [n, side, side, 3], black
    bars cut off.

    Args:
        collection: ``monet_jpg`` or ``wikiart_paintings``, below ``KLANGFARBE_REAL_DATA`` or
            ``data/raw``.

    Raises:
        KlangfarbeError: it is not there.
    """
    folder = registry.find_folder((collection,))
    files = sorted(folder.glob("*.jpg")) or sorted((folder / "emotion_labelled").glob("*.jpg"))
    if not files:
        raise KlangfarbeError(f"pictures in {collection}", "none",
                              "see data/README.md for where to get it and where to put it")
    chosen = [files[k * len(files) // n] for k in range(min(n, len(files)))]
    return np.stack([images.square(images.crop_bars(images.load(file)), side) for file in chosen])


def retrieved(fresh: np.ndarray, known, n_samples: int) -> np.ndarray:
    """The music of the training pair whose picture's vector lies nearest (cosine): float32 [N,
    n_samples].

    Args:
        fresh: vectors [N, D_in]. known: a ``targets.Material``; its training pairs are looked
            through.
    """
    rows = np.flatnonzero(known.table["split"] == "train")
    nearest = rows[evaluation.nearest(fresh, np.asarray(known.vectors[rows, 0]))]
    return np.stack([np.resize(known.sounds[row].astype(np.float32), n_samples) for row in nearest])


def hear(sounds: np.ndarray, tagger, space, rate_hz: int):
    """A row of the examination as the measures see it: a structured array [N].

    ``affect`` [2] and ``word`` as the tagger hears the clips as played; ``embedding`` of the
    levelled ones; ``anchors`` [P], the place in the space that IMSM is measured in; ``shares``
    [128], how power is spread over mel bands (:func:`shares`).
    """
    points = embedders.predict_affect(tagger, sounds, rate_hz)
    return evaluation.structured({
        "affect": points, "word": evaluation.nearest_emotions(points),
        "embedding": embedders.embed_clips(tagger, list(evaluation.match_loudness(sounds)),
                                           rate_hz),
        "anchors": embedders.embed_clips(space, list(sounds), rate_hz),
        "shares": shares(sounds, rate_hz)})


def shares(sounds: np.ndarray, rate_hz: int, floor: float = 1e-8) -> np.ndarray:
    """A sound's power spread over 128 mel bands, [N, samples] → [N, 128], rows of sum 1, as
    ``divergence.mel_energy_kld`` has it.
    """
    power = librosa.feature.melspectrogram(y=np.asarray(sounds, np.float32), sr=rate_hz, n_fft=1024,
                                           hop_length=256, n_mels=128, power=2.0,
                                           center=False).sum(axis=-1).astype(np.float64)
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-30) + floor
    return share / share.sum(axis=1, keepdims=True)


def measures(exam: Material, reference, seen: np.ndarray, tagger, checked) -> list:
    """Table 6.4's measures and the emotion's, for :func:`lib.metrics.evaluation_table.whole`; rows
    are :func:`hear`'s, FAD has a table of its own.

    Args:
        reference: :func:`hear` of the reference pieces. seen: the pictures' places among the
            anchors [N, P].
        checked: of ``text_audio.verify_encoder``, for its card.
    """
    return [
        Measure("IMSM", evaluation.with_card(text_audio.imsm, evaluation.cosines), seen,
                view=lambda rows: rows["anchors"], encoder=checked.card()),
        Measure("KLD", evaluation.with_card(divergence.mel_energy_kld, divergences),
                reference["shares"], view=lambda rows: rows["shares"]),
        *evaluation.affect_measures(exam.table, embedders.card(tagger)),
        evaluation.kad_measure(reference["embedding"], embedders.card(tagger)),
    ]


def divergences(reference: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """KL of shares, row by row, nats: [N, 128] twice → [N]."""
    return np.maximum((reference * np.log(reference / heard)).sum(1), 0)
