"""System 2's ablations and baselines by name: what each changes, and nothing else.

    target texts   full · no_directive (caption) · own_text · other_prompt · no_emotion        one projection each, on other targets
    losses         full · no_adversarial · no_matching · mse                                   the same targets, other losses
    added          genre: the directive's genre, predicted, appended to the target
    tokens         1 as published · 8 vectors to attend to
    pipelines      captions · captions_llm: no projection, the text is written at run time

Source: text 001, §5.5, §5.6, Tables 6.1 to 6.4.

Known deviation: the genre module's classifier is trained on MeLBench's genres in the text; here it
is a ridge regression from the directive's own vector to the genre that stands in the directive or
with the pair, fitted on training pairs · in a minute's training the losses that are heard come in
late, for the last few epochs (:func:`late`). Notebook: 24.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import t
from sklearn.linear_model import RidgeClassifier

from lib.core.errors import KlangfarbeError
from lib.systems.mapping import batches, targets, train_projection

FULL = "full"
N_BLOCKS = 20  # that paintings are dealt into, to be left out one after the other


@dataclass(frozen=True)
class Ablation:
    """What is changed against the full Study II.

    Attributes:
        what: one line. text: kind of target text (``targets.TEXTS``). changes: of
            ``studies.Config``. genre: a predicted genre is appended.
        claim: id in the ledger, or "".
    """

    what: str
    text: str = "enriched"
    changes: dict = field(default_factory=dict)
    genre: bool = False
    claim: str = ""


ABLATIONS = {
    FULL: Ablation("Study II whole"),
    "no_adversarial": Ablation("without the adversary", changes={"w_adversarial": 0.0},
                               claim="S2-4"),
    "no_matching": Ablation("without feature matching", changes={"w_features": 0.0}, claim="S2-4"),
    "mse": Ablation("squared error for the latent loss", changes={"latent": "mse"}, claim="S2-6"),
    "latent_only": Ablation("the latent loss alone (ours)",
                            changes={"w_mel": 0.0, "w_adversarial": 0.0, "w_features": 0.0}),
    "no_directive": Ablation("caption without LLM", "caption", claim="S2-5"),
    "own_text": Ablation("no enrichment: the music's own description", "own"),
    "other_prompt": Ablation("the other prompt", "open", claim="S2-7"),
    "no_emotion": Ablation("without the emotion word", "plain"),
    "genre": Ablation("with a predicted genre in the target", genre=True),
    "eight_tokens": Ablation("8 vectors to attend to (ours)", changes={"n_tokens": 8}),
}


def wanted(name: str, material, said: list[str], generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets of an ablation and the rows that have one.

    Args:
        said: the texts of its kind, one a pair (``targets.texts``); pairs of an empty text take no
            part.

    Returns:
        (float32 [N, n, D] (for ``genre`` [N, n, D + G]), bool [N]).

    Raises:
        KlangfarbeError: no such ablation.
    """
    if name not in ABLATIONS:
        raise KlangfarbeError(f"an ablation out of {', '.join(ABLATIONS)}", repr(name),
                              "name one of them")
    chosen = ABLATIONS[name]
    made = targets.text_targets(said, generator, chosen.changes.get("n_tokens", 1))
    has = np.array([bool(text.strip()) for text in said])
    if chosen.genre:
        likely = genres(material, made[:, 0])
        made = np.concatenate([made, np.repeat(likely[:, None], made.shape[1], axis=1)], axis=2)
    return made, has


def genres(material, vectors: np.ndarray, alpha: float = 10.0) -> np.ndarray:
    """A genre for each directive's vector: ridge regression on training pairs of a known genre,
    softmax of its answers; float32 [N, G].
    """
    known = ((material.table["split"] == "train")
             & (material.table["genre"] != "unknown")).to_numpy()
    if material.table.loc[known, "genre"].nunique() < 3:
        raise KlangfarbeError("at least three genres among the training pairs",
                              f"{material.table.loc[known, 'genre'].nunique()}",
                              "use a collection that is tagged by genre")
    answers = RidgeClassifier(alpha=alpha).fit(vectors[known],
                                               material.table.loc[known,
                                                                  "genre"]).decision_function(
        vectors)
    shares = np.exp(answers - answers.max(1, keepdims=True))
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)


def trained(name: str, material, said: list[str], generator, width_in: int, profile: str, *,
            seed: int = 0, checkpoint=None, to: tuple | None = None,
            heard_epochs: int | None = None, rows=None, **changes) -> tuple:
    """One ablation trained: (models, curve, targets [N, n, D], rows that took part, bool [N]).

    Args:
        to: of :func:`wanted`, where it was made before. checkpoint: of :func:`studies.train`.
        heard_epochs: ``None`` trains as the study does (:func:`studies.train`); a number:
            :func:`late`, which costs a fraction.
        rows: bool [N], pairs that may take part; ``None``: all. Pairs of an empty text never do.
        changes: of ``studies.Config``, over the profile's and below the ablation's own.
    """
    made, has = wanted(name, material, said, generator) if to is None else to
    chosen = ABLATIONS[name]
    config = train_projection.of("two", profile, **changes | chosen.changes)
    models = train_projection.build(config, generator, width_in, seed, width_out=made.shape[2])
    has = has if rows is None else has & rows
    few, theirs = some(material, has), made[has]
    if heard_epochs is None:
        return models, train_projection.train(models, few, theirs, config, checkpoint,
                                              seed=seed), made, has
    return models, late(models, few, theirs, config, heard_epochs, seed=seed), made, has


def some(material, rows: np.ndarray):
    """The material of these pairs alone, bool [N]."""
    if rows.all():
        return material
    at = np.flatnonzero(rows)
    return replace(material, table=material.table.iloc[at].reset_index(drop=True),
                   pictures=material.pictures[at], vectors=material.vectors[at],
                   sounds=material.sounds[at], codes=material.codes[at],
                   words=tuple(material.words[row] for row in at))


def late(models, material, made: np.ndarray, config: train_projection.Config, heard_epochs: int, *,
         seed: int = 0) -> list[dict]:
    """Trains in place, `config.epochs` epochs, of which only the last `heard_epochs` have the
    losses that go through the decoder.

    Those cost some fifteen times as much a step as the latent loss alone. There is no early
    stopping and the last weights stay, so that all ablations take the same steps.

    Args:
        made: targets float32 [N, n, D] of the material's pairs.

    Returns:
        The curve, a dict an epoch: the losses averaged over its steps, ``validation``, ``cosine``,
            ``epoch``.
    """
    quiet = replace(config, **dict.fromkeys(("w_mel", "w_adversarial", "w_features"), 0.0))
    curve = []
    for epoch in range(config.epochs):
        now = config if epoch >= config.epochs - heard_epochs else quiet
        models.projection.train()
        rows = [train_projection.train_step(models, batch, now)
                for batch in batches.epochs(material, made, now, models, seed)(epoch)]
        curve.append({"epoch": epoch + 1,
                      **{key: float(np.mean([row[key] for row in rows])) for key in rows[0]},
                      **batches.validated(models, material, made, config)})
    models.projection.eval()
    return curve


def heard_part(conditions: np.ndarray, width: int) -> np.ndarray:
    """Conditions [N, n, D + …] → float32 [N, 1, D]: what the decoder is given of them, averaged
    over its vectors.
    """
    return conditions[..., :width].mean(1, keepdims=True)


def minus(statistic: Callable[[np.ndarray], float], ours: Sequence[np.ndarray],
          theirs: Sequence[np.ndarray], groups=None, *,
          seed: int = 0) -> tuple[float, float, float]:
    """One ablation minus another over S seeds and N paintings at once: (value, low, high), 95 %.

    The value is the mean over seeds of statistic(ours) − statistic(theirs). Two things make it
    uncertain: other seeds, whose variance is that of the S differences over S; other paintings,
    whose variance comes from leaving the same blocks of paintings out of all 2S. Both are added
    (what chance both share is counted twice: a little too wide rather than too narrow), t has
    Satterthwaite's degrees of freedom.

    Args:
        statistic: rows [n, …] → number. ours, theirs: S arrays [N, …] each, seed by seed, the same
            paintings.
        groups: [N], rows that belong together are left out together; ``None``: each by itself.

    Raises:
        KlangfarbeError: fewer than two seeds, or arrays of other sizes.
    """
    sizes = {len(rows) for rows in (*ours, *theirs)}
    if len(ours) != len(theirs) or len(ours) < 2 or len(sizes) != 1:
        raise KlangfarbeError("as many seeds of either, two or more, and the same paintings in all",
                              f"{len(ours)}, {len(theirs)}, {sizes}",
                              "train both with the same seeds")
    n = sizes.pop()
    names = np.unique(np.arange(n) if groups is None else np.asarray(groups),
                      return_inverse=True)[1]
    blocks = np.array_split(np.random.default_rng(seed).permutation(names.max() + 1),
                            min(N_BLOCKS, names.max() + 1))

    def differences(keep: np.ndarray) -> np.ndarray:
        return np.array([statistic(a[keep]) - statistic(b[keep]) for a,
                         b in zip(ours, theirs, strict=True)])

    whole = differences(np.arange(n))
    left_out = np.array([differences(np.flatnonzero(~np.isin(names, block))).mean()
                         for block in blocks])
    of_seeds = whole.var(ddof=1) / len(whole)
    of_paintings = (len(blocks) - 1) / len(blocks) * np.square(left_out - left_out.mean()).sum()
    total = of_seeds + of_paintings
    freedom = total**2 / max(of_seeds**2 / (len(whole) - 1) + of_paintings**2 / (len(blocks) - 1),
                             1e-300) if total else len(blocks) - 1
    reach = float(t.ppf(0.975, freedom) * np.sqrt(total))
    return float(whole.mean()), float(whole.mean() - reach), float(whole.mean() + reach)
