"""The benchmark of the read-out runs as a script and ends as every benchmark does; the table says what met its target."""

import importlib.util
import json
import subprocess
import sys

import pytest

from checkout import ROOT

TARGETED = (
    "parallel_over_prefill",
    "joint_over_generate",
    "feafa_joint_over_generate",
    "feafa_parallel_over_generate",
    "tiny_parallel_speedup",
)


@pytest.fixture
def reporting(tmp_path):
    spec = importlib.util.spec_from_file_location("reporting", ROOT / "benchmarks" / "reporting.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.RESULTS = tmp_path / "results"
    return module


def test_targets_stand_beside_the_figures_and_what_was_not_measured_is_null(reporting, capsys):
    figures = {"low": 1.5, "high": 12.0, "slow": 2.0, "missing": float("nan"), "free": 3.0}
    targets = dict.fromkeys(("low", "slow", "missing"), ("at most", 1.5)) | {"high": ("at least", 10)}
    path = reporting.report("name", "A title", figures, targets, details="| more |")
    said = dict(line.split(" | ")[0::2] for line in path.read_text().splitlines() if line.count(" | ") == 2)
    assert said["| low"] == "at most 1.5: met |" and said["| high"] == "at least 10: met |"
    assert said["| slow"] == "at most 1.5: missed |" and said["| missing"] == "at most 1.5: not measured |"
    assert said["| free"] == " |" and "| more |" in path.read_text()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == figures | {"missing": None}


def test_without_targets_a_table_has_two_columns_and_need_not_be_written(reporting, capsys):
    path = reporting.report("name", "A title", {"faces": 5})
    assert path.read_text() == "# A title\n\n| figure | value |\n|---|---|\n| faces | 5 |\n"
    before = list(reporting.RESULTS.iterdir())
    assert reporting.report("other", "A title", {"faces": 5}, write=False) is None
    assert list(reporting.RESULTS.iterdir()) == before
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"faces": 5}


@pytest.mark.slow
def test_the_quick_run_measures_every_row():
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "readout.py"), "--quick"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    figures = json.loads(run.stdout.splitlines()[-1])
    assert all(figures[name] > 0 for name in TARGETED)
    assert figures["tiny_parallel_speedup"] > 1 and figures["large_1_feafa_parallel_over_generate"] < 1
    for row in ("vision", "prefill", "pass", "generate", "joint", "parallel"):
        assert f" | {row} | " in run.stdout
    assert sorted((ROOT / "benchmarks" / "results").iterdir()) == before
