"""The run of all figures: names, what stands for a value, which peers count, and that the figures are those of the readings."""

import importlib
import json
import sys

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.checkpoint.load import load_checkpoint
from aullava.configuration_aullava import AULlavaConfig
from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.evaluation.calibrate import Fit, mean_ece

from checkout import ROOT

HELD_TO = [
    "min_side_correct",
    "f1_bp4d12",
    "f1_disfa8",
    "peer_f1_bp4d12",
    "peer_f1_disfa8",
    "icc_disfa12",
    "mae_feafa24",
    "mae_feafa24_zero",
    "min_au_f1",
    "format_agreement",
    "ece",
    "checkpoint_mb",
]


def benchmark(name):
    """A module of benchmarks/, whose scripts import one another by their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module(name)


script, readings, targets, scores, reporting = map(
    benchmark,
    ("evaluate_embedded", "parts.embedded_readings", "parts.embedded_targets", "parts.embedded_scores", "reporting"),
)


@pytest.fixture(scope="module")
def reader():
    return readings.Reader(*load_checkpoint(embedded_checkpoint(), "cpu"))


@pytest.fixture(scope="module")
def faces(reader):
    return [sample_face("test", index, size=reader.side) for index in range(4)]


def test_arrays_hold_what_the_readings_say(reader, faces):
    said = reader.read(script.pictures(faces), script.PROTOCOLS)
    for name in ("bp4d", "disfa", "feafa"):
        units, one = PROTOCOLS[name].units, said[name]
        found = reader.model.recognize(script.pictures(faces), reader.processor, name, distributions=True)
        assert one.value_NU.tolist() == [[reading.values[code] for code in units] for reading in found]
        if name != "bp4d":
            expected_NU = [[reading.expected[code] for code in units] for reading in found]
            np.testing.assert_allclose(one.expected_NU, expected_NU, rtol=1e-4)
    np.testing.assert_allclose(said["feafa"].median_NU, said["feafa"].value_NU)
    np.testing.assert_array_equal(said["bp4d"].present_NU > 0.5, said["bp4d"].value_NU == 1)
    np.testing.assert_array_equal(said["disfa"].present_NU >= 0.5, said["disfa"].median_NU >= 2)
    reading = readings.as_reading(said)
    assert reading.expected_disfa_NU is not reading.level_disfa_NU and reading.feafa_NU is said["feafa"].value_NU
    assert readings.as_reading(said, decided=True).present_bp4d_NU is said["bp4d"].value_NU


def test_an_unknown_distribution_is_undetermined():
    nothing = readings.Said(PROTOCOLS["disfa"], np.zeros((1, 12)), np.full((1, 12, 6), np.nan))
    assert (
        np.isnan(nothing.median_NU).all()
        and np.isnan(nothing.expected_NU).all()
        and np.isnan(nothing.present_NU).all()
    )


def test_errors_of_calibration_are_before_and_after_the_temperature():
    random = np.random.default_rng(0)
    true_NU = random.random((4000, 12))
    labels_NU = (random.random(true_NU.shape) < true_NU).astype(float)
    logit_NU = np.log(true_NU / (1 - true_NU))
    said_NU = 1 / (1 + np.exp(-logit_NU))  # raw ones were twice as sharp, and read at temperature 2
    said = readings.Said(PROTOCOLS["bp4d"], (said_NU > 0.5).astype(float), np.stack((1 - said_NU, said_NU), -1))
    fit = Fit({"temperature": {"occurrence": 2.0}, "thresholds": {"bp4d": {"AU1": 0.9}}}, {}, {})
    ece, f1 = script.calibration_errors(said, labels_NU, 2.0, fit)
    assert (
        ece["ece"]
        < 0.03
        < 0.06
        < ece["ece_raw"]
        == pytest.approx(mean_ece(labels_NU, 1 / (1 + np.exp(-2 * logit_NU))))
    )
    plain = script.calibration_errors(said, labels_NU, 2.0, Fit(fit.calibration | {"thresholds": {}}, {}, {}))[1]
    assert f1 < plain


def test_faces_whose_sides_differ_are_counted_by_pair(faces):
    truth = script.labels(faces)
    feafa_NU = np.zeros((3, 24))
    feafa_NU[0, 0] = feafa_NU[1, 1] = 0.31
    feafa_NU[2, 4] = 0.3
    counts = script.asymmetric_faces(feafa_NU)
    assert counts["eye_close"] == 2 and counts["brow_lower"] == 0 and sum(counts.values()) == 2
    assert list(script.asymmetric_faces(truth.feafa_NU)) == list(scores.side_correct(truth.feafa_NU, truth.feafa_NU))


def test_peers_count_only_on_the_same_faces(tmp_path):
    title = "2000 drawn faces of test identities, style mixed"
    found, note = targets.peer_figures(title, tmp_path)
    assert np.isnan([*found.values()]).all() and "not measured" in note
    figures = {"peer_f1_bp4d12": 0.91, "peer_f1_disfa8": 0.87}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "RESULTS", tmp_path)
        written = reporting.report("baseline_classifier", f"{title}, read by discriminative peers", figures)
    found, note = targets.peer_figures(title, tmp_path)
    assert found == figures and written.name in note
    other, note = targets.peer_figures(title.replace("2000", "200"), tmp_path)
    assert np.isnan([*other.values()]).all() and "not compared" in note
    assert targets.targets_of(figures)["f1_bp4d12"] == ("at least", 0.91)
    assert targets.targets_of(figures)["f1_disfa8"] == ("at least", 0.93)
    assert targets.targets_of(other)["f1_bp4d12"] == ("at least", 0.87)


def test_the_run_prints_the_figures_and_writes_the_calibrated_copy(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "PARTS", {"AU12": ("AU12L", "AU12R")})
    monkeypatch.setattr(reporting, "RESULTS", tmp_path / "results")
    copy = tmp_path / "copy"
    options = {"faces": 24, "validation": 24, "robust": 2, "dose": 1, "calibrated": copy}
    monkeypatch.setattr(sys, "argv", ["evaluate_embedded", *(f"--{name}={value}" for name, value in options.items())])
    script.main()
    printed = capsys.readouterr().out
    figures = json.loads(printed.splitlines()[-1])
    assert list(figures)[:12] == HELD_TO
    assert (
        figures["f1_bp4d12"] > 0.6 > figures["f1_bp4d12_shuffled"]
        and figures["mae_feafa24"] < figures["mae_feafa24_zero"]
    )
    assert figures["format_agreement"] > 0.9 and figures["undetermined"] == 0
    assert figures["checkpoint_mb"] == pytest.approx(7.15, abs=0.1)
    [table] = (tmp_path / "results").iterdir()
    headings = [line for line in table.read_text().splitlines() if line.startswith("## ")]
    assert [heading.split(":")[0].split(",")[0] for heading in headings] == [
        "## Units",
        "## Controls",
        "## Calibration",
        "## Agreement of formats",
        "## Dose",
        "## Corruptions",
        "## Views beyond training",
        "## Skin tone (Monk scale)",
        "## Gaps between groups",
        "## Photographs",
    ]
    temperature = AULlavaConfig.from_pretrained(copy).calibration["temperature"]
    assert set(temperature) == {"occurrence", "intensity"} and all(0.3 < t < 3 for t in temperature.values())
    with pytest.raises(SystemExit):
        script.main()
    assert "expected a folder that does not exist yet" in capsys.readouterr().err
