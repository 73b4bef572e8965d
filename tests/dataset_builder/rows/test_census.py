"""Counting labels as they stream by."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aullava.action_units import CONTINUOUS, FEAFA_UNITS, INTENSITY, OCCURRENCE
from aullava.dataset_builder.corpora.registry import open_corpus
from aullava.dataset_builder.rows.census import Census, UnitCount
from aullava.dataset_builder.rows.records import FrameRecord
from aullava.dataset_builder.rows.schema import value_column

from trees.bp4d import make

NAN = math.nan
EYE = next(iter(FEAFA_UNITS))


def record(subject="SN001", sequence="a", frame=1, **values) -> FrameRecord:
    return FrameRecord(None, subject, sequence, frame, values)


def census_of(*records: FrameRecord) -> Census:
    census = Census()
    for each in records:
        census.add(each)
    return census


def row_of(each: FrameRecord) -> dict:
    """A row of the schema, with columns that look a little like values."""
    values = {value_column(c, scale): v for scale, of_scale in each.values.items() for c, v in of_scale.items()}
    head = {
        "image": object(),
        "frame": each.frame,
        "part": "",
        "status": "ok",
        "box_x": None,
        "face_score": 0.5,
        "AU99_c": 1.0,
    }
    return {"subject": each.subject, "sequence": each.sequence} | head | values


LEVEL = st.sampled_from((0.0, 1.0, 2.0, 3.7, 5.0, NAN))
RECORDS = st.lists(
    st.builds(
        lambda subject, sequence, c, r, v: record(
            subject, sequence, occurrence={"AU1": c, "AD30": 1.0 - c}, intensity={"AU1": r}, continuous={EYE: v}
        ),
        st.sampled_from("ABC"),
        st.sampled_from(("T1", "T2")),
        st.sampled_from((0.0, 1.0, NAN)),
        LEVEL,
        st.sampled_from((0.0, 0.004, 1.0, NAN)),
    ),
    max_size=12,
)


def test_counts_by_hand():
    census = census_of(
        record("F001", "T1", 1, occurrence={"AU1": 1.0, "AU2": 0.0}, intensity={"AU6": 1.0}),
        record("F001", "T1", 2, occurrence={"AU1": 0.0, "AU2": NAN}, intensity={"AU6": 2.0}),
        record("F001", "T2", 2, occurrence={"AU1": 1.0}, intensity={"AU6": NAN}),
        record("M001", "T1", 1, occurrence={}, intensity={"AU6": 5.0}),
        record("M001", "T1", 2, occurrence={"AU1": NAN}),
    )
    assert census.frames == {"F001": 3, "M001": 2}
    assert census.sequences == {"F001": {"T1", "T2"}, "M001": {"T1"}}
    assert census.coded_frames == {OCCURRENCE: {"F001": 3}, INTENSITY: {"F001": 2, "M001": 1}}
    assert census.units == {
        OCCURRENCE: {"AU1": UnitCount(3, 2), "AU2": UnitCount(1, 0)},
        INTENSITY: {"AU6": UnitCount(3, 2)},  # levels 2 and 5, not 1
    }


def test_continuous_values_above_zero_are_positive():
    counts = census_of(*(record(continuous={EYE: value}) for value in (0.0, 0.01, 1.0, NAN))).units[CONTINUOUS][EYE]
    assert counts == UnitCount(3, 2) and counts.rate == 2 / 3


def test_a_unit_that_is_never_coded_is_counted_and_has_no_rate():
    counts = census_of(record(occurrence={"AU1": NAN})).units[OCCURRENCE]["AU1"]
    assert counts == UnitCount(0, 0) and math.isnan(counts.rate)
    asked = Census.expecting({OCCURRENCE: ("AU1", "AU2")})
    asked.add(record(occurrence={"AU1": 1.0}))
    assert asked.units[OCCURRENCE] == {"AU1": UnitCount(1, 1), "AU2": UnitCount(0, 0)}


@given(RECORDS)
def test_rows_count_as_records_do(records):
    from_rows = Census()
    for each in records:
        from_rows.add(row_of(each))
    assert from_rows == census_of(*records)


@given(RECORDS, RECORDS)
def test_parts_add_up(first, second):
    one, other = census_of(*first), census_of(*second)
    before = json.dumps([one.to_dict(), other.to_dict()])
    assert one + other == census_of(*first, *second) == other + one
    assert json.dumps([one.to_dict(), other.to_dict()]) == before
    assert sum([one, other], Census()) == one + other


@given(RECORDS)
def test_json_and_back(records):
    census = census_of(*records)
    saved = json.dumps(census.to_dict())
    assert Census.from_dict(json.loads(saved)) == census
    assert json.dumps(census_of(*records[::-1]).to_dict()) == saved


def test_values_of_numpy_and_none_can_be_saved():
    census = Census()
    census.add({"subject": "a", "sequence": "b", "AU01_r": np.float32(3), "AU02_r": np.float32("nan"), "AU04_r": None})
    assert json.loads(json.dumps(census.to_dict()))["units"] == {
        INTENSITY: {"AU1": [1, 1], "AU2": [0, 0], "AU4": [0, 0]}
    }


def test_what_is_kept_does_not_grow_with_frames():
    values = {OCCURRENCE: {"AU1": 1.0}}
    few, many = (census_of(*(record("a", "b", f, **values) for f in range(100, 100 + n))) for n in (100, 900))
    assert len(json.dumps(few.to_dict())) == len(json.dumps(many.to_dict()))


def test_only_censuses_add_up():
    with pytest.raises(TypeError):
        Census() + {}


def test_a_corpus_on_disk(tmp_path):
    reader = open_corpus("bp4d", make(tmp_path, subjects=("F001", "M009"), tasks=("T1", "T3"), frames=5))
    records = [each for subject in reader.subjects() for each in reader.read(subject)]
    census = Census.expecting(reader.units)
    for each in records:
        census.add(each)
    assert census.frames == {"F001": 10, "M009": 10}
    assert census.sequences == {"F001": {"T1", "T3"}, "M009": {"T1", "T3"}}
    assert census.units[OCCURRENCE].keys() == set(reader.units[OCCURRENCE])
    active = sum(each.values[OCCURRENCE].get("AU1") == 1 for each in records)
    assert 0 < active < 20 and census.units[OCCURRENCE]["AU1"] == UnitCount(20, active)
