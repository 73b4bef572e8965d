"""Occurrence scores: by hand, against scikit-learn and scipy, and against the base rates of BP4D and DISFA."""

import doctest
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from aullava.metrics.au_detection import scores
from aullava.metrics.au_detection.averages import report
from aullava.metrics.au_detection.scores import COUNTS, ERRORS, checked, occurrence, reliability, score_detection

NAN = math.nan
NEED_A_POSITIVE = (
    "f1 f1_undetermined_wrong f1_skew_normalised precision recall balanced_accuracy roc_auc average_precision"
)

# The three published folds: frames that each fold tests, and in how many of them each unit is present. Part sizes, totals and
# training weights are computed from lists that public projects publish. The counts follow from them: a weight is inversely
# proportional to a unit's rate in the training folds, each frame trains two folds, so totals and weights together leave three
# unknown factors to 12 (8) equations, and their solution is whole numbers to within 0.15.
FOLDS = {
    "bp4d": (
        [46034, 50182, 50631],
        [
            [12497, 10370, 9800, 23309, 23103, 30133, 28066, 22339, 7181, 15947, 7608, 7286],
            [10223, 6568, 9870, 23312, 27651, 27954, 26187, 25762, 10024, 18379, 8657, 7867],
            [8322, 8172, 10085, 21055, 29862, 29183, 28277, 20274, 7664, 16080, 8023, 7076],
        ],
    ),
    "disfa": (
        [43605, 43605, 43604],
        [
            [3198, 3640, 8161, 4409, 2968, 6161, 12191, 2508],
            [1469, 879, 6653, 3558, 1287, 6187, 13206, 4123],
            [1839, 1125, 5119, 2360, 1218, 4503, 10850, 4902],
        ],
    ),
}
TOTALS = {  # frames with the unit present
    "bp4d": [31042, 25110, 29755, 67676, 80616, 87270, 82530, 68375, 24869, 50406, 24288, 22229],
    "disfa": [6506, 5644, 19933, 10327, 5473, 16851, 36247, 11533],
}
# F1 in percent of an answer that always says "present", per unit and on average: the mean over the folds.
ALWAYS_PRESENT = {
    "bp4d": ([34.9, 29.2, 33.7, 63.1, 70.7, 74.6, 72.0, 63.5, 28.9, 51.1, 28.4, 26.3], 48.0),
    "disfa": ([9.4, 8.1, 26.3, 14.6, 8.0, 22.8, 43.3, 16.1], 18.6),
}


def column(truth, prediction, **options) -> dict[str, float]:
    """The scores of one unit."""
    table = score_detection(*checked([[v] for v in truth], [[v] for v in prediction]), **options)
    return {name: value.item() for name, value in table.items()}


def drawn(seed: int, frames: int = 60, units: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with ties, gaps in both, and every probability away from the edges of 15 bins."""
    random = np.random.default_rng(seed)
    truth_NU = (random.random((frames, units)) < [0.1, 0.3, 0.5, 0.9]).astype(float)
    probability_NU = np.round(np.clip(0.3 * truth_NU + random.normal(0.3, 0.3, truth_NU.shape), 0, 1), 1)
    truth_NU[random.random(truth_NU.shape) < 0.1] = NAN
    probability_NU[random.random(truth_NU.shape) < 0.1] = NAN
    return truth_NU, probability_NU


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(scores).failed == 0 < doctest.testmod(scores).attempted


@pytest.mark.parametrize("corpus", FOLDS)
def test_always_present_has_the_f1_of_the_published_folds(corpus):
    frames_F, positives_FU = FOLDS[corpus]
    assert np.sum(positives_FU, axis=0).tolist() == TOTALS[corpus]
    truth_NU = np.concatenate(
        [np.arange(n)[:, None] < counts for n, counts in zip(frames_F, positives_FU, strict=True)]
    )
    fold_N = np.repeat(["fold1", "fold2", "fold3"], frames_F)
    units = [f"unit {u}" for u in range(truth_NU.shape[1])]
    found = report(
        score_detection, truth_NU.astype(float), np.ones(truth_NU.shape), units, fold_N, counts=COUNTS, errors=ERRORS
    )
    per_unit, average = ALWAYS_PRESENT[corpus]
    folds, pooled = found["mean_over_folds"], found["pooled"]
    assert [100 * folds["per_unit"][unit]["f1"] for unit in units] == pytest.approx(per_unit, abs=0.051)
    for name in ("f1_supported", "f1_missing_as_zero"):
        assert 100 * folds[name] == pytest.approx(average, abs=0.05)
    assert max(100 * pooled["per_unit"][unit]["f1"] - f1 for unit, f1 in zip(units, per_unit, strict=True)) > 0.1
    rates = np.array(TOTALS[corpus]) / len(truth_NU)
    assert [pooled["per_unit"][unit]["f1"] for unit in units] == pytest.approx(2 * rates / (1 + rates))
    assert 100 * pooled["f1_supported"] == pytest.approx(
        {"bp4d": 48.05, "disfa": 18.66}[corpus], abs=0.005
    )  # in the card
    assert pooled["f1_skew_normalised_supported"] == pytest.approx(2 / 3)
    assert pooled["roc_auc_supported"] == folds["balanced_accuracy_supported"] == 0.5


def test_counted_by_hand():
    # hits 2 (0.9, 0.5), misses 1 (0.2), false alarms 1 (0.5), rest 3; two frames not coded
    found = column([1, 1, 1, 0, 0, 0, 0, NAN, None], [0.9, 0.5, 0.2, 0.5, 0.1, 0.1, 0.0, 1, NAN])
    assert found["f1"] == 4 / 6
    assert found["precision"] == found["recall"] == 2 / 3
    assert found["accuracy"] == 5 / 7
    assert found["balanced_accuracy"] == (2 / 3 + 3 / 4) / 2
    assert found["f1_skew_normalised"] == pytest.approx(4 / (4 + 1 * 3 / 4 + 1))
    assert found["roc_auc"] == (4 + 3.5 + 3) / 12
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert [found[name] for name in COUNTS] == [7, 3, 3, 2, 0]


def test_undetermined_answers_are_left_out_counted_and_in_the_variant_wrong():
    found = column([1, 1, 0, 0], [1, NAN, None, 0])
    assert (found["f1"], found["accuracy"], found["undetermined"], found["frames"]) == (1, 1, 2, 4)
    assert found["f1_undetermined_wrong"] == 2 / (2 + 1 + 1)
    published = column([1, 1, 0, 0], [1, NAN, None, 0], convention="published")
    assert (published["f1"], published["accuracy"], published["undetermined"]) == (2 / 3, 3 / 4, 2)
    silent = column([1, 0], [NAN, NAN])
    assert math.isnan(silent["f1"]) and silent["f1_undetermined_wrong"] == 0 and silent["positives"] == 1


@pytest.mark.parametrize(
    "truth, prediction, undefined",
    [
        ([0, 0], [0.1, 0.9], NEED_A_POSITIVE),
        ([0, 0], [0.1, 0.1], NEED_A_POSITIVE),
        ([1, 0], [0.1, 0.1], "precision"),
        ([1, 1], [0.9, 0.1], "f1_skew_normalised balanced_accuracy roc_auc"),
        ([1, 0], [0.9, 0.1], ""),
        ([NAN, NAN], [0.9, 0.1], NEED_A_POSITIVE + " accuracy ece"),
    ],
)
def test_undefined_is_nan_and_never_zero(truth, prediction, undefined):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = column(truth, prediction)
    assert {name for name, value in found.items() if math.isnan(value)} == set(undefined.split())


def test_a_missed_unit_scores_zero_because_its_labels_define_the_score():
    found = column([1, 0], [0.1, 0.1])
    assert (found["f1"], found["recall"], found["f1_skew_normalised"]) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_equals_scikit_learn_and_scipy(seed):
    truth_NU, probability_NU = drawn(seed)
    table = score_detection(truth_NU, probability_NU)
    for u in range(truth_NU.shape[1]):
        known = ~np.isnan(truth_NU[:, u]) & ~np.isnan(probability_NU[:, u])
        y, p = truth_NU[known, u], probability_NU[known, u]
        assert 0 < y.sum() < len(y)
        said = p >= 0.5
        expected = {
            "f1": reference.f1_score(y, said, zero_division=NAN),
            "precision": reference.precision_score(y, said, zero_division=NAN),
            "recall": reference.recall_score(y, said, zero_division=NAN),
            "accuracy": reference.accuracy_score(y, said),
            "balanced_accuracy": reference.balanced_accuracy_score(y, said),
            "roc_auc": reference.roc_auc_score(y, p),
            "average_precision": reference.average_precision_score(y, p),
            # weights make the classes equal in mass, which is what skew normalisation means
            "f1_skew_normalised": reference.f1_score(y, said, sample_weight=np.where(y, 1, y.sum() / (1 - y).sum())),
        }
        assert {name: table[name][u] for name in expected} == pytest.approx(expected, abs=1e-12, nan_ok=True)
        u_statistic = mannwhitneyu(p[y == 1], p[y == 0]).statistic
        assert table["roc_auc"][u] == pytest.approx(u_statistic / (y.sum() * (1 - y).sum()), abs=1e-12)


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_reliability_equals_scikit_learn_and_ece_is_its_weighted_gap(bins):
    random = np.random.default_rng(bins)
    probability_N = np.append(random.random(400), [0, 1, 0.25, 0.5])
    truth_N = random.random(404) < probability_N**2
    frames_B, mean_B, share_B = reliability(truth_N, probability_N, bins)
    expected_share, expected_mean = calibration_curve(truth_N, probability_N, n_bins=bins)
    np.testing.assert_allclose(share_B[frames_B > 0], expected_share)
    np.testing.assert_allclose(mean_B[frames_B > 0], expected_mean)
    ece = score_detection(truth_N[:, None].astype(float), probability_N[:, None], bins=bins)["ece"].item()
    assert ece == pytest.approx(np.average(np.abs(expected_mean - expected_share), weights=frames_B[frames_B > 0]))


def test_calibration_error_by_hand():
    assert column([1, 1, 0, 0, 0], [0.9, 0.8, 0.9, 0.1, 0.1], bins=2)["ece"] == pytest.approx(
        0.6 * (2.6 / 3 - 2 / 3) + 0.4 * 0.1
    )
    assert column([1, 0], [1, 0])["ece"] == 0


def test_one_threshold_for_all_units_or_one_a_unit():
    truth_NU, probability_NU = np.array([[1.0, 1.0], [0, 0]]), np.array([[0.4, 0.4], [0.3, 0.3]])
    assert score_detection(truth_NU, probability_NU)["recall"].tolist() == [0, 0]
    assert score_detection(truth_NU, probability_NU, threshold=0.4)["f1"].tolist() == [1, 1]
    assert score_detection(truth_NU, probability_NU, threshold=[0.4, 0.5])["f1"].tolist() == [1, 0]
    assert score_detection(truth_NU, probability_NU * NAN, threshold=0, convention="published")["recall"].tolist() == [
        0,
        0,
    ]


@pytest.mark.parametrize("threshold", [1.5, NAN, [0.5], [0.5, 0.5, 0.5]])
def test_a_threshold_that_fits_no_unit_is_refused(threshold):
    with pytest.raises(ValueError, match="expected a number from 0 to 1, or 2 of them"):
        score_detection(np.zeros((1, 2)), np.zeros((1, 2)), threshold=threshold)


@pytest.mark.parametrize(
    "labels, predictions, message",
    [
        ([[0, 1], [9, 1]], [[0, 1], [0, 1]], r"references\[1\]\[0\] is 9 .*expected 0, 1, or NaN"),
        ([[2]], [[1]], r"references\[0\]\[0\] is 2 .*`occurrence`"),
        ([[0]], [[-3.2]], r"predictions\[0\]\[0\] is -3.2 .*logits"),
        ([[0]], [[math.inf]], r"predictions\[0\]\[0\] is inf .*finite"),
        ([[0], [0, 1]], [[0], [0]], "references are no table of numbers"),
        ([0, 1], [0, 1], r"references have shape \(2,\)"),
        ([], [], "expected .frames, units. with at least one"),
    ],
)
def test_what_neither_scale_has_is_refused_by_place(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        checked(labels, predictions)


@pytest.mark.parametrize("options", [{"bins": 0}, {"convention": "loose"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        column([1, 0], [1, 0], **options)


def test_occurrence_keeps_what_was_not_coded():
    np.testing.assert_array_equal(occurrence([[0, 1, 2, 5, NAN]]), [[0, 0, 1, 1, NAN]])
    np.testing.assert_array_equal(occurrence([1, NAN], threshold=1), [1, NAN])


cells = st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.9, 1.0, NAN]))


@given(st.lists(cells, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_order_of_frames_and_frames_not_coded_change_nothing(pairs, random):
    found = column(*zip(*pairs, strict=True))
    shuffled = pairs + [(NAN, 0.9), (NAN, NAN)]
    random.shuffle(shuffled)
    again = column(*zip(*shuffled, strict=True))
    assert again.pop("not_coded") == found.pop("not_coded") + 2
    assert again == pytest.approx(found, abs=1e-12, nan_ok=True)


@given(st.lists(cells, min_size=1, max_size=12))
def test_scores_stay_in_range_and_silence_never_pays(pairs):
    found = column(*zip(*pairs, strict=True))
    assert all(0 <= value <= 1 or math.isnan(value) for name, value in found.items() if name not in COUNTS)
    assert not found["f1_undetermined_wrong"] > found["f1"]
    assert math.isnan(found["f1_undetermined_wrong"]) == (found["positives"] == 0)


@given(st.lists(cells, min_size=1, max_size=12))
def test_ranking_scores_see_only_the_order_of_probabilities(pairs):
    truth, probability = zip(*pairs, strict=True)
    found, bent = column(truth, probability), column(truth, [p**3 for p in probability])
    for name in ("roc_auc", "average_precision"):
        assert bent[name] == pytest.approx(found[name], abs=1e-12, nan_ok=True)
