"""Combinations of arguments that contradict each other are refused with both fields named."""

from types import SimpleNamespace

import pytest

from aullava.training.arguments import ModelArguments, RunArguments, check_together
from aullava.training.run.losses import LossArguments


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, ("checkpoint", "from_scratch")),
        ({"checkpoint": "x", "from_scratch": True}, ("checkpoint", "from_scratch")),
        ({"checkpoint": "x", "tower": "/nowhere"}, ("tower", "/nowhere")),
        (
            {"from_scratch": True, "freeze_tower": True, "freeze_projector": True, "freeze_language_model": True},
            ("freeze_tower", "freeze_language_model"),
        ),
        ({"from_scratch": True, "tower": "/nowhere"}, ("tower", "/nowhere")),
        ({"from_scratch": True, "template_loss_fraction": 1.5}, ("template_loss_fraction", "1.5")),
        ({"from_scratch": True, "saved_dtype": "int8"}, ("saved_dtype", "bfloat16")),
        ({"checkpoint": "x", "frozen_dtype": "float16"}, ("frozen_dtype", "bfloat16")),
        ({"checkpoint": "x", "attn_implementation": "fast"}, ("attn_implementation", "sdpa")),
        ({"checkpoint": "x", "packed": True, "prompt_layout": "instruction_first"}, ("packed", "prompt_layout")),
        ({"checkpoint": "x", "packed": True, "attn_implementation": "eager"}, ("packed", "attn_implementation")),
        (
            {"checkpoint": "x", "packed": True, "attn_implementation": "flash_attention_2"},
            ("packed", "attn_implementation"),
        ),
        ({"from_scratch": True, "lora_r": 8}, ("lora_r", "from_scratch")),
        ({"checkpoint": "x", "lora_r": 8, "freeze_language_model": True}, ("lora_r", "freeze_language_model")),
        ({"checkpoint": "x", "lora_r": 8, "lora_tower": True, "freeze_tower": True}, ("lora_tower", "freeze_tower")),
        ({"checkpoint": "x", "lora_alpha": 8}, ("lora_alpha", "lora_r")),
        ({"checkpoint": "x", "lora_dropout": 0.1}, ("lora_dropout", "lora_r")),
        ({"checkpoint": "x", "lora_tower": True}, ("lora_tower", "lora_r")),
        ({"checkpoint": "x", "merge_lora": True}, ("merge_lora", "lora_r")),
        ({"checkpoint": "x", "load_in_4bit": True}, ("load_in_4bit", "lora_r")),
        ({"checkpoint": "x", "lora_r": -1}, ("lora_r", "-1")),
        ({"checkpoint": "x", "lora_r": 8, "lora_alpha": 0}, ("lora_alpha", "0")),
        ({"checkpoint": "x", "lora_r": 8, "lora_dropout": 1.0}, ("lora_dropout", "1.0")),
    ],
)
def test_refused(arguments, named):
    with pytest.raises(ValueError) as error:
        ModelArguments(**arguments)
    assert all(name in str(error.value) for name in named)


def test_accepted(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert ModelArguments(from_scratch=True, tower=str(tmp_path), freeze_tower=True)
    assert ModelArguments(checkpoint="x")
    assert ModelArguments(checkpoint="x", packed=True, attn_implementation="sdpa")
    assert ModelArguments(checkpoint="x", prompt_layout="instruction_first", attn_implementation="eager")
    assert ModelArguments(checkpoint="x", lora_r=8, freeze_tower=True, freeze_projector=True, merge_lora=True)
    assert ModelArguments(checkpoint="x", lora_r=8, lora_tower=True, load_in_4bit=True, lora_alpha=8)


@pytest.mark.parametrize(
    ("frozen_dtype", "patience", "settings", "message"),
    [
        ("bfloat16", 0, {"bf16": False}, "frozen_dtype='bfloat16' with bf16=False"),
        ("bfloat16", 0, {"bf16": True}, None),
        ("bfloat16", 0, {"bf16": False, "fp16": True}, None),
        ("float32", 0, {"bf16": False}, None),
        ("float32", 2, {}, "early_stopping_patience=2 with eval_strategy='no'"),
        ("float32", 2, {"eval_strategy": "steps"}, "early_stopping_patience=2 with metric_for_best_model=None"),
        ("float32", 2, {"eval_strategy": "steps", "metric_for_best_model": "loss"}, None),
        ("float32", 0, {"loss_type": "dft"}, "loss_type='dft' with value_loss='inverse_frequency'"),
        (
            "float32",
            0,
            {"label_smoothing_factor": 0.1},
            "label_smoothing_factor=0.1 with value_loss='inverse_frequency'",
        ),
        ("float32", 0, {"report_to": ["wandb"]}, "report_to names wandb, which is not installed"),
    ],
)
def test_what_contradicts_the_trainers_arguments_is_refused(frozen_dtype, patience, settings, message):
    plain = {"bf16": True, "fp16": False, "eval_strategy": "no", "metric_for_best_model": None, "report_to": []}
    plain |= {"loss_type": "nll", "label_smoothing_factor": 0.0}
    given = (
        RunArguments(early_stopping_patience=patience),
        ModelArguments(checkpoint="x", frozen_dtype=frozen_dtype),
        LossArguments("inverse_frequency"),
        SimpleNamespace(**plain | settings),
    )
    if message is None:
        check_together(*given)
        return
    with pytest.raises(ValueError, match=message):
        check_together(*given)
