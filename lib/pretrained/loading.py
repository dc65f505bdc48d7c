"""What the parts share: a network's card, and a folder loaded so that nothing stays half-loaded."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.pretrained.sources import Source


class Pretrained:
    """A network, `model`, in evaluation mode with its card and, if it reads, its tokenizer."""

    def __init__(self, source: Source, model: Any, device: str, tokenizer: Any = None):
        self.name, self.sha256 = source.name, source.sha256
        self.licence, self.revision = source.licence, source.revision
        self.model, self.device, self.tokenizer = model, device, tokenizer


@contextlib.contextmanager
def readable(source: Source, what: str) -> Iterator[None]:
    """What a library raises at a missing or unfit file becomes one line: `what` was expected."""
    try:
        yield
    except KlangfarbeError:
        raise
    except Exception as error:  # each library has its own
        line = f"{type(error).__name__} {str(error).splitlines()[0][:120]}"
        raise KlangfarbeError(what, f"{source.folder}: {line}", "use one checkpoint's files, all "
                              "of them, or fetch it again") from error


def read(kind, source: Source, what: str = "a tokenizer's tokenizer.json, tokenizer_config.json"):
    """``kind.from_pretrained(folder)``, of which `what` was expected."""
    with readable(source, what):
        return kind.from_pretrained(source.folder, local_files_only=True)


def tokenizer_of(source: Source):
    """The folder's tokenizer."""
    return read(AutoTokenizer, source)


def tokens_of(tokenizer, texts: Sequence[str], longest: int):
    """Padded ``input_ids`` and ``attention_mask`` [N, L] of texts, L ≤ longest."""
    return tokenizer(list(texts), padding=True, truncation=True, max_length=longest,
                     return_tensors="pt", return_token_type_ids=False)


def pixels_of(processor, pictures):
    """Pictures uint8 [N, H, W, 3] → float tensor [N, 3, side, side], as the checkpoint scales."""
    return processor(list(pictures), return_tensors="pt",
                     input_data_format="channels_last")["pixel_values"]


def load_own(source: Source, build, what: str):
    """A network of ours, which ``build`` makes of ``config.json``, in float32."""
    config = artefacts.read(source.folder / "config.json")
    tensors = artefacts.read(source.folder / "model.safetensors")
    with readable(source, f"a {what}'s config.json and weights that fit it"):
        model = build(config)
        model.load_state_dict({name: tensor.float() if tensor.is_floating_point() else tensor
                               for name, tensor in tensors.items()})
    return model.eval().requires_grad_(False)


def load_model(model_class, source: Source, device: str, dtype=None,
               mapping: Mapping | None = None):
    """A folder's network, a `model_class` or what `mapping` has for its configuration; a missing
    weight, of which transformers only warns, is an error.
    """
    config = read(AutoConfig, source, f"a {model_class.__name__}'s config.json")
    model_class = (mapping or {}).get(type(config), model_class)
    if not isinstance(config, model_class.config_class):
        raise KlangfarbeError(f"a {model_class.__name__}", f"{source.folder}: a "
                              f"{config.model_type}", "give the right network's folder")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with readable(source, f"a {model_class.__name__}'s weights, whole"):
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
