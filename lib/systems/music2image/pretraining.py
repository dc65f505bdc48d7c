"""The diffusion model's two bundled miniatures: a painter that never saw a label, and what it
became when it saw them.

    atelier paintings, no labels ──pretrain──► unet_neutral.safetensors ──tune, with (V, A)──► unet.safetensors (+ unet.json)
                                              every picture shown with      notebook 33 does this again, in plain view
                                              the null, never an emotion

Neither is published: the text trains 1,500 epochs on a GPU from scratch. On two cores the neutral
painter lets notebook 33 spend its minutes on what the text is about, the emotion. ``python -m lib
miniature unet`` makes both again (about 25 minutes on one core; a kill costs at most the steps
since the last checkpoint). Nothing here sees TEST_SEED or JUDGE_SEED pictures.
Notebook: 33.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import paint
from lib.systems.music2image import train_diffusion
from lib.training import loop, parallel
from lib.training.parallel import ALONE, Team

SEED = 0
_FOLDER = paths.MINIATURES / train_diffusion.NOTEBOOK
# What is learned without labels: p_null = 1 shows every picture with the null alone.
NEUTRAL = replace(train_diffusion.PROFILES["mini"], start="scratch", p_null=1.0, n_pictures=6_000,
                  batch_size=32, n_steps=6_000, learning_rate=1e-3, warm_up=100, decay=0.0,
                  ema_decay=0.999)
# What the bundled emotional painter is: notebook 33's own fine-tuning, for longer.
TUNED = replace(train_diffusion.PROFILES["mini"], n_pictures=6_000, n_steps=1_200, ema_decay=0.995)


def train(config: train_diffusion.Config, pictures, affect, seed: int, checkpoint: Path, *,
          every: int = 250, team: Team = ALONE):
    """Trains to ``config.n_steps``, going on from `checkpoint` where one is: (Models, loss of every
    step).

    Args:
        pictures: uint8 [N, size, size, 3]; affect: [N, 2] (shown to the network unless
            ``config.p_null`` is 1).
        checkpoint: ``….safetensors``, written every `every` steps.
        team: the processes that share each batch; the first of them writes.

    Raises:
        KlangfarbeError: a batch that the team cannot share equally.
    """
    rows = team.rows(min(config.batch_size, len(pictures)))
    models, optimiser = train_diffusion.build(config, seed, team.device)
    draw = torch.Generator(team.device).manual_seed(seed)
    key = train_diffusion.key(config, seed, pictures, models)
    start, curve = train_diffusion.load_checkpoint(checkpoint, models, optimiser, draw, key)
    steps, shared = train_diffusion.batches(pictures, affect, config, seed,
                                            start), models._replace(
        network=team.joined(models.network))
    for _ in loop.progress(config.n_steps, checkpoint.stem, start):
        step, x_0, va = next(steps)
        curve.append(team.mean(train_diffusion.train_step(shared, optimiser, x_0, va, config, draw,
                                                          step, rows)))
        if team.rank == 0 and ((step + 1) % every == 0 or step + 1 == config.n_steps):
            train_diffusion.save_checkpoint(checkpoint, models, optimiser, draw, step + 1, curve,
                                            key)
    return models, curve


def ahead(profile: str, seed: int = 0) -> int:
    """``python -m lib train``: notebook 33's training done before the notebook runs, by one process
    or by as many as ``torchrun`` starts.

    The checkpoint lies where the notebook looks for its own; it finds all steps done and measures
    at once. Returns the exit code.

    Raises:
        KlangfarbeError: no such profile, or a batch that the processes cannot share equally.
    """
    if profile not in train_diffusion.PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(train_diffusion.PROFILES)}",
                              repr(profile), "name one of them")
    config = train_diffusion.PROFILES[profile]
    with parallel.team() as team:
        if team.size == 1:
            loop.set_threads()
        pictures, affect = paint.pictures(atelier.TRAIN_SEED, range(config.n_pictures), config.size)
        checkpoint = paths.results_dir(profile, train_diffusion.NOTEBOOK) / "training.safetensors"
        _, curve = train(config, pictures, affect, seed, checkpoint, team=team)
        if team.rank == 0:
            print(f"{train_diffusion.NOTEBOOK}: {config.n_steps} steps, {team.size} at a time, loss {curve[0]:.4f} → {curve[-1]:.4f}")
    return 0


def make() -> None:
    """Makes both miniatures, their curves and the table of what they reach, below
    ``data/miniatures/``.
    """
    loop.set_threads()
    pictures, affect = paint.pictures(atelier.TRAIN_SEED, range(NEUTRAL.n_pictures), NEUTRAL.size)
    seen = provenance.content_hash(pictures)
    work = paths.PROCESSED / train_diffusion.NOTEBOOK
    curves = {}
    for name, config in (("unet_neutral", NEUTRAL), ("unet", TUNED)):
        models, curves[name] = train(config, pictures, affect, SEED, work / f"{name}.safetensors")
        bundle(f"{name}.json", asdict(config), seen)
        bundle(f"{name}.safetensors", train_diffusion.weights(models), seen)
    means = {name: [sum(curve[i : i + 100]) / 100 for i in range(0, len(curve) - 99, 100)] for name,
             curve in curves.items()}
    rows = [{"network": name, "step": 100 * (i + 1), "loss": value} for name,
            values in means.items() for i, value in enumerate(values)]
    bundle("curves.csv", pd.DataFrame(rows), seen)


def bundle(name: str, content, seen: str) -> None:
    """Writes one file of the miniature with its provenance beside it."""
    path = artefacts.write(_FOLDER / name, content)
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX),
                    provenance.provenance("mini", SEED, seen))
    print(f"{name}: {path.stat().st_size / 1e6:.2f} MB")
