"""Losses on value tokens: the formulas by hand, their gradients by finite differences, what they are counted from."""

import math

import pytest
import torch

from aullava.action_units import OCCURRENCE, PROTOCOLS, SCALES, value_strings
from aullava.dataset_builder.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.data.collator import UNITS, TurnCollator
from aullava.training.run.losses import (
    VALUE_LOSSES,
    LossArguments,
    ValueLoss,
    asymmetric_loss,
    count_values,
    expected_value_loss,
    sampled_turns,
    unit_weights,
    value_tokens,
    value_weights,
)

from tiny import TOKENIZERS, processor_with

FACES = DrawnFaceArguments(faces=12, draw_size=32, turns_per_face=2, custom_share=0.0)
OWN = VALUE_LOSSES[1:]


@pytest.fixture(scope="module")
def rows():
    return list(drawn_faces(FACES))


@pytest.fixture(scope="module")
def counts(rows):
    return count_values(turn for row in rows for turn in row["turns"])


@pytest.fixture(scope="module")
def batch(rows):
    return TurnCollator(processor_with("own"), 0.1, extras=True)(rows)


def at_slots(batch):
    slots = batch["slots"]
    return batch["labels"][slots[:, 0], slots[:, 1]], slots


def logits_for(labels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(labels), len(TOKENIZERS["own"]()), generator=generator, dtype=torch.float64)


def test_values_are_counted_by_unit_and_scale(rows, counts):
    asked = {PROTOCOLS[name].scale: PROTOCOLS[name] for name in FACES.protocols}
    expected = {scale: torch.zeros_like(table) for scale, table in counts.items()}
    for index, row in enumerate(rows):
        face = FACES.face("train", index)
        for turn in row["turns"]:
            scale, values = turn["scale"], face.values(asked[turn["scale"]])
            for code in turn["units"]:
                string = f"{values[code]:.2f}" if scale == "continuous" else str(int(values[code]))
                expected[scale][UNITS.index(code), value_strings(scale).index(string)] += 1
    assert set(expected) == set(SCALES) and all(torch.equal(counts[scale], expected[scale]) for scale in SCALES)


def test_a_description_counts_nothing_and_samples_repeat(rows):
    words = rows[0]["turns"][0] | {"units": None, "scale": None}
    assert count_values([words]) == {}
    assert list(sampled_turns(rows, 3, 1)) == list(sampled_turns(rows, 3, 1)) != list(sampled_turns(rows, 3, 2))
    assert len(list(sampled_turns(rows, 100, 0))) == sum(len(row["turns"]) for row in rows)


def test_rare_values_weigh_more_and_the_mean_is_one():
    counts_UK = torch.zeros(len(UNITS), 2)
    counts_UK[0] = torch.tensor([89.0, 9.0])
    weights_UK = value_weights(counts_UK, clip=100.0)
    assert weights_UK[0, 1] / weights_UK[0, 0] == pytest.approx(90 / 10)
    assert (weights_UK[0] * counts_UK[0]).sum() == pytest.approx(98)
    assert (weights_UK[1:] == 1).all()
    clipped_K = value_weights(counts_UK, clip=2.0)[0]
    assert clipped_K[1] / clipped_K[0] == pytest.approx(2 / (100 / (2 * 90)))
    assert (clipped_K * counts_UK[0]).sum() == pytest.approx(98)


def test_rare_units_weigh_more_and_the_mean_is_one():
    counts_UK = torch.zeros(len(UNITS), 6)
    counts_UK[0, 0], counts_UK[0, 5] = 80.0, 18.0  # mean value (18 + 1) / 100
    counts_UK[1, 5] = 37.0  # (37 + 1) / 39
    weights_U = unit_weights(counts_UK, clip=100.0)
    assert weights_U[0] / weights_U[1] == pytest.approx((38 / 39) / 0.19)
    assert (weights_U * counts_UK.sum(1)).sum() == pytest.approx(98 + 37, rel=1e-5)
    assert (weights_U[2:] == 1).all()
    evened_U = unit_weights(counts_UK, clip=1.0)
    assert evened_U[0] / evened_U[1] < weights_U[0] / weights_U[1]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_value_tokens_are_those_that_the_collator_teaches(rows, name):
    processor = processor_with(name)
    for hidden in (0.0, 1.0):
        batch = TurnCollator(processor, 0.1, hidden, extras=True)(rows)
        labels_S, slots = at_slots(batch)
        for number, scale in enumerate(SCALES):
            tokens_K = value_tokens(processor.tokenizer, scale)
            assert (tokens_K is None) == (scale == "continuous" and name != "own")
            if tokens_K is not None:
                chosen = slots[:, 3] == number
                assert torch.equal(tokens_K[slots[chosen, 4]], labels_S[chosen])


@pytest.mark.parametrize("kind", ["asymmetric", "expected"])
def test_values_of_several_tokens_are_refused_up_front(counts, kind):
    tokenizer = processor_with("splitting digits").tokenizer
    with pytest.raises(ValueError, match="leave continuous out of value_loss_scales"):
        ValueLoss(LossArguments(kind), tokenizer, counts)
    ValueLoss(LossArguments(kind, ["intensity"]), tokenizer, counts)
    ValueLoss(LossArguments("inverse_frequency"), tokenizer, counts)
    ValueLoss(LossArguments(kind), tokenizer, {OCCURRENCE: counts[OCCURRENCE]})  # what is not asked is no matter


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"value_loss": "focal"}, "value_loss is 'focal'"),
        ({"value_loss_weight": 2.0}, "has no term of its own"),
        ({"value_loss": "expected", "value_loss_weight": 0.0}, "value_loss_weight is 0.0"),
        ({"value_loss_scales": ["level"]}, r"value_loss_scales is \['level'\]"),
        ({"value_loss": "expected", "value_loss_scales": ["occurrence"]}, "for intensity and continuous"),
        ({"value_loss_margin": 1.0}, "value_loss_margin is 1.0"),
        ({"value_loss_clip": 0.5}, "value_loss_clip is 0.5"),
        ({"value_loss_focus_negative": 0.5}, "expected 0, or 1 or more"),
        ({"value_loss_rows": 0}, "value_loss_rows is 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        LossArguments(**changes)


def test_every_slot_has_the_weight_of_its_own_unit_and_value(counts, batch):
    labels_S, slots = at_slots(batch)
    logits_SV = logits_for(labels_S)
    plain_S = torch.nn.functional.cross_entropy(logits_SV, labels_S, reduction="none")
    arguments = LossArguments("inverse_frequency", value_loss_weight=0.5)
    found_S = ValueLoss(arguments, TOKENIZERS["own"](), counts)(logits_SV, labels_S, slots)
    weights = {scale: value_weights(table, 10.0) for scale, table in counts.items()}
    for (_, _, unit, number, value), found, plain in zip(slots.tolist(), found_S, plain_S, strict=True):
        assert found.item() == pytest.approx(0.5 * weights[SCALES[number]][unit, value].item() * plain.item())

    asymmetric = LossArguments("asymmetric", value_loss_focus_negative=0.0, value_loss_margin=0.0)
    present = slots[:, 3] == SCALES.index(OCCURRENCE)
    labels_S, slots, logits_SV, plain_S = labels_S[present], slots[present], logits_SV[present], plain_S[present]
    found_S = ValueLoss(asymmetric, TOKENIZERS["own"](), counts)(logits_SV, labels_S, slots)
    weights_S = unit_weights(counts[OCCURRENCE], 10.0)[slots[:, 2]]
    values_S2 = logits_SV[:, value_tokens(TOKENIZERS["own"](), OCCURRENCE)]
    form_S = logits_SV.logsumexp(-1) - values_S2.logsumexp(-1)
    assert torch.allclose(found_S, form_S + weights_S * (plain_S - form_S)) and len(weights_S.unique()) > 1


def test_asymmetric_loss_of_a_presence_by_hand():
    p = 0.3
    logits = torch.tensor([[0.0, math.log(p / (1 - p))]] * 2, dtype=torch.float64)
    positive, negative = asymmetric_loss(logits, torch.tensor([1, 0]), 1.0, 2.0, 0.05).tolist()
    assert positive == pytest.approx(-(1 - p) * math.log(p))
    assert negative == pytest.approx(-((p - 0.05) ** 2) * math.log(1 - (p - 0.05)))
    low = torch.tensor([[0.0, math.log(0.04 / 0.96)]], dtype=torch.float64, requires_grad=True)
    loss = asymmetric_loss(low, torch.tensor([0]), 0.0, 2.0, 0.05)
    loss.backward()
    assert loss.item() == 0 and (low.grad == 0).all()  # below the margin nothing is taught


def test_asymmetric_loss_of_a_level_is_the_mean_of_its_ordered_decisions():
    p_K = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.1, 0.05], dtype=torch.float64)
    decisions = []
    for threshold in range(1, 6):
        reached = p_K[threshold:].sum().item()
        truncated = max(reached - 0.1, 0.0)
        present = threshold <= 2
        decisions.append(-math.log(reached) if present else -(truncated**3) * math.log(1 - truncated))
    found = asymmetric_loss(p_K.log()[None], torch.tensor([2]), 0.0, 3.0, 0.1)
    assert found.item() == pytest.approx(sum(decisions) / 5)


def test_without_focus_and_margin_a_presence_has_its_cross_entropy(counts, batch):
    labels_S, slots = at_slots(batch)
    present = slots[:, 3] == SCALES.index(OCCURRENCE)
    labels_S, slots = labels_S[present], slots[present]
    plain = LossArguments("asymmetric", value_loss_focus_negative=0.0, value_loss_margin=0.0, value_loss_clip=1.0)
    even = {OCCURRENCE: torch.where(counts[OCCURRENCE].sum(1, keepdim=True) > 0, 1.0, 0.0).expand(-1, 2)}
    logits_SV = logits_for(labels_S)
    losses_S = ValueLoss(plain, TOKENIZERS["own"](), even)(logits_SV, labels_S, slots)
    assert torch.allclose(losses_S, torch.nn.functional.cross_entropy(logits_SV, labels_S, reduction="none"))


def test_expected_value_loss_by_hand():
    p_K = torch.tensor([[0.5, 0.5, 0.0, 0.0, 0.0, 1e-30], [0.0, 0.0, 0.0, 0.0, 0.5, 0.5]], dtype=torch.float64)
    found = expected_value_loss((p_K + 1e-30).log(), torch.tensor([1, 0]))
    assert found.tolist() == pytest.approx([0.5 * 0.5**2, 4.5 - 0.5])
    hundredths = torch.full((1, 101), -1e9, dtype=torch.float64)
    hundredths[0, 30] = 0.0
    assert expected_value_loss(hundredths, torch.tensor([50])).item() == pytest.approx(0.5 * (5 * 0.2) ** 2)


@pytest.mark.parametrize("kind", OWN)
def test_gradients_are_those_of_finite_differences(counts, batch, kind):
    labels_S, slots = at_slots(batch)
    few = torch.cat([(slots[:, 3] == number).nonzero()[:2, 0] for number in range(3)])
    labels_S, slots = labels_S[few], slots[few]
    loss = ValueLoss(LossArguments(kind, value_loss_weight=0.7), TOKENIZERS["own"](), counts)
    logits_SV = logits_for(labels_S).requires_grad_()
    gradient_SV = torch.autograd.grad(loss(logits_SV, labels_S, slots).sum(), logits_SV)[0]
    directions = torch.randn(10, *logits_SV.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        for direction_SV in directions:
            ahead, behind = (loss(logits_SV + step * direction_SV, labels_S, slots).sum() for step in (1e-5, -1e-5))
            assert (gradient_SV * direction_SV).sum().item() == pytest.approx((ahead - behind).item() / 2e-5, rel=1e-6)


@pytest.mark.parametrize("kind", OWN)
def test_only_the_scales_named_get_it(counts, batch, kind):
    labels_S, slots = at_slots(batch)
    logits_SV = logits_for(labels_S)
    plain_S = torch.nn.functional.cross_entropy(logits_SV, labels_S, reduction="none")
    losses_S = ValueLoss(LossArguments(kind, ["intensity"]), TOKENIZERS["own"](), counts)(logits_SV, labels_S, slots)
    intensity_S = slots[:, 3] == SCALES.index("intensity")
    assert torch.equal(losses_S[~intensity_S], plain_S[~intensity_S])
    assert (losses_S[intensity_S] != plain_S[intensity_S]).float().mean() > 0.9


@pytest.mark.parametrize("kind", OWN)
def test_far_off_and_certain_logits_stay_finite(counts, batch, kind):
    labels_S, slots = at_slots(batch)
    loss = ValueLoss(LossArguments(kind, value_loss_focus_positive=1.0), TOKENIZERS["own"](), counts)
    for scale in (0.0, 200.0):
        logits_SV = (scale * logits_for(labels_S).float()).requires_grad_()
        losses_S = loss(logits_SV, labels_S, slots)
        losses_S.sum().backward()
        assert losses_S.isfinite().all() and logits_SV.grad.isfinite().all() and (losses_S > -1e-5).all()
