"""Two processes learn what one learns with twice the accumulation, and only one of them writes and prints: torchrun on gloo."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import forked
from checkout import ROOT
from tiny import SMALL_RUN

SMALL = {
    **SMALL_RUN,
    "faces": 16,  # two steps an epoch
    "turns_per_face": 3,
    "packed": True,
    "mask_rate": 0.3,
    "validation_faces": 3,  # odd: one process has more to do
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 1,
    "eval_strategy": "steps",
    "eval_steps": 4,
    "max_steps": 4,
}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def train(folder: Path, processes: int, fresh: bool = False, **changes) -> tuple[Path, str]:
    """The run's folder and what was printed."""
    folder.mkdir(exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"output_dir": str(folder / "run"), **SMALL, **changes}))
    command = [ROOT / "train_sft.py", "--config", config]
    if fresh:
        result = subprocess.run([sys.executable, *TORCHRUN, *command], env=os.environ, capture_output=True, text=True)
    else:
        result = forked.run(*command, processes=processes)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder / "run", result.stdout


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    return train(tmp_path_factory.mktemp("two"), 2, gradient_accumulation_steps=2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(tmp_path_factory.mktemp("one"), 0, gradient_accumulation_steps=4)


def logged(run: Path, name: str) -> list[float]:
    history = json.loads((run / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    return [entry[name] for entry in history if name in entry]


@pytest.mark.parametrize("name", ["loss", "grad_norm", "num_tokens", "eval_loss"])
def test_two_processes_log_what_one_does(name, together, alone):
    ours, theirs = logged(together[0], name), logged(alone[0], name)
    assert len(theirs) == (1 if name == "eval_loss" else 4)
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)


def test_two_processes_end_with_the_weights_of_one(together, alone):
    """AdamW divides by the gradient's size, so what is rounding in a small gradient is more than that in the weights."""
    ours, theirs = (load_file(run / "checkpoint-4" / "model.safetensors") for run, _ in (together, alone))
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=2e-4, rtol=0)


def test_one_process_writes_and_prints(together, alone):
    def files(run):
        return {path.relative_to(run).as_posix() for path in run.rglob("*") if "rng_state" not in path.name}

    assert files(together[0]) == files(alone[0])
    states = {path.name for path in (together[0] / "checkpoint-4").glob("rng_state*")}
    assert states == {"rng_state_0.pth", "rng_state_1.pth"}
    for line in ("What trains", "written to"):
        assert together[1].count(line) == 1, together[1]


@pytest.mark.slow
def test_two_processes_of_torchrun_resume_bit_for_bit(together, tmp_path):
    """In fresh interpreters, with those of the forked run before them."""
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(together[0] / "settings.json", run)
    shutil.copytree(together[0] / "checkpoint-2", run / "checkpoint-2")
    (run / "_unfinished" / "checkpoint-4").mkdir(parents=True)
    _, printed = train(tmp_path, 2, fresh=True, gradient_accumulation_steps=2)
    assert printed.count("step 2 of 4") == 1
    ours, theirs = (load_file(folder / "checkpoint-4" / "model.safetensors") for folder in (run, together[0]))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
