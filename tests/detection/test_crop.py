"""Boxes, and crops checked pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from aullava.detection.crop import FaceBox, box_within, crop_face, largest_first


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ((3.4, 2.6, 5.2, 4.0), FaceBox(3, 3, 6, 4, 0.5)),
        ((-4.0, -2.0, 10.0, 10.0), FaceBox(0, 0, 6, 8, 0.5)),
        ((15.0, 10.0, 30.0, 9.0), FaceBox(15, 10, 5, 5, 0.5)),
    ],
)
def test_a_box_is_whole_pixels_inside_the_picture(found, kept):
    assert box_within(np.array(found), 20, 15, score=0.5) == kept


def test_boxes_go_by_area():
    small, large, left = FaceBox(0, 0, 3, 3), FaceBox(9, 9, 5, 5), FaceBox(1, 9, 5, 5)
    assert largest_first([small, large, left]) == [left, large, small]


@pytest.mark.parametrize(
    "box", [FaceBox(4, 3, 6, 6), FaceBox(0, 0, 5, 5), FaceBox(12, 7, 8, 8), FaceBox(2, 2, 4, 9), FaceBox(0, 0, 20, 15)]
)
@pytest.mark.parametrize("margin", [0.0, 0.25, 2.0])
def test_crop_is_a_square_around_the_box_with_the_border_repeated(box, margin):
    pixels_HWC = np.random.default_rng(1).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    crop = np.asarray(crop_face(Image.fromarray(pixels_HWC), box, margin))
    side = round(max(box.w, box.h) * (1 + 2 * margin))
    assert crop.shape == (side, side, 3)
    pad = 100
    padded = np.pad(pixels_HWC, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    left, top = round(box.x + box.w / 2 - side / 2) + pad, round(box.y + box.h / 2 - side / 2) + pad
    assert (crop == padded[top : top + side, left : left + side]).all()


@pytest.mark.parametrize("box", [FaceBox(20, 0, 5, 5), FaceBox(0, 0, 0, 5), FaceBox(-9, 0, 9, 9)])
def test_crop_of_a_box_outside_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="20 x 15"):
        crop_face(Image.new("RGB", (20, 15)), box, margin=0.25)


def test_negative_margin_is_refused():
    with pytest.raises(ValueError, match="margin"):
        crop_face(Image.new("RGB", (20, 15)), FaceBox(0, 0, 5, 5), -0.1)
