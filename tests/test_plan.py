"""The plan cuts an answer into literals and values exactly as the tokenizer writes it, or piece by piece where it must."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from aullava.action_units import PROTOCOLS, Protocol, question, render, value_of, value_strings
from aullava.plan_aullava import Slot, _whole_text, answer_runs, compile_plan

from tiny import TOKENIZERS, processor_with, tokenizer

WHOLE_TEXT = ("own", "spelling", "byte level", "splitting digits")
PIECES = ("sentencepiece", "merging")


def plan_for(kind, protocol):
    return compile_plan(TOKENIZERS[kind](), prompt_for(kind, protocol), protocol)


def prompt_for(kind, protocol):
    return processor_with(kind).prompt(question(protocol, "short"))


def ids_of(words, text):
    return words(text, add_special_tokens=False)["input_ids"]


def test_the_two_kinds_of_tokenizers_are_all():
    assert sorted((*WHOLE_TEXT, *PIECES)) == sorted(TOKENIZERS)


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", ["bp4d", "unbc", "feafa"])
@given(data=st.data())
@settings(max_examples=15)
def test_any_answer_is_its_literals_and_values(kind, name, data):
    protocol, words = PROTOCOLS[name], TOKENIZERS[kind]()
    admissible = st.sampled_from(value_strings(protocol.scale))
    strings = data.draw(st.lists(admissible, min_size=len(protocol.units), max_size=len(protocol.units)))
    prompt = prompt_for(kind, protocol)
    runs = answer_runs(words, prompt, protocol, strings)
    tokens = [token for run in runs for token in run]
    pairs = zip(protocol.units, strings, strict=True)
    answer = render({code: value_of(string, protocol.scale) for code, string in pairs}, protocol)
    assert words.decode(tokens, skip_special_tokens=True).strip() == answer
    assert len(runs) == 2 * len(strings) + 1
    assert runs[-1] == (words.eos_token_id,)
    whole = ids_of(words, prompt + answer + words.eos_token) == ids_of(words, prompt) + tokens
    assert whole == (kind in WHOLE_TEXT)


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_literals_do_not_depend_on_values_nor_values_on_their_place(kind, name):
    plan = plan_for(kind, PROTOCOLS[name])
    assert [slot.code for slot in plan.slots] == list(PROTOCOLS[name].units)
    assert len({slot.sequences for slot in plan.slots}) == 1
    assert len(set(plan.slots[0].sequences)) == len(value_strings(plan.protocol.scale))


def test_own_tokenizer_needs_two_tokens_a_unit_and_an_end():
    for protocol in PROTOCOLS.values():
        plan = plan_for("own", protocol)
        assert {len(slot.literal) for slot in plan.slots} == {1}
        assert {len(sequence) for slot in plan.slots for sequence in slot.sequences} == {1}
        assert {slot.depth for slot in plan.slots} == {1}
        assert plan.closing == (tokenizer().eos_token_id,)


def test_choices_skip_the_tokens_that_must_follow():
    words = TOKENIZERS["spelling"]()
    zero, one, point, seven = words.convert_tokens_to_ids(["0", "1", ".", "7"])
    slot = plan_for("spelling", PROTOCOLS["feafa"]).slots[0]
    assert slot.choices[()] == ((zero, point), (one, point, zero, zero))
    assert len(slot.choices) == 1 + 1 + 10
    assert len(slot.choices[zero, point, seven]) == 10
    assert (slot.depth, slot.is_ordered) == (3, True)
    assert slot.continuations((one, point)) == [zero]
    assert slot.continuations(slot.sequences[7]) == []


def test_choices_reach_every_value_once():
    for kind in TOKENIZERS:
        slot = plan_for(kind, PROTOCOLS["feafa"]).slots[3]
        leaves = [walked + way for walked, ways in slot.choices.items() for way in ways if walked + way in slot.index]
        assert sorted(leaves) == sorted(slot.sequences)


def test_notices_values_that_do_not_lie_together():
    assert Slot("AU1", (9,), ((1, 2), (1, 3), (4,), (5, 6), (5, 7))).is_ordered
    assert not Slot("AU1", (9,), ((1, 2), (4,), (1, 3), (5, 6), (5, 7))).is_ordered


def made_of(pieces, pattern):
    """A tokenizer of the given words, split by a regular expression."""
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=pieces[1]))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")


@pytest.mark.parametrize(
    "whim",
    ["(?<=AU1=1) AU", "(?<=AU1=0 AU2=1) AU", ">A(?=U)", "on(?=AU)|(?<=on)AU1", "[01] "],
    ids=[
        "after a value",
        "after two different values",
        "over the end of the prompt",
        "before the answer",
        "value first",
    ],
)
def test_a_tokenizer_whose_fixed_text_is_not_fixed_is_read_in_pieces(whim):
    pieces = ["<image>", "?", " AU", "AU1", ">A", "on", "0 ", "1 ", *"</s>s01AU=24 imageon"]
    protocol = Protocol("three", ("AU1", "AU2", "AU4"), "occurrence")
    prompt = "on>" if whim.startswith(">") else "on"
    words = made_of(pieces, f"{whim}|</s>|.")
    plan = compile_plan(words, prompt, protocol)
    assert [len(slot.literal) for slot in plan.slots] == [4, 5, 5]
    tame = compile_plan(made_of(pieces, "</s>|."), prompt, protocol)
    assert [(slot.literal, slot.sequences) for slot in plan.slots] == [(s.literal, s.sequences) for s in tame.slots]


def rewritten(words, *replacements):
    raw = Tokenizer.from_str(words.backend_tokenizer.to_str())
    raw.normalizer = normalizers.Sequence([normalizers.Replace(old, new) for old, new in replacements])
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")


def test_tokens_that_begin_every_value_belong_to_the_literal():
    words = made_of(["</s>", "?", *"AU4= 01"], "</s>|.")
    protocol = Protocol("one", ("AU4",), "occurrence")
    for kind, literal in ((words, "AU4="), (rewritten(words, ("0", " 0"), ("1", " 1")), "AU4= ")):
        (slot,) = compile_plan(kind, "A", protocol).slots
        assert kind.convert_ids_to_tokens(slot.literal) == [*literal]
        assert [kind.convert_ids_to_tokens(sequence) for sequence in slot.sequences] == [["0"], ["1"]]


def test_values_that_change_beside_other_values_are_cut_in_pieces():
    words = made_of(["</s>", "?", *"AU45= 01l"], "</s>|.")
    odd = rewritten(words, (Regex("(?<=AU4=0 AU5=)1"), "l"))
    protocol = Protocol("two", ("AU4", "AU5"), "occurrence")
    strings = ["0", "1"]
    assert odd.convert_ids_to_tokens(answer_runs(odd, "A", protocol, strings)[3]) == ["1"]
    assert _whole_text(words, "A", protocol) is not None
    assert _whole_text(odd, "A", protocol) is None


def test_refuses_a_tokenizer_that_does_not_know_the_values():
    words = made_of(["<image>", "[UNK]", "</s>", "AU1", "="], "</s>|AU1|.")
    with pytest.raises(ValueError, match="begins with all tokens of another"):
        compile_plan(words, "<image>", Protocol("one", ("AU1",), "occurrence"))


def test_refuses_strings_that_are_no_values():
    protocol = PROTOCOLS["disfa"]
    with pytest.raises(ValueError, match="'6' is no value of scale 'intensity'"):
        answer_runs(tokenizer(), prompt_for("own", protocol), protocol, ["6"] * 12)


def test_is_compiled_once():
    assert plan_for("own", PROTOCOLS["bp4d"]) is plan_for("own", PROTOCOLS["bp4d"])
