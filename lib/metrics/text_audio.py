"""CLAP and IMSM: do words and sound, or picture and sound, belong together?

An encoder with wrong weights still returns cosines, so each must first pass :func:`verify_encoder`:
clips with known captions, each with one right and one wrong caption.  Notebook: 05.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from lib.core.errors import KlangfarbeError
from lib.metrics import embedders

# 1 − cosine between different clips, on average, below which they count as one point
COLLAPSED = 1e-3


@dataclass(frozen=True)
class VerifiedEncoder:
    """An encoder that passed the two-caption check, and how: made by :func:`verify_encoder`, asked
    for by :func:`clap` and :func:`imsm`.

    Attributes:
        encoder: the network. n: clips tried. rate: share whose right partner won. p_value:
            one-sided binomial, of that many by luck.
        spread: mean of 1 − cosine between different clips. partners: what it was tried with,
            ``"texts"`` or ``"pictures"``.
    """

    encoder: object
    n: int
    rate: float
    p_value: float
    spread: float
    partners: str

    def card(self) -> dict:
        """The encoder's card (:func:`lib.metrics.embedders.card`) with the check's outcome."""
        return embedders.card(self.encoder) | {"two_caption_n": self.n,
                                               "two_caption_rate": self.rate,
                                               "two_caption_p": self.p_value}


def verify_encoder(encoder, sounds: Sequence[np.ndarray], sample_rate_hz: float, right, wrong=None,
                   *, alpha: float = 0.01, seed: int = 0, batch: int = 32) -> VerifiedEncoder:
    """Puts an encoder to the two-caption check: a clip must lie nearer to its right caption than to
    a wrong one, more often than luck.

    From every caption's cosine its mean over all clips is taken off first: a caption the encoder
    likes whatever it hears wins nothing.

    Args:
        encoder: answers to TextAudioEncoder, or to ImageMusicEncoder with pictures for captions.
        sounds: N clips with known captions, N ≥ 7 (fewer cannot reach α = .01); 50 are better.
        right: N sentences, or pictures uint8 [N, H, W, 3].
        wrong: likewise; ``None``: the right ones dealt to other clips.
        alpha: of the one-sided binomial test against ½.
    """
    if wrong is None:
        wrong = _dealt(right, seed)
    if not len(sounds) == len(right) == len(wrong) or len(sounds) < 7:
        raise KlangfarbeError("at least 7 clips, each with a right and a wrong caption",
                              f"{len(sounds)}, {len(right)} and {len(wrong)}",
                              "give more clips with known captions")
    if any(_same(r, w) for r, w in zip(right, wrong, strict=True)):
        raise KlangfarbeError("wrong captions that differ from the right ones",
                              "a clip with the same caption twice",
                              "deal the captions otherwise, or leave `wrong` out")
    heard = _unit(embedders.embed_clips(encoder, sounds, sample_rate_hz, batch=batch))
    n = len(heard)
    spread = float(1 - (np.square(heard.sum(0)).sum() - n) / (n * (n - 1)))
    if spread < COLLAPSED:
        raise KlangfarbeError(f"an encoder that tells clips apart ({encoder.name})",
                              f"{n} clips on one point (1 − cosine {spread:.1e})",
                              "its weights are collapsed or not loaded: fetch the checkpoint "
                              "again; different clips must be given")
    margin = 0.0
    for partners, sign in ((right, 1), (wrong, -1)):
        # [clips, captions]
        cosines = heard @ _unit(_partners(encoder, partners, batch)).T
        margin = margin + sign * (np.diagonal(cosines) - cosines.mean(0))
    wins = int((margin > 1e-9).sum())
    p_value = float(binomtest(wins, n, 0.5, alternative="greater").pvalue)
    if p_value >= alpha:
        raise KlangfarbeError(
            f"{encoder.name} to find the right caption more often than luck (p < {alpha:g})",
            f"{wins} of {n} right, p = {p_value:.2g}",
            "load trained weights, or measure with another checkpoint")
    return VerifiedEncoder(encoder, n, wins / n, p_value, spread,
                   "pictures" if _are_pictures(right) else "texts")


def clap(trusted: VerifiedEncoder, texts: Sequence[str], sounds: Sequence[np.ndarray],
         sample_rate_hz: float, *, batch: int = 32) -> np.ndarray:
    """CLAP score: how near a sound lies to its text, in the space of a contrastive text–audio
    encoder.

    cos(E_text(text), mean over windows of E_audio(window))

    Card:
        estimates: whether a clip is what its text says, as far as the encoder hears it
        direction: ↑ · range: [−1, 1] · unit: none
        input: N texts and N mono clips at any rate, resampled to the checkpoint's; rate, window and
            hash on the encoder's card
        aggregation: fixed windows (embedders.WINDOWS), no random crop; mean of the windows'
            vectors, each of unit length
        blind to: whatever the checkpoint never learned; quality of sound; values of different
            checkpoints do not compare
        minimum n: 1 (a table wants the mean of 50 or more, with shuffled texts as its null)
        source: Wu et al. (2023), Large-scale contrastive language-audio pretraining, §3
    """
    _expect_trusted(trusted, texts, sounds)
    heard = embedders.embed_clips(trusted.encoder, sounds, sample_rate_hz, batch=batch)
    return _cosines(_partners(trusted.encoder, list(texts), batch), heard)


def clap_random_crop(trusted: VerifiedEncoder, texts: Sequence[str], sounds: Sequence[np.ndarray],
                     sample_rate_hz: float, *, seed: int, batch: int = 32) -> np.ndarray:
    """CLAP score as released processors compute it: one window at a random place in each clip. Kept
    to show what that costs.

    cos(E_text(text), E_audio(one random window))

    Card:
        estimates: what clap estimates, with the luck of one crop added
        direction: ↑ · range: [−1, 1] · unit: none
        input: as clap
        aggregation: one window a clip at a place drawn from `seed`; a clip no longer than a window
            is taken as clap takes it
        blind to: everything outside the window; two runs of one clip differ
        minimum n: 1 (never report it: the same clips give another number at every seed)
        source: "rand_trunc", the released CLAP feature extractors' way with clips longer than their
            window

    Args, Returns, Raises: as :func:`clap`; seed: of the crops.
    """
    _expect_trusted(trusted, texts, sounds)
    encoder, rng = trusted.encoder, np.random.default_rng(seed)
    cut = []
    for sound in sounds:
        length = round(encoder.window_seconds * sample_rate_hz)
        start = int(rng.integers(0, max(0, len(sound) - length) + 1))
        cut.append(np.asarray(sound)[start : start + length])
    return _cosines(_partners(encoder, list(texts), batch),
                    embedders.embed_clips(encoder, cut, sample_rate_hz, batch=batch))


def imsm(trusted: VerifiedEncoder, pictures: np.ndarray, sounds: Sequence[np.ndarray],
         sample_rate_hz: float, *, pairing_sha256: str | None = None,
         batch: int = 32) -> np.ndarray:
    """Image–music similarity: how near a clip lies to its picture, in one space made for both.

    cos(E_picture(picture), mean over windows of E_audio(window))

    Card:
        estimates: whether a clip suits its picture, as far as the encoder sees and hears it
        direction: ↑ · range: [−1, 1] · unit: none
        input: N pictures uint8 [H, W, 3] and N mono clips at any rate, resampled to the
            checkpoint's
        aggregation: fixed windows (embedders.WINDOWS), no random crop; mean of the windows'
            vectors, then the cosine; one number a pair
        blind to: whatever the checkpoint never learned; circular, and refused, where the same
            encoder built the pairs
        minimum n: 1 (a table wants the mean of 50 or more, with shuffled pictures as its null)
        source: text 001, Table 6.4 (IMSM); the cosine of image and music embeddings

    Args:
        trusted: an encoder that passed :func:`verify_encoder` with pictures for captions.
        pictures: uint8 [N, H, W, 3]. sounds: N clips, each [samples].
        pairing_sha256: hash of the encoder that paired pictures with music; ``None`` where no
            encoder did.

    Returns:
        float64 [N].
    """
    _expect_trusted(trusted, pictures, sounds)
    if pairing_sha256 is not None and pairing_sha256 == trusted.encoder.sha256:
        raise KlangfarbeError("an encoder that did not build the pairs",
                              f"{trusted.encoder.name} ({pairing_sha256[:12]}), which did",
                              "score with another encoder: this one would praise its own choices")
    heard = embedders.embed_clips(trusted.encoder, sounds, sample_rate_hz, batch=batch)
    return _cosines(_partners(trusted.encoder, pictures, batch), heard)


def _expect_trusted(given, partners, sounds) -> None:
    if not isinstance(given, VerifiedEncoder) or given.partners != ("pictures"
                                                                    if _are_pictures(partners)
                                                                    else "texts"):
        raise KlangfarbeError(
            "an encoder that passed the two-caption check with captions of this kind",
            getattr(given, "name", type(given).__name__),
            "call text_audio.verify_encoder(encoder, sounds, …) first")
    if len(partners) != len(sounds) or len(sounds) == 0:
        raise KlangfarbeError("as many texts or pictures as clips, at least one",
                              f"{len(partners)} and {len(sounds)}", "align them")


def _partners(encoder, partners, batch: int) -> np.ndarray:
    """Sentences or pictures → float64 [N, D], by whichever of the two the encoder is asked for."""
    if _are_pictures(partners):
        if not hasattr(encoder, "embed_pictures"):
            raise KlangfarbeError("an encoder of pictures and sounds",
                                  f"{encoder.name}, which sees none", "give sentences")
        return embedders.embed_pictures(encoder, partners, batch=batch)
    texts = list(partners)
    if not hasattr(encoder, "embed_text") or not all(isinstance(t, str) and t.strip()
                                                     for t in texts):
        raise KlangfarbeError("sentences, and an encoder that reads them",
                              f"{encoder.name}, {texts[0]!r:.60}",
                              "give non-empty strings to a text-audio encoder")
    return np.concatenate([embedders.check_vectors(encoder,
                                                   encoder.embed_text(texts[i : i + batch]),
                                                   len(texts[i : i + batch]), encoder.width)
                           for i in range(0, len(texts), batch)])


def _are_pictures(partners) -> bool:
    return isinstance(partners, np.ndarray) and partners.dtype == np.uint8


def _dealt(right, seed: int):
    """The right captions dealt out so that no clip gets its own (or one that reads the same)."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(right))
    for _ in range(200):
        clashes = [i for i in range(len(right)) if _same(right[i], right[order[i]])]
        if not clashes:
            return [right[i] for i in order] if not isinstance(right, np.ndarray) else right[order]
        for i in clashes:
            j = int(rng.integers(len(right)))
            order[[i, j]] = order[[j, i]]
    raise KlangfarbeError("captions of which no one fills half the list",
                          f"{len(right)} too much alike", "give clips of more kinds")


def _same(a, b) -> bool:
    return (a.strip() == b.strip() if isinstance(a, str) and isinstance(b, str)
            else bool(np.array_equal(a, b)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise KlangfarbeError("vectors with a direction", "a vector of zeros",
                              "the encoder's weights are broken: load them again")
    return vectors / lengths


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.clip((_unit(a) * _unit(b)).sum(1), -1.0, 1.0)
