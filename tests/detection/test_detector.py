"""A real photograph and drawn faces through the real cascade, and which of the faces a detector hands on."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.detection.crop import FaceBox
from aullava.detection.detector import HaarDetector, NoDetector
from aullava.detection.framing import Framing, make_detector

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


def test_haar_box_scales_with_the_picture_beyond_the_search_size(astronaut_HWC):
    haar = HaarDetector(min_face=0.1)
    (face,) = haar.detect(astronaut_HWC)
    (large,) = haar.detect(np.asarray(Image.fromarray(astronaut_HWC).resize((2048, 2048))))
    found, expected = np.array([large.x, large.y, large.w]) / 4, np.array([face.x, face.y, face.w])
    assert abs(found - expected).max() < 10


def test_haar_finds_a_face_in_the_dark(haar, astronaut_HWC):
    assert len(haar.detect((astronaut_HWC * 0.08).astype(np.uint8))) == 1


@pytest.mark.parametrize("shape", [(200, 200, 3), (16, 16, 3), (16, 160, 3), (1, 1, 3), (1, 5000, 3)])
def test_haar_finds_nothing_where_nothing_is(haar, shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert haar.detect(noise) == []
    assert haar.detect(np.full(shape, 128, dtype=np.uint8)) == []


def test_no_detector_hands_the_whole_picture_on():
    image = Image.fromarray(np.zeros((20, 30, 3), dtype=np.uint8))
    (box,) = NoDetector().detect(np.asarray(image))
    assert box == FaceBox(0, 0, 30, 20, score=None)
    assert NoDetector().crop(image, box).size == (30, 20)


def on_background(size: tuple[int, int], *corners_and_sides: tuple[int, int, int]) -> np.ndarray:
    """Drawn faces on a smooth background."""
    width, height = size
    blots = np.random.default_rng(3).integers(60, 200, (3, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC)
    for number, (x, y, side) in enumerate(corners_and_sides):
        picture.paste(Image.fromarray(sample_face("test", number).image_HWC).resize((side, side)), (x, y))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def two_faces_HWC() -> np.ndarray:
    return on_background((480, 270), (20, 60, 180), (320, 90, 90))


def test_largest_face_comes_first_and_alone_where_it_is_asked_for(two_faces_HWC):
    large, small = make_detector(Framing()).detect(two_faces_HWC)
    assert large.w * large.h > small.w * small.h and large.x < 200 < small.x
    assert make_detector(Framing(largest=True)).detect(two_faces_HWC) == [large]


def test_faces_below_the_asked_confidence_are_left_out(two_faces_HWC):
    faces = make_detector(Framing()).detect(two_faces_HWC)
    low, high = sorted(face.score for face in faces)
    assert low < high
    surest = make_detector(Framing(), min_confidence=high)
    assert [face.score for face in surest.detect(two_faces_HWC)] == [high]
    assert make_detector(Framing(), min_confidence=1.0).detect(two_faces_HWC) == []
    assert surest.crop(Image.fromarray(two_faces_HWC), faces[0]).width == round(1.5 * faces[0].w)


def test_a_face_without_a_score_is_kept():
    assert make_detector(Framing("none", largest=True), min_confidence=0.9).detect(np.zeros((4, 6, 3), np.uint8)) == [
        FaceBox(0, 0, 6, 4)
    ]


@pytest.mark.parametrize("share_or_pixels", [130, 0.5])
def test_smallest_face_is_pixels_or_a_share_of_the_shorter_side(two_faces_HWC, share_or_pixels):
    (face,) = make_detector(Framing(), min_face=share_or_pixels).detect(two_faces_HWC)
    assert face.x < 200 and face.w >= 130


def test_a_face_too_small_for_the_usual_search_is_found_when_asked_for():
    image_HWC = on_background((2560, 200), (1200, 50, 40))
    assert make_detector(Framing()).detect(image_HWC) == []
    (face,) = make_detector(Framing(), min_face=24).detect(image_HWC)
    assert 1200 <= face.x < face.x + face.w <= 1240


@pytest.mark.parametrize("wrong", [0, -3, 0.0, 1.0, 1.5, -0.1, True, float("nan")])
def test_a_smallest_face_without_meaning_is_refused(wrong):
    with pytest.raises(ValueError, match="min_face is"):
        make_detector(Framing(), min_face=wrong)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_confidence_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="min_confidence is"):
        make_detector(Framing(), min_confidence=wrong)


def test_threads_share_a_detector(haar):
    images = [on_background((200, 150), (20 * n, 10, 100 + 5 * n)) for n in range(4)]
    expected = [haar.detect(image_HWC) for image_HWC in images]
    assert all(expected)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(haar.detect, images * 5)) == expected * 5


def test_detectors_go_by_name():
    assert isinstance(make_detector(Framing()), HaarDetector)
    assert isinstance(make_detector(Framing("none")), NoDetector)
