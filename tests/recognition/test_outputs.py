"""Columns, files and the terminal table of given rows."""

import json
import os
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from aullava.action_units import PROTOCOLS, Protocol, render
from aullava.readout_aullava import AUReading
from aullava.recognition import outputs
from aullava.recognition.run import FaceRow

HEAD = [
    "input",
    "frame",
    "timestamp",
    "face_id",
    "success",
    "confidence",
    "box_x",
    "box_y",
    "box_w",
    "box_h",
    "status",
]
BOX = (10, 20, 30, 30)


def row(protocol: Protocol, values: dict, probabilities: dict | None = None, name="a/face.png", **more) -> FaceRow:
    """A row of the given values; units that are not given are 0."""
    full = dict.fromkeys(protocol.units, 0) | values
    text = "" if None in full.values() else render(full, protocol)
    return FaceRow(name, 0, AUReading(full, probabilities or {}, text, box=BOX, score=0.75, **more))


def no_face(protocol: Protocol) -> FaceRow:
    return FaceRow("a/wall.png", -1, AUReading(dict.fromkeys(protocol.units), status="no_face"))


@pytest.mark.parametrize(
    "name, first, last",
    [
        ("bp4d", "AU01_c", "AU24_p"),
        ("disfa", "AU01_r", "AU26_p"),
        ("feafa", "feafa_01_left_eye_close_v", "feafa_24_nose_wrinkle_v"),
    ],
)
def test_columns_are_head_then_values_then_probabilities(name, first, last):
    protocol = PROTOCOLS[name]
    columns = outputs.columns(protocol)
    assert columns[:11] == HEAD
    assert (columns[11], columns[-1]) == (first, last)
    assert len(columns) == 11 + len(protocol.units) * (1 if name == "feafa" else 2) == len(set(columns))
    assert list(outputs.to_frame([], protocol).columns) == columns
    assert list(outputs.as_record(no_face(protocol), protocol)) == columns


def test_csv_holds_what_the_rows_hold_and_leaves_missing_cells_empty(tmp_path):
    protocol = PROTOCOLS["bp4d"]
    rows = [row(protocol, {"AU12": 1, "AU4": None}, {"AU12": 0.91234567, "AU6": 0.2}), no_face(protocol)]
    outputs.write_csv(rows, tmp_path / "new" / "rows.csv", protocol)
    lines = (tmp_path / "new" / "rows.csv").read_text().splitlines()
    assert lines[0].split(",") == outputs.columns(protocol)
    face, blank = (dict(zip(outputs.columns(protocol), line.split(","), strict=True)) for line in lines[1:])
    assert [face[name] for name in HEAD] == ["a/face.png", "0", "0.0", "0", "1", "0.75", "10", "20", "30", "30", "ok"]
    assert (face["AU12_c"], face["AU12_p"], face["AU06_c"], face["AU06_p"]) == ("1", "0.9123", "0", "0.2")
    assert (face["AU04_c"], face["AU04_p"]) == ("", "")
    assert [blank[name] for name in HEAD] == ["a/wall.png", "0", "0.0", "-1", "0", "", "", "", "", "", "no_face"]
    assert {blank[name] for name in outputs.columns(protocol)[11:]} == {""}
    assert len(pd.read_csv(tmp_path / "new" / "rows.csv")) == 2


def test_probability_of_an_intensity_is_that_of_the_threshold_or_more():
    protocol = PROTOCOLS["disfa"]
    levels = [0.1, 0.2, 0.3, 0.15, 0.15, 0.1]
    found = row(protocol, {"AU12": 2}, {"AU12": levels})
    assert outputs.present_probability(found, "AU12", protocol) == pytest.approx(0.7)
    lower = Protocol("mine", protocol.units, protocol.scale, occurrence_threshold=1)
    assert outputs.present_probability(found, "AU12", lower) == pytest.approx(0.9)
    assert outputs.present_probability(found, "AU1", protocol) is None


def test_json_lines_keep_the_whole_distribution(tmp_path):
    protocol = PROTOCOLS["disfa"]
    levels = [0.1, 0.2, 0.3, 0.15, 0.15, 0.1]
    outputs.write_jsonl(
        [row(protocol, {"AU12": 2}, {"AU12": levels}), no_face(protocol)], tmp_path / "r.jsonl", protocol
    )
    face, blank = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert list(face)[:11] == HEAD
    assert (face["protocol"], face["scale"]) == ("disfa", "intensity")
    assert face["values"]["AU12"] == 2 and face["probabilities"]["AU12"] == levels
    assert face["text"].startswith("AU1=0 ")
    assert blank["values"]["AU12"] is None and blank["box_x"] is None and blank["success"] == 0


def test_format_goes_by_the_file_name():
    assert outputs.writer_for(Path("a.csv")) is outputs.write_csv
    assert outputs.writer_for(Path("a.JSONL")) is outputs.write_jsonl
    with pytest.raises(ValueError, match=r"a\.xlsx.*\.csv or \.jsonl"):
        outputs.writer_for(Path("a.xlsx"))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "rows.jsonl"
    target.write_text("earlier")
    protocol = PROTOCOLS["feafa"]
    broken = row(protocol, {})
    broken.reading.probabilities["feafa_01_left_eye_close"] = float("nan")  # JSON has no NaN
    with pytest.raises(ValueError):
        outputs.write_jsonl([row(protocol, {}), broken], target, protocol)
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_table_names_the_units_that_act_strongest_first():
    bp4d, disfa = PROTOCOLS["bp4d"], PROTOCOLS["disfa"]
    likely = row(bp4d, {"AU6": 1, "AU12": 1}, {"AU6": 0.6, "AU12": 0.9, "AU4": 0.4})
    assert outputs.describe(likely, bp4d) == "AU12 Lip corner puller (p 0.90), AU6 Cheek raiser (p 0.60)"
    assert outputs.describe(row(disfa, {"AU6": 2, "AU12": 4}), disfa) == "AU12 Lip corner puller 4, AU6 Cheek raiser 2"
    assert outputs.describe(row(bp4d, {}), bp4d) == "none"
    assert outputs.describe(row(disfa, {"AU4": None}), disfa) == "none; undetermined: AU4"
    assert outputs.describe(no_face(bp4d), bp4d) == ""
    feafa = PROTOCOLS["feafa"]
    assert outputs.describe(row(feafa, {"feafa_09_jaw_drop": 0.5}), feafa) == "Jaw Drop 0.50"


def test_table_shows_file_names_as_they_are_and_says_how_many_rows_it_leaves_out():
    protocol = PROTOCOLS["bp4d"]
    console = Console(file=StringIO(), width=120)
    console.print(outputs.summary_table([row(protocol, {}, name="a/[red]x.png")] * 5, protocol, limit=3))
    printed = console.file.getvalue()
    assert printed.count("[red]x.png") == 3
    assert "2 more rows" in printed


def test_table_shows_control_characters_as_escapes():
    protocol = PROTOCOLS["bp4d"]
    console = Console(file=StringIO(), width=120)
    console.print(outputs.summary_table([row(protocol, {}, name="a/\x1b[31mx\udce9.png")], protocol))
    assert r"\x1b[31mx\udce9.png" in console.file.getvalue()


def test_file_names_that_are_not_utf_8_come_back_from_both_formats(tmp_path):
    protocol = PROTOCOLS["bp4d"]
    name = os.fsdecode(b"caf\xe9.png")
    rows = [row(protocol, {}, name=name), row(protocol, {}, name="café.png")]
    outputs.write_csv(rows, tmp_path / "r.csv", protocol)
    lines = (tmp_path / "r.csv").read_bytes().splitlines()[1:]
    assert [line.split(b",")[0] for line in lines] == [b"caf\xe9.png", "café.png".encode()]
    outputs.write_jsonl(rows, tmp_path / "r.jsonl", protocol)
    lines = (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["input"] for line in lines] == [name, "café.png"]


def test_a_name_as_long_as_the_system_takes_is_written(tmp_path):
    protocol = PROTOCOLS["bp4d"]
    target = tmp_path / ("x" * 251 + ".csv")
    outputs.write_csv([row(protocol, {})], target, protocol)
    assert list(tmp_path.iterdir()) == [target]
