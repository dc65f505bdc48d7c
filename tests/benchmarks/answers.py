"""What a person waits for: a command's start, and the studio's answers once all is loaded."""

import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from jupyter_client.manager import start_new_kernel
from PIL import Image

import benchmarks
from lib.core import paths
from lib.workbook import kernels

LIBRARIES = "import torch, diffusers, transformers, librosa, sklearn, scipy.signal, pandas"
DIFFUSERS = ("from diffusers.models.unets.unet_2d import UNet2DModel; "
             "from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC")


def child_seconds(words: list[str]) -> float:
    """Process time of a command, and of what it starts."""
    before = psutil.Process().cpu_times()
    subprocess.run(words, check=True, capture_output=True, cwd=paths.ROOT)
    after = psutil.Process().cpu_times()
    return (after.children_user + after.children_system
            - before.children_user - before.children_system)


def bench_start(repeats: int = 3) -> dict:
    """A first picture and a first sound, cold, against importing what they stand on as it comes."""
    front = paths.REFERENCE / "front"
    with tempfile.TemporaryDirectory() as folder:
        lib = [sys.executable, "-m", "lib"]
        commands = {
            "paint": [*lib, "paint", str(front / "bridging.mp3"), "-o", f"{folder}/a.png"],
            "hear": [*lib, "hear", str(front / "wall.jpg"), "-o", f"{folder}/a.wav"],
            "libraries": [sys.executable, "-c", f"{LIBRARIES}; {DIFFUSERS}"],
            "torch": [sys.executable, "-c", "import torch"]}
        turns = [{name: child_seconds(words) for name, words in commands.items()}
                 for _ in range(repeats)]
    best = {name: min(turn[name] for turn in turns) for name in commands}
    return benchmarks.result("a cold `paint`, against importing its libraries as they come",
                             best["paint"], best["libraries"], "s", repeats,
                             more_is_better=False, hear_s=best["hear"], torch_s=best["torch"])


def kernel_seconds() -> float:
    """Process seconds of a kernel until it has imported what most notebooks import."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(paths.NOTEBOOKS))
    client.execute_interactive(f"import {', '.join(kernels.IMPORTED)}", timeout=300,
                               output_hook=lambda _: None)
    spent = psutil.Process(manager.provisioner.pid).cpu_times()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return spent.user + spent.system


def bench_kernel(repeats: int = 5) -> dict:
    """A notebook's kernel with what most notebooks import, forked, against a new process."""
    with kernels.served():
        kernel_seconds()  # waits for the server, who imports
        forked = [kernel_seconds() for _ in range(repeats)]
    fresh = [kernel_seconds() for _ in range(repeats)]
    return benchmarks.result("a forked kernel with a notebook's imports, against a new process",
                             min(forked), min(fresh), "s", repeats, more_is_better=False)


def bench_answers(seconds: float = 8.0, repeats: int = 2) -> dict:
    """The studio's warm answers: each player's music by its length, a picture."""
    sys.path.append(str(paths.NOTEBOOKS))
    from studio import answers

    with Image.open(paths.REFERENCE / "front" / "wall.jpg") as wall, \
            tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "painting.png"
        wall.crop((0, 0, wall.height // 3, wall.height // 3)).save(file)
        picture = answers.read_painting(str(file))
    felt, _ = answers.see(picture, "by itself")
    point = answers.at_point(0.5, 0.3).point
    calls = {name: lambda name=name: answers.play(name, picture, felt, seconds=seconds)
             for name in answers.PLAYERS} | {
        "picture": lambda: answers.paint(point, point, n=1)}
    for call in calls.values():  # loads what is loaded once
        call()
    took = dict(zip(calls, benchmarks.best_seconds(list(calls.values()), repeats)))
    slowest = max(answers.PLAYERS, key=took.get)
    return benchmarks.result(
        f"{seconds:g} s of music by the slowest player, {slowest}, against their length",
        took[slowest], seconds, "s", repeats, more_is_better=False,
        **{f"{name.replace(' ', '_')}_s": value for name, value in took.items()})
