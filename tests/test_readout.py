"""The read-out plan is exact for the tokenizer, and slot reading equals reading without a cache and constrained generation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from aullava.action_units import PROTOCOLS, Protocol, question, render, value_of, value_strings
from aullava.processing_aullava import AULlavaProcessor
from aullava.readout_aullava import Plan, Slot, compile_plan, read_joint
from aullava.training.tokenizer import build_tokenizer

from tiny import FACES, TOWERS, tiny_model, tiny_processor, tokenizer

PROTOCOL_NAMES = ("bp4d", "disfa", "feafa")  # one of each scale
# No room for merges: every character is a token, and a decimal takes four. Special tokens have the same ids.
SPELLING = build_tokenizer(vocabulary_size=262)


def merging_tokenizer():
    """One whose words reach over the border of a value: "AU1=0" is a single token."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    answers = [render(dict.fromkeys(p.units, value_of(v, p.scale)), p) for p in PROTOCOLS.values() for v in "01"]
    specials = tokenizer().convert_ids_to_tokens(range(6))
    raw.train_from_iterator(answers * 9, trainers.BpeTrainer(vocab_size=1000, special_tokens=specials))
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="</s>", pad_token="<pad>", extra_special_tokens={"image_token": "<image>"}
    )


def with_tokenizer(processor, words):
    return AULlavaProcessor(
        image_processor=processor.image_processor,
        tokenizer=words,
        patch_size=processor.patch_size,
        vision_feature_select_strategy=processor.vision_feature_select_strategy,
        num_additional_image_tokens=processor.num_additional_image_tokens,
        chat_template=processor.chat_template,
    )


def plan_for(words, protocol):
    processor = with_tokenizer(tiny_processor(), words)
    return compile_plan(words, processor.prompt(question(protocol, "short")), protocol)


class TestPlan:
    @pytest.mark.parametrize("words", [tokenizer(), SPELLING], ids=["own", "spelling"])
    @pytest.mark.parametrize("name", PROTOCOLS)
    @given(data=st.data())
    @settings(max_examples=20)
    def test_any_answer_is_its_literals_and_values(self, words, name, data):
        protocol = PROTOCOLS[name]
        plan = plan_for(words, protocol)
        strings = value_strings(protocol.scale)
        drawn = data.draw(
            st.lists(st.integers(0, len(strings) - 1), min_size=len(plan.slots), max_size=len(plan.slots))
        )
        pieces = [
            token for slot, i in zip(plan.slots, drawn, strict=True) for token in slot.literal + slot.sequences[i]
        ]
        values = {slot.code: value_of(strings[i], protocol.scale) for slot, i in zip(plan.slots, drawn, strict=True)}
        prompt = tiny_processor().prompt(question(protocol, "short"))
        text = prompt + render(values, protocol) + words.eos_token
        behind = len(words(prompt, add_special_tokens=False)["input_ids"])
        assert words(text, add_special_tokens=False)["input_ids"][behind:] == pieces + list(plan.closing)

    def test_own_tokenizer_needs_two_tokens_a_unit_and_an_end(self):
        for protocol in PROTOCOLS.values():
            plan = plan_for(tokenizer(), protocol)
            assert [slot.code for slot in plan.slots] == list(protocol.units)
            assert {len(slot.literal) for slot in plan.slots} == {1}
            assert {len(sequence) for slot in plan.slots for sequence in slot.sequences} == {1}
            assert plan.closing == (tokenizer().eos_token_id,)

    def test_spelling_tokenizer_needs_four_tokens_a_decimal(self):
        plan = plan_for(SPELLING, PROTOCOLS["feafa"])
        assert {len(sequence) for slot in plan.slots for sequence in slot.sequences} == {4}
        zero, one, point = SPELLING.convert_tokens_to_ids(["0", "1", "."])
        slot = plan.slots[0]
        assert slot.continuations(()) == [zero, one]
        assert len(slot.continuations((zero, point))) == 10
        assert slot.continuations((one, point)) == [zero]
        assert slot.continuations(slot.sequences[7]) == []

    def test_refuses_a_tokenizer_that_merges_values_with_their_names(self):
        with pytest.raises(ValueError, match=r"across the border of a value.*\"generate\""):
            plan_for(merging_tokenizer(), PROTOCOLS["bp4d"])

    def test_refuses_a_tokenizer_that_does_not_know_the_values(self):
        raw = Tokenizer(models.WordLevel({"<image>": 0, "</s>": 1, "[UNK]": 2, "AU1": 3, "=": 4}, unk_token="[UNK]"))
        raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        words = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
        with pytest.raises(ValueError, match="begins with all tokens of another"):
            compile_plan(words, "<image>", Protocol("one", ("AU1",), "occurrence"))

    @pytest.mark.parametrize(
        "whim",
        ["(?<=AU1=1) AU", "(?<=AU1=0 AU2=1) AU", ">A(?=U)", "on(?=AU)"],
        ids=["after a value", "after two different values", "over the end of the prompt", "before the answer"],
    )
    def test_refuses_a_tokenizer_whose_fixed_text_is_not_fixed(self, whim):
        pieces = ["<image>", " AU", ">A", "on", *"</>s01AU=24 imageon"]
        raw = Tokenizer(
            models.WordLevel({piece: index for index, piece in enumerate(dict.fromkeys(pieces))}, unk_token=" ")
        )
        raw.pre_tokenizer = pre_tokenizers.Split(Regex(f"{whim}|."), "isolated")
        words = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
        protocol = Protocol("three", ("AU1", "AU2", "AU4"), "occurrence")
        prompt = "on>" if whim.startswith(">") else "on"
        with pytest.raises(ValueError, match="the answer cannot be read slot by slot"):
            compile_plan(words, prompt, protocol)
        raw.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        tame = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
        assert [len(slot.literal) for slot in compile_plan(tame, prompt, protocol).slots] == [4, 5, 5]

    def test_is_compiled_once(self):
        assert plan_for(tokenizer(), PROTOCOLS["bp4d"]) is plan_for(tokenizer(), PROTOCOLS["bp4d"])


def reference_read(model, inputs, plan, row):
    """One row by whole forward passes without a cache. Returns the chosen indices and, where known, the distributions."""
    real = inputs["attention_mask"][row].bool()
    ids, pixels = inputs["input_ids"][row][real].tolist(), inputs["pixel_values"][row : row + 1]
    median = plan.protocol.scale == "continuous" and all(len(s) == 1 for slot in plan.slots for s in slot.sequences)
    chosen, distributions = [], []
    for slot in plan.slots:
        ids += slot.literal
        path, probability, known = (), 1.0, {}
        while path not in slot.sequences:
            tokens = slot.continuations(path)
            logits = model(input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0, -1]
            shares = probability * logits[tokens].softmax(-1)
            for token, share in zip(tokens, shares.tolist(), strict=True):
                if (*path, token) in slot.sequences:
                    known[slot.sequences.index((*path, token))] = share
            pick = int((shares.cumsum(-1) < 0.5).sum()) if median else int(shares.argmax())
            path, probability = (*path, tokens[pick]), float(shares[pick])
            ids.append(tokens[pick])
        chosen.append(slot.sequences.index(path))
        distributions.append([known.get(i) for i in range(len(slot.sequences))])
    return chosen, distributions


def assert_equals_reference(model, inputs, plan, readings):
    strings = value_strings(plan.protocol.scale)
    for row, reading in enumerate(readings):
        chosen, distributions = reference_read(model, inputs, plan, row)
        assert list(reading.values.values()) == [value_of(strings[i], plan.protocol.scale) for i in chosen]
        assert reading.text == render(reading.values, plan.protocol)
        for slot, expected in zip(plan.slots, distributions, strict=True):
            found = reading.probabilities.get(slot.code)
            if plan.protocol.scale == "continuous" or None in expected:
                assert found is None
            else:
                assert found == pytest.approx(
                    expected[1] if plan.protocol.scale == "occurrence" else expected, abs=1e-5
                )
                assert sum(expected) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("words", [tokenizer(), SPELLING], ids=["own", "spelling"])
@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@torch.no_grad()
def test_equals_reading_without_a_cache_in_a_left_padded_batch(name, words):
    model, processor = tiny_model()
    processor = with_tokenizer(processor, words)
    protocol = PROTOCOLS[name]
    protocol = Protocol(name, protocol.units[:8], protocol.scale)
    asked = question(protocol, "short")
    inputs = processor.encode(FACES[:3], [asked, f"{asked} and no more", f"now {asked}"])
    assert not inputs["attention_mask"].all()
    plan = compile_plan(words, processor.prompt(asked), protocol)
    assert_equals_reference(model, inputs, plan, read_joint(model, inputs, plan))


@torch.no_grad()
def test_rows_whose_values_take_different_numbers_of_tokens_stay_apart():
    model, processor = tiny_model()
    inputs = processor.encode(FACES, "short")
    # Sequences no tokenizer made, so that every row of the batch leaves the slot at another depth.
    slots = [
        Slot("AU1", (30, 31), ((40,), (41, 42), (41, 43), (44, 45, 46), (44, 45, 47), (48, 49))),
        Slot("AU2", (32,), ((50, 51, 52), (50, 51, 53), (50, 54), (55,), (56,), (57,))),
        Slot("AU4", (33, 34, 35), ((120, 121), (120, 122), (120, 123), (120, 124), (120, 125), (126,))),
    ] * 3
    units = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12")
    protocol = Protocol("ragged", units, "intensity")
    plan = Plan(protocol, tuple(Slot(c, s.literal, s.sequences) for c, s in zip(units, slots, strict=True)), (2,))
    readings = read_joint(model, inputs, plan)
    assert_equals_reference(model, inputs, plan, readings)
    depths = [{len(s.sequences[r.values[s.code]]) for r in readings} for s in plan.slots]
    assert any(len(found) > 1 for found in depths), "choose other token ids: all rows went equally deep"
    assert any(r.probabilities for r in readings), "choose other token ids: no walk came by all values"


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("words", [tokenizer(), SPELLING], ids=["own", "spelling"])
@pytest.mark.parametrize("name", ["bp4d", "disfa"])
@torch.no_grad()
def test_equals_constrained_greedy_generation(tower, words, name):
    model, processor = tiny_model(tower)
    processor, protocol = with_tokenizer(processor, words), PROTOCOLS[name]
    asked = question(protocol, "short")
    inputs = processor.encode(FACES, asked)
    plan = compile_plan(words, processor.prompt(asked), protocol)
    longest = sum(len(slot.literal) + 1 for slot in plan.slots) + len(plan.closing)
    written = model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=longest,
        prefix_allowed_tokens_fn=allowed_by(plan, inputs["input_ids"].shape[1]),
    )
    texts = [words.decode(row[inputs["input_ids"].shape[1] :], skip_special_tokens=True) for row in written]
    readings = read_joint(model, inputs, plan)
    assert [reading.text for reading in readings] == texts
    assert len({str(reading.probabilities) for reading in readings}) == len(FACES)  # rows are not each other's


def allowed_by(plan, prompt_length):
    """What `generate` may write next, from the plan alone (values of one token)."""
    steps = []
    for slot in plan.slots:
        steps += [[token] for token in slot.literal] + [slot.continuations(())]
    steps += [[token] for token in plan.closing]
    return lambda row, ids: steps[len(ids) - prompt_length]


@torch.no_grad()
def test_attention_implementations_agree():
    """Eager attention reads boolean four-dimensional masks wrongly: the read-out must not use them."""
    model, processor = tiny_model()
    inputs = processor.encode(FACES[:2], ["short", "a longer question"])
    plan = compile_plan(processor.tokenizer, processor.prompt("short"), PROTOCOLS["disfa"])
    read = {}
    for implementation in ("eager", "sdpa"):
        model.set_attn_implementation(implementation)
        read[implementation] = read_joint(model, inputs, plan)
    for one, other in zip(read["eager"], read["sdpa"], strict=True):
        assert one.values == other.values
        assert all(one.probabilities[c] == pytest.approx(other.probabilities[c], abs=1e-5) for c in one.values)


@torch.no_grad()
def test_continuous_values_are_medians_not_modes():
    model, processor = tiny_model()
    protocol = Protocol("one", PROTOCOLS["feafa"].units[:1], "continuous")
    inputs = processor.encode(FACES[:1], "short")
    plan = compile_plan(processor.tokenizer, processor.prompt("short"), protocol)
    (at_rest,) = plan.slots[0].sequences[0]
    # All values about equally likely, but 0.00 four nats ahead: the likeliest by far, with less than half of the whole.
    model.lm_head.weight *= 0.01
    lift = torch.zeros(model.config.text_config.vocab_size).index_fill(0, torch.tensor([at_rest]), 4.0)
    model.lm_head.register_forward_hook(lambda module, inputs, logits: logits + lift)
    (reading,) = read_joint(model, inputs, plan)
    assert reading.values[protocol.units[0]] == pytest.approx(0.23, abs=0.02)  # e^4 + n = (e^4 + 100) / 2
    assert reading.probabilities == {}
