"""Which checkpoint it was: hashes, commit, and a fingerprint that changes with whatever readings depend on."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from aullava.recognition.identity import checkpoint_fingerprint, identify
from aullava.recognition.load import load_checkpoint

from tiny import make_tiny_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_checkpoint(checkpoint, "cpu")[0]


def test_a_folder_is_known_by_the_hashes_of_its_files(checkpoint, model):
    found = identify(checkpoint, model)
    assert (found.given, found.revision, found.calibration, found.dtype) == (
        str(checkpoint),
        None,
        {},
        "torch.float32",
    )
    assert {"config.json", "model.safetensors", "tokenizer.json", "processor_config.json"} <= set(found.files)
    weights = (checkpoint / "model.safetensors").read_bytes()
    assert found.files["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert len(found.fingerprint) == 32 and found.fingerprint == checkpoint_fingerprint(checkpoint, model)


def test_the_place_and_what_reads_nothing_do_not_matter(checkpoint, model, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    for name in ("training.json", "decision.json", "README.md"):
        (copy / name).write_text("{}")
    assert checkpoint_fingerprint(copy, model) == checkpoint_fingerprint(checkpoint, model)


@pytest.mark.parametrize("changed", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_another_file_gives_another_fingerprint(changed, checkpoint, model, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    with open(copy / changed, "ab") as file:
        file.write(b" ")
    assert checkpoint_fingerprint(copy, model) != checkpoint_fingerprint(checkpoint, model)


def test_calibration_and_precision_of_the_loaded_model_count(checkpoint, model, monkeypatch):
    before = checkpoint_fingerprint(checkpoint, model)
    monkeypatch.setattr(model.config, "calibration", {"temperature": {"intensity": 1.3}})
    calibrated = checkpoint_fingerprint(checkpoint, model)
    try:
        halved = checkpoint_fingerprint(checkpoint, model.to(torch.bfloat16))
    finally:
        model.to(torch.float32)
    assert len({before, calibrated, halved}) == 3


def test_a_checkpoint_of_the_hub_tells_its_commit(checkpoint, model):
    repo = Path(constants.HF_HUB_CACHE) / "models--org--tiny"
    shutil.copytree(checkpoint, repo / "snapshots" / COMMIT)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    loaded, _ = load_checkpoint("org/tiny", "cpu")
    found = identify("org/tiny", loaded)
    assert (found.given, found.revision) == ("org/tiny", COMMIT)
    assert found.files == identify(checkpoint, model).files
    assert found.fingerprint == checkpoint_fingerprint(checkpoint, model)


def test_weights_that_are_gone_are_an_error(model, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({}))
    for gone in (tmp_path, "org/never-loaded"):
        with pytest.raises(FileNotFoundError, match=f"weights of {gone} are gone"):
            identify(gone, model)
