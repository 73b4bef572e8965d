"""Combinations of arguments that contradict each other are refused with both fields named."""

import pytest

from aullava.training.arguments import ModelArguments


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, ("checkpoint", "from_scratch")),
        ({"checkpoint": "x", "from_scratch": True}, ("checkpoint", "from_scratch")),
        ({"checkpoint": "x", "tower": "y"}, ("tower", "checkpoint")),
        (
            {"from_scratch": True, "freeze_tower": True, "freeze_projector": True, "freeze_language_model": True},
            ("freeze_tower", "freeze_language_model"),
        ),
        ({"from_scratch": True, "tower": "/nowhere"}, ("tower", "/nowhere")),
        ({"from_scratch": True, "literal_share": 1.5}, ("literal_share", "1.5")),
        ({"from_scratch": True, "saved_dtype": "int8"}, ("saved_dtype", "bfloat16")),
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
