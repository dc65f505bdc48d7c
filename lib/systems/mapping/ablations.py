"""The ablations and baselines of Study II by name.

    target texts   full · no_directive (caption) · own_text · other_prompt · no_emotion
    losses         full · no_adversarial · no_matching · mse · latent_only, on full's targets
    target         genre: a predicted genre appended · eight_tokens: 8 vectors to attend to

Source: Deepika §5.5, §5.6, Tables 6.1 to 6.4.

Known deviations: the genre module's classifier is trained on MeLBench's genres in the paper; here a
ridge regression on the directive's own vector predicts the genre, fitted on training pairs · at the
smaller profiles the losses through the decoder take part in the last few epochs alone.
Notebook: 24.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.linear_model import RidgeClassifier

from lib.core.errors import KlangfarbeError
from lib.systems.mapping import data, train_projection
from lib.systems.mapping.config import ProjectionConfig, get_config

FULL = "full"


@dataclass(frozen=True)
class Ablation:
    """What is changed against the full Study II.

    Attributes:
        text: kind of target text (``data.TEXTS``). changes: of the ProjectionConfig.
        genre: a predicted genre is appended to the target. claim: id in the ledger, or "".
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


def build_targets(name: str, pairs: data.PairedData, texts: Sequence[str],
                  generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets float32 [N, n, D] of an ablation (for ``genre`` [N, n, D + G]), and which pairs have
    one, bool [N]: those whose text is not empty.

    Raises:
        KlangfarbeError: no such ablation.
    """
    if name not in ABLATIONS:
        raise KlangfarbeError(f"an ablation out of {', '.join(ABLATIONS)}", repr(name),
                              "name one of them")
    ablation = ABLATIONS[name]
    targets = data.text_targets(texts, generator, ablation.changes.get("n_tokens", 1))
    if ablation.genre:
        genres = predict_genres(pairs, targets[:, 0])
        targets = np.concatenate([targets, np.repeat(genres[:, None], targets.shape[1], axis=1)],
                                 axis=2)
    return targets, np.array([bool(text.strip()) for text in texts])


def predict_genres(pairs: data.PairedData, vectors: np.ndarray, alpha: float = 10.0) -> np.ndarray:
    """Softmax of a ridge classifier's answers for each directive's vector, float32 [N, G], fitted
    on the training pairs of a known genre.
    """
    table = pairs.table
    known = ((table["split"] == "train") & (table["genre"] != data.UNKNOWN)).to_numpy()
    genres = table.loc[known, "genre"]
    if genres.nunique() < 3:
        raise KlangfarbeError("at least three genres among the training pairs",
                              f"{genres.nunique()}", "use a collection that is tagged by genre")
    classifier = RidgeClassifier(alpha=alpha).fit(vectors[known], genres)
    scores = classifier.decision_function(vectors)
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    return (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float32)


def train_ablation(name: str, pairs: data.PairedData, targets: tuple[np.ndarray, np.ndarray],
                   generator, width_in: int, profile: str, *, seed: int = 0,
                   decoder_epochs: int | None = None, rows: np.ndarray | None = None,
                   **changes) -> tuple[train_projection.Models, list[dict]]:
    """One ablation trained: (models, curve).

    Args:
        targets: of :func:`build_targets`.
        decoder_epochs: ``None`` trains as the study does; a number: :func:`train_late`, which
            costs a fraction.
        rows: bool [N], the pairs that may take part; ``None``: all that have a target.
        changes: of the config, over the profile's and below the ablation's own.
    """
    values, keep = targets
    keep = keep if rows is None else keep & rows
    config = replace(get_config(profile).study_two, **changes | ABLATIONS[name].changes)
    models = train_projection.build(config, generator, width_in, seed, width_out=values.shape[2])
    pairs, values = pairs.subset(keep), values[keep]
    if decoder_epochs is None:
        return models, train_projection.train(models, pairs, values, config, seed=seed)
    return models, train_late(models, pairs, values, config, decoder_epochs, seed=seed)


def train_late(models: train_projection.Models, pairs: data.PairedData, targets: np.ndarray,
               config: ProjectionConfig, decoder_epochs: int, *, seed: int = 0) -> list[dict]:
    """Trains in place; only the last `decoder_epochs` epochs have the losses through the decoder,
    which cost some fifteen times as much a step as the latent loss.

    No early stopping, and the last weights stay, so that all ablations take the same steps.
    Returns the curve, as :func:`train_projection.train`.
    """
    latent = replace(config, w_mel=0.0, w_adversarial=0.0, w_features=0.0)
    curve = [train_projection.train_epoch(
        models, pairs, targets, config if epoch >= config.epochs - decoder_epochs else latent,
        epoch, seed) for epoch in range(config.epochs)]
    models.projection.eval()
    return curve
