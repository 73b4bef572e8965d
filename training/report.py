"""What trains: parameters by part, learning and frozen."""

from collections import defaultdict

from rich.console import Console
from rich.table import Table
from torch import nn

_PARTS = (
    ("vision_tower", "vision tower"),
    ("multi_modal_projector", "projector"),
    ("embed_tokens", "language model: embeddings"),
    ("lm_head", "language model: head"),
    ("language_model", "language model: layers"),
)


def count_parameters(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Part -> (learning, frozen) numbers of parameters; every parameter is counted once."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, parameter in model.named_parameters():
        part = next((label for piece, label in _PARTS if piece in name), "other")
        counts[part][0 if parameter.requires_grad else 1] += parameter.numel()
    return {part: (learning, frozen) for part, (learning, frozen) in counts.items()}


def print_what_trains(model: nn.Module, console: Console | None = None) -> None:
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
    (console or Console()).print(table)
