"""A tiny BLIP: shapes, the hub layout, leading words, training that repeats itself, what counts as
named, and the bundled one.
"""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rehearsal import networks
from safetensors.torch import save_file

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import paint, words
from lib.data.atelier.factors import draw
from lib.pretrained import captioner
from lib.recipes import pictures as recipe
from lib.recipes.bundling import Steps

TINY = Steps(2, 8, 1.5e-3)
VISION = {**recipe.BLIP_VISION, "image_size": 32, "hidden_size": 32, "intermediate_size": 96,
          "num_hidden_layers": 1, "num_attention_heads": 2}


def build(n_words, seed=0, width=32):
    """A tiny BLIP of random weights."""
    text = {**recipe.BLIP_TEXT, "hidden_size": width, "intermediate_size": 2 * width,
            "num_hidden_layers": 1, "num_attention_heads": 2}
    return recipe.build_blip(n_words, VISION, text, seed)


def save(folder, model, tokens):
    """The hub's layout, in half precision."""
    for part in recipe.parts(model, tokens):
        part.save_pretrained(folder)


@pytest.fixture(autouse=True)
def whole_precision(monkeypatch):
    """No training here is in bfloat16: as on a CPU that has none."""
    import torch

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.fixture(scope="module")
def items():
    """Twelve paintings, captions and their own emotion words."""
    drawn = [draw(99, i) for i in range(12)]
    return paint.pictures(99, range(12),
                          32)[0], [words.caption(f) for f in drawn], [words.emotion_word(f)
                                                                      for f in drawn]


@pytest.fixture(scope="module")
def tokens(items):
    return recipe.blip_tokenizer(items[1], 400)


@pytest.fixture(scope="module")
def folder(tokens, tmp_path_factory):
    """A BLIP of random weights in the hub's layout."""
    where = tmp_path_factory.mktemp("blip")
    save(where, build(len(tokens), seed=5), tokens)
    return where


@pytest.fixture
def spoilt(folder, tmp_path):
    """``spoilt(file)`` → a copy of the folder in which that file is cut off in the middle."""

    def copy(file):
        where = shutil.copytree(folder, tmp_path / "spoilt")
        (where / file).write_bytes((folder / file).read_bytes()[: (folder / file).stat().st_size
                                                                // 2])
        return where

    return copy


def trained(where, items, tokens, **changes):
    """Both phases on `items`, each picture a subject of its own: (network, curve of the eye, curve
    of the words).
    """
    config, model = replace(TINY, **changes), build(len(tokens))
    seen = recipe.train_vision(model, items[0], np.arange(len(items[0])), config,
                               checkpoint=where / "e.safetensors")
    return model, seen, recipe.train_blip(model, tokens, *items, config,
                                     checkpoint=where / "c.safetensors")


# --- the network and its words


def test_the_configuration_fixes_every_shape(items, tokens):
    from transformers import BlipForConditionalGeneration

    model = build(len(tokens))
    assert isinstance(model,
                      BlipForConditionalGeneration) and model.config.text_config.vocab_size == len(
        tokens)
    ids, mask, labels = recipe.targets(tokens, [(None, items[1][0]), ("sad", "x")])
    out = model(pixel_values=recipe.pixels(items[0][:2]), input_ids=ids,
                attention_mask=mask, labels=labels)
    assert out.logits.shape == (*ids.shape, len(tokens)) and out.image_embeds.shape == (2, 17, 32)
    assert out.loss.item() == pytest.approx(np.log(len(tokens)),
                                            rel=0.1), "untrained, all words are equally likely"
    assert 0.9e6 < sum(p.numel() for p in recipe.build_blip(700).parameters()) < 2e6


def test_only_what_is_said_is_learned(items, tokens):
    """Start, leading words and padding carry −100; the end mark is learned."""
    text = recipe.target_text("angry", "a red sea.", ("tense", "furious"))
    assert text == "an angry painting: a red sea. it feels tense and furious."
    ids, mask, labels = recipe.targets(tokens, [("angry", text), (None, "a sea.")])
    known = [[int(t) for t in row if t >= 0] for row in labels]
    assert tokens.decode(known[0]).strip() == ": a red sea. it feels tense and furious.</s>"
    assert tokens.decode(known[1]).strip() == "a sea.</s>"
    assert ((labels >= 0) <= (mask == 1)).all() and (labels[labels >= 0] == ids[labels >= 0]).all()
    lead = captioner.lead_tokens(tokens, "angry")
    assert ids[0,
               : len(lead)
               - 1].tolist() == lead[:-1], "at use the lead has the tokens it had in training"


def test_feelings_belong_to_one_word_each():
    felt = recipe.feelings()
    assert list(felt) == ["happy", "fun", "angry", "sad",
                          "neutral"] and all(len(group) >= 5 for group in felt.values())
    everything = [f for group in felt.values() for f in group]
    assert len(everything) == len(set(everything)) and "furious" in felt[
        "angry"] and "desolate" in felt["sad"]


def test_what_counts_as_named():
    for index in range(300):
        item = draw(77, index)
        assert recipe.named(words.caption(item)) == ({item.subject}, {item.style})
    assert recipe.named("a seascape of fruit on a table with a cloth.") == ({"fruit"},
                                                                            {"seascape",
                                                                             "still_life"})
    assert recipe.named("something else") == (set(), set())
    assert recipe.spoken_feelings("a sad painting: hills. it feels sad and lonely.") == ["sad",
                                                                                         "lonely"]
    assert recipe.spoken_feelings("hills.") == []


# --- the hub's layout -----------------------------------------------------------------------------


def test_the_hub_layout_round_trip(folder, items, tokens):
    """What was saved is what is loaded, up to half precision; the same words come out of both."""
    import torch

    loaded = pretrained.load("captioner", folder, device="cpu")
    fresh = build(len(tokens), seed=5).half().float().eval()
    pixels = captioner.pixels_of(loaded.processor, items[0])
    assert torch.allclose(pixels, recipe.pixels(items[0]),
                          atol=1e-5), "the recipe in the folder is the one trained with"
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name]), name
    same = captioner.Captioner(loaded, fresh, "cpu", tokens, loaded.processor)
    assert same.caption(items[0], max_tokens=6) == loaded.caption(items[0], max_tokens=6)


def test_a_folder_as_published_loads_too(items, tmp_path):
    """BERT's word pieces and tied words, as Salesforce/blip-image-captioning-large has them; random
    weights.
    """
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
    )

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "an", "sad", "angry", "painting",
              "hill", "##s", "sea", "[DEC]"]
    tokens = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
             "num_attention_heads": 2}
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(BlipConfig(vision_config=small
                                                    | {"image_size": 32, "patch_size": 8,
                                                       "initializer_range": 0.02},
                                                    text_config=small
                                                    | {"vocab_size": len(pieces),
                                                       "bos_token_id": 13, "eos_token_id": 2,
                                                       "pad_token_id": 0, "sep_token_id": 3}))
    for part in (model, tokens, BlipImageProcessor(size={"height": 32, "width": 32})):
        part.save_pretrained(tmp_path)
    loaded = pretrained.load("captioner", tmp_path, device="cpu")
    said = loaded.caption(items[0][:4], ["sad", "angry", None, "sad"], max_tokens=5)
    for text, start in zip(said, ("a sad painting", "an angry painting", "", "a sad painting"),
                           strict=True):
        assert text.startswith(start)
    assert all(torch.equal(p, q) for p,
               q in zip(model.parameters(), loaded.model.parameters(), strict=True))


def test_batch_size_and_company_do_not_matter(folder, items):
    loaded = pretrained.load("captioner", folder, device="cpu")
    asked = [None, "sad", "happy", "neutral"] * 3
    together = loaded.caption(items[0], asked, max_tokens=8)
    assert together == loaded.caption(items[0], asked, max_tokens=8, batch=1)
    assert together == [loaded.caption(p[None], [w], max_tokens=8)[0] for p,
                        w in zip(items[0], asked, strict=True)]
    for text, word in zip(together, asked, strict=True):
        assert text.startswith(captioner.lead(word or "x")) is (word is not None)


def test_wrong_pictures_and_counts_are_refused(folder, items):
    loaded = pretrained.load("captioner", folder, device="cpu")
    with pytest.raises(KlangfarbeError, match="pictures"):
        loaded.caption(items[0][0])
    with pytest.raises(ValueError, match="shorter"):
        loaded.caption(items[0], ["sad"])


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json",
                                  "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_told_which(folder, tmp_path, file):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / file).unlink()
    with pytest.raises(KlangfarbeError, match=f"all but {file}"):
        pretrained.load("captioner", copy, device="cpu")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json",
                                  "tokenizer.json"])
def test_a_damaged_file_gives_one_line(spoilt, file):
    with pytest.raises(KlangfarbeError) as caught:
        pretrained.load("captioner", spoilt(file), device="cpu")
    assert "\n" not in str(caught.value) and "spoilt" in str(caught.value)


def test_weights_of_another_shape_are_refused(folder, tokens, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    save(tmp_path / "wider", build(len(tokens), width=48), tokens)
    shutil.copy(tmp_path / "wider" / "model.safetensors", copy)
    with pytest.raises(KlangfarbeError, match="missing or of another shape"):
        pretrained.load("captioner", copy, device="cpu")


def test_pickled_weights_and_other_networks_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(KlangfarbeError, match="could run code"):
        pretrained.load("captioner", copy, device="cpu")
    other = shutil.copytree(paths.MINIATURES / "text_audio", tmp_path / "other")
    with pytest.raises(KlangfarbeError, match="a BlipForConditionalGeneration"):
        pretrained.load("captioner", other, device="cpu")


# --- BLIP-2 ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blip2_folder(tmp_path_factory):
    """A BLIP-2 of random weights whose language model looks at the picture."""
    import torch

    folder = tmp_path_factory.mktemp("blip2")
    torch.manual_seed(0)
    networks.blip2(folder)
    tensors = artefacts.read(folder / "model.safetensors")
    for name, tensor in tensors.items():  # initial weights are so small that it would not
        if tensor.ndim > 1:
            tensors[name] = torch.randn(tensor.shape) * (4 / tensor[0].numel()) ** 0.5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("word", ["sad", "angry", None])
def test_blip2_says_what_transformers_says(blip2_folder, items, word):
    """Against Blip2Processor and its model's own generate, picture by picture."""
    from transformers import (
        AutoTokenizer,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessorPil,
    )

    model = Blip2ForConditionalGeneration.from_pretrained(blip2_folder).eval()
    processor = Blip2Processor(BlipImageProcessorPil.from_pretrained(blip2_folder),
                               AutoTokenizer.from_pretrained(blip2_folder),
                               num_query_tokens=model.config.num_query_tokens)
    own = []
    for picture in items[0]:
        text = {} if word is None else {"text": captioner.lead(word)}
        inputs = processor(images=picture, return_tensors="pt", **text)
        said = model.generate(**inputs, max_new_tokens=9, do_sample=False, num_beams=1)
        own.append(processor.batch_decode(said, skip_special_tokens=True)[0].strip())
    loaded = pretrained.load("captioner", blip2_folder, device="cpu")
    captions = loaded.caption(items[0], [word] * len(items[0]), max_tokens=9, batch=5)
    assert captions == own and len(set(captions)) > 1, "it looks at the picture"
    lead = "" if word is None else captioner.lead(word)
    assert all(text.startswith(lead) and len(text) > len(lead) for text in captions)


def test_a_blip2_without_its_picture_token_is_refused(blip2_folder, tmp_path):
    copy = shutil.copytree(blip2_folder, tmp_path / "copy")
    config = artefacts.read(copy / "config.json")
    config.pop("image_token_index")
    artefacts.write(copy / "config.json", config)
    with pytest.raises(KlangfarbeError, match="image_token_index"):
        pretrained.load("captioner", copy, device="cpu")


# --- training -------------------------------------------------------------------------------------


def test_first_the_eye_learns_then_the_words_and_both_repeat_themselves(tmp_path, items, tokens):
    import torch

    before = dict(build(len(tokens)).named_parameters())
    model, seen, spoken = trained(tmp_path / "a", items, tokens)
    still = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert still == ["text_decoder.cls.predictions.bias"], (
        "transformers' BLIP has a bias twice and adds the other one")
    assert not model.training and all(p.requires_grad for p in model.parameters())
    assert all(0 < row["loss"] < 10 for row in seen + spoken)
    again = trained(tmp_path / "b", items, tokens)
    assert again[1:] == (seen, spoken)
    assert all(torch.equal(p, q) for p,
               q in zip(model.parameters(), again[0].parameters(), strict=True))
    taken_up = trained(tmp_path / "b", items, tokens)
    assert all(torch.equal(p, q) for p,
               q in zip(model.parameters(), taken_up[0].parameters(),
                        strict=True)), "from its checkpoints"


def test_each_phase_leaves_the_other_half_alone(tmp_path, items, tokens):
    import torch

    model = build(len(tokens))
    fresh = {name: p.clone() for name, p in model.named_parameters()}
    recipe.train_vision(model, items[0], np.arange(12) % 3, TINY,
                        checkpoint=tmp_path / "e.safetensors")
    looked = {name: p.clone() for name, p in model.named_parameters()}
    assert {name.split(".")[0] for name,
            p in looked.items() if not torch.equal(p, fresh[name])} == {"vision_model"}
    recipe.train_blip(model, tokens, *items, TINY, checkpoint=tmp_path / "c.safetensors")
    assert {name.split(".")[0] for name,
            p in model.named_parameters() if not torch.equal(p, looked[name])} == {"text_decoder"}


def test_a_tiny_batch_is_learned_by_heart(tmp_path, items, tokens, monkeypatch):
    """Four pictures, four captions: read back word for word, so training and reading agree on where
    a caption begins and ends.
    """
    monkeypatch.setattr(recipe, "P_LED", 0.0)
    monkeypatch.setattr(recipe, "SHIFT", 0)
    few = [part[:4] for part in items]
    model, seen, spoken = trained(tmp_path, few, tokens, n_steps=150, batch_size=4,
                                  learning_rate=5e-3)
    assert seen[-1]["right"] == 1 and spoken[-1]["loss"] < 0.1 < spoken[0]["loss"]
    save(tmp_path / "whole", model, tokens)
    read = pretrained.load("captioner", tmp_path / "whole", device="cpu").caption(few[0])
    assert read == [caption.lower() for caption in few[1]]


# --- what is measured -----------------------------------------------------------------------------


class Parrot:
    """Says of painting i what the atelier says of painting i + `turned`, and goes on with
    `feelings` of the word it was led by.
    """

    def __init__(self, n, turned=0, obeys=True):
        self.said = [words.caption(draw(99, (i + turned) % n)).lower() for i in range(n)]
        self.obeys = obeys

    def caption(self, pictures, asked=None):
        felt = recipe.feelings()
        return self.said if asked is None else [recipe.target_text(word, text,
                                                                     felt[word if self.obeys
                                                                          else "sad"][:2]) for word,
                                                text in zip(asked, self.said, strict=True)]


def test_the_measures_tell_a_seeing_captioner_from_a_blind_and_a_deaf_one(monkeypatch):
    monkeypatch.setattr(recipe.bundling, "painted", lambda seed, indices,
                        size: (np.zeros((len(indices), 4, 4, 3), np.uint8), "key"))

    def values(**how):
        rows, _ = recipe.measure_captioner(Parrot(100, **how), 99, range(100))
        return pd.DataFrame(rows).set_index("measure")["value"]

    right = {f"{way}_{what}_named": 1.0 for way in ("unled", "led")
             for what in ("subject", "manner")}
    assert values().to_dict() == right | {"led_feeling_follows": 1.0, "unled_feeling": 0.0}
    blind = values(turned=1)
    assert blind["led_subject_named"] < 0.15 and blind["unled_manner_named"] < 0.3 and blind[
        "led_feeling_follows"] == 1
    deaf = values(obeys=False)
    assert deaf["led_feeling_follows"] < 0.4 and deaf["led_subject_named"] == 1


# --- the bundled one ------------------------------------------------------------------------------


def test_the_bundled_captioner_names_what_it_sees_and_follows_the_word():
    loaded = pretrained.load("captioner", device="cpu")
    drawn = [draw(atelier.TEST_SEED, i) for i in range(2000, 2040)]
    pictures = np.stack([paint.paint(f, 64) for f in drawn])
    named = [recipe.named(text) for text in loaded.caption(pictures)]
    assert np.mean([styles == {f.style} for (_, styles),
                    f in zip(named, drawn, strict=True)]) > 0.8
    asked = ["sad", "happy"] * 20
    told = [recipe.spoken_feelings(text) for text in loaded.caption(pictures, asked)]
    felt = recipe.feelings()
    assert np.mean([set(t) <= set(felt[w]) and len(t) == 2 for t,
                    w in zip(told, asked, strict=True)]) > 0.9


def test_the_bundled_captioner_has_a_card_and_the_figures_it_promises():
    loaded = pretrained.load("captioner", device="cpu")
    where = paths.MINIATURES / "captioner"
    assert loaded.sha256 in (where
                             / "CARD.md").read_text(encoding="utf-8") and loaded.licence.startswith(
        "MIT")
    assert sum(p.stat().st_size for p in where.iterdir()) < 4e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in where.iterdir()
               if p.suffix in (".csv", ".safetensors"))
    value = artefacts.read(where / "heldout.csv").set_index("measure")["value"]
    assert min(value[f"{way}_{what}_named"] for way in ("led", "unled")
               for what in ("subject", "manner")) >= 0.9
    assert value["led_feeling_follows"] >= 0.9 and value["led_form"] >= 0.9 and value[
        "unled_feeling"] <= 0.01
