"""Face ids over time: rules on boxes made by hand, properties of any boxes, and drawn faces through the real cascade."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.detection.crop import FaceBox
from aullava.detection.framing import Framing, make_detector
from aullava.detection.tracking import Tracker


def face(x: float, y: float = 100, side: int = 100) -> FaceBox:
    return FaceBox(round(x), round(y), side, side, 0.8)


def ids_of(tracker: Tracker, frames, fps: float = 25, every: int = 1) -> list[list[int]]:
    return [tracker.update(boxes, index / fps, index) for index, boxes in list(enumerate(frames))[::every]]


def test_the_largest_of_the_first_faces_is_0():
    assert Tracker().update([face(0, side=80), face(300, side=120), face(600, side=100)], 0.0, 0) == [2, 0, 1]


def test_faces_keep_their_ids_as_they_move():
    frames = [[face(10 + 5 * k), face(900 - 5 * k, 400)] for k in range(60)]
    assert ids_of(Tracker(), frames) == [[0, 1]] * 60


@pytest.mark.parametrize("kind", ["times", "no times"])
@pytest.mark.parametrize(("missed", "ids"), [(1, [0]), (23, [0]), (26, [1])])
def test_a_face_keeps_its_id_for_a_second_away(kind, missed, ids):
    tracker = Tracker(max_gap_s=1.0)
    for index in range(missed + 1):
        tracker.update([] if index else [face(0)], index / 25 if kind == "times" else None, index)
    index = missed + 1
    assert tracker.update([face(5)], index / 25 if kind == "times" else None, index) == ids


@pytest.mark.parametrize(("missed", "ids"), [(1, [0]), (2, [0]), (3, [1])])
def test_between_sparse_frames_a_face_may_miss_two(missed, ids):
    tracker = Tracker(max_gap_s=1.0, max_gap_frames=2)
    tracker.update([face(0)], 0.0, 0)
    for step in range(1, missed + 1):
        tracker.update([], 5.0 * step, 125 * step)
    assert tracker.update([face(0)], 5.0 * (missed + 1), 125 * (missed + 1)) == ids


def test_frames_that_nobody_looked_at_are_only_time():
    tracker = Tracker(max_gap_s=1.0, max_gap_frames=0)
    assert tracker.update([face(0)], 0.0, 0) == tracker.update([face(0)], 60.0, 1500) == [0]


def test_a_face_elsewhere_is_new_and_no_id_comes_twice():
    tracker = Tracker()
    assert [tracker.update([face(400 * k)], k / 25, k) for k in range(4)] == [[0], [1], [2], [3]]


def test_a_face_may_move_by_its_width_between_sparse_frames():
    assert ids_of(Tracker(), [[face(0)], [face(95)], [face(5)], [face(-85)]], fps=1) == [[0]] * 4


def test_faces_that_pass_each_other_keep_their_ids():
    frames = [[face(8 * k), face(592 - 8 * k, 110)] for k in range(75)]
    assert ids_of(Tracker(), frames) == [[0, 1]] * 75


def covered_in_passing() -> list[list[FaceBox]]:
    """Two faces at one height pass each other; for 15 frames only the one in front is found."""
    frames = []
    for k in range(140):
        front, behind = face(4 * k), face(592 - 4 * k)
        frames.append([front] if abs(front.x - behind.x) < 60 else [front, behind])
    return frames


def test_a_face_that_is_covered_in_passing_keeps_its_id():
    ids = ids_of(Tracker(), covered_in_passing())
    assert ids.count([0]) == 15 and ids.count([0, 1]) == 125


def test_a_box_within_a_face_does_not_take_its_id():
    tracker = Tracker()
    tracker.update([face(0)], 0.0, 0)
    mouth = FaceBox(35, 160, 30, 30, 0.4)
    assert tracker.update([mouth, face(4)], 0.04, 1) == [1, 0]


@pytest.mark.parametrize("arguments", [{"max_gap_s": -1}, {"max_gap_frames": -1}, {"min_iou": 0}, {"min_iou": 1.1}])
def test_settings_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} (is )?{next(iter(arguments.values()))}"):
        Tracker(**arguments)


coordinate = st.integers(0, 400)
boxes = st.builds(FaceBox, coordinate, coordinate, st.integers(1, 200), st.integers(1, 200), st.floats(0, 1))
videos = st.lists(st.lists(boxes, max_size=4, unique=True), max_size=12)
steps = st.sampled_from([0.04, 0.5, 3.0, None])


def tracked(tracker: Tracker, video, step: float | None, start: int = 0) -> list[list[int]]:
    frames = enumerate(video, start)
    return [tracker.update(found, None if step is None else index * step, index) for index, found in frames]


@given(videos, steps)
def test_no_frame_has_an_id_twice_and_new_ids_follow_the_last(video, step):
    highest = -1
    for ids in tracked(Tracker(), video, step):
        assert len(set(ids)) == len(ids)
        new = sorted(face_id for face_id in ids if face_id > highest)
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


@given(videos, steps, st.randoms(use_true_random=False))
def test_the_order_of_boxes_changes_nothing(video, step, random):
    mixed = [random.sample(found, len(found)) for found in video]
    ids, mixed_ids = tracked(Tracker(), video, step), tracked(Tracker(), mixed, step)
    for frame in range(len(video)):
        pairs = dict(zip(video[frame], ids[frame], strict=True))
        assert pairs == dict(zip(mixed[frame], mixed_ids[frame], strict=True))


@given(videos, steps, st.integers(0, 12))
def test_a_state_goes_on_as_if_nothing_had_happened(video, step, stop):
    through = tracked(Tracker(max_gap_frames=1, min_iou=0.2), video, step)
    first = Tracker(max_gap_frames=1, min_iou=0.2)
    ids = tracked(first, video[:stop], step)
    resumed = Tracker.from_state(json.loads(json.dumps(first.state())))
    assert ids + tracked(resumed, video[stop:], step, start=len(video[:stop])) == through


@pytest.mark.parametrize("step", [0.04, None])
@pytest.mark.parametrize("stop", [1, 60, 75, 80, 139, 150, 180])
def test_a_state_remembers_gaps_and_speeds(stop, step):
    video = covered_in_passing() + [[]] * 45 + [[face(560)]]
    through = tracked(Tracker(), video, step)
    assert through[-1] == [2]  # away for too long
    first = Tracker()
    tracked(first, video[:stop], step)
    resumed = Tracker.from_state(json.loads(json.dumps(first.state())))
    assert tracked(resumed, video[stop:], step, start=stop) == through[stop:]


def test_a_state_stays_small():
    tracker = Tracker()
    for index in range(2000):
        tracker.update([face(500 * (index % 7))], index * 1.0, index)
    assert len(json.dumps(tracker.state())) < 2000


@pytest.mark.parametrize("every", [2, 5, 25])
def test_two_drawn_faces_in_motion_are_two_ids(every):
    side = 110
    blots = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    background_HWC = np.asarray(Image.fromarray(blots).resize((480, 270), Image.Resampling.BICUBIC))
    faces = [cv2.resize(sample_face("test", i).image_HWC, (side, side)) for i in (0, 5)]
    detector, tracker = make_detector(Framing(), min_face=0.2), Tracker()
    seen = [set(), set()]
    for t in range(0, 100, every):
        corners = [
            (60 + 35 * np.sin(t / 13), 80 + 40 * np.cos(t / 17)),
            (310 + 45 * np.cos(t / 11), 90 + 40 * np.sin(t / 19)),
        ]
        image_HWC = background_HWC.copy()
        for picture_HWC, (x, y) in zip(faces, corners, strict=True):
            image_HWC[round(y) : round(y) + side, round(x) : round(x) + side] = picture_HWC
        found = detector.detect(image_HWC)
        for box, face_id in zip(found, tracker.update(found, t / 25, t), strict=True):
            seen[box.x > 200].add(face_id)
    assert sorted(map(list, seen)) == [[0], [1]]
