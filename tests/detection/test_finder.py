"""The finder and its check: rendered faces in larger pictures, and pictures without one."""

import cv2
import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.rendered.samples import describe_face
from aullava.dataset_builder.synthetic.rendered.store import render_heads
from aullava.detection.crop import FaceBox
from aullava.detection.finder import GeometryDetector, distinct, overlap
from aullava.detection.framing import AskedFraming, Framing, make_detector
from aullava.training.geometry.crops import square_of
from aullava.training.geometry.textures import texture


@pytest.fixture(scope="module")
def scenes():
    """Pictures of 280 x 200 with a face of 20 to 60 pixels somewhere, and its true box."""
    heads = render_heads("test", 500, 16, 128, zoom=(0.3, 0.7))
    drawn, made = np.random.default_rng(2), []
    for image, landmarks in zip(heads.images_NHWC, heads.landmarks_N68_2, strict=True):
        plane = cv2.resize(texture(drawn, 200), (280, 200))
        x, y = int(drawn.integers(0, 280 - 128)), int(drawn.integers(0, 200 - 128))
        plane[y : y + 128, x : x + 128] = image
        made.append((plane, _box(landmarks.astype(float) + (x, y))))
    return made


def _box(landmarks) -> FaceBox:
    x, y, side = square_of(landmarks)
    return FaceBox(round(x - side / 2), round(y - side / 2), round(side), round(side))


def test_faces_of_people_it_never_saw_are_found_and_framed(scenes):
    detector = GeometryDetector()
    hits = [max((overlap(box, true) for box in detector.detect(image)), default=0) for image, true in scenes]
    assert np.mean(np.array(hits) > 0.5) >= 0.9
    assert np.median(hits) > 0.75


def test_pictures_without_a_face_stay_empty():
    drawn = np.random.default_rng(3)
    detector = GeometryDetector()
    assert sum(len(detector.detect(texture(drawn, 256))) for _ in range(30)) <= 2
    assert detector.detect(np.zeros((90, 200, 3), np.uint8)) == []


def test_boxes_move_and_grow_with_the_picture(scenes):
    detector = GeometryDetector()
    image, true = next((image, true) for image, true in scenes if len(detector.detect(image)) == 1)
    [box] = detector.detect(image)
    [larger] = detector.detect(cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC))
    assert overlap(larger, FaceBox(3 * box.x, 3 * box.y, 3 * box.w, 3 * box.h)) > 0.8
    assert overlap(box, true) > 0.5


def test_a_face_that_fills_its_picture_is_found():
    described = describe_face("test", 900)
    image = described.render(128).image_HWC
    side = square_of(described.landmarks(128).astype(float))[2]
    [box] = GeometryDetector().detect(cv2.resize(image, (640, 640), interpolation=cv2.INTER_CUBIC))
    assert abs(box.w - side * 5) < 0.3 * side * 5


def test_small_faces_are_left_out_where_that_is_asked(scenes):
    image, _ = next((image, true) for image, true in scenes if GeometryDetector().detect(image))
    [box, *_] = GeometryDetector().detect(image)
    assert all(found.w >= box.w + 5 for found in GeometryDetector(min_face=box.w + 5).detect(image))
    with pytest.raises(ValueError, match="min_face is 0"):
        GeometryDetector(min_face=0)


def test_of_overlapping_boxes_the_surest_stays():
    boxes = [FaceBox(0, 0, 10, 10, 0.5), FaceBox(1, 0, 10, 10, 0.9), FaceBox(40, 0, 10, 10, 0.3)]
    assert distinct(boxes, 0.4) == [boxes[1], boxes[2]]
    assert overlap(boxes[0], boxes[2]) == 0


def test_a_framing_may_name_it_and_its_margin_is_its_own(scenes):
    framing = Framing("geometry")
    detector = make_detector(framing)
    assert framing.margin == detector.margin == 0.25
    assert "the networks of this package" in str(framing)
    assert AskedFraming("geometry").over(None) == framing
    image, _ = next((image, true) for image, true in scenes if detector.detect(image))
    [box, *_] = detector.detect(image)
    assert detector.crop(Image.fromarray(image), box).size == (round(box.w * 1.5),) * 2
