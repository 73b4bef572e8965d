"""The results in a card are those of the evaluation's file, every one of them, and of these weights."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from aullava.action_units import PROTOCOLS
from aullava.cli import main
from aullava.hub.command import Request, UsageError, release
from aullava.hub.results import SECTION, card_with

from tiny import make_tiny_checkpoint

ASKED = ("bp4d", "disfa")  # one of occurrence, one of intensity
CARD = "---\nlicense: mit\n---\n# tiny\n\nA card.\n\n## Limits\n\nMany.\n\n## Licence\n\nMIT.\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A checkpoint and the reports of its evaluation on a few drawn faces."""
    folder = tmp_path_factory.mktemp("lab")
    checkpoint = make_tiny_checkpoint(folder / "tiny")
    (checkpoint / "README.md").write_text(CARD)
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
        ]
        assert main(["evaluate", *flags, "--checkpoint", str(checkpoint), "--out", str(folder / f"{name}.json")]) == 0
    return folder


@pytest.fixture(scope="module")
def released(lab) -> Path:
    reports = tuple(lab / f"{name}.json" for name in ASKED)
    assert release(Request(lab / "out", lab / "tiny", evaluation=reports)) == 0
    return lab / "out"


def test_every_figure_of_the_report_stands_in_the_card_and_no_other(lab, released):
    card = ModelCard.load(released / "README.md")
    section = card.text.partition(SECTION)[2].partition("\n## ")[0]
    told = [float(number) for number in re.findall(r"(?<=[ (])-?\d\.\d{3}(?=[ )])", section)]
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


def test_the_rest_of_the_card_stays_and_results_stand_before_its_limits(released):
    text = ModelCard.load(released / "README.md").text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [SECTION, "## Limits", "## Licence"]
    assert "A card." in text and "Many." in text and "not measured" in text


def test_later_results_take_the_place_of_earlier_ones(lab, released):
    earlier = (released / "README.md").read_text()
    record = json.loads((lab / "bp4d.json").read_text())
    once = card_with(earlier, [record], "tiny")
    assert once == card_with(once, [record], "tiny")
    assert once.count(SECTION) == 1 and "`bp4d`" in once and "`disfa`" not in once and "## Limits\n\nMany." in once


def test_a_report_on_other_weights_is_refused(lab, tmp_path):
    other = make_tiny_checkpoint(tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match="is about other weights"):
        release(Request(tmp_path / "out", other, evaluation=(lab / "bp4d.json",)))
    assert not (tmp_path / "out").exists()


def test_a_command_that_names_a_place_is_refused(lab, tmp_path):
    record = json.loads((lab / "bp4d.json").read_text()) | {
        "command": "aullava evaluate --data-dir /" + "home/ann/disfa"
    }
    (tmp_path / "report.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="the card with the results, line .* is a place on a machine"):
        release(Request(tmp_path / "out", lab / "tiny", evaluation=(tmp_path / "report.json",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"checkpoint": {"weights": {}}}', '{"format": 1}'])
def test_what_is_no_report_is_refused(text, lab, tmp_path):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UsageError, match="expected the JSON file that aullava evaluate wrote"):
        release(Request(tmp_path / "out", lab / "tiny", evaluation=(tmp_path / "report.json",)))


def test_a_release_with_results_is_a_checkpoint_whose_card_goes_on(lab, released, tmp_path):
    again = shutil.copytree(released, tmp_path / "again")
    assert release(Request(tmp_path / "out", again)) == 0
    assert (tmp_path / "out" / "README.md").read_bytes() == (released / "README.md").read_bytes()
