"""Artefacts and checkpoints: atomic under every way of dying, stamped with their provenance, never
pickled.
"""

import ast
import json
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib.core import artefacts, paths, profiles
from lib.core.errors import KlangfarbeError

PICTURE = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
TABLE = pd.DataFrame(np.random.default_rng(0).random((300, 100)),
                     columns=[f"c{i}" for i in range(100)])


def contents():
    import torch
    from sklearn.kernel_ridge import KernelRidge

    values = TABLE.to_numpy()
    # a model that stays large when compressed
    targets = np.random.default_rng(1).standard_normal((len(values), 900))
    return {
        "a.safetensors": {"weight": torch.tensor(values)}, "a.parquet": TABLE, "a.csv": TABLE,
        "a.npy": values,
        "a.json": values.tolist(), "a.skops": KernelRidge().fit(values, targets),
        "a.png": PICTURE, "a.jpg": PICTURE,
        "a.txt": "words " * 20_000, "a.html": "<p>" * 20_000, "a.md": "# " * 20_000,
    }  # fmt: skip


NAMES = ["a.safetensors", "a.parquet", "a.csv", "a.npy", "a.json", "a.skops", "a.png", "a.jpg",
         "a.txt", "a.html", "a.md"]


# --- round trip -----------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path):
    import torch

    made = contents()
    back = {name: artefacts.read(artefacts.write(tmp_path / name, made[name]))
            for name in NAMES[:6]}
    assert torch.equal(back["a.safetensors"]["weight"], made["a.safetensors"]["weight"])
    pd.testing.assert_frame_equal(back["a.parquet"], TABLE)
    assert np.allclose(back["a.csv"], TABLE, rtol=1e-5)
    assert np.array_equal(back["a.npy"],
                          TABLE.to_numpy()) and back["a.json"] == TABLE.to_numpy().tolist()
    assert np.array_equal(back["a.skops"].dual_coef_, made["a.skops"].dual_coef_)


def test_a_suffix_without_a_form_is_refused(tmp_path):
    for act in (lambda: artefacts.write(tmp_path / "a.pkl", {}),
                lambda: artefacts.read(_touch(tmp_path / "a.pkl"))):
        with pytest.raises(KlangfarbeError, match="suffix"):
            act()
    assert [p.name for p in tmp_path.iterdir()] == ["a.pkl"]


def _touch(path):
    path.write_bytes(b"x")
    return path


# --- dying while writing


@pytest.mark.skipif(sys.platform == "win32",
                    reason="needs a limit on the size of files, which Windows has not")
@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_fills_up_midway_costs_nothing_made_before(name, tmp_path):
    import resource

    content = contents()[name]
    target = tmp_path / name
    target.write_bytes(b"made before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # every write beyond 4 kB now fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(KlangfarbeError) as error:
            artefacts.write(target, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert str(error.value).startswith(f"expected to write {target}; got ") and "untouched" in str(
        error.value)
    assert target.read_bytes() == b"made before" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("end", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file_and_no_rubbish(end, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("made before")
    with pytest.raises(end), artefacts.atomic(target) as temporary:
        temporary.write_text("half of it")
        raise end
    assert target.read_text() == "made before" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("made before")
    script = (f"import os\nfrom pathlib import Path\nfrom lib.core import artefacts\n"
              f"with artefacts.atomic(Path({str(target)!r})) as t:\n    t.write_text('half')\n    "
              f"os._exit(9)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert target.read_text() == "made before"
    artefacts.write(target, "made after")
    assert target.read_text() == "made after"


def test_a_folder_that_cannot_be_made_gives_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KlangfarbeError, match="expected to write"):
        artefacts.write(tmp_path / "file" / "a.txt", "x")


# --- provenance -----------------------------------------------------------------------------------


def test_every_artefact_says_where_it_came_from(own_results):
    path = artefacts.save({"answer": 1}, "99_probe", "smoke", "a.json", seed=7, data_hash="abc")
    stamp = json.loads(path.with_name("a.json.provenance.json").read_text())
    assert set(stamp) == {"profile", "seed", "git_commit", "data_hash", "versions", "machine",
                          "made_utc"}
    assert (stamp["profile"], stamp["seed"], stamp["data_hash"]) == ("smoke", 7, "abc")
    assert re.fullmatch(r"[0-9a-f]{12}\+?|unknown", stamp["git_commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp["made_utc"])
    assert {"python", "numpy", "torch", "librosa", "scikit-learn"} <= set(stamp["versions"])
    assert str(paths.ROOT) not in json.dumps(stamp), "a stamp names no folder of this machine"


def test_the_profiles_own_result_comes_before_the_miniature_and_it_says_which(own_results,
                                                                              monkeypatch, capsys):
    monkeypatch.setattr(paths, "MINIATURES", own_results / "miniatures")
    artefacts.write(paths.MINIATURES / "99_probe" / "a.json", "bundled")
    assert artefacts.load("99_probe", "mini",
                          "a.json") == "bundled" and "bundled miniature" in capsys.readouterr().out
    artefacts.save("own", "99_probe", "mini", "a.json", seed=0)
    assert (artefacts.load("99_probe", "mini", "a.json") == "own"
            and "made by notebook 99 at mini" in capsys.readouterr().out)
    assert artefacts.load("99_probe", "gpu", "a.json") == "bundled"


@pytest.mark.parametrize("word", ["", "Mini", "fast"])
def test_an_unknown_profile_is_refused(word, monkeypatch):
    monkeypatch.delenv(profiles.PROFILE_VARIABLE, raising=False)
    with pytest.raises(KlangfarbeError, match="smoke, mini, gpu, paper"):
        profiles.active(word)


# --- nothing is unpickled

PICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal"}
PICKLING_CALLS = {(m, f) for m in ("torch", "joblib", "pd", "pandas")
                  for f in ("load", "save", "dump", "read_pickle")}
CONVERTERS = ("pretrained/audioset.py", "pretrained/packages.py",
              "systems/art2music/checkpoints.py")
ARRAY_CALLS = ("np.load", "numpy.load", "np.save", "numpy.save")
CAUGHT = ["import pickle", "from joblib import load", "import torch\ntorch.load('x')", "np.load(f)",
          "np.load(f, allow_pickle=True)",
          "frame.to_pickle('x')", "import joblib\njoblib.dump(x, 'y')"]  # fmt: skip


def pickling(tree):
    """What in a module could read or write a pickle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.split(".")[0] in PICKLERS)
        elif isinstance(node, ast.ImportFrom) and node.module:
            root = node.module.split(".")[0]
            yield from (f"from {node.module} import {a.name}" for a in node.names
                        if root in PICKLERS or (root, a.name) in PICKLING_CALLS)
        elif isinstance(node, ast.Attribute):
            if (isinstance(node.value, ast.Name) and (node.value.id, node.attr) in PICKLING_CALLS
                    or node.attr == "to_pickle"):
                yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield "allow_pickle"
        elif isinstance(node,
                        ast.Call) and ast.unparse(
            node.func) in ARRAY_CALLS and "allow_pickle" not in {k.arg for k in node.keywords}:
            yield f"{ast.unparse(node.func)} without allow_pickle=False"


@pytest.mark.parametrize("file", sorted((paths.ROOT / "lib").rglob("*.py")),
                         ids=lambda p: str(p.relative_to(paths.ROOT)))
def test_no_module_pickles(file):
    code = file.read_text(encoding="utf-8")
    found = list(pickling(ast.parse(code)))
    # a publisher's file, its tensors alone, converted once with its hash checked or printed
    if file.relative_to(paths.ROOT / "lib").as_posix() in CONVERTERS:
        assert found.pop() == "torch.load" and code.count("torch.load(") == 1
        assert "weights_only=True" in code and "sha256" in code
    assert not found


@pytest.mark.parametrize("code", CAUGHT)
def test_the_search_for_pickles_finds_them(code):
    assert list(pickling(ast.parse(code)))


def test_a_skops_file_of_an_unknown_type_is_not_loaded(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(func=ast.literal_eval), tmp_path / "a.skops")
    with pytest.raises(KlangfarbeError, match="Untrusted"):
        artefacts.read(tmp_path / "a.skops")


@pytest.mark.parametrize("args, named", [
    ((5,), {}), ((2, 9), {}), ((2, 9, 2), {}), ((0, 1, 0.25), {}), ((9, 2, -3), {}),
    ((), {"end": 7}), ((), {"start": 2, "end": 7, "step": 2}), ((3,), {"end": 9}),
    ((2,), {"end": 9, "step": 3})])
def test_the_length_of_a_row_is_known_without_making_it(args, named):
    import torch

    assert artefacts._length(torch.arange, *args, **named) == len(torch.arange(*args, **named))


def test_the_length_of_the_other_rows():
    import torch

    for args, named in (((0, 1, 5), {}), ((0, 1), {"steps": 5}), ((0,), {"end": 1, "steps": 5}),
                        ((), {"start": 0, "end": 1, "steps": 5})):
        assert artefacts._length(torch.linspace, *args, **named) == 5
    assert artefacts._length(torch.hann_window, 5, False) == 5
    assert artefacts._length(torch.hann_window, window_length=5, periodic=True) == 5
