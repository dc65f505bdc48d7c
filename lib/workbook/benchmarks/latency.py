"""From a picture to what conditions the music model, by projection (CLIP, projection) and by
pipeline (captioner, language model, T5), then to sound (decoder, codec).

One picture at a time, both ways in turn. On a CPU with the bundled miniatures; on a CUDA device the
projection's way at published sizes with random weights (ViT-B/32, 512 → 768 → 1024, MusicGen-small,
10 s), against the thesis's 600 ms on an RTX 3090.
"""

from typing import Any

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
PROJECTION, SHARED = ("clip", "projection"), ("decoder", "codec")
PIPELINE = ("captioner", "language model", "text encoder")


def bench() -> dict:
    """The median over pictures after one to warm up, ms.

    ``ours, baseline``: conditioning by projection, and by captioner and language model (its text
    encoder left out), wanted ratio 20; ``parts_ms``: each part of both ways; ``whole_ratio``: image
    to waveform, projection over pipeline (the thesis: below .5); on a GPU ``gpu_…``.
    """
    clip, captioner, describer, generator = (
        pretrained.load(part, device="cpu")
        for part in ("image_text", "captioner", "describer", "musicgen"))
    models = train_projection.build(get_config("mini").study_two, generator, clip.width)
    clocks = []
    for picture in paint.pictures(TEST_SEED, range(N_PICTURES + 1), 128)[0]:
        clock = benchmarks.Clock()
        clocks.append(clock)
        with clock("clip"):
            vector = clip.embed_pictures(picture[None])
        with clock("projection"):
            condition = train_projection.predict(models, vector)
        with clock("captioner"):
            caption = captioner.caption(picture[None], ["sad"])
        with clock("language model"):
            text = describer.describe(caption, ["sad"], prompt="mapping")
        with clock("text encoder"):
            generator.condition(*generator.states(text))
        with clock("decoder"):
            condition = torch.from_numpy(condition)
            codes = musicgen_sampling.sample(generator.network.decoder, condition,
                                             torch.ones(condition.shape[:2], dtype=torch.long),
                                             round(SECONDS * generator.frame_rate_hz))
        with clock("codec"):
            generator.codec.decode(codes)
    ms = {part: 1e3 * float(np.median([clock.parts[part] for clock in clocks[1:]]))
          for part in (*PROJECTION, *PIPELINE, *SHARED)}
    ours, theirs, shared = (sum(ms[part] for part in some)
                            for some in (PROJECTION, PIPELINE[:2], SHARED))
    pipeline = theirs + ms["text encoder"] + shared
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
    tower: Any = open_clip.create_model("ViT-B-32", pretrained=None, device="cuda").eval().half()
    projection = StudyTwo().cuda().eval().half()
    model = generate.network(generate.SMALL, 50, filters=64).to("cuda")
    model.decoder.half()
    picture = torch.rand(1, 3, 224, 224, device="cuda").half()
    mask = torch.ones(1, 1, dtype=torch.long, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    turns = {"graph": [], "compile": []}
    with torch.inference_mode():
        for step, clocks in turns.items():
            for seed in range(5):  # the first call of each also loads kernels, or makes them
                clock = benchmarks.Clock(torch.cuda.synchronize)
                clocks.append(clock)
                with clock("condition"):
                    condition = projection(tower.encode_image(picture))
                with clock("tokens"):
                    codes = musicgen_sampling.sample(model.decoder, condition, mask,
                                                     round(50 * seconds), seed=seed, step=step)
                with clock("codec"):
                    model.audio_encoder.decode(codes[None], [None])
    best = {step: min(clocks[1:], key=lambda clock: clock.total) for step, clocks in turns.items()}
    return {"gpu": torch.cuda.get_device_name(), "gpu_ms": round(1e3 * best["compile"].total, 1),
            "gpu_wanted_ms": WANTED_MS, "gpu_published_ms": PUBLISHED_MS,
            "gpu_parts_ms": {part: round(1e3 * s, 1) for part, s in best["compile"].parts.items()},
            "gpu_uncompiled_ms": round(1e3 * best["graph"].total, 1),
            "gpu_compile_s": round(turns["compile"][0].total, 1),
            "gpu_peak_mb": round(torch.cuda.max_memory_allocated() / 2**20)}
