"""System 2 where training never was: fresh pairs by the hundred, abstract pictures, styles never
met, real paintings.

    TEST_SEED ─► pairs (as notebook 21 makes them) ─┬─► both studies' cosines, pair by pair: claim S2-1
                                                    ├─► without − with the abstract styles in training
                                                    └─► some of the pictures ─► music ─► what suits, by group: claim S2-8

Source: text 001, Table 6.1; research question 4 ("generalise to abstract pictures"), which the text
leaves open.

Known deviations: a tenth of the mini profile's pairs are 64, on which the difference of the studies
has an interval as wide as itself; so pairs are drawn anew, as many as decide it. Notebook: 27.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED
from lib.metrics import stats
from lib.systems import evaluation
from lib.systems.mapping import data, evaluate, targets

ABSTRACT = ("colour_field", "geometric", "gestural")


@dataclass(frozen=True)
class Config:
    """How many are met abroad; the defaults are as many as the published data set has test pairs.

    Attributes:
        n_pairs: fresh pairs. n_played: abstract pictures that are played to, and as many of the
            rest. seconds: of that music.
        n_real: real paintings of each collection. n_seeds, schedule: trainings without and with the
            abstract styles.
    """

    n_pairs: int = 1_300
    n_played: int = 300
    seconds: float = 10.0
    n_real: int = 300
    n_seeds: int = 3
    schedule: dict = field(default_factory=dict)


PROFILES = {
    "smoke": Config(n_pairs=40, n_played=8, seconds=1.0, n_real=4, n_seeds=2,
                    schedule={"epochs": 6, "batch_size": 16}),
    "mini": Config(n_pairs=480, n_played=30, seconds=4.0, n_real=16,
                   schedule={"epochs": 12, "learning_rate": 1e-3}),
    "gpu": Config(n_played=150),
    "paper": Config(),
}


def fresh(config: Config, profile: str, known, generator, clip, words=None) -> targets.Material:
    """Pairs of the atelier's ``TEST_SEED``, made as ``targets.atelier`` makes those that train, and
    stored like them.

    Args:
        known: the training table of ``aimus.merged``; the leak linter holds the fresh pairs against
            it. words: of ``targets.atelier``.

    Raises:
        KlangfarbeError: one of them is in that table.
    """
    sizes = replace(data.PROFILES[profile], n_pairs=config.n_pairs, n_views=1)
    made = targets.atelier(sizes, generator, clip, words, collection=TEST_SEED)
    evaluate.unseen(made.table, known)
    return replace(made, table=made.table.assign(split="test"))


def played_to(material: targets.Material, n: int):
    """The first `n` pictures in abstract styles and the first `n` of the rest: DataFrame, a row a
    picture, indexed by the pair's row.

    Columns of ``aimus.truth``, and ``image, group`` (*abstract* or *the rest*).

    Raises:
        KlangfarbeError: there are fewer.
    """
    truth = data.truth(material.table).assign(image=material.table["image"].to_numpy())
    truth["group"] = np.where(truth["style"].isin(ABSTRACT), "abstract", "the rest")
    truth = truth.drop_duplicates("image")
    parts = [truth[truth["group"] == name].head(n) for name in ("abstract", "the rest")]
    if any(len(part) < n for part in parts):
        raise KlangfarbeError(f"{n} pictures of either group",
                              " and ".join(str(len(part)) for part in parts),
                              "draw more pairs, or play to fewer")
    return pd.concat(parts)


def suited(pictures, places: np.ndarray, heard: np.ndarray, *, seed: int = 0,
           n_shuffles: int = 999):
    """Does the music suit its picture, in each group? DataFrame ``group, measure, value, low, high,
    luck_low, luck_high, p, n``.

    Measures: *IMSM*, the mean cosine of a picture's place and its music's; *agreement*, the mean
    CCC of heard and true valence and arousal. Luck deals the music within the group. Intervals: 95
    %, over pictures; p: one-sided, by shuffles.

    Args:
        pictures: of :func:`played_to`, N rows. places: the pictures' [N, P]. heard: ``exam.hear``'s
            rows of their music [N].
    """
    def matching(seen, some) -> float:
        return float(evaluation.cosines(seen, some).mean())

    found = []
    for group in pictures["group"].unique():
        rows = np.flatnonzero(pictures["group"] == group)
        truth = pictures[["valence", "arousal"]].to_numpy()[rows]
        for name, score, *pair in (("IMSM", matching, places[rows], heard["anchors"][rows]),
                                   ("agreement", evaluation.agreement, truth,
                                    heard["affect"][rows])):
            luck = stats.permutation_null(score, *pair, n_shuffles=n_shuffles, seed=seed)
            value, (low, high) = score(*pair), stats.bootstrap(score, *pair, seed=seed)
            found.append({"group": group, "measure": name, "value": value, "low": low, "high": high,
                          "luck_low": np.quantile(luck, 0.025),
                          "luck_high": np.quantile(luck, 0.975),
                          "p": (1 + np.sum(luck >= value)) / (1 + n_shuffles), "n": len(rows)})
    return pd.DataFrame(found)


def hidden(known: targets.Material, seed: int = 0) -> dict[str, np.ndarray]:
    """Two choices of training pairs, equally many: bool [N] ``without`` the abstract styles, and
    ``with`` them, a random share of all.

    Pairs of the other splits stay in both.
    """
    train = (known.table["split"] == "train").to_numpy()
    strange = data.truth(known.table)["style"].isin(ABSTRACT).to_numpy()
    rows = np.flatnonzero(train)
    share = np.random.default_rng(seed).permutation(rows)[: int((~strange[rows]).sum())]
    return {"without": ~(train & strange), "with": np.isin(np.arange(len(train)), share) | ~train}
