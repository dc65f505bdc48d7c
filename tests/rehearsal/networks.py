"""Random networks of the *published architectures* at toy sizes, under the names and commits that
profile ``paper`` asks for, as the hub's cache lays them out."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
import transformers as hf
from open_clip.model import CLIP

from lib import pretrained
from lib.core import artefacts
from lib.data.atelier import factors, words
from lib.models.panns import Cnn14
from lib.models.vggish import VGGish
from lib.pretrained import audioset
from lib.pretrained.encoders import POOLING
from lib.recipes import describer, listeners, pictures, texts

COMMIT = "0" * 40  # where a part pins none
N_WORDS, SIDE = 400, 32
TINY: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32,
                        "num_hidden_layers": 1, "num_attention_heads": 2}


def write_hub(cache: Path) -> None:
    """Every network of :data:`NETWORKS` in a hub cache folder (``HF_HUB_CACHE``)."""
    pinned = {name: revision for part in (pretrained.PARTS | pretrained.PUBLISHED).values()
              for name, (_, revision) in part.hub.items()}
    for name, make in NETWORKS.items():
        home, revision = cache / f"models--{name.replace('/', '--')}", pinned.get(name) or "main"
        # a commit, or a name that stands for one
        commit, reference = (COMMIT, revision) if len(revision) < 40 else (revision, "main")
        folder, file = home / "snapshots" / commit, home / "refs" / reference
        for place in (file.parent, folder):
            place.mkdir(parents=True, exist_ok=True)
        file.write_text(commit)
        torch.manual_seed(0)
        make(folder)
    torch.manual_seed(0)
    vggish(cache / Path(audioset.FILE).stem)


@functools.cache
def said() -> tuple[str, ...]:
    """Texts of the atelier that tokenizers are made from."""
    items = [factors.draw(0, index) for index in range(60)]
    return tuple(text for item in items for text in (
        words.caption(item), words.comment(item), words.description(item),
        words.emotion_word(item)))


def _save(folder: Path, *parts: Any) -> None:
    for part in parts:
        part.save_pretrained(folder)


def clip(folder: Path) -> None:
    """OpenAI's CLIP in transformers' layout."""
    tokens = listeners.clap_tokenizer(said(), N_WORDS)
    text = TINY | {"vocab_size": len(tokens), "max_position_embeddings": 77, "bos_token_id": 0,
                   "pad_token_id": 1, "eos_token_id": 2}
    vision = TINY | {"image_size": SIDE, "patch_size": 8}
    _save(folder, hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision,
                                             projection_dim=12)),
          hf.CLIPImageProcessorPil(size={"shortest_edge": SIDE},
                                   crop_size={"height": SIDE, "width": SIDE}), tokens)


def open_clip(folder: Path) -> None:
    """LAION's CLIP in open_clip's layout."""
    tokens = pictures.clip_tokenizer(list(said()), N_WORDS)
    settings = pictures.settings(
        len(tokens), {"image_size": SIDE, "patch_size": 8, "width": 16, "layers": 1,
                      "head_width": 8},
        {**pictures.CLIP_TEXT, "width": 32, "heads": 2, "layers": 1}, 24)
    for file, content in pictures.files(CLIP(**settings), settings).items():
        artefacts.write(folder / file, content)
    _save(folder, tokens)


def blip(folder: Path) -> None:
    """BLIP, the captioner."""
    tokens = pictures.blip_tokenizer(list(said()), N_WORDS)
    vision = TINY | {"image_size": SIDE, "patch_size": 8, "initializer_range": 0.02}
    text = pictures.BLIP_TEXT | TINY | {"num_attention_heads": 2}
    _save(folder, *pictures.parts(pictures.build_blip(len(tokens), vision, text), tokens))


def blip2(folder: Path) -> None:
    """BLIP-2 with an OPT: a start mark before the words, a token for each part of the picture."""
    tokens = pictures.clip_tokenizer([*said(), "a sad painting"], N_WORDS, template="</s> $A")
    tokens.add_tokens(["<image>"], special_tokens=True)  # the last one
    text = hf.OPTConfig(vocab_size=len(tokens), **TINY, word_embed_proj_dim=16, ffn_dim=32,
                        bos_token_id=2, pad_token_id=1, eos_token_id=3)
    config = hf.Blip2Config(
        vision_config=TINY | {"image_size": SIDE, "patch_size": 8, "initializer_range": 0.02},
        qformer_config=TINY | {"num_hidden_layers": 2, "vocab_size": 8},
        text_config=text.to_dict(), num_query_tokens=4, image_token_index=len(tokens) - 1)
    _save(folder, hf.Blip2ForConditionalGeneration(config), tokens,
          hf.BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}))


def falcon(folder: Path) -> None:
    """Falcon as falcon-rw-1b is built: ALiBi, biases, no padding token."""
    tokens = describer.tokenizer(list(said()), N_WORDS)
    tokens.pad_token = None
    config = hf.FalconConfig(
        vocab_size=len(tokens), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        alibi=True, bias=True, multi_query=False, new_decoder_architecture=False,
        parallel_attn=False, bos_token_id=1, eos_token_id=2)
    _save(folder, hf.FalconForCausalLM(config), tokens)


def llama(folder: Path) -> None:
    """Llama with a chat template, as its instructed versions have."""
    tokens = describer.tokenizer(list(said()), N_WORDS)
    tokens.chat_template = ("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n"
                            "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}")
    config = hf.LlamaConfig(vocab_size=len(tokens), **TINY, num_key_value_heads=1,
                            max_position_embeddings=2048, bos_token_id=1, eos_token_id=2)
    _save(folder, hf.LlamaForCausalLM(config), tokens)


def musicgen(folder: Path) -> None:
    """MusicGen with its T5 and EnCodec: 50 codes a second at 32 kHz, of four codebooks."""
    tokens = texts.t5_tokenizer(said(), N_WORDS)
    size = 64  # of a codebook; its number beyond is the special token
    text = hf.T5Config(vocab_size=len(tokens), d_model=16, d_kv=8, d_ff=32, num_layers=1,
                       num_heads=2)
    codec = hf.EncodecConfig(
        sampling_rate=32_000, audio_channels=1, num_filters=2, num_residual_layers=1,
        upsampling_ratios=[8, 5, 4, 4], codebook_size=size, hidden_size=16, codebook_dim=16,
        num_lstm_layers=1, normalize=False, chunk_length_s=None, use_causal_conv=False,
        target_bandwidths=[4 * (size.bit_length() - 1) * 0.05])
    decoder = hf.MusicgenDecoderConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, ffn_dim=64,
        num_codebooks=4, pad_token_id=size, bos_token_id=size, max_position_embeddings=2048)
    model: Any = hf.MusicgenForConditionalGeneration(hf.MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()))
    for name in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, name, size)
    for name, codebook in model.audio_encoder.named_buffers():
        if name.endswith("codebook.embed"):
            codebook.normal_()  # a new one holds zeros: every sound would have one code
    _save(folder, model, tokens)


def clap(folder: Path) -> None:
    """LAION's CLAP."""
    tokens = listeners.clap_tokenizer(said(), N_WORDS)
    audio = listeners.AUDIO | {"patch_embeds_hidden_size": 8, "hidden_size": 64,
                               "num_attention_heads": [1, 2, 4, 4]}
    text = listeners.TEXT | {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                             "intermediate_size": 32}
    _save(folder, listeners.build_clap(len(tokens), audio, text, 16),
          hf.ClapFeatureExtractor(**listeners.EXTRACTOR), tokens)


def sentences(folder: Path) -> None:
    """A BERT as sentence-transformers lays it out."""
    tokens = texts.bert_tokenizer(said(), N_WORDS)
    _save(folder, texts.build_bert(len(tokens), texts.BERT_SIZES | TINY), tokens)
    artefacts.write(folder / POOLING, texts.MEAN_POOLING | {"word_embedding_dimension": 16})


def vggish(folder: Path) -> None:
    """VGGish, narrow, as its published file is converted."""
    sizes = {"widths": [[4], [4], [8, 8], [8, 8]], "hidden": 16}
    artefacts.write(folder / "config.json", {"model_type": "vggish", **sizes})
    artefacts.write(folder / "model.safetensors", VGGish(**sizes).state_dict())


def panns(folder: Path) -> None:
    """CNN14, narrow, as the hub's copy names its weights, with its Fourier transform's kernels."""
    sizes = {"widths": [4, 4, 8, 8, 16, 16]}
    tensors = Cnn14(**sizes).state_dict() | {
        f"spectrogram_extractor.stft.conv_{part}.weight": torch.zeros(513, 1, 1024)
        for part in ("real", "imag")}
    artefacts.write(folder / "config.json", {"model_type": "Cnn14", **sizes})
    artefacts.write(folder / "model.safetensors",
                    {f"backbone.{name}": tensor for name, tensor in tensors.items()})


def resnet50(folder: Path) -> None:
    """ResNet50, its narrow convolutions as wide as a rehearsal's config has them."""
    artefacts.write(folder / "model.safetensors",
                    torchvision.models.resnet50(weights=None, width_per_group=4).state_dict())


# name on the hub → who writes a random network of that architecture into a folder
NETWORKS: dict[str, Callable[[Path], None]] = {
    "openai/clip-vit-base-patch32": clip,
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": open_clip,
    "Salesforce/blip-image-captioning-large": blip,
    "Salesforce/blip2-opt-2.7b": blip2,
    "tiiuae/falcon-rw-1b": falcon,
    "meta-llama/Llama-3.1-8B-Instruct": llama,
    "facebook/musicgen-small": musicgen,
    "laion/clap-htsat-unfused": clap,
    "laion/larger_clap_music": clap,
    "nicofarr/panns_Cnn14": panns,
    "sentence-transformers/all-MiniLM-L6-v2": sentences,
    "sentence-transformers/paraphrase-TinyBERT-L6-v2": sentences,
    "timm/resnet50.tv_in1k": resnet50,
}
