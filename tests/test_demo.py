"""`make demo` from end to end, with a tiny checkpoint in place of the embedded one."""

import csv
import json

import pytest

from aullava.demo import main

from tiny import make_tiny_checkpoint

pytest.importorskip("skimage.data")


def test_demo_writes_what_it_says(tmp_path, capfd):
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
