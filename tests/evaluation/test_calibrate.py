"""Temperatures and thresholds are the best ones, come from validation rows only, and are what the read-out applies."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from aullava.action_units import CONTINUOUS, INTENSITY, OCCURRENCE, PROTOCOLS, Protocol
from aullava.checkpoint.layout import embedded_checkpoint
from aullava.evaluation.calibrate import (
    HOTTEST,
    Read,
    fit_calibration,
    fit_temperature,
    fit_thresholds,
    mean_ece,
    tempered,
    without_calibration,
    write_calibrated,
)
from aullava.modeling_aullava import AULlavaForConditionalGeneration

from tiny import FACES, tiny_model

UNITS = ("AU1", "AU12")


def overconfident(random, values, labels=3000, heat=2.5):
    """Distributions `heat` times too sharp, and labels drawn from the right ones."""
    logits_RV = random.normal(0, 2, (labels, values))
    true_RV = softmax(logits_RV, -1)
    label_R = (true_RV.cumsum(-1) < random.random((labels, 1))).sum(-1).clip(max=values - 1)
    return softmax(logits_RV * heat, -1), label_R


def read(random, scale, values, faces=400, name="made"):
    distribution_RV, label_R = overconfident(random, values, faces * len(UNITS))
    truth_NU = label_R.reshape(faces, -1) / (100 if scale == CONTINUOUS else 1)
    return Read(Protocol(name, UNITS, scale), truth_NU, distribution_RV.reshape(faces, len(UNITS), values))


@pytest.mark.parametrize("values", [2, 6, 101])
def test_the_temperature_is_scipys_and_undoes_the_sharpening(values):
    distribution_RV, label_R = overconfident(np.random.default_rng(values), values)

    def loss(log_heat):
        log_RV = log_softmax(np.log(distribution_RV.clip(1e-12)) / np.exp(log_heat), -1)
        return -log_RV[np.arange(len(label_R)), label_R].mean()

    best = np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-8}).x)
    found = fit_temperature(distribution_RV, label_R)
    assert found == pytest.approx(best, rel=1e-4) and found == pytest.approx(2.5, rel=0.1)


def test_certain_and_always_right_ends_at_the_bound_and_without_a_label_nothing_is_fitted():
    distribution_RV = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert fit_temperature(distribution_RV, np.array([0, 1])) == pytest.approx(1 / HOTTEST)
    assert fit_temperature(distribution_RV, np.array([1, 0])) == pytest.approx(HOTTEST)
    with pytest.raises(ValueError, match="no label"):
        fit_temperature(np.empty((0, 2)), np.array([], int))


def test_calibrated_probabilities_have_a_smaller_error_and_labels_that_are_not_coded_are_left_out():
    random = np.random.default_rng(0)
    reads = [
        read(random, OCCURRENCE, 2),
        read(random, INTENSITY, 6, name="levels"),
        read(random, CONTINUOUS, 101, name="c"),
    ]
    holes = [
        Read(r.protocol, np.where(random.random(r.truth_NU.shape) < 0.3, np.nan, r.truth_NU), r.distribution_NUV)
        for r in reads
    ]
    for fit in (fit_calibration(reads, "validation"), fit_calibration(holes, "validation")):
        assert list(fit.calibration["temperature"]) == [OCCURRENCE, INTENSITY]
        assert fit.after["c"] == pytest.approx(fit.before["c"])
        assert all(heat == pytest.approx(2.5, rel=0.2) for heat in fit.calibration["temperature"].values())
        assert all(fit.after[name] < 0.7 * fit.before[name] for name in ("made", "levels"))
        assert "thresholds" not in fit.calibration


@pytest.mark.parametrize("split", ["test", "train", ""])
def test_only_validation_rows_will_do(split):
    with pytest.raises(ValueError, match=f"split is {split!r}"):
        fit_calibration([read(np.random.default_rng(0), OCCURRENCE, 2)], split)


def test_two_reads_of_one_name_and_none_are_refused():
    twice = [read(np.random.default_rng(0), OCCURRENCE, 2)] * 2
    for reads in (twice, []):
        with pytest.raises(ValueError, match="each of another name"):
            fit_calibration(reads, "validation")


def test_a_threshold_is_the_best_one_shrunk_by_how_few_labels_there_are():
    probability_N = np.concatenate((np.linspace(0.01, 0.19, 100), np.linspace(0.21, 0.39, 100)))
    label_N = (probability_N > 0.2).astype(float)
    assert fit_thresholds(label_N[:, None], probability_N[:, None], ["AU1"]) == {"AU1": 0.3}  # 0.5 - 0.3 * 100 / 150
    assert fit_thresholds(label_N[80:119, None], probability_N[80:119, None], ["AU1"]) == {}  # 19 positives
    right = np.where(label_N == 1, 0.9, 0.1)
    assert fit_thresholds(label_N[:, None], right[:, None], ["AU1"]) == {}  # 0.5 is as good
    unknown_N = np.where(np.arange(200) % 2, np.nan, label_N)
    assert fit_thresholds(unknown_N[:, None], probability_N[:, None], ["AU1"])["AU1"] == pytest.approx(0.35, abs=0.01)


def test_fitted_thresholds_stand_beside_the_temperature_they_were_fitted_at():
    found = fit_calibration([read(np.random.default_rng(1), OCCURRENCE, 2)], "validation", thresholds=True).calibration
    assert set(found["thresholds"]) == {"made"} and set(found["thresholds"]["made"]) <= set(UNITS)


@pytest.mark.parametrize("name", ["bp4d", "disfa", "feafa"])
def test_the_read_out_does_with_a_temperature_what_was_fitted(name):
    model, processor = tiny_model("clip")
    options = {"processor": processor, "protocol": name, "mode": "parallel", "distributions": True}
    units = PROTOCOLS[name].units
    raw_NUV = np.array([[r.distributions[code] for code in units] for r in model.recognize(FACES[:3], **options)])
    model.config.calibration = {"temperature": {PROTOCOLS[name].scale: 1.7}}
    hot_NUV = np.array([[r.distributions[code] for code in units] for r in model.recognize(FACES[:3], **options)])
    np.testing.assert_allclose(hot_NUV, tempered(raw_NUV, 1.7), rtol=1e-4)
    assert np.abs(hot_NUV - raw_NUV).max() > 0.003
    with without_calibration(model):
        again_NUV = np.array(
            [[r.distributions[code] for code in units] for r in model.recognize(FACES[:3], **options)]
        )
    np.testing.assert_array_equal(again_NUV, raw_NUV)
    assert model.config.calibration == {"temperature": {PROTOCOLS[name].scale: 1.7}}


def test_the_calibration_returns_after_an_error():
    model, _ = tiny_model("clip")
    model.config.calibration = {"temperature": {OCCURRENCE: 2.0}}
    with pytest.raises(KeyError), without_calibration(model):
        raise KeyError
    assert model.config.calibration == {"temperature": {OCCURRENCE: 2.0}}


def test_the_copy_holds_the_calibration_and_the_original_does_not(tmp_path):
    calibration = {"temperature": {OCCURRENCE: 1.25, INTENSITY: 0.8}, "thresholds": {"bp4d": {"AU12": 0.4}}}
    before = (embedded_checkpoint() / "config.json").read_bytes()
    out = write_calibrated(embedded_checkpoint(), tmp_path / "copy", calibration)
    assert (embedded_checkpoint() / "config.json").read_bytes() == before
    assert AULlavaForConditionalGeneration.from_pretrained(out).config.calibration == calibration
    assert json.loads((out / "decision.json").read_text())["temperature"] == {"noul": 1.25, "score": 0.8}
    same = [file for file in out.iterdir() if file.name not in ("config.json", "decision.json")]
    assert all(file.read_bytes() == (embedded_checkpoint() / file.name).read_bytes() for file in same)
    assert sorted(file.name for file in out.iterdir()) == sorted(file.name for file in embedded_checkpoint().iterdir())

    with pytest.raises(ValueError, match="exists: expected a folder that does not exist yet"):
        write_calibrated(embedded_checkpoint(), out, calibration)
    with pytest.raises(ValueError, match="in_place=True"):
        write_calibrated(out, out, {})
    with pytest.raises(Exception, match="thresholds for 'disfa'"):
        write_calibrated(out, tmp_path / "bad", {"thresholds": {"disfa": {"AU1": 0.5}}})
    assert [folder.name for folder in tmp_path.iterdir()] == ["copy"]

    assert write_calibrated(out, out, {"temperature": {OCCURRENCE: 3.0}}, in_place=True) == out
    assert json.loads((out / "config.json").read_text())["calibration"] == {"temperature": {OCCURRENCE: 3.0}}
    assert json.loads((out / "decision.json").read_text())["temperature"]["noul"] == 3.0


def test_the_error_of_units_without_a_label_is_undefined():
    assert np.isnan(mean_ece(np.full((3, 2), np.nan), np.full((3, 2), 0.5)))
    assert mean_ece(np.array([[1.0, np.nan], [0.0, np.nan]]), np.full((2, 2), 0.5)) == 0
