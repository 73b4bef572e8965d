"""A small tokenizer trained on our own questions and answers, for checkpoints built from scratch.

Byte-level BPE, so any text can be written. Its pre-tokenizer keeps what an answer repeats in one piece: a unit's key with its
equals sign (" AU12=", ", left eye close="), a digit, a two-decimal number. So an answer is two tokens a unit, no value shares
a token with a literal, and every value of every scale is one token.
"""

import random
import re

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from aullava.action_units import (
    CONTINUOUS,
    FEAFA_UNITS,
    OCCURRENCE,
    PROTOCOLS,
    SCALES,
    WORDINGS,
    Protocol,
    question,
    render,
    value_of,
    value_strings,
)

IMAGE_TOKEN, USER_TOKEN, ASSISTANT_TOKEN = "<image>", "<|user|>", "<|assistant|>"
BOS_TOKEN, EOS_TOKEN, PAD_TOKEN = "<s>", "</s>", "<pad>"

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|assistant|>{% generation %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}{{ eos_token }}{% endgeneration %}"
    "{% else %}<|user|>{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tokenizer(vocabulary_size: int = 1536, seed: int = 0) -> PreTrainedTokenizerFast:
    """Train the tokenizer; the same arguments give the same one.

    Args:
        vocabulary_size: upper bound, special tokens and the 256 bytes included.
        seed: of the values in the training answers.
    """
    keys = "|".join(re.escape(unit.key) for unit in sorted(FEAFA_UNITS.values(), key=lambda u: -len(u.key)))
    pieces = rf"(?:, | )?(?:(?:{keys})|A[UD][0-9]+)=?|[01]\.[0-9][0-9]|[0-9]| ?[A-Za-z]+|\s+|[^\sA-Za-z0-9]"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = [PAD_TOKEN, BOS_TOKEN, EOS_TOKEN, IMAGE_TOKEN, USER_TOKEN, ASSISTANT_TOKEN]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_texts(seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS_TOKEN,
        eos_token=EOS_TOKEN,
        pad_token=PAD_TOKEN,
        extra_special_tokens={
            "image_token": IMAGE_TOKEN,
            "user_token": USER_TOKEN,
            "assistant_token": ASSISTANT_TOKEN,
        },
        clean_up_tokenization_spaces=False,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
    )


def _training_texts(seed: int):
    """Questions of every protocol, form and wording, and answers in which every value of every scale stands often."""
    generator = random.Random(seed)
    everything = tuple(dict.fromkeys(code for p in PROTOCOLS.values() if p.scale != CONTINUOUS for code in p.units))
    families = [*PROTOCOLS.values(), *(Protocol("all", everything, scale) for scale in SCALES)]
    for protocol in families:
        for wording in range(WORDINGS):
            yield question(protocol, "full", wording)
        yield question(protocol, "short")
        strings = value_strings(protocol.scale)
        for shift in range(len(strings) if protocol.scale != OCCURRENCE else 8):
            order = list(protocol.units)
            for _ in range(4):
                values = {
                    code: value_of(strings[(shift + place) % len(strings)], protocol.scale)
                    for place, code in enumerate(order)
                }
                yield render(values, Protocol(protocol.name, tuple(order), protocol.scale))
                generator.shuffle(order)
