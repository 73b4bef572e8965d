"""Going on with an interrupted run, and refusing to go on with another one.

A run leaves its settings in output_dir/settings.json. Checkpoints there are resumed only by a run of equal settings: a changed
learning rate or face would otherwise continue the old weights without a word.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from transformers import TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

# What decides the weights among the trainer's own arguments; the others say where to write and how often.
_DECIDING = (
    "seed",
    "data_seed",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "optim",
    "bf16",
    "fp16",
)


def checkpoint_to_resume(training: TrainingArguments, *arguments) -> str | None:
    """The last checkpoint of this very run, or None for a new one; which it is, is printed.

    Args:
        training: the trainer's arguments.
        arguments: the other dataclasses that decide the weights.

    Raises:
        ValueError: output_dir holds checkpoints of a run with other settings.
    """
    settings = {name: value for part in arguments for name, value in asdict(part).items()}
    settings |= {name: training.to_dict()[name] for name in _DECIDING}
    settings = json.loads(json.dumps(settings))  # as it will be read back
    folder = Path(training.output_dir)
    record = folder / "settings.json"
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if last is not None:
        _check_same(json.loads(record.read_text()) if record.is_file() else {}, settings, folder)
        if training.process_index == 0:
            step = json.loads((Path(last) / "trainer_state.json").read_text())
            print(f"going on from {last}: step {step['global_step']} of {step['max_steps']}")
    elif training.process_index == 0:
        folder.mkdir(parents=True, exist_ok=True)
        partial = record.with_suffix(".partial")
        partial.write_text(json.dumps(settings, indent=2) + "\n")
        os.replace(partial, record)
    return last


def _check_same(before: dict, now: dict, folder: Path) -> None:
    differing = [name for name in now if before.get(name) != now[name]]
    if differing:
        shown = "; ".join(f"{name} was {before.get(name)!r}, is {now[name]!r}" for name in differing[:5])
        raise ValueError(
            f"{folder} holds checkpoints of a run with other settings ({shown}): name another output_dir, or delete this one"
        )
