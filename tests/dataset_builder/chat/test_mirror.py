"""A mirrored row: image, values, sides and box."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, PROTOCOLS
from aullava.dataset_builder.chat.dataset import ChatMix, chat_dataset
from aullava.dataset_builder.chat.formats import turns_of
from aullava.dataset_builder.chat.mirror import mirror_row, mirror_sides
from aullava.dataset_builder.rows.schema import BOX_COLUMNS, value_column, value_columns

FEAFA_COLUMNS = value_columns({"continuous": tuple(FEAFA_UNITS)})
FEW = value_columns({"occurrence": ("AU12", "AU51", "AU52"), "continuous": tuple(FEAFA_UNITS)[:4]})
COLUMNS = FEAFA_COLUMNS | value_columns({"occurrence": tuple(ACTION_UNITS), "intensity": tuple(ACTION_UNITS)})
NUMBER = st.one_of(st.just(math.nan), st.floats(0, 1, width=32))


def picture(seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 31, 3), dtype=np.uint8))


def same(a, b):
    a, b = dict(a), dict(b)
    first, second = a.pop("image", None), b.pop("image", None)
    np.testing.assert_equal(a, b)
    assert list(a) == list(b)
    assert (first is None) == (second is None)
    if first is not None:
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


@given(
    st.fixed_dictionaries(dict.fromkeys(FEW, NUMBER)),
    st.text("LR12 +,lr?"),
    st.tuples(st.integers(0, 50), st.integers(0, 90), st.integers(1, 50), st.integers(1, 90)),
)
def test_mirroring_twice_gives_the_row_back(values, sides, box):
    row = {"image": picture(), "sides": sides, **values, **dict(zip(BOX_COLUMNS, box, strict=True))}
    once = mirror_row(row, frame_width=100)
    same(mirror_row(once, frame_width=100), row)


def test_everything_with_a_side_changes():
    numbers = {column: place / 100 for place, column in enumerate(COLUMNS)}
    row = {"image": picture(), "sides": "R12 L14", **numbers, "box_x": 10, "box_y": 5, "box_w": 30, "box_h": 40}
    mirrored = mirror_row(row, frame_width=100)
    np.testing.assert_array_equal(np.asarray(mirrored["image"]), np.asarray(row["image"])[:, ::-1])
    assert mirrored["sides"] == "L12 R14"
    assert [mirrored[name] for name in BOX_COLUMNS] == [60, 5, 30, 40]
    changed = {column for column in COLUMNS if mirrored[column] != row[column]}
    pairs = PROTOCOLS["feafa"].flip_pairs
    assert len(pairs) == 7
    head = [(f"AU{a}", f"AU{a + 1}") for a in (51, 55, 61)]
    wanted = {value_column(code, "continuous"): value_column(other, "continuous") for code, other in pairs}
    wanted |= {value_column(a, s): value_column(b, s) for a, b in head for s in ("occurrence", "intensity")}
    assert changed == set(wanted) | set(wanted.values())
    for left, right in wanted.items():
        assert (mirrored[left], mirrored[right]) == (row[right], row[left])


def test_not_coded_moves_with_its_side():
    row = {"AU51_c": math.nan, "AU52_c": 1.0, "AU61_r": 3.0, "AU62_r": None}
    np.testing.assert_equal(mirror_row(row), {"AU51_c": 1.0, "AU52_c": math.nan, "AU61_r": None, "AU62_r": 3.0})


def test_one_side_without_the_other_is_refused():
    with pytest.raises(ValueError, match="AU51 without AU52"):
        mirror_row({"AU51_c": 1.0, "AU12_c": 1.0})


def test_a_box_without_the_width_of_its_frame_is_not_guessed():
    row = {"image": picture(), "box_x": 3, "box_y": 4, "box_w": 5, "box_h": 6}
    assert [mirror_row(row)[name] for name in BOX_COLUMNS] == [None] * 4
    with pytest.raises(ValueError, match="width of the crop"):
        mirror_row(row, frame_width=7)
    empty = dict.fromkeys(BOX_COLUMNS)
    assert mirror_row(empty, frame_width=100) == empty


@pytest.mark.parametrize(
    "sides, mirrored", [("R12", "L12"), ("L12+R14", "R12+L14"), ("R12 L12", "L12 R12"), ("AU4 l7", "AU4 r7"), ("", "")]
)
def test_sides(sides, mirrored):
    assert mirror_sides(sides) == mirrored


def test_an_undecoded_picture_is_refused():
    with pytest.raises(TypeError, match="decoded"):
        mirror_row({"image": {"bytes": b"", "path": None}})


def test_the_answer_about_a_mirrored_wink_is_right():
    """End to end: the subject's left eye is shut; in the mirror it is the right one."""
    from datasets import Dataset

    row = dict.fromkeys(FEAFA_COLUMNS, 0.0) | {"feafa_01_left_eye_close_v": 0.8, "feafa_10_jaw_slide_left_v": 0.6}
    mix = ChatMix(1, 0, 0, 0, 0, mirror_share=1.0)
    [turn] = turns_of(row, mix)
    assert turn.answer.startswith("left eye close=0.80, right eye close=0.00")
    [asked] = chat_dataset(Dataset.from_list([{"image": picture(), **row}]), mix)
    answer = asked["completion"][0]["content"][0]["text"]
    assert answer.startswith("left eye close=0.00, right eye close=0.80")
    assert "jaw slide left=0.00, jaw slide right=0.60" in answer
    np.testing.assert_array_equal(np.asarray(asked["images"][0]), np.asarray(picture())[:, ::-1])
    words = turns_of(mirror_row({**row, "sides": ""}), ChatMix(0, 0, 0, 0, 1, scales=("continuous",)))[0].answer
    assert "right eye close, 0.80" in words and "left eye" not in words
