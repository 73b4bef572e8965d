"""README's quick start, as it stands there: train, calibrate, evaluate, release over a Hub to a stranger's process and to a Space.

Its commands run in a folder that looks like a clone, with a shorter training and fewer faces. The stranger has neither the package
nor a cache, and meets an earlier commit of the repo, too. The Space is the one that was uploaded, run from what is downloaded.
"""

import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import torch
from gradio_client import handle_file
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from aullava.checkpoint.identity import settings_hash, weights_id
from aullava.checkpoint.load import load_checkpoint
from aullava.cli import main
from aullava.commands.release import ReleaseRequest, release

from checkout import ROOT
from loopback_hub import LoopbackHub
from quick_start import COMMANDS, FEWER, HF, READING, REPO, SHORTER, SPACE, STRANGER, download, run, served
from tiny import make_tiny_checkpoint

REPORT = """
import torch
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, pipeline

repo, first = sys.argv[1:]
trusted = {"trust_remote_code": True}
report, tensors = {"face": face, "reading": vars(reading)}, {}

def meet(name, model, processor):
    inputs = processor(images=[face], text=[prompt], add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        tensors[name] = model.eval()(**inputs).logits
    code = getattr(sys.modules[type(model).__module__], "EDITION", 1)
    report[name] = [type(model).__name__, type(processor).__name__, code]

prompt = processor.prompt("present 0/1: AU1")
meet("latest", model, processor)
pinned = {"revision": first, **trusted}
meet("pinned", AutoModel.from_pretrained(repo, **pinned), AutoProcessor.from_pretrained(repo, **pinned))
meet("stock", AutoModelForImageTextToText.from_pretrained(repo), AutoProcessor.from_pretrained(repo))
piped = pipeline("facial-action-units", model=repo, **trusted)
report["piped"] = piped([face], protocol="disfa")
try:
    AutoModel.from_pretrained(repo, token=False, cache_dir="empty", **trusted)
except OSError as error:
    report["without token"] = str(error)
save_file(tensors, "logits.safetensors")
with open("report.json", "w") as file:
    json.dump(report, file)
"""
# Neither the clone nor an editable install can supply a module.
SPACE_START = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
sys.path[:] = [sys.argv[1]] + [entry for entry in sys.path if "__editable__" not in entry]
import aullava.action_units as found
assert found.__file__.startswith(sys.argv[1]), found.__file__
runpy.run_path("app.py", run_name="__main__")
"""


def follow(command: list[str], clone: Path, hub: LoopbackHub) -> None:
    """One command of the section; what it needs of a machine and of an account is here already."""
    match command:
        case ["pip", *_] | ["hf", "auth", "login"]:
            pass
        case ["python", "train_sft.py", *flags]:
            run([sys.executable, "train_sft.py", *flags, *SHORTER], clone)
        case ["aullava", verb, *words]:
            assert main([verb, *words, *FEWER.get(verb, ())]) == 0
        case ["hf", *words]:
            run([sys.executable, "-c", HF, *words], clone, hub.environment("hf_me", clone / "cache"))
        case [setting, "python", "-m", "aullava.space.app"]:  # the Space that is started below has the same program
            assert setting == f"AULLAVA_CHECKPOINT={REPO}"
        case _:
            raise AssertionError(f"README's quick start has a command that nobody follows here: {command}")


def push_earlier(hub: LoopbackHub, folder: Path) -> str:
    """A first commit of the repo with other weights and other code; its id."""
    assert release(ReleaseRequest(folder / "earlier", make_tiny_checkpoint(folder / "tiny"), push=REPO)) == 0
    repo = hub.repos["models", REPO]
    code = repo.files["modeling_aullava.py"] + b"\nEDITION = 0\n"
    return repo.commit("main", repo.files | {"modeling_aullava.py": code})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The Hub after README's commands, and what a stranger's process reported."""
    clone, home = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("stranger")
    for name in ("train_sft.py", "configs", "checkpoints"):
        (clone / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch, LoopbackHub() as hub:
        hub.connect(patch)
        patch.chdir(clone)
        first = push_earlier(hub, home)
        for command in COMMANDS:
            follow(command, clone, hub)
        (home / "user.py").write_text(STRANGER + READING + REPORT)
        run([sys.executable, "-I", "user.py", REPO, first], home, hub.environment("hf_me", home / "cache"))
        yield SimpleNamespace(
            hub=hub,
            first=first,
            clone=clone,
            released=clone / "my-release",
            report=json.loads((home / "report.json").read_text()),
            logits=load_file(home / "logits.safetensors"),
        )


def test_trained_adapters_arrive_as_a_whole_checkpoint_with_the_card_of_their_run(world):
    repo = world.hub.repos["models", REPO]
    assert repo.private and len(repo.commits) == 4  # the Hub's own, two earlier ones, and ours
    for path in filter(Path.is_file, world.released.rglob("*")):
        assert repo.files[path.relative_to(world.released).as_posix()] == path.read_bytes()
    card = repo.files["README.md"].decode()
    assert f'from_pretrained("{REPO}", trust_remote_code=True)' in card and "PeftModel" not in card
    assert "license: apache-2.0" in card and "library_name: transformers" in card
    assert json.loads(repo.files["training.json"])["settings"]["lora_r"] == 16


def test_the_release_carries_its_calibration_and_the_figures_that_were_measured_with_it(world):
    verbs = [words[1] for words in COMMANDS if words[0] == "aullava"]
    assert verbs == ["calibrate", "evaluate", "release", "space"]
    files, made = world.hub.repos["models", REPO].files, world.clone / "outputs" / "quick_start"
    calibration = json.loads(files["config.json"])["calibration"]
    assert {*calibration["temperature"]} == {"occurrence", "intensity"}
    assert calibration["temperature"]["occurrence"] != 1
    assert json.loads((made / "model" / "config.json").read_text()).get("calibration", {}) == {}
    fitted = json.loads(files["training.json"])["calibration"]
    assert fitted["split"] == "validation" and fitted["rows"] == 24 and [*fitted["protocols"]] == ["bp4d", "disfa"]
    card, report = files["README.md"].decode(), json.loads((made / "report.json").read_text())
    assert f"Calibrated on procedural, 24 rows of {fitted['people_count']} validation subjects" in card
    assert report["rows"] == 24 and report["split"] == "test"
    measured = report["scores"]["present"]["intervals"]["f1_undetermined_wrong"]["mean"]["value"]
    told = {result.metric_type: result.metric_value for result in ModelCard(card).data.eval_results}
    assert told["f1_undetermined_wrong"] == pytest.approx(measured)


def test_checkpoint_release_upload_and_download_are_one_by_id_and_settings(world, tmp_path):
    calibrated = world.clone / "outputs" / "quick_start" / "calibrated"
    sharded = tmp_path / "sharded"
    assert release(ReleaseRequest(sharded, calibrated, max_shard_size="1MB")) == 0
    assert len([*sharded.glob("model-*.safetensors")]) > 1
    uploaded = tmp_path / "uploaded"
    for name, data in world.hub.repos["models", REPO].files.items():
        (uploaded / name).parent.mkdir(parents=True, exist_ok=True)
        (uploaded / name).write_bytes(data)
    downloaded = download(world.hub, "hf_me", tmp_path, REPO)
    folders = (calibrated, world.released, sharded, uploaded, downloaded)
    assert {(weights_id(folder), settings_hash(folder)) for folder in folders} == {
        (weights_id(calibrated), settings_hash(calibrated))
    }
    before = world.clone / "outputs" / "quick_start" / "model"  # the same weights, not calibrated
    assert weights_id(before) == weights_id(calibrated) and settings_hash(before) != settings_hash(calibrated)
    report = json.loads((world.clone / "outputs" / "quick_start" / "report.json").read_text())
    assert [*report["checkpoint"]["id"].values()] == [weights_id(calibrated)]
    assert f"Checkpoint `{weights_id(calibrated)}`" in (world.released / "README.md").read_text()


def test_the_stranger_reads_what_the_package_reads(world):
    model, processor = load_checkpoint(world.released, "cpu")
    [reading] = model.recognize(world.released / "face.png", processor=processor, protocol="disfa")
    assert reading.status == "ok" and reading.values["AU12"] > 0  # it smiles
    assert world.report["reading"] == vars(reading)
    assert world.report["piped"][0] == vars(reading) | {"box": None, "score": None}  # keys of the version before


def test_a_revision_pins_weights_and_code(world):
    ours = ["AULlavaForConditionalGeneration", "AULlavaProcessor"]
    assert (world.report["latest"], world.report["pinned"]) == ([*ours, 1], [*ours, 0])
    latest, pinned = world.logits["latest"], world.logits["pinned"]
    assert latest.shape != pinned.shape or not torch.equal(latest, pinned)


def test_without_trust_it_is_stock_with_equal_logits(world):
    assert world.report["stock"] == ["LlavaForConditionalGeneration", "LlavaProcessor", 1]
    assert torch.equal(world.logits["stock"], world.logits["latest"])


def test_a_private_repo_needs_the_token(world):
    assert "is not a valid model identifier" in world.report["without token"]


@pytest.mark.parametrize(("token", "private"), [("hf_me", True), ("hf_stranger", True), (None, False)])
def test_hf_download_gives_the_files_to_those_who_may(token, private, world, tmp_path, monkeypatch):
    repo = world.hub.repos["models", REPO]
    monkeypatch.setattr(repo, "private", private)
    if token == "hf_stranger":
        with pytest.raises(AssertionError, match="(?i)not found"):
            download(world.hub, token, tmp_path, REPO)
        assert not (tmp_path / "files" / "config.json").exists()
        return
    files = download(world.hub, token, tmp_path, REPO, "--revision", world.first)
    there = {name: (files / name).read_bytes() for name in repo.commits[world.first]}
    assert there == repo.commits[world.first]


def test_the_space_that_was_uploaded_reads_what_the_stranger_reads(world, tmp_path):
    space = world.hub.repos["spaces", SPACE]
    files = download(world.hub, None, tmp_path, SPACE, "--repo-type", "space")
    made = {path.name: path.read_bytes() for path in (world.clone / "my-space").iterdir()}
    assert {name: (files / name).read_bytes() for name in made} == made
    assert space.files.keys() - made.keys() == {".gitattributes"}
    [wheel] = files.glob("*.whl")
    # What a Space installs is the wheel that lies in it, by its address on the Hub.
    address = urlsplit((files / "requirements.txt").read_text().partition(" @ ")[2].strip())
    assert urlopen(world.hub.address + address.path).read() == wheel.read_bytes()
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    secret = world.hub.environment("hf_me", tmp_path / "hub")  # the model repo is private
    command = [sys.executable, "-P", "-c", SPACE_START, tmp_path / "site"]
    with served(command, files, space.variables | secret) as page:
        answer = page.predict(handle_file(world.report["face"]), units="disfa", faces="none", api_name="/read_face")
    [face] = answer["faces"]
    for part in ("values", "text", "status"):
        assert face[part] == world.report["reading"][part]
