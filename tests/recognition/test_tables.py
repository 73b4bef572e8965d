"""Columns, what rows put into them, and tables a chunk and an input at a time."""

import math

import pandas as pd
import pytest

from aullava.action_units import PROTOCOLS, Protocol
from aullava.recognition import tables
from aullava.recognition.rows import FaceRow, contradictions_of
from aullava.recognition.tables import Layout

from given_rows import bare_row, face_row, one, reading

BP4D, DISFA, FEAFA = PROTOCOLS["bp4d"], PROTOCOLS["disfa"], PROTOCOLS["feafa"]
HEAD = [
    "input",
    "frame",
    "timestamp",
    "face_id",
    "success",
    "confidence",
    "box_x",
    "box_y",
    "box_w",
    "box_h",
    "status",
]
LEVELS = [0.1, 0.2, 0.3, 0.15, 0.15, 0.1]


@pytest.mark.parametrize(
    "protocol, first, last",
    [
        (BP4D, "AU01_c", "AU24_p"),
        (DISFA, "AU01_r", "AU26_p"),
        (FEAFA, "feafa_01_left_eye_close_v", "feafa_24_nose_wrinkle_v"),
    ],
)
def test_columns_are_head_then_values_then_probabilities(protocol, first, last):
    layout = Layout((protocol,))
    names = layout.names
    assert names[:11] == HEAD
    assert (names[11], names[-1]) == (first, last)
    assert len(names) == 11 + len(protocol.units) * (1 if protocol is FEAFA else 2) == len(set(names))
    frame = layout.frame([])
    assert list(frame.columns) == names and len(frame) == 0
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == layout.types


def test_cells_hold_what_the_row_holds():
    layout = Layout((BP4D,))
    face = one(BP4D, {"AU12": 1, "AU4": None}, {"AU12": 0.91234567, "AU6": 0.2}, frame=7, timestamp=7 / 30, face_id=2)
    found = layout.frame([face, bare_row("a/wall.png", BP4D, frame=8, timestamp=None)])
    assert found.loc[0, HEAD].tolist() == ["a/face.png", 7, 0.233333, 2, 1, 0.75, 10, 20, 30, 30, "ok"]
    assert found.loc[0, ["AU12_c", "AU12_p", "AU06_c", "AU06_p"]].tolist() == [1, 0.9123, 0, 0.2]
    assert found.loc[0, ["AU04_c", "AU04_p"]].isna().all()
    assert found.loc[1, ["input", "frame", "face_id", "success", "status"]].tolist() == [
        "a/wall.png",
        8,
        -1,
        0,
        "no_face",
    ]
    rest = [name for name in layout.names if name not in ("input", "frame", "face_id", "success", "status")]
    assert found.loc[1, rest].isna().all()


def test_whole_numbers_stay_whole_and_every_dtype_is_nullable():
    found = Layout((BP4D,)).frame([one(BP4D), bare_row("wall.png", BP4D)])
    assert found["AU12_c"].dtype == "Int64" and found["box_x"].dtype == "Int64"
    assert found["AU12_p"].dtype == "Float64" and found["timestamp"].dtype == "Float64"


def test_several_protocols_stand_side_by_side_and_only_shared_names_say_whose_they_are():
    layout = Layout((BP4D, DISFA))
    assert layout.names[:11] == HEAD and len(set(layout.names)) == len(layout.names) == 11 + 4 * 12
    assert layout.names[11:13] == ["AU01_c", "AU02_c"]
    assert {"bp4d_AU01_p", "disfa_AU01_p", "AU07_p", "AU25_p", "AU01_r"} <= set(layout.names)
    assert not {"AU01_p", "bp4d_AU07_p", "bp4d_AU01_c"} & set(layout.names)
    row = face_row(
        "a.png",
        (BP4D, reading(BP4D, {"AU1": 1}, {"AU1": 0.9})),
        (DISFA, reading(DISFA, {"AU1": 2}, {"AU1": LEVELS}, status="repaired")),
    )
    found = layout.frame([row]).iloc[0]
    assert (found.AU01_c, found.bp4d_AU01_p, found.AU01_r, found.disfa_AU01_p) == (1, 0.9, 2, 0.7)
    assert (found.status, found.success) == ("repaired", 1)


@pytest.mark.parametrize(
    ("present", "level", "contradictions"),
    [(1, 0, ("AU12",)), (1, 1, ()), (0, 0, ()), (0, 2, ()), (None, 0, ()), (1, None, ())],
)
def test_presence_beside_level_0_is_a_contradiction(present, level, contradictions):
    """Absent beside a level is none: a corpus may count a unit as present from level 2 on."""
    readings = {"bp4d": reading(BP4D, {"AU12": present}), "disfa": reading(DISFA, {"AU12": level})}
    assert contradictions_of((BP4D, DISFA), readings) == contradictions_of((DISFA, BP4D), readings) == contradictions
    row = FaceRow("a.png", 0, readings, contradictions=contradictions)
    assert (
        row.status
        == Layout((BP4D, DISFA)).frame([row]).iloc[0].status
        == ("contradictory" if contradictions else "ok")
    )


def test_lists_of_units_put_a_legal_name_in_front():
    layout = Layout(
        (Protocol("AU1,AU4", ("AU1", "AU4"), "occurrence"), Protocol("AU4, AU6", ("AU4", "AU6"), "occurrence"))
    )
    assert [name for name in layout.names[11:] if name.endswith("c")] == [
        "AU01_c",
        "AU1_AU4_AU04_c",
        "AU4_AU6_AU04_c",
        "AU06_c",
    ]


@pytest.mark.parametrize("names", [(), ("a", "a"), ("AU1,AU4", "AU1 AU4")])
def test_protocols_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(ValueError, match="each of another name"):
        Layout(tuple(Protocol(name, ("AU1",), "occurrence") for name in names))


def test_expected_intensities_take_the_place_of_levels_and_of_nothing_else():
    layout = Layout((DISFA, FEAFA), "expected")
    row = face_row(
        "a.png",
        (DISFA, reading(DISFA, {"AU1": 2, "AU12": 3}, {"AU1": LEVELS}, expected={"AU1": 2.34567})),
        (FEAFA, reading(FEAFA, {"feafa_09_jaw_drop": 0.5}, expected={"feafa_09_jaw_drop": 0.4567})),
    )
    found = layout.frame([row])
    assert found.loc[0, "AU01_r"] == 2.3457 and found["AU01_r"].dtype == "Float64"
    assert found["AU12_r"].isna().all(), "a mode that gives no expected level leaves the cell empty"
    assert found.loc[0, "AU01_p"] == 0.7
    assert found.loc[0, "feafa_09_jaw_drop_v"] == 0.5
    assert Layout((DISFA,)).frame([row]).loc[0, "AU01_r"] == 2
    with pytest.raises(ValueError, match="'mean'.*level or expected"):
        Layout((DISFA,), "mean")


def test_probability_of_an_intensity_is_that_of_the_threshold_or_more():
    found = one(DISFA, {"AU12": 2}, {"AU12": LEVELS})
    assert tables.present_probability(found, "AU12", DISFA) == pytest.approx(0.7)
    lower = Protocol("disfa", DISFA.units, DISFA.scale, occurrence_threshold=1)
    assert tables.present_probability(found, "AU12", lower) == pytest.approx(0.9)
    assert tables.present_probability(found, "AU1", DISFA) is None


def test_an_unreadable_frame_says_so():
    found = Layout((BP4D,)).frame([bare_row("clip.mp4", BP4D, frame=3, fault="damaged packet")]).iloc[0]
    assert (found.status, found.success, found.face_id) == ("unreadable", 0, -1)


def test_chunks_are_taken_as_they_are_asked_for_and_make_up_the_whole():
    layout, taken = Layout((BP4D,)), []

    def rows():
        for number in range(7):
            taken.append(number)
            yield one(BP4D, {"AU1": number % 2}, name=f"{number}.png")

    chunks = layout.chunks(rows(), size=3)
    assert len(next(chunks)) == 3 and taken == [0, 1, 2]
    rest = list(chunks)
    assert [len(chunk) for chunk in rest] == [3, 1]
    assert [list(chunk.index) for chunk in layout.chunks([], size=3)] == [[]]
    whole = layout.frame(rows())
    pd.testing.assert_frame_equal(pd.concat(layout.chunks(rows(), size=3), ignore_index=True), whole)


def test_inputs_come_one_at_a_time_whatever_the_chunks(monkeypatch):
    monkeypatch.setattr(tables, "CHUNK", 2)
    rows = [one(DISFA, name=name, frame=frame) for name in ("a.mp4", "b.mp4") for frame in range(5)]
    found = list(Layout((DISFA,)).inputs(rows))
    assert [frame["input"].unique().tolist() for frame in found] == [["a.mp4"], ["b.mp4"]]
    assert all(list(frame.index) == [0, 1, 2, 3, 4] == frame["frame"].tolist() for frame in found)
    assert list(Layout((DISFA,)).inputs([])) == []


def test_a_transform_sees_one_input_and_its_levels_may_become_fractions():
    layout, seen = Layout((DISFA, BP4D)), []

    def halve(frame: pd.DataFrame) -> pd.DataFrame:
        seen.append(frame["input"].unique().tolist())
        if frame["input"][0] == "b.mp4":  # left alone: still the same types come out
            return frame
        return frame.assign(AU12_r=frame["AU12_r"].astype("Float64") / 3)

    made = [
        face_row(f"{name}.mp4", (DISFA, reading(DISFA, {"AU12": 2})), (BP4D, reading(BP4D, {"AU12": 1})), frame=frame)
        for name in "ab"
        for frame in range(2)
    ]
    a, b = layout.inputs(made, halve)
    assert seen == [["a.mp4"], ["b.mp4"]]
    assert a["AU12_r"].tolist() == [0.6667, 0.6667] and b["AU12_r"].tolist() == [2.0, 2.0]
    assert a.dtypes.tolist() == b.dtypes.tolist() and a["AU12_r"].dtype == "Float64" and a["AU12_c"].dtype == "Int64"


@pytest.mark.parametrize(
    "change", [lambda f: f.drop(columns="AU12_r"), lambda f: f.assign(more=1), lambda f: f[f.columns[::-1]]]
)
def test_a_transform_that_gives_other_columns_is_refused(change):
    with pytest.raises(ValueError, match="other columns"):
        list(Layout((DISFA,)).inputs([one(DISFA)], change))


def test_every_column_says_what_it_holds():
    layout = Layout((BP4D, DISFA, FEAFA))
    about = {column.name: column.about for column in layout.columns}
    assert all(column.about["what"] for column in layout.columns)
    assert about["AU12_r"] == {
        "protocol": "disfa",
        "unit": "AU12",
        "name": "Lip corner puller",
        "scale": "intensity",
        "range": (0, 5),
        "what": "level, 1 to 5 are the FACS letters A to E",
    }
    assert about["disfa_AU12_p"]["what"] == "probability of level 2 or more"
    assert about["feafa_09_jaw_drop_v"]["name"] == "Jaw Drop"


def test_numbers_are_rounded_and_missing_ones_stay_missing():
    assert tables.rounded(0.123456) == 0.1235 and tables.rounded([0.123456, 1.0]) == [0.1235, 1.0]
    assert tables.rounded(None) is None and tables.rounded(3) == 3 and isinstance(tables.rounded(3), int)
    assert math.isnan(tables.rounded(math.nan))
