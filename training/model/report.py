"""What trains: parameters by part, learning and frozen; and all that can be said of a run's model before a weight is read."""

from collections import defaultdict

import torch
from rich.console import Console, Group
from rich.table import Table
from torch import nn
from transformers import TrainingArguments

from aullava.training.arguments import ModelArguments
from aullava.training.model.bases import base_config
from aullava.training.model.load import set_to_learn
from aullava.training.model.memory import memory_table, parameter_count
from aullava.training.model.scratch import ScratchArguments, build_config
from aullava.training.model.tokenizer import build_tokenizer
from aullava.training.model.unreached import empty_model

_PARTS = (
    ("vision_tower", "vision tower"),
    ("multi_modal_projector", "projector"),
    ("embed_tokens", "language model: embeddings"),
    ("lm_head", "language model: head"),
    ("language_model", "language model: layers"),
)


def part_of(name: str) -> str:
    """The part of the model that a parameter belongs to, by its name. peft keeps the projector a second time, as it was."""
    part = next((label for piece, label in _PARTS if piece in name), "other")
    if ".lora_" in name:
        return f"{part.partition(':')[0]}: adapters"
    return f"{part}: as it was" if ".original_module." in name else part


def count_parameters(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Part -> (learning, frozen) numbers of parameters; every parameter is counted once."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        counts[part_of(name)][0 if parameter.requires_grad else 1] += parameter_count(parameter)
    return {part: (learning, frozen) for part, (learning, frozen) in counts.items()}


def what_trains(model: nn.Module) -> Table:
    """A table of `count_parameters` with its sums."""
    table = Table(title="What trains", title_justify="left")
    table.add_column("part")
    table.add_column("learning", justify="right")
    table.add_column("frozen", justify="right")
    counts = count_parameters(model)
    for part, (learning, frozen) in counts.items():
        table.add_row(part, f"{learning:,}", f"{frozen:,}")
    table.add_section()
    table.add_row("all", f"{sum(c[0] for c in counts.values()):,}", f"{sum(c[1] for c in counts.values()):,}")
    return table


def print_what_trains(model: nn.Module, console: Console | None = None) -> None:
    """Print `what_trains`."""
    (console or Console()).print(what_trains(model))


def describe_model(
    arguments: ModelArguments,
    sizes: ScratchArguments,
    training: TrainingArguments,
    turns: int = 1,
    text_tokens: int = 200,
) -> Group:
    """What would train and the memory that it would take, for --dry_run: of a base only its config.json is read.

    Args:
        turns: turns a picture.
        text_tokens: tokens of a turn's question and answer.

    Returns:
        Something rich prints.

    Raises:
        ValueError: the base's configuration cannot be had or used (bases.py).
    """
    if arguments.from_scratch:
        config = build_config(sizes, build_tokenizer(sizes.vocabulary_size))
    else:
        config = base_config(arguments.checkpoint)
    model = set_to_learn(empty_model(config).to(getattr(torch, arguments.frozen_dtype)), arguments)
    pictures = training.per_device_train_batch_size
    rows, turns_a_row = (pictures, turns) if arguments.packed else (pictures * turns, 1)
    tokens = config.image_seq_length + turns_a_row * text_tokens
    return Group(what_trains(model), memory_table(model, training, rows, tokens, arguments.load_in_4bit))
