"""A release is complete, is stock LLaVA to stock code, and never takes the place of anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from aullava.checkpoint import layout as release
from aullava.checkpoint.layout import REMOTE_FILES, assemble, embedded_checkpoint, left_files

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
    # Exactly these, whichever versions of the libraries saved the checkpoint.
    saved = {"config.json", "generation_config.json", "model.safetensors", "processor_config.json"}
    saved |= {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert set(os.listdir(folder)) == {*REMOTE_FILES, *saved, "README.md", "LICENSE"}
    assert (folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    card = (folder / "README.md").read_text()
    assert "not measured" in card


def test_a_card_we_write_gives_the_weights_no_licence(checkpoint, tmp_path):
    card = (assemble(checkpoint, tmp_path / "hub") / "README.md").read_text()
    assert "license:" not in card and "| weights | not stated |" in card


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


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "processor_config.json", "tokenizer.json", "chat_template.jinja"]
)
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


def shard(folder: Path, *names: str) -> None:
    """Split the weights of a checkpoint over files, with their index."""
    tensors = load_file(folder / "model.safetensors")
    places = {key: names[number % len(names)] for number, key in enumerate(tensors)}
    for name in names:
        save_file({key: tensors[key] for key in tensors if places[key] == name}, folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_only_the_weights_that_would_be_loaded_are_taken(tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    shard(source, *shards)
    (source / "model-00003-of-00003.safetensors").write_bytes(b"stale")
    whole = assemble(source, tmp_path / "whole")
    assert [name for name in os.listdir(whole) if "model" in name and "aullava" not in name] == ["model.safetensors"]
    assert {*shards, "model.safetensors.index.json"} < set(left_files(source))
    (source / "model.safetensors").unlink()
    assert {*shards, "model.safetensors.index.json"} < set(os.listdir(assemble(source, tmp_path / "split")))
    assert left_files(source) == ["model-00003-of-00003.safetensors"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("config.json", "[]", "config.json holds a JSON list"),
        ("config.json", "{", "config.json is no JSON"),
        ("processor_config.json", "[]", "processor_config.json holds a JSON list"),
        ("tokenizer_config.json", "null", "tokenizer_config.json holds a JSON NoneType"),
        ("model.safetensors.index.json", "{}", "no weight_map"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git-LFS"),
        ("model.safetensors", "", "cut off"),
        ("model.safetensors", "\0" * 64, "cut off"),
    ],
)
def test_a_damaged_checkpoint_is_refused_and_the_file_named(name, content, said, tmp_path):
    source = make_tiny_checkpoint(tmp_path / "training")
    if "index" in name:
        (source / "model.safetensors").unlink()
    (source / name).write_text(content)
    with pytest.raises(ValueError, match=said) as refused:
        assemble(source, tmp_path / "hub")
    assert name in str(refused.value)
    assert os.listdir(tmp_path) == ["training"]


def test_an_edited_card_is_not_overwritten(checkpoint, tmp_path):
    folder = assemble(checkpoint, tmp_path / "hub")
    (folder / "README.md").write_text("edited by hand")
    before = contents(folder)
    with pytest.raises(FileExistsError, match="hub/README.md"):
        assemble(checkpoint, folder)
    assert contents(folder) == before


def test_a_changelog_written_in_the_folder_is_not_lost(checkpoint, tmp_path):
    folder = assemble(checkpoint, tmp_path / "hub")
    (folder / "CHANGELOG.md").write_text("by hand")
    with pytest.raises(FileExistsError, match="holds a CHANGELOG.md that .* has not"):
        assemble(checkpoint, folder)
    assert (folder / "CHANGELOG.md").read_text() == "by hand"


def test_a_link_to_a_folder_stays_a_link(checkpoint, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "hub"
    link.symlink_to("elsewhere")
    assert assemble(checkpoint, link) == link and link.is_symlink()
    assert contents(assemble(checkpoint, link)) == contents(tmp_path / "elsewhere")
    assert "LICENSE" in os.listdir(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["broken", "loop", "."])
def test_links_that_lead_nowhere_and_the_current_folder_are_refused(name, checkpoint, tmp_path, monkeypatch):
    (tmp_path / "broken").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here" if name == "." else tmp_path)
    with pytest.raises(FileExistsError, match="current folder" if name == "." else "leads nowhere"):
        assemble(checkpoint, name)
    assert sorted(os.listdir(tmp_path)) == ["broken", "here", "loop"]


def test_a_folder_name_may_be_as_long_as_the_system_allows(checkpoint, tmp_path):
    assert "LICENSE" in os.listdir(assemble(checkpoint, tmp_path / ("x" * 255)))


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


def with_decision_files(checkpoint: Path, calibration: dict, temperature: dict) -> Path:
    config = read(checkpoint / "config.json") | {"calibration": calibration}
    (checkpoint / "config.json").write_text(json.dumps(config))
    asked = {key: config[key] for key in ("question_form", "prompt_layout") if key in config}
    (checkpoint / "decision.json").write_text(json.dumps({"temperature": temperature} | asked))
    (checkpoint / "decision_template.jinja").write_text("a template")
    return checkpoint


@pytest.mark.parametrize(
    ("calibration", "temperature"),
    [
        ({}, {}),
        ({}, {"noul": 1.0, "score": 1}),
        ({"temperature": {"occurrence": 1.5, "continuous": 3.0}}, {"noul": 1.5, "score": 1.0}),
    ],
)
def test_files_of_the_decision_api_are_taken_along(calibration, temperature, tmp_path):
    source = with_decision_files(make_tiny_checkpoint(tmp_path / "training"), calibration, temperature)
    folder = assemble(source, tmp_path / "hub")
    for name in ("decision.json", "decision_template.jinja"):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    assert contents(assemble(folder, tmp_path / "again")) == contents(folder)
    assert left_files(source) == []


@pytest.mark.parametrize(
    ("calibration", "temperature", "said"),
    [
        ({"temperature": {"occurrence": 1.5}}, {"noul": 1.0}, "temperature 1.0 for noul, but config.json has 1.5"),
        ({"temperature": {"intensity": 1.5}}, {}, "temperature 1.0 for score, but config.json has 1.5"),
        ({}, {"score": 2.0}, "temperature 2.0 for score, but config.json has 1.0"),
    ],
)
def test_decision_files_from_before_the_calibration_are_refused(calibration, temperature, said, tmp_path):
    source = with_decision_files(make_tiny_checkpoint(tmp_path / "training"), calibration, temperature)
    with pytest.raises(ValueError, match=said) as refused:
        assemble(source, tmp_path / "hub")
    assert "aullava.checkpoint.decision" in str(refused.value)
    assert os.listdir(tmp_path) == ["training"]


@pytest.mark.parametrize("name", ["decision.json", "decision_template.jinja"])
def test_one_decision_file_without_the_other_is_refused(name, tmp_path):
    source = with_decision_files(make_tiny_checkpoint(tmp_path / "training"), {}, {})
    (source / name).unlink()
    with pytest.raises(ValueError, match="without its twin"):
        assemble(source, tmp_path / "hub")


@pytest.mark.parametrize("changed", [{"prompt_layout": "instruction_first"}, {"question_form": "short"}])
def test_files_of_the_decision_api_made_for_another_prompt_are_refused(changed, tmp_path):
    source = with_decision_files(make_tiny_checkpoint(tmp_path / "training"), {}, {})
    config = read(source / "config.json") | {"prompt_layout": "image_first", "question_form": "full"}
    (source / "config.json").write_text(json.dumps(config))
    written = {"prompt_layout": "image_first", "question_form": "full"}
    (source / "decision.json").write_text(json.dumps(written))
    assemble(source, tmp_path / "fits")
    (source / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(ValueError, match=f"was made for {next(iter(changed))}.*aullava.checkpoint.decision"):
        assemble(source, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()
