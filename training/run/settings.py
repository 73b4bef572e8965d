"""The settings of a run, parsed from the command line and a YAML file and checked against each other."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from trl import SFTConfig, TrlParser

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import (
    REMOVED,
    RENAMED,
    ModelArguments,
    RunArguments,
    check_together,
    current_names,
)
from aullava.training.data.augmentation import AugmentationArguments
from aullava.training.data_arguments import DataArguments
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.losses import LossArguments
from aullava.training.run.validation import ReadingArguments


class Run(NamedTuple):
    """All settings of a run."""

    options: RunArguments
    base: ModelArguments
    sizes: ScratchArguments
    drawing: DrawnFaceArguments
    data: DataArguments
    augmentation: AugmentationArguments
    losses: LossArguments
    readings: ReadingArguments
    training: SFTConfig


class _Parser(TrlParser):
    """TRL's, but the YAML file may use names of the version before, and no row is too long unless max_length is given."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.set_defaults(max_length=None)

    def set_defaults_with_config(self, **settings) -> list[str]:
        return super().set_defaults_with_config(**current_names(settings, warn=True))


def parse_run(arguments: Sequence[str] | None = None) -> Run:
    """The settings that the command line gives (default: this process's). --config FILE sets defaults, flags override it.

    Raises:
        ValueError: an unknown key in the file, a value that is not allowed, or settings that contradict each other.
    """
    given = sys.argv[1:] if arguments is None else arguments
    parser = _Parser(tuple(Run.__annotations__.values()))
    # TRL's own default, which it sets by a name that transformers warns about.
    parser.set_defaults(activation_checkpointing=True)
    run = Run(*parser.parse_args_and_config(_current_flags(given)))
    check_together(run.options, run.base, run.losses, run.training)
    return run


def _current_flags(arguments: Sequence[str]) -> list[str]:
    """The command line, with the names of this version."""
    flags, skip = [], False
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if skip and not flag.startswith("--"):  # the value of a flag that was removed
            continue
        skip = False
        if flag.startswith("--") and (name in RENAMED or name in REMOVED):
            [now] = current_names({name: value}, warn=True) or [None]
            skip = now is None
            if now is not None:
                flags.append(f"--{now}{equals}{value}")
            continue
        flags.append(argument)
    return flags
