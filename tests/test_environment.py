"""What installs the workbook: lock, conda file, make targets and the caller's stray settings."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

from lib.core import paths
from lib.workbook import doctor

FIXED_PACKAGES = ("jupyterlab", "papermill", "torch", "transformers", "audiocraft",
                  "open-clip-torch", "diffusers", "librosa", "ipywidgets", "seaborn", "pandas",
                  "nbval")
LOCK = (paths.ROOT / "requirements.lock").read_text()


def name(requirement):
    return re.split(r"[=<>~!; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def wanted():
    lines = (paths.ROOT / "requirements.in").read_text().splitlines()
    return {name(line) for line in lines if line.strip() and not line.startswith("#")}


def test_the_lock_pins_what_is_asked_for_and_what_the_workbook_is_made_of():
    pinned = {match[1] for match in re.finditer(r"^([a-z0-9._-]+)==", LOCK, re.M)}
    assert wanted() <= pinned
    assert set(FIXED_PACKAGES) <= wanted()


def test_the_dependency_groups_name_what_requirements_in_asks_for():
    groups = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    named = [*groups["project"]["dependencies"], *groups["dependency-groups"]["dev"],
             *groups["project"]["optional-dependencies"]["workbook"]]
    assert sorted(map(name, named)) == sorted(wanted())


PLAYED = """
import sys
from pathlib import Path
import numpy as np, soundfile
from PIL import Image
from lib.cli import main
here = Path(sys.argv[1])
noise = np.random.default_rng(0)
Image.fromarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(here / "painting.png")
soundfile.write(here / "song.wav", .1 * noise.standard_normal(66_150), 22_050)
for words in (["--as-score"], ["--system", "mapping"], ["--system", "bridging"],
              ["--system", "art2music", "--comment", "calm"]):
    assert not main(["hear", str(here / "painting.png"), "--seconds", "1", *words,
                     "-o", str(here / "music.wav")])
assert not main(["paint", str(here / "song.wav"), "-o", str(here / "picture.png")])
from studio import listening, page
page.build()
assert main(["run", "--dry-run"]) == 2
"""


def closure(names, without):
    """The installed packages that these need, themselves among them, but not what is left out."""
    found, waiting = set(), [*map(name, names)]
    while waiting:
        one = waiting.pop()
        if one not in found and one not in without:
            found.add(one)
            needed = map(Requirement, metadata.requires(one) or ())
            waiting += [name(each.name) for each in needed
                        if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.slow
def test_hear_paint_and_the_studio_need_only_what_a_light_install_has(tmp_path):
    groups = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    alone = {row["name"] for row in groups["tool"]["uv"]["dependency-metadata"]}
    never = {name(line) for line in (paths.ROOT / "overrides.txt").read_text().splitlines()
             if line.endswith('python_version < "3"')}
    light = closure(groups["project"]["dependencies"], alone | never) | alone
    (tmp_path / "site").mkdir()
    assert not light & {"audiocraft", "jupyterlab", "papermill", "snakemake", "seaborn"}
    for top in {file.parts[0] for package in light for file in metadata.files(package) or ()}:
        if top != "..":  # nothing else can be found then
            (tmp_path / "site" / top).symlink_to(paths.Path(sysconfig.get_path("purelib"), top))
    ran = subprocess.run([sys.executable, "-S", "-c", PLAYED, str(tmp_path)], cwd=tmp_path,
                         env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (
                             paths.ROOT, paths.NOTEBOOKS, tmp_path / "site")))},
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "a light install; make run" in ran.stderr


def test_the_lock_has_a_hash_for_every_pin_and_no_address():
    assert "://" not in LOCK
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_environment_file_gives_this_python_and_the_locks_one_line():
    text = (paths.ROOT / "environment.yml").read_text()
    environment = yaml.safe_load(text)
    required = tomllib.loads((paths.ROOT
                              / "pyproject.toml").read_text())["project"]["requires-python"]
    python = next(d for d in environment["dependencies"]
                  if d.startswith("python=")).removeprefix("python=")
    assert f">={python}," in required.replace(" ", "") + ","
    assert {"pip", "ffmpeg"} <= set(environment["dependencies"])
    # a pip: section cannot carry --no-deps
    assert not any(isinstance(d, dict) for d in environment["dependencies"])
    line = re.search(r"pip install --no-deps --require-hashes -r requirements\.lock", text)
    assert line and line[0] in (paths.ROOT / "README.md").read_text()


def test_installed_versions_are_the_locked_ones():
    _, faults = doctor.examine()
    assert not [what for what, _ in faults if "requirements.lock" in what]


def dry(target, **environment):
    """What make would type, with the caller's environment."""
    return subprocess.run(["make", "--dry-run", "--always-make", target], cwd=paths.ROOT, text=True,
                          capture_output=True, check=True, env={**os.environ, **environment}).stdout


def test_the_callers_pip_settings_do_not_reach_the_install():
    typed = dry(".venv/ready", PIP_FIND_LINKS="/stray", PIP_CONSTRAINT="/stray.txt",
                UV_INDEX="file:///stray", PIP_CERT="/ca.pem")
    installs = [line for line in typed.splitlines() if " pip " in line]
    assert len(installs) == 3
    for line in installs:
        for stray in ("PIP_FIND_LINKS", "PIP_CONSTRAINT", "UV_INDEX"):
            assert f"-u {stray} " in line
        assert "-u PIP_CERT" not in line and "PIP_CONFIG_FILE=/dev/null" in line
    assert all("--require-hashes" in line for line in installs[:2])


@pytest.mark.parametrize("target", ["run", "test"])
def test_the_two_commands_set_up_before_they_work(target):
    typed = dry(target).splitlines()
    first_install = next(i for i, line in enumerate(typed) if "requirements.lock" in line)
    first_work = next(i for i, line in enumerate(typed) if "-m lib run" in line or "ruff" in line)
    assert first_install < first_work


def test_make_passes_its_words_on():
    typed = dry("run", PROFILE="smoke", NOTEBOOKS="31 33", PARAMS="33.steps=200")
    assert ("--profile smoke" in typed and "--notebooks 31 33" in typed
            and "--params 33.steps=200" in typed)


def test_the_readmes_table_of_systems_is_the_codes():
    from lib import systems

    readme = (paths.ROOT / "README.md").read_text()
    for row in systems.table().itertuples(index=False):
        assert f"| `{row[0]}` | " + " | ".join(row[1:]) + " |" in readme


@pytest.mark.parametrize("before", [
    "", "import diffusers.utils", "import torch._dynamo, transformers", "import timm",
    "import lib.pretrained.musicgen"])
def test_a_light_import_is_whole_whatever_was_imported_before(before):
    script = f"""{before}
import sys
from lib.models import diffusers_parts, emotion_unet
import torch, peft, transformers
assert not [name for name, module in sys.modules.items() if module is None
            and name in ("peft", "transformers", "xformers")]
network = emotion_unet.EmotionUNet(16, (16, 32), embedding=16)
with torch.no_grad():
    network(torch.zeros(1, 3, 16, 16), torch.tensor([5]), torch.zeros(1, 2))
assert torch._dynamo.__file__ and transformers.MusicgenForCausalLM and peft.LoraConfig
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=paths.ROOT)
