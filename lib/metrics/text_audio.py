"""CLAP and IMSM: do words and sound, or picture and sound, belong together? An encoder with wrong
weights still returns cosines, so each must first pass :func:`verify_encoder`.  Notebook: 05."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from lib.core import profiles
from lib.core.errors import KlangfarbeError
from lib.metrics import embedders
from lib.metrics.embedders import unit

COLLAPSED = 1e-3  # mean 1 − cosine between different clips below which they count as one point
ALPHA = 0.01  # of the two-caption check


@dataclass(frozen=True)
class VerifiedEncoder:
    """An encoder that passed the two-caption check, and how."""
    encoder: Any
    n: int          # clips tried
    rate: float     # share whose right partner won
    p_value: float  # one-sided binomial
    spread: float   # mean of 1 − cosine between clips
    partners: str   # "texts" or "pictures"

    def card(self) -> dict:
        """The encoder's card (:func:`lib.metrics.embedders.card`) with the check's outcome."""
        return embedders.card(self.encoder) | {
            "two_caption_n": self.n, "two_caption_rate": self.rate, "two_caption_p": self.p_value}


def verify_encoder(encoder, sounds: Sequence[np.ndarray], sample_rate_hz: float, right, *,
                   seed: int = 0) -> VerifiedEncoder:
    """The two-caption check: N ≥ 7 clips must lie nearer to their own captions (sentences, or
    pictures uint8 [N, H, W, 3]) than to others', less each caption's mean cosine (p < .01)."""
    wrong, n = _dealt(right, seed), len(sounds)
    if not n == len(right) >= 7:
        raise KlangfarbeError("at least 7 clips, each with its caption", f"{n} and {len(right)}",
                              "give more of them")
    heard = unit(embedders.embed_clips(encoder, sounds, sample_rate_hz))
    spread = float(1 - (np.square(heard.sum(0)).sum() - n) / (n * (n - 1)))
    if spread < COLLAPSED and not profiles.rehearsing():
        raise KlangfarbeError(f"an encoder that tells clips apart ({encoder.name})",
                              f"{n} on one point (1 − cosine {spread:.1e})", "load its weights")
    margin = 0.0
    for partners, sign in ((right, 1), (wrong, -1)):
        cosines = heard @ unit(_partners(encoder, partners)).T  # [clips, captions]
        margin = margin + sign * (np.diagonal(cosines) - cosines.mean(0))
    wins = int(np.sum(margin > 1e-9))
    p_value = float(binomtest(wins, n, 0.5, alternative="greater").pvalue)
    if p_value >= ALPHA and not profiles.rehearsing():
        raise KlangfarbeError(f"{encoder.name} to find the right caption more often than luck",
                              f"{wins} of {n} right, p = {p_value:.2g}", "load trained weights")
    return VerifiedEncoder(encoder, n, wins / n, p_value, spread, _kind(right))


def clap(trusted: VerifiedEncoder, texts: Sequence[str], sounds: Sequence[np.ndarray],
         sample_rate_hz: float) -> np.ndarray:
    """CLAP score, cos(E_text(text), mean over windows of E_audio(window)): [N].
    Card: estimates: whether a clip is what its text says, as far as the encoder hears it ·
        direction: ↑ · range: [−1, 1] · unit: none · input: N texts and N mono clips at any rate ·
        aggregation: fixed windows (embedders.WINDOWS), mean of their vectors · blind to: whatever
        the checkpoint never learned; quality of sound; no other checkpoint compares · minimum n: 1
        (a table wants the mean of 50 or more) · source: Wu et al. (2023), ICASSP, §3"""
    return _scores(trusted, texts, sounds, sample_rate_hz)


def imsm(trusted: VerifiedEncoder, pictures: np.ndarray, sounds: Sequence[np.ndarray],
         sample_rate_hz: float) -> np.ndarray:
    """Image–music similarity, cos(E_picture(picture), mean over windows of E_audio(window)): [N].
    Card: estimates: whether a clip suits its picture, as the encoder sees and hears it · direction:
        ↑ · range: [−1, 1] · unit: none · input: N pictures uint8 [H, W, 3] and mono clips ·
        aggregation: as clap · blind to: whatever the checkpoint never learned; circular where it
        built the pairs · minimum n: 1 (a table: mean of 50 or more) · source: Deepika, Table 6.4"""
    return _scores(trusted, pictures, sounds, sample_rate_hz)


def _scores(trusted: VerifiedEncoder, partners, sounds: Sequence[np.ndarray],
            sample_rate_hz: float) -> np.ndarray:
    if not isinstance(trusted, VerifiedEncoder) or trusted.partners != _kind(partners):
        raise KlangfarbeError("an encoder that passed the two-caption check with captions of this "
                              "kind", type(trusted).__name__, "call verify_encoder first")
    if len(partners) != len(sounds):
        raise KlangfarbeError(f"{len(sounds)} texts or pictures", f"{len(partners)}", "align them")
    heard = embedders.embed_clips(trusted.encoder, sounds, sample_rate_hz)
    return np.clip((unit(_partners(trusted.encoder, partners)) * unit(heard)).sum(1), -1.0, 1.0)


def _partners(encoder, partners) -> np.ndarray:
    if _kind(partners) == "pictures":
        return embedders.embed_pictures(encoder, partners)
    if not all(isinstance(text, str) and text.strip() for text in partners):
        raise KlangfarbeError("sentences that are not empty", f"{partners[0]!r:.60}", "write them")
    return embedders.in_batches(encoder, encoder.embed_text, list(partners))


def _kind(partners) -> str:
    pictures = isinstance(partners, np.ndarray) and partners.dtype == np.uint8
    return "pictures" if pictures else "texts"


def _dealt(right, seed: int):
    # the right captions dealt out so that no clip gets its own, or one that reads the same
    known = [part.strip() if isinstance(part, str) else part.tobytes() for part in right]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(right))
    for _ in range(200):
        clashes = [i for i in range(len(right)) if known[i] == known[order[i]]]
        if not clashes:
            return right[order] if isinstance(right, np.ndarray) else [right[i] for i in order]
        for i in clashes:
            j = int(rng.integers(len(right)))
            order[[i, j]] = order[[j, i]]
    raise KlangfarbeError("captions of which no one fills half the list",
                          f"{len(right)} too much alike", "give clips of more kinds")
