"""A release is complete, is stock LLaVA to stock code, and never takes the place of anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aullava import release
from aullava.release import REMOTE_FILES, assemble, embedded_checkpoint, left_files

from tiny import make_tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_release_holds_weights_code_card_and_licence(checkpoint, tmp_path):
    folder = assemble(checkpoint, tmp_path / "hub")
    names = set(os.listdir(folder))
    assert {*REMOTE_FILES, "README.md", "LICENSE", "config.json", "model.safetensors", "tokenizer.json"} <= names
    assert (folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n") and "not measured" in card


def test_release_names_stock_classes_and_maps_ours(checkpoint, tmp_path):
    folder = assemble(checkpoint, tmp_path / "hub")
    config, processor = read(folder / "config.json"), read(folder / "processor_config.json")
    assert config["model_type"] == "llava" and config["architectures"] == ["LlavaForConditionalGeneration"]
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForImageTextToText"}
    assert "facial-action-units" in config["custom_pipelines"]
    assert processor["processor_class"] == "LlavaProcessor" and "AutoProcessor" in processor["auto_map"]
    for target in [*config["auto_map"].values(), *processor["auto_map"].values()]:
        module, name = target.split(".")
        assert f"class {name}(" in (folder / f"{module}.py").read_text()


def test_release_of_a_release_is_the_same(checkpoint, tmp_path):
    first = assemble(checkpoint, tmp_path / "first")
    before = contents(first)
    assert contents(assemble(first, tmp_path / "first-again")) == before
    assert contents(assemble(checkpoint, first)) == before


def test_only_listed_files_are_taken_and_the_card_of_the_checkpoint_is_kept(tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    (source / "README.md").write_text("my card")
    (source / "training_args.bin").write_bytes(b"a pickle")
    (source / "optimizer.pt").write_bytes(b"a pickle")
    (source / "checkpoint-100").mkdir()
    folder = assemble(source, tmp_path / "hub")
    assert (folder / "README.md").read_text() == "my card"
    assert left_files(source) == ["checkpoint-100", "optimizer.pt", "training_args.bin"]
    assert not set(left_files(source)) & set(os.listdir(folder))


def test_an_earlier_release_is_replaced_whole(checkpoint, tmp_path):
    folder = assemble(checkpoint, tmp_path / "hub")
    (folder / "modeling_aullava.py").write_text("old")
    (folder / "added_tokens.json").write_text("{}")
    assemble(checkpoint, folder)
    assert (folder / "modeling_aullava.py").read_text() != "old"
    assert not (folder / "added_tokens.json").exists()
    assert os.listdir(tmp_path) == ["hub"]


def test_an_empty_folder_is_taken(checkpoint, tmp_path):
    (tmp_path / "hub").mkdir()
    assert "config.json" in os.listdir(assemble(checkpoint, tmp_path / "hub"))


@pytest.mark.parametrize("kind", ["foreign file", "foreign folder", "other model", "file", "the checkpoint itself"])
def test_what_is_no_release_is_never_overwritten(kind, tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("mine")
    elif kind == "other model":
        make_tiny_checkpoint(target)
    elif kind == "the checkpoint itself":
        target = source
    else:
        assemble(source, target)
        (target / "notes").mkdir() if kind == "foreign folder" else (target / "notes").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=target.name):
        assemble(source, target)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "processor_config.json", "tokenizer.json"])
def test_an_incomplete_checkpoint_is_refused_and_the_file_named(name, tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    (source / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        assemble(source, tmp_path / "hub")
    assert os.listdir(tmp_path) == ["training"]


def test_a_missing_shard_is_named(tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (source / "model.safetensors").rename(source / shards["a"])
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(FileNotFoundError, match="model-00002-of-00002"):
        assemble(source, tmp_path / "hub")


def test_adapters_and_other_models_are_refused(tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    (source / "config.json").write_text(json.dumps(read(source / "config.json") | {"model_type": "llama"}))
    with pytest.raises(ValueError, match="'llama'"):
        assemble(source, tmp_path / "hub")
    (source / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="merge"):
        assemble(source, tmp_path / "hub")


def test_a_copy_without_the_embedded_checkpoint_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "EMBEDDED", tmp_path / "au-llava-tiny")
    with pytest.raises(FileNotFoundError, match="--checkpoint"):
        embedded_checkpoint()


# Runs where `aullava` cannot be imported, as on a user's machine, and prints what it found as JSON.
USER = """
import builtins, importlib.abc, json, sys

class NoPackage(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "aullava":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPackage())
def asked(*text):
    raise AssertionError(f"prompted: {text}")
builtins.input = asked

import torch
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline

hub, picture = sys.argv[1:]
found = {}
ours = AutoModel.from_pretrained(hub, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(hub, trust_remote_code=True)
(reading,) = ours.recognize(picture, processor=processor, protocol="disfa")
found["ours"], found["processor"], found["values"] = type(ours).__name__, type(processor).__name__, reading.values
(read,) = pipeline("facial-action-units", model=hub, trust_remote_code=True)([picture], protocol="disfa")
found["pipeline"] = read["values"]
stock = AutoModelForImageTextToText.from_pretrained(hub)
found["stock"], found["stock processor"] = type(stock).__name__, type(AutoProcessor.from_pretrained(hub)).__name__
found["modules"] = [type(stock).__module__.split(".")[0], type(ours).__module__.split(".")[0]]
inputs = processor.encode([picture], "short question")
with torch.no_grad():
    found["same logits"] = torch.equal(ours.eval()(**inputs).logits, stock.eval()(**inputs).logits)
print(json.dumps(found))
"""


def test_release_loads_elsewhere_without_the_package_with_and_without_trust(checkpoint, tmp_path):
    hub = assemble(checkpoint, tmp_path / "hub")
    picture = tmp_path / "face.png"
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # -I: neither the working folder nor PYTHONPATH can bring the package back.
    run = subprocess.run(
        [sys.executable, "-I", "-c", USER, str(hub), str(picture)], cwd=elsewhere, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert (found["ours"], found["processor"]) == ("AULlavaForConditionalGeneration", "AULlavaProcessor")
    assert (found["stock"], found["stock processor"]) == ("LlavaForConditionalGeneration", "LlavaProcessor")
    assert found["modules"] == ["transformers", "transformers_modules"]
    assert found["same logits"] is True
    assert found["pipeline"] == found["values"] and len(found["values"]) == 12
