"""Boxes and crops: a real photograph through the real cascade, and crops checked pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from aullava.media.detection import FaceBox, HaarDetector, NoDetector, crop_face, make_detector

EYES_XY = np.array([[213, 106], [244, 109]])  # of the astronaut, read off the picture; her right eye first


@pytest.fixture(scope="module")
def astronaut_HWC() -> np.ndarray:
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="module")
def haar() -> HaarDetector:
    return HaarDetector()


def test_haar_finds_the_one_face_of_a_photograph(haar, astronaut_HWC):
    (face,) = haar.detect(astronaut_HWC)
    inside = ((face.x, face.y) < EYES_XY) & ((face.x + face.w, face.y + face.h) > EYES_XY)
    assert inside.all()
    assert 0.5 < face.score < 1


def test_haar_crop_frames_a_photograph_like_a_drawn_face(haar, astronaut_HWC):
    (face,) = haar.detect(astronaut_HWC)
    image = Image.fromarray(astronaut_HWC)
    side = haar.crop(image, face).width
    corner = np.array([face.x + face.w / 2, face.y + face.h / 2]) - side / 2
    eyes = (EYES_XY - corner) / side
    assert 0.2 < eyes[1, 0] - eyes[0, 0] < 0.36
    assert (abs(eyes[:, 1] - 0.42) < 0.08).all()


def test_haar_box_scales_with_the_picture_beyond_the_search_size(haar, astronaut_HWC):
    (face,) = haar.detect(astronaut_HWC)
    (large,) = haar.detect(np.asarray(Image.fromarray(astronaut_HWC).resize((2048, 2048))))
    found, expected = np.array([large.x, large.y, large.w]) / 4, np.array([face.x, face.y, face.w])
    assert abs(found - expected).max() < 10


def test_haar_finds_a_face_in_the_dark(haar, astronaut_HWC):
    assert len(haar.detect((astronaut_HWC * 0.08).astype(np.uint8))) == 1


@pytest.mark.parametrize("shape", [(200, 200, 3), (16, 16, 3), (16, 160, 3)])
def test_haar_finds_nothing_where_nothing_is(haar, shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert haar.detect(noise) == []
    assert haar.detect(np.full(shape, 128, dtype=np.uint8)) == []


def test_no_detector_hands_the_whole_picture_on():
    image = Image.fromarray(np.zeros((20, 30, 3), dtype=np.uint8))
    (box,) = NoDetector().detect(np.asarray(image))
    assert box == FaceBox(0, 0, 30, 20, score=None)
    assert NoDetector().crop(image, box).size == (30, 20)


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
        crop_face(Image.new("RGB", (20, 15)), box)


def test_negative_margin_is_refused():
    with pytest.raises(ValueError, match="margin"):
        crop_face(Image.new("RGB", (20, 15)), FaceBox(0, 0, 5, 5), -0.1)


def test_detectors_go_by_name():
    assert isinstance(make_detector("auto"), HaarDetector)
    assert isinstance(make_detector("none"), NoDetector)
    with pytest.raises(ValueError, match="auto, none"):
        make_detector("mtcnn")
