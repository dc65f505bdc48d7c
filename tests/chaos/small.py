"""A clone with two notebooks of its own, seconds each: one writes much, the other keeps workers and
trains with checkpoints.
"""

import shutil

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

import chaos
from lib.core import paths

STEPS = """

STEPS = {"10_first": Step("one.npy table"), "11_second": Step("two.safetensors curve", needs="10")}
"""
FIRST = """
import numpy as np
import pandas as pd
from lib.core import artefacts
for k in range(60):
    rows = np.random.default_rng(k).normal(size=(k * 4_000, 8))
    artefacts.save(rows, '10_first', PROFILE, 'one.npy', seed=0)
artefacts.save(pd.DataFrame(rows[:9]), '10_first', PROFILE, 'table.csv', seed=0)
"""
SECOND = """
from dataclasses import dataclass
import joblib
import numpy as np
import pandas as pd
import torch
from lib.core import artefacts, paths
from lib.training import loop
rows = artefacts.load('10_first', PROFILE, 'one.npy')
joblib.Parallel(2)(joblib.delayed(np.square)(part) for part in np.array_split(rows, 4))
@dataclass(frozen=True)
class Config:
    n_steps: int = 120
    learning_rate: float = 1e-3
torch.manual_seed(0)
network = torch.nn.Linear(8, 60_000)
def loss_of(rng):
    drawn = torch.from_numpy(rows[rng.integers(0, len(rows), 4)]).float()
    loss = (network(drawn) - 1).square().mean()
    return loss, {'loss': float(loss)}
"""
TRAIN = """
checkpoint = paths.PROCESSED / 'chaos' / 'two.safetensors'
curve = loop.fit(network, loss_of, Config(), checkpoint, every=10)
artefacts.save(network.state_dict(), '11_second', PROFILE, 'two.safetensors', seed=0)
artefacts.save(pd.DataFrame(curve), '11_second', PROFILE, 'curve.csv', seed=0)
"""


def notebook(path, *cells):
    parameters = new_code_cell('PROFILE = "mini"', metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[parameters, *map(new_code_cell, cells)],
                                metadata={"kernelspec": kernel}), path)


def small_project(root):
    """A clone with two notebooks of its own."""
    shutil.copytree(paths.ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.ROOT / "Snakefile", root)
    with open(root / "lib/workbook/graph.py", "a", encoding="utf-8") as file:
        file.write(STEPS)
    for folder in ("notebooks", "data"):
        (root / folder).mkdir()
    for table in ("claims.csv", "published.csv"):
        shutil.copy(paths.ROOT / "data" / table, root / "data")
    notebook(root / "notebooks/10_first.ipynb", FIRST)
    notebook(root / "notebooks/11_second.ipynb", SECOND, TRAIN)
    return chaos.Project(root, ["10", "11"])
