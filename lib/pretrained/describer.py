"""A causal language model (bundled: a tiny Llama) that rewrites a caption with its emotion as a
musical description of two lines, in the checkpoint's chat template where it has one. Source:
Hisariya & Liang, Table 1; Deepika, Table 3.1 and §5.6.  Notebook: 03."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as CAUSAL
from transformers import AutoTokenizer, GenerationConfig, LlamaForCausalLM

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import Pretrained, Source, load_model, read

# of drawn words; chosen for the bundled one on captions that are neither trained on nor reported
TEMPERATURE, TOP_K = 0.7, 50
NEW_TOKENS = 120

# a system message, which may be empty, and an instruction
PROMPTS = {
    "bridging": (
        "You are an enhanced description generator. You will be given with image description and "
        "you have to enhance those in musical terms.",
        'Generate a musical theme description for the following image description: '
        '"{description}". Include details like mood, genre, tempo, and melody in 2 lines.'),
    "mapping": (
        "You are an enhanced description generator. You will be given an image description and "
        "you have to enhance it in musical terms.",
        "Generate a musical theme description for the following image description: "
        "“{description}” Include details like mood, genre, tempo, and melody in two lines."),
    "open": (  # the mapping thesis's alternate prompt
        "", 'Compose a piece of music that reflects the following scene: "{description}". Include '
            'mood, tempo, and instrumentation.'),
}


class Describer(Pretrained):
    """A causal language model with its tokenizer."""
    def describe(self, captions: Sequence[str], emotions: Sequence[str] | None = None, *,
                 prompt: str = "bridging", seed: int | None = None, **sampling) -> list[str]:
        """N captions, each with its emotion word or none → N musical descriptions of two lines."""
        emotions = [""] * len(captions) if emotions is None else emotions
        prompts = [self.prompt(image_description(caption, emotion), prompt)
                   for caption, emotion in zip(captions, emotions, strict=True)]
        return [two_lines(text) for text in self.respond(prompts, seed=seed, **sampling)]

    def prompt(self, description: str, name: str = "bridging") -> str:
        """The whole text the model goes on from, in its chat template where it has one."""
        if not self.tokenizer.chat_template:
            return plain_prompt(description, name)
        system, instruction = PROMPTS[name]
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user",
                         "content": instruction.replace("{description}", description)})
        return self.tokenizer.apply_chat_template(messages, tokenize=False,
                                                  add_generation_prompt=True)

    def respond(self, prompts: Sequence[str], *, seed: int | None = None,
                temperature: float = TEMPERATURE, top_k: int = TOP_K,
                max_new_tokens: int = NEW_TOKENS, batch: int = 64) -> list[str]:
        """Responses: the likeliest, or drawn by `seed`, prompt and how often that came."""
        settings = GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, num_beams=1,
                                    pad_token_id=self.tokenizer.pad_token_id,
                                    eos_token_id=self.model.generation_config.eos_token_id)
        room = getattr(self.model.config, "max_position_embeddings", None) or np.inf
        before, generators, responses = Counter(), [], []
        for prompt in prompts:
            generators.append(np.random.default_rng([seed or 0, before[prompt], *prompt.encode()]))
            before[prompt] += 1
        for at in range(0, len(prompts), batch):
            # a chat template writes the special tokens of its beginning itself
            tokens = self.tokenizer(list(prompts[at : at + batch]), padding=True,
                                    padding_side="left", return_tensors="pt",
                                    add_special_tokens=not self.tokenizer.chat_template,
                                    return_token_type_ids=False).to(self.device)
            length = tokens["input_ids"].shape[1]
            if length + max_new_tokens > room:
                raise KlangfarbeError(f"a prompt and {max_new_tokens} new tokens within {room}",
                                      f"{length} + {max_new_tokens}", "shorten the caption")
            samplers = [] if seed is None else [GumbelSampler(generators[at : at + batch],
                                                              temperature, top_k)]
            with torch.inference_mode():
                output = self.model.generate(**tokens, generation_config=settings,
                                             logits_processor=samplers)
            responses += self.tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)
        return [text.strip() for text in responses]


class GumbelSampler:
    """Draws the greatest of log-probability + Gumbel noise, each text with its own generator."""
    def __init__(self, generators: list[np.random.Generator], temperature: float, top_k: int):
        self.generators, self.temperature, self.top_k = generators, temperature, top_k

    def __call__(self, input_ids, scores):
        scores = scores.float() / self.temperature
        lowest = scores.topk(min(self.top_k, scores.shape[1])).values[:, -1:]
        noise = np.stack([rng.gumbel(size=scores.shape[1]).astype(np.float32)
                          for rng in self.generators])
        return (scores.masked_fill(scores < lowest, -torch.inf)
                + torch.from_numpy(noise).to(scores.device))


def image_description(caption: str, emotion: str = "") -> str:
    """The caption behind its emotion word: ``"sad, a view of the coast."``"""
    return f"{emotion}, {caption[:1].lower()}{caption[1:]}" if emotion else caption


def plain_prompt(description: str, name: str = "bridging") -> str:
    """A prompt as plain text; after its last word the response is to come."""
    system, instruction = PROMPTS[name]
    system = f"System message: {system}\n" if system else ""
    return f"{system}Instruction: {instruction.replace('{description}', description)}\nResponse:"


def two_lines(text: str) -> str:
    """The first two lines that hold anything."""
    return "\n".join([line.strip() for line in text.splitlines() if line.strip()][:2])


def well_formed(text: str) -> bool:
    """Whether a raw response is two lines, each a finished sentence or more."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return len(lines) == 2 and all(line.endswith(".") for line in lines)


def load_describer(source: Source, device: str, dtype=None) -> Describer:
    """A folder's model and tokenizer."""
    model = load_model(LlamaForCausalLM, source, device, dtype, CAUSAL)
    tokenizer, ends = read(AutoTokenizer, source), model.generation_config.eos_token_id
    model.generation_config = GenerationConfig(  # a published file's own temperature would creep in
        eos_token_id=tokenizer.eos_token_id if ends is None else ends)
    if tokenizer.pad_token_id is None:  # Falcon and Llama have none; it is masked: any does
        tokenizer.pad_token = tokenizer.eos_token
    return Describer(source, model, device, tokenizer)
