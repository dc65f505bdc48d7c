"""Training of the emotion classifier, ``lib/models/emotion_classifier.py``: which of five words a
painting gets. How the published one was trained is not said; its sequence is read as the 49 cells
of the last stage, the released code's one step is ``sequence="single"``.
Source: Hisariya & Liang §IV.A and Figure 2. Notebook: 11."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch.nn import functional as F

from lib.core import artefacts, provenance
from lib.core.errors import readable
from lib.data import manifest, splits
from lib.data.atelier import TRAIN_SEED, factors, paint, words
from lib.metrics import calibration
from lib.metrics.calibration import EMOTIONS, encode_labels
from lib.models.emotion_classifier import SIDES, EmotionCNN
from lib.pretrained import loading
from lib.signal import images
from lib.systems.bridging.config import FRACTIONS, ClassifierConfig
from lib.training import loop

NOTEBOOK = "11_bridging_classifier"
PAINTINGS_FROM = 200_000  # first index of the classifier's own atelier paintings


def build(config: ClassifierConfig, seed: int = 0) -> EmotionCNN:
    """A fresh network; its residual part has the weights of ``config.initial``, if named."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EmotionCNN(len(EMOTIONS), config.backbone, config.sequence, config.hidden,
                           config.heads, config.dropout, config.width)
    if config.initial:
        part = loading.Part("ResNet50 trained on ImageNet", ("model.safetensors",))
        source = loading.find("residual network", part, config.initial)
        tensors = artefacts.read(source.folder / "model.safetensors")
        with readable("a ResNet50's weights in torchvision's names", source.folder):
            model.backbone.load_state_dict({name: tensor for name, tensor in tensors.items()
                                            if not name.startswith("fc.")})
    return model


def train_step(model, optimiser, pictures, labels, *, bfloat16: bool = False) -> dict[str, float]:
    """One step on pictures [B, 3, H, W] in [−1, 1], labels [B]: ``loss`` (nat), ``accuracy``."""
    with loop.autocast(pictures.device.type, bfloat16):
        cells = model.cells(pictures)  # [B, C, 7, 7]
    logits = model.head(cells)  # [B, 5]
    loss = F.cross_entropy(logits, labels)
    loop.clipped_step(optimiser, loss, max_norm=1.0)
    return {"loss": loss.item(), "accuracy": (logits.argmax(1) == labels).float().mean().item()}


def checkpoint(path: Path | None, model, optimiser, config: ClassifierConfig, pictures: np.ndarray,
               table: pd.DataFrame, seed: int = 0) -> loop.Checkpoint:
    """What a training resumes from; another seed, setting, picture, label or split is another."""
    key = provenance.content_hash(repr((config, seed)).encode(), np.asarray(pictures),
                                  encode_labels(table["emotion"]),
                                  table["split"].to_numpy(str).astype("S"))
    return loop.Checkpoint(path, key, model=model, optimiser=optimiser)


def train(model, config: ClassifierConfig, pictures: np.ndarray, table: pd.DataFrame,
          path: Path | None = None, seed: int = 0) -> list[dict]:
    """Trains on the training rows of pictures uint8 [N, side, side, 3] and their `table`, from its
    checkpoint on: a dict a step, ``step, loss, accuracy`` and, at times, ``validation``."""
    labels, parts = encode_labels(table["emotion"]), table["split"].to_numpy(str)
    rows, held = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                  weight_decay=config.weight_decay)
    saved = checkpoint(path, model, optimiser, config, pictures, table, seed)
    curve, device = saved.load()["curve"], next(model.parameters()).device
    order = itertools.islice(loop.batches(len(rows), config.batch_size,
                                          np.random.default_rng(seed)), len(curve), None)
    for step in loop.progress(config.n_steps, "classifier", len(curve)):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * loop.warmup_cosine(step, config.warm_up,
                                                                    config.n_steps)
        chosen, rng = rows[next(order)], np.random.default_rng([seed, step])
        if config.balanced:
            kinds = rng.choice(np.unique(labels[rows]), len(chosen))
            chosen = np.array([rng.choice(rows[labels[rows] == kind]) for kind in kinds])
        batch = images.to_tensor(pictures[chosen])
        flipped = torch.from_numpy(rng.random(len(chosen)) < 0.5)
        batch[flipped] = batch[flipped].flip(3)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed * 1_000_003 + step)  # of dropout
            model.train()
            result = train_step(model, optimiser, batch.to(device), torch.from_numpy(
                labels[chosen]).to(device), bfloat16=config.bfloat16)
        curve.append({"step": step + 1, **result})
        if (step + 1) % config.every == 0 or step + 1 == config.n_steps:
            curve[-1]["validation"] = calibration.accuracy(labels[held],
                                                           logits(model, pictures[held]))
            saved.save(step + 1, curve)
    model.eval()
    return curve


def predict(model, pictures: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities of the five words: uint8 [N, H, W, 3] of any size → float32 [N, 5]."""
    return softmax(logits(model, pictures).astype(np.float64) / temperature,
                   axis=1).astype(np.float32)


def logits(model, pictures: np.ndarray) -> np.ndarray:
    """What the network gives before the softmax, float32 [N, 5], in evaluation mode."""
    pictures, device = images.squares(pictures, model.side), next(model.parameters()).device
    parts = [np.zeros((0, len(EMOTIONS)), np.float32)]
    model.eval()
    with torch.inference_mode():
        parts += [model(images.to_tensor(pictures[at : at + 64]).to(device)).cpu().numpy()
                  for at in range(0, len(pictures), 64)]
    return np.concatenate(parts)


def atelier_paintings(config: ClassifierConfig, start: int = PAINTINGS_FROM) -> tuple:
    """Atelier paintings uint8 [N, side, side, 3], and their rows with ``split``."""
    indices, side = range(start, start + config.n_paintings), SIDES[config.backbone]
    items = [factors.draw(TRAIN_SEED, index) for index in indices]
    table = manifest.frame({"item_id": item.item_id, "modality": "image", "group_id": item.item_id,
                            "source": "atelier", "genre": item.style, "valence": item.valence,
                            "arousal": item.arousal, "emotion": words.emotion_word(item),
                            "licence": "CC0"} for item in items)
    table["split"] = splits.by_group(table["group_id"], FRACTIONS, TRAIN_SEED)
    painted, _ = paint.pictures(TRAIN_SEED, indices, min(side, paint.MASTER))
    return images.squares(painted, side), table
