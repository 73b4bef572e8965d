"""A checkpoint is not tested on whom it was trained on: trained on DISFA, read on the corpora that show the same people."""

import json
import shutil
import sys

import pytest
import yaml

from aullava.cli import main
from aullava.commands.release import ReleaseRequest, release

import forked
from checkout import ROOT
from loopback_hub import LoopbackHub
from quick_start import run
from tiny import SMALL_RUN
from trees import disfa, disfa_plus, feafa_plus

READ = ["--checks", "0", "--draws", "5", "--device", "cpu"]
REPO = "me/disfa-fold1"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A run of two steps on fold1 of a small DISFA, and small DISFA+ and FEAFA+. SN001 tests fold1, SN006 and SN003 do not."""
    root = tmp_path_factory.mktemp("places")
    disfa.make(root / "disfa", frames=3, cameras=("left",))
    disfa_plus.make(root / "disfa_plus", frames=2)
    feafa_plus.make(root / "feafa_plus", part="B", frames=2)
    settings = SMALL_RUN | {
        "output_dir": str(root / "run"),
        "corpora": ["disfa"],
        "data_dirs": [str(root / "disfa")],
        "folds": ["fold1"],
        "validation_share": 0.5,
        "cache_dir": str(root / "cache"),
        "eval_strategy": "no",
        "per_device_train_batch_size": 2,
        "max_steps": 2,
    }
    (root / "config.yaml").write_text(yaml.safe_dump(settings))
    done = forked.run(ROOT / "train_sft.py", "--config", root / "config.yaml", cwd=root)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


def flags(places, corpus: str, *more: str) -> list[str]:
    if corpus == "feafa_plus":
        more = (*more, "--option", "part=B", "--option", f"disfa_dir={places / 'disfa'}")
    return ["--corpus", corpus, "--data-dir", str(places / corpus), *READ, *more]


def test_training_json_says_who_trained_and_who_validated(places):
    record = json.loads((places / "run" / "model" / "training.json").read_text())
    people = record["data"]["corpora"][0]["people"]
    assert sorted(people["train"] + people["validation"]) == ["SN003", "SN006"] and len(people["train"]) == 1


@pytest.mark.parametrize(
    "corpus, fold, seen",
    [("disfa", "fold2", "SN006"), ("disfa_plus", "fold3", "SN003"), ("feafa_plus", "fold2", "SN006")],
)
def test_people_of_training_and_validation_are_refused_in_all_corpora_of_theirs(
    places, tmp_path, capsys, corpus, fold, seen
):
    model = ["evaluate", "--checkpoint", str(places / "run" / "model"), "--out", str(tmp_path / "report.json")]
    assert main([*model, *flags(places, corpus, "--fold", fold)]) == 2
    said = capsys.readouterr().err
    assert f"disfa {seen} (training) and {corpus} {seen} (here) are the same" in said
    assert f"fold1 of {corpus}" in said and f"for disfa, exclude_subjects=['{seen}']" in said
    assert "reading" not in said and not [*tmp_path.iterdir()]
    assert main([*model, *flags(places, corpus, "--fold", "fold1")]) == 0
    assert not [note for note in json.loads((tmp_path / "report.json").read_text())["notes"] if "not known" in note]


def test_an_old_training_json_and_none(places, tmp_path, capsys):
    old = shutil.copytree(places / "run" / "model", tmp_path / "old")
    record = json.loads((old / "training.json").read_text())
    del record["data"]["corpora"][0]["people"]
    (old / "training.json").write_text(json.dumps(record))
    command = ["evaluate", "--checkpoint", str(old), "--out", str(tmp_path / "report.json")]
    assert main([*command, *flags(places, "disfa_plus", "--fold", "fold3")]) == 2
    assert "disfa_plus SN003 (here)" in capsys.readouterr().err
    (old / "training.json").unlink()
    assert main([*command, *flags(places, "disfa_plus", "--fold", "fold3")]) == 0
    note = "Who trained old is not known, for want of its training.json: it may have seen these people."
    assert note in json.loads((tmp_path / "report.json").read_text())["notes"]
    assert note in (tmp_path / "report.md").read_text()


def test_what_goes_on_from_a_checkpoint_has_seen_its_people(places, tmp_path, capsys):
    settings = SMALL_RUN | {
        "from_scratch": False,
        "checkpoint": str(places / "run" / "model"),
        "output_dir": str(tmp_path / "run"),
        "faces": 4,
        "eval_strategy": "no",
        "max_steps": 1,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    done = forked.run(ROOT / "train_sft.py", "--config", tmp_path / "config.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    command = ["evaluate", "--checkpoint", str(tmp_path / "run" / "model"), "--out", str(tmp_path / "report.json")]
    assert main([*command, *flags(places, "disfa_plus", "--fold", "fold3"), "--faces", "none"]) == 2
    assert "disfa_plus SN003 (here)" in capsys.readouterr().err


# Runs `aullava evaluate` on several lists of flags in one process; where one is "forget", the record leaves the cache instead.
SEVERAL = """
import json, os, pathlib, sys
from aullava.cli import main

for flags in json.loads(sys.argv[1]):
    if flags == "forget":
        [kept] = pathlib.Path(os.environ["HF_HOME"]).rglob("training.json")
        kept.unlink()
    else:
        print("ended with", main(["evaluate", *flags]))
"""


def test_a_checkpoint_on_the_hub_brings_its_training_json(places, tmp_path, monkeypatch):
    """In processes with a cache of their own: online; offline with what the cache holds; offline without the record."""

    def ends(environment: dict[str, str], *runs) -> list[str]:
        printed = run([sys.executable, "-c", SEVERAL, json.dumps(runs)], tmp_path, environment)
        return [line.split()[-1] for line in printed.splitlines() if line.startswith("ended with")]

    def notes(name: str) -> list[str]:
        return [note for note in json.loads((tmp_path / name).read_text())["notes"] if note.startswith("Who ")]

    def of(fold: str, out: str) -> list[str]:
        return ["--checkpoint", REPO, "--out", out, *flags(places, "disfa_plus", "--fold", fold)]

    with LoopbackHub() as hub:
        hub.connect(monkeypatch)
        assert release(ReleaseRequest(tmp_path / "release", places / "run" / "model", push=REPO)) == 0
        online = hub.environment("hf_me", tmp_path / "cache")
        assert ends(online, of("fold3", "seen.json"), of("fold1", "unseen.json")) == ["2", "0"]
        assert not (tmp_path / "seen.json").exists() and not notes("unseen.json")
        commit = hub.repos["models", REPO].branches["main"]
        assert {path for _, path in hub.asked if path.endswith("training.json")} == {
            f"/{REPO}/resolve/{commit}/training.json"
        }
    offline = online | {"HF_HUB_OFFLINE": "1"}
    assert ends(offline, of("fold3", "seen.json"), "forget", of("fold3", "offline.json")) == ["2", "0"]
    assert notes("offline.json") == [
        f"Who trained {REPO} is not known, for want of its training.json: it may have seen these people."
    ]
