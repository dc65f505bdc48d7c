"""Pretrained networks behind one door: ``load(part, source)``, where the source is bundled, a
folder, or a name on the hub.

    part ──► PARTS ──► sources.find ──► folder in hub layout + SHA-256 ──► the part's module: encoder(source, device, dtype)

What comes back answers to the protocols of :mod:`lib.metrics.embedders` where it embeds. A further
part is one more line in ``PARTS`` and one more module with an ``encoder`` function.

Notebook: 05.
"""

from importlib import import_module
from pathlib import Path

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.pretrained.sources import MINIATURE, Known, Part, find

# Commits are those that several public projects pin; of clip-vit-base-patch32 the one whose weights
# are safetensors. Where none is named, the card says which was got.
PARTS = {
    "tagger": Part("music tagger: genre, valence and arousal, and the embedding of Fréchet distances", "tagger",
                   ("config.json", "model.safetensors"), {}, miniature="tagger"),
    "text_audio": Part("CLAP: text and sound in one space", "text_audio",
                       ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"),
                       {"laion/clap-htsat-unfused": Known("Apache-2.0", "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"),
                        "laion/larger_clap_music": Known("Apache-2.0", "a0b4534a14f58e20944452dff00a22a06ce629d1"),
                        "laion/larger_clap_music_and_speech": Known("Apache-2.0", "195c3a3e68faebb3e2088b9a79e79b43ddbda76b")},
                       miniature="text_audio"),
    "codec": Part("neural codec: sound to a few whole numbers many times a second, and back", "codec", ("config.json", "model.safetensors"),
                  {"facebook/encodec_32khz": Known("unknown"),
                   "facebook/encodec_24khz": Known("unknown", "c1dbe2ae3f1de713481a3b3e7c47f357092ee040")}, miniature="codec"),
    "image_text": Part("CLIP: pictures and text in one space", "image_text",
                       ("config.json|open_clip_config.json", "model.safetensors|open_clip_model.safetensors",
                        "preprocessor_config.json|open_clip_config.json", "tokenizer.json|open_clip_config.json",
                        "tokenizer_config.json|open_clip_config.json"),
                       {"openai/clip-vit-base-patch32": Known("MIT", "c237dc49a33fc61debc9276459120b7eac67e7ef"),
                        "openai/clip-vit-large-patch14": Known("MIT", "32bd64288804d66eefd0ccbe215aa642df71cc41"),
                        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": Known("MIT")}, miniature="image_text"),
    "captioner": Part("BLIP: a caption of a picture, led by an emotion word", "captioner",
                      ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"),
                      {"Salesforce/blip-image-captioning-large": Known("BSD-3-Clause", "2227ac38c9f16105cb0412e7cab4759978a8fd90")},
                      miniature="captioner"),
    "describer": Part("causal language model: a caption becomes a musical description of two lines", "describer",
                      ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
                      {"tiiuae/falcon-rw-1b": Known("Apache-2.0", "e4b9872bb803165eb22f0a867d4e6a64d34fce19"),
                       "meta-llama/Llama-3.1-8B-Instruct": Known("Llama 3.1 Community")},
                      miniature="describer"),
    "text_encoder": Part("T5: a text as one state a token", "text_encoder",
                         ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
                         {"google-t5/t5-base": Known("Apache-2.0", "a9723ea7f1b39c1eae772870f3b547bf6ef7e6c1")}, miniature="text_encoder"),
    "sentences": Part("sentence encoder: a text as one unit vector", "sentences",
                      ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json"),
                      {"sentence-transformers/all-MiniLM-L6-v2": Known("Apache-2.0", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
                       "sentence-transformers/paraphrase-TinyBERT-L6-v2": Known("Apache-2.0")}, miniature="sentences"),
    "musicgen": Part("MusicGen: text or a vector becomes music", "musicgen",
                     ("config.json", "model.safetensors", "tokenizer.json|parts.json", "tokenizer_config.json|parts.json"),
                     {"facebook/musicgen-small": Known("CC-BY-NC-4.0", "4c8334b02c6ec4e8664a91979669a501ec497792"),
                      "facebook/musicgen-medium": Known("CC-BY-NC-4.0"),
                      "facebook/musicgen-large": Known("CC-BY-NC-4.0")}, miniature="musicgen"),
}


def load(part: str, source: str | Path = MINIATURE, *, revision: str | None = None,
         device: str | None = None, dtype=None):
    """Loads a part.

    Args:
        part: a name out of ``PARTS``.
        source: ``"miniature"``, a folder in the hub's layout, or a name on the hub
            (``"org/name"``).
        revision: of the hub; ``None``: the pinned one where there is one, else ``main``; the card
            names the commit that was got.
        device: ``"cpu"``, ``"cuda"`` …; ``None``: the best there is. dtype: a torch type; ``None``:
            float32.

    Returns:
        The encoder, in evaluation mode, with ``name``, ``sha256``, ``licence`` and ``revision``.

    Raises:
        KlangfarbeError: an unknown part, missing files (the line lists them), pickled weights, or
            weights of another network.
    """
    if part not in PARTS:
        raise KlangfarbeError(f"a part out of {', '.join(PARTS)}", repr(part), "name one of them")
    found = find(part, PARTS[part], source, revision)
    return import_module(f"lib.pretrained.{PARTS[part].module}").encoder(found,
                                                                         device
                                                                         or provenance.device(),
                                                                         dtype)
