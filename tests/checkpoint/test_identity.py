"""The id of weights and the hash of settings: what changes them, and what must not."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from aullava.checkpoint.identity import settings_hash, weights_id
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.hub.shards import split_weights


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(embedded_checkpoint(), tmp_path / "copy")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_copy_in_shards_keeps_both(folder):
    assert split_weights(folder, "500KB")
    assert not (folder / "model.safetensors").exists()
    assert weights_id(folder) == weights_id(embedded_checkpoint())
    assert settings_hash(folder) == settings_hash(embedded_checkpoint())


def test_metadata_and_the_loaders_keys_change_neither(folder):
    save_file(
        load_file(folder / "model.safetensors"), folder / "model.safetensors", {"format": "pt", "by": "somebody"}
    )
    edit(folder / "config.json", transformers_version="9.9.9", auto_map={"AutoConfig": "elsewhere"})
    (folder / "README.md").write_text("another card")
    assert weights_id(folder) == weights_id(embedded_checkpoint())
    assert settings_hash(folder) == settings_hash(embedded_checkpoint())


@pytest.mark.parametrize(
    "key, values",
    [
        ("calibration", [{"temperature": {"occurrence": 1.5}}, {"temperature": {"occurrence": 1.6}}]),
        ("question_form", ["full", "short"]),
        ("prompt_layout", ["image_first", "instruction_first"]),
    ],
)
def test_a_setting_changes_the_hash_and_not_the_id(key, values, folder):
    found = set()
    for value in values:
        edit(folder / "config.json", **{key: value})
        found.add(settings_hash(folder))
    assert len(found) == 2
    assert weights_id(folder) == weights_id(embedded_checkpoint())


def write(folder, tensors):
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return weights_id(folder)


def test_name_shape_type_and_bytes_all_count(tmp_path):
    zeros = torch.zeros(4, dtype=torch.int16)
    others = {
        "as it is": {"a": zeros},
        "name": {"b": zeros},
        "shape": {"a": zeros.reshape(2, 2)},
        "type": {"a": zeros.to(torch.bfloat16)},
        "bytes": {"a": zeros + 1},
        "empty": {"a": zeros[:0]},
        "scalar": {"a": zeros[0].clone()},
    }
    found = {write(tmp_path / name, tensors) for name, tensors in others.items()}
    assert len(found) == len(others) and {len(each) for each in found} == {32}


def test_weights_that_are_missing_or_twice_there_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights"):
        weights_id(tmp_path)
    shutil.copy(folder / "model.safetensors", folder / "old.safetensors")
    with pytest.raises(ValueError, match="both hold"):
        weights_id(folder)
