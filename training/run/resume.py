"""Resuming an interrupted run, and refusing to resume another one.

A run writes its settings to output_dir/settings.json. Only a run with equal settings resumes its checkpoints: otherwise a changed
learning rate or face would silently continue the old weights. Where data and caches lie, how they are read and what is evaluated
may change; the data themselves are compared by their manifest.
"""

import json
from dataclasses import asdict
from pathlib import Path

from accelerate.utils import broadcast_object_list
from transformers import TrainingArguments

from aullava.common.settings import refuse_other_settings, write_settings
from aullava.training.arguments import current_names
from aullava.training.run.checkpoints import checkpoints, damage, tidy

# The trainer's own arguments that affect the weights; the others say where and how often to write, and on what hardware.
_DECIDING = (
    "seed",
    "data_seed",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "world_size",
    "average_tokens_across_devices",
    "dataloader_drop_last",
    "train_sampling_strategy",
    "num_train_epochs",
    "max_steps",
    "learning_rate",
    "lr_scheduler_type",
    "lr_scheduler_kwargs",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "optim",
    "optim_args",
    "loss_type",
    "label_smoothing_factor",
    "neftune_noise_alpha",
    "bf16",
    "fp16",
)

_WISHES = ("", "true", "none", "false")  # values of resume_from_checkpoint; anything else is a folder

# The arguments of our own dataclasses that do not.
FREE = frozenset(
    {
        "data_dirs",  # a corpus may move: the manifest identifies it by content
        "corpus_options",  # likewise: some are paths
        "cache_dir",
        "build_processes",
        "max_bad_images",
        "validation_rows",
        "validation_faces",
        "read_rows",
        "read_protocols",
        "read_mode",
        "max_loss_ratio",
        "saved_dtype",
        "merge_lora",
    }
)


def checkpoint_to_resume(training: TrainingArguments, *arguments, manifest: dict | None = None) -> str | None:
    """The checkpoint that this run resumes from, or None for a new run. Prints which one.

    `training.resume_from_checkpoint` says which. Nothing: the last complete one in output_dir, if any. "true": likewise, but there
    must be one. "none" or "false": a new run, and there must be none. Else: the folder of one. Incomplete checkpoints of a killed
    run are never used: they are removed or set aside, with a message.

    Args:
        training: the trainer's arguments.
        arguments: the other dataclasses that affect the weights.
        manifest: of the corpora (data.MixedData.manifest); None without corpora.

    Raises:
        ValueError: the checkpoint belongs to a run with other settings, is damaged, or contradicts the request.
    """
    chosen = [None]
    if training.process_index == 0:
        settings = {name: value for part in arguments for name, value in asdict(part).items() if name not in FREE}
        given = training.to_dict() | {"world_size": training.world_size}
        settings |= {name: given[name] for name in _DECIDING if name in given}
        for corpus in (manifest or {}).get("corpora", ()):
            settings[f"{corpus['corpus']}: rows"] = corpus["fingerprints"]["train"]
            settings[f"{corpus['corpus']}: options"] = corpus["options"]
        chosen = [_choose(training, settings)]
        write_settings(Path(training.output_dir, "settings.json"), settings)
    broadcast_object_list(chosen)  # only one process looks: the others would see folders appear and vanish
    if chosen[0] is not None and not Path(chosen[0]).is_dir():
        raise ValueError(
            f"process {training.process_index} does not see {chosen[0]}, but process 0 does: "
            "output_dir must be on a disk shared by all nodes"
        )
    return chosen[0]


def _choose(training: TrainingArguments, settings: dict) -> str | None:
    """The requested checkpoint, checked; None for a new run. Cleans up after an interrupted save."""
    asked, output = training.resume_from_checkpoint, Path(training.output_dir)
    wish = "" if asked is None else str(asked).lower()
    named = None if wish in _WISHES else Path(asked)
    if named is not None:
        if not named.is_dir():
            raise ValueError(f"resume_from_checkpoint is {named}: there is no such folder")
        if named.parent.resolve() != output.resolve() and checkpoints(output):
            raise ValueError(
                f"resume_from_checkpoint is {named}, but output_dir {output} holds checkpoints of its own: choose "
                "another output_dir"
            )
        if (reason := damage(named)) is not None:
            raise ValueError(f"resume_from_checkpoint is {named}, which is not complete: {reason}")
    if named is not None or checkpoints(output):  # before anything of another run is changed
        refuse_other_settings(
            (output if named is None else named.parent) / "settings.json",
            settings,
            "checkpoints of a run",
            "choose another output_dir, or delete this one",
            FREE,
            current_names,
        )
    if output.is_dir():
        tidy(output)
    last = next(iter(checkpoints(output)), None) if named is None else named
    problem = None
    if last is None and wish == "true":
        problem = f"resume_from_checkpoint is {asked}, but output_dir {output} holds no complete checkpoint"
    elif last is not None and wish in ("none", "false"):
        problem = (
            f"resume_from_checkpoint is {asked}, but output_dir {output} holds {last.name}: choose another output_dir"
        )
    elif last is not None and training.save_only_model:
        problem = f"save_only_model is set, so {last} has no optimizer state to resume from: choose another output_dir, or unset it"
    if problem is not None:
        raise ValueError(problem)
    if last is None:
        return None
    state = json.loads((last / "trainer_state.json").read_text(encoding="utf-8"))
    print(f"resuming from {last}: step {state['global_step']} of {state['max_steps']}")
    return str(last)
