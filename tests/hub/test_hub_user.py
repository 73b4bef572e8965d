"""From training to a stranger: train_sft.py, `aullava release --push`, and processes that have neither the package nor a cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from aullava.dataset_builder.corpora.procedural import sample_face
from aullava.hub.command import Request, release
from aullava.recognition.load import load_checkpoint

from checkout import ROOT
from loopback_hub import LoopbackHub
from tiny import SMALL_RUN, make_tiny_checkpoint

REPO, SECRET = "me/au-llava", "me/secret"

USER = """
import builtins, json, sys

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aullava":
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, NoPackage())
def asked(*text):
    raise AssertionError(f"prompted: {text}")
builtins.input = asked

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline

repo, secret, first, face = sys.argv[1:]
trusted = {"trust_remote_code": True}
report, tensors = {}, {}

def meet(name, model, processor):
    inputs = processor(images=[face], text=[prompt], add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        tensors[name] = model.eval()(**inputs).logits
    report[name] = [type(model).__name__, type(processor).__name__]

for name, revision in (("latest", "main"), ("pinned", first)):
    model = AutoModel.from_pretrained(repo, revision=revision, **trusted)
    processor = AutoProcessor.from_pretrained(repo, revision=revision, **trusted)
    prompt = processor.prompt("present 0/1: AU1")
    meet(name, model, processor)
    report[f"{name} code"] = getattr(sys.modules[type(model).__module__], "EDITION", 1)
    [reading] = model.recognize(face, processor=processor, protocol="disfa")
    report[f"{name} reading"] = vars(reading)
piped = pipeline("facial-action-units", model=repo, revision=first, **trusted)
report["piped"] = piped([face], protocol="disfa")
stock = AutoModelForImageTextToText.from_pretrained(repo, revision=first)
meet("stock", stock, AutoProcessor.from_pretrained(repo, revision=first))
for name, token in (("secret with token", None), ("secret without token", False)):
    try:
        report[name] = type(AutoModel.from_pretrained(secret, token=token, **trusted)).__name__
    except OSError as error:
        report[name] = str(error)
save_file(tensors, "logits.safetensors")
with open("report.json", "w") as file:
    json.dump(report, file)
"""


def train_adapters(folder: Path) -> Path:
    """Two steps of LoRA on a tiny base, by the script as users start it."""
    base = make_tiny_checkpoint(folder / "base")
    sizes = {name for name in SMALL_RUN if name.startswith(("tower_", "language_", "image_size", "from_scratch"))}
    settings = {name: value for name, value in SMALL_RUN.items() if name not in sizes}
    settings |= {"output_dir": "run", "checkpoint": str(base), "lora_r": 2, "faces": 4, "validation_faces": 2}
    settings |= {"per_device_train_batch_size": 2, "max_steps": 2, "weights_license": "apache-2.0"}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, str(ROOT / "train_sft.py"), "--config", "config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run" / "adapters"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A Hub with a repo of two commits and a private one, and what a stranger's process reported about them."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("user")
    adapters = train_adapters(folder)
    Image.fromarray(sample_face("test", 0).image_HWC).save(home / "face.png")
    (home / "user.py").write_text(USER)
    with pytest.MonkeyPatch.context() as patch, LoopbackHub() as hub:
        hub.connect(patch)
        assert release(Request(folder / "released", adapters, push=REPO, public=True)) == 0
        repo = hub.repos["models", REPO]
        first = repo.branches["main"]
        later = make_tiny_checkpoint(folder / "later", seed=1)
        assert release(Request(folder / "second", later, push=SECRET)) == 0
        second = {path.name: path.read_bytes() for path in (folder / "second").iterdir()}
        repo.commit("main", second | {"modeling_aullava.py": second["modeling_aullava.py"] + b"\nEDITION = 2\n"})
        run = subprocess.run(
            [sys.executable, "-I", "user.py", REPO, SECRET, first, "face.png"],
            cwd=home,
            env=os.environ | hub.environment("hf_me", home / "cache"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-4000:]
        yield SimpleNamespace(
            hub=hub,
            first=first,
            home=home,
            released=folder / "released",
            second=folder / "second",
            report=json.loads((home / "report.json").read_text()),
            logits=load_file(home / "logits.safetensors"),
        )


def reading(folder: Path, world) -> dict:
    model, processor = load_checkpoint(folder, "cpu")
    return vars(model.recognize(world.home / "face.png", processor=processor, protocol="disfa")[0])


def test_trained_adapters_arrive_as_a_whole_checkpoint_with_the_card_of_their_run(world):
    files = world.hub.repos["models", REPO].commits[world.first]
    assert files["model.safetensors"] == (world.released / "model.safetensors").read_bytes()
    card = files["README.md"].decode()
    assert f'from_pretrained("{REPO}", trust_remote_code=True)' in card and "PeftModel" not in card
    assert "license: apache-2.0" in card and "library_name: transformers" in card
    assert json.loads(files["training.json"])["settings"]["lora_r"] == 2


def test_the_stranger_reads_what_the_package_reads(world):
    ours = ["AULlavaForConditionalGeneration", "AULlavaProcessor"]
    assert world.report["latest"] == world.report["pinned"] == ours
    assert world.report["pinned reading"] == reading(world.released, world) == world.report["piped"][0]
    assert world.report["latest reading"] == reading(world.second, world)


def test_a_revision_pins_weights_and_code(world):
    assert not torch.equal(world.logits["latest"], world.logits["pinned"])
    assert (world.report["latest code"], world.report["pinned code"]) == (2, 1)


def test_without_trust_it_is_stock_with_equal_logits(world):
    assert world.report["stock"] == ["LlavaForConditionalGeneration", "LlavaProcessor"]
    assert torch.equal(world.logits["stock"], world.logits["pinned"])


def test_a_private_repo_needs_the_token(world):
    assert world.report["secret with token"] == "AULlavaForConditionalGeneration"
    assert "is not a valid model identifier" in world.report["secret without token"]


@pytest.mark.parametrize("token", ["hf_me", "hf_stranger", None])
@pytest.mark.parametrize("repo", [REPO, SECRET])
def test_hf_download_gives_the_files_to_those_who_may(repo, token, world, tmp_path):
    command = [sys.executable, "-I", "-c", "from huggingface_hub.cli.hf import main; main()", "download", repo]
    pinned = ["--revision", world.first] if repo == REPO else []
    done = subprocess.run(
        [*command, *pinned, "--local-dir", str(tmp_path / "files")],
        env=os.environ | world.hub.environment(token, tmp_path / "cache"),
        capture_output=True,
        text=True,
    )
    if repo == SECRET and token != "hf_me":
        assert done.returncode == 1 and not (tmp_path / "files" / "config.json").exists()
        return
    assert done.returncode == 0, done.stderr[-2000:]
    folder = world.released if repo == REPO else world.second
    for path in folder.iterdir():
        assert (tmp_path / "files" / path.name).read_bytes() == path.read_bytes()
