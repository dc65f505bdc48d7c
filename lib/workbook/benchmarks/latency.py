"""From a picture to what conditions the music model, by projection and by
caption and language model; then to sound.

    projection   picture ─CLIP─► vector ─projection─► condition ───────────────────────────┐
    pipeline     picture ─captioner─► caption ─language model─► directive ─T5─► condition ─┤
                                          sound ◄─ codec ◄─ codes ◄─ decoder, guided ◄─────┘

One picture at a time, both ways in turn, in one run. On a CPU with the bundled miniatures; on a
CUDA device the projection's way at published sizes with random weights (ViT-B/32, 512 → 768 → 1024,
MusicGen-small, 10 s), against the thesis's 600 ms on an RTX 3090.
"""

import time

import numpy as np
import open_clip
import torch

from lib import pretrained
from lib.data.atelier import TEST_SEED, paint
from lib.models.projections import StudyTwo
from lib.pretrained import musicgen_sampling
from lib.systems.mapping import train_projection
from lib.systems.mapping.config import get_config
from lib.workbook import benchmarks
from lib.workbook.benchmarks import generate

N_PICTURES, SECONDS, PUBLISHED_MS, WANTED_MS = 8, 4.0, 600.0, 700.0
PARTS = ("condition", "tokens", "codec")
PROJECTION, PIPELINE, SHARED = ("clip", "projection"), ("captioner", "language model",
                                                        "text encoder"), ("decoder", "codec")


def bench() -> dict:
    """The median over pictures after one to warm up, ms.

    ``ours, baseline``: conditioning by projection, and by captioner and language model (its text
    encoder left out), wanted ratio 20; ``parts_ms``: each part of both ways; ``whole_ratio``: image
    to waveform, projection over pipeline (the thesis: below .5); on a GPU ``gpu_…``.
    """
    torch.set_num_threads(1)
    pictures, _ = paint.pictures(TEST_SEED, range(N_PICTURES + 1), 128)
    clip, captioner, describer, generator = (pretrained.load(part, device="cpu")
                                             for part in ("image_text", "captioner", "describer",
                                                          "musicgen"))
    models = train_projection.build(get_config("mini").study_two, generator, clip.width)
    times: dict[str, list[float]] = {part: [] for part in (*PROJECTION, *PIPELINE, *SHARED)}

    def timed(part: str, function, *given, **settings):
        start = time.process_time()
        output = function(*given, **settings)
        times[part].append(1e3 * (time.process_time() - start))
        return output

    for picture in pictures:
        vector = timed("clip", clip.embed_pictures, picture[None])
        condition = timed("projection", train_projection.predict, models, vector)
        caption = timed("captioner", captioner.caption, picture[None], ["sad"])
        text = timed("language model", describer.describe, caption, ["sad"], prompt="mapping")
        timed("text encoder", lambda text: generator.condition(*generator.states(text)), text)
        codes = timed("decoder", _codes, generator, torch.from_numpy(condition))
        timed("codec", generator.codec.decode, codes)
    ms = {part: float(np.median(spent[1:])) for part, spent in times.items()}
    ours, theirs = sum(ms[part] for part in PROJECTION), ms["captioner"] + ms["language model"]
    shared = sum(ms[part] for part in SHARED)
    pipeline = sum(ms[part] for part in PIPELINE) + shared
    return benchmarks.result(
        "one picture → condition: CLIP, projection; baseline: captioner, language model "
        f"({SECONDS:g} s are played)", ours, theirs, "ms", N_PICTURES, more_is_better=False,
        parts_ms={part: round(value, 2) for part, value in ms.items()}, whole_ms=ours + shared,
        pipeline_whole_ms=pipeline, whole_ratio=(ours + shared) / pipeline, **gpu())


def gpu(seconds: float = 10.0) -> dict:
    """Image to 10 s of sound at published sizes with random weights, ms of wall time; nothing where
    there is no CUDA device.

    The step is compiled, as pays for many pieces of one length: ``gpu_compile_s`` is what the first
    one waits for it, and ``gpu_uncompiled_ms`` what a piece takes without.
    """
    if not torch.cuda.is_available():
        return {}
    torch.manual_seed(0)
    tower = open_clip.create_model("ViT-B-32", pretrained=None, device="cuda").eval().half()
    projection, model = StudyTwo().cuda().eval().half(), generate.network(generate.SMALL, 50,
                                                                          filters=64).to("cuda")
    model.decoder.half()
    picture, mask = torch.rand(1, 3, 224, 224,
                               device="cuda").half(), torch.ones(1, 1, dtype=torch.long,
                                                                 device="cuda")
    torch.cuda.reset_peak_memory_stats()

    def once(step: str, seed: int) -> list[float]:
        """ms of condition, tokens and codec."""
        torch.cuda.synchronize()
        marks = [time.perf_counter()]
        for part in PARTS:
            if part == "condition":
                condition = projection(tower.encode_image(picture))
            elif part == "tokens":
                codes = musicgen_sampling.sample(model.decoder, condition, mask,
                                                 round(50 * seconds), seed=seed, step=step)
            else:
                model.audio_encoder.decode(codes[None], [None])
            torch.cuda.synchronize()
            marks.append(time.perf_counter())
        return [1e3 * (b - a) for a, b in zip(marks, marks[1:], strict=False)]

    with torch.inference_mode():
        # the first call of each also loads kernels, or makes them
        times = {step: [once(step, seed) for seed in range(5)] for step in ("graph", "compile")}
    best = {step: min(some[1:], key=sum) for step, some in times.items()}
    parts = dict(zip(PARTS, (round(part, 1) for part in best["compile"]), strict=True))
    return {"gpu": torch.cuda.get_device_name(), "gpu_ms": round(sum(best["compile"]), 1),
            "gpu_wanted_ms": WANTED_MS, "gpu_published_ms": PUBLISHED_MS, "gpu_parts_ms": parts,
            "gpu_uncompiled_ms": round(sum(best["graph"]), 1),
            "gpu_compile_s": round(sum(times["compile"][0]) / 1e3, 1),
            "gpu_peak_mb": round(torch.cuda.max_memory_allocated() / 2**20)}


def _codes(generator, condition):
    mask = torch.ones(condition.shape[:2], dtype=torch.long)
    return musicgen_sampling.sample(generator.network.decoder, condition, mask,
                                    round(SECONDS * generator.frame_rate_hz))
