"""ARKit's names from FEAFA's values: completeness, sides, missing values."""

import numpy as np
import pytest

from aullava.action_units import FEAFA_UNITS, PROTOCOLS
from aullava.analysis.blendshapes import ARKIT, NOT_READ, to_blendshapes

# As Apple documents ARFaceAnchor.BlendShapeLocation.
APPLE = """
    eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
    eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight
    eyeWideRight jawForward jawLeft jawRight jawOpen mouthClose mouthFunnel mouthPucker mouthLeft
    mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft
    mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower
    mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight
    mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft
    browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
"""
ALL_52 = set(APPLE.split())


def columns(values):
    return {PROTOCOLS["feafa"].column(code): series for code, series in values.items()}


def test_names_are_arkits_and_every_unit_of_feafa_is_used():
    assert len(ALL_52) == 52 and set(ARKIT) < ALL_52 and len(ARKIT) == 28
    assert len(NOT_READ) == 24 and {*ARKIT, *NOT_READ} == ALL_52
    assert {code for codes in ARKIT.values() for code in codes} == set(FEAFA_UNITS)


@pytest.mark.parametrize("name", [name for name in ARKIT if name.endswith(("Left", "Right"))])
def test_sides_are_the_persons_own_on_both_sides(name):
    side = "L" if name.endswith("Left") else "R"
    assert {FEAFA_UNITS[code].side for code in ARKIT[name]} in ({side}, {""})


def test_values_of_a_table(table_of):
    values = {code: [round(0.04 * i, 2), 0.0] for i, code in enumerate(FEAFA_UNITS)}
    found = to_blendshapes(table_of(columns(values), frames=2, step=3))
    assert list(found) == ["input", "frame", "timestamp", "face_id", *ARKIT]
    assert found["frame"].tolist() == [0, 3]
    assert found["eyeBlinkRight"].tolist() == [0.04, 0]
    assert found["jawOpen"][0] == 0.32 and found["mouthSmileLeft"][0] == 0.44
    assert found["browInnerUp"][0] == pytest.approx((0.24 + 0.28) / 2)
    assert found["noseSneerLeft"][0] == found["noseSneerRight"][0] == 0.92
    assert (found[list(ARKIT)].iloc[1] == 0).all()


def test_missing_values_stay_missing_and_frames_without_a_face_are_left_out(table_of):
    values = dict.fromkeys(FEAFA_UNITS, [0.5, None, 0.5]) | {"feafa_07_left_brow_raise": [np.nan, None, 1.0]}
    found = to_blendshapes(table_of(columns(values), frames=3))
    assert found["frame"].tolist() == [0, 2]
    assert found["browInnerUp"].isna().tolist() == found["browOuterUpLeft"].isna().tolist() == [True, False]
    assert found["browInnerUp"][1] == 0.75 and found["browOuterUpRight"].tolist() == [0.5, 0.5]


def test_some_of_the_units_give_the_names_made_of_them(table_of):
    table = table_of(columns({"feafa_07_left_brow_raise": [0.1], "feafa_09_jaw_drop": [0.2]}), frames=1)
    assert list(to_blendshapes(table))[4:] == ["browOuterUpLeft", "jawOpen"]


def test_other_protocols_give_none(table_of):
    with pytest.raises(ValueError, match="protocol feafa"):
        to_blendshapes(table_of({"AU26_r": [5]}, frames=1))
