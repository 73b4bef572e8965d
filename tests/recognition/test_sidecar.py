"""The JSON beside a table: what was run, with what, on what, and what each column holds."""

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import pytest

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.identity import CheckpointIdentity
from aullava.detection.framing import Framing
from aullava.recognition.inputs import Failure
from aullava.recognition.sidecar import Circumstances, sidecar_path, write_sidecar
from aullava.recognition.summary import Summary
from aullava.recognition.tables import Layout
from aullava.recognition.writers import Target

from given_rows import bare_row, face_row, reading

BP4D, DISFA, FEAFA = PROTOCOLS["bp4d"], PROTOCOLS["disfa"], PROTOCOLS["feafa"]
ODD = os.fsdecode(b"caf\xe9.mp4")
CALIBRATION = {"temperature": {"occurrence": 1.3}, "thresholds": {"bp4d": {"AU1": 0.4}}}


@pytest.mark.parametrize(
    "out, expected",
    [("r.csv", "r.meta.json"), ("a/r.b.parquet", "a/r.b.meta.json"), ("out/", "out/meta.json")],
)
def test_the_sidecar_lies_beside_the_table(out, expected):
    assert sidecar_path(Target.parse(out)) == Path(expected)


@pytest.fixture
def written(tmp_path) -> dict:
    layout = Layout((BP4D, DISFA, FEAFA), "expected")
    summary = Summary(layout)
    for frame in range(3):
        summary.add(face_row(ODD, *((p, reading(p)) for p in layout.protocols), frame=frame))
    summary.add(bare_row("wall.png", *layout.protocols))
    run = Circumstances(
        options={"inputs": [ODD, "wall.png"], "out": Path("r.csv"), "fps": 2.5, "format": None},
        checkpoint=CheckpointIdentity("org/name", "abc", "0" * 32, "5" * 32, CALIBRATION, "torch.float32"),
        layout=layout,
        mode="joint",
        framing=Framing("yunet:org/name", largest=True),
        trained_framing=Framing(margin=0.07),
        device="cpu",
        started=datetime.now(timezone(timedelta(hours=2))) - timedelta(seconds=90),
    )
    path = tmp_path / "new" / "r.meta.json"
    write_sidecar(path, run, summary, [Failure(Path(ODD), "cut off")], ["3 series smoothed"])
    assert [file.name for file in path.parent.iterdir()] == ["r.meta.json"]
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_tells_what_was_run_and_when(written):
    assert written["format"] == 2
    assert written["options"] == {"inputs": [ODD, "wall.png"], "out": "r.csv", "fps": 2.5, "format": None}
    started, finished = (datetime.fromisoformat(written[name]) for name in ("started", "finished"))
    assert started.utcoffset() == finished.utcoffset() == timedelta(0)
    assert abs((datetime.now(UTC) - finished).total_seconds()) < 60 and 90 <= written["seconds"] < 150
    assert written["versions"]["torch"] == version("torch") and written["versions"]["av"]
    assert {"aullava", "python", "transformers", "opencv-python-headless"} <= set(written["versions"])


def test_it_tells_what_read(written):
    checkpoint = written["checkpoint"]
    assert (checkpoint["given"], checkpoint["revision"], checkpoint["calibration"]) == ("org/name", "abc", CALIBRATION)
    assert (checkpoint["id"], checkpoint["settings"]) == ("0" * 32, "5" * 32)
    bp4d, disfa, feafa = written["protocols"]
    assert bp4d["units"]["AU12"] == "Lip corner puller" and bp4d["thresholds"] == {"AU1": 0.4}
    assert (disfa["name"], disfa["scale"], disfa["occurrence_threshold"]) == ("disfa", "intensity", 2)
    assert len(feafa["units"]) == 24 and "occurrence_threshold" not in bp4d | feafa
    assert (written["mode"], written["intensities"], written["device"]) == ("joint", "expected", "cpu")
    assert written["framing"] == {
        "used": {"detector": "yunet:org/name", "margin": 0.125, "alignment": "none", "largest": True},
        "checkpoint": {"detector": "haar", "margin": 0.07, "alignment": "none", "largest": False},
    }


def test_it_counts_inputs_and_names_failures(written):
    counts = written["counts"]
    assert counts["rows"] == 4 and counts["total"]["faces"] == 3 and counts["stills"]["without_face"] == 1
    [film] = counts["films"]
    assert (film["input"], film["frames"], film["people"]) == (ODD, 3, 1)
    assert written["failures"] == [{"path": ODD, "reason": "cut off"}]
    assert written["notes"] == ["3 series smoothed"]


def test_it_says_what_every_column_holds(written):
    assert list(written["columns"]) == Layout((BP4D, DISFA, FEAFA)).names
    assert written["columns"]["AU12_r"] == {
        "protocol": "disfa",
        "unit": "AU12",
        "name": "Lip corner puller",
        "scale": "intensity",
        "range": [0, 5],
        "what": "expected level, 1 to 5 are the FACS letters A to E",
    }
    assert written["columns"]["frame"] == {"what": "number of the frame, from 0"}
