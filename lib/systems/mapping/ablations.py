"""System 2's ablations and baselines by name: what each changes, and nothing else.

    target texts   full · no_directive (caption) · own_text · other_prompt · no_emotion        one projection each, on other targets
    losses         full · no_adversarial · no_matching · mse                                   the same targets, other losses
    added          genre: the directive's genre, predicted, appended to the target
    tokens         1 as published · 8 vectors to attend to
    pipelines      captions · captions_llm: no projection, the text is written at run time

Source: text 001, §5.5, §5.6, Tables 6.1 to 6.4.

Known deviation: the genre module's classifier is trained on MeLBench's genres in the text; here it is a ridge regression from the
directive's own vector to the genre that stands in the directive or with the pair, fitted on training pairs. Notebook: 24.
"""

from dataclasses import dataclass, field

import numpy as np

from lib.errors import KlangfarbeError
from lib.systems.mapping import studies, targets

FULL = "full"


@dataclass(frozen=True)
class Ablation:
    """What is changed against the full Study II.

    Attributes:
        what: one line. text: kind of target text (``targets.TEXTS``). changes: of ``studies.Config``. genre: a predicted genre is appended.
        claim: id in the ledger, or "".
    """

    what: str
    text: str = "enriched"
    changes: dict = field(default_factory=dict)
    genre: bool = False
    claim: str = ""


ABLATIONS = {
    FULL: Ablation("Study II whole"),
    "no_adversarial": Ablation("without the adversary", changes={"w_adversarial": 0.0}, claim="S2-4"),
    "no_matching": Ablation("without feature matching", changes={"w_features": 0.0}, claim="S2-4"),
    "mse": Ablation("squared error for the latent loss", changes={"latent": "mse"}, claim="S2-6"),
    "latent_only": Ablation("the latent loss alone (ours)", changes={"w_mel": 0.0, "w_adversarial": 0.0, "w_features": 0.0}),
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
        said: the texts of its kind, one a pair (``targets.texts``); pairs of an empty text take no part.

    Returns:
        (float32 [N, n, D] (for ``genre`` [N, n, D + G]), bool [N]).

    Raises:
        KlangfarbeError: no such ablation.
    """
    if name not in ABLATIONS:
        raise KlangfarbeError(f"an ablation out of {', '.join(ABLATIONS)}", repr(name), "name one of them")
    chosen = ABLATIONS[name]
    made = targets.text_targets(said, generator, chosen.changes.get("n_tokens", 1))
    has = np.array([bool(text.strip()) for text in said])
    if chosen.genre:
        likely = genres(material, made[:, 0])
        made = np.concatenate([made, np.repeat(likely[:, None], made.shape[1], axis=1)], axis=2)
    return made, has


def genres(material, vectors: np.ndarray, alpha: float = 10.0) -> np.ndarray:
    """A genre for each directive's vector: ridge regression on training pairs of a known genre, softmax of its answers; float32 [N, G]."""
    from sklearn.linear_model import RidgeClassifier

    known = ((material.table["split"] == "train") & (material.table["genre"] != "unknown")).to_numpy()
    if material.table.loc[known, "genre"].nunique() < 3:
        raise KlangfarbeError("at least three genres among the training pairs", f"{material.table.loc[known, 'genre'].nunique()}",
                              "use a collection that is tagged by genre")
    answers = RidgeClassifier(alpha=alpha).fit(vectors[known], material.table.loc[known, "genre"]).decision_function(vectors)
    shares = np.exp(answers - answers.max(1, keepdims=True))
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)


def trained(name: str, material, said: list[str], generator, width_in: int, profile: str, *, seed: int = 0, checkpoint=None,
            **changes) -> tuple:
    """One ablation trained: (models, curve, targets [N, n, D], rows that have a target).

    Args:
        changes: of ``studies.Config``, over the profile's and below the ablation's own.
    """
    from dataclasses import replace

    made, has = wanted(name, material, said, generator)
    chosen = ABLATIONS[name]
    config = studies.of("two", profile, **changes | chosen.changes)
    models = studies.build(config, generator, width_in, seed, width_out=made.shape[2])
    if not has.all():
        rows = np.flatnonzero(has)
        few = replace(material, table=material.table.iloc[rows].reset_index(drop=True), vectors=material.vectors[rows],
                      sounds=material.sounds[rows], codes=material.codes[rows])
        return models, studies.train(models, few, made[rows], config, checkpoint, seed=seed), made, has
    return models, studies.train(models, material, made, config, checkpoint, seed=seed), made, has
