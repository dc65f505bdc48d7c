"""System 2, offline: everything that training reads, computed once and stored as memory maps.

    picture ──CLIP──► v [V, D_in]                                       of every view
       └─► emotion word ─► caption ─► directive ──T5, projection──► [L, D] ──n means──► m′ [n, D]         Study II's targets
    sound ──codec──► codes [K, S] ──the music model's own tables, Σ over K──► [S, D] ──n means──► m [n, D]    Study I's targets

Study I's target is "extracted by quantizing an audio clip into its codebook embeddings", 1024 wide.
The codec's own vectors are 128 wide; what is 1024 wide in MusicGen-small are the decoder's tables
of those codes, so their sum over codebooks is what we take.

Source: text 001, §4.2.1, §4.3.2, §5.2, Table 3.1; §5.6 for the other texts.

Known deviations: how a text's states become one vector is not said: here their mean over tokens, or
`n` means over equal stretches · the "emotion classification stage" that §5.6 removes and no other
section describes is read as the word that leads the caption.
Notebook: 21.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import soxr
import torch

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.data import memmaps
from lib.data.atelier import TRAIN_SEED, paint, render
from lib.data.atelier.words import emotion_word
from lib.pretrained.captioner import unled
from lib.signal import images
from lib.signal.audio import SAMPLE_RATE_HZ
from lib.systems.mapping import data

TEXTS = {
    "enriched": "emotion word, caption, directive by the prompt of Table 3.1",
    "caption": "no LLM: emotion word and caption",
    "own": "no enrichment: the music's own description",
    "open": "the other prompt, §5.6",
    "plain": "no emotion word: caption and directive of the picture alone",
}
AUDIO = "audio"  # Study I's target


@dataclass(frozen=True)
class Material:
    """What training reads: N pairs, in the order of ``table``.

    Attributes:
        table: of :func:`lib.systems.mapping.data.merged`. pictures: uint8 [N, H, W, 3]. vectors:
            float32 [N, V, D_in], view 0 the picture itself. sounds: float16 [N, samples] at the
            codec's rate. codes: int16 [N, K, S]. words: N emotion words that lead.
        where: the folder of the memory maps.
    """

    table: "pandas.DataFrame"  # noqa: F821
    pictures: np.ndarray
    vectors: np.ndarray
    sounds: np.ndarray
    codes: np.ndarray
    words: tuple[str, ...]
    where: object


def material(table, pictures: np.ndarray, sound_of, words: Sequence[str], clip, codec,
             config: data.Config, seed: int = 0) -> Material:
    """Vectors, sounds and codes of a table's pairs; what stands already is read.

    Args:
        pictures: uint8 [N, H, W, 3]. sound_of: row number → mono float32 at the codec's rate,
            `clip_seconds` or longer.
        words: an emotion word for each picture. clip: ``foundations.load("image_text")``. codec:
            the music model's.

    Raises:
        KlangfarbeError: not a word for each picture, or a sound that is too short.
    """
    if not len(table) == len(pictures) == len(words):
        raise KlangfarbeError(f"{len(table)} pictures and words",
                              f"{len(pictures)} and {len(words)}", "align them with the table")
    n, n_samples = len(table), round(config.clip_seconds * codec.sample_rate_hz)
    where = memmaps.cache_folder(list(table["pair"]),
                           provenance.content_hash(np.ascontiguousarray(pictures)), clip.sha256,
                           codec.sha256, config, seed)

    def seen(rows):
        made = data.views(pictures[rows], config.n_views, seed * 1_000_003 + rows)
        return clip.embed_pictures(made.reshape(-1,
                                                *made.shape[2:])).reshape(len(rows), config.n_views,
                                                                          -1)

    def heard(rows):
        some = [np.asarray(sound_of(int(row)), np.float32)[:n_samples] for row in rows]
        if short := [int(row) for row, sound in zip(rows, some, strict=True)
                     if len(sound) < n_samples]:
            raise KlangfarbeError(f"sounds of {config.clip_seconds:g} s",
                                  f"row {short[0]} is shorter", "pad it, or set clip_seconds")
        return np.stack(some).astype(np.float16)

    n_steps = -(-n_samples // codec.samples_per_step)
    # pictures and sounds wait for nothing of each other; only the views draw numbers
    with ThreadPoolExecutor(1) as beside:
        looking = beside.submit(memmaps.cached_rows, where, "vectors", n,
                                (config.n_views, clip.width), np.float32, seen)
        sounds = memmaps.cached_rows(where, "sounds", n, (n_samples,), np.float16, heard)
        codes = memmaps.cached_rows(where, "codes", n, (codec.n_codebooks, n_steps), np.int16,
                            lambda rows: codec.encode(sounds[rows].astype(np.float32)[:, None]).cpu().numpy(), workers=2)
        vectors = looking.result()
    return Material(table, pictures, vectors, sounds, codes, tuple(words), where)


def texts(material: Material, kind: str, captioner, describer,
          captions: dict | None = None) -> list[str]:
    """What the music model's text encoder is given for each pair.

    Args:
        kind: out of :data:`TEXTS`. captioner, describer: as ``foundations.load`` gives them.
        captions: an empty dict lent from kind to kind, so that each picture is captioned once with
            its word and once without.

    Raises:
        KlangfarbeError: another kind, or pairs without a text of their own where ``own`` asks for
            it.
    """
    if kind not in TEXTS:
        raise KlangfarbeError(f"a kind of text out of {', '.join(TEXTS)}", repr(kind),
                              "name one of them")
    if kind == "own":
        own = material.table["text"]
        if own.isna().all():
            raise KlangfarbeError("descriptions of the music itself (MeLBench)",
                                  "none in this table", "use another kind of text")
        return list(own.fillna(""))
    captions, led = {} if captions is None else captions, kind != "plain"
    words = list(material.words) if led else [None] * len(material.words)
    if led not in captions:
        captions[led] = captioner.caption(material.pictures, words)
    if kind == "caption":
        return list(captions[led])
    if kind == "plain":
        return _once(captions[led], words, lambda seen,
                     _: describer.describe(seen, prompt="mapping"))
    # the word goes in front, not inside
    seen = [unled(caption, word) for caption, word in zip(captions[led], words, strict=True)]
    prompt = "open" if kind == "open" else "mapping"
    return _once(seen, words, lambda some,
                 leading: describer.describe(some, leading, prompt=prompt))


def written(material: Material, captioner, describer, kinds: Sequence[str] = tuple(TEXTS)):
    """Several kinds of text for every pair: DataFrame ``pair, word`` and a column a kind; each
    picture is captioned twice at most.
    """
    captions: dict = {}
    made = {kind: texts(material, kind, captioner, describer, captions) for kind in kinds}
    return pd.DataFrame({"pair": list(material.table["pair"]), "word": list(material.words),
                         **made})


def _once(seen: list[str], words: list, describe) -> list[str]:
    """Descriptions of captions, each different (caption, word) described once: the likeliest words
    are the same for the same caption.
    """
    asked = list(zip(seen, words, strict=True))
    # of one length together: less padding
    different = sorted(set(asked), key=lambda pair: (len(pair[0]), pair[0], str(pair[1])))
    said = dict(zip(different, describe([caption for caption, _ in different],
                                        [word for _, word in different]), strict=True))
    return [said[pair] for pair in asked]


def text_targets(said: Sequence[str], generator, n_tokens: int = 1) -> np.ndarray:
    """Texts → conditions of the decoder's width, float32 [N, n_tokens, D]: states, projected, then
    averaged; 0 for an empty text.
    """
    made = np.zeros((len(said), n_tokens, generator.width), np.float32)
    full = [row for row, text in enumerate(said) if text.strip()]
    for at in range(0, len(full), 64):
        some = full[at : at + 64]
        states, mask = generator.states([said[row] for row in some])
        made[some] = means(generator.condition(states, mask).cpu().numpy(), mask.cpu().numpy(),
                           n_tokens)
    return made


def audio_targets(codes: np.ndarray, generator, n_tokens: int = 1) -> np.ndarray:
    """Codes int [N, K, S] → float32 [N, n_tokens, D]: the decoder's tables of the codes, summed
    over codebooks, averaged over time.
    """
    tables = generator.network.decoder.model.decoder.embed_tokens
    made = []
    with torch.inference_mode():
        for at in range(0, len(codes), 64):
            some = torch.as_tensor(np.asarray(codes[at : at + 64], np.int64)).to(generator.device)
            summed = sum(table(some[:, k]) for k, table in enumerate(tables))  # [B, S, D]
            made.append(means(summed.float().cpu().numpy(), np.ones(summed.shape[:2], bool),
                              n_tokens))
    return np.concatenate(made)


def means(states: np.ndarray, mask: np.ndarray, n_tokens: int) -> np.ndarray:
    """States [N, L, D], mask [N, L] → [N, n_tokens, D]: each text's own states in `n_tokens` equal
    stretches, a mean of each.

    Stretch k of l states goes from ⌊kl/n⌋ to ⌈(k+1)l/n⌉; with fewer states than stretches
    neighbours repeat. n = 1 is the plain mean.
    """
    if n_tokens < 1 or not mask.any(1).all():
        raise KlangfarbeError("at least 1 stretch, and a state in every row",
                              f"{n_tokens}; {int((~mask.any(1)).sum())} empty rows",
                              "leave empty texts out")
    made = np.empty((len(states), n_tokens, states.shape[2]), np.float32)
    for row, (own, keep) in enumerate(zip(states, mask.astype(bool), strict=True)):
        kept = own[keep]
        for k in range(n_tokens):
            made[row, k] = kept[k * len(kept)
                                // n_tokens : -(-(k + 1) * len(kept) // n_tokens)].mean(0)
    return made


def atelier(config: data.Config, generator, clip, words=None, *, seed: int = 0,
            collection: int | None = None) -> Material:
    """The atelier's :class:`Material`: tables merged, pictures painted, sounds rendered at the
    codec's rate, all stored.

    Args:
        words: function pictures uint8 → N emotion words (a classifier's); ``None``: the paintings'
            own.
    """
    collection = TRAIN_SEED if collection is None else collection
    parts = data.atelier(config, collection)
    table = data.merged(*parts, seed=seed)
    items, pieces = data.items(table["image"]), data.items(table["audio"])
    side = config.image_side
    where = memmaps.cache_folder("pictures", list(table["image"]), side,
                                 provenance.package_hash(paint))
    painted = memmaps.cached_rows(where, "pictures", len(table), (side, side, 3), np.uint8,
                           lambda rows: np.stack([images.square(paint.paint(items[row]), side)
                                                  for row in rows]))
    rate, twice = generator.codec.sample_rate_hz, set(
        table.loc[table["audio"].duplicated(keep=False), "audio"])
    kept: dict[str, np.ndarray] = {}

    def sound_of(row: int) -> np.ndarray:
        piece = pieces[row]
        if piece.item_id in kept:
            return kept[piece.item_id]
        sound = render.sounds(collection, [piece.index], config.clip_seconds)[0][0]
        sound = sound if rate == SAMPLE_RATE_HZ else soxr.resample(sound, SAMPLE_RATE_HZ, rate)
        if piece.item_id in twice:  # it goes with another picture too
            kept[piece.item_id] = sound
        return sound

    painted = np.asarray(painted)
    told = [emotion_word(item) for item in items] if words is None else list(words(painted))
    return material(table, painted, sound_of, told, clip, generator.codec, config, seed)
