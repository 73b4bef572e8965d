"""Corruptions spoil more with strength, alike in every run, where they say and nowhere else."""

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import Identity, Scene, draw_face, sample_face
from aullava.evaluation.corruption import KINDS, corrupt

RANDOM = ("noise", "brightness", "occlude_eyes", "occlude_mouth", "rotation")


@pytest.fixture(scope="module")
def face():
    return Image.fromarray(sample_face("test", 3).image_HWC)


def distance(one, other):
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_strength_spoils_more_than_the_one_below(kind, face):
    before = np.array(face)
    rows = [f"procedural/test/{index}" for index in range(8)]
    spoilt = [[corrupt(face, kind, strength, row) for row in rows] for strength in range(1, 6)]
    found = [np.mean([distance(face, image) for image in images]) for images in spoilt]
    assert found[0] > 0 and all(low < high for low, high in zip(found, found[1:], strict=False)), found
    assert all(image.size == face.size and image.mode == "RGB" for images in spoilt for image in images)
    np.testing.assert_array_equal(np.array(face), before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_row_is_spoilt_alike_and_other_rows_otherwise_where_there_is_chance(kind, face):
    rows = [f"row-{number}" for number in range(8)]
    pictures = {corrupt(face, kind, 3, row).tobytes() for row in rows}
    assert pictures == {corrupt(face, kind, 3, row).tobytes() for row in rows}
    assert (len(pictures) > 1) == (kind in RANDOM)


@pytest.mark.parametrize("kind", KINDS)
def test_strengths_mean_the_same_at_every_size(kind):
    """Twice the size loses about as much; the grain of noise and JPEG's blocks are of single pixels."""
    if kind in ("noise", "jpeg"):
        return
    small, large = (Image.fromarray(sample_face("test", 3, size=size).image_HWC) for size in (96, 192))
    found = [distance(image, corrupt(image, kind, 4, "row")) for image in (small, large)]
    assert found[1] == pytest.approx(found[0], rel=0.15)


@pytest.mark.parametrize("kind, hidden, free", [("occlude_eyes", "AU5", "AU26"), ("occlude_mouth", "AU12", "AU5")])
def test_a_bar_hides_what_its_name_says(kind, hidden, free):
    """Seen by a frontal face that differs in one action only: behind the full bar nothing of it is left."""
    identity = Identity.sample(np.random.default_rng(0))

    def covered(action, strength):
        parts = {action: strength} if action == "AU26" else {f"{action}L": strength, f"{action}R": strength}
        return corrupt(Image.fromarray(draw_face(identity, parts, Scene.neutral()).image_HWC), kind, 5, "row")

    def shown(action):
        plain, acting = (
            draw_face(
                identity,
                dict.fromkeys([action] if action == "AU26" else [action + "L", action + "R"], s),
                Scene.neutral(),
            ).image_HWC
            for s in (0.0, 1.0)
        )
        return distance(plain, acting)

    assert distance(covered(hidden, 0.0), covered(hidden, 1.0)) < 0.35 * shown(hidden)
    assert distance(covered(free, 0.0), covered(free, 1.0)) > 0.6 * shown(free)


def test_grey_and_transparent_pictures_become_rgb():
    for mode in ("L", "RGBA", "P"):
        assert corrupt(Image.new(mode, (40, 30)), "rotation", 2, "row").mode == "RGB"


@pytest.mark.parametrize("kind, strength", [("fog", 1), ("blur", 0), ("blur", 6)])
def test_unknown_kinds_and_severities_are_refused(kind, strength, face):
    with pytest.raises(ValueError, match="expected a severity from 1 to 5 of blur, noise"):
        corrupt(face, kind, strength, "row")


def test_a_picture_without_pixels_to_lose_keeps_them():
    small = Image.fromarray(sample_face("test", 3, size=48).image_HWC)
    assert corrupt(small, "resolution", 1, "row").tobytes() == small.tobytes()
    assert corrupt(small, "resolution", 3, "row").tobytes() != small.tobytes()
