"""What is written beside the weights: enough to train them again, no place of a machine, no secret."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
import yaml
from transformers import TrainerState
from trl import SFTConfig, TrlParser

from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.training.arguments import ModelArguments
from aullava.training.data.augmentation import AugmentationArguments
from aullava.training.data_arguments import DataArguments
from aullava.training.model.scratch import ScratchArguments
from aullava.training.run.provenance import drawn_manifest, settings_of, write_provenance

from checkout import ROOT

TOKEN = "hf_" + "aBcD" * 8
KINDS = (ModelArguments, DrawnFaceArguments, AugmentationArguments, DataArguments, ScratchArguments, SFTConfig)


def parts(tmp_path, **training):
    return (
        ModelArguments(from_scratch=True, mask_rate=0.3),
        DrawnFaceArguments(faces=10, first_face=2, protocols=["disfa"]),
        AugmentationArguments(augment_flip=0.25, augment_jpeg=60),
        SFTConfig(
            output_dir=str(tmp_path / "run"),
            use_cpu=True,
            bf16=False,
            report_to="none",
            activation_checkpointing=False,
            **training,
        ),
    )


def state(**fields) -> TrainerState:
    history = [
        {"step": 2, "loss": 1.5, "epoch": 0.5},
        {"step": 2, "eval_macro_f1": 0.75, "eval_icc": float("nan"), "eval_runtime": 3.0},
        {"step": 4, "eval_macro_f1": 0.4, "eval_loss": 0.9},
        {"step": 4, "eval_macro_f1": 0.5, "eval_samples_per_second": 9.0},
    ]
    return TrainerState(global_step=4, max_steps=6, log_history=history, **fields)


def written(tmp_path, *given, **training):
    given = given or parts(tmp_path, **training)
    write_provenance(tmp_path / "model", given, state(), drawn_manifest(given[1], 4), command=["train_sft.py"])
    return json.loads((tmp_path / "model" / "training.json").read_text())


def test_the_configuration_gives_the_same_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mixed = DataArguments(
        corpora=["disfa", "bp4d"],
        data_dirs=["data/DISFA", "data/BP4D"],
        folds=["fold1", "-"],
        corpus_options={"disfa": {"camera": "right"}},
        kind_shares={"whole": 1.0},
        active_share=None,
    )
    sizes = ScratchArguments(tower_depths=[1, 1, 1])
    *others, training = parts(tmp_path, learning_rate=3e-4, max_length=None, lr_scheduler_type="cosine", seed=7)
    before = (*others, mixed, sizes, training)
    written(tmp_path, *before)
    after = TrlParser(KINDS).parse_args_and_config(["--config", str(tmp_path / "model" / "config.yaml")])
    assert settings_of(after) == settings_of(before)
    assert after[:-1] == before[:-1]
    assert (after[-1].learning_rate, after[-1].max_length, after[-1].seed) == (3e-4, None, 7)
    assert after[-1].output_dir == "run"
    assert after[-1].eos_token is after[-1].pad_token is None  # not the masks that to_dict puts there


def test_what_differs_from_the_defaults_by_being_nothing_is_kept(tmp_path, monkeypatch):
    @dataclass
    class Shares:
        active: float | None = 0.5
        other: float | None = None
        per_corpus: dict = field(default_factory=dict)

    found = settings_of([Shares(active=None, per_corpus={"disfa": {"camera": "right"}})])
    assert found == {"active": None, "per_corpus": {"disfa": {"camera": "right"}}}


def test_the_record_says_what_was_run(tmp_path):
    record = written(tmp_path, seed=3, load_best_model_at_end=False)
    assert (record["format"], record["command"], record["processes"], record["distributed"]) == (
        1,
        "python train_sft.py",
        1,
        "NO",
    )
    assert record["seeds"] == {"model_seed": 0, "draw_seed": 0, "augment_seed": 0, "seed": 3}
    assert record["weights"] == {"step": 4, "of": 6, "chosen": "last", "metric": None}
    assert record["evaluation"] == {"macro_f1": 0.5, "loss": 0.9}  # of this step, without timings
    assert record["history"][1] == {"step": 2, "eval_macro_f1": 0.75, "eval_icc": None, "eval_runtime": 3.0}
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "transformers", "trl"} <= set(record["versions"])
    assert record["settings"] == yaml.safe_load((tmp_path / "model" / "config.yaml").read_text())
    [corpus] = record["data"]["corpora"]
    assert corpus["splits"]["train"] == {"rows": 10, "subjects": 3}  # faces 2 to 11, four a person
    assert corpus["splits"]["validation"] == {"rows": 4, "subjects": 1}
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.yaml", "training.json"]


def test_the_best_step_is_told_where_the_best_weights_are_kept(tmp_path):
    kept = {"load_best_model_at_end": True, "metric_for_best_model": "macro_f1", "eval_strategy": "steps"}
    given = parts(tmp_path, save_steps=2, eval_steps=2, **kept)
    record = write_provenance(tmp_path, given, state(best_global_step=2), {"corpora": []})
    assert record["weights"] == {"step": 2, "of": 6, "chosen": "best", "metric": "macro_f1"}
    assert record["evaluation"] == {"macro_f1": 0.75, "icc": None}


def test_the_commit_is_that_of_the_clone_and_unknown_elsewhere(tmp_path, monkeypatch):
    from aullava.common import versions

    code = written(tmp_path)["code"]
    if (ROOT / ".git").exists():
        head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        assert code["commit"] == head.stdout.strip()
        assert isinstance(code["modified"], bool)
    monkeypatch.setattr(versions, "_PACKAGE", tmp_path)
    assert written(tmp_path)["code"]["commit"] == "unknown"


def test_no_secret_and_no_place_is_written(tmp_path):
    given = parts(tmp_path, hub_token="plain-secret", run_name=f"run {TOKEN}")
    manifest = {"corpora": [], "made in": str(tmp_path), "api_key": "plain-secret", "paths": {str(tmp_path / "x"): 1}}
    command = [str(tmp_path / "train_sft.py"), "--hub_token=plain-secret", f"--cache_dir={tmp_path}/cache"]
    write_provenance(tmp_path / "model", given, state(), manifest, command=command)
    for name in ("training.json", "config.yaml"):
        text = (tmp_path / "model" / name).read_text()
        for hidden in (str(tmp_path), "plain-secret", TOKEN, os.path.expanduser("~") + "/"):
            assert hidden not in text, name


def test_two_settings_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="custom_share is a setting of DrawnFaceArguments and of another part"):
        settings_of([DrawnFaceArguments(), DrawnFaceArguments()])
    with pytest.raises(ValueError, match="expected the trainer's arguments once"):
        write_provenance(tmp_path, [DrawnFaceArguments()], state(), {})
