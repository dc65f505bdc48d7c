"""A tokenizer of its own for each bundled language network: byte-level pairs, trained on the words
it will meet.

Byte-level: any text can be written with it, even words it never met, so nothing a student types is
refused.
Notebook: 03.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def trained(texts: Sequence[str], size: int, positions: int, form: str, further: Sequence[str] = (),
            **settings):
    """A byte-pair tokenizer trained on `texts`, as transformers loads and saves it.

    Args:
        size: tokens in all, the four of ``SPECIAL`` first (``<pad>`` 0, ``<s>`` 1, ``</s>`` 2,
            ``<unk>`` 3). positions: the longest text.
        form: where the marks go, ``$A`` being the text: ``"<s> $A"`` to go on from, ``"$A </s>"``
            to encode.
        further: special tokens beyond the four, e.g. the gaps of span corruption. settings: further
            ones of the tokenizer.
    """
    special = [*SPECIAL.values(), *further]
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(
        add_prefix_space=True), decoders.ByteLevel()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False,
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    made.post_processor = processors.TemplateProcessing(single=form,
                                                        special_tokens=[(t, k) for k,
                                                                        t in enumerate(special)])
    return PreTrainedTokenizerFast(tokenizer_object=made, **SPECIAL,
                                   additional_special_tokens=list(further),
                                   model_max_length=positions, clean_up_tokenization_spaces=False,
                                   **settings)
