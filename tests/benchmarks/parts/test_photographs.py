"""Photographs are scored as the conventions say; drawn faces stand in for them here."""

import csv
import importlib
import importlib.util
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.detection.crop import FaceBox
from aullava.detection.framing import Framing

from checkout import ROOT
from tiny import make_tiny_checkpoint

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "benchmarks")
    parts = importlib.import_module("parts.photographs")
FOLDER = ROOT / "benchmarks" / "photographs"
LABELS = FOLDER / "labels.csv"


@pytest.fixture(scope="module")
def fetch():
    spec = importlib.util.spec_from_file_location("fetch", FOLDER / "fetch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """Twelve drawn faces with labels of their own; the last one lies on a plain picture and cannot be found."""
    (tmp_path / "faces").mkdir()
    rows = []
    for number in range(12):
        face = sample_face("test", number, size=200)
        image = Image.fromarray(face.image_HWC) if number < 11 else Image.new("RGB", (200, 200), "grey")
        image.save(tmp_path / "faces" / f"p{number:03d}.png")
        row = {"file": f"p{number:03d}.png", "face_x": 50, "face_y": 50, "face_w": 100, "face_h": 105}
        rows.append(row | {unit: str(number % 2) for unit in parts.UNITS} | {"AU20": "0", "AU43": ""})
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return tmp_path


def test_perfect_probabilities_score_one_and_rare_units_are_not_scored(folder):
    photographs = parts.load_photographs(folder)
    truth_NU = np.stack([photograph.label_U for photograph in photographs])
    scores = parts.score_photographs(photographs, np.nan_to_num(truth_NU, nan=0.5), np.ones(12, bool), 3)
    figures = scores.figures
    assert figures["photo_mean_auc"] == figures["photo_min_auc"] == figures["photo_f1"] == 1
    assert figures["photo_found"] == 1 and figures["photo_false"] == 3 / 12
    never = [parts.UNITS.index(unit) for unit in ("AU20", "AU43")]
    assert np.isnan(scores.auc_U[never]).all() and scores.positives_U[never].tolist() == [0, 0]
    worst = parts.score_photographs(photographs, 1 - np.nan_to_num(truth_NU, nan=0.5), np.ones(12, bool), 0)
    assert worst.figures["photo_mean_auc"] == 0
    constant = parts.score_photographs(photographs, np.full(truth_NU.shape, 0.3), np.ones(12, bool), 0)
    assert constant.figures["photo_mean_auc"] == 0.5 and constant.figures["photo_f1"] == 0


def test_one_present_jaw_unit_makes_au26_present():
    present_NU = np.zeros((2, len(parts.UNITS) + 1))
    present_NU[:, parts.UNITS.index("AU26")], present_NU[0, -1] = 0.2, 0.5
    joined = parts.joined(present_NU)
    assert joined.shape == (2, len(parts.UNITS))
    assert joined[:, parts.UNITS.index("AU26")] == pytest.approx([0.6, 0.2])


@pytest.mark.parametrize(
    "box, found",
    [
        ((50, 50, 100, 100), True),
        ((40, 30, 140, 140), True),
        ((150, 50, 100, 100), False),  # beside it
        ((80, 80, 40, 40), False),  # an eye
        ((0, 0, 240, 240), False),  # far larger
    ],
)
def test_a_box_is_the_labelled_face_by_centre_and_size(box, found):
    assert parts.is_found(FaceBox(*box), FaceBox(50, 50, 100, 100)) is found


def test_every_face_is_shown_found_or_not(folder):
    photographs = parts.load_photographs(folder)
    shown, found_N, false = parts.crops(photographs, Framing("haar"))
    assert len(shown) == 12 and all(crop.width == crop.height for crop in shown)
    assert found_N[:11].any() and not found_N[11] and false >= 0
    whole, none_N, _ = parts.crops(photographs, Framing("none"))
    assert len(whole) == 12 and not none_N.any()


def test_the_labels_are_the_packages_own_and_name_no_picture_twice():
    rows = list(csv.DictReader(LABELS.open()))
    assert len(rows) == len({row["file"] for row in rows}) == 116
    assert all(row[unit] in ("", "0", "1") for row in rows for unit in parts.UNITS)
    assert all(len(row["commit"]) == 40 and len(row["source_box"].split()) == 4 for row in rows)
    assert not list(FOLDER.rglob("*.jpg")) and not list(FOLDER.rglob("*.png"))
    said = (FOLDER / "README.md").read_text()
    assert all(f"{unit} {sum(row[unit] == '1' for row in rows)}" in " ".join(said.split()) for unit in parts.UNITS)


def test_a_face_is_cut_out_with_room_and_its_box(fetch):
    image = Image.new("RGB", (2000, 1000), "white")
    image.paste("red", (300, 400, 700, 900))
    face, (x, y, w, h) = fetch.cut_out(image, (300, 400, 700, 900))
    assert face.size == (480, 468)  # 1000 x 975 pixels: from the left edge, down to the bottom
    assert (x, y, w, h) == (144, 180, 192, 240)
    inside = np.asarray(face)[y + 3 : y + h - 3, x + 3 : x + w - 3]
    assert (inside == (255, 0, 0)).all()


def test_what_cannot_be_fetched_is_named_and_the_rest_is_kept(fetch, tmp_path, monkeypatch, capsys):
    rows = list(csv.DictReader(LABELS.open()))[:3]
    monkeypatch.setattr(fetch, "LABELS", tmp_path / "labels.csv")
    fetch.write_table(tmp_path / "labels.csv", list(rows[0]), rows)
    stored = io.BytesIO()
    Image.new("RGB", (1600, 1600), "blue").save(stored, "PNG")
    asked = []

    def answer(address, timeout):
        asked.append(address)
        if len(asked) == 2:
            raise OSError("no network")
        return io.BytesIO(stored.getvalue())

    monkeypatch.setattr(fetch.urllib.request, "urlopen", answer)
    assert fetch.fetch(tmp_path / "out") == 1
    assert rows[1]["path"].split("/")[-1] in capsys.readouterr().err and rows[0]["commit"] in asked[0]
    assert fetch.fetch(tmp_path / "out") == 0 and len(asked) == 4  # only the missing one is asked for again
    assert len(list(csv.DictReader((tmp_path / "out" / "sha256.csv").open()))) == 3
    assert len(parts.load_photographs(tmp_path / "out")) == 3


def test_the_script_measures_a_checkpoint_or_says_that_it_did_not(folder, tmp_path):
    script = [sys.executable, str(ROOT / "benchmarks" / "read_photographs.py"), "--trial"]
    checkpoint = make_tiny_checkpoint(tmp_path / "checkpoint")
    run = subprocess.run(
        [*script, "--photographs", str(folder), "--checkpoint", str(checkpoint)], capture_output=True, text=True
    )
    figures = json.loads(run.stdout.splitlines()[-1])
    assert run.returncode == 0 and 0 <= figures["photo_mean_auc"] <= 1 and figures["photo_found"] > 0
    nothing = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "not measured here" in nothing and set(json.loads(nothing.splitlines()[-1]).values()) == {None}
