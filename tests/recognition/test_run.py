"""From files to rows with a real model: order, batches, several faces, pictures without one, bad files."""

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.media.detection import FaceBox, NoDetector, crop_face
from aullava.recognition.run import read_faces

from tiny import tiny_model

BP4D = PROTOCOLS["bp4d"]


@pytest.fixture(scope="module")
def checkpoint():
    return tiny_model()


@pytest.fixture
def pictures(tmp_path):
    """Six readable pictures of random pixels; the third and the last are dark."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        bright = 40 if i in (2, 5) else 256
        Image.fromarray(rng.integers(0, bright, (48, 64, 3), dtype=np.uint8)).save(path)
    return paths


class TwoFacesInLight:
    """Finds a face in either half of a bright picture and none in a dark one."""

    def detect(self, image_HWC):
        return [FaceBox(0, 0, 32, 32, 0.9), FaceBox(32, 16, 32, 32, 0.5)] if image_HWC.mean() > 60 else []

    def crop(self, image, box):
        return crop_face(image, box, margin=0)


def read(files, checkpoint, detector=None, batch_size=4, mode="joint"):
    failures = []
    rows = read_faces(
        files,
        *checkpoint,
        BP4D,
        mode=mode,
        detector=detector or NoDetector(),
        batch_size=batch_size,
        failures=failures,
    )
    return list(rows), failures


def test_rows_of_whole_pictures_equal_model_recognize(checkpoint, pictures):
    model, processor = checkpoint
    rows, failures = read(pictures, checkpoint)
    alone = model.recognize(pictures, processor=processor, protocol="bp4d")
    assert failures == []
    assert [row.input for row in rows] == [str(path) for path in pictures]
    assert [row.reading.values for row in rows] == [reading.values for reading in alone]
    assert all(row.reading.box == (0, 0, 64, 48) and row.reading.score is None and row.success == 1 for row in rows)
    assert len({reading.text for reading in alone}) > 1  # or a mix-up of rows would not show


def test_faces_keep_their_order_and_pictures_without_one_stay(checkpoint, pictures):
    rows, _ = read(pictures, checkpoint, TwoFacesInLight())
    found = [(row.input[-5], row.face_id, row.reading.status) for row in rows]
    two = [(0, "ok"), (1, "ok")]
    expected = {"2": [(-1, "no_face")], "5": [(-1, "no_face")]}
    assert found == [(name, *face) for name in "012345" for face in expected.get(name, two)]
    assert rows[1].reading.box == (32, 16, 32, 32) and rows[1].reading.score == 0.5
    blank = rows[4]
    assert blank.success == 0 and blank.reading.box is None and set(blank.reading.values.values()) == {None}


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_over_several_files_change_no_value(checkpoint, pictures, batch_size):
    rows, _ = read(pictures, checkpoint, TwoFacesInLight(), batch_size=batch_size)
    reference, _ = read(pictures, checkpoint, TwoFacesInLight(), batch_size=8)
    assert [(r.input, r.face_id, r.reading.text) for r in rows] == [
        (r.input, r.face_id, r.reading.text) for r in reference
    ]
    probabilities = [list(row.reading.probabilities.values()) for row in rows if row.has_face]
    assert probabilities == [
        pytest.approx(list(row.reading.probabilities.values()), abs=1e-5) for row in reference if row.has_face
    ]


def test_bad_files_are_collected_and_the_rest_is_read(checkpoint, pictures, tmp_path):
    text, gone = tmp_path / "text.png", tmp_path / "gone.png"
    text.write_text("no picture")
    rows, failures = read([pictures[0], text, pictures[1], gone], checkpoint, batch_size=3)
    assert [row.input for row in rows] == [str(pictures[0]), str(pictures[1])]
    assert [failure.path for failure in failures] == [text, gone]
    assert all(str(failure.path) in str(failure) for failure in failures)


def test_rows_come_while_later_files_are_unread(checkpoint, pictures):
    asked = []

    def files():
        for path in pictures:
            asked.append(path)
            yield path

    model, processor = checkpoint
    rows = read_faces(files(), model, processor, BP4D, mode="joint", detector=NoDetector(), batch_size=2, failures=[])
    next(rows)
    assert len(asked) == 2


def test_many_pictures_without_a_face_do_not_pile_up(checkpoint, pictures):
    asked = []

    def files():
        for path in [pictures[2]] * 20:
            asked.append(path)
            yield path

    model, processor = checkpoint
    rows = read_faces(
        files(), model, processor, BP4D, mode="joint", detector=TwoFacesInLight(), batch_size=2, failures=[]
    )
    next(rows)
    assert len(asked) < 20


def test_generated_text_that_is_no_answer_gives_no_values(checkpoint, pictures):
    rows, _ = read(pictures[:2], checkpoint, mode="generate")
    for row in rows:
        assert row.success == int(row.reading.status in ("ok", "repaired"))
        assert (row.reading.status == "invalid") == (set(row.reading.values.values()) == {None})


def test_batch_size_below_one_is_refused(checkpoint, pictures):
    with pytest.raises(ValueError, match="batch_size is 0"):
        read(pictures, checkpoint, batch_size=0)
