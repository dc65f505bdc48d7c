"""The text encoder and the sentence encoder: hub layouts, padding, refusals, one real training of
each.
"""

import json
import shutil

import numpy as np
import pytest

from lib import pretrained
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.pretrained import encoders
from lib.recipes import texts as recipe
from lib.recipes.bundling import Steps, first_items

SAID = [f"{mood} {kind} for {count} players" for mood in ("a quiet", "a loud", "a slow")
        for kind in ("waltz", "march") for count in ("two", "three",
                                                     "four very old and very tired")]
T5_SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
BERT_SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "intermediate_size": 32, "max_position_embeddings": 40}
TINY_T5 = Steps(90, 8, 2e-2)
TINY_BERT = Steps(120, 18, 1e-2)


@pytest.fixture(scope="module")
def t5_folder(tmp_path_factory):
    """A whole T5 of random weights in the hub's layout, decoder and all."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder, words = tmp_path_factory.mktemp("t5"), recipe.t5_tokenizer(SAID, 340)
    torch.manual_seed(0)
    T5ForConditionalGeneration(T5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=32,
                                        num_layers=2, num_heads=2,
                                        decoder_start_token_id=0)).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def saved(folder, model, words):
    """Network, tokenizer and pooling as sentence-transformers lays them out."""
    for part in (model, words):
        part.save_pretrained(folder)
    artefacts.write(folder / encoders.POOLING, recipe.MEAN_POOLING)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """A BERT of random weights as sentence-transformers lays it out."""
    folder, words = tmp_path_factory.mktemp("bert"), recipe.bert_tokenizer(SAID, 340)
    saved(folder, recipe.build_bert(len(words), BERT_SIZES), words)
    return folder


def refuses(match, *args, **kwargs):
    with pytest.raises(KlangfarbeError, match=match):
        pretrained.load(*args, **kwargs)


# --- T5 -------------------------------------------------------------------------------------------


def test_a_whole_t5s_folder_gives_its_encoder(t5_folder):
    import torch
    from transformers import T5ForConditionalGeneration

    loaded = pretrained.load("text_encoder", t5_folder, device="cpu")
    states, mask = loaded.states(SAID)
    assert states.shape == (18, mask.shape[1],
                            16) and mask.any(0).all() and (states[~mask] == 0).all()
    whole = T5ForConditionalGeneration.from_pretrained(t5_folder).eval()
    tokens = loaded.tokenizer(SAID[5], return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        known = whole.encoder(**tokens).last_hidden_state[0].numpy()
    assert np.allclose(states[5][mask[5]], known, atol=1e-6) and mask[5].sum() == len(known)
    assert tokens["input_ids"][0, -1] == loaded.tokenizer.eos_token_id, "a text ends with its mark"


def test_the_batch_changes_no_state(t5_folder):
    loaded = pretrained.load("text_encoder", t5_folder, device="cpu")
    states, mask = loaded.states(SAID)
    again, _ = loaded.states(SAID, batch=5)
    alone = [loaded.states([text])[0][0] for text in SAID]
    assert np.allclose(states, again, atol=1e-6)
    assert all(np.allclose(states[i][mask[i]], one, atol=1e-6) for i, one in enumerate(alone))
    assert np.allclose(loaded.pooled(SAID), [one.mean(0) for one in alone], atol=1e-6)
    assert np.array_equal(states, pretrained.load("text_encoder", t5_folder,
                                                  device="cpu").states(SAID)[0])
    assert loaded.states([])[0].shape == (0, 0, 16)
    assert loaded.states(["word "
                          * 900])[
        1].sum() == encoders.MAX_TOKENS, "a long text is cut, not an error"


def test_gaps_and_what_stood_in_them_make_the_whole():
    text = " ".join(f"w{k}" for k in range(40))
    rng, share = np.random.default_rng(0), []
    for _ in range(300):
        given, gone = recipe.with_gaps(text, rng)
        for piece in gone.split("<extra_id_")[1:]:
            mark, _, words = piece.partition("> ")
            given = given.replace(f"<extra_id_{mark}>", words.strip())
            share.append(len(words.split()))
        assert given == text
    assert (sum(share) / 300 / 40 == pytest.approx(recipe.P_GAP, rel=0.2) and np.mean(share)
            == pytest.approx(2, abs=0.25))


def test_a_t5_learns_to_name_what_a_text_says(tmp_path):
    tags = [text.replace(",", "").split()[1:3] for text in SAID]
    words = recipe.t5_tokenizer(SAID, 340)
    model = recipe.build_t5(len(words), T5_SIZES)
    curve = recipe.train_t5(model, words, SAID, tags, ["a hill", "the sea"], TINY_T5,
                     checkpoint=tmp_path / "t.safetensors")
    assert np.mean([row["loss"]
                    for row in curve[-10:]]) < 0.4 * curve[0]["loss"] and not model.training
    for part in (recipe.encoder_of(model).half(), words):
        part.save_pretrained(tmp_path / "learned")
    states, mask = pretrained.load("text_encoder", tmp_path / "learned",
                                   device="cpu").states(SAID[:1])
    import torch

    with torch.inference_mode():
        known = model.encoder(**words(SAID[0], return_tensors="pt",
                                      return_token_type_ids=False)).last_hidden_state.numpy()
    assert mask.all() and np.allclose(states, known, atol=0.02 * np.abs(known).max())


# --- sentences ------------------------------------------------------------------------------------


def test_a_sentence_is_the_mean_of_its_own_tokens_at_length_one(bert_folder):
    import torch

    loaded = pretrained.load("sentences", bert_folder, device="cpu")
    made = loaded.embed_text(SAID)
    assert made.shape == (18, 32) and np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    alone = []
    for text in SAID:
        with torch.inference_mode():
            state = loaded.model(**loaded.tokenizer(text,
                                                    return_tensors="pt")).last_hidden_state[0].mean(
                0).numpy()
        alone.append(state / np.linalg.norm(state))
    assert np.allclose(made, alone, atol=1e-6) and np.allclose(made,
                                                               loaded.embed_text(SAID, batch=4),
                                                               atol=1e-6)
    assert np.array_equal(made, pretrained.load("sentences", bert_folder,
                                                device="cpu").embed_text(SAID))
    assert loaded.embed_text([]).shape == (0,
                                           32) and loaded.embed_text(["word " * 500]).shape == (1,
                                                                                                32)


def test_another_pooling_is_refused(bert_folder, tmp_path):
    folder = shutil.copytree(bert_folder, tmp_path / "cls")
    told = json.loads((folder / encoders.POOLING).read_text())
    (folder / encoders.POOLING).write_text(json.dumps(told
                                                       | {"pooling_mode_mean_tokens": False,
                                                          "pooling_mode_max_tokens": True}))
    refuses("max", "sentences", folder, device="cpu")
    (folder / encoders.POOLING).unlink()
    refuses("all but 1_Pooling/config.json", "sentences", folder)


def test_a_sentence_encoder_learns_which_belong_together(tmp_path):
    partners = [f"number {k}" for k in range(18)]
    words = recipe.bert_tokenizer([*SAID, *partners], 340)
    model = recipe.build_bert(len(words), BERT_SIZES)
    curve = recipe.train_bert(model, words, [(SAID, partners)], TINY_BERT,
                       checkpoint=tmp_path / "s.safetensors")
    assert curve[-1]["found"] == 1 and curve[0]["found"] < 0.3 and curve[-1]["loss"] < 0.1 * curve[
        0]["loss"]
    saved(tmp_path / "learned", model.half(), words)
    loaded = pretrained.load("sentences", tmp_path / "learned", device="cpu")
    assert ((loaded.embed_text(SAID) @ loaded.embed_text(partners).T).argmax(1)
            == np.arange(18)).all()


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "fixture", "other"),
                         [("text_encoder", "t5_folder", "bert_folder"),
                          ("sentences", "bert_folder", "t5_folder")])
def test_what_is_refused(part, fixture, other, request, tmp_path):
    refuses("a T5EncoderModel|1_Pooling", part, request.getfixturevalue(other), device="cpu")
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "copy")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    refuses("weight", part, folder, device="cpu")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refuses("safe_serialization=True", part, folder)


@pytest.mark.parametrize("part", ["text_encoder", "sentences"])
def test_a_miniature_has_a_card_and_is_small(part):
    folder = paths.MINIATURES / part
    assert pretrained.load(part, device="cpu").sha256 in (folder
                                                          / "CARD.md").read_text(encoding="utf-8")
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 6e6
    assert all(p.with_name(p.name + ".provenance.json").is_file() for p in folder.glob("*.csv"))


def test_the_bundled_text_encoder_keeps_what_a_description_says():
    (tempo,), _ = recipe.measure_text_encoder()
    assert tempo["value"] > tempo["null"] + 0.5


def test_the_bundled_sentence_encoder_hears_what_feels_alike():
    from lib.data import atelier
    from lib.data.atelier import words

    items, loaded = first_items(atelier.TEST_SEED + 9,
                                40), pretrained.load("sentences", device="cpu")
    near = loaded.embed_text([words.comment(f)
                              for f in items]) @ loaded.embed_text([words.description(f)
                                                                    for f in items]).T
    valence = np.sign([f.valence for f in items])
    assert np.median((near > np.diag(near)[:, None]).sum(1)) < 6 and (valence[near.argmax(1)]
                                                                      == valence).mean() > 0.8
