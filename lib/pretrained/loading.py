"""What the parts share: a network's card, and loading a folder so that a half-loaded network cannot
go unnoticed.
"""

import contextlib
from collections.abc import Iterator

from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from lib.core.errors import KlangfarbeError
from lib.pretrained.sources import Source


class Pretrained:
    """A network in evaluation mode with its card.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. model: the network itself.
    """

    def __init__(self, source: Source, model, device: str):
        self.name, self.sha256 = source.name, source.sha256
        self.licence, self.revision = source.licence, source.revision
        self.model, self.device = model, device


@contextlib.contextmanager
def readable(source: Source, what: str) -> Iterator[None]:
    """Whatever a library raises inside at a missing, damaged or unfit file becomes one line that
    says `what` was expected.
    """
    try:
        yield
    except KlangfarbeError:
        raise
    # open_clip asserts widths; a state dict that does not fit is a RuntimeError
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AssertionError) as error:
        raise KlangfarbeError(what, f"{source.folder}: {type(error).__name__} "
                              f"{str(error).splitlines()[0][:120]}",
                              "use one checkpoint's files, all of them, or fetch it "
                              "again") from error


def tokenizer_of(source: Source):
    """The folder's tokenizer."""
    with readable(source, "a tokenizer's tokenizer.json and tokenizer_config.json"):
        return AutoTokenizer.from_pretrained(source.folder, local_files_only=True)


def config_of(source: Source, what: str):
    """The folder's ``config.json`` as transformers reads it."""
    with readable(source, f"a {what}'s config.json"):
        return AutoConfig.from_pretrained(source.folder, local_files_only=True)


def load_model(model_class, source: Source, device: str, dtype=None):
    """``model_class.from_pretrained(folder)`` in evaluation mode: safetensors only, nothing
    fetched, every weight found.

    transformers warns of a weight it cannot find and leaves it random; a metric would then measure
    noise. Here that is an error.
    """
    config = config_of(source, model_class.__name__)
    if not isinstance(config, model_class.config_class):
        raise KlangfarbeError(f"a {model_class.__name__}",
                              f"{source.folder}: a {config.model_type}",
                              "give the right network's folder")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, report = model_class.from_pretrained(
            source.folder, config=config, use_safetensors=True, local_files_only=True,
            dtype=dtype or "float32", output_loading_info=True, ignore_mismatched_sizes=True)
    # a damaged file raises safetensors' own error, others OSError or ValueError
    except Exception as error:
        raise KlangfarbeError(f"whole weights in {source.folder}",
                              f"{type(error).__name__}: {str(error).splitlines()[0][:120]}",
                              "copy or fetch them again") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    faults = [*sorted(report["missing_keys"]), *(name for name, *_ in report["mismatched_keys"])]
    if faults:
        raise KlangfarbeError(f"every weight of {model_class.__name__} in {source.folder}",
                              f"{len(faults)} missing or of another shape: {faults[0]} …",
                              "take both from one checkpoint")
    return model.to(device).eval()
