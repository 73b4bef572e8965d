"""A released folder as its user meets it: another folder, a fresh process, the package not importable."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from aullava.checkpoint.layout import REMOTE_FILES, assemble

from tiny import FACES, make_tiny_checkpoint, tiny_model

# Run by a user who has no `aullava`: the blocker stands in for the missing package, because ours is installed here.
USER = """
import json, sys

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aullava":
            raise ModuleNotFoundError(f"{name} is not installed here")

sys.meta_path.insert(0, NoPackage())
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline

folder, *faces = sys.argv[1:]

def describe(model, processor):
    return {"class": type(model).__name__, "config": type(model.config).__name__, "processor": type(processor).__name__}

def logits(model, processor, prompt):
    images = [face for face in faces]
    inputs = processor(images=images, text=[prompt] * len(faces), add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).logits

trusted = {"trust_remote_code": True}
model = AutoModel.from_pretrained(folder, **trusted)
processor = AutoProcessor.from_pretrained(folder, **trusted)
readings = {mode: [vars(r) for r in model.recognize(faces, processor=processor, mode=mode)] for mode in ("joint", "generate")}
piped = pipeline("facial-action-units", model=folder, device=-1, **trusted)(faces, protocol="disfa")
report = {
    "trusted": describe(model, processor),
    "conditional": type(AutoModelForImageTextToText.from_pretrained(folder, **trusted)).__name__,
    "question_form": AutoConfig.from_pretrained(folder, **trusted).question_form,
    "readings": readings,
    "piped": piped,
}
prompt = processor.prompt("present 0/1: AU1")
tensors = {"trusted": logits(model, processor, prompt)}

bare = AutoModel.from_pretrained("without architectures", **trusted)
report["without architectures"] = describe(bare, AutoProcessor.from_pretrained("without architectures", **trusted))
tensors["without architectures"] = logits(bare, processor, prompt)

model.save_pretrained("again")
processor.save_pretrained("again")
again, words = AutoModel.from_pretrained("again", **trusted), AutoProcessor.from_pretrained("again", **trusted)
report["again"] = describe(again, words)
report["readings again"] = [vars(r) for r in again.recognize(faces, processor=words)]
tensors["again"] = logits(again, words, prompt)

for trust in (False, None):
    stock = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=trust)
    words = AutoProcessor.from_pretrained(folder, trust_remote_code=trust)
    report[f"trust {trust}"] = describe(stock, words)
    tensors[f"trust {trust}"] = logits(stock, words, prompt)

save_file(tensors, "logits.safetensors")
with open("report.json", "w") as file:
    json.dump(report, file)
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """What a user's process reported, the folder it ran in, and the released folder."""
    release = assemble(
        make_tiny_checkpoint(tmp_path_factory.mktemp("training") / "tiny"), tmp_path_factory.mktemp("hub") / "tiny"
    )
    home = tmp_path_factory.mktemp("user")
    (home / "user.py").write_text(USER)
    faces = [str(home / f"{index}.png") for index in range(len(FACES))]
    for path, face in zip(faces, FACES, strict=True):
        Image.fromarray(face).save(path)
    bare = shutil.copytree(release, home / "without architectures")
    config = json.loads((bare / "config.json").read_text())
    del config["architectures"]
    (bare / "config.json").write_text(json.dumps(config))
    # -I: neither PYTHONPATH nor the working directory; what was loaded as remote code before is not there either.
    command = [sys.executable, "-I", str(home / "user.py"), str(release), *faces]
    environment = os.environ | {"HF_HOME": str(home / "cache")}
    run = subprocess.run(command, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads((home / "report.json").read_text()), home, release


def test_trusted_code_gives_the_classes_of_this_project(user):
    report, _, _ = user
    expected = {"class": "AULlavaForConditionalGeneration", "config": "AULlavaConfig", "processor": "AULlavaProcessor"}
    assert report["trusted"] == report["again"] == expected
    assert report["conditional"] == expected["class"]
    assert report["question_form"] == "short"


def test_auto_map_is_enough_where_a_config_names_no_architecture(user):
    report, home, _ = user
    assert report["without architectures"] == report["trusted"]
    logits = load_file(home / "logits.safetensors")
    assert torch.equal(logits["without architectures"], logits["trusted"])


@pytest.mark.parametrize("trust", ["trust False", "trust None"])
def test_without_trust_it_is_stock_llava_with_equal_logits(user, trust):
    report, home, _ = user
    stock = {"class": "LlavaForConditionalGeneration", "config": "LlavaConfig", "processor": "LlavaProcessor"}
    assert report[trust] == stock
    logits = load_file(home / "logits.safetensors")
    assert torch.equal(logits[trust], logits["trusted"])
    assert torch.equal(logits["again"], logits["trusted"])


def test_readings_are_those_of_the_package(user):
    report, _, _ = user
    model, processor = tiny_model()
    for mode, readings in report["readings"].items():
        assert readings == [asdict(reading) for reading in model.recognize(FACES, processor=processor, mode=mode)]
    assert report["readings again"] == report["readings"]["joint"]
    former = {"box": None, "score": None}
    assert report["piped"] == [reading | former for reading in report["readings"]["joint"]]


def test_saving_a_loaded_model_again_keeps_the_code_and_the_weights(user):
    _, home, release = user
    # transformers copies what the model and the processor import; the release step adds the pipeline.
    for name in set(REMOTE_FILES) - {"pipeline_aullava.py"}:
        assert (home / "again" / name).read_bytes() == (release / name).read_bytes()
    first, again = (load_file(folder / "model.safetensors") for folder in (release, home / "again"))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    configs = [json.loads((folder / "config.json").read_text()) for folder in (release, home / "again")]
    assert configs[0]["auto_map"] == configs[1]["auto_map"]
    assert configs[0]["custom_pipelines"] == configs[1]["custom_pipelines"]
    assert configs[0]["architectures"] == ["LlavaForConditionalGeneration"]
