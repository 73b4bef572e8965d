"""Faces of frames: found and cropped with the real detectors, numbered in stills and videos, and odd frames."""

import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.detection.crop import FaceBox
from aullava.detection.detector import NoDetector
from aullava.detection.framing import Framing, make_detector
from aullava.detection.tracking import Tracker
from aullava.recognition.frames import Frame
from aullava.recognition.rows import find_faces, number_faces


@pytest.fixture(scope="module")
def haar():
    return make_detector(Framing(), min_face=0.2)


def drawn(size: tuple[int, int], *corners_and_sides: tuple[int, int, int]) -> np.ndarray:
    """Drawn faces, each x, y and side, on a flat background; they may reach past the border."""
    picture = Image.new("RGB", size, (120, 130, 140))
    for number, (x, y, side) in enumerate(corners_and_sides):
        picture.paste(Image.fromarray(sample_face("test", number).image_HWC).resize((side, side)), (x, y))
    return np.asarray(picture)


def found_at(*corners_and_sides: tuple[int, int, int]) -> list[tuple[FaceBox, Image.Image]]:
    """As `find_faces` returns them; a crop's grey level tells which it is."""
    boxes = [FaceBox(x, y, side, side, 0.5) for x, y, side in corners_and_sides]
    return [(box, Image.new("RGB", (2, 2), (place,) * 3)) for place, box in enumerate(boxes)]


def test_faces_are_cropped_from_the_frame_as_from_the_picture(haar):
    image_HWC = drawn((400, 200), (30, 30, 90), (220, 30, 140))
    found = find_faces(Frame("a.png", image_HWC=image_HWC), haar)
    assert [box.x > 200 for box, _ in found] == [True, False]
    for box, crop in found:
        assert (np.asarray(crop) == np.asarray(haar.crop(Image.fromarray(image_HWC), box))).all()


def test_a_frame_without_a_picture_or_a_face_has_none(haar):
    assert find_faces(Frame("a.mp4", fault="damaged"), haar) == []
    assert find_faces(Frame("a.mp4", image_HWC=drawn((300, 200))), haar) == []
    assert number_faces(Frame("a.mp4"), [], Tracker()) == number_faces(Frame("a.png"), []) == []


def test_faces_of_a_still_are_numbered_by_size(haar):
    frame = Frame("a.png", image_HWC=drawn((400, 200), (30, 30, 90), (220, 30, 140)))
    faces = number_faces(frame, find_faces(frame, haar))
    assert [face.face_id for face in faces] == [0, 1]
    assert faces[0].box.x > 200 > faces[1].box.x


def test_faces_of_a_video_keep_their_ids_and_come_sorted_by_them():
    tracker = Tracker()
    first = number_faces(Frame("a.mp4", 0, 0.0), found_at((0, 0, 100), (300, 0, 90)), tracker)
    second = number_faces(Frame("a.mp4", 1, 0.04), found_at((300, 0, 110), (0, 0, 100)), tracker)
    assert [(face.face_id, face.box.x) for face in first] == [(0, 0), (1, 300)]
    assert [(face.face_id, face.box.x) for face in second] == [(0, 0), (1, 300)]
    assert [face.crop.getpixel((0, 0))[0] for face in second] == [1, 0]  # each with its own crop


def test_frames_without_a_face_count_for_the_tracker():
    tracker = Tracker(max_gap_s=0.5, max_gap_frames=0)
    number_faces(Frame("a.mp4", 0, 0.0), found_at((0, 0, 100)), tracker)
    number_faces(Frame("a.mp4", 25, 1.0), [], tracker)
    (face,) = number_faces(Frame("a.mp4", 50, 2.0), found_at((0, 0, 100)), tracker)
    assert face.face_id == 1


def test_a_whole_frame_is_face_0_of_its_video_throughout():
    tracker = Tracker(max_gap_s=0.0, max_gap_frames=0)
    for index, size in ((0, (64, 48)), (500, (8, 6)), (900, (640, 480))):
        frame = Frame("a.mp4", index, index / 25, drawn(size))
        (face,) = number_faces(frame, find_faces(frame, NoDetector()), tracker)
        assert (face.face_id, face.crop.size) == (0, size) == (0, (face.box.w, face.box.h))


@pytest.mark.parametrize("corner", [(-8, 40), (278, 40), (100, -8), (100, 118)])
def test_a_face_at_the_border_is_cropped_whole(haar, corner):
    frame = Frame("a.png", image_HWC=drawn((400, 240), (*corner, 130)))
    found = find_faces(frame, haar)
    assert found
    for box, crop in found:
        assert 0 <= box.x < box.x + box.w <= 400 and 0 <= box.y < box.y + box.h <= 240
        assert crop.size == (round(1.5 * box.w),) * 2


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_a_tiny_frame_has_no_face_or_is_one(haar, size):
    frame = Frame("a.png", image_HWC=drawn(size))
    assert find_faces(frame, haar) == []
    ((box, crop),) = find_faces(frame, NoDetector())
    assert (box.w, box.h) == crop.size == size


def test_a_face_in_grey_is_found(haar):
    grey_HW = np.asarray(Image.fromarray(drawn((300, 200), (80, 20, 150))).convert("L"))
    ((_, crop),) = find_faces(Frame("a.png", image_HWC=np.repeat(grey_HW[..., None], 3, axis=2)), haar)
    assert np.ptp(np.asarray(crop), axis=2).max() == 0


def test_a_frame_of_8k_is_searched_small_and_cropped_in_full(haar):
    image_HWC = np.full((4320, 7680, 3), 130, dtype=np.uint8)
    image_HWC[1000:3400, 2000:4400] = drawn((2400, 2400), (0, 0, 2400))
    ((box, crop),) = find_faces(Frame("a.png", image_HWC=image_HWC), haar)
    assert 1900 <= box.x < box.x + box.w <= 4500 and box.w > 1200
    assert crop.size == (round(1.5 * box.w),) * 2
