"""Intensity scores: by hand, and against pingouin, scipy and scikit-learn."""

import doctest
import math
import warnings

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from aullava.metrics.au_intensity import scores
from aullava.metrics.au_intensity.scores import COUNTS, ERRORS, checked, concordance, icc_3_1, pearson, score_intensity

NAN = math.nan


def column(truth, prediction, scale="intensity") -> dict[str, float]:
    table = score_intensity(*checked([[v] for v in truth], [[v] for v in prediction], scale), scale)
    return {name: value.item() for name, value in table.items()}


def drawn(seed: int, frames: int = 40, units: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Levels and estimates: many zeros and ties, an offset and another spread a unit, gaps in both."""
    random = np.random.default_rng(seed)
    truth_NU = np.maximum(random.integers(-4, 6, (frames, units)), 0).astype(float)
    noise_NU = random.normal(size=truth_NU.shape)
    prediction_NU = np.round(truth_NU * random.normal(1, 0.5, units) + random.normal(size=units) + noise_NU, 1)
    truth_NU[random.random(truth_NU.shape) < 0.1] = NAN
    prediction_NU[random.random(truth_NU.shape) < 0.1] = NAN
    return truth_NU, prediction_NU


def known_pairs(seed: int):
    """The table of `drawn`, and per unit its number and the pairs that are scored."""
    truth_NU, prediction_NU = drawn(seed)
    table = score_intensity(truth_NU, prediction_NU)
    for u in range(truth_NU.shape[1]):
        known = ~np.isnan(truth_NU[:, u]) & ~np.isnan(prediction_NU[:, u])
        assert 2 < known.sum() < len(known)
        yield table, u, truth_NU[known, u], prediction_NU[known, u]


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(scores).failed == 0 < doctest.testmod(scores).attempted


def test_counted_by_hand():
    found = column([0, 2, 4, NAN, 1], [1, 2, 2, 3, None])
    assert found["mae"] == 1 and found["mse"] == 5 / 3 and found["rmse"] == math.sqrt(5 / 3)
    assert found["mae_undetermined_worst"] == (1 + 0 + 2 + 4) / 4  # a label of 1 could have been missed by 4
    # middles 0.5, 2, 3: BMS = 2 * 19/6 / 2 = 19/6; gaps -1, 0, 2: EMS = 14/3 / 2 / 2 = 7/6
    assert found["icc_3_1"] == pytest.approx((19 / 6 - 7 / 6) / (19 / 6 + 7 / 6))
    # covariance 2/3, variances 8/3 and 2/9, means 2 and 5/3
    assert found["pcc"] == pytest.approx((2 / 3) / math.sqrt(8 / 3 * 2 / 9))
    assert found["ccc"] == pytest.approx(2 * (2 / 3) / (8 / 3 + 2 / 9 + 1 / 9))
    assert [found[name] for name in COUNTS] == [4, 3, 1, 1]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in pingouin
@pytest.mark.parametrize("seed", range(3))
def test_icc_equals_pingouin(seed):
    from pingouin import intraclass_corr

    for table, u, y, x in known_pairs(seed):
        ratings = pandas.DataFrame(
            {
                "frame": np.tile(np.arange(len(y)), 2),
                "rater": np.repeat(["label", "model"], len(y)),
                "level": np.r_[y, x],
            }
        )
        found = intraclass_corr(ratings, targets="frame", raters="rater", ratings="level").set_index("Type")["ICC"]
        assert table["icc_3_1"][u] == pytest.approx(found["ICC(C,1)"], abs=1e-9)  # McGraw and Wong's name of ICC(3,1)
        assert abs(found["ICC(A,1)"] - found["ICC(C,1)"]) > 1e-3  # the draw tells consistency from agreement


@pytest.mark.parametrize("seed", range(8))
def test_equals_scipy_and_scikit_learn(seed):
    for table, u, y, x in known_pairs(seed):
        r = stats.pearsonr(y, x).statistic
        v, w = y.std() / x.std(), (y.mean() - x.mean()) / math.sqrt(y.std() * x.std())
        expected = {
            "pcc": r,
            "ccc": r * 2 / (v + 1 / v + w**2),  # Lin's own form: precision times accuracy
            "icc_3_1": 2 * np.cov(y, x)[0, 1] / (y.var(ddof=1) + x.var(ddof=1)),
            "mae": reference.mean_absolute_error(y, x),
            "mse": reference.mean_squared_error(y, x),
            "rmse": reference.root_mean_squared_error(y, x),
        }
        assert {name: table[name][u] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "truth, prediction, undefined",
    [
        ([2, 2, 2], [1, 2, 3], "icc_3_1 pcc ccc"),
        ([0, 0, 0], [0, 0, 0], "icc_3_1 pcc ccc"),
        ([1], [1], "icc_3_1 pcc ccc"),
        ([0, 3], [1, 1], "pcc"),
        ([0, 3], [NAN, NAN], "icc_3_1 pcc ccc mae mse rmse"),
        ([NAN, NAN], [1, 2], "icc_3_1 pcc ccc mae mae_undetermined_worst mse rmse"),
        ([0, 3], [1, 2], ""),
    ],
)
def test_undefined_is_nan_and_never_zero(truth, prediction, undefined):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = column(truth, prediction)
    assert {name for name, value in found.items() if math.isnan(value)} == set(undefined.split())


def test_a_constant_answer_agrees_with_nothing():
    found = column([0, 1, 2, 3], [0, 0, 0, 0])
    assert (found["icc_3_1"], found["ccc"], found["mae"]) == (0, 0, 1.5)


def test_what_each_agreement_is_blind_to():
    levels = np.array([0.0, 1, 3, 5])
    shifted, stretched, mirrored = levels + 1, levels * 2, -levels
    assert [icc_3_1(levels, v) for v in (shifted, mirrored)] == [1, -1]
    assert [pearson(levels, v) for v in (shifted, stretched)] == pytest.approx([1, 1])
    assert icc_3_1(levels, stretched) == pytest.approx(0.8)
    assert concordance(levels, shifted) == pytest.approx(1 - 1 / (2 * levels.var() + 1))
    assert concordance(levels, levels) == 1


def test_scores_are_of_all_frames_not_means_of_batches():
    truth_NU, prediction_NU = drawn(0)
    halves = [score_intensity(truth_NU[s], prediction_NU[s])["icc_3_1"] for s in (slice(0, 20), slice(20, 40))]
    assert (np.abs(np.mean(halves, axis=0) - score_intensity(truth_NU, prediction_NU)["icc_3_1"]) > 1e-3).all()


def test_the_worst_error_of_an_undetermined_answer_depends_on_the_scale():
    assert column([1, 4], [NAN, NAN])["mae_undetermined_worst"] == 4
    assert column([0.25, 1], [NAN, NAN], "continuous")["mae_undetermined_worst"] == 0.875


@pytest.mark.parametrize(
    "labels, predictions, scale, message",
    [
        ([[0], [9]], [[0], [0]], "intensity", r"references\[1\]\[0\] is 9 .*expected 0 to 5 .*9 in BP4D"),
        ([[-1]], [[0]], "intensity", r"references\[0\]\[0\] is -1 "),
        ([[1.5]], [[0]], "continuous", r"references\[0\]\[0\] is 1.5 .*expected 0 to 1 on the scale 'continuous'"),
        ([[0]], [[math.inf]], "intensity", "predictions.*finite"),
        ([[0]], [[0]], "occurrence", "scale is 'occurrence', expected one of intensity, continuous"),
    ],
)
def test_what_the_scale_does_not_have_is_refused_by_place(labels, predictions, scale, message):
    with pytest.raises(ValueError, match=message):
        checked(labels, predictions, scale)


def test_predictions_may_leave_the_scale_and_are_not_clipped():
    assert column([5, 0], [6, -1])["mae"] == 1


levels = st.one_of(st.just(NAN), st.integers(0, 5).map(float))


@given(st.lists(st.tuples(levels, levels), min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_order_of_frames_and_frames_not_coded_change_nothing(pairs, random):
    found = column(*zip(*pairs, strict=True))
    shuffled = pairs + [(NAN, 3.0), (NAN, NAN)]
    random.shuffle(shuffled)
    again = column(*zip(*shuffled, strict=True))
    assert again.pop("not_coded") == found.pop("not_coded") + 2
    assert again == pytest.approx(found, abs=1e-9, nan_ok=True)


@given(st.lists(st.tuples(levels, levels), min_size=1, max_size=10))
def test_agreements_and_errors_stay_in_their_order(pairs):
    found = column(*zip(*pairs, strict=True))
    tiny = 1e-9
    assert not any(abs(found[name]) > 1 + tiny for name in ("icc_3_1", "pcc", "ccc"))
    assert not any(found[name] < 0 for name in ERRORS)
    assert not found["mae"] > found["rmse"] + tiny
    assert (
        not found["mae_undetermined_worst"]
        < found["mae"] * (1 - found["undetermined"] / max(found["frames"], 1)) - tiny
    )
    assert not abs(found["ccc"]) > abs(found["pcc"]) + tiny and not abs(found["icc_3_1"]) > abs(found["pcc"]) + tiny
    assert not abs(found["ccc"]) > abs(found["icc_3_1"]) + tiny
