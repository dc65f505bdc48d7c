"""What the recipes share: material, a tokenizer, losses, figures with intervals, writing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tokenizers
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerFast

from lib.core import artefacts, paths, provenance
from lib.data import memmaps
from lib.data.atelier import TEST_SEED, paint, render, words
from lib.data.atelier.factors import draw
from lib.metrics import embedders, stats

SEED = 0
CLIP_SECONDS = 10.0
N_TEST = 400  # items of TEST_SEED that most figures are measured on
WORDS_SEED, N_WORDS = 8, 6000  # the language networks' own collection
AMONG = 100  # candidates that a retrieval figure searches
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # RoBERTa's order


@dataclass(frozen=True)
class Steps:
    """How long a network was trained; ours, as all settings of the recipes are."""
    n_steps: int
    batch_size: int
    learning_rate: float


def first_items(seed: int, n: int) -> list:
    """The first n items of a collection."""
    return [draw(seed, index) for index in range(n)]


def texts_of(items: Sequence) -> dict[str, list]:
    """Captions, comments, emotion words, descriptions and lists of tags of items."""
    kinds = {"caption": words.caption, "comment": words.comment, "emotion": words.emotion_word,
             "description": words.description, "tags": words.tags}
    return {kind: [text_of(f) for f in items] for kind, text_of in kinds.items()}


def computed_of_clips(compute: Callable, name: str, seed: int, n: int):
    """``compute(sounds [n, samples])`` of the first n clips, kept on disk: [n, …], their hash."""
    def part(indices):
        return compute(render.sounds(seed, indices, CLIP_SECONDS)[0])
    sounds, _ = render.sounds(seed, range(2), CLIP_SECONDS)
    return _kept(name, part, seed, range(n), sounds, compute(sounds))


def painted(seed: int, indices: range, size: int):
    """Pictures uint8 [N, size, size, 3], kept on disk until the painter changes; their hash."""
    def part(indices):
        return paint.pictures(seed, indices, size)[0]
    return _kept("pictures", part, seed, indices, part(indices[:4]))


def _kept(name: str, part: Callable, seed: int, indices: range, *first: np.ndarray):
    key = provenance.content_hash(*first, repr((seed, indices)).encode())
    return memmaps.cached_rows(memmaps.cache_folder(key), name, len(indices), first[-1].shape[1:],
                               first[-1].dtype, lambda rows: part([indices[row] for row in rows]),
                               chunk=50), key


def train_tokenizer(texts: Iterable[str], size: int, *, positions: int, template: str,
                    special: Sequence[str] = tuple(SPECIAL.values()), lowercase: bool = False,
                    **settings) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `size` tokens, special ones as in the `template`."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((text.lower() if lowercase else text for text in texts), trainer)
    if lowercase:
        tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single=template, special_tokens=[(token, k) for k, token in enumerate(special)
                                         if token in template.split()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL,
                                   model_max_length=positions, **settings)


def crops(rng: np.random.Generator, array: np.ndarray, rows: np.ndarray, length: int) -> np.ndarray:
    """Stretches [B, …, length] of an array's rows [N, …, T], each from a place of its own."""
    starts = rng.integers(0, array.shape[-1] - length + 1, len(rows))
    return np.stack([array[row, ..., start : start + length]
                     for row, start in zip(rows, starts, strict=True)])


def contrastive_loss(logits: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Symmetric cross-entropy of similarities [B, B].  Source: Radford et al. (2021), figure 3."""
    partner = torch.arange(len(logits))
    loss = (cross_entropy(logits, partner) + cross_entropy(logits.T, partner)) / 2
    found = (logits.argmax(1) == partner).float().mean().item()
    return loss, {"loss": loss.item(), "found": found}


def token_loss(output, labels: torch.Tensor, shift: int = 0) -> tuple[torch.Tensor, dict]:
    """A language network's loss, its logits `shift` places before the labels; the curve's entry."""
    labels = labels[:, shift:]
    right = (output.logits[:, : labels.shape[1]].argmax(-1) == labels)[labels >= 0].float().mean()
    return output.loss, {"loss": output.loss.item(), "right": right.item()}


def run(name: str, key: str) -> dict:
    """What a recipe's training is resumed by: where it is kept, its seed, its data's hash."""
    return {"checkpoint": paths.PROCESSED / "recipes" / f"{name}.safetensors", "seed": SEED,
            "key": key}


def write(folder: Path | str, contents: dict, data_hash: str, parts: Iterable = ()) -> None:
    """Writes files (a list is a curve) and what has ``save_pretrained``, each with provenance."""
    folder, files = paths.MINIATURES / folder, set(contents)
    for part in parts:
        part.save_pretrained(folder)
    for file, content in contents.items():
        artefacts.write(folder / file,
                        curve_means(content) if isinstance(content, list) else content)
    if parts:
        files |= {path.name for path in folder.iterdir() if path.suffix in (".json", ".safetensors")
                  and not path.name.endswith(artefacts.PROVENANCE_SUFFIX)}
    for file in sorted(files):
        path = folder / file
        path.chmod(0o644)
        artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX),
                        provenance.provenance("mini", SEED, data_hash))
        print(f"{folder.name}/{file}: {path.stat().st_size / 1e6:.2f} MB")


def curve_means(curve: list[dict], every: int = 50):
    """A curve as a table of means of `every` steps."""
    table = pd.DataFrame(curve)
    ends = ((table["step"] - 1) // every + 1) * every
    return table.assign(step=ends).groupby("step", as_index=False).mean()


def share(right) -> dict:
    """A share of answers 0 and 1, its 95 % interval (Wilson's) and n."""
    _, low, high = stats.proportion(np.asarray(right) > 0.5)
    return {"value": float(np.mean(right)), "low": low, "high": high, "n": len(right)}


def estimate(statistic: Callable, *arrays: np.ndarray) -> dict:
    """A statistic of arrays that are resampled alike, its 95 % interval (bootstrap) and n."""
    low, high = stats.bootstrap(statistic, *arrays)
    return {"value": statistic(*arrays), "low": low, "high": high, "n": len(arrays[0])}


def retrieved(queries: np.ndarray, targets: np.ndarray, what: str = "", ks=(1, 10)) -> list[dict]:
    """How often a query's own target is among the first k of each hundred, a row for each k."""
    ranks = pd.concat([embedders.ranks(queries[at : at + AMONG], targets[at : at + AMONG])
                       for at in range(0, len(queries), AMONG)])
    return [{"measure": f"{what}r_at_{k}_of_{AMONG}", **share(ranks[f"r_at_{k}"]),
             "null": k / AMONG} for k in ks]


def emotion_alone(cosines: Callable, points: np.ndarray) -> list[dict]:
    """How often texts find their partners where affect alone differs: [scenes, versions, 2]."""
    versions, first = points.shape[1], []
    for index, scene in enumerate(points, start=N_TEST):
        cosine = cosines([draw(TEST_SEED, index, valence=v, arousal=a) for v, a in scene])
        first.append((cosine.argmax(1) == np.arange(versions)).mean())
    return [{"measure": f"emotion_alone_r_at_1_of_{versions}", "null": 1 / versions,
             **estimate(np.mean, np.array(first))}]
