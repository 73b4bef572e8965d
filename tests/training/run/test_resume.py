"""Which checkpoint a run goes on from: the last whole one of its own settings, or the one that is named, or none, with a reason."""

import json
import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from trl import SFTConfig

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import ModelArguments
from aullava.training.data_arguments import DataArguments
from aullava.training.run.checkpoints import RECORD, UNFINISHED, record
from aullava.training.run.resume import FREE, checkpoint_to_resume
from aullava.training.run.validation import ReadingArguments

FACES = DrawnFaceArguments(faces=10, draw_size=32)


def training_arguments(output: Path, **changes) -> SFTConfig:
    settings = {
        "max_steps": 6,
        "per_device_train_batch_size": 2,
        "learning_rate": 1e-3,
        "bf16": False,
        "use_cpu": True,
        "activation_checkpointing": False,
    }
    return SFTConfig(output_dir=str(output), report_to="none", **{**settings, **changes})


def choose(output: Path, *more, **changes) -> str | None:
    return checkpoint_to_resume(training_arguments(output, **changes), *(more or (FACES,)))


@pytest.fixture
def left(tmp_path) -> Path:
    """What a killed run leaves: its settings and two checkpoints, of files whose content does not matter here."""
    output = tmp_path / "run"
    assert choose(output) is None
    for step in (2, 4):
        folder = output / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": 6}))
        for name in ("model.safetensors", "optimizer.pt", "scheduler.pt"):
            (folder / name).write_bytes(bytes(1000))
        record(folder)
    return output


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / RECORD).unlink(), "whole.json, which is written last"),
        (lambda folder: (folder / RECORD).write_text('{"a": '), "truncated"),
        (lambda folder: (folder / "optimizer.pt").unlink(), "lacks optimizer.pt"),
        (lambda folder: os.truncate(folder / "model.safetensors", 99), "model.safetensors has 99 bytes of"),
    ],
)
def test_a_damaged_checkpoint_is_set_aside(harm, told, left, capsys):
    harm(left / "checkpoint-4")
    assert choose(left) == str(left / "checkpoint-2")
    said = capsys.readouterr().out
    assert told in said
    assert "_damaged-checkpoint-4" in said
    assert "step 2 of 6" in said
    assert not (left / "checkpoint-4").exists()
    assert (left / "_damaged-checkpoint-4" / "trainer_state.json").is_file()


def test_with_nothing_but_half_a_checkpoint_a_run_begins_anew(left, capsys):
    shutil.rmtree(left / "checkpoint-2")
    half = left / UNFINISHED / "checkpoint-4"
    half.parent.mkdir()
    (left / "checkpoint-4").rename(half)
    assert choose(left) is None
    assert "removed checkpoint-4" in capsys.readouterr().out
    assert not half.exists()


def test_a_folder_of_another_run_is_refused_and_left_as_it_is(left):
    (left / UNFINISHED).mkdir()
    (left / "checkpoint-4" / RECORD).unlink()
    with pytest.raises(ValueError, match="learning_rate was 0.001, is 0.002"):
        choose(left, learning_rate=2e-3)
    with pytest.raises(ValueError, match="draw_size was 32, is 48"):
        choose(left, replace(FACES, draw_size=48))
    assert (left / UNFINISHED).is_dir()
    assert (left / "checkpoint-4").is_dir()
    (left / "settings.json").unlink()
    with pytest.raises(ValueError, match="no settings.json"):
        choose(left)


def test_a_run_of_the_version_before_is_resumed(left):
    model = ModelArguments(from_scratch=True, mask_rate=0.3)
    choose(left.parent / "now", FACES, model)
    now = json.loads((left.parent / "now" / "settings.json").read_text())
    before = {"hidden_share": now.pop("mask_rate"), "value_loss_margin": 0.05} | now
    before["literal_share"] = before.pop("template_loss_fraction")
    (left / "settings.json").write_text(json.dumps(before))
    assert "mask_rate" not in before
    with pytest.raises(ValueError, match="mask_rate was 0.3, is 0.2"):
        choose(left, FACES, replace(model, mask_rate=0.2))
    assert choose(left, FACES, model) == str(left / "checkpoint-4")


def test_the_number_of_processes_is_a_setting(left, monkeypatch):
    monkeypatch.setattr(SFTConfig, "world_size", property(lambda self: 2))
    with pytest.raises(ValueError, match="world_size was 1, is 2"):
        choose(left)


def test_how_a_run_is_watched_is_no_setting(left):
    changes = {
        "logging_steps": 7,
        "save_steps": 3,
        "eval_steps": 5,
        "dataloader_num_workers": 1,
        "save_total_limit": 2,
    }
    assert choose(left, **changes) == str(left / "checkpoint-4")


def test_a_checkpoint_may_be_named(left, tmp_path):
    named = str(left / "checkpoint-2")
    assert choose(left, resume_from_checkpoint=named) == named
    elsewhere = tmp_path / "elsewhere"
    assert choose(elsewhere, resume_from_checkpoint=named) == named
    assert (elsewhere / "settings.json").read_text() == (left / "settings.json").read_text()
    with pytest.raises(ValueError, match="no such folder"):
        choose(left, resume_from_checkpoint=str(left / "checkpoint-9"))
    with pytest.raises(ValueError, match="learning_rate was 0.001, is 0.002"):
        choose(elsewhere, resume_from_checkpoint=named, learning_rate=2e-3)
    other = shutil.copytree(left, tmp_path / "other")
    with pytest.raises(ValueError, match="holds checkpoints of its own"):
        choose(other, resume_from_checkpoint=named)
    os.truncate(left / "checkpoint-2" / "scheduler.pt", 1)
    with pytest.raises(ValueError, match="which is not complete: scheduler.pt has 1 bytes"):
        choose(left, resume_from_checkpoint=named)


def test_true_wants_a_checkpoint_and_none_wants_no_checkpoint(left, tmp_path):
    assert choose(left, resume_from_checkpoint="true") == str(left / "checkpoint-4")
    with pytest.raises(ValueError, match="holds no complete checkpoint"):
        choose(tmp_path / "empty", resume_from_checkpoint="true")
    assert choose(tmp_path / "empty", resume_from_checkpoint="none") is None
    with pytest.raises(ValueError, match="resume_from_checkpoint is none, but output_dir .* holds checkpoint-4"):
        choose(left, resume_from_checkpoint="none")


def test_weights_alone_are_not_resumed(left):
    with pytest.raises(ValueError, match="save_only_model is set"):
        choose(left, save_only_model=True)


def test_data_are_compared_by_what_they_are_and_not_by_where_they_lie(tmp_path):
    entry = {"corpus": "disfa", "options": {"camera": "left"}, "fingerprints": {"train": "aa", "validation": "xx"}}
    arguments = training_arguments(tmp_path / "run")

    def at(place: str, **changes) -> str | None:
        data = DataArguments(corpora=["disfa"], data_dirs=[place], cache_dir=place)
        return checkpoint_to_resume(arguments, data, manifest={"corpora": [entry | changes]})

    assert at("here") is None
    (tmp_path / "run" / "checkpoint-2").mkdir()  # makes the settings be looked at
    with pytest.raises(ValueError, match="disfa: rows was 'aa', is 'bb'"):
        at("here", fingerprints={"train": "bb"})
    with pytest.raises(ValueError, match="disfa: options was {'camera': 'left'}, is {}"):
        at("here", options={})
    with pytest.raises(ValueError, match="disfa: rows was 'aa', is None"):
        checkpoint_to_resume(arguments, DataArguments(corpora=["disfa"], data_dirs=["here"]))
    assert at("there", fingerprints={"train": "aa"}) is None


def test_what_is_free_is_an_argument_of_ours():
    names = {field.name for part in (ModelArguments, DataArguments, ReadingArguments) for field in fields(part)}
    assert names >= FREE
