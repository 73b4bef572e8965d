"""Which checkpoint it was: hashes, commit, and a fingerprint that changes with whatever readings depend on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from aullava.checkpoint.identity import identify, settings_hash, weights_id
from aullava.checkpoint.load import load_checkpoint

from tiny import make_tiny_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_checkpoint(checkpoint, "cpu")[0]


def fingerprint(checkpoint, model) -> str:
    return identify(checkpoint, model).fingerprint


def test_a_folder_is_known_by_its_tensors_and_settings(checkpoint, model):
    found = identify(checkpoint, model)
    assert (found.given, found.revision, found.calibration, found.dtype) == (
        str(checkpoint),
        None,
        {},
        "torch.float32",
    )
    assert (found.id, found.settings) == (weights_id(checkpoint), settings_hash(checkpoint))
    assert len(found.fingerprint) == 32 and found.fingerprint == fingerprint(checkpoint, model)


def test_the_place_and_what_reads_nothing_do_not_matter(checkpoint, model, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    for name in ("training.json", "decision.json", "README.md"):
        (copy / name).write_text("{}")
    assert fingerprint(copy, model) == fingerprint(checkpoint, model)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", ('"vision_feature_layer": -1', '"vision_feature_layer": -2')),
        ("chat_template.jinja", ("{", " {")),
        ("processor_config.json", ('"do_resize": true', '"do_resize": false')),
    ],
)
def test_another_setting_gives_another_fingerprint_and_the_same_id(name, change, checkpoint, model, tmp_path):
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    before = (copy / name).read_text()
    (copy / name).write_text(before.replace(*change, 1))
    assert (copy / name).read_text() != before
    assert weights_id(copy) == weights_id(checkpoint)
    assert fingerprint(copy, model) != fingerprint(checkpoint, model)


def test_calibration_and_precision_of_the_loaded_model_count(checkpoint, model, monkeypatch):
    before = fingerprint(checkpoint, model)
    monkeypatch.setattr(model.config, "calibration", {"temperature": {"intensity": 1.3}})
    calibrated = fingerprint(checkpoint, model)
    try:
        halved = fingerprint(checkpoint, model.to(torch.bfloat16))
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
    assert found.id == weights_id(checkpoint)
    assert found.fingerprint == fingerprint(checkpoint, model)


def test_weights_that_are_gone_are_an_error(model, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({}))
    for gone in (tmp_path, "org/never-loaded"):
        with pytest.raises(FileNotFoundError, match=f"weights of {gone} are gone"):
            identify(gone, model)
