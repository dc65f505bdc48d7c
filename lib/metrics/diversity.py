"""Has a generator collapsed? Two measures that fall when it does."""

import numpy as np

from lib.errors import KlangfarbeError


def pairwise_distance(features: np.ndarray) -> float:
    """Mean Euclidean distance between all pairs of rows of [N, F], in the features' unit, ↑.

    0 when every picture is the same. Say it relative to the real set's own distance. It cannot see whether the pictures
    are good: noise is diverse.
    """
    from scipy.spatial.distance import pdist

    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise KlangfarbeError("features [N ≥ 2, F]", str(features.shape), "give one row per picture")
    return float(pdist(features).mean())


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall over k-nearest-neighbour balls.

    Precision: share of fakes inside some real picture's ball (do they look real?). Recall: share of reals inside some
    fake's ball (is everything covered?). Both in [0, 1], ↑; collapse shows as recall near 0. Both depend on N: compare
    at one N only, with real against real as the ceiling.

    Args:
        real: [N, F] features of real pictures.
        fake: [M, F] features of generated ones.
        k: which neighbour's distance is a ball's radius.

    Source: Kynkäänniemi et al. (2019), eq. 1–2.  Notebook: 32.
    """
    from scipy.spatial.distance import cdist

    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    if min(len(real), len(fake)) <= k or real.shape[1] != fake.shape[1]:
        raise KlangfarbeError(f"two sets of more than {k} rows with one width", f"{real.shape} and {fake.shape}", "give more pictures")
    across = cdist(real, fake)
    real_radius = np.sort(cdist(real, real), axis=1)[:, k]  # column 0 is the row itself
    fake_radius = np.sort(cdist(fake, fake), axis=1)[:, k]
    return float((across <= real_radius[:, None]).any(axis=0).mean()), float((across <= fake_radius[None, :]).any(axis=1).mean())
