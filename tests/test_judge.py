"""A language model as a judge: the published form, both protocols against a server on this machine,
patience, resume, and the controls.
"""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image

from lib.cli import main
from lib.core.errors import KlangfarbeError
from lib.studies.judge import collect, controls, rating

RATE = 8_000
GOOD = {"scores": {"Feeling_alignment": 7},
        "keywords": {name: ["calm", "warm"] for name in ("text", "image", "audio")},
        "explanations": dict.fromkeys(("text", "image", "audio", "overall"), "because")}


def case(name="0000 own", order=rating.ORDERS[0]):
    picture = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
    return rating.Case(name, picture, "It feels calm.",
                         np.sin(np.arange(800) / 9).astype(np.float32), RATE, order)


def openai(content, **message):
    return 200, {"choices": [{"message": {"content": content, **message}, "finish_reason": "stop"}]}


@pytest.fixture
def service():
    """A service on this machine: answers (status, body[, headers]) one after the other, the last
    for ever; ``None``: no answer at all.
    """
    seen, over = [], threading.Event()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
            answer = self.server.answers.pop(0) if len(
                self.server.answers) > 1 else self.server.answers[0]
            if answer is None:
                over.wait(10)
                return
            status, content, *headers = answer
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for key, value in (*(headers[0].items() if headers else ()),
                               ("Content-Length", str(len(raw)))):
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def open_door(*answers):
        server.answers = list(answers)
        return f"http://127.0.0.1:{server.server_port}/v1", seen

    yield open_door
    over.set()
    server.shutdown()
    server.server_close()


# --- the form


def test_the_prompt_is_the_printed_one():
    assert rating.PROMPT.startswith("You are a multimodal feeling consistency evaluator.\n")
    assert ("ranging from 0 to 10. The higher\nthe score, the more consistent the feelings are. "
            "\\n" in rating.PROMPT)
    assert rating.PROMPT.endswith("specified JSON Schema.")


def test_the_schema_has_table_ix_and_no_references():
    whole = rating.schema()
    assert "$ref" not in json.dumps(whole) and "$defs" not in whole
    assert whole["properties"]["scores"]["properties"]["Feeling_alignment"] == {"maximum": 10,
                                                                                "minimum": 0,
                                                                                "type": "integer"}
    words = whole["properties"]["keywords"]["properties"]["audio"]
    assert ((words["minItems"], words["maxItems"]) == (1, 5) and set(whole["required"])
            == {"scores", "keywords", "explanations"})
    assert whole["properties"]["explanations"]["required"] == ["text", "image", "audio", "overall"]


def test_a_good_answer_is_read_also_in_a_fence_and_comes_back_as_it_was():
    for text in (json.dumps(GOOD), f"```json\n{json.dumps(GOOD)}\n```",
                 f"  ```{json.dumps(GOOD)}```\n"):
        found = rating.read_rating(text)
        assert found.score == 7 and found.model_dump(mode="json") == GOOD | {"notes": None}
    assert rating.read_rating(json.dumps(GOOD | {"notes": "a caveat"})).notes == "a caveat"


@pytest.mark.parametrize(
    ("change", "told"),
    [({"scores": {"Feeling_alignment": 11}}, "Feeling_alignment"),
     ({"scores": {"Feeling_alignment": -1}}, "Feeling_alignment"),
     ({"scores": {"Feeling_alignment": 7.5}}, "Feeling_alignment"),
     ({"scores": {"Feeling_alignment": "7"}}, "Feeling_alignment"),
     ({"scores": {"Feeling_alignment": True}}, "Feeling_alignment"),
     ({"scores": {}}, "Feeling_alignment"),
     ({"keywords": GOOD["keywords"] | {"audio": []}}, "keywords.audio"),
     ({"keywords": GOOD["keywords"] | {"text": list("abcdef")}}, "text"),
     ({"keywords": GOOD["keywords"] | {"text": ["  "]}}, "keywords.text"),
     ({"explanations": {"text": "t"}}, "explanations"),
     ({"explanations": GOOD["explanations"] | {"overall": ""}}, "overall"),
     ({"mood": "fine"}, "mood")],
)
def test_an_answer_outside_the_form_is_unreadable_and_says_where(change, told):
    with pytest.raises(rating.InvalidAnswer, match=told):
        rating.read_rating(json.dumps(GOOD | change))


@pytest.mark.parametrize("text", ["", "I would say seven.", json.dumps(GOOD)[:-5], "[]", "null"])
def test_what_is_no_json_object_is_unreadable(text):
    with pytest.raises(rating.InvalidAnswer, match="Table IX"):
        rating.read_rating(text)


# --- both protocols


def parts_of(body):
    """(kind, payload) of the user's parts in the order they were sent."""
    kinds = {"text": lambda p: p["text"],
             "image_url": lambda p: p["image_url"]["url"].split(",")[1],
             "input_audio": lambda p: p["input_audio"]["data"]}
    return [(p["type"], kinds[p["type"]](p)) for p in body["messages"][1]["content"]]


@pytest.mark.parametrize("name", ["openai", "gemini"])
def test_a_service_is_sent_picture_text_and_sound_whole_and_in_order(name, service):
    base, seen = service(openai(json.dumps(GOOD)))
    one, turned = case(), case(order=rating.ORDERS[1])
    judge = collect.get_backend(name, "wise", base, "secret")
    answer = judge.ask(one, rating.PROMPT)
    assert rating.read_rating(answer).score == 7 and judge.name == f"{name} wise"
    judge.ask(turned, rating.PROMPT)
    (request, _), (first, second) = seen, (parts_of(request.body) for request in seen)
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.body["messages"][0]["content"] == rating.PROMPT
    assert [kind for kind, _ in second] == [kind for kind, _ in first][::-1]
    assert first[0] == ("text", "Text: It feels calm.")
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(first[1][1]))))
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(first[2][1])))
    assert np.array_equal(picture, one.picture)
    assert rate == RATE and np.abs(sound - one.sound).max() < 1e-4
    body = json.dumps(request.body)
    assert '"maximum": 10' in body and "secret" not in body


@pytest.mark.parametrize("answer", [
    openai(None, refusal="I would rather not"),
    (200, {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]})])
def test_a_refusal_is_a_refusal_and_is_not_asked_again(answer, service, tmp_path):
    base, seen = service(answer)
    found = collect.collect_ratings([case()], collect.get_backend("openai", "wise", base, "k"),
                                    tmp_path / "a.jsonl", sleep=lambda s: pytest.fail("waited"))
    assert found.status.tolist() == [collect.REFUSED]
    assert found.score.isna().all() and len(seen) == 1


@pytest.mark.parametrize("trouble",
                         [(429, {}, {"Retry-After": "7"}), (503, {}), (200, b"<html>"),
                          (200, {"choices": []}), (200, {})])
def test_trouble_that_passes_is_waited_for(trouble, service, tmp_path):
    base, seen = service(trouble, trouble, openai(json.dumps(GOOD)))
    waited = []
    found = collect.collect_ratings([case()], collect.get_backend("openai", "wise", base, "k"),
                                    tmp_path / "a.jsonl", sleep=waited.append)
    assert found.status.tolist() == [collect.RATED] and found.score.tolist() == [
        7] and found.tries.tolist() == [3] and len(seen) == 3
    assert waited == ([7, 7] if trouble[0] == 429 else [2, 4])


def test_a_service_that_never_answers_is_left_after_a_while_and_asked_the_next_time(service,
                                                                                    tmp_path):
    base, _ = service(None)
    silent = collect.get_backend("openai", "wise", base, "k", timeout_s=0.05)
    with pytest.raises(KlangfarbeError, match="no answer in 0.05 s.*goes on from there"):
        collect.collect_ratings([case(f"{k}") for k in range(6)], silent, tmp_path / "a.jsonl",
                                n_tries=2, sleep=lambda s: None)
    left = collect.read_answers(tmp_path / "a.jsonl", silent.name)
    assert left["status"].tolist() == [collect.SILENT] * 3
    base, seen = service(openai(json.dumps(GOOD)))
    found = collect.collect_ratings([case(f"{k}") for k in range(6)],
                                    collect.get_backend("openai", "wise", base, "k"),
                                    tmp_path / "a.jsonl")
    assert found.status.tolist() == [collect.RATED] * 6 and len([row for row in seen
                                                               if row.body]) >= 6


def test_malformed_answers_are_asked_again_and_never_mended(service, tmp_path):
    base, _ = service(openai("seven"), openai('{"scores": {"Feeling_alignment": 70}}'),
                      openai(json.dumps(GOOD)))
    found = collect.collect_ratings([case()], collect.get_backend("openai", "wise", base, "k"),
                                    tmp_path / "a.jsonl", sleep=lambda s: pytest.fail("waited"))
    assert found.tries.tolist() == [3] and found.score.tolist() == [7]
    base, _ = service(openai("seven"))
    found = collect.collect_ratings([case("other")],
                                    collect.get_backend("openai", "wise", base, "k"),
                                    tmp_path / "a.jsonl", n_tries=2)
    assert found.status.tolist() == [
        collect.MALFORMED] and found.score.isna().all() and "seven" in found.why[0]


def test_a_wrong_key_is_one_line_and_what_was_answered_stays(service, tmp_path):
    base, _ = service(openai(json.dumps(GOOD)), (401, {"error": "bad key"}))
    with pytest.raises(KlangfarbeError, match="status 401.*bad key"):
        collect.collect_ratings([case("a"), case("b")],
                                collect.get_backend("openai", "wise", base, "k"),
                                tmp_path / "a.jsonl")
    assert collect.read_answers(tmp_path / "a.jsonl", "openai wise").case.tolist() == ["a"]


def test_without_a_key_nobody_is_asked(monkeypatch):
    for name, variable in collect.KEYS.items():
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(KlangfarbeError, match=f"{variable}.*nobody was asked"):
            collect.get_backend(name, "wise")
    with pytest.raises(KlangfarbeError, match="openai, gemini, local"):
        collect.get_backend("oracle", "wise")
    with pytest.raises(KlangfarbeError, match="a model for gemini"):
        collect.get_backend("gemini", "")


# --- patience and memory


def test_a_killed_run_goes_on_and_a_torn_line_is_asked_again(tmp_path):
    asked, path = [], tmp_path / "a.jsonl"

    def ask(one, prompt):
        asked.append(one.name)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return json.dumps(GOOD)

    cases, judge = [case(name) for name in "abcd"], collect.Backend("j", ask)
    with pytest.raises(KeyboardInterrupt):
        collect.collect_ratings(cases, judge, path)
    with open(path, "ab") as file:
        # the machine was switched off in the middle of a line
        file.write(b'{"judge": "j", "case": "c", "sta')
    found = collect.collect_ratings(cases, judge, path)
    assert asked == ["a", "b", "c", "c",
                     "d"] and found.case.tolist() == list("abcd") and (found.status
                                                                       == collect.RATED).all()
    assert collect.collect_ratings(cases, collect.Backend("j", lambda *_: 1 / 0),
                       path).score.tolist() == [7] * 4
    assert len(collect.collect_ratings(cases, collect.Backend("another", ask),
                           path)) == 4 and len(collect.read_answers(path, "j")) == 4
    with pytest.raises(KlangfarbeError, match="different names"):
        collect.collect_ratings([case("a"), case("a")], judge, path)
    assert collect.read_answers(tmp_path / "none.jsonl", "j").empty


# --- on this machine


def test_a_processor_without_ears_is_refused():
    with pytest.raises(KlangfarbeError, match="sees and hears"):
        collect.ask_locally(SimpleNamespace(image_processor=object()), None)


SPECIAL = {"image_token": "<|IMAGE|>", "audio_token": "<|AUDIO|>", "video_token": "<|VIDEO|>",
           "vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>",
           "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for p in m['content'] %}{% if p['type'] == "
     "'image' %}<|vision_bos|><|IMAGE|>"
     "<|vision_eos|>{% elif p['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>{% else "
     "%}{{ p['text'] }}{% endif %}"
     "{% endfor %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}")


@pytest.fixture(scope="module")
def tiny_omni(tmp_path_factory):
    """A Qwen2.5-Omni thinker of random weights, one layer a tower, in the hub's layout."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2_5OmniProcessor,
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        WhisperFeatureExtractor,
    )

    folder = tmp_path_factory.mktemp("omni")
    letters = Tokenizer(models.BPE({letter: k for k,
                                    letter in enumerate(sorted(
                        pre_tokenizers.ByteLevel.alphabet()))}, []))
    letters.pre_tokenizer, letters.decoder = pre_tokenizers.ByteLevel(
        add_prefix_space=False), decoders.ByteLevel()
    words = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<|end|>",
                                    pad_token="<|end|>", extra_special_tokens=SPECIAL)
    at = {name: words.convert_tokens_to_ids(word) for name, word in SPECIAL.items()}
    Qwen2_5OmniProcessor(Qwen2VLImageProcessor(min_pixels=784, max_pixels=3136),
                         Qwen2VLVideoProcessor(), WhisperFeatureExtractor(feature_size=128), words,
                         chat_template=TEMPLATE).save_pretrained(folder)
    small = {"hidden_size": 16, "intermediate_size": 16}
    config = Qwen2_5OmniThinkerConfig(
        audio_config={"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2,
                      "encoder_ffn_dim": 16, "output_dim": 16},
        vision_config=small | {"depth": 1, "num_heads": 2, "out_hidden_size": 16,
                               "fullatt_block_indexes": [0]},
        text_config=small | {"vocab_size": len(words), "num_hidden_layers": 1,
                             "num_attention_heads": 2, "num_key_value_heads": 1,
                             "rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
        audio_token_index=at["audio_token"],
        image_token_index=at["image_token"],
        video_token_index=at["video_token"],
        audio_start_token_id=at["audio_bos_token"],
        audio_end_token_id=at["audio_eos_token"],
        vision_start_token_id=at["vision_bos_token"],
        vision_end_token_id=at["vision_eos_token"],
    )
    torch.manual_seed(0)
    network = Qwen2_5OmniThinkerForConditionalGeneration(config)
    network.generation_config.eos_token_id = network.generation_config.pad_token_id = (
        words.eos_token_id)
    network.save_pretrained(folder)
    return folder


def test_a_real_architecture_out_of_a_folder_is_asked_and_its_noise_is_no_rating(tiny_omni,
                                                                                 tmp_path,
                                                                                 monkeypatch):
    monkeypatch.setattr(collect, "MAX_TOKENS", 8)
    judge = collect.get_backend("local", str(tiny_omni))
    found = collect.collect_ratings([case()], judge, tmp_path / "a.jsonl", n_tries=2,
                        sleep=lambda s: pytest.fail("waited"))
    assert found.status.tolist() == [collect.MALFORMED] and found.tries.tolist() == [
        2] and found.score.isna().all()


def test_a_real_architecture_is_given_picture_and_sound(tiny_omni):
    from transformers import AutoModelForMultimodalLM, AutoProcessor

    seen = {}
    network = AutoModelForMultimodalLM.from_pretrained(tiny_omni).eval()
    processor = AutoProcessor.from_pretrained(tiny_omni)
    network.generate = lambda **given: seen.update(given) or given["input_ids"]
    collect.ask_locally(processor, network)(case(), rating.PROMPT)
    tokens = seen["input_ids"][0].tolist()
    at = [tokens.index(processor.tokenizer.convert_tokens_to_ids(SPECIAL[name]))
          for name in ("image_token", "audio_token")]
    assert at[0] < at[1] and seen["pixel_values"].numel() and seen[
        "feature_attention_mask"].sum() == 10, "a tenth of a second"
    said = processor.tokenizer.decode(tokens)
    assert rating.PROMPT in said and "It feels calm." in said and said.endswith("assistant: ")


def test_a_folder_that_is_no_model_is_one_line(tmp_path):
    with pytest.raises(KlangfarbeError, match="sees, hears and writes"):
        collect.get_backend("local", str(tmp_path))


# --- controls


def items(n=30, seed=0):
    rng = np.random.default_rng(seed)
    pictures, sounds = (rng.integers(0, 255, (n, 4, 4, 3)).astype(np.uint8),
                        rng.standard_normal((n, 16)).astype(np.float32))
    return pictures, [f"text {k}" for k in range(n)], sounds


def test_cases_are_what_their_names_say():
    pictures, texts, sounds = items(6)
    made = {one.name: one for one in controls.make_cases(pictures, texts, sounds, RATE)}
    assert len(made) == 30
    for k in range(6):
        assert np.array_equal(made[f"{k:04d} own"].sound,
                              sounds[k]) and made[f"{k:04d} own"].text == texts[k]
        assert np.array_equal(made[f"{k:04d} another"].sound,
                              sounds[(k - 3) % 6]) and not made[f"{k:04d} silence"].sound.any()
        assert made[f"{k:04d} turned"].order == rating.ORDERS[1] and np.array_equal(
            made[f"{k:04d} again"].sound, sounds[k])
        assert all(np.array_equal(made[f"{k:04d} {name}"].picture, pictures[k])
                   for name in controls.CONDITIONS)
    for wrong in ({"others": np.arange(6)}, {"others": np.zeros(3, int)},
                  {"conditions": ("own", "loud")}):
        with pytest.raises(KlangfarbeError, match="two items or more"):
            controls.make_cases(pictures, texts, sounds, RATE, **wrong)


def answered(score, n=30):
    rows = [{"judge": "j", "case": f"{k:04d} {name}", "status": collect.RATED,
             "score": score(k, name), "tries": 1, "why": "", "rating": None}
            for name in controls.CONDITIONS for k in range(n)]
    return pd.DataFrame(rows)


def test_controls_tell_a_judge_that_listens_from_those_that_do_not():
    rng = np.random.default_rng(0)
    base = rng.integers(3, 8, 30)
    listens = {quantity: numbers for quantity,
               *numbers in controls.control_scores(answered(lambda k,
                                                   name: base[k] - 3 * (name == "another") - 2
                                                   * (name == "silence")))}
    assert listens["judge_real_minus_shuffled"][:3] == [3, 3,
                                                        3] and listens["judge_real_minus_silence"][
        0] == 2
    assert listens["judge_order"][0] == listens["judge_repeat"][0] == 0 and listens["judge_own"][
        0] == pytest.approx(base.mean())
    assert listens["judge_rated"][0] == 1 and listens["judge_rated"][3] == 150 and listens[
        "judge_own"][3] == 30
    polite = {quantity: numbers for quantity,
              *numbers in controls.control_scores(answered(lambda k, name: 9))}
    assert polite["judge_real_minus_shuffled"][0] == 0 and polite["judge_own"][0] == 9
    hasty = {quantity: numbers for quantity,
             *numbers in controls.control_scores(answered(lambda k,
                                                          name: base[k] + 2 * (name == "turned")))}
    assert hasty["judge_order"][0] == 2 and hasty["judge_repeat"][0] == 0


def test_what_was_not_rated_is_left_out_and_counted():
    answers = answered(lambda k, name: 6 - (name == "another"))
    answers.loc[answers.case.str.startswith(("0003", "0004")),
                ["status", "score"]] = [collect.REFUSED, None]
    found = {quantity: numbers for quantity, *numbers in controls.control_scores(answers)}
    assert found["judge_real_minus_shuffled"] == [1, 1, 1,
                                                  28] and found["judge_rated"][0] == pytest.approx(
        28 / 30)
    assert controls.control_scores(answers.iloc[:0]) == []


# --- the command


def test_a_command_line_asks_once_and_prints_the_rating(service, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    base, seen = service(openai(json.dumps(GOOD)))
    Image.fromarray(case().picture).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(22_050) / 9) / 2, 22_050)
    line = ["judge", str(tmp_path / "a.png"), str(tmp_path / "a.wav"), "--comment", "calm",
            "--backend", "openai", "--model", "wise", "--base-url", base, "-o",
            str(tmp_path / "kept.jsonl")]
    assert main(line) == 0 and "openai wise: 7 of 10" in capsys.readouterr().out
    assert main(line) == 0 and len(seen) == 1, "the same question is not asked twice"
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(parts_of(seen[0].body)[2][1])))
    assert rate == 22_050 and len(sound) == 22_050


@pytest.mark.parametrize(("change", "told"),
                         [(("--comment", " "), "a comment"),
                          (("--model", ""), "a model for openai"),
                          (("--backend", "oracle"), "openai, gemini, local"),
                          ((1, "none.png"), "no such file"), ((2, "none.wav"), "no such file")])
def test_what_cannot_be_asked_is_one_line(change, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(case().picture).save("a.png")
    soundfile.write("a.wav", np.sin(np.arange(22_050) / 9) / 2, 22_050)
    line = ["judge", "a.png", "a.wav", "--comment", "calm", "--backend", "openai", "--model",
            "wise", "--base-url", "http://127.0.0.1:9"]
    where, value = change
    line[where if isinstance(where, int) else line.index(where) + 1] = value
    assert main(line) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1
