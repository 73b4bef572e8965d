"""Checkpoints are whole or not there, and go on bit for bit: real trainers, real kills, files that really cannot be written."""

import json
import os
import resource
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from peft import LoraConfig
from safetensors.torch import load_file
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments, drawn_faces
from aullava.training.data.collator import TurnCollator
from aullava.training.run.checkpoints import UNFINISHED, WholeCheckpoints, checkpoints, damage, tidy
from aullava.training.run.resume import checkpoint_to_resume

import forked
from checkout import ROOT
from tiny import SMALL_RUN, tiny_model

FACES = DrawnFaceArguments(faces=10, draw_size=32, turns_per_face=2)  # five steps an epoch
LORA = LoraConfig(
    r=2,
    lora_dropout=0.2,
    target_modules=r".*language_model.*\.(q_proj|down_proj)",
    modules_to_save=["multi_modal_projector"],
)


class Trainer(WholeCheckpoints, SFTTrainer):
    pass


def make_trainer(output: Path, lora: bool = False, **changes) -> Trainer:
    settings = {
        "max_steps": 6,
        "save_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "metric_for_best_model": "loss",
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-3,
        "dataloader_num_workers": 2,
        "activation_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        "remove_unused_columns": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "max_length": None,
    }
    model, processor = tiny_model("clip")
    for layer in model.model.language_model.layers:
        layer.self_attn.attention_dropout = 0.1  # so that the random state matters
    return Trainer(
        model=model,
        args=SFTConfig(output_dir=str(output), **{**settings, **changes}),
        data_collator=TurnCollator(processor, packed=True),
        train_dataset=drawn_faces(FACES, "train"),
        eval_dataset=drawn_faces(replace(FACES, faces=2), "validation"),
        processing_class=processor,
        peft_config=LORA if lora else None,
    )


def run(trainer: Trainer, goes_on_from: int | None = None) -> Trainer:
    checkpoint = checkpoint_to_resume(trainer.args, FACES)
    assert checkpoint == (f"{trainer.args.output_dir}/checkpoint-{goes_on_from}" if goes_on_from else None)
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of six steps, saved every second one."""
    return run(make_trainer(tmp_path_factory.mktemp("whole") / "run"))


def assert_same_run(ours: Path, theirs: Path) -> None:
    """Weights, optimizer and log of two checkpoints are equal bit for bit."""
    (weights,) = [path.name for path in theirs.glob("*model.safetensors")]
    a, b = load_file(ours / weights), load_file(theirs / weights)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    a, b = (torch.load(folder / "optimizer.pt")["state"] for folder in (ours, theirs))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key][name], b[key][name]) for key in a for name in ("exp_avg", "exp_avg_sq"))
    a, b = (json.loads((folder / "trainer_state.json").read_text())["log_history"] for folder in (ours, theirs))
    assert [entry["loss"] for entry in a if "loss" in entry] == [entry["loss"] for entry in b if "loss" in entry]


def copy_run(source: Path, target: Path, *steps: int) -> Path:
    target.mkdir(parents=True)
    shutil.copy(source / "settings.json", target)
    for step in steps:
        shutil.copytree(source / f"checkpoint-{step}", target / f"checkpoint-{step}")
    return target


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(lora, whole, tmp_path):
    """With dropout, two workers, evaluation on the way, and from the last step of an epoch but one into the next epoch."""
    trainer = run(make_trainer(tmp_path / "whole", lora=True)) if lora else whole
    interrupted = copy_run(Path(trainer.args.output_dir), tmp_path / "run", 2, 4)
    run(make_trainer(interrupted, lora=lora), goes_on_from=4)
    assert_same_run(interrupted / "checkpoint-6", Path(trainer.args.output_dir) / "checkpoint-6")


def test_the_best_checkpoint_is_known_by_its_final_place(whole):
    output = Path(whole.args.output_dir)
    state = json.loads((output / "checkpoint-6" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(output / f"checkpoint-{state['best_global_step']}")
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == [f"checkpoint-{n}" for n in (2, 4, 6)]


# Kills and full disks, in a forked copy of the trainer after its last step


@pytest.fixture
def ended(whole, tmp_path):
    """The trainer after step 6, about to save it, with only checkpoint-4 on disk, to be replaced (save_total_limit)."""
    output = copy_run(Path(whole.args.output_dir), tmp_path / "run", 4)
    before = whole.args.output_dir, whole.args.save_total_limit, whole.state.best_model_checkpoint
    whole.args.output_dir, whole.args.save_total_limit, whole.state.best_model_checkpoint = str(output), 1, None
    yield whole, output
    whole.args.output_dir, whole.args.save_total_limit, whole.state.best_model_checkpoint = before


def in_child(do) -> tuple[int, str]:
    """Exit status, as os.waitpid gives it, and error of a fork of this process that runs `do`."""
    reading, writing = os.pipe()  # a file would fall under a limit on files
    child = os.fork()
    if child == 0:
        try:
            do()
            os._exit(0)
        except BaseException as error:
            os.write(writing, str(error).encode())
            os._exit(1)
    os.close(writing)
    with open(reading) as said:
        error = said.read()
    return os.waitpid(child, 0)[1], error


def save_and_die_at(trainer: Trainer, event: int) -> None:
    """Save; at this number of file-system event, kill the process as the system would."""
    seen = 0

    def count(name, arguments):
        nonlocal seen
        if name in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    trainer._save_checkpoint(trainer.model, None)


def test_killed_anywhere_while_saving_the_last_whole_checkpoint_is_found(ended):
    trainer, output = ended
    first = output.with_name("first")
    shutil.copytree(output, first)
    found, died_in = [], set()
    for event in range(1, 400, 2):
        status, _ = in_child(lambda event=event: save_and_die_at(trainer, event))
        if not os.WIFSIGNALED(status):
            assert [folder.name for folder in checkpoints(output)] == ["checkpoint-6"]
            break
        last = next(folder for folder in checkpoints(output) if damage(folder) is None)
        died_in.add((output / UNFINISHED).is_dir())
        tidy(output)
        assert [damage(folder) for folder in checkpoints(output)] == [None] * len(checkpoints(output))
        assert Path(get_last_checkpoint(output)) == last
        state = json.loads((last / "trainer_state.json").read_text())
        assert last.name == f"checkpoint-{state['global_step']}"
        found.append(state["global_step"])
        shutil.rmtree(output)
        shutil.copytree(first, output)
    assert len(found) > 20
    assert found == sorted(found)  # the earlier one up to some event, the new one from then on
    assert set(found) == {4, 6}
    assert died_in == {True, False}


@pytest.mark.parametrize("room", ["a file of text", "half the weights", "the weights but not the optimizer"])
def test_a_full_disk_stops_the_run_and_leaves_the_earlier_checkpoint(room, ended):
    """Files that may not grow past a limit fail to be written as on a full disk."""
    trainer, output = ended
    weights = (output / "checkpoint-4" / "model.safetensors").stat().st_size
    limit = {"a file of text": 100, "half the weights": weights // 2}.get(room, weights + 1000)

    def save():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        trainer._save_checkpoint(trainer.model, None)

    status, said = in_child(save)
    assert os.WEXITSTATUS(status) == 1
    assert f"{output / 'checkpoint-6'} could not be written" in said
    assert "MiB are free" in said
    assert {path.name for path in output.iterdir()} <= {"settings.json", "checkpoint-4", "README.md"}
    assert damage(output / "checkpoint-4") is None


# train_sft.py as a process


def start(folder: Path) -> forked.Forked:
    settings = {
        **SMALL_RUN,
        "output_dir": str(folder / "run"),
        "faces": 12,
        "per_device_train_batch_size": 2,
        "max_steps": 6,
        "save_total_limit": 2,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return forked.start(ROOT / "train_sft.py", "--config", folder / "config.yaml")


def read_until(process: forked.Forked, piece: str, times: int = 1) -> str:
    """The line that held it for that many times."""
    for line in process.lines():
        times -= piece in line
        if not times:
            return line
    raise AssertionError(f"ended without {piece!r}: {process.finish().stderr[-3000:]}")


def kill(process: forked.Forked) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.finish().returncode == -signal.SIGKILL


def test_killed_in_a_step_and_then_while_saving_it_ends_where_an_uninterrupted_run_does(tmp_path):
    """A pipe in the place of a file holds the saving process there until it is killed."""
    reference = start(tmp_path / "reference")
    killed = start(tmp_path / "killed")
    output = tmp_path / "killed" / "run"
    read_until(killed, "'loss'", times=3)
    kill(killed)

    killed = start(tmp_path / "killed")
    step = int(read_until(killed, "resuming from").split("step ")[1].split()[0])
    assert step in (2, 4)
    half = output / UNFINISHED / f"checkpoint-{step + 2}"
    half.mkdir(parents=True)
    os.mkfifo(half / "optimizer.pt")
    deadline = time.monotonic() + 300
    while not (half / "model.safetensors").is_file():
        assert time.monotonic() < deadline and killed.returncode is None, killed.finish().stderr[-3000:]
        time.sleep(0.01)
    kill(killed)
    assert half.is_dir()
    assert Path(get_last_checkpoint(output)).name == f"checkpoint-{step}"

    resumed = start(tmp_path / "killed").finish()
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert f"removed checkpoint-{step + 2}" in resumed.stdout
    assert f"step {step} of 6" in resumed.stdout
    assert not half.exists()
    uninterrupted = reference.finish()
    assert uninterrupted.returncode == 0, uninterrupted.stderr[-3000:]
    assert_same_run(output / "checkpoint-6", tmp_path / "reference" / "run" / "checkpoint-6")
