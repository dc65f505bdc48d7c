"""What the recipes share: the training material, a tokenizer, figures with intervals, writing."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from lib.core import artefacts, paths, provenance
from lib.data import atelier
from lib.data.atelier import paint, render, words
from lib.data.atelier.factors import draw
from lib.metrics import stats
from lib.training import loop

SEED = 0
CLIP_SECONDS = 10.0
N_TEST = 400  # items of TEST_SEED that most figures are measured on
# the language networks' own collection: no other network is trained or tested on it
WORDS_SEED, N_WORDS = 8, 6000


def first_items(seed: int, n: int) -> list:
    """The first n items of a collection."""
    return [draw(seed, index) for index in range(n)]


def texts_of(items: Sequence) -> dict[str, list]:
    """What is said of items: captions, comments, emotion words, descriptions and lists of tags."""
    return {"caption": [words.caption(f) for f in items],
            "comment": [words.comment(f) for f in items],
            "emotion": [words.emotion_word(f) for f in items],
            "description": [words.description(f) for f in items],
            "tags": [words.tags(f) for f in items]}


def computed_of_clips(compute: Callable, name: str, seed: int, n: int):
    """``compute(sounds [n, samples])`` of a collection's first n clips, computed once and kept on
    disk until the renderer or `compute` changes: (array [N, …], hash of the data).
    """
    def part(indices):
        return compute(render.sounds(seed, indices, CLIP_SECONDS)[0])

    sounds, _ = render.sounds(seed, range(2), CLIP_SECONDS)
    first, indices = compute(sounds), range(n)
    key = provenance.content_hash(sounds, first, repr((seed, indices)).encode())
    return _stored(paths.PROCESSED / "listening" / f"{name}-{key}.npy", part, indices, first), key


def painted(seed: int, indices: range, size: int):
    """Pictures uint8 [N, size, size, 3], painted once and kept on disk until the painter changes,
    and their hash.
    """
    def part(indices):
        return paint.pictures(seed, indices, size)[0]

    first = part(indices[:4])
    key = provenance.content_hash(first, repr((seed, indices)).encode())
    return _stored(paths.PROCESSED / "pictures" / f"{size}-{key}.npy", part, indices, first), key


def _stored(path: Path, part: Callable, indices: range, first: np.ndarray, chunk: int = 50):
    if not path.is_file():
        made = np.zeros((len(indices), *first.shape[1:]), first.dtype)
        for at in loop.progress(-(-len(indices) // chunk), path.stem):
            made[at * chunk : (at + 1) * chunk] = part(indices[at * chunk : (at + 1) * chunk])
        artefacts.write(path, made)
    return np.load(path, mmap_mode="r", allow_pickle=False)


SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def train_tokenizer(texts: Iterable[str], size: int, positions: int, template: str,
                    special: Sequence[str] = tuple(SPECIAL.values()), lowercase: bool = False,
                    **settings) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on `texts`: any text can be written with it.

    Args:
        size: tokens in all, the `special` ones first. positions: of the longest text. template:
            where the special tokens go, ``$A`` being the text: ``"<s> $A </s>"``.
        settings: further ones of the tokenizer.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    if lowercase:
        texts = [text.lower() for text in texts]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    used = [(token, k) for k, token in enumerate(special) if token in template.split()]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=used)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL,
                                   model_max_length=positions, **settings)


def contrastive_loss(logits: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Symmetric cross-entropy of a square of similarities whose diagonal holds the partners, and
    the curve's entries: the loss and the share of rows whose partner comes first.

    Source: Radford et al. (2021), figure 3.
    """
    partner = torch.arange(len(logits))
    loss = (torch.nn.functional.cross_entropy(logits, partner)
            + torch.nn.functional.cross_entropy(logits.T, partner)) / 2
    found = (logits.argmax(1) == partner).float().mean().item()
    return loss, {"loss": loss.item(), "found": found}


def halved(model) -> dict:
    """A network's tensors in half precision, as they are bundled."""
    return {name: t.half() if t.is_floating_point() else t
            for name, t in model.state_dict().items()}


def write(folder: Path | str, contents: dict, data_hash: str, parts: Iterable = ()) -> None:
    """Writes a bundled checkpoint, each file with its provenance beside it.

    Args:
        folder: or its name below ``data/miniatures``. contents: file name → what
            :func:`lib.core.artefacts.write` takes. parts: each with ``save_pretrained``.
    """
    folder = paths.MINIATURES / folder
    for part in parts:
        part.save_pretrained(folder)
    for file, content in contents.items():
        artefacts.write(folder / file, content)
    files = set(contents)
    if parts:
        files |= {path.name for path in folder.iterdir() if path.suffix in (".json", ".safetensors")
                  and not path.name.endswith(artefacts.PROVENANCE_SUFFIX)}
    for file in sorted(files):
        path = folder / file
        path.chmod(0o644)
        artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX),
                        provenance.provenance("mini", SEED, data_hash))
        print(f"{folder.name}/{file}: {path.stat().st_size / 1e6:.2f} MB")


def curve_means(curve: list[dict], every: int = 50) -> pd.DataFrame:
    """A curve as a table of means of `every` steps."""
    table = pd.DataFrame(curve)
    means = table.groupby((table["step"] - 1) // every).mean()
    return means.assign(step=lambda t: (t.index + 1) * every)


def share(right) -> dict:
    """A share, its 95 % interval (Wilson's) and n."""
    right = np.asarray(right)
    interval = binomtest(int(np.count_nonzero(right > 0.5)),
                         len(right)).proportion_ci(method="wilson")
    return {"value": float(np.mean(right)), "low": interval.low, "high": interval.high,
            "n": len(right)}


def mean(values) -> dict:
    """A mean, its 95 % interval and n: Wilson's of single answers, else the bootstrap's."""
    values = np.asarray(values, np.float64)
    if np.isin(values, (0, 1)).all():
        return share(values)
    low, high = stats.bootstrap(np.mean, values)
    return {"value": values.mean(), "low": low, "high": high, "n": len(values)}


def emotion_alone(cosines: Callable, points: np.ndarray, first_index: int) -> list[dict]:
    """How often a text finds its partner where nothing but the emotion differs: one scene or piece
    at several points of the affect plane.

    Args:
        cosines: items → similarities [texts, partners]. points: [scenes, versions, 2] of valence
            and arousal. first_index: of the first scene, of ``TEST_SEED``.

    Returns:
        Two rows: the partner first of all versions; nearer than the next version's.
    """
    versions, first, nearer = points.shape[1], [], []
    for index, scene in enumerate(points, start=first_index):
        cosine = cosines([draw(atelier.TEST_SEED, index, valence=v, arousal=a) for v, a in scene])
        first.append((cosine.argmax(1) == np.arange(versions)).mean())
        nearer.append((np.diagonal(cosine) > np.diagonal(np.roll(cosine, -1, axis=1))).mean())
    return [{"measure": f"emotion_alone_r_at_1_of_{versions}", **mean(np.array(first)),
             "null": 1 / versions},
            {"measure": "emotion_alone_of_2", **mean(np.array(nearer)), "null": 0.5}]
