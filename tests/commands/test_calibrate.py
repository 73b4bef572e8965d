"""`aullava calibrate` on small corpora: whom it reads, what the copy says of it, and what it refuses."""

import hashlib
import json
import shlex

import pytest

from aullava.checkpoint.identity import settings_hash, weights_id
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.cli import main
from aullava.dataset_builder.rows.folds import fold, validation_subjects
from aullava.evaluation.calibrate import write_calibrated
from aullava.hub.terms import why_a_statement

from tiny import make_tiny_checkpoint
from trees import disfa

DRAWN = "--corpus procedural --option draw_size=32 --device cpu"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("runs") / "tiny", "swin")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return disfa.make(tmp_path_factory.mktemp("disfa"), frames=3, cameras=("left",))


def run(text, *more):
    return main(["calibrate", *shlex.split(text), *map(str, more)])


def read(file):
    return json.loads(file.read_text())


def test_drawn_faces_give_a_temperature_a_scale_and_the_checkpoint_stays(checkpoint, tmp_path, capsys):
    before, out = (weights_id(checkpoint), settings_hash(checkpoint)), tmp_path / "calibrated"
    assert run(DRAWN + " --limit 8", "--checkpoint", checkpoint, "--out", out) == 0
    assert (weights_id(checkpoint), settings_hash(checkpoint)) == before and not (
        checkpoint / "training.json"
    ).exists()
    calibration = read(out / "config.json")["calibration"]
    assert {*calibration["temperature"]} == {"occurrence", "intensity"} and {*calibration["thresholds"]} == {"bp4d"}
    assert all(1 / 8 <= heat <= 8 for heat in calibration["temperature"].values())
    told = read(out / "training.json")["calibration"]
    assert (told["corpus"], told["fold"], told["split"], told["rows"]) == ("procedural", None, "validation", 8)
    assert {name: found["scale"] for name, found in told["protocols"].items()} == {
        "bp4d": "occurrence",
        "disfa": "intensity",
    }
    assert str(tmp_path) not in (out / "training.json").read_text()
    assert "8 rows of 2 validation subjects" in capsys.readouterr().err and told["people_count"] == 2
    # A record of a calibration says nothing of what the weights learnt from.
    assert why_a_statement(out) == f"{out} has no training.json and no card that states a licence"


@pytest.mark.parametrize("protocol", ["AU1,AU12", "bp4d"])
def test_only_named_protocols_get_thresholds_and_only_where_they_are_wanted(protocol, checkpoint, tmp_path):
    flags = f"{DRAWN} --limit 4 --protocol {protocol} {'' if ',' in protocol else '--temperatures-only'}"
    assert run(flags, "--checkpoint", checkpoint, "--out", tmp_path / "c") == 0
    calibration = read(tmp_path / "c" / "config.json")["calibration"]
    assert [*calibration["temperature"]] == ["occurrence"] and not any(calibration.get("thresholds", {}).values())


def trained_on_fold1(folder, **mix):
    train = fold("disfa", "fold1", disfa.SUBJECTS).train
    held = validation_subjects(train, mix.get("validation_share") or 0.1, mix.get("data_mix_seed", 0))
    people = {"train": sorted(train - held), "validation": sorted(held)}
    data = {"corpora": [{"corpus": "disfa", "fold": "fold1", "people": people}], "mix": mix}
    (folder / "training.json").write_text(json.dumps({"settings": {}, "data": data}))
    return folder


@pytest.mark.parametrize("mix", [{}, {"validation_share": 0.5, "data_mix_seed": 3}])
def test_a_fold_is_read_by_the_people_whom_training_set_aside(mix, corpus, tmp_path):
    made = trained_on_fold1(make_tiny_checkpoint(tmp_path / "tiny", "swin"), **mix)
    flags = "--corpus disfa --fold 1 --device cpu --faces none"
    assert run(flags, "--checkpoint", made, "--data-dir", corpus, "--out", tmp_path / "c") == 0
    train = fold("disfa", "fold1", disfa.SUBJECTS).train
    held = validation_subjects(train, mix.get("validation_share", 0.1), mix.get("data_mix_seed", 0))
    told = read(tmp_path / "c" / "training.json")
    people = "\n".join(sorted(f"disfa/{subject}" for subject in held))
    assert told["calibration"]["people_sha256"] == hashlib.sha256(people.encode()).hexdigest()
    assert told["calibration"]["people"] == {"validation": sorted(held)} and told["calibration"]["rows"] == 3 * len(
        held
    )
    assert told["data"] == read(made / "training.json")["data"]
    assert [*read(tmp_path / "c" / "config.json")["calibration"]["temperature"]] == ["intensity"]


@pytest.mark.parametrize(
    "mix, flags, said",
    [
        ({"data_mix_seed": 0}, "--fold fold2", "has seen"),
        ({}, "", "Give a fold"),
        ({"validation_share": 0.0}, "--fold fold1", "nobody is left to calibrate on"),
    ],
)
def test_people_who_trained_or_are_tested_are_refused(mix, flags, said, corpus, tmp_path, capsys):
    made = trained_on_fold1(make_tiny_checkpoint(tmp_path / "tiny", "swin"), **mix)
    out = tmp_path / "c"
    assert (
        run(
            f"--corpus disfa --device cpu --faces none {flags}",
            "--checkpoint",
            made,
            "--data-dir",
            corpus,
            "--out",
            out,
        )
        == 2
    )
    assert said in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize(
    "flags, said",
    [
        (DRAWN + " --option split=test", "fitted on validation subjects, never on those it is tested on"),
        (DRAWN + " --protocol feafa", "the continuous scale, which has no temperature"),
        (DRAWN + " --protocol bp4d --protocol bp4d", "each of another name"),
        (DRAWN + " --option size=9", "procedural has no option 'size'"),
        ("--corpus samm", "no protocol for samm"),
        ("--corpus disfa --data-dir nowhere --fold fold1", "nowhere"),
    ],
)
def test_bad_usage_writes_nothing(checkpoint, flags, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(flags + " --limit 2", "--checkpoint", checkpoint, "--out", "c") == 2
    assert said in capsys.readouterr().err and [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "file, said",
    [("adapter_config.json", "merge them first"), ("other.json", "expected the folder of a whole checkpoint")],
)
def test_a_folder_that_is_no_whole_checkpoint_is_refused(file, said, tmp_path, capsys):
    (tmp_path / file).write_text("{}")
    assert run(DRAWN, "--checkpoint", tmp_path, "--out", tmp_path / "c") == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_exists_is_not_replaced(checkpoint, tmp_path, capsys):
    assert run(DRAWN, "--checkpoint", checkpoint, "--out", tmp_path) == 2
    assert "exists: expected a folder that does not exist yet" in capsys.readouterr().err and not [*tmp_path.iterdir()]


def test_the_card_says_it_once_however_often_it_is_calibrated(tmp_path):
    first = write_calibrated(embedded_checkpoint(), tmp_path / "a", {}, origin=origin(rows=1000))
    second = write_calibrated(first, tmp_path / "b", {}, origin=origin(rows=20))
    lines = [line for line in (second / "README.md").read_text().splitlines() if line.startswith("Calibrated on")]
    assert lines == ["Calibrated on disfa, fold 1, 20 rows of 2 validation subjects (disfa; 2026-12-01)."]
    assert "1,000 rows" in (first / "README.md").read_text()


def origin(rows):
    about = {"corpus": "disfa", "fold": "1", "rows": rows, "people_count": 2, "date": "2026-12-01"}
    return about | {"protocols": {"disfa": {}}}
