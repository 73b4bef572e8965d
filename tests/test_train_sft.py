"""train_sft.py as a user runs it: real SFTTrainer, real files, a few steps of a very small model on drawn faces."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from aullava.modeling_aullava import AULlavaForConditionalGeneration
from aullava.processing_aullava import AULlavaProcessor
from aullava.training.model.footprint import count_parameters

import forked
from checkout import ROOT
from tiny import SMALL_RUN
from trees import disfa

SMALL = {
    **SMALL_RUN,
    "faces": 16,
    "validation_faces": 4,
    "per_device_train_batch_size": 4,
    "max_steps": 4,
    "seed": 0,
}


def train(folder: Path, *flags: str, fresh: bool = False, **changes) -> subprocess.CompletedProcess:
    """One run of the script, in a fresh interpreter or a forked one."""
    config = folder / "config.yaml"
    settings = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
    config.write_text(yaml.safe_dump({"output_dir": str(folder / "run"), **settings}))
    command = [str(ROOT / "train_sft.py"), "--config", str(config), *flags]
    if not fresh:
        return forked.run(*command, cwd=folder)
    return subprocess.run([sys.executable, *command], cwd=folder, env=os.environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    result = train(folder, fresh=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder, result.stdout


def test_prints_what_trains(trained):
    _, printed = trained
    assert "What trains" in printed
    assert "vision tower" in printed


def test_the_final_checkpoint_is_complete_and_holds_nothing_of_the_training(trained):
    folder, _ = trained
    final = folder / "run" / "model"
    names = {path.name for path in final.iterdir()}
    assert {
        "model.safetensors",
        "config.json",
        "processor_config.json",
        "tokenizer.json",
        "chat_template.jinja",
        "README.md",
        "training.json",
        "config.yaml",
    } <= names
    assert not names & {"training_args.bin", "optimizer.pt", "trainer_state.json"}
    assert "from TRL" not in (final / "README.md").read_text()
    assert not any(path.suffix == ".py" for path in final.iterdir())
    model = AULlavaForConditionalGeneration.from_pretrained(final)
    assert model.dtype == torch.float32
    processor = AULlavaProcessor.from_pretrained(final)
    (reading,) = model.recognize(
        torch.zeros(48, 48, 3, dtype=torch.uint8).numpy(), processor=processor, protocol="bp4d"
    )
    assert reading.status == "ok"
    assert {tensor.dtype for tensor in load_file(final / "model.safetensors").values()} == {torch.bfloat16}


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(trained, tmp_path):
    """A call that finds checkpoint-2 of such a run goes on to step 4: the weights are equal bit for bit."""
    whole, _ = trained
    interrupted = tmp_path / "run"
    shutil.copytree(whole / "run", interrupted, ignore=shutil.ignore_patterns("checkpoint-4", "model"))
    result = train(tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "step 2 of 4" in result.stdout
    ours = load_file(interrupted / "checkpoint-4" / "model.safetensors")
    theirs = load_file(whole / "run" / "checkpoint-4" / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    log = json.loads((interrupted / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
    assert [entry["step"] for entry in log if "loss" in entry] == [1, 2, 3, 4]


def test_a_finished_run_that_is_started_again_trains_no_further(trained, tmp_path):
    """As after a kill between the last checkpoint and the end."""
    whole, run = trained[0] / "run", tmp_path / "run"
    before = load_file(whole / "model" / "model.safetensors")
    shutil.copytree(whole, run, ignore=shutil.ignore_patterns("model"))
    result = train(tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "step 4 of 4" in result.stdout
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in whole.iterdir())
    after = load_file(run / "model" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_frozen_parts_stay_and_the_others_move(trained, tmp_path):
    folder, _ = trained
    start = folder / "run" / "model"
    result = train(
        tmp_path, from_scratch=None, checkpoint=str(start), freeze_tower=True, saved_dtype="float32", max_steps=2
    )
    assert result.returncode == 0, result.stderr[-3000:]
    before, after = (load_file(f / "model.safetensors") for f in (start, tmp_path / "run" / "model"))
    moved = {name for name in before if not torch.equal(before[name].float(), after[name])}
    tower = {name for name in before if "vision_tower" in name}
    assert tower
    assert not moved & tower
    still = set(before) - moved - tower
    assert not {name for name in still if "norm" not in name}, still


def test_a_flag_wins_over_the_file_and_an_unknown_key_is_an_error(tmp_path):
    wrong = train(tmp_path, learnin_rate=1e-3)
    assert wrong.returncode != 0
    assert "learnin_rate" in wrong.stderr
    refused = train(tmp_path, "--template_loss_fraction", "3")
    assert refused.returncode != 0
    assert "template_loss_fraction is 3.0" in refused.stderr


def test_a_dry_run_tells_what_would_happen_and_leaves_nothing(tmp_path):
    result = train(tmp_path, "--dry_run", "true", turns_per_face=3, packed=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert all(words in result.stdout for words in ("turns", "What trains", "Estimated memory", "steps of 4 x 1 x 1"))
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_trains_on_a_corpus_and_says_so(tmp_path):
    """DISFA from its videos: packed turns, validation people read on the way, the best checkpoint kept, a card that tells it."""
    data = disfa.make(tmp_path / "DISFA", cameras=("right",))
    settings = {
        "corpora": ["disfa"],
        "data_dirs": [str(data)],
        "corpus_options": {"disfa": {"camera": "right"}},
        "cache_dir": str(tmp_path / "cache"),
        "validation_share": 0.34,
        "turns_per_image": 2,
        "packed": True,
        "balance_units": 0.5,
        "read_protocols": ["disfa", "disfa_occurrence"],
        "eval_strategy": "steps",
        "eval_steps": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "macro_f1",
        "max_steps": 2,
    }
    result = train(tmp_path, **settings)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "eval_macro_f1" in result.stdout and "'eval_disfa_icc'" in result.stdout
    model = tmp_path / "run" / "model"
    record = json.loads((model / "training.json").read_text())
    [corpus] = record["data"]["corpora"]
    people = {split: counts["subjects"] for split, counts in corpus["splits"].items()}
    assert corpus["corpus"] == "disfa" and people == {"train": 2, "validation": 1}
    assert "disfa_macro_f1" in record["evaluation"]
    card = (model / "README.md").read_text()
    assert "DISFA" in card and str(tmp_path) not in card + (model / "config.yaml").read_text()


def test_a_max_length_below_a_row_is_refused_before_the_first_step(tmp_path):
    refused = train(tmp_path, "--max_length", "20")
    assert refused.returncode != 0 and "'loss'" not in refused.stdout
    assert re.search(r"max_length is 20, but .* takes \d{2,} tokens, 36 of them for the image", refused.stderr)


@pytest.mark.parametrize("packed", [False, True])
def test_turns_that_are_too_long_are_left_out_counted_and_named_once(packed, tmp_path):
    """Of three protocols FEAFA's 24 units take most tokens: with this max_length its turns are left out."""
    result = train(tmp_path, "--max_length", "110", protocols=["bp4d", "disfa", "feafa"], faces=24, packed=packed)
    assert result.returncode == 0, result.stderr[-3000:]
    left, met = map(
        int, re.search(r"(\d+) of (\d+) turns met were longer than max_length 110", result.stdout).groups()
    )
    assert 0 < left < met
    assert result.stderr.count("turns of row") == 1
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_ten_times_the_learning_rate_ends_in_numbers_or_says_why(tmp_path):
    """Every weight is trained, and gradients are clipped by default. A max_length that all rows fit into is let pass."""
    result = train(tmp_path, learning_rate=10 * SMALL["learning_rate"], max_steps=8, save_steps=8, max_length=512)
    if result.returncode != 0:
        assert "BadLossError: the loss of step" in result.stderr
        return
    state = json.loads((tmp_path / "run" / "checkpoint-8" / "trainer_state.json").read_text())
    steps = [entry for entry in state["log_history"] if "loss" in entry]
    assert len(steps) == 8 and all(math.isfinite(entry[name]) for entry in steps for name in ("loss", "grad_norm"))
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert yaml.safe_load((tmp_path / "run" / "model" / "config.yaml").read_text())["max_grad_norm"] == 1.0


def test_other_settings_do_not_go_on_with_the_old_weights(trained):
    folder, _ = trained
    result = train(folder, learning_rate=5e-4, protocols=["feafa"])
    assert result.returncode != 0
    assert "learning_rate was 0.001, is 0.0005" in result.stderr
    assert "protocols was ['bp4d', 'disfa', 'feafa'], is ['feafa']" in result.stderr


def test_the_checkpoint_asks_what_it_was_trained_on(trained, tmp_path):
    folder, _ = trained
    assert _question_form(folder) == "short"
    start = str(folder / "run" / "model")
    result = train(tmp_path, from_scratch=None, checkpoint=start, full_share=1.0, max_steps=1)
    assert result.returncode == 0, result.stderr[-3000:]
    assert _question_form(tmp_path) == "full"


def _question_form(folder: Path) -> str:
    return json.loads((folder / "run" / "model" / "config.json").read_text())["question_form"]


def test_every_parameter_is_counted_once(trained):
    folder, _ = trained
    model = AULlavaForConditionalGeneration.from_pretrained(folder / "run" / "model")
    model.model.vision_tower.requires_grad_(False)
    counts = count_parameters(model)
    assert "other" not in counts
    assert sum(learning + frozen for learning, frozen in counts.values()) == sum(p.numel() for p in model.parameters())
    assert counts["vision tower"][0] == 0


class TestHeader:
    """The PEP 723 header, with which `uv run` and `hf jobs uv run` make an environment for the script."""

    SCRIPT = (ROOT / "train_sft.py").read_text()

    def test_names_the_package_as_pyproject_does(self):
        block = re.match(r"# /// script\n(.*?)# ///\n", self.SCRIPT, re.DOTALL).group(1)
        header = tomllib.loads(re.sub(r"^# ?", "", block, flags=re.MULTILINE))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert header["requires-python"] == project["requires-python"]
        [(name, extra)] = [re.fullmatch(r"([\w-]+)\[(\w+)\]", found).groups() for found in header["dependencies"]]
        assert name == project["name"] and extra in project["optional-dependencies"]

    def test_hugging_face_jobs_reads_its_table(self):
        reader = pytest.importorskip("huggingface_hub.cli._uv_script_header", reason="older Hub clients read no table")
        found = reader.parse_uv_script_header(self.SCRIPT)
        assert found.flavor and found.secrets == ["HF_TOKEN"]
        assert found.timeout == "12h"  # the service's own is 30 minutes
        with pytest.raises(reader.CLIError, match="Unknown key"):
            reader.parse_uv_script_header(self.SCRIPT.replace("# flavor", "# flavour"))
