"""Scores of predictions are the metrics' own, intervals are over people, and the report says what it must."""

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS, Protocol
from aullava.detection.framing import Framing
from aullava.evaluation.predictions import Predictions
from aullava.evaluation.report import markdown
from aullava.evaluation.views import score, views
from aullava.metrics.au_detection.scores import score_detection
from aullava.metrics.au_intensity.scores import score_intensity


def predictions(scale="occurrence", rows=60, mode="joint", folds=(), undetermined=False):
    random = np.random.default_rng(3)
    highest = {"occurrence": 1, "intensity": 5, "continuous": 1}[scale]
    truth_NU = random.integers(0, highest + 1, (rows, 2)).astype(float)
    truth_NU[::9, 0] = np.nan
    said_NU = np.where(random.random((rows, 2)) < 0.7, np.nan_to_num(truth_NU), 0)
    probability_NU = np.clip(said_NU / highest * 0.8 + 0.1 * random.random((rows, 2)), 0, 1)
    if undetermined:
        said_NU[:5] = probability_NU[:5] = np.nan
    if mode == "generate":
        probability_NU = np.full((rows, 2), np.nan)
    return Predictions(
        Protocol("two", ("AU1", "AU12"), scale),
        mode,
        "bp4d",
        tuple(f"bp4d/s{i % 6}/T1//{i}" for i in range(rows)),
        tuple(f"s{i % 6}" for i in range(rows)),
        truth_NU,
        said_NU,
        probability_NU,
        probability_NU * highest,
        ("ok",) * rows,
        folds=folds,
    )


def test_occurrence_is_scored_by_the_metric_with_its_thresholds():
    read = predictions()
    [view] = views(read, {"AU12": 0.05})
    found = score(view, read, 0).result["pooled"]["per_unit"]
    expected = score_detection(read.truth_NU, read.probability_NU, np.array([0.5, 0.05]))
    for name in ("f1", "roc_auc", "ece", "predicted_positives"):
        assert [found[code][name] for code in ("AU1", "AU12")] == pytest.approx(expected[name].tolist())
    assert found["AU12"]["f1"] != pytest.approx(score_detection(read.truth_NU, read.probability_NU)["f1"][1])


def test_levels_are_scored_as_answered_as_expected_and_as_present():
    read = predictions("intensity")
    level, expected, present = views(read)
    for view, said_NU in ((level, read.value_NU), (expected, read.expected_NU)):
        found = score(view, read, 0).result["pooled"]["per_unit"]["AU12"]
        assert found["icc_3_1"] == pytest.approx(score_intensity(read.truth_NU, said_NU)["icc_3_1"][1])
    found = score(present, read, 0).result["pooled"]["per_unit"]["AU1"]
    truth_NU = np.where(np.isnan(read.truth_NU), np.nan, read.truth_NU >= 2)
    assert found["f1"] == pytest.approx(score_detection(truth_NU, read.probability_NU)["f1"][0])
    assert found["positives"] == np.nansum(truth_NU[:, 0])


def test_free_answers_are_scored_as_decisions():
    read = predictions("intensity", mode="generate")
    assert read.expected_NU is not None
    present = views(read)[-1]
    np.testing.assert_array_equal(present.said_NU, read.value_NU >= 2)
    assert [view.name for view in views(predictions("continuous"))] == ["value", "expected"]


def test_intervals_are_over_people_and_centre_on_the_score():
    read = predictions(rows=120, undetermined=True)
    [view] = views(read)
    scored = score(view, read, 100)
    interval = scored.intervals["f1_undetermined_wrong"]
    per_unit = scored.result["pooled"]["per_unit"]
    assert interval.value[:2].tolist() == pytest.approx(
        [per_unit[c]["f1_undetermined_wrong"] for c in ("AU1", "AU12")]
    )
    assert interval.value[2] == pytest.approx(scored.result["pooled"]["f1_undetermined_wrong_supported"])
    assert (interval.low < interval.value).all() and (interval.value < interval.high).all() and interval.subjects == 6


@pytest.mark.parametrize("headline", ["icc_3_1", "mae"])
def test_intervals_of_levels_centre_on_the_score(headline):
    read = predictions("intensity", undetermined=True)
    scored = score(views(read)[0], read, 30)
    per_unit = scored.result["pooled"]["per_unit"]
    assert scored.intervals[headline].value[:2].tolist() == pytest.approx(
        [per_unit[c][headline] for c in ("AU1", "AU12")]
    )


def test_both_averages_over_folds_are_named():
    read = predictions(folds=("fold1",) * 20 + ("fold2",) * 40)
    result = score(views(read)[0], read, 0).result
    parts = [
        score_detection(read.truth_NU[part], read.probability_NU[part])["f1"] for part in (slice(20), slice(20, 60))
    ]
    assert result["mean_over_folds"]["f1_supported"] == pytest.approx(np.mean(parts))
    assert result["pooled"]["f1_supported"] != pytest.approx(np.mean(parts))


def test_the_report_marks_what_is_undefined_and_escapes_cells():
    read = predictions()
    scored = score(views(read)[0], read, 20)
    scored.result["pooled"]["per_unit"]["AU1"]["f1"] = float("nan")
    intervals = {
        "people": 6,
        **{c: {"value": 0.5, "low": float("nan"), "high": 1.0} for c in ("AU1", "AU12", "mean")},
    }
    text = markdown(
        {
            "command": "aullava evaluate --corpus a|b",
            "checkpoint": {
                "name": "mine",
                "id": {"fold1": "e" * 32, "fold2": "e" * 32},
                "settings": {"fold1": "5" * 32, "fold2": "5" * 32},
            },
            "framing": {
                "used": Framing("haar", 0.25, largest=True).stored(),
                "checkpoint": Framing("haar", 0.07).stored(),
            },
            "corpus": "bp4d",
            "split": "test",
            "folds": ["fold1", "fold2"],
            "protocol": {"name": "two", "units": ["AU1", "AU12"], "scale": "occurrence", "occurrence_threshold": 2},
            "mode": "joint",
            "rows": 60,
            "people": 6,
            "notes": ["BP4D", "settings: {}"],
            "answers": {"invalid": 0.25, "repaired": 0.0, "unreadable": 2},
            "thresholds": {"AU1": 0.4},
            "scores": {"present": scored.result | {"intervals": {"f1_undetermined_wrong": intervals}}},
            "controls": {"present": {"present at every face": scored.result}},
            "published": {},
            "groups": {"sex": {"gap": None, "left_out": ["AU1", "AU12"], "groups": []}},
            "checks": {},
            "corruption": {},
        },
        ["mine_plots/a.png"],
    )
    assert "one checkpoint for all of them: it must not have seen any of these subjects" in text
    assert "larger than its box by 25% of its side on each side; the checkpoint's own framing is: every face" in text
    assert "invalid 25.0%" in text and "calibrated: AU1 0.4" in text and r"a\|b" in text and "settings:" not in text
    assert "| " + "e" * 32 + " |" in text and "| " + "5" * 32 + " |" in text and "There is no gap to report" in text
    [row] = [line for line in text.splitlines() if line.startswith("| AU1 |")]
    assert row.split(" | ")[4] == "-" and "[-, 1.000]" in row
    assert "![mine_plots/a.png](mine_plots/a.png)" in text and PROTOCOLS["bp4d"].name in text
