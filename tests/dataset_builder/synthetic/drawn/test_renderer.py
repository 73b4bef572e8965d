"""What a drawn face looks like: every action can be seen, in its place, on its side, and more of it the stronger it is."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import ACTIONS, Identity, Scene, draw_face, sample_face
from aullava.dataset_builder.synthetic.drawn.actions import SIDED_CODES

# Mean absolute change in grey levels inside an action's region at full strength, over PEOPLE of all skin tones. The darkest face
# has about half of it. Measured at the time of writing: 8.8 (AU20L) to 40 (AU4R).
EFFECT_FLOOR, EFFECT_FLOOR_OF_ONE = 8.0, 4.0
REFERENCE = Path(__file__).with_name("reference_faces.json")
REFERENCE_TOLERANCE = 1.5  # grey levels of an 8 x 8 thumbnail; another OpenCV build rounds antialiased edges otherwise


def person(number: int, **changes) -> Identity:
    who = Identity.sample(np.random.Generator(np.random.PCG64(number)), skin_tone=1 + number % 10)
    return replace(who, **changes)


PEOPLE = [person(number) for number in range(100, 110)]
NEUTRAL = Scene.neutral()
MASKS = draw_face(PEOPLE[0], {}, NEUTRAL).region_masks()


@cache
def neutral_face(who: Identity) -> np.ndarray:
    return draw_face(who, {}, NEUTRAL).image_HWC.astype(float)


def change(who: Identity, actions: dict[str, float]) -> np.ndarray:
    """Mean absolute change against the neutral face, (96, 96)."""
    return np.abs(draw_face(who, actions, NEUTRAL).image_HWC - neutral_face(who)).mean(2)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_can_be_seen_in_its_region(action):
    mask_HW = MASKS[action]
    changes = [change(who, {action: 1.0}) for who in PEOPLE]
    effects = [change_HW[mask_HW].mean() for change_HW in changes]
    assert np.mean(effects) > EFFECT_FLOOR
    assert min(effects) > EFFECT_FLOOR_OF_ONE
    assert np.mean([change_HW[mask_HW].sum() / change_HW.sum() for change_HW in changes]) > 0.6


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stronger_action_changes_the_face_more(action):
    mask_HW = MASKS[action]
    for who in PEOPLE[::3]:
        doses = [change(who, {action: dose})[mask_HW].mean() for dose in (0.0, 0.25, 0.5, 0.75, 1.0)]
        assert np.all(np.diff(doses) > 0), doses


@pytest.mark.parametrize("code", SIDED_CODES)
def test_left_is_the_subjects_own_and_lies_on_the_images_right(code):
    for side, image_half in (("L", slice(48, None)), ("R", slice(None, 48))):
        change_HW = change(PEOPLE[3], {code + side: 1.0})
        share = change_HW[:, image_half].sum() / change_HW.sum()
        assert share > 0.7, (code, side, share)


def test_the_jaw_slides_to_the_subjects_own_side():
    for who in PEOPLE:
        shifts = {side: mouth_shift(who, {f"AD30{side}": 1.0}) for side in "LR"}
        assert shifts["L"] >= 2 and shifts["R"] <= -2, (who, shifts)


def mouth_shift(who: Identity, actions: dict[str, float]) -> int:
    """Pixels of 96 by which the mouth lies further to the image's right than on the neutral face."""
    rows, columns, reach = slice(62, 80), slice(34, 62), 10
    mouth = np.float32(neutral_face(who))[rows, columns]
    around = np.float32(draw_face(who, actions, NEUTRAL).image_HWC)[rows, columns.start - reach : columns.stop + reach]
    return int(cv2.matchTemplate(around, mouth, cv2.TM_CCOEFF_NORMED)[0].argmax()) - reach


def test_contradictory_actions_are_resolved_and_the_face_says_what_was_drawn():
    face = draw_face(PEOPLE[0], {"AU43L": 0.3, "AU5L": 0.9}, NEUTRAL)
    assert (face.actions["AU43L"], face.actions["AU5L"]) == (0.0, 0.9)
    assert np.array_equal(face.image_HWC, draw_face(PEOPLE[0], {"AU5L": 0.9}, NEUTRAL).image_HWC)


@pytest.mark.parametrize("actions", [{"AU99": 0.5}, {"AU12L": 2.0}, {"AU12L": float("nan")}])
def test_meaningless_actions_are_refused(actions):
    with pytest.raises(ValueError, match="AU"):
        draw_face(PEOPLE[0], actions, NEUTRAL)


def test_a_size_too_small_for_a_face_is_refused():
    assert draw_face(PEOPLE[0], {}, NEUTRAL, size=32).image_HWC.shape == (32, 32, 3)
    with pytest.raises(ValueError, match="31"):
        draw_face(PEOPLE[0], {}, NEUTRAL, size=31)


@pytest.mark.parametrize("size", [64, 256])
def test_a_face_looks_the_same_at_every_size(size):
    for who in PEOPLE[:4]:
        usual = draw_face(who, {"AU12L": 0.8, "AU4R": 0.5}, NEUTRAL).image_HWC
        other = draw_face(who, {"AU12L": 0.8, "AU4R": 0.5}, NEUTRAL, size=size).image_HWC
        small = [
            cv2.resize(image_HWC, (32, 32), interpolation=cv2.INTER_AREA).astype(float) for image_HWC in (usual, other)
        ]
        assert np.abs(small[0] - small[1]).mean() < 3.0


def test_region_masks_name_every_action_and_follow_the_pose():
    straight = draw_face(PEOPLE[0], {}, NEUTRAL).region_masks()
    turned = draw_face(PEOPLE[0], {}, replace(NEUTRAL, yaw=0.3)).region_masks()
    assert list(straight) == list(ACTIONS)
    columns = np.arange(96)
    for action in ("AU9", "AU17", "AU12L", "AU12R"):
        assert straight[action].shape == (96, 96)
        before, after = (columns[masks[action].any(0)].mean() for masks in (straight, turned))
        assert after > before + 3


def test_values_are_those_of_the_drawn_actions():
    face = sample_face("test", 4)
    assert set(face.values(PROTOCOLS["feafa"]).values()) <= {n / 100 for n in range(101)}
    assert face.values(PROTOCOLS["disfa"])["AU12"] == int(5 * max(face.actions["AU12L"], face.actions["AU12R"]) + 0.5)


def test_faces_are_those_of_the_reference():
    """Another machine draws the same faces, up to the rounding of edges. `python <this file>` writes the reference anew."""
    expected = json.loads(REFERENCE.read_text())
    for name, thumbnail in thumbnails().items():
        assert np.abs(np.array(thumbnail) - np.array(expected[name])).max() <= REFERENCE_TOLERANCE, name


def thumbnails() -> dict[str, list]:
    faces = {
        f"{split}-{index}": sample_face(split, index)
        for split in ("train", "validation", "test")
        for index in (0, 1, 2)
    }
    pooled = {name: face.image_HWC.reshape(8, 12, 8, 12, 3).mean((1, 3)) for name, face in faces.items()}
    return {name: np.round(pool, 1).tolist() for name, pool in pooled.items()}


if __name__ == "__main__":
    REFERENCE.write_text(json.dumps(thumbnails(), separators=(",", ":")) + "\n")
