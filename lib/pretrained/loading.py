"""Loads a transformers model from a folder so that a half-loaded one cannot go unnoticed."""

import contextlib
from collections.abc import Iterator

from transformers import AutoConfig
from transformers.utils import logging

from lib.core.errors import KlangfarbeError
from lib.pretrained.sources import Source


@contextlib.contextmanager
def readable(source: Source, what: str) -> Iterator[None]:
    """Whatever a library raises inside at a missing or damaged file of the folder becomes one line
    that says `what` was expected.
    """
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise KlangfarbeError(what, f"{source.folder}: {str(error).splitlines()[0][:120]}",
                              "use the folder that save_pretrained of the whole processor wrote, or fetch it again") from error


def whole_model(model_class, source: Source, dtype):
    """``model_class.from_pretrained(folder)``, safetensors only, nothing fetched, every weight
    found.

    transformers warns of a weight it cannot find and leaves it random; a metric would then measure
    noise. Here that is an error.

    Raises:
        KlangfarbeError: ``config.json`` of another kind of network, weights lacking or of another
            shape.
    """
    with readable(source, f"a {model_class.__name__}'s config.json"):
        config = AutoConfig.from_pretrained(source.folder, local_files_only=True)
    if not isinstance(config, model_class.config_class):
        raise KlangfarbeError(f"a {model_class.__name__}",
                              f"{source.folder}: a {config.model_type}",
                              "give the right network's folder")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, told = model_class.from_pretrained(source.folder, config=config,
                                                  use_safetensors=True, local_files_only=True,
                                                  dtype=dtype, output_loading_info=True,
                                                  ignore_mismatched_sizes=True)
    # a damaged file raises safetensors' own error, others OSError or ValueError
    except Exception as error:
        raise KlangfarbeError(f"whole weights in {source.folder}",
                              f"{type(error).__name__}: {str(error).splitlines()[0][:120]}",
                              "copy or fetch them again") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    faults = [*sorted(told["missing_keys"]), *(name for name, *_ in told["mismatched_keys"])]
    if faults:
        raise KlangfarbeError(f"every weight of {model_class.__name__} in {source.folder}",
                              f"{len(faults)} missing or of another shape: {faults[0]} …",
                              "take both from one checkpoint")
    return model
