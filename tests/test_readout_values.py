"""How a value follows from its distribution: rules, temperature, thresholds; and numbers that are none are refused."""

import numpy as np
import pytest
import torch

from aullava.action_units import PROTOCOLS, Protocol, question, value_of, value_strings
from aullava.plan_aullava import Plan, Slot, compile_plan
from aullava.readout_aullava import Rule, read, read_joint, read_parallel

from tiny import FACES, TOKENIZERS, processor_with, reseed, tiny_model

MODES = ("joint", "parallel")


@pytest.fixture
def model():
    return tiny_model()[0]


def asked_of(kind, protocol, faces=FACES):
    processor, asked = processor_with(kind), question(protocol, "short")
    plan = compile_plan(processor.tokenizer, processor.prompt(asked), protocol)
    return processor.encode(faces, asked), plan


def leaning(model, plan, probabilities):
    """The model made to give the values of every slot these probabilities, whatever it sees."""
    lift = torch.full((model.config.text_config.vocab_size,), -20.0)
    for sequence, probability in zip(plan.slots[0].sequences, probabilities, strict=True):
        (token,) = sequence
        lift[token] = float(np.log(probability))
    model.lm_head.register_forward_hook(lambda module, inputs, logits: 0 * logits + lift.to(logits.dtype))


def one_value(model, name, probabilities, **rule):
    inputs, plan = asked_of("own", Protocol(name, PROTOCOLS[name].units[:1], PROTOCOLS[name].scale), FACES[:1])
    leaning(model, plan, probabilities)
    (reading,) = read_joint(model, inputs, plan, rule=Rule(**rule), distributions=True)
    (code,) = plan.protocol.units
    assert reading.distributions[code] == pytest.approx(list(probabilities / np.sum(probabilities)), abs=1e-6)
    return reading, code


LEVELS = np.array([0.4, 0.02, 0.03, 0.1, 0.3, 0.15])  # mean 2.33


@pytest.mark.parametrize(("value", "expected"), [(None, 0), ("argmax", 0), ("median", 3), ("expected", 2)])
@torch.no_grad()
def test_levels(model, value, expected):
    reading, code = one_value(model, "disfa", LEVELS, value=value)
    assert reading.values == {code: expected}
    assert isinstance(reading.values[code], int)
    assert reading.expected[code] == pytest.approx(2.33, abs=1e-5)
    assert reading.probabilities[code] == reading.distributions[code]


@pytest.mark.parametrize(("value", "expected"), [(None, 0.23), ("median", 0.23), ("argmax", 0.0), ("expected", 0.33)])
@torch.no_grad()
def test_continuous_values_are_medians_unless_asked_otherwise(model, value, expected):
    # All values equally likely, but 0.00 by far the likeliest, with less than half of the whole.
    shares = np.array([54.6] + [1.0] * 100)
    reading, code = one_value(model, "feafa", shares, value=value)
    assert reading.values[code] == expected
    assert reading.expected[code] == pytest.approx(50.5 / 154.6, abs=1e-5)
    assert reading.probabilities == {}


@pytest.mark.parametrize("value", [None, "argmax", "median", "expected"])
@pytest.mark.parametrize("share", [0.2, 0.49, 0.51, 0.9])
@torch.no_grad()
def test_occurrence_is_what_is_likelier_by_every_rule(model, value, share):
    reading, code = one_value(model, "bp4d", np.array([1 - share, share]), value=value)
    assert reading.values == {code: int(share > 0.5)}
    assert reading.probabilities[code] == pytest.approx(share, abs=1e-6)
    assert reading.expected == {}


@torch.no_grad()
def test_distributions_only_on_request(model):
    inputs, plan = asked_of("own", PROTOCOLS["feafa"], FACES[:1])
    (reading,) = read_joint(model, inputs, plan)
    assert reading.distributions == {}
    assert len(reading.expected) == 24


@torch.no_grad()
def test_the_median_of_digits_is_the_median_of_the_whole_distribution(model):
    """Walked digit by digit, against all 101 probabilities from plain forward passes."""
    different = 0
    for seed, kind in enumerate(["spelling", "byte level", "sentencepiece", "splitting digits", "merging"] * 2):
        reseed(model, seed, 0.7)
        protocol = Protocol("one", PROTOCOLS["feafa"].units[:1], "continuous")
        inputs, plan = asked_of(kind, protocol, FACES[:1])
        (slot,) = plan.slots
        shares = {(): 1.0}
        for walked, ways in sorted(slot.choices.items(), key=lambda choice: len(choice[0])):
            ids = torch.tensor([[*inputs["input_ids"][0].tolist(), *slot.literal, *walked]])
            logits = model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[0, -1, [way[0] for way in ways]]
            for way, share in zip(ways, logits.double().softmax(-1).tolist(), strict=True):
                shares[walked + way] = shares[walked] * share
        shares = [shares[sequence] for sequence in slot.sequences]
        cumulative = np.cumsum(shares)
        assert cumulative[-1] == pytest.approx(1)
        median = value_of(value_strings("continuous")[int((cumulative < 0.5).sum())], "continuous")
        greedy = read_joint(model, inputs, plan, rule=Rule("argmax"))[0].values
        for mode in MODES:
            ((reading,),) = read(model, [inputs], [plan], mode)
            assert list(reading.values.values()) == [median]
        different += list(greedy.values()) != [median]
    assert different > 3


@torch.no_grad()
def test_values_that_do_not_lie_together_are_walked_to_the_likeliest(model):
    inputs, _ = asked_of("own", PROTOCOLS["bp4d"], FACES[:3])
    protocol = Protocol("odd", ("AU1",), "intensity")
    slot = Slot("AU1", (30,), ((40, 41), (42,), (40, 43), (44,), (40, 45), (46,)))
    plan = Plan(protocol, (slot,), (2,))
    lift = torch.full((model.config.text_config.vocab_size,), -20.0)
    for token, share in {40: 0.3, 42: 0.3, 44: 0.35, 46: 0.05}.items():  # half is reached at 42
        lift[token] = float(np.log(share))
    model.lm_head.register_forward_hook(lambda module, inputs, logits: 0 * logits + lift)
    for mode in MODES:
        ((reading, *_),) = read(model, [inputs], [plan], mode, rule=Rule("median"))
        assert reading.values == {"AU1": 3}


@torch.no_grad()
def test_the_expected_value_needs_the_whole_distribution(model):
    inputs, plan = asked_of("spelling", PROTOCOLS["feafa"], FACES[:1])
    with pytest.raises(ValueError, match=r'"expected" needs the whole distribution.*feafa_01.*"median"'):
        read_joint(model, inputs, plan, rule=Rule("expected"))
    assert read_joint(model, inputs, plan)[0].expected == {}
    with pytest.raises(ValueError, match="value is 'mean': expected one of argmax, median, expected"):
        Rule("mean")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["bp4d", "disfa", "feafa"])
@torch.no_grad()
def test_temperature_divides_the_logits_and_one_is_identity(model, name, mode):
    inputs, plan = asked_of("own", PROTOCOLS[name], FACES[:2])
    scale = plan.protocol.scale

    def found(temperatures):
        rule = Rule("argmax", {"temperature": temperatures})
        return read(model, [inputs], [plan], mode, rule=rule, distributions=True)[0]

    plain = found({})
    other_scales = {s: 3.0 for s in ("occurrence", "intensity", "continuous") if s != scale}
    assert found({scale: 1.0} | other_scales) == plain
    for one, two in zip(plain, found({scale: 2.5}), strict=True):
        assert one.values == two.values  # the likeliest stays the likeliest
        for code in one.values:
            heated = np.array(one.distributions[code]) ** (1 / 2.5)
            assert two.distributions[code] == pytest.approx(list(heated / heated.sum()), abs=1e-5)


@torch.no_grad()
def test_a_threshold_moves_its_unit_alone(model):
    inputs, plan = asked_of("own", PROTOCOLS["bp4d"])
    plain = read_parallel(model, inputs, plan)
    spread = {code: sorted(reading.probabilities[code] for reading in plain) for code in plan.protocol.units}
    code = max(spread, key=lambda c: spread[c][-1] - spread[c][0])
    threshold = (spread[code][1] + spread[code][2]) / 2

    def rule(name):
        return Rule(calibration={"thresholds": {name: {code: threshold}}})

    moved = read_parallel(model, inputs, plan, rule=rule("bp4d"))
    for one, two in zip(plain, moved, strict=True):
        assert one.probabilities == two.probabilities
        assert two.values == one.values | {code: int(one.probabilities[code] > threshold)}
        assert f"{code}={two.values[code]}" in two.text
    assert sum(reading.values[code] for reading in moved) == 3
    assert sum(reading.values[code] for reading in plain) != 3, "choose a unit whose values move"
    for other in ("bp4d_plus", "disfa"):
        assert read_parallel(model, inputs, plan, rule=rule(other)) == plain


@torch.no_grad()
def test_in_joint_reading_later_units_see_the_value_that_the_threshold_gave(model):
    protocol = Protocol("two", ("AU1", "AU2", "AU4"), "occurrence")
    inputs, plan = asked_of("own", protocol, FACES[:1])
    zero, one = (token for (token,) in plan.slots[0].sequences)
    for threshold, token in ((0.999999, zero), (1e-6, one)):
        rule = Rule(calibration={"thresholds": {"two": {"AU1": threshold}}})
        (reading,) = read_joint(model, inputs, plan, rule=rule)
        ids = torch.tensor([[*inputs["input_ids"][0].tolist(), *plan.slots[0].literal, token, *plan.slots[1].literal]])
        logits = model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[0, -1, [zero, one]]
        assert reading.values["AU1"] == int(token == one)
        assert reading.probabilities["AU2"] == pytest.approx(float(logits.softmax(-1)[1]), abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@torch.no_grad()
def test_numbers_that_are_none_raise(model, mode, broken):
    inputs, plan = asked_of("own", PROTOCOLS["bp4d"], FACES[:3])

    def spoil(module, inputs, logits):
        logits = logits.clone()
        logits[1, -1, plan.slots[0].sequences[1][0]] = broken
        return logits

    model.lm_head.register_forward_hook(spoil)
    unit = "AU1" if mode == "joint" else "AU24"  # the last segment of the first pass
    with pytest.raises(FloatingPointError, match=f"logits at {unit} in row 1 of the batch are not numbers"):
        read(model, [inputs], [plan], mode)


@torch.no_grad()
def test_damaged_weights_raise(model):
    inputs, plan = asked_of("own", PROTOCOLS["disfa"], FACES[:1])
    model.model.language_model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    for mode in MODES:
        with pytest.raises(FloatingPointError, match="try dtype=torch.float32"):
            read(model, [inputs], [plan], mode)


def test_the_kinds_of_tokenizers_differ_where_it_matters():
    depths = {kind: asked_of(kind, PROTOCOLS["feafa"], FACES[:1])[1].slots[0].depth for kind in TOKENIZERS}
    assert set(depths.values()) >= {1, 2, 3}
