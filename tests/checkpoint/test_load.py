"""Checkpoints that cannot be loaded are refused in one line that names them; a good one loads."""

import json
import os

import pytest

from aullava.checkpoint.load import load_checkpoint

from tiny import make_tiny_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    return make_tiny_checkpoint(tmp_path / "checkpoint")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    "file, content, said",
    [
        ("config.json", "[]", "expected an object"),
        ("config.json", "{", "config.json is no JSON"),
        ("config.json", "{}", "model_type None"),
        ("config.json", '{"model_type": "bert"}', "'bert'"),
        ("config.json", '{"model_type": "llava"}', "text_config"),
        ("config.json", '{"model_type": "llava", "text_config": {}}', "text_config"),
        ("tokenizer.json", "{}", "KeyError"),
        ("processor_config.json", "[]", "'list' object"),
        ("chat_template.jinja", None, "chat template"),
        ("chat_template.jinja", "{% for x in %}", "TemplateSyntaxError"),
        ("model.safetensors", POINTER, "git-LFS pointer"),
        ("model.safetensors", None, "model.safetensors"),
    ],
)
def test_a_damaged_file_is_an_error_of_one_line(file, content, said, checkpoint):
    if content is None:
        (checkpoint / file).unlink()
    else:
        (checkpoint / file).write_text(content)
    with pytest.raises(ValueError) as refused:
        load_checkpoint(checkpoint, "cpu")
    message = str(refused.value)
    assert said in message and str(checkpoint) in message and "\n" not in message


def test_weights_that_are_cut_off_are_refused(checkpoint):
    weights = checkpoint / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1)
    with pytest.raises(ValueError, match="cut off"):
        load_checkpoint(checkpoint, "cpu")


def test_a_configuration_that_contradicts_itself_is_refused(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text()) | {"image_seq_length": 3}
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="image_seq_length is 3"):
        load_checkpoint(checkpoint, "cpu")


@pytest.mark.parametrize("device", ["meta", "abacus", "cuda:99", "mps:7"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(device, tmp_path):
    with pytest.raises(ValueError, match=f"device {device}") as refused:
        load_checkpoint(tmp_path / "no checkpoint", device)
    assert len(str(refused.value)) < 1000


def test_a_good_checkpoint_is_loaded_ready_to_read(checkpoint):
    model, processor = load_checkpoint(str(checkpoint), "cpu")
    assert not model.training and model.device.type == "cpu"
    assert "<image>" in processor.prompt("short")
