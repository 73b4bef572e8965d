"""What the page says of a unit, and where on the drawn example it is."""

import numpy as np
import pytest

from aullava.action_units import ACTION_UNITS, FEAFA_UNITS, PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import ACTIONS
from aullava.space.tab_draw import GROUPS, PRESETS
from aullava.space.units import actions_of, atlas_css, drawable, example, muscle_of, part_of_face, spots


def test_every_unit_has_a_part_of_the_face():
    for code in (*ACTION_UNITS, *FEAFA_UNITS):
        assert part_of_face(code)


def test_every_unit_of_a_protocol_has_an_example():
    for protocol in PROTOCOLS.values():
        assert set(protocol.units) <= set(drawable())


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ("AU12", ("AU12L", "AU12R")),
        ("AU9", ("AU9",)),
        ("feafa_12_left_lip_corner_pull", ("AU12L",)),
        ("feafa_07_left_brow_raise", ("AU1L", "AU2L")),
        ("feafa_09_jaw_drop", ("AU27",)),
        ("AU11", ()),
    ],
)
def test_the_actions_that_show_a_unit(code, actions):
    assert actions_of(code) == actions


def test_the_example_changes_where_the_spots_are():
    rest = example("AU0") or None
    assert rest is None  # nothing to show
    smile, frown = example("AU12").image_HWC.astype(int), example("AU4").image_HWC.astype(int)
    changed_HW = np.abs(smile - frown).max(-1) > 40
    side = changed_HW.shape[0]
    marked_HW = np.zeros_like(changed_HW)
    for spot in (*spots("AU12"), *spots("AU4")):
        top, left = int(spot.top * side / 100), int(spot.left * side / 100)
        marked_HW[top : top + int(spot.height * side / 100) + 1, left : left + int(spot.width * side / 100) + 1] = True
    assert changed_HW.sum() > 100
    assert (changed_HW & marked_HW).sum() / changed_HW.sum() > 0.95


def test_left_is_the_persons_own_and_so_on_the_right_of_the_picture():
    [left], [right] = spots("feafa_12_left_lip_corner_pull"), spots("feafa_13_right_lip_corner_pull")
    assert left.left >= 49
    assert right.left + right.width <= 51


def test_muscles_come_from_the_table():
    assert muscle_of("AU12") == "zygomaticus major"
    assert muscle_of("feafa_07_left_brow_raise") == "frontalis, pars medialis; frontalis, pars lateralis"
    assert muscle_of("feafa_17_lower_lip_suck") == "orbicularis oris"


def test_the_style_sheet_holds_every_example_and_no_address_elsewhere():
    css = atlas_css()
    assert css.count("background-position") == len(drawable())
    assert "http" not in css


def test_every_action_has_a_slider_and_presets_move_sliders():
    from aullava.dataset_builder.synthetic.drawn.actions import SIDED_CODES

    moved = [
        code + side for codes in GROUPS.values() for code in codes for side in ("LR" if code in SIDED_CODES else [""])
    ]
    assert sorted(moved) == sorted(ACTIONS)
    for actions in PRESETS.values():
        assert set(actions) <= set(ACTIONS)
