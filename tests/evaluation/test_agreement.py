"""What the formats say of one face is brought to one decision, and agreement is counted as by hand."""

import numpy as np
import pytest

from aullava.action_units import ACTION_UNITS, CONTINUOUS, INTENSITY, OCCURRENCE, PROTOCOLS, Protocol, level_of
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.samples import describe_face
from aullava.evaluation.agreement import (
    agreement,
    decisions_of,
    facs_of,
    present_label,
    present_probability,
)

NAN = float("nan")


def one(scale, threshold=2):
    return Protocol("one", ("AU12",), scale, threshold)


@pytest.mark.parametrize("threshold", [1, 2, 3, 4, 5])
def test_a_continuous_value_is_present_from_where_its_level_is(threshold):
    first = one(CONTINUOUS, threshold).first_present
    assert level_of(first / 100) == threshold and level_of((first - 1) / 100) == threshold - 1
    assert one(INTENSITY, threshold).first_present == threshold
    assert one(OCCURRENCE, threshold).first_present == 1


def test_the_median_decides_on_every_scale():
    continuous_NUV = np.zeros((3, 1, 101))
    continuous_NUV[0, 0, [0, 30]] = 0.4, 0.6
    continuous_NUV[1, 0, [29, 30]] = 0.6, 0.4
    continuous_NUV[2] = NAN
    found = decisions_of(present_probability(continuous_NUV, one(CONTINUOUS)), one(CONTINUOUS))["AU12"]
    np.testing.assert_array_equal(found, [1, 0, NAN])
    intensity_NUV = np.array([[[0.1, 0.3, 0.2, 0.2, 0.1, 0.1]], [[0.3, 0.3, 0.1, 0.1, 0.1, 0.1]]])
    np.testing.assert_allclose(present_probability(intensity_NUV, one(INTENSITY))[:, 0], [0.6, 0.4])


def test_a_label_that_is_not_coded_stays_so():
    np.testing.assert_array_equal(present_label([[1.0], [2.0], [NAN]], one(INTENSITY))[:, 0], [0, 1, NAN])
    np.testing.assert_array_equal(present_label([[0.29], [0.3]], one(CONTINUOUS))[:, 0], [0, 1])


def test_of_two_sides_either_makes_the_unit_present_and_brow_raise_speaks_of_no_unit():
    feafa = PROTOCOLS["feafa"]
    present_NU = np.zeros((3, 24))
    present_NU[0, 11] = 1  # left lip corner
    present_NU[1, 12] = 1  # right lip corner
    present_NU[:, 6] = 1  # left brow raise
    found = decisions_of(present_NU, feafa)
    assert found["AU12"].tolist() == [1, 1, 0]
    assert "AU1" not in found and "AU2" not in found and "AU26" not in found
    assert {facs_of(code) for code in feafa.units} - {None} <= {*ACTION_UNITS}
    assert {facs_of(code) for code in feafa.units} >= {
        "AU4",
        "AU5",
        "AU9",
        "AU10",
        "AU17",
        "AU20",
        "AD29",
        "AD30",
        "AD34",
    }


def test_the_truth_of_drawn_faces_agrees_but_for_rounding():
    faces = [describe_face("test", index) for index in range(300)]
    formats = {}
    for name in ("bp4d", "disfa", "feafa"):
        protocol = PROTOCOLS[name]
        truth_NU = np.array(
            [[values_of(face.actions, protocol)[code] for code in protocol.units] for face in faces], float
        )
        formats[name] = decisions_of(present_label(truth_NU, protocol), protocol)
    found = agreement(formats)
    assert found.share > 0.995 and found.pairs["bp4d", "disfa"] == 1 and found.undetermined == 0
    assert set(found.units) == {"AU1", "AU2", "AU4", "AU5", "AU6", "AU9", "AU10", "AU12", "AU15", "AU17", "AU20"}


def test_agreement_by_hand_and_what_is_undetermined_agrees_with_nothing():
    formats = {
        "a": {"AU1": np.array([1, 0, 1, NAN]), "AU2": np.array([1, 1, 1, 1.0])},
        "b": {"AU1": np.array([1, 0, 0, NAN]), "AU4": np.array([1, 1, 1, 1.0])},
        "c": {"AU1": np.array([1, 1, 1, 1.0]), "AU4": np.array([1, 1, 1, 0.0])},
    }
    found = agreement(formats)
    assert found.units == {"AU1": 0.25, "AU4": 0.75} and found.share == 0.5 and found.decisions == 8
    assert found.pairs == {("a", "b"): 0.5, ("a", "c"): 0.5, ("b", "c"): 0.5} and found.undetermined == 1


@pytest.mark.parametrize(
    "formats, named",
    [
        ({"a": {"AU1": np.ones(2)}}, "no unit in common"),
        ({"a": {"AU1": np.ones(2)}, "b": {"AU2": np.ones(2)}}, "no unit in common"),
        ({"a": {"AU1": np.ones(2)}, "b": {"AU1": np.ones(3)}}, r"\[2, 3\] faces"),
    ],
)
def test_formats_that_cannot_be_compared_are_refused(formats, named):
    with pytest.raises(ValueError, match=named):
        agreement(formats)
