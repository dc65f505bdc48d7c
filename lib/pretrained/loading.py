"""Where a part's files lie (bundled, in a folder of yours, on the hub; all end as a folder in the
hub's layout and its hash), and how they are loaded: nothing unpickled, nothing half-loaded."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lib.core import artefacts, paths
from lib.core.artefacts import Bounded, check_sizes
from lib.core.errors import KlangfarbeError, readable

MINIATURE = "miniature"
PACKAGE = "package"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# What fetching a checkpoint's safetensors takes, GB: parameters (``python -m lib rehearse
# --full-size`` counts them) times the bytes of the type that its config.json names.
HUB_GB = {"openai/clip-vit-base-patch32": 0.61, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": 3.94,
          "Salesforce/blip-image-captioning-large": 1.88, "Salesforce/blip2-opt-2.7b": 7.49,
          "tiiuae/falcon-rw-1b": 2.62, "meta-llama/Llama-3.1-8B-Instruct": 16.06,
          "google-t5/t5-base": 0.89, "facebook/musicgen-small": 2.35,
          "laion/clap-htsat-unfused": 0.61, "laion/larger_clap_music": 0.78,
          "sentence-transformers/all-MiniLM-L6-v2": 0.09,
          "sentence-transformers/paraphrase-TinyBERT-L6-v2": 0.27, "timm/resnet50.tv_in1k": 0.10}


@dataclass(frozen=True)
class Source:
    """A checkpoint's folder, not yet loaded; `sha256` over weights and configuration."""
    folder: Path
    name: str
    sha256: str
    revision: str = ""
    licence: str = "unknown"


@dataclass(frozen=True)
class Package:
    """Weights inside an installed package: `files` of it, `sha256` over them, one after another;
    `convert` names what makes safetensors of them (lib.pretrained.packages), "": they are."""
    name: str
    version: str
    model: str
    files: tuple[str, ...]
    sha256: str
    licence: str
    convert: str = ""


@dataclass(frozen=True)
class Part:
    """What a part's folder must hold (``a|b`` is met by either), and what is known on the hub."""
    what: str
    files: tuple[str, ...]
    hub: dict[str, tuple[str, str]] = field(default_factory=dict)  # name → licence, commit to pin
    package: Package | None = None


def find(part_name: str, part: Part, source: str | Path, *, fetch: bool = True) -> Source:
    """The folder of a part: ``"miniature"``, a folder, or a hub name (``"org/name"``), which is
    fetched with a bar unless it is cached; without `fetch` only the cache is asked."""
    if source == MINIATURE:
        return inspect(paths.MINIATURES / part_name, part, f"{part_name} miniature",
                       licence="MIT, as the workbook")
    if Path(source).is_dir():
        return inspect(Path(source), part, Path(source).resolve().name)
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise KlangfarbeError(f'a {part_name}: "miniature", a folder, or a hub name "org/name"',
                              repr(name), "check the path")
    # slow: what is bundled needs none of them
    import httpx
    import huggingface_hub
    from huggingface_hub import errors

    (licence, pinned), why = part.hub.get(name, ("unknown", "")), None
    revision = pinned or "main"
    wanted = [file.split("|")[0] for file in part.files]
    for offline in (True, False) if fetch else (True,):  # from the hub's cache, else fetched
        try:
            folder = Path(huggingface_hub.snapshot_download(
                name, revision=revision, local_files_only=offline,
                allow_patterns=["model-*.safetensors", "model.safetensors.index.json", *wanted]))
            # the cache names a folder by its commit
            commit = folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else revision
            return inspect(folder, part, name, revision=commit, licence=licence)
        except KlangfarbeError as error:
            if not offline:
                raise
            why = error
        except (OSError, ValueError, httpx.HTTPError, errors.HfHubHTTPError) as error:
            why = error
    raise KlangfarbeError(f"the checkpoint {name} at {revision}",
                          f"neither cached nor within reach ({type(why).__name__})",
                          f"fetch {', '.join(wanted)} of {name} into FOLDER/{part_name}, and add "
                          "--weights FOLDER to hear, or name that folder in the config") from why


def inspect(folder: Path, part: Part, name: str, *, revision: str = "",
            licence: str = "unknown") -> Source:
    """Checks that a folder holds what a part needs, its weights as safetensors, and hashes it."""
    has_weights = any(folder.glob("*.safetensors"))
    pickled = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLED)
    if not has_weights and pickled:
        raise KlangfarbeError(f"weights as safetensors in {folder}",
                              f"only {', '.join(pickled)}, which could run code when read",
                              "convert them: model.save_pretrained(new, safe_serialization=True)")
    missing = [file for file in part.files
               if not any((folder / choice).is_file() for choice in file.split("|"))
               # large weights come in numbered shards
               and not (file.startswith("model.safetensors") and has_weights)]
    if missing:
        raise KlangfarbeError(f"the files {', '.join(part.files)} in {folder}",
                              f"all but {', '.join(missing)}", "put the missing files there")
    digest = hashlib.sha256()  # of the part's own files alone: a clone and a fetched copy agree
    files = {folder / choice for file in part.files for choice in file.split("|")}
    for path in sorted({*files, folder / "generation_config.json"}):
        if path.suffix == ".json" and "token" not in path.name and path.is_file():
            with readable("settings by name", path):
                check_sizes(artefacts.read(path))
    for path in sorted(files | set(folder.glob("model-*.safetensors"))):
        if path.is_file():
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:  # several GB are never in memory at once
                while block := file.read(2**24):
                    digest.update(block)
    return Source(folder, name, digest.hexdigest(), revision, licence)


class Pretrained:
    """A network, `model`, in evaluation mode with its card, what it reads or sees or hears by, and
    the width D of its vectors."""
    def __init__(self, source: Source, model: Any, device: str, tokenizer: Any = None,
                 processor: Any = None, width: int = 0):
        self.name, self.sha256 = source.name, source.sha256
        self.licence, self.revision = source.licence, source.revision
        self.model, self.device, self.width = model, device, width
        self.tokenizer, self.processor = tokenizer, processor


def read(kind, source: Source, what: str = "a tokenizer's tokenizer.json, tokenizer_config.json"):
    """``kind.from_pretrained(folder)``, of which `what` was expected."""
    with readable(what, source.folder):
        return kind.from_pretrained(source.folder, local_files_only=True)


def tokens_of(tokenizer, texts: Sequence[str], longest: int):
    """Padded ``input_ids`` and ``attention_mask`` [N, L] of texts, L ≤ longest."""
    return tokenizer(list(texts), padding=True, truncation=True, max_length=longest,
                     return_tensors="pt", return_token_type_ids=False)


def pixels_of(processor, pictures):
    """Pictures uint8 [N, H, W, 3] → float tensor [N, 3, side, side], as the checkpoint scales."""
    return processor(list(pictures), return_tensors="pt",
                     input_data_format="channels_last")["pixel_values"]


def load_own(source: Source, build: Callable, what: str, names: Callable[[dict], dict] = dict):
    """A network of ours, which ``build`` makes of ``config.json``, in float32; `names`: the file's
    tensors → the network's, where theirs are called otherwise."""
    config = artefacts.read(source.folder / "config.json")
    tensors = artefacts.read(source.folder / "model.safetensors")
    with readable(f"a {what}'s config.json and weights that fit it", source.folder):
        with Bounded(source.folder):
            model = build(config)
        model.load_state_dict({name: tensor.float() if tensor.is_floating_point() else tensor
                               for name, tensor in names(tensors).items()})
    return model.eval().requires_grad_(False)


def load_model(model_class, source: Source, device: str, dtype=None,
               mapping: Mapping | None = None):
    """A folder's network, a `model_class` or what `mapping` has for its configuration; a missing
    weight, of which transformers only warns, is an error."""
    # slow: `paint` loads nothing of it
    from transformers import AutoConfig
    from transformers.utils import logging
    config = read(AutoConfig, source, f"a {model_class.__name__}'s config.json")
    model_class = (mapping or {}).get(type(config), model_class)
    if not isinstance(config, model_class.config_class):
        raise KlangfarbeError(f"a {model_class.__name__}", f"{source.folder}: a "
                              f"{config.model_type}", "give the right network's folder")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with (readable(f"a {model_class.__name__}'s weights, whole", source.folder),
              Bounded(source.folder)):
            model, report = model_class.from_pretrained(
                source.folder, config=config, use_safetensors=True, local_files_only=True,
                dtype=dtype or "float32", output_loading_info=True, ignore_mismatched_sizes=True)
    finally:
        if bars:
            logging.enable_progress_bar()
    faults = [*sorted(report["missing_keys"]), *(name for name, *_ in report["mismatched_keys"])]
    if faults:
        raise KlangfarbeError(f"every weight of {model_class.__name__} in {source.folder}",
                              f"{len(faults)} missing or of another shape: {faults[0]} …",
                              "take both from one checkpoint")
    return model.to(device).eval()


def try_out(loaded: Any) -> None:
    """Uses each way into a part once: what does not fit together is told before any work."""
    pictures, texts = np.zeros((2, 40, 48, 3), np.uint8), ["a hill", "a hill by the sea, at night"]
    for way, given, briefly in (
            ("embed_pictures", pictures, {}), ("embed_text", texts, {}), ("pooled", texts, {}),
            ("caption", pictures, {"max_tokens": 2}), ("describe", texts, {"max_new_tokens": 2}),
            ("generate", texts, {"seconds": 0.1}), ("round_trip", np.zeros((1, 1, 2**15)), {})):
        if hasattr(loaded, way):
            getattr(loaded, way)(given, **briefly)
    if hasattr(loaded, "window_seconds"):
        samples = round(loaded.sample_rate_hz * loaded.window_seconds)
        loaded.embed(np.zeros((1, samples), np.float32))
