"""The benchmark of videos: what it makes of tables and of memory; and a trial of all of it as a script."""

import csv
import importlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from aullava.dataset_builder.synthetic.drawn.film import write_film

from checkout import ROOT

TARGETED = ("end_to_end_over_model", "memory_growth", "resume_equal", "two_process_speedup")


def part(name):
    """A module of benchmarks/, whose scripts import one another by their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "film", seconds=6, rate=5, size=(256, 144))


def table_of(labels, path, change=lambda row: row):
    """A table as `aullava recognize` writes it, of readings that agree with the script but for `change`."""
    video = part("parts.video_truth")
    with open(labels, newline="") as file:
        rows = list(csv.DictReader(file))
    said = []
    for row in rows:
        read = {column: float(row[column]) for column in video.COLUMNS} | {"frame": row["frame"], "success": 1}
        read |= {"face_id": 1 - int(row["person"])} | {f"box_{name}": int(row[name]) for name in "xywh"}
        said += filter(None, [change(read)])
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(read))
        writer.writeheader()
        writer.writerows(said)
    return path


def test_readings_that_are_the_script_agree_with_it(film, tmp_path):
    video = part("parts.video_truth")
    found = video.compare(table_of(film[1], tmp_path / "t.csv"), film[1])
    assert (found.faces, found.faces_found, found.frames_found, found.ids) == (60, 1.0, 1.0, 2)
    acted = [value for value in found.correlation.values() if not math.isnan(value)]
    assert acted and acted == pytest.approx([1.0] * len(acted))
    with open(film[1], newline="") as file:
        rows = list(csv.DictReader(file))
    still = {column for column in video.COLUMNS if len({row[column] for row in rows}) == 1}
    assert still == {column for column, value in found.correlation.items() if math.isnan(value)}


def test_lost_faces_and_strangers_are_seen(film, tmp_path):
    def change(row):
        if row["frame"] == "3" and row["face_id"] == 0:
            return None
        if row["frame"] == "4":
            return row | {"box_x": row["box_x"] + 100 * (1 - 2 * row["face_id"])}
        return row

    found = part("parts.video_truth").compare(table_of(film[1], tmp_path / "t.csv", change), film[1])
    assert found.faces == 59 and found.faces_found == 57 / 60 and found.frames_found == 28 / 30


def test_opposite_readings_correlate_negatively(film, tmp_path):
    def change(row):
        return {name: 5 - value if name.endswith("_r") else value for name, value in row.items()}

    found = part("parts.video_truth").compare(table_of(film[1], tmp_path / "t.csv", change), film[1])
    acted = [value for value in found.correlation.values() if not math.isnan(value)]
    assert acted == pytest.approx([-1.0] * len(acted))


def test_memory_is_compared_after_loading():
    run = part("parts.video_runs").Run(10.0, [(0, 900), (1, 950), (2, 100), (5, 110), (7, 100), (9.9, 121)])
    assert run.memory_growth(begun=2) == pytest.approx(0.1)


def test_a_command_that_fails_is_shown(tmp_path):
    runs = part("parts.video_runs")
    with pytest.raises(RuntimeError, match=r"ended with 2:[^!]*--quickly"):
        runs.recognize(["film.mp4", "--quickly"], tmp_path / "log")
    with pytest.raises(RuntimeError, match=r"ended with 2 before 5 rows were stored:[^!]*--quickly"):
        runs.kill_in_the_middle(["film.mp4", "--quickly"], tmp_path / ".t.part", 5, tmp_path / "log")


def test_stages_apart_are_measured_on_whole_batches(film):
    stages = part("parts.video_stages").measure_stages(str(film[0]), 8, 4, "parallel", 0.2, 0.07)
    assert stages["crops"] in (4, 8) and all(value > 0 and np.isfinite(value) for value in stages.values())
    assert stages["detected_faces_per_s"] >= stages["detected_frames_per_s"]


@pytest.mark.slow
def test_a_trial_measures_every_figure():
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "video.py"), "--trial"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert all(figures[name] is not None for name in TARGETED)
    assert figures["resume_equal"] == figures["two_process_equal"] == 1
    assert figures["faces_found"] > 0.9 and figures["mean_correlation"] > 0.3
    assert sorted((ROOT / "benchmarks" / "results").iterdir()) == before
