"""Drawn films: people who can be found, labels that are what is drawn, files that recognize and pandas read."""

import csv
from itertools import pairwise

import numpy as np
import pytest

from aullava.action_units import PROTOCOLS
from aullava.dataset_builder.synthetic.drawn import film, sample_face
from aullava.dataset_builder.synthetic.drawn.film import WHERE, film_frames, write_film
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.filming import label_columns
from aullava.detection.detector import HaarDetector
from aullava.video.decode import VideoFrames

SMALL = (256, 144)


@pytest.fixture(scope="module")
def frames():
    return list(film_frames(seconds=20, rate=0.5))


def overlap(box, other) -> float:
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[0] + box[2], other[0] + other[2]), min(box[1] + box[3], other[1] + other[3])
    common = max(0, right - left) * max(0, bottom - top)
    return common / (box[2] * box[3] + other[2] * other[3] - common)


def test_the_detector_finds_both_faces_where_the_labels_say(frames):
    detector = HaarDetector()
    whole = 0
    for frame in frames:
        boxes = [(box.x, box.y, box.w, box.h) for box in detector.detect(frame.image_HWC)]
        whole += all(any(overlap(face.box, box) > 0.6 for box in boxes) for face in frame.faces)
    assert whole >= 0.95 * len(frames)


def test_faces_move_slowly_and_stay_in_their_tile():
    for before, after in pairwise(film_frames(seconds=6, rate=5, people=3, size=SMALL)):
        assert [face.person for face in after.faces] == [0, 1, 2]
        for one, other in zip(before.faces, after.faces, strict=True):
            assert overlap(one.box, other.box) > 0.8
            assert (
                other.person * 256 / 3 <= other.box[0] and other.box[0] + other.box[2] <= (other.person + 1) * 256 / 3
            )
            assert other.box[1] >= 0 and other.box[1] + other.box[3] <= 144
    first, last = before.faces[0], next(iter(film_frames(seconds=6, rate=5, people=3, size=SMALL))).faces[0]
    assert first.box != last.box


def test_what_a_second_shows_does_not_depend_on_the_rate():
    slow, fast = list(film_frames(3, 1, size=SMALL)), list(film_frames(3, 2, size=SMALL))
    for one, other in zip(slow, fast[::2], strict=True):
        assert one.seconds == other.seconds and one.faces == other.faces
        assert np.array_equal(one.image_HWC, other.image_HWC)


def test_people_are_those_of_the_test_split():
    performer = film.Performer(person=0, seconds=1, seed=5, tile=(256, 144), left=0)
    assert performer.identity == sample_face("test", 0, seed=5).identity
    [frame] = film_frames(seconds=0.1, people=1, seed=5, size=SMALL)
    [other] = film_frames(seconds=0.1, people=1, seed=6, size=SMALL)
    assert frame.image_HWC.shape == (144, 256, 3) and len(frame.faces) == 1
    assert not np.array_equal(frame.image_HWC, other.image_HWC)


def test_the_files_hold_every_frame_and_its_truth(tmp_path):
    video_file, table = write_film(tmp_path / "new", seconds=3, rate=10, seed=2, size=SMALL)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["film.mp4", "labels.csv"]
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == label_columns(WHERE) and len(rows) == 60
    with VideoFrames(video_file) as video:
        drawn = film_frames(3, 10, seed=2, size=SMALL)
        for (index, seconds, image_HWC), frame in zip(video, drawn, strict=True):
            assert np.abs(image_HWC.astype(int) - frame.image_HWC).mean() < 4
            for row, face in zip(rows[2 * index : 2 * index + 2], frame.faces, strict=True):
                assert [int(row[name]) for name in ("frame", "person", "x", "y", "w", "h")] == [
                    index,
                    face.person,
                    *face.box,
                ]
                assert float(row["timestamp"]) == pytest.approx(seconds, abs=1e-3)
                for protocol in (PROTOCOLS["disfa"], PROTOCOLS["feafa"]):
                    truth = values_of(face.actions, protocol)
                    assert {code: float(row[protocol.column(code)]) for code in protocol.units} == truth
    acted = [column for column in label_columns(WHERE) if column.endswith(("_r", "_v"))]
    assert len({row[column] for row in rows for column in acted}) > 10


def test_a_film_goes_to_a_folder_of_its_own(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        write_film(tmp_path, seconds=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"seconds": 0}, "expected a frame or more"),
        ({"rate": 0}, "expected a frame or more"),
        ({"people": 0}, "1 to 3 people"),
        ({"people": 4}, "1 to 3 people"),
        ({"size": (100, 360)}, "too few for 2 people: expected 58 of width for each"),
        ({"size": (640, 50)}, "60 of height"),
    ],
)
def test_what_cannot_be_filmed_is_refused_at_once(asked, said):
    with pytest.raises(ValueError, match=said):
        film_frames(**asked)
