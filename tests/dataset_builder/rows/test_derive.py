"""Values on the scale that is asked: own first, derived downward, never upward."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, PROTOCOLS, SCALES, Protocol, level_of
from aullava.dataset_builder.rows.derive import (
    as_protocol,
    intensity_level,
    protocol_of,
    protocols_of,
    values_from_columns,
)
from aullava.dataset_builder.rows.schema import value_columns

NAN = math.nan
VALUE = {
    "occurrence": st.sampled_from([0.0, 1.0, NAN]),
    "intensity": st.one_of(st.just(NAN), st.integers(0, 5).map(float), st.floats(0, 5)),
    "continuous": st.one_of(st.just(NAN), st.floats(0, 1)),
}
UNITS = ("AU1", "AU4", "AU12")
VALUES = st.fixed_dictionaries(
    {}, optional={scale: st.dictionaries(st.sampled_from(UNITS), value) for scale, value in VALUE.items()}
)
PROTOCOL = st.builds(
    lambda scale, threshold: Protocol("custom", UNITS, scale, threshold),
    st.sampled_from(list(SCALES)),
    st.integers(1, 5),
)


def one(scale, threshold=2):
    return Protocol("custom", ("AU12",), scale, threshold)


def derived(scale_from, value, scale_to, threshold=2):
    return as_protocol({scale_from: {"AU12": value}}, one(scale_to, threshold))["AU12"]


@pytest.mark.parametrize("threshold", range(1, 6))
@pytest.mark.parametrize("level", range(6))
def test_occurrence_is_a_level_of_the_threshold_or_more(level, threshold):
    assert derived("intensity", level, "occurrence", threshold) == (level >= threshold)


def test_a_fractional_intensity_is_present_where_its_level_is():
    assert [derived("intensity", value, "occurrence") for value in (1.49, 1.5, 1.6, 2.37)] == [0, 1, 1, 1]
    assert [intensity_level(value) for value in (0.49, 0.5, 2.37, 2.5, 5)] == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("tenths", range(11))
def test_levels_of_float32_columns_are_those_of_the_label_file(tenths):
    """float32 holds 0.7 as 0.699999988, which would be a level lower."""
    values = values_from_columns({"AU12_v": float(np.float32(tenths / 10))})
    assert values["continuous"]["AU12"] == tenths / 10
    expected = level_of(tenths / 10)
    assert as_protocol(values, one("intensity"))["AU12"] == expected
    assert derived("continuous", float(np.float32(tenths / 10)), "intensity") == expected
    assert derived("continuous", tenths / 10, "occurrence", 4) == (expected >= 4)


def test_own_scale_beats_what_another_scale_says():
    values = {"occurrence": {"AU12": 0.0}, "intensity": {"AU12": 5.0}, "continuous": {"AU12": 0.1}}
    assert as_protocol(values, one("occurrence"))["AU12"] == 0
    assert as_protocol(values, one("intensity"))["AU12"] == 5
    assert as_protocol({**values, "occurrence": {"AU12": NAN}}, one("occurrence"))["AU12"] == 1
    assert as_protocol({**values, "intensity": {"AU12": None}}, one("intensity"))["AU12"] == 1


@pytest.mark.parametrize(
    "low, high", [("occurrence", "intensity"), ("occurrence", "continuous"), ("intensity", "continuous")]
)
def test_nothing_is_derived_upward(low, high):
    assert math.isnan(derived(low, 1.0, high))


def test_feafa_units_are_not_facs_units():
    coded = {"continuous": dict.fromkeys(FEAFA_UNITS, 1.0)}
    assert all(map(math.isnan, as_protocol(coded, PROTOCOLS["bp4d"]).values()))
    assert set(as_protocol(coded, Protocol("f", tuple(FEAFA_UNITS), "intensity")).values()) == {5}


@given(VALUES, PROTOCOL)
def test_deriving_twice_changes_nothing(values, protocol):
    once = as_protocol(values, protocol)
    assert tuple(once) == protocol.units
    np.testing.assert_equal(as_protocol({protocol.scale: once}, protocol), once)


@given(VALUES, PROTOCOL)
def test_a_value_is_missing_exactly_where_no_scale_that_is_rich_enough_has_one(values, protocol):
    richer = list(SCALES)[list(SCALES).index(protocol.scale) :]
    for code, value in as_protocol(values, protocol).items():
        assert math.isnan(value) == all(math.isnan(values.get(scale, {}).get(code, NAN)) for scale in richer)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 5))
def test_more_strength_is_never_less_of_anything(a, b, threshold):
    low, high = sorted((a, b))
    for scale in ("intensity", "occurrence"):
        assert derived("continuous", low, scale, threshold) <= derived("continuous", high, scale, threshold)
    assert derived("intensity", 5 * low, "occurrence", threshold) <= derived(
        "intensity", 5 * high, "occurrence", threshold
    )


@given(st.floats(0, 1), st.integers(1, 5))
def test_the_two_ways_to_occurrence_agree(value, threshold):
    level = derived("continuous", value, "intensity")
    assert derived("continuous", value, "occurrence", threshold) == derived(
        "intensity", level, "occurrence", threshold
    )


@pytest.mark.parametrize("scale, value", [("intensity", 5.4), ("intensity", -0.7), ("continuous", 1.2)])
def test_nothing_is_derived_from_a_value_outside_its_scale(scale, value):
    with pytest.raises(ValueError, match=f"AU12 has {scale}"):
        derived(scale, value, "occurrence")


def test_columns_come_back_as_values():
    units = {"occurrence": ("AU1", "AD30"), "intensity": ("AU1",), "continuous": ("feafa_01_left_eye_close",)}
    row = dict.fromkeys(value_columns(units), 1.0) | {"AU01_r": None, "image": 3, "frame": 7, "AU99_c": 1.0}
    np.testing.assert_equal(
        values_from_columns(row),
        {
            "occurrence": {"AU1": 1.0, "AD30": 1.0},
            "intensity": {"AU1": NAN},
            "continuous": {"feafa_01_left_eye_close": 1.0},
        },
    )


def test_protocol_of_what_a_corpus_codes():
    disfa = {"intensity": PROTOCOLS["disfa"].units[::-1]}
    assert protocol_of(disfa, "intensity") == PROTOCOLS["disfa"]
    assert protocol_of(disfa, "occurrence") == Protocol("custom", PROTOCOLS["disfa"].units, "occurrence")
    with pytest.raises(ValueError, match="no unit"):
        protocol_of(disfa, "continuous")
    with pytest.raises(ValueError, match="no unit"):
        protocol_of(disfa, "occurrence", derived=False)
    both = {"intensity": ("AU1",), "continuous": ("feafa_01_left_eye_close",)}
    assert [p.units for p in protocols_of(both, "occurrence")] == [("AU1",), ("feafa_01_left_eye_close",)]
    with pytest.raises(ValueError, match="a protocol each"):
        protocol_of(both, "occurrence")


def test_canonical_order_is_that_of_the_table():
    shuffled = {"occurrence": tuple(sorted(ACTION_UNITS))}
    assert protocol_of(shuffled, "occurrence").units == tuple(ACTION_UNITS)
