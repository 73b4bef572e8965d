"""The estimate of a model without weights, against what real training of the same model holds."""

import pytest
import torch
from trl import SFTConfig

from aullava.training.arguments import ModelArguments
from aullava.training.model.footprint import activation_bytes, estimate_memory
from aullava.training.model.learning import empty_model, set_to_learn, unused_parameters

from tiny import TOWERS, reseed, tiny_config, tiny_model

STAGES = {
    "full": ModelArguments(checkpoint="x"),
    "alignment": ModelArguments(checkpoint="x", freeze_tower=True, freeze_language_model=True),
    "LoRA": ModelArguments(checkpoint="x", lora_r=4, lora_tower=True),
}


def settings(**changes) -> SFTConfig:
    return SFTConfig(
        output_dir="unused", use_cpu=True, **({"bf16": False, "activation_checkpointing": False} | changes)
    )


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("stage", STAGES)
def test_weights_gradients_and_moments_are_those_of_a_step(stage, tower):
    arguments = STAGES[stage]
    empty = set_to_learn(empty_model(tiny_config(tower)), arguments)
    estimate = estimate_memory(empty, settings(), rows=2, tokens=80)
    model, processor = tiny_model(tower)
    model = set_to_learn(model, arguments)
    inputs = processor.encode([torch.zeros(40, 40, 3, dtype=torch.uint8).numpy()], "which?")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    optimizer.step()
    assert estimate["weights"] == sum(p.nbytes for p in model.parameters())
    assert estimate["gradients"] == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    moments = sum(v.nbytes for state in optimizer.state.values() for v in state.values() if v.ndim)
    assert estimate["optimizer"] == moments


@pytest.mark.parametrize("stage", STAGES)
def test_activations_are_those_of_a_real_forward_pass(stage):
    """Kernels on the CPU are others than on the meta device, hence the tolerance."""
    config = tiny_config("clip")
    empty = set_to_learn(empty_model(config), STAGES[stage])
    real = set_to_learn(tiny_model("clip")[0], STAGES[stage])
    assert activation_bytes(empty, 3, 120) == pytest.approx(activation_bytes(real, 3, 120), rel=0.15)


def test_activations_grow_with_the_batch_and_hold_no_weights():
    model = empty_model(tiny_config("clip"))
    assert activation_bytes(model, 40, 40) == pytest.approx(20 * activation_bytes(model, 2, 40), rel=0.02)


def test_attention_probabilities_count_only_where_they_are_kept():
    model = empty_model(tiny_config("clip"))
    fused = activation_bytes(model, 1, 200)
    model.set_attn_implementation("eager")
    heads, layers = 2, 2
    assert activation_bytes(model, 1, 200) - fused == heads * layers * 200 * 200 * 4


def test_no_gradient_no_activations_before_what_learns():
    """A frozen tower in front of a projector keeps nothing, so that more of the tower learning costs more."""
    config = tiny_config("clip")
    kept = [
        activation_bytes(set_to_learn(empty_model(config), ModelArguments(checkpoint="x", freeze_tower=frozen)), 2, 40)
        for frozen in (False, True)
    ]
    assert kept[0] > kept[1] > 0


def test_half_precision_and_checkpointing_change_what_they_should():
    def estimate(**changes):
        return estimate_memory(empty_model(tiny_config("clip")), settings(**changes), rows=2, tokens=200)

    plain, halved, checkpointed = estimate(), estimate(bf16=True), estimate(activation_checkpointing=True)
    assert halved["activations"] < 0.75 * plain["activations"]
    assert halved["weights"] == 1.5 * plain["weights"]
    assert checkpointed["weights"] == estimate(bf16=True, activation_checkpointing=True)["weights"] == plain["weights"]
    assert checkpointed["activations"] < plain["activations"]
    assert estimate(optim="adamw_bnb_8bit")["optimizer"] == plain["optimizer"] / 4
    assert estimate(optim="sgd")["optimizer"] == 0


def test_4_bit_weights_take_four_bits_and_a_little():
    arguments = ModelArguments(checkpoint="x", lora_r=4, load_in_4bit=True)
    config = tiny_config("clip")

    def weights(in_4bit):
        model = set_to_learn(empty_model(config), arguments)
        linear = sum(
            p.numel()
            for n, p in model.named_parameters()
            if "language_model.layers" in n and n.endswith("proj.base_layer.weight")
        )
        return estimate_memory(model, settings(), 1, 40, in_4bit)["weights"], linear

    (whole, linear), (small, _) = weights(False), weights(True)
    assert whole - small == pytest.approx(linear * (4 - 4.127 / 8))


def test_a_configuration_in_half_precision_is_estimated_in_the_precision_of_the_training():
    config = tiny_config()
    config.dtype = config.text_config.dtype = config.vision_config.dtype = torch.bfloat16
    model = set_to_learn(empty_model(config), STAGES["full"])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("tower", TOWERS)
def test_the_unused_parameters_are_those_without_a_gradient(tower):
    model, processor = tiny_model(tower)
    reseed(model, 1)
    inputs = processor.encode([torch.zeros(40, 40, 3, dtype=torch.uint8).numpy()], "which?")
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unused_parameters(model.config) == without != set()
