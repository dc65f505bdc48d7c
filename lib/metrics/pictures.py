"""Do painted pictures come from the same distribution as real ones? FID and KID by torchmetrics, on
features of our own choice.
"""

import warnings

import numpy as np
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from lib.core.errors import KlangfarbeError

SUBSET, N_SUBSETS = 1000, 100


def fid(reference: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet distance of two sets of picture features, each taken for a Gaussian.

    ‖μ_r − μ_g‖² + tr(Σ_r + Σ_g − 2(Σ_r Σ_g)^½), float64.

    Card:
        estimates: distance between the distributions of real and painted pictures
        direction: ↓
        range: [0, ∞)
        unit: the features' unit, squared: comparable within one encoder only
        input: features of the encoder named in the table, one row a picture; with others than
            Inception's it is not the published FID
        aggregation: mean and covariance over all pictures
        blind to: whether a picture fits its music; anything beyond mean and covariance; copies of
            the training set
        minimum n: 2048 (biased upwards in n, the more so the wider the features; at least D + 1 or
            it refuses)
        source: Heusel et al. (2017), NeurIPS, eq. 6; torchmetrics

    Args:
        reference: [N > D, D] features of real pictures.
        generated: [M > D, D] of painted ones.

    Raises:
        KlangfarbeError: shapes that do not fit, values that are not finite, or no more pictures
            than features: the covariance is then singular and the number an artefact of n. Use
            :func:`kid`.

    Notebook: 05.
    """
    reference, generated = _features(reference, generated)
    fewest, width = min(len(reference), len(generated)), reference.shape[1]
    if fewest <= width:
        raise KlangfarbeError(f"more pictures than features: at least {width + 1}", str(fewest),
                              "paint more, or use kid (no such bias)")
    metric = FrechetInceptionDistance(feature=_as_given(width))
    metric.update(_tensor(reference), real=True)
    metric.update(_tensor(generated), real=False)
    return _finite(metric.compute())


def kid(reference: np.ndarray, generated: np.ndarray, *, subset_size: int | None = None,
        n_subsets: int = N_SUBSETS, seed: int = 0) -> float:
    """Kernel distance of two sets of picture features: unbiased squared MMD with the kernel (x·y/D
    + 1)³, mean over subsets.

    Card:
        estimates: distance between the distributions of real and painted pictures
        direction: ↓
        range: about [0, ∞); single values fall below 0 where the sets are alike
        unit: none; depends on the features' scale: comparable within one encoder only
        input: features of the encoder named in the table, of one scale (the kernel is not free of
            scale), one row a picture
        aggregation: mean over subsets of equal size, drawn without replacement; all pictures at
            once where both sets are of subset size
        blind to: whether a picture fits its music; a set compared with itself gives less than 0,
            not 0
        minimum n: 50 (no bias in n, but the interval is wide; the usual subset is 1000)
        source: Bińkowski et al. (2018), ICLR, eq. 4 and §4; torchmetrics

    Args:
        reference: [N, D] features of real pictures.
        generated: [M, D] of painted ones.
        subset_size: pictures of each set in a subset; ``None``: the smaller set, at most 1000.
        n_subsets: how many subsets. seed: which ones.

    Raises:
        KlangfarbeError: shapes that do not fit, values that are not finite, or a subset larger than
            a set.

    Notebook: 05.
    """
    reference, generated = _features(reference, generated)
    fewest = min(len(reference), len(generated))
    size = min(fewest, SUBSET) if subset_size is None else subset_size
    if not 2 <= size <= fewest:
        raise KlangfarbeError(f"subsets of 2 to {fewest} pictures", str(size),
                              "give a smaller subset_size")
    whole = size == len(reference) == len(generated)
    with warnings.catch_warnings():
        # of memory: features are small
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")
        metric = KernelInceptionDistance(feature=_as_given(reference.shape[1]),
                                         subsets=1 if whole else n_subsets, subset_size=size)
    metric.update(_tensor(reference), real=True)
    metric.update(_tensor(generated), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        value, _ = metric.compute()
    return _finite(value)


def _as_given(width: int):
    """A network that hands its input on: what torchmetrics calls pictures are features already."""
    network = torch.nn.Identity()
    network.num_features = width
    return network


def _features(reference: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference, generated = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    if reference.ndim != 2 or generated.ndim != 2 or reference.shape[1] != generated.shape[
        1] or min(len(reference), len(generated)) < 2:
        raise KlangfarbeError("two sets of features [N ≥ 2, D] of one width",
                              f"{reference.shape} and {generated.shape}",
                              "use one encoder for both")
    if not (np.isfinite(reference).all() and np.isfinite(generated).all()):
        raise KlangfarbeError("finite features", "NaN or infinite values",
                              "look for broken pictures among them")
    return reference, generated


def _tensor(features: np.ndarray):
    return torch.from_numpy(np.ascontiguousarray(features))


def _finite(value) -> float:
    value = float(value)
    if not np.isfinite(value):
        raise KlangfarbeError("a finite distance", str(value),
                              "look for features of enormous scale")
    return value
