"""The ablations and baselines of Study II by name.

    target texts   full · no_directive (caption) · own_text · other_prompt · no_emotion
    losses         full · no_adversarial · no_matching · mse · latent_only, on full's targets
    target         genre: a predicted genre appended · eight_tokens: 8 vectors to attend to

Source: Deepika §5.5, §5.6, Tables 6.1 to 6.4. Known deviations: the genre classifier is trained on
MeLBench in the paper; here a ridge regression on the directive's own vector · at the smaller
profiles the losses through the decoder take part in the last few epochs alone. Notebook: 24.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import RidgeClassifier

from lib.core.errors import KlangfarbeError
from lib.systems.mapping import data, train_projection
from lib.systems.mapping.config import get_config

FULL = "full"


@dataclass(frozen=True)
class Ablation:
    """What is changed against the full Study II."""

    what: str
    text: str = "enriched"  # kind of target text, of data.TEXTS
    changes: dict = field(default_factory=dict)  # of the ProjectionConfig
    genre: bool = False  # a predicted genre is appended to the target
    claim: str = ""  # id in the ledger


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
    """Targets float32 [N, n, D] of an ablation (``genre``: [N, n, D + G]), and which pairs have a
    text, bool [N]."""
    if name not in ABLATIONS:
        raise KlangfarbeError(f"an ablation out of {', '.join(ABLATIONS)}", repr(name),
                              "name one of them")
    targets = data.text_targets(texts, generator, ABLATIONS[name].changes.get("n_tokens", 1))
    if ABLATIONS[name].genre:  # a ridge classifier's softmax, fitted on known genres
        table, vectors = pairs.table, targets[:, 0]
        known = ((table["split"] == "train") & (table["genre"] != data.UNKNOWN)).to_numpy()
        genres = table.loc[known, "genre"]
        if genres.nunique() < 3:
            raise KlangfarbeError("at least three genres among the training pairs",
                                  f"{genres.nunique()}", "use a collection tagged by genre")
        classifier = RidgeClassifier(alpha=10.0).fit(vectors[known], genres)
        scores = softmax(classifier.decision_function(vectors), axis=1).astype(np.float32)
        targets = np.concatenate([targets, scores[:, None]], axis=2)
    return targets, np.array([bool(text.strip()) for text in texts])


def train_ablation(name: str, pairs: data.PairedData, targets: tuple[np.ndarray, np.ndarray],
                   generator, width_in: int, profile: str, *, seed: int = 0,
                   decoder_epochs: int | None = None, rows: np.ndarray | None = None,
                   **changes) -> tuple[train_projection.Models, list[dict]]:
    """One ablation trained on :func:`build_targets`' pairs where `rows`, bool [N]: (models, curve).
    `changes` of the config go over the profile's and below the ablation's own. With
    `decoder_epochs` only so many last epochs have the losses through the decoder, which cost some
    fifteen times as much a step, and the last weights stay, so that all ablations take the same
    steps."""
    values, keep = targets
    keep = keep if rows is None else keep & rows
    config = replace(get_config(profile).study_two, **changes | ABLATIONS[name].changes)
    models = train_projection.build(config, generator, width_in, seed, width_out=values.shape[2])
    split = pairs.table["split"].where(keep, "left out")
    pairs = replace(pairs, table=pairs.table.assign(split=split))
    if decoder_epochs is None:
        return models, train_projection.train(models, pairs, values, config, seed=seed)
    latent = replace(config, w_mel=0.0, w_adversarial=0.0, w_features=0.0)
    curve = [train_projection.train_epoch(
        models, pairs, values, config if epoch >= config.epochs - decoder_epochs else latent,
        epoch, seed) for epoch in range(config.epochs)]
    models.projection.eval()
    return models, curve
