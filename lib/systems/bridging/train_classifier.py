"""System 1, stage A: which of five emotion words a painting gets.

    paintings uint8 [N, H, W, 3] ──square, resize──► [N, side, side, 3] ──EmotionCNN──► logits [N, 5] ──÷ temperature, softmax──► [N, 5]
                                                      residual network → 49 steps → 2 × BiGRU →
                                                      attention → dropout → linear

Source: text 000, "Bridging Paintings and Music", §III.A, Figure 2; Guo et al. (2017) for
calibration and its temperature.

Known deviations: the text gives neither widths nor how the classifier was trained; `hidden`,
`heads`, `dropout`, rates and steps are ours · the published sequence is read as the 49 cells of the
last stage; the released code's one step is ``sequence="single"`` · the published set is one
person's choice of 1,200 paintings; ours is the atelier, or WikiArt-Emotions by a stated rule
(:mod:`.labels`) · below the gpu profile a small residual network, trained from nothing, stands for
the pretrained ResNet50.
Notebook: 11.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch.nn import functional as F

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.data import manifest, splits
from lib.data.atelier import TRAIN_SEED, paint, words
from lib.data.atelier.factors import draw
from lib.metrics import calibration
from lib.metrics.calibration import EMOTIONS, confusion, encode_labels, evaluate
from lib.models.emotion_classifier import SIDES, EmotionCNN
from lib.pretrained import sources
from lib.signal import images
from lib.training import loop

__all__ = ["EMOTIONS", "PROFILES", "Config", "atelier", "build", "confusion", "encode_labels",
           "evaluate", "fit_temperature", "load", "logits", "predict", "settings", "train",
           "train_step", "weights"]

NOTEBOOK = "11_bridging_classifier"
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
# the atelier's items from here on are the classifier's own: no pair's painting is among them
PAINTINGS_FROM = 200_000


@dataclass(frozen=True)
class Config:
    """Network and training; the defaults are the published form, with our numbers where the text
    has none.

    Attributes:
        backbone, sequence, hidden, heads, dropout, width: see
            :class:`lib.models.emotion_classifier.EmotionCNN`.
        initial: a folder or hub name with ``model.safetensors`` in torchvision's names for the
            residual network; ``""``: none.
        n_paintings: of the atelier; real paintings are as many as there are.
        n_steps, batch_size, learning_rate, weight_decay: of AdamW, with a linear warm-up over
            `warm_up` steps and a cosine fall.
        smoothing: of the labels. mirrored: half of the pictures are. brief: the residual network in
            bfloat16 while training.
        balanced: every class is drawn equally often, however rare it is. every: steps between
            checkpoints and looks at validation.
    """

    backbone: str = "resnet50"
    sequence: str = "grid"
    hidden: int = 256
    heads: int = 8
    dropout: float = 0.5
    width: int = 24
    initial: str = "timm/resnet50.tv_in1k"
    n_paintings: int = 1200
    n_steps: int = 900
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warm_up: int = 50
    smoothing: float = 0.0
    mirrored: bool = True
    brief: bool = False
    balanced: bool = False
    every: int = 100


_SMALL = {"backbone": "small", "initial": "", "heads": 4, "dropout": 0.3, "learning_rate": 2e-3,
          "brief": True}
PROFILES = {
    "smoke": Config(**_SMALL | {"hidden": 16, "width": 8, "n_paintings": 100, "n_steps": 12,
                                "warm_up": 4, "every": 6}),
    "mini": Config(**_SMALL | {"hidden": 32, "n_paintings": 2000, "n_steps": 400}),
    "gpu": Config(initial="", n_paintings=20_000, batch_size=64, n_steps=6000, learning_rate=3e-4,
                  brief=True, every=1000),
    "paper": Config(),
}


def build(config: Config, seed: int = 0):
    """A fresh :class:`EmotionCNN`, the same for the same seed, its residual network from
    ``config.initial`` where one is named.

    Raises:
        KlangfarbeError: `initial` cannot be had, or holds another network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EmotionCNN(len(EMOTIONS), config.backbone, config.sequence, config.hidden,
                           config.heads, config.dropout, config.width)
    if config.initial:
        _begin_with(model.backbone, config.initial)
    return model


def train_step(model, optimiser, pictures, labels, *, smoothing: float = 0.0,
               brief: bool = False) -> dict[str, float]:
    """One step of AdamW on the cross-entropy.

    Args:
        pictures: float [B, 3, side, side] in [−1, 1]. labels: int64 [B], places in
            :data:`EMOTIONS`.
        brief: the residual network in bfloat16 where the processor has it and autocast sees no harm
            in it; what follows is in full.

    Returns:
        ``loss`` (nat) and ``accuracy`` of this batch before the step.

    Raises:
        KlangfarbeError: a loss that is not finite.
    """
    with loop.autocast(pictures.device.type, brief):
        # [B, C, 7, 7]
        cells = model.cells(pictures)
    logits = model.head(cells)                                                            # [B, 5]
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    if not torch.isfinite(loss):
        raise KlangfarbeError("a finite loss", f"{loss.item()}", "lower the learning rate, or look for pictures that are not in [−1, 1]")
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return {"loss": loss.item(), "accuracy": (logits.argmax(1) == labels).float().mean().item()}


def train(model, config: Config, pictures: np.ndarray, table, checkpoint: Path | None = None,
          seed: int = 0) -> list[dict]:
    """Trains on the rows of ``train`` and looks at those of ``validation``; killed, it goes on
    where the last checkpoint stands.

    Args:
        pictures: uint8 [N, side, side, 3]. table: their rows, with ``emotion`` and ``split``.
        checkpoint: ``….safetensors``; ``None``: none is kept. One of another config, seed or data
            is left alone.

    Returns:
        The curve: a dict a step, ``step, loss, accuracy`` and, every ``config.every`` steps,
            ``validation``, the accuracy there.
    """
    labels, parts = encode_labels(table["emotion"]), table["split"].to_numpy(str)
    rows, held = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")
    if not len(rows) or not len(held):
        raise KlangfarbeError("rows of train and of validation", f"{len(rows)} and {len(held)}",
                              "deal them out with splits.by_group")
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                  weight_decay=config.weight_decay)
    key = provenance.content_hash(repr((config, seed)).encode(), np.asarray(pictures), labels,
                                  parts.astype("S"))
    start, curve = (0, []) if checkpoint is None else _resumed(checkpoint, model, optimiser, key)
    order, device = loop.batches(len(rows), config.batch_size,
                                 np.random.default_rng(seed)), next(model.parameters()).device
    for _ in range(start):
        next(order)
    for step in loop.progress(config.n_steps, "classifier", start):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * share(step, config)
        chosen, rng = rows[next(order)], np.random.default_rng([seed, step])
        if config.balanced:
            kinds = rng.choice(np.unique(labels[rows]), len(chosen))
            chosen = np.array([rng.choice(rows[labels[rows] == kind]) for kind in kinds])
        seen = images.to_tensor(pictures[chosen])
        if config.mirrored:
            flipped = torch.from_numpy(rng.random(len(chosen)) < 0.5)
            seen[flipped] = seen[flipped].flip(3)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed * 1_000_003 + step)  # dropout's draw hangs on the step alone
            model.train()
            told = train_step(model, optimiser, seen.to(device),
                              torch.from_numpy(labels[chosen]).to(device),
                              smoothing=config.smoothing, brief=config.brief)
        curve.append({"step": step + 1, **told})
        if (step + 1) % config.every == 0 or step + 1 == config.n_steps:
            curve[-1]["validation"] = float((logits(model, pictures[held]).argmax(1)
                                             == labels[held]).mean())
            if checkpoint is not None:
                tensors = {f"model.{name}": t for name,
                           t in model.state_dict().items()} | loop.flat_optimizer(optimiser)
                loop.save_checkpoint(checkpoint, tensors,
                                     {"step": step + 1, "curve": curve, "key": key})
    model.eval()
    return curve


def share(step: int, config: Config) -> float:
    """Share of the learning rate at a step (0 …): :func:`lib.training.loop.share_of_rate` with the
    config's numbers.
    """
    return loop.warmup_cosine(step, config.warm_up, config.n_steps)


def predict(model, pictures: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities of the five words, float32 [N, 5] in the order of :data:`EMOTIONS`; each row
    sums to 1.

    Args:
        pictures: uint8 [N, H, W, 3]; of another size than the model's they are cut square and
            resized.
        temperature: of :func:`fit_temperature`; 1: the network's own confidence.
    """
    return softmax(logits(model, pictures).astype(np.float64) / temperature,
                   axis=1).astype(np.float32)


def logits(model, pictures: np.ndarray, batch: int = 64) -> np.ndarray:
    """What the network says before the softmax, float32 [N, 5], in evaluation mode."""
    pictures = images.squares(pictures, model.side)
    where = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        parts = [model(images.to_tensor(pictures[at : at + batch]).to(where)).cpu().numpy()
                 for at in range(0, len(pictures), batch)]
    found = np.concatenate(parts) if parts else np.zeros((0, len(EMOTIONS)), np.float32)
    if not np.isfinite(found).all():
        raise KlangfarbeError("finite logits", "NaN or infinity",
                              "the weights are damaged: train or fetch them again")
    return found


def fit_temperature(model, pictures: np.ndarray, table) -> float:
    """The temperature that makes the validation rows likeliest; the choice of rows is not the
    caller's, so it cannot be the test's.

    Args:
        pictures, table: as for :func:`train`; only rows with ``split == "validation"`` are looked
            at.

    Raises:
        KlangfarbeError: no such rows.

    Source: Guo et al. (2017), §4.2.
    """
    held = np.flatnonzero(table["split"].to_numpy(str) == "validation")
    if not len(held):
        raise KlangfarbeError("rows of validation", "none",
                              "deal the paintings out with splits.by_group")
    return calibration.fit_temperature(logits(model, pictures[held]),
                                   encode_labels(table["emotion"].iloc[held]))


def atelier(config: Config, collection: int | None = None, start: int | None = None) -> tuple:
    """Atelier paintings and their table: (uint8 [N, side, side, 3], DataFrame in the manifest's
    columns, `split` by painting).

    Args:
        collection: seed of the items; ``None``: ``TRAIN_SEED``. start: index of the first;
            ``None``: :data:`PAINTINGS_FROM`.
    """
    collection, start = (TRAIN_SEED if collection is None else collection,
                         PAINTINGS_FROM if start is None else start)
    items = [draw(collection, index) for index in range(start, start + config.n_paintings)]
    table = manifest.frame({"item_id": f.item_id, "modality": "image", "group_id": f.item_id,
                            "source": "atelier", "genre": f.style, "valence": f.valence,
                            "arousal": f.arousal, "emotion": words.emotion_word(f),
                            "licence": "CC0"} for f in items)
    table["split"] = splits.by_group(table["group_id"], FRACTIONS, collection)
    side = SIDES[config.backbone]
    painted = paint.pictures(collection, range(start, start + config.n_paintings),
                             min(side, paint.MASTER))[0]
    return images.squares(painted, side), table


def weights(model) -> dict:
    """The network's tensors in half precision (counters as they are), for ``artefacts.save(…,
    "classifier.safetensors")``.
    """
    return {name: t.half() if t.is_floating_point() else t for name,
            t in model.state_dict().items()}


def settings(config: Config, temperature: float = 1.0) -> dict:
    """What ``classifier.json`` holds beside the weights."""
    return asdict(config) | {"temperature": temperature}


def load(profile: str) -> tuple:
    """The trained classifier of a profile (notebook 11's result, else the bundled one): (model,
    config, temperature).
    """
    stored = artefacts.load(NOTEBOOK, profile, "classifier.json")
    temperature = stored.pop("temperature")
    config = Config(**stored | {"initial": ""})
    model = build(config)
    model.load_state_dict(artefacts.load(NOTEBOOK, profile, "classifier.safetensors"))
    return model.eval(), config, temperature


def _resumed(checkpoint: Path, model, optimiser, key: str) -> tuple[int, list[dict]]:
    found = loop.load_checkpoint(checkpoint)
    if found is None or found[1]["key"] != key:
        return 0, []
    tensors, state = found
    model.load_state_dict({name[6:]: t for name, t in tensors.items() if name.startswith("model.")})
    loop.restore_optimizer(optimiser, tensors)
    return state["step"], state["curve"]


def _begin_with(backbone, initial: str) -> None:
    """Puts published weights into a residual network; the classes of the file's own head are left
    out.
    """
    part = sources.Part("ResNet50 trained on ImageNet", "", ("model.safetensors",), {})
    found = sources.find("residual network", part, initial)
    held = {name: t for name, t in artefacts.read(found.folder / "model.safetensors").items()
            if not name.startswith("fc.")}
    wanted = backbone.state_dict()
    lacking = [name for name in wanted
               if name not in held and not name.endswith("num_batches_tracked")]
    unfit = [name for name in held if name not in wanted or held[name].shape != wanted[name].shape]
    if lacking or unfit:
        raise KlangfarbeError("a residual network's weights in torchvision's names",
                              f"{found.name}: {len(lacking)} lacking, {len(unfit)} "
                              f"that do not fit, e.g. {(lacking + unfit)[0]}",
                              "give torchvision's ResNet50 as model.safetensors")
    backbone.load_state_dict(held, strict=False)
