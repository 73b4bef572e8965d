"""Checkpoints that are complete or absent.

A checkpoint is written below `_unfinished/`, gets a record of its files with their sizes, and is renamed into place when every
process is done. A run killed while saving leaves no `checkpoint-N` behind. The record reveals later damage, by a full disk during a
copy or by a kill during removal. Sizes are compared, not contents.
"""

import json
import os
import shutil
from pathlib import Path

from transformers.trainer_utils import rotate_checkpoints

from aullava.common.files import replace_file

RECORD = "whole.json"
UNFINISHED = "_unfinished"  # the Hub leaves out what begins with _


class WholeCheckpoints:
    """Mixin before a transformers Trainer: a checkpoint appears complete, and older ones are removed only then.

    All processes must see the same output_dir, unless each node saves its own (save_on_each_node).
    """

    _saving = False

    def _get_output_dir(self, trial) -> str:
        folder = super()._get_output_dir(trial)
        return os.path.join(folder, UNFINISHED) if self._saving else folder

    def _save_checkpoint(self, model, trial) -> None:
        output = Path(self._get_output_dir(trial))
        place = output / f"checkpoint-{self.state.global_step}"
        unfinished = output / UNFINISHED / place.name
        self._saving = True
        try:
            super()._save_checkpoint(model, trial)
            if self.state.best_model_checkpoint and Path(self.state.best_model_checkpoint) == unfinished:
                self.state.best_model_checkpoint = str(place)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                self.state.save_to_json(
                    str(unfinished / "trainer_state.json")
                )  # again, with the final path of the best one
                record(unfinished)
                # Not `replaced_folder`: all processes fill the unfinished folder, and `tidy` looks for it under its fixed name.
                if place.exists():  # an older one is removed with what is unfinished
                    os.rename(place, unfinished.with_name(f"old-{place.name}"))
                os.rename(unfinished, place)
                shutil.rmtree(unfinished.parent)
        except Exception as error:
            if self.args.should_save:
                shutil.rmtree(unfinished.parent, ignore_errors=True)
            free = shutil.disk_usage(output).free // 2**20 if output.is_dir() else 0
            raise RuntimeError(
                f"{place} could not be written ({error}); {free} MiB are free there. Earlier checkpoints are intact: free some "
                "space and start again, the run resumes from the last one"
            ) from error
        finally:
            self._saving = False
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            rotate_checkpoints(str(output), self.args.save_total_limit, self.state.best_model_checkpoint)
        if self.args.push_to_hub:
            super()._push_from_checkpoint(str(place))

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Nothing: the trainer would push an incomplete checkpoint. `_save_checkpoint` pushes."""


def record(folder: Path) -> None:
    """Write the record of a complete checkpoint, after its files have reached the disk."""
    sizes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    text = json.dumps(sizes, indent=2)
    replace_file(folder / RECORD, lambda path: path.write_text(text, encoding="utf-8"), durable=True)


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, in words, or None if it is complete."""
    try:
        sizes = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"it has no {RECORD}, which is written last"
    except ValueError:
        return f"its {RECORD} is truncated"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"it lacks {name}"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes of {size}"
    return None


def checkpoints(output: Path) -> list[Path]:
    """The folders `checkpoint-N` of a run, latest step first, complete or not."""
    found = [path for path in output.glob("checkpoint-*") if path.is_dir() and path.name[11:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[11:]), reverse=True)


def tidy(output: Path) -> None:
    """Remove unfinished checkpoints of a killed run, set damaged ones aside, and print both."""
    left = output / UNFINISHED
    if left.is_dir():
        print(f"removed {', '.join(sorted(path.name for path in left.iterdir()))} of {left}: saving was interrupted")
        shutil.rmtree(left)
    for folder in checkpoints(output):
        if (reason := damage(folder)) is not None:
            aside = folder.with_name(f"_damaged-{folder.name}")
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(folder, aside)
            print(f"set {folder} aside as {aside.name}: {reason}")
