"""The describer: the paper's prompts, one path for every source, draws that belong to a prompt and
a seed, and what it has learned.
"""

import json
import shutil

import numpy as np
import pytest

from lib import pretrained
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import factors, words
from lib.data.atelier.compose import describe
from lib.pretrained import describer
from lib.recipes import describer as recipe
from lib.recipes.bundling import WORDS_SEED, Steps

SIZES = {**recipe.SIZES, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
         "num_attention_heads": 2, "num_key_value_heads": 2}
TINY = Steps(120, 4, 1e-2)
CAPTIONS = ["A view of the coast.", "A nocturne, with a moon.", "Pears on a cloth.",
            "A sitter in profile."]
EMOTIONS = ["happy", "sad", "angry", "fun"]
DESCRIPTIONS = ["A warm waltz. The tune lies high.", "A bleak chorale. The melody is low.",
                "A furious march. It is loud.", "A sparkling folk tune. It is quick."]


@pytest.fixture(scope="module")
def vocabulary():
    return recipe.tokenizer([*CAPTIONS, *DESCRIPTIONS, *EMOTIONS], 400)


@pytest.fixture(scope="module")
def llama_folder(vocabulary, tmp_path_factory):
    """A Llama of random weights in the hub's layout."""
    folder = tmp_path_factory.mktemp("llama")
    for part in (recipe.build(len(vocabulary), SIZES), vocabulary):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def falcon_folder(vocabulary, tmp_path_factory):
    """A Falcon as falcon-rw-1b is built: ALiBi, biases, no padding token; and sampling settings of
    its own that must not creep in.
    """
    import torch
    from transformers import AutoTokenizer, FalconConfig, FalconForCausalLM

    folder = tmp_path_factory.mktemp("falcon")
    torch.manual_seed(0)
    FalconForCausalLM(FalconConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1,
                                   num_attention_heads=2, alibi=True, bias=True, multi_query=False,
                                   new_decoder_architecture=False, parallel_attn=False,
                                   bos_token_id=1, eos_token_id=2)).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": True,
                                                               "temperature": 0.1,
                                                               "eos_token_id": 2}))
    vocabulary.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bundled():
    return pretrained.load("describer", device="cpu")


@pytest.fixture(scope="module")
def fresh():
    """Captions, emotion words and descriptions of thirty items that no table was made of."""
    items = [factors.draw(atelier.TEST_SEED, i) for i in range(2000, 2030)]
    return [words.caption(f) for f in items], [words.emotion_word(f)
                                               for f in items], [words.description(f)
                                                                 for f in items]


@pytest.fixture(scope="module")
def rule():
    """What suits what, counted over 300 descriptions of the training collection."""
    _, emotions, descriptions = recipe.pairs(WORDS_SEED, 300)
    return recipe.suitable(descriptions, emotions)


# --- the prompt -----------------------------------------------------------------------------------


def test_the_prompt_is_the_papers():
    asked = describer.plain_prompt(describer.image_description(CAPTIONS[0], "sad"))
    assert asked == (
        "System message: You are an enhanced description generator. You will be given with image "
        "description and you have to enhance those "
        'in musical terms.\nInstruction: Generate a musical theme description for the following '
        'image description: "sad, a view of the '
        'coast.". Include details like mood, genre, tempo, and melody in 2 lines.\nResponse:')
    assert describer.image_description(
        "A sad {view}.") == "A sad {view}." and "{view}" in describer.plain_prompt("{view}", "open")
    assert describer.plain_prompt("x",
                                  "open").startswith(
        "Instruction: Compose") and "“x”" in describer.plain_prompt("x", "mapping")


def test_a_chat_template_is_used_where_there_is_one(llama_folder):
    model = pretrained.load("describer", llama_folder, device="cpu")
    before = model.prompt("a hill")
    model.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if "
        "add_generation_prompt %}[assistant] {% endif %}")
    asked = model.prompt("a hill")
    assert before == describer.plain_prompt("a hill") and asked.startswith(
        "[system] You are") and asked.endswith("2 lines.\n[assistant] ")
    assert "[user] Generate" in asked and model.prompt("a hill",
                                                       "open").startswith("[user] Compose")
    given, generate = {}, model.model.generate
    model.model.generate = lambda **inputs: given.update(inputs) or generate(**inputs)
    model.respond([asked], max_new_tokens=1)
    assert model.tokenizer.bos_token_id not in given["input_ids"][0].tolist(), (
        "the template writes the beginning, nothing adds a second one")


def test_two_lines_are_cut_and_judged():
    said = "\n A march. \n\nIt is loud.\nAnd more\n"
    assert describer.two_lines(said) == "A march.\nIt is loud." and not describer.well_formed(said)
    assert describer.well_formed("A march.\nIt is loud.") and not describer.well_formed(
        "A march. It is loud.")
    assert not describer.well_formed("A march.\nIt is") and not describer.well_formed(
        "A march.\n\nIt is loud.")
    assert describer.well_formed(recipe.response(words.description(factors.draw(9, 1))))


# --- one path for every source


@pytest.mark.parametrize("kind", ["llama_folder", "falcon_folder"])
def test_a_folder_in_hub_layout_loads_and_the_batch_changes_nothing(kind, request):
    folder = request.getfixturevalue(kind)
    model = pretrained.load("describer", folder, device="cpu")
    asked = [describer.plain_prompt(c) for c in CAPTIONS] + ["Response:"]
    for seed in (None, 3):
        together = model.respond(asked, seed=seed, max_new_tokens=12)
        assert together == model.respond(asked, seed=seed, max_new_tokens=12, batch=2)
        assert together == [model.respond([one], seed=seed, max_new_tokens=12)[0] for one in asked]
        assert together == pretrained.load("describer", folder,
                                           device="cpu").respond(asked, seed=seed,
                                                                 max_new_tokens=12)
    assert model.describe([]) == []


def test_draws_belong_to_seed_prompt_and_turn(llama_folder):
    import torch

    model = pretrained.load("describer", llama_folder, device="cpu")
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second = (model.respond(["Response:"] * 3, seed=seed, max_new_tokens=12)
                     for seed in (0, 1))
    assert torch.equal(before, torch.random.get_rng_state()), "torch's own generator is not touched"
    assert len({*first, *second}) == 6, "another seed or another turn, another text"
    assert first[:2] == model.respond(["A hill", "Response:", "Response:"], seed=0,
                                      max_new_tokens=12)[1:]
    likeliest = model.respond(["Response:"], max_new_tokens=12)
    assert likeliest == model.respond(["Response:"], seed=1, top_k=1, max_new_tokens=12)
    assert likeliest == model.respond(["Response:"], seed=1, temperature=1e-6, max_new_tokens=12)


def test_the_dice_draw_what_the_probabilities_say():
    import torch

    scores = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(4000, 1)
    drawn = describer.GumbelSampler([np.random.default_rng(k) for k in range(4000)], 1.0,
                            3)(None, scores).argmax(1)
    shares = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95,
                          atol=0.03), "the least likely lies beyond top-k"


def test_a_prompt_without_room_is_refused_not_cut(llama_folder):
    with pytest.raises(KlangfarbeError, match="shorten the caption"):
        pretrained.load("describer", llama_folder,
                        device="cpu").describe(["a very long view " * 100], ["sad"])


def test_what_is_refused(llama_folder, tmp_path):
    folder = shutil.copytree(llama_folder, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(KlangfarbeError, match="safe_serialization=True"):
        pretrained.load("describer", folder)
    folder = shutil.copytree(llama_folder, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "clap"}))
    with pytest.raises(KlangfarbeError, match="LlamaForCausalLM"):
        pretrained.load("describer", folder, device="cpu")


def test_a_prompt_is_a_caption_and_two_tokens(vocabulary):
    for name in describer.PROMPTS:
        framed, bare = (vocabulary(text)["input_ids"]
                        for text in (describer.plain_prompt(CAPTIONS[0], name), CAPTIONS[0]))
        assert framed[2:-1] == bare[1:] and vocabulary.decode(framed[-1]).endswith("Response:")


# --- training -------------------------------------------------------------------------------------


def test_the_loss_falls_on_the_response_alone(vocabulary):
    asked = [describer.plain_prompt(c) for c in CAPTIONS[:2]]
    batch = recipe.collate(vocabulary, asked, ["A march.\nIt is loud.", "A waltz."])
    for ids, mask, labels, prompt, said in zip(*batch.values(), asked,
                                               ["A march.\nIt is loud.", "A waltz."], strict=True):
        told = labels != recipe.IGNORED
        assert vocabulary.decode(ids[told]).strip() == said + "</s>" and bool((ids[told]
                                                                               == labels[
                    told]).all())
        assert (ids[~told & mask.bool()].tolist() == vocabulary(prompt)["input_ids"] and
                not (told & ~mask.bool()).any())


def test_the_emotion_word_stands_anywhere_and_once():
    rng = np.random.default_rng(0)
    seen = [recipe.with_emotion("A view of hills.", "sad", rng) for _ in range(400)]
    assert {"sad, a view of hills.", "A view of hills.", "A view sad of hills.",
            "A view of hills. sad"} <= set(seen)
    assert max(text.split().count("sad") for text in seen) == 1
    assert np.mean([text == "A view of hills." for text in seen]) == pytest.approx(0.1, abs=0.05)


def test_it_learns_four_answers_by_heart(vocabulary, llama_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "P_FRONT", 1.0)
    monkeypatch.setattr(recipe, "P_NOWHERE", 0.0)
    model = recipe.build(len(vocabulary), SIZES)
    curve = recipe.train(model, vocabulary, CAPTIONS, EMOTIONS, DESCRIPTIONS, TINY,
                         checkpoint=tmp_path / "d.safetensors")
    assert curve[-1]["loss"] < 0.1 < 3 < curve[0]["loss"] and not model.training
    for part in (model.half(), vocabulary):
        part.save_pretrained(tmp_path / "learned")
    said = pretrained.load("describer", tmp_path / "learned",
                           device="cpu").describe(CAPTIONS, EMOTIONS)
    assert said == [recipe.response(d)
                    for d in DESCRIPTIONS], "and says them after a round trip in half precision"


# --- reading descriptions back


def test_a_description_reads_back_as_the_factors_it_was_made_of():
    for index in range(60):
        item = factors.draw(11, index)
        pace, mode, genre, moods, named = recipe.read(words.description(item))
        true = describe(item)
        tempo = next(k for k, (limit, _) in enumerate(words.TEMPI) if true["tempo_bpm"] < limit)
        players = list(dict.fromkeys(words.instrument(name) for name in true["instruments"]))[:4]
        assert (pace, mode, genre) == (tempo, true["mode"], item.genre) and 1 <= len(moods) <= 2
        assert set(named) == set(players)


def test_what_contradicts_itself_is_not_said():
    said = recipe.read("A sunny march in C minor and D major at a very slow tempo (140 BPM), "
                       "a waltz for choir pad.")
    assert said == (None, None, None, ("sunny",), ("choir pad",))
    assert recipe.read("") == (None, None, None, (), ())


def test_what_suits_an_emotion(rule):
    gay = ("Exuberant and festive march in C major at a racing tempo, with trumpet, trombone, "
           "tuba and drums. The tune is high.")
    assert all(recipe.rate(rule, gay, "fun").values())
    assert recipe.rate(rule, gay, "sad") == {"tempo": False, "mode": False, "genre": True,
                                             "mood": False}
    assert not recipe.rate(rule, gay.replace("trumpet", "piano"),
                          "fun")["genre"], "no march of the atelier has a piano"
    assert not any(recipe.rate(rule, "", "fun").values())


# --- the bundled one ------------------------------------------------------------------------------


def test_the_bundled_describer_follows_the_emotion_word(bundled, fresh, rule):
    captions, emotions, own = fresh
    said = bundled.describe(captions, emotions, seed=0)
    assert all(map(describer.well_formed, said)) and len(set(said)) > 25
    suits = [np.mean([all(recipe.rate(rule, *p).values()) for p in zip(said, to, strict=True)])
             for to in (emotions, emotions[1:] + emotions[:1])]
    assert suits[0] > 0.6 > 0.4 > suits[1]
    assert not {" ".join(text.split("\n")) for text in said} & set(own), "it has not read these"


def test_the_emotion_word_is_found_wherever_it_stands(bundled, fresh, rule):
    captions = [f"{c.rstrip('.')}, which looks angry to me." for c in fresh[0][:12]]
    said = bundled.describe(captions)
    assert np.mean([recipe.rate(rule, text, "angry")["mood"] for text in said]) > 0.8


def test_the_miniature_has_a_card_and_the_figures_it_promises(bundled):
    from lib.core import artefacts

    folder = paths.MINIATURES / "describer"
    assert bundled.sha256 in (folder
                              / "CARD.md").read_text(
        encoding="utf-8"), "CARD.md names the hash of the weights beside it"
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 6e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in folder.glob("*.csv"))
    table = artefacts.read(folder / "heldout.csv").set_index(["way", "measure"])["value"]
    for way in ("likeliest words", "drawn"):
        assert min(table[way, f"{field}_suits"]
                   for field in ("tempo", "mode", "genre", "mood")) >= 0.85
        assert table[way, "two_lines"] >= 0.99
