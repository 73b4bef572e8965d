"""The results in a card are those of the evaluation's file, every one of them, and of these weights."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from transformers import TrainerState, TrainingArguments

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import RESULTS, embedded_checkpoint
from aullava.checkpoint.model_card import TEMPLATE, plain_card
from aullava.cli import main
from aullava.commands.errors import UsageError
from aullava.commands.release import ReleaseRequest, release
from aullava.dataset_builder.chat.drawn_faces import DrawnFaceArguments
from aullava.hub.results import SECTION, card_with
from aullava.training.arguments import ModelArguments
from aullava.training.run.provenance import drawn_manifest
from aullava.training.run.run_card import describe_run

from tiny import make_tiny_checkpoint

ASKED = ("bp4d", "disfa")  # one of occurrence, one of intensity
GROUPED = "disfa"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A checkpoint and the reports of its evaluation on a few drawn faces."""
    folder = tmp_path_factory.mktemp("lab")
    checkpoint = make_tiny_checkpoint(folder / "tiny")
    drawing = DrawnFaceArguments(faces=4)
    parts = (ModelArguments(from_scratch=True), drawing, TrainingArguments(output_dir="run", use_cpu=True))
    describe_run(checkpoint, TrainerState(), parts, drawn_manifest(drawing, 4), license="apache-2.0")
    for name in ASKED:
        flags = [
            "--corpus",
            "procedural",
            "--option",
            "count=12",
            "--option",
            "draw_size=32",
            "--protocol",
            name,
            "--draws",
            "50",
            "--checks",
            "0",
            *(["--group-by", "age"] if name == GROUPED else []),
        ]
        assert main(["evaluate", *flags, "--checkpoint", str(checkpoint), "--out", str(folder / f"{name}.json")]) == 0
    return folder


@pytest.fixture(scope="module")
def released(lab) -> Path:
    reports = tuple(lab / f"{name}.json" for name in ASKED)
    assert release(ReleaseRequest(lab / "out", lab / "tiny", evaluation=reports)) == 0
    return lab / "out"


def test_every_figure_of_the_report_stands_in_the_card_and_no_other(lab, released):
    card = ModelCard.load(released / "README.md")
    section = card.text.partition(SECTION)[2].partition("\n## ")[0]
    told = [float(number) for number in re.findall(r"(?<=[ (])-?\d\.\d{3}(?=[ ).])", section)]
    expected = []
    for name in ASKED:
        record = json.loads((lab / f"{name}.json").read_text())
        for result in record["scores"].values():
            for code in [*PROTOCOLS[name].units, "mean"]:
                for score in result["intervals"].values():
                    if score[code]["value"] is None:
                        continue
                    numbers = [score[code][part] for part in ("value", "low", "high")]
                    expected += numbers[:1] if None in numbers else numbers
        for found in record["groups"].values():
            expected += [found[part] for part in ("gap", "low", "high", "chance")]
            expected += [group["macro_f1"] for group in found["groups"]]
            assert len(found["groups"]) > 1
    assert len(expected) > 60
    assert told == [pytest.approx(number, abs=5.01e-4) for number in expected]


def test_the_model_index_holds_the_means(lab, released):
    entries = ModelCard.load(released / "README.md").data.eval_results
    expected = [
        (f"{name}, mode joint", score, found["mean"]["value"])
        for name in ASKED
        for result in json.loads((lab / f"{name}.json").read_text())["scores"].values()
        for score, found in result["intervals"].items()
    ]
    told = [(entry.dataset_config, entry.metric_type, entry.metric_value) for entry in entries]
    assert told == [row for row in expected if row[2] is not None] and told
    assert {(entry.dataset_type, entry.dataset_split) for entry in entries} == {("procedural", "test")}


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def test_the_rest_of_the_card_of_the_run_stays(lab, released):
    before, after = (ModelCard.load(folder / "README.md") for folder in (lab / "tiny", released))
    assert headings(after.text) == headings(TEMPLATE.read_text())
    kept, changed = (re.split(r"^## (?:Results|Speed)$", card.text, flags=re.MULTILINE) for card in (before, after))
    assert (kept[0], kept[2]) == (changed[0], changed[2]) and kept[1] != changed[1]
    assert after.data.license == "apache-2.0"
    said = changed[1]
    assert "**Results per group of people: not measured.**" in said and "F1 of present or not by age" in said


def test_any_card_keeps_its_sections_and_one_without_results_gets_them_before_its_limits(lab):
    record = json.loads((lab / "bp4d.json").read_text())
    for text in ((embedded_checkpoint() / "README.md").read_text(), plain_card(lab / "tiny", "x")):
        assert headings(card_with(text, [record], "x")) == headings(TEMPLATE.read_text())
    by_hand = "---\nlicense: mit\n---\n# tiny\n\nA card.\n\n## Limits\n\nMany.\n\n## Licence\n\nMIT.\n"
    assert headings(card_with(by_hand, [record], "x")) == ["Results", "Limits", "Licence"]


def test_later_results_take_the_place_of_earlier_ones(lab, released):
    earlier = (released / "README.md").read_text()
    record = json.loads((lab / "bp4d.json").read_text())
    once = card_with(earlier, [record], "tiny")
    assert once == card_with(once, [record], "tiny")
    assert headings(once).count("Results") == 1
    told = once.partition(SECTION)[2].partition("\n## ")[0]
    assert "`bp4d`" in told and "`disfa`" not in told


def test_a_report_on_other_weights_or_settings_is_refused(lab, tmp_path):
    other = make_tiny_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match="is about other weights"):
        release(ReleaseRequest(tmp_path / "out", other, evaluation=(lab / "bp4d.json",)))
    calibrated = shutil.copytree(lab / "tiny", tmp_path / "calibrated")
    config = json.loads((calibrated / "config.json").read_text())
    config["calibration"] = {"temperature": {"occurrence": 2.0}}
    (calibrated / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="is about other settings"):
        release(ReleaseRequest(tmp_path / "out", calibrated, evaluation=(lab / "bp4d.json",)))
    assert not (tmp_path / "out").exists()


def test_a_report_of_before_there_was_an_id_is_refused(lab, tmp_path):
    record = json.loads((lab / "bp4d.json").read_text())
    record["checkpoint"] = {"name": record["checkpoint"]["name"], "weights": {"": "00"}}
    (tmp_path / "old.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"lacks checkpoint\.id, checkpoint\.settings: .* older version"):
        release(ReleaseRequest(tmp_path / "out", lab / "tiny", evaluation=(tmp_path / "old.json",)))


LEADERBOARD = (
    ("my-lab/faces", "occurrence", "present.f1_undetermined_wrong"),
    ("my-lab/faces@" + "a" * 40, "levels", "level.mae"),
)


def test_figures_go_to_the_leaderboards_that_are_named_and_come_back_as_they_were(lab, tmp_path, capsys):
    reports = (lab / "bp4d.json",)
    asked = ReleaseRequest(
        tmp_path / "out", lab / "tiny", evaluation=(*reports, lab / "levels.json"), benchmark=LEADERBOARD
    )
    record = json.loads((lab / "disfa.json").read_text())
    del record["scores"]["present"]  # or there would be two of the figure
    (lab / "levels.json").write_text(json.dumps(record))
    assert release(asked) == 0
    assert f"no {RESULTS}" not in capsys.readouterr().out
    entries = parse_eval_result_entries(yaml.safe_load((tmp_path / "out" / RESULTS).read_text()))
    assert [(entry.dataset_id, entry.task_id, entry.dataset_revision) for entry in entries] == [
        ("my-lab/faces", "occurrence", None),
        ("my-lab/faces", "levels", "a" * 40),
    ]
    scores = [json.loads((lab / f"{name}.json").read_text())["scores"] for name in ASKED]
    assert [entry.value for entry in entries] == [
        scores[0]["present"]["intervals"]["f1_undetermined_wrong"]["mean"]["value"],
        scores[1]["level"]["intervals"]["mae"]["mean"]["value"],
    ]
    assert entries[0].notes.startswith("F1, mean over 12 units of bp4d, mode joint, split test, 12 rows of ")
    # a release of the release keeps them; other results take their place, though no dataset is named for those
    again = shutil.copytree(lab / "tiny", tmp_path / "again")
    shutil.copytree(tmp_path / "out" / ".eval_results", again / ".eval_results")
    assert release(ReleaseRequest(tmp_path / "copy", again)) == 0
    assert (tmp_path / "copy" / RESULTS).read_bytes() == (again / RESULTS).read_bytes()
    assert release(ReleaseRequest(tmp_path / "later", again, evaluation=reports)) == 0
    assert not (tmp_path / "later" / RESULTS).parent.exists()
    assert f"no {RESULTS}: it is for benchmark datasets" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "figure", "said"),
    [
        ("faces", "present.f1_undetermined_wrong", "--benchmark faces: expected the id of a dataset"),
        ("my-lab/faces", "present.f1", "present.f1 is in 0 of the reports, expected one; they hold .*level.icc_3_1"),
        ("my-lab/faces", "present.f1_undetermined_wrong", "is in 2 of the reports"),
    ],
)
def test_a_figure_that_nobody_can_find_is_refused(dataset, figure, said, lab, tmp_path):
    reports = tuple(lab / f"{name}.json" for name in ASKED)
    with pytest.raises(UsageError, match=said):
        release(
            ReleaseRequest(tmp_path / "out", lab / "tiny", evaluation=reports, benchmark=((dataset, "task", figure),))
        )
    assert not (tmp_path / "out").exists()


def test_a_command_that_names_a_place_is_refused(lab, tmp_path):
    record = json.loads((lab / "bp4d.json").read_text()) | {
        "command": "aullava evaluate --data-dir /" + "home/ann/disfa"
    }
    (tmp_path / "report.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="the card with the results, line .* is an absolute path"):
        release(ReleaseRequest(tmp_path / "out", lab / "tiny", evaluation=(tmp_path / "report.json",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"checkpoint": {"id": {}}}', '{"format": 1}'])
def test_what_is_no_report_is_refused(text, lab, tmp_path):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError, match="expected the JSON file that aullava evaluate wrote"):
        release(ReleaseRequest(tmp_path / "out", lab / "tiny", evaluation=(tmp_path / "report.json",)))


def test_a_release_with_results_is_a_checkpoint_whose_card_goes_on(lab, released, tmp_path):
    again = shutil.copytree(released, tmp_path / "again")
    assert release(ReleaseRequest(tmp_path / "out", again)) == 0
    assert (tmp_path / "out" / "README.md").read_bytes() == (released / "README.md").read_bytes()
