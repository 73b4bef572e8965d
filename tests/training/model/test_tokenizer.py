"""The tokenizer of checkpoints built from scratch."""

import pytest

from aullava.action_units import PROTOCOLS, question, render, value_of, value_strings
from aullava.training.model.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_an_answer_is_two_tokens_a_unit(tokenizer, name):
    protocol = PROTOCOLS[name]
    for string in value_strings(protocol.scale):
        answer = render(dict.fromkeys(protocol.units, value_of(string, protocol.scale)), protocol)
        ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
        assert len(ids) == 2 * len(protocol.units)
        assert {tokenizer.decode([token]) for token in ids[1::2]} == {string}
        assert tokenizer.decode(ids) == answer


def test_any_text_survives(tokenizer):
    for text in (question(PROTOCOLS["feafa"]), "Déjà vu: 表情 12.5 % \n\t🙂"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_the_same_arguments_give_the_same_tokenizer(tokenizer):
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()
    assert len(build_tokenizer(vocabulary_size=400)) < len(tokenizer)
