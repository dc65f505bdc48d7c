"""``python -m lib rehearse --full-size``: every network of profile ``paper`` at its published size,
with random weights, each in a process of its own: a training step where the workbook trains it, a
forward pass or a generation. FLOPs are counted for a few units (a picture, a second, a token); from
paper's numbers of units :func:`needs` *computes* memory and hours, linearly: only attention grows
faster, by up to a quarter for MusicGen's 30 s. Sources of the sizes: each checkpoint's config.json
on the hub, of which transformers' defaults are left out; of the peaks: Nvidia's data sheets."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers as hf
from benchmarks import peak_mb
from open_clip.model import CLIP
from torch import nn

from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.pretrained.codec import Codec, Encodec
from lib.pretrained.encoders import TextEncoder
from lib.pretrained.loading import Source
from lib.pretrained.musicgen import MusicGenerator
from lib.systems import art2music, bridging, mapping, music2image
from lib.systems.mapping.data import FRACTIONS
from lib.training import flops
from lib.training import musicgen as steps
from rehearsal import memory

PUBLISHED = ("CLIP ViT-B/32", "CLIP ViT-H/14", "BLIP-large", "BLIP-2 OPT-2.7B", "Falcon-RW-1B",
             "Llama-3.1-8B", "T5-base", "MiniLM-L6", "TinyBERT-L6", "LAION CLAP")
TRAINED = ("MusicGen-small", "S1 classifier", "S2 Study I", "S2 Study II", "S3 WGAN-GP", "S3 U-Net",
           "S4 decoder", "S4 HiFi-GAN V1")
T5: dict[str, Any] = {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
PEAK = {"A100": 19.5, "H200": 67.0}  # TFLOP/s in float32, PyTorch's default without TF32
UTILISATION, ONE_BY_ONE = 0.4, 0.05  # shares of it, guessed; the second: a token at a time
PAINTINGS, COMMENTS = 80_000, 455_000  # of ArtiCaps (Hong et al. §III-A.5)
TOKENS = 90 + 120  # of a description: the prompt, and what lib.pretrained.describer asks for


def some(*shape: int) -> torch.Tensor:
    """Numbers in [0, 1)."""
    return torch.rand(shape)


def ids(n: int) -> torch.Tensor:
    """Tokens [1, n] that every vocabulary has."""
    return torch.randint(1000, 2000, (1, n))


def published(name: str) -> tuple[Any, list[tuple]]:
    """A network of others: (model, its passes as (what, units, call))."""
    match name:
        case "CLIP ViT-B/32":
            model: Any = hf.CLIPModel(hf.CLIPConfig())  # transformers' default
            return model, [
                ("picture", 1, lambda: model.get_image_features(pixel_values=some(1, 3, 224, 224))),
                ("text", 1, lambda: model.get_text_features(input_ids=ids(77)))]
        case "CLIP ViT-H/14":
            sizes: Any = open_clip.get_model_config("ViT-H-14")
            model = CLIP(**sizes)
            return model, [("picture", 1, lambda: model.encode_image(some(1, 3, 224, 224))),
                           ("text", 1, lambda: model.encode_text(ids(77)))]
        case "BLIP-large":
            vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                      "num_attention_heads": 16, "image_size": 384, "patch_size": 16}
            model = hf.BlipForConditionalGeneration(hf.BlipConfig(
                vision_config=vision,
                text_config={"num_attention_heads": 12, "encoder_hidden_size": 1024}))
            return model, [("caption", 1, lambda: model.generate(
                some(1, 3, 384, 384), input_ids=ids(5), max_new_tokens=16))]
        case "BLIP-2 OPT-2.7B":  # in bfloat16: float32 takes 15 GB
            text = {"model_type": "opt", "hidden_size": 2560, "word_embed_proj_dim": 2560,
                    "ffn_dim": 10240, "num_hidden_layers": 32, "num_attention_heads": 32,
                    "vocab_size": 50304}
            model = hf.AutoModelForImageTextToText.from_config(hf.Blip2Config(
                text_config=text, image_token_index=50265), dtype=torch.bfloat16)
            return model, [("caption", 1, lambda: model.generate(
                some(1, 3, 224, 224).bfloat16(), max_new_tokens=16))]
        case "Falcon-RW-1B":
            model = hf.FalconForCausalLM(hf.FalconConfig(
                vocab_size=50304, hidden_size=2048, num_hidden_layers=24, num_attention_heads=32,
                alibi=True, bias=True, multi_query=False, parallel_attn=False))
            return model, [("token", 80, lambda: model.generate(ids(64), max_new_tokens=16,
                                                                do_sample=False))]
        case "Llama-3.1-8B":  # shapes alone: float32 takes 32 GB
            with torch.device("meta"):
                model, tokens = hf.LlamaForCausalLM(hf.LlamaConfig(
                    vocab_size=128256, intermediate_size=14336, num_key_value_heads=8,
                    max_position_embeddings=131072)), ids(TOKENS)
                mask = some(1, 1, TOKENS, TOKENS)  # else transformers looks into the tokens
            model.set_attn_implementation("eager")
            return model, [("token", TOKENS, lambda: model(tokens, mask, use_cache=False))]
        case "LAION CLAP":  # larger_clap_music
            audio = {"patch_embeds_hidden_size": 128, "hidden_size": 1024, "depths": [2, 2, 12, 2]}
            model = hf.ClapModel(hf.ClapConfig(audio_config=audio))
            return model, [("10 s of sound", 1, lambda: model.get_audio_features(
                input_features=some(1, 1, 1001, 64), is_longer=torch.zeros(1, 1).bool())),
                ("token", 64, lambda: model.get_text_features(input_ids=ids(64)))]
        case "T5-base":  # the encoder
            model = hf.T5EncoderModel(hf.T5Config(**T5))
        case _:
            width = {"MiniLM-L6": 384, "TinyBERT-L6": 768}[name]
            model = hf.BertModel(hf.BertConfig(num_hidden_layers=6, hidden_size=width,
                                               intermediate_size=4 * width))
    return model, [("token", 64, lambda: model(ids(64)))]


def musicgen_small() -> MusicGenerator:
    """MusicGen-small with T5-base and EnCodec at 32 kHz."""
    codec = hf.EncodecConfig(
        sampling_rate=32_000, num_filters=64, upsampling_ratios=[8, 5, 4, 4], codebook_size=2048,
        codebook_dim=128, target_bandwidths=[2.2], use_causal_conv=False, use_conv_shortcut=False)
    model: Any = hf.MusicgenForConditionalGeneration(hf.MusicgenConfig(
        text_encoder=hf.T5Config(**T5).to_dict(), audio_encoder=codec.to_dict(),
        decoder=hf.MusicgenDecoderConfig().to_dict())).eval()
    source = Source(Path(), "facebook/musicgen-small", "")
    return MusicGenerator(source, model, TextEncoder(source, model.text_encoder, "cpu", width=768),
                          Codec(source, Encodec(model.audio_encoder.requires_grad_(False)), "cpu"),
                          "cpu")


def trained(name: str) -> tuple[Any, list[tuple]]:
    """A network that the workbook trains: a step's pass has a fourth part, what it trains."""
    match name:
        case "MusicGen-small":
            train, generator = bridging.train_musicgen, musicgen_small()
            config = replace(bridging.config.get_config("paper").music, accumulate=1)
            models: Any = train.build(config, generator)
            models.network.decoder.set_attn_implementation("sdpa")  # as on a GPU
            batch: Any = steps.collate([torch.randint(2048, (4, 100))], [some(24, 768)])
            return generator.network, [
                ("step, second", 2, lambda: train.train_step(models, batch, config, 1e-4),
                 models.network),
                ("sampled second", 1, lambda: generator.generate_from(
                    some(1, 24, 1024), torch.ones(1, 24).long(), 1.0, top_k=config.top_k)),
                ("encoded second", 2, lambda: generator.codec.encode(some(1, 1, 64_000)))]
        case "S1 classifier":
            config, train = bridging.config.get_config("paper"), bridging.train_classifier
            model = train.build(replace(config.classifier, initial=""))
            optimiser = torch.optim.AdamW(model.parameters())
            batch = some(2, 3, 224, 224), torch.tensor([0, 1])
            return model, [("step, picture", 2, lambda: train.train_step(model, optimiser, *batch),
                            model), ("picture", 2, lambda: model(batch[0]))]
        case "S2 Study I" | "S2 Study II":
            config, train = mapping.config.get_config("paper"), mapping.train_projection
            study = config.study_one if name == "S2 Study I" else config.study_two
            study = replace(study, bfloat16=False)  # the memory of float32, as of all others
            models = train.build(study, musicgen_small(), 512)
            batch = train.Batch(some(1, 512), some(1, study.n_tokens, 1024),
                                torch.randint(2048, (1, 4, 100)), some(1, 64_000))
            both = nn.ModuleList([models.projection, models.critic])
            return nn.ModuleList([both, models.generator.network]), [
                ("step, second", 2, lambda: train.train_step(models, batch, study), both),
                ("vector", 1, lambda: models.projection(batch.vectors))]
        case "S3 WGAN-GP":
            config, train = music2image.config.get_config("paper").gan, music2image.train_gan
            (models, optimisers), rng = train.build(config), torch.Generator().manual_seed(0)
            both = nn.ModuleList([models.generator, models.critic])
            return both, [("step, picture", 2, lambda: train.train_step(
                models, optimisers, some(2, 3, config.size, config.size), some(2, 2), config, rng,
                sum(config.steps)), both),
                ("picture", 2, lambda: train.generate(models, some(2, 2).numpy(), config))]
        case "S3 U-Net":
            config, train = (music2image.config.get_config("paper").diffusion,
                             music2image.train_diffusion)
            (models, optimiser), rng = train.build(config), torch.Generator().manual_seed(0)
            return models.network, [("step, picture", 1, lambda: train.train_step(
                models, optimiser, some(1, 3, config.size, config.size), some(1, 2), config, rng),
                models.network), ("sampling step", 2, lambda: train.generate(
                    models, some(1, 2).numpy(), config, n_sampling=2))]
        case "S4 decoder":
            config, train = art2music.config.get_config("paper").decoder, art2music.train_decoder
            models, v, u = train.build(config, 1024), some(1, 1024), some(1, 1024)
            batch, both = (v, u, some(1, 80, models.decoder.n_frames)), nn.ModuleList(
                [models.projector, models.decoder])
            return both, [("step, clip", 1, lambda: train.train_step(models, batch, config), both),
                          ("clip", 1, lambda: train.predict(models, v.numpy(), u.numpy()))]
        case _:
            config, train = art2music.config.get_config("paper").vocoder, art2music.train_vocoder
            models, batch = train.build(config), (some(1, 80, config.segment // 256),
                                                  some(1, config.segment))
            both = nn.ModuleList([models.generator, models.critics])
            plain = hifigan.fold_weight_norm(hifigan.SIZES[config.size]())
            return both, [
                ("step, window", 1, lambda: train.train_step(models, batch, config), both),
                ("second", 1, lambda: train.vocode(plain, some(1, 80, 86)))]


def measure(model: nn.Module, passes: list[tuple]) -> list[dict]:
    """A row for each pass of a network, in this process."""
    torch.backends.mha.set_fastpath_enabled(False)  # a kernel in which nothing can be counted
    weights, rows = list(model.parameters()), []
    for what, units, call, *trains in passes:
        model.eval()
        for part in trains:
            part.train()
        with torch.set_grad_enabled(bool(trains)):
            if trains:
                call()  # gradients and Adam's moments are there from now on
            own = [*weights, *(weight for part in trains for weight in part.parameters())]
            began = time.process_time()
            with flops.count_flops() as counter, memory.SavedTensors(own) as saved:
                call()
        rows.append({
            "what": what, "units": units, "parameters": sum(p.numel() for p in weights),
            "trained": sum(p.numel() for part in trains for p in part.parameters()),
            "weights_gb": sum(p.nbytes for p in weights) / 1e9, "saved_gb": saved.peak / 1e9,
            "peak_gb": peak_mb() * 2**20 / 1e9, "seconds": time.process_time() - began,
            "tflops": counter.get_total_flops() / 1e12, "ran": weights[0].device.type != "meta"})
    return rows


def run(names: list[str]) -> int:
    """Measures networks (none: all), each in its own process, prints both tables; 1: one failed."""
    names = names or [*PUBLISHED, *TRAINED]
    if unknown := {*names} - {*PUBLISHED, *TRAINED}:
        raise KlangfarbeError(f"networks out of {', '.join(PUBLISHED + TRAINED)}",
                              ", ".join(unknown), "name one, or none for all")
    print("| network | what | parameters | weights, GB | peak memory, GB | CPU s | TFLOPs |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    measured: dict[str, list[dict]] = {}
    for name in names:
        done = subprocess.run([sys.executable, "-m", "rehearsal.full_size", "--one", name],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name} failed: {' '.join(done.stderr.strip().splitlines()[-1:])}", flush=True)
            continue
        measured[name] = json.loads(done.stdout.splitlines()[-1])
        for row in measured[name]:
            ran = f"{row['peak_gb']:.1f} | {row['seconds']:.1f}" if row["ran"] else "– | –"
            print(f"| {name} | {row['what']} × {row['units']} | {row['parameters'] / 1e6:,.0f} M | "
                  f"{row['weights_gb']:.2f} | {ran} | {row['tflops']:.3f} |", flush=True)
    print("\n".join(["", *needs(measured)]))
    return 0 if len(measured) == len(names) else 1


def work() -> list[tuple]:
    """Profile paper's work: (system, network, what, units, of them at once in a training step)."""
    s1, s2, s3, s4 = (system.config.get_config("paper") for system in (
        bridging, mapping, music2image, art2music))
    share, music, gan, diffusion = FRACTIONS["train"], s1.music, s3.gan, s3.diffusion
    triplets = share * s4.data.n_triplets
    studies = [("mapping", name, "step, second", study.epochs * share * s2.data.n_pairs
                * study.audible * study.window_seconds / study.batch_size,
                study.audible * study.window_seconds / study.accumulate)
               for name, study in (("S2 Study I", s2.study_one), ("S2 Study II", s2.study_two))]
    return [
        ("bridging", "S1 classifier", "step, picture",
         s1.classifier.n_steps * s1.classifier.batch_size, s1.classifier.batch_size),
        ("bridging", "BLIP-large", "caption", s1.data.n_paintings, 0),
        ("bridging", "Falcon-RW-1B", "token", s1.data.n_paintings * TOKENS, 0),
        ("bridging", "MusicGen-small", "step, second",  # of M1 to M4
         4 * music.epochs * share * s1.data.n_paintings * music.clip_seconds,
         music.batch_size // music.accumulate * music.clip_seconds),
        ("bridging", "MusicGen-small", "sampled second",
         4 * s1.test_paintings * s1.test_seconds, 0),
        ("mapping", "BLIP-2 OPT-2.7B", "caption", s2.data.n_pairs, 0),
        ("mapping", "Llama-3.1-8B", "token", s2.data.n_pairs * TOKENS, 0),
        ("mapping", "CLIP ViT-B/32", "picture", s2.data.n_pairs * s2.data.n_views, 0),
        *studies,
        ("mapping", "MusicGen-small", "sampled second",
         FRACTIONS["test"] * s2.data.n_pairs * s2.data.clip_seconds, 0),
        ("music2image", "S3 WGAN-GP", "step, picture", sum(gan.steps) * gan.batch_size,
         gan.batch_size),
        ("music2image", "S3 U-Net", "step, picture", diffusion.n_steps * diffusion.batch_size,
         diffusion.batch_size),
        ("music2image", "S3 U-Net", "sampling step", s3.n_pieces * diffusion.n_sampling, 0),
        ("art2music", "CLIP ViT-H/14", "picture", PAINTINGS, 0),
        ("art2music", "CLIP ViT-H/14", "text", COMMENTS, 0),
        ("art2music", "TinyBERT-L6", "token", 32 * COMMENTS, 0),
        ("art2music", "S4 decoder", "step, clip", s4.decoder.epochs * triplets,
         s4.decoder.batch_size),
        ("art2music", "S4 HiFi-GAN V1", "step, window", s4.vocoder.n_steps * s4.vocoder.batch_size,
         s4.vocoder.batch_size),
        ("art2music", "S4 HiFi-GAN V1", "second", s4.test_paintings * s4.data.seconds, 0)]


def needs(measured: dict[str, list[dict]]) -> list[str]:
    """Memory and hours of paper's experiment by what was measured, computed; a system's last row is
    its largest part's memory and the sum of its hours."""
    lines = [f"| system | network: what | GPU memory, GB | hours, {' | hours, '.join(PEAK)} |",
             "|---|---|---|---|---|"]
    systems: dict[str, list[list[float]]] = {}
    def show(first: str, second: str, memory: float, *hours: float) -> None:
        lines.append(f"| {first} | {second} | {memory:.0f} | {' | '.join(map(_short, hours))} |")
    for system, name, what, units, at_once in work():
        for row in (row for row in measured.get(name, ()) if row["what"] == what):
            # float32 weights; gradients and Adam's two moments; what the backward pass needs
            memory = (4e-9 * row["parameters"] + 12e-9 * row["trained"]
                      + row["saved_gb"] * at_once / row["units"])
            share = ONE_BY_ONE if what in ("caption", "token", "sampled second") else UTILISATION
            systems.setdefault(system, []).append([memory, *(
                row["tflops"] * units / row["units"] / 3600 / share / peak
                for peak in PEAK.values())])
            show(system, f"{name}: {what}", *systems[system][-1])
    for system, (memory, *hours) in ((system, zip(*parts, strict=True))
                                     for system, parts in systems.items()):
        show(f"**{system}**", "together", max(memory), *map(sum, hours))
    return lines


def _short(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"


def main(names: list[str]) -> int:
    """What `run` starts itself with, ``--one NAME``; else `run`."""
    if names[:1] != ["--one"]:
        return run(names)
    torch.manual_seed(0)
    build = trained if names[1] in TRAINED else published
    print(json.dumps(measure(*build(names[1]))))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KlangfarbeError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
