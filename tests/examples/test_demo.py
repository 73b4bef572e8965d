"""`make demo` from end to end, with a tiny checkpoint in place of the embedded one."""

import csv
import importlib.util
import json

import pytest

from aullava.checkpoint import layout

from checkout import ROOT
from tiny import make_tiny_checkpoint

pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_demo_writes_what_it_says(main, tmp_path, capfd):
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    out = tmp_path / "demo"
    assert main(["--checkpoint", str(checkpoint), "--out", str(out), "--count", "3"]) == 0
    printed = capfd.readouterr().out
    assert "readings of photographs mean nothing" in printed.splitlines()[-1]
    assert all(name in printed for name in ("bp4d", "disfa", "feafa", "astronaut.png"))
    assert len(list((out / "faces").glob("*.png"))) == 3
    assert len(json.loads((out / "hub_user.json").read_text())["bp4d"]) == 3
    compared = list(csv.DictReader((out / "truth_and_reading.csv").open()))
    assert len(compared) == 3 * (12 + 12 + 24)
    (photograph,) = csv.DictReader((out / "photograph" / "astronaut.csv").open())
    assert photograph["success"] == "1" and float(photograph["confidence"]) > 0.5
    assert (out / "truth_and_reading.png").exists() and (out / "photograph" / "overlay" / "astronaut.png").exists()


def test_demo_that_cannot_begin_says_so_in_one_line(main, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(layout, "EMBEDDED", tmp_path / "au-llava-tiny")
    assert main(["--out", str(tmp_path / "demo")]) == 2
    printed = capsys.readouterr().err
    assert "no embedded checkpoint" in printed and printed.count("\n") == 1


def test_demo_deletes_no_picture_of_its_folder(main, tmp_path, capsys):
    mine = tmp_path / "demo" / "faces" / "test-mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    assert main(["--checkpoint", str(checkpoint), "--out", str(tmp_path / "demo")]) == 2
    assert "test-mine.png" in capsys.readouterr().err
    assert [path.read_text() for path in mine.parent.iterdir()] == ["mine"]
