"""Where a checkpoint comes from, beside its weights: training.json, and config.yaml, which trains it again.

training.json
    format          1; increased when the meaning of a key changes.
    command         command line of one process.
    processes       their number. distributed: how they shared the model ("NO", "MULTI_CPU", "FSDP", ...).
    code            version of the package; in a clone the commit ("unknown" elsewhere) and whether files differ from it.
    versions        library -> version, of installed libraries.
    seeds           all settings that are seeds.
    data            the data manifest; who trained and validated as dataset_builder/rows/seen.py says.
    weights         `step` of the weights beside the file, `of` how many; `chosen`: "last", or "best" by `metric`.
    evaluation      results of the evaluation at that step, {} without one.
    history         what the trainer logged; null where undefined.
    settings        all settings, as in config.yaml.

Neither holds secrets or paths of this machine (common/scrub.py).
"""

import dataclasses
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from transformers import TrainerState, TrainingArguments

from aullava.common.files import replace_file
from aullava.common.scrub import is_secret, portable_command, portable_value
from aullava.common.versions import code_version, library_versions
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments

FORMAT = 1


def write_provenance(
    folder: str | Path,
    parts: Sequence[object],
    state: TrainerState,
    manifest: Mapping[str, object],
    distributed: str = "NO",
    command: Sequence[str] | None = None,
) -> dict[str, object]:
    """Write training.json and config.yaml; each appears complete.

    Args:
        folder: where the weights lie.
        parts: the dataclasses that the command line filled, one of them the trainer's arguments.
        state: the trainer's, during or after training.
        manifest: of the data, for JSON.
        distributed: `accelerator.distributed_type.name`.
        command: program and arguments; default: those of this process.

    Returns:
        The contents of training.json.

    Raises:
        ValueError: two parts share the name of a setting, or none is the trainer's arguments.
    """
    settings, found = settings_of(parts), [part for part in parts if isinstance(part, TrainingArguments)]
    if len(found) != 1:
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise ValueError(f"parts are {kinds}: expected the trainer's arguments once among them")
    [training] = found
    best = bool(training.load_best_model_at_end and state.best_global_step)
    record = {
        "format": FORMAT,
        "command": portable_command(sys.argv if command is None else command),
        "processes": training.world_size,
        "distributed": distributed,
        "code": {"commit": "unknown"} | code_version(),
        "versions": {"python": platform.python_version()} | library_versions(),
        "seeds": {name: value for name, value in settings.items() if name.split("_")[-1] == "seed"},
        "data": portable_value(manifest),
        "weights": {
            "step": state.best_global_step if best else state.global_step,
            "of": state.max_steps,
            "chosen": "best" if best else "last",
            "metric": training.metric_for_best_model if best else None,
        },
        "history": portable_value(state.log_history),
        "settings": settings,
    }
    record["evaluation"] = _evaluation(record["history"], record["weights"]["step"])
    folder = Path(folder)
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(folder / "training.json", lambda path: path.write_text(text, encoding="utf-8"))
    config = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=120)
    head = "# All settings of the run that made these weights: train_sft.py --config config.yaml. Folders may have moved since.\n"
    replace_file(folder / "config.yaml", lambda path: path.write_text(head + config, encoding="utf-8"))
    return record


def settings_of(parts: Sequence[object]) -> dict[str, object]:
    """All settings of the dataclasses by name, for YAML and JSON, without secrets and without those that are None by default.

    Raises:
        ValueError: two of them share the name of a setting.
    """
    settings: dict[str, object] = {}
    for part in parts:
        values = part.to_dict() if isinstance(part, TrainingArguments) else dataclasses.asdict(part)
        values |= {name: getattr(part, name) for name in values if name.endswith("_token")}  # to_dict masks them
        fields = [field for field in dataclasses.fields(part) if field.init]
        if twice := sorted(settings.keys() & {field.name for field in fields}):
            raise ValueError(f"{twice[0]} is a setting of {type(part).__name__} and of another part: rename one")
        settings |= {
            field.name: values[field.name]
            for field in fields
            if not (values[field.name] is None is field.default or is_secret(field.name, values[field.name]))
        }
    return portable_value(settings)


def drawn_manifest(arguments: DrawnFaceArguments, validation_faces: int) -> dict[str, object]:
    """The data manifest of a run on drawn faces, in the form of `data.MixedData.manifest`."""
    splits = {"train": (arguments.first_face, arguments.faces), "validation": (0, validation_faces)}
    per_person = arguments.frames_per_identity
    subjects = {
        split: (first + rows - 1) // per_person - first // per_person + 1 for split, (first, rows) in splits.items()
    }
    counts = {split: {"rows": rows, "subjects": subjects[split]} for split, (_, rows) in splits.items()}
    return {
        "corpora": [{"corpus": "procedural", "options": dataclasses.asdict(arguments), "fold": None, "splits": counts}]
    }


def _evaluation(history: Sequence[Mapping[str, object]], step: int) -> dict[str, object]:
    """The last value of each figure that evaluations at a step logged, without timings."""
    return {
        name.removeprefix("eval_"): value
        for entry in history
        if entry.get("step") == step
        for name, value in entry.items()
        if name.startswith("eval_") and not name.endswith(("_per_second", "_runtime"))
    }
