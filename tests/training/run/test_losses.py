"""Losses on value tokens: the formulas by hand, their gradients by finite differences, what they are counted from."""

from dataclasses import replace

import pytest
import torch

from aullava.action_units import PROTOCOLS, SCALES, value_strings
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.data.collator import TurnCollator
from aullava.training.data.turn_tokens import UNITS
from aullava.training.run.losses import (
    LOSSES,
    LossArguments,
    ValueTokens,
    count_values,
    inverse_frequency_loss,
    sampled_turns,
    value_weights,
)

from tiny import TOKENIZERS, processor_with

FACES = DrawnFaceArguments(faces=12, draw_size=32, turns_per_face=2, custom_share=0.0)
OWN = [name for name in LOSSES if name != "cross_entropy"]


@pytest.fixture(scope="module")
def rows():
    return list(drawn_faces(FACES))


@pytest.fixture(scope="module")
def counts(rows):
    return count_values(turn for row in rows for turn in row["turns"])


@pytest.fixture(scope="module")
def batch(rows):
    return TurnCollator(processor_with("own"), 0.1, extras=True)(rows)


def value_tokens(batch) -> ValueTokens:
    """The batch's value tokens, behind random logits."""
    slots = batch["slots"]
    labels_S = batch["labels"][slots[:, 0], slots[:, 1]]
    generator = torch.Generator().manual_seed(0)
    logits_SV = torch.randn(len(labels_S), len(TOKENIZERS["own"]()), generator=generator, dtype=torch.float64)
    return ValueTokens(logits_SV, labels_S, torch.zeros(len(labels_S), 8), *slots[:, 2:].unbind(1))


def test_values_are_counted_by_unit_and_scale(rows, counts):
    asked = {PROTOCOLS[name].scale: PROTOCOLS[name] for name in FACES.protocols}
    expected = {scale: torch.zeros_like(table) for scale, table in counts.items()}
    for index, row in enumerate(rows):
        face = FACES.face("train", index)
        for turn in row["turns"]:
            scale, values = turn.protocol.scale, face.values(asked[turn.protocol.scale])
            for code in turn.protocol.units:
                string = f"{values[code]:.2f}" if scale == "continuous" else str(int(values[code]))
                expected[scale][UNITS.index(code), value_strings(scale).index(string)] += 1
    assert set(expected) == set(SCALES) and all(torch.equal(counts[scale], expected[scale]) for scale in SCALES)


def test_a_description_counts_nothing_and_samples_repeat(rows):
    assert count_values([replace(rows[0]["turns"][0], kind="description")]) == {}
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


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"value_loss": "focal"}, "value_loss is 'focal'"),
        ({"value_loss": "asymmetric"}, "was removed .* expected one of cross_entropy, inverse_frequency"),
        ({"value_loss_weight": 2.0}, "has no weight of its own"),
        ({"value_loss": "inverse_frequency", "value_loss_weight": 0.0}, "value_loss_weight is 0.0"),
        ({"value_loss_scales": ["level"]}, r"value_loss_scales is \['level'\]"),
        ({"value_loss_clip": 0.5}, "value_loss_clip is 0.5"),
        ({"value_loss_rows": 0}, "value_loss_rows is 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        LossArguments(**changes)


def test_every_value_has_the_weight_of_its_own_unit_and_value(counts, batch):
    tokens = value_tokens(batch)
    plain_S = torch.nn.functional.cross_entropy(tokens.logits_SV, tokens.labels_S, reduction="none")
    arguments = LossArguments("inverse_frequency", value_loss_weight=0.5)
    found_S = inverse_frequency_loss(tokens, arguments, counts)
    weights = {scale: value_weights(table, 10.0) for scale, table in counts.items()}
    places = torch.stack([tokens.unit_S, tokens.scale_S, tokens.value_S], dim=1).tolist()
    for (unit, number, value), found, plain in zip(places, found_S, plain_S, strict=True):
        assert found.item() == pytest.approx(0.5 * weights[list(SCALES)[number]][unit, value].item() * plain.item())
    assert len({weights[list(SCALES)[number]][unit, value].item() for unit, number, value in places}) > 5


def test_a_run_without_a_loss_of_its_own_has_cross_entropy(counts, batch):
    tokens = value_tokens(batch)
    plain_S = torch.nn.functional.cross_entropy(tokens.logits_SV, tokens.labels_S, reduction="none")
    assert torch.equal(LOSSES["cross_entropy"](tokens, LossArguments(), counts), plain_S)


@pytest.mark.parametrize("kind", OWN)
def test_gradients_are_those_of_finite_differences(counts, batch, kind):
    few = torch.cat([(batch["slots"][:, 3] == number).nonzero()[:2, 0] for number in range(3)])
    tokens = value_tokens(batch | {"slots": batch["slots"][few]})

    def loss(logits_SV):
        arguments = LossArguments(kind, value_loss_weight=0.7)
        return LOSSES[kind](replace(tokens, logits_SV=logits_SV), arguments, counts).sum()

    logits_SV = tokens.logits_SV.requires_grad_()
    gradient_SV = torch.autograd.grad(loss(logits_SV), logits_SV)[0]
    directions = torch.randn(10, *logits_SV.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        for direction_SV in directions:
            ahead, behind = (loss(logits_SV + step * direction_SV) for step in (1e-5, -1e-5))
            assert (gradient_SV * direction_SV).sum().item() == pytest.approx((ahead - behind).item() / 2e-5, rel=1e-6)


@pytest.mark.parametrize("kind", OWN)
def test_only_the_scales_named_get_it(counts, batch, kind):
    tokens = value_tokens(batch)
    plain_S = torch.nn.functional.cross_entropy(tokens.logits_SV, tokens.labels_S, reduction="none")
    losses_S = LOSSES[kind](tokens, LossArguments(kind, ["intensity"]), counts)
    intensity_S = tokens.scale_S == list(SCALES).index("intensity")
    assert torch.equal(losses_S[~intensity_S], plain_S[~intensity_S])
    assert (losses_S[intensity_S] != plain_S[intensity_S]).float().mean() > 0.9


@pytest.mark.parametrize("kind", OWN)
def test_far_off_and_certain_logits_stay_finite(counts, batch, kind):
    tokens = value_tokens(batch)
    for scale in (0.0, 200.0):
        logits_SV = (scale * tokens.logits_SV.float()).requires_grad_()
        losses_S = LOSSES[kind](replace(tokens, logits_SV=logits_SV), LossArguments(kind), counts)
        losses_S.sum().backward()
        assert losses_S.isfinite().all() and logits_SV.grad.isfinite().all() and (losses_S > -1e-5).all()
