"""From files to rows with a real model: order, blocks, several faces, frames without one, bad files, threads."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.detection.detector import NoDetector
from aullava.recognition.frames import read_frames
from aullava.recognition.inputs import Source
from aullava.recognition.pipeline import ReadSettings, read_items
from aullava.recognition.work import START, work_items

from scenes import UNITS, TwoFacesInLight, save_pictures, save_video, settings_for, sources_of, work_on
from tiny import tiny_model


@pytest.fixture(scope="module")
def checkpoint():
    return tiny_model()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Six readable pictures; the third and the last are dark."""
    return save_pictures(tmp_path_factory.mktemp("pictures"), 6, dark=(2, 5))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return save_video(tmp_path_factory.mktemp("video") / "film.avi", 14, dark=(3, 4, 9))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("aullava")]


def read(paths, settings):
    """Rows and failures."""
    blocks = list(read_items(work_on(paths, settings.batch_size), settings))
    return [row for block in blocks for row in block.rows], [f for block in blocks for f in block.failures]


def same_reading(row, other, abs=1e-5):
    found, expected = row.reading, other.reading
    assert (found.values, found.text, found.status) == (expected.values, expected.text, expected.status)
    assert list(found.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=abs)


def test_units_are_videos_and_a_batch_of_pictures_in_a_row():
    sources = [Source(Path(f"{i}.png"), "image") for i in range(5)]
    films = [Source(Path("a.mp4"), "video"), Source(Path("b.mp4"), "video"), Source(Path("webcam:0"), "webcam")]
    items = work_items([*sources, *films, *sources], 2)
    assert [len(item.sources) for item in items] == [2, 2, 1, 1, 1, 1, 2, 2, 1]
    assert [item.number for item in items] == list(range(9))
    assert [source for item in items for source in item.sources] == [*sources, *films, *sources]
    assert work_items([], 2) == []
    with pytest.raises(ValueError, match="batch_size is 0"):
        work_items(sources, 0)


def test_rows_of_whole_pictures_equal_model_recognize(checkpoint, pictures):
    model, processor = checkpoint
    rows, failures = read(pictures, settings_for(checkpoint, NoDetector()))
    alone = model.recognize(pictures, processor=processor, protocol=UNITS)
    assert failures == []
    assert [row.input for row in rows] == [str(path) for path in pictures]
    assert [row.reading.values for row in rows] == [reading.values for reading in alone]
    assert all(row.box == (0, 0, 64, 48) and row.score is None and row.success == 1 for row in rows)
    assert len({reading.text for reading in alone}) > 1  # or a mix-up of rows would not show


def test_faces_keep_their_order_and_pictures_without_one_stay(checkpoint, pictures):
    rows, _ = read(pictures, settings_for(checkpoint))
    found = [(row.input[-5], row.face_id, row.status) for row in rows]
    two = [(0, "ok"), (1, "ok")]
    expected = {"2": [(-1, "no_face")], "5": [(-1, "no_face")]}
    assert found == [(name, *face) for name in "012345" for face in expected.get(name, two)]
    assert rows[1].box == (34, 16, 30, 30) and rows[1].score == 0.5
    blank = rows[4]
    assert blank.success == 0 and blank.box is None and set(blank.reading.values.values()) == {None}


def test_frames_of_a_video_are_numbered_and_timed(checkpoint, video):
    rows, _ = read([video], settings_for(checkpoint))
    faces = [(row.frame, row.face_id) for row in rows]
    dark = (3, 4, 9)
    assert faces == [(n, face) for n in range(14) for face in ((-1,) if n in dark else (0, 1))]
    assert [row.timestamp for row in rows] == pytest.approx([row.frame / 20 for row in rows])
    assert len({row.reading.text for row in rows}) > 1


def test_the_chosen_frames_of_a_video(checkpoint, video):
    rows, _ = read([video], settings_for(checkpoint, NoDetector(), every=5))
    assert [(row.frame, row.face_id) for row in rows] == [(0, 0), (5, 0), (10, 0)]
    rows, _ = read([video], settings_for(checkpoint, NoDetector(), fps=10))
    assert [row.frame for row in rows] == [0, 2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_change_no_value(checkpoint, pictures, video, batch_size):
    rows, _ = read([*pictures, video], settings_for(checkpoint, batch_size=batch_size))
    reference, _ = read([*pictures, video], settings_for(checkpoint, batch_size=8))
    assert [(r.input, r.frame, r.face_id) for r in rows] == [(r.input, r.frame, r.face_id) for r in reference]
    for row, other in zip(rows, reference, strict=True):
        same_reading(row, other)


def test_saved_crops_read_the_same(checkpoint, video, tmp_path):
    rows, _ = read([video], settings_for(checkpoint))
    detector, crops = TwoFacesInLight(), []
    for frame in read_frames(Source(video, "video")):
        for box in detector.detect(frame.image_HWC):
            crops.append(tmp_path / f"{len(crops)}.png")
            detector.crop(Image.fromarray(frame.image_HWC), box).save(crops[-1])
    alone, _ = read(crops, settings_for(checkpoint, NoDetector(), batch_size=5))
    faces = [row for row in rows if row.has_face]
    assert len(faces) == 22
    for row, other in zip(faces, alone, strict=True):
        same_reading(row, other)


def test_faces_of_several_frames_share_a_block_and_frames_stay_whole(checkpoint, pictures, video):
    blocks = list(read_items(work_on([*pictures, video], 5), settings_for(checkpoint, batch_size=5)))
    assert [(block.item.number, block.frames, block.faces) for block in blocks] == [
        (0, 3, 4),  # two bright, one dark
        (0, 2, 4),
        (1, 1, 0),  # the sixth picture
        (2, 2, 4),
        (2, 4, 4),  # around the two dark frames
        (2, 2, 4),
        (2, 3, 4),
        (2, 2, 4),
        (2, 1, 2),
    ]
    assert [block.done for block in blocks] == [False, True, True, *[False] * 5, True]


def test_a_crowd_is_read_in_one_block(checkpoint, pictures):
    class Crowd(TwoFacesInLight):
        def detect(self, image_HWC):
            return super().detect(image_HWC) * 5

    rows, _ = read(pictures[:2], settings_for(checkpoint, Crowd(), batch_size=3))
    few, _ = read(pictures[:2], settings_for(checkpoint))
    assert [row.face_id for row in rows] == [*range(10), *range(10)]
    for number, row in enumerate(rows):
        same_reading(row, few[number // 10 * 2 + number % 2])


def test_several_protocols_are_read_off_one_look(checkpoint, pictures):
    rows, _ = read(pictures[:3], settings_for(checkpoint, protocols=("disfa", UNITS)))
    single, _ = read(pictures[:3], settings_for(checkpoint))
    assert [list(row.readings) for row in rows] == [["disfa", "custom"]] * 5
    assert all(row.reading is row.readings["disfa"] for row in rows)
    assert [row.readings["custom"].values for row in rows] == [row.reading.values for row in single]
    assert rows[0].box == (0, 0, 32, 32)
    for reading in rows[0].readings.values():  # as earlier versions had it
        with pytest.warns(FutureWarning, match="use FaceRow.box"):
            assert reading.box == (0, 0, 32, 32)
    assert rows[-1].status == "no_face" and set(rows[-1].readings["disfa"].values.values()) == {None}


def test_a_row_whose_protocols_contradict_each_other_says_so(checkpoint, pictures):
    """Untrained weights answer each question for itself: a unit is present by one answer and at level 0 by the other."""
    rows, _ = read(pictures, settings_for(checkpoint, protocols=("bp4d", "disfa")))
    faces, expected = [row for row in rows if row.has_face], []
    for row in faces:
        present, level = (row.readings[name].values for name in ("bp4d", "disfa"))
        expected.append(tuple(code for code in present if present[code] == 1 and level.get(code) == 0))
    assert [row.contradictions for row in faces] == expected and any(expected)
    assert [row.status for row in faces] == ["contradictory" if codes else "ok" for codes in expected]
    assert {row.success for row in faces} == {1} and not any(row.contradictions for row in rows if not row.has_face)


def test_reading_goes_on_from_every_block_with_the_same_bits(checkpoint, pictures, tmp_path):
    # The left face, the larger one, comes later: it is number 1 for whoever remembers the other.
    video = save_video(tmp_path / "late.avi", 10, dark=(5,), left_dark=(0, 1))
    settings = settings_for(checkpoint, batch_size=4)
    items = work_items(sources_of(*pictures, video), 4)
    whole = list(read_items([(item, START) for item in items], settings))
    assert len(whole) > 6 and [row.box[0] for row in whole[-2].rows] == [34, 0] * 2
    for number, block in enumerate(whole):
        later = [(item, START) for item in items if item.number > block.item.number]
        again = list(read_items([(block.item, block.after), *later], settings))
        rest = whole[number + 1 :] if not block.done else [again[0], *whole[number + 1 :]]
        assert again == rest
        assert not block.done or (again[0].rows, again[0].done) == ((), True)


def test_bad_files_are_collected_and_the_rest_is_read(checkpoint, pictures, video, tmp_path):
    text, gone, empty = tmp_path / "text.png", tmp_path / "gone.png", tmp_path / "empty.avi"
    text.write_text("no picture")
    empty.write_text("no video")
    rows, failures = read([pictures[0], text, empty, pictures[1], gone, video], settings_for(checkpoint, batch_size=3))
    assert [f.path for f in failures] == [text, empty, gone]
    assert all(str(failure.path) in str(failure) for failure in failures)
    assert list(dict.fromkeys(row.input for row in rows)) == [str(p) for p in (pictures[0], pictures[1], video)]
    assert len(rows) == 2 + 2 + 25


def test_a_video_that_is_cut_off_keeps_its_rows(checkpoint, video, pictures, tmp_path):
    cut = tmp_path / "cut.avi"
    cut.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    rows, [failure] = read([cut, pictures[0]], settings_for(checkpoint))
    whole, _ = read([video], settings_for(checkpoint))
    of_cut = [row for row in rows if row.input == str(cut)]
    assert 5 < len(of_cut) < len(whole) and len(rows) == len(of_cut) + 2
    for row, other in zip(of_cut, whole, strict=False):
        assert (row.frame, row.face_id) == (other.frame, other.face_id)
        same_reading(row, other)
    assert failure.path == cut and "announces" in failure.reason


def test_a_frame_that_cannot_be_used_has_a_row_that_says_so(checkpoint, video):
    class Choosy(TwoFacesInLight):
        def detect(self, image_HWC):
            if image_HWC.mean() <= 60:  # as OpenCV does where it does not like a picture
                cv2.cvtColor(np.zeros((2, 2), np.float64), cv2.COLOR_RGB2GRAY)
            return super().detect(image_HWC)

    rows, failures = read([video], settings_for(checkpoint, Choosy()))
    bad = [row for row in rows if row.fault]
    assert [(row.frame, row.face_id, row.status, row.success) for row in bad] == [
        (n, -1, "unreadable", 0) for n in (3, 4, 9)
    ]
    assert all("detector" in row.fault and set(row.reading.values.values()) == {None} for row in bad)
    assert [row.face_id for row in rows if not row.fault] == [0, 1] * 11 and failures == []


def test_faces_keep_their_numbers_over_damage(checkpoint, tmp_path):
    class Choosy(TwoFacesInLight):
        def detect(self, image_HWC):
            if image_HWC.mean() <= 60:
                raise cv2.error("no")
            return super().detect(image_HWC)

    film = save_video(tmp_path / "film.avi", 32, dark=range(2, 30))
    for detector, last in (
        (Choosy(), [0, 1]),
        (TwoFacesInLight(), [2, 3]),
    ):  # damaged, or nobody there for over a second
        rows, _ = read([film], settings_for(checkpoint, detector))
        assert [row.face_id for row in rows[-2:]] == last


class CountingDetector(TwoFacesInLight):
    """Counts how many frames it has seen."""

    def __init__(self):
        self.seen = []

    def detect(self, image_HWC):
        self.seen.append(None)
        return super().detect(image_HWC)


def settled(counted: list, expected: int) -> int:
    """The length of a list some time after other threads have made it as long as expected."""
    began = time.monotonic()
    while len(counted) < expected and time.monotonic() - began < 30:
        time.sleep(0.01)
    time.sleep(0.3)
    return len(counted)


def test_later_frames_are_made_ready_meanwhile_and_not_too_many(checkpoint, tmp_path):
    film = save_video(tmp_path / "long.avi", 60)
    short = save_video(tmp_path / "short.avi", 2)
    detector = CountingDetector()
    blocks = read_items(work_on([short, film], 2), settings_for(checkpoint, detector, batch_size=2))
    next(blocks)
    # The block, and twice the batch ahead: the second frame, the end of the item, and two frames of the next one.
    assert settled(detector.seen, 4) == 1 + 3
    next(block for block in blocks if block.item.number)
    assert settled(detector.seen, 2 + 1 + 4) == 2 + 1 + 4
    blocks.close()


def test_frames_without_a_face_do_not_pile_up(checkpoint, tmp_path):
    film = save_video(tmp_path / "dark.avi", 40, dark=tuple(range(40)))
    blocks = list(read_items(work_on([film], 2), settings_for(checkpoint, batch_size=2)))
    assert [block.frames for block in blocks] == [8] * 5 and blocks[-1].done


def test_large_crops_do_not_pile_up(checkpoint, pictures, monkeypatch):
    picture = 4 * 48 * 64
    monkeypatch.setattr("aullava.recognition.pipeline._BLOCK_BYTES", 2 * picture)
    blocks = list(read_items(work_on(pictures, 6), settings_for(checkpoint, NoDetector(), batch_size=6)))
    assert [block.frames for block in blocks] == [2, 2, 2]


def test_large_pictures_wait_until_there_is_room(checkpoint, tmp_path, monkeypatch):
    # Room for three frames before their faces are found, when they take 3 bytes a pixel; with their crops they take more.
    monkeypatch.setattr("aullava.recognition.prefetch._BYTES_AHEAD", 3 * 3 * 48 * 64)
    film, detector = save_video(tmp_path / "film.avi", 30), CountingDetector()
    detector.crop = lambda image, box: image
    blocks = read_items(work_on([film], 20), settings_for(checkpoint, detector, batch_size=20))
    first = next(blocks)
    assert first.frames == 10 and settled(detector.seen, 11) <= 10 + 3
    assert sum(block.frames for block in blocks) == 20


def test_an_error_in_a_thread_reaches_the_caller(checkpoint, pictures):
    class Broken(TwoFacesInLight):
        def detect(self, image_HWC):
            if image_HWC.mean() <= 60:
                raise RuntimeError("out of order")
            return super().detect(image_HWC)

    blocks = read_items(work_on(pictures, 2), settings_for(checkpoint, Broken(), batch_size=2))
    assert next(blocks).faces == 2
    with pytest.raises(RuntimeError, match="out of order"):
        list(blocks)


def test_settings_that_make_no_sense_end_the_run(checkpoint, pictures, video):
    with pytest.raises(ValueError, match="every is 2 and fps is 3"):
        read([video], settings_for(checkpoint, every=2, fps=3))
    with pytest.raises(ValueError, match="batch_size is 0"):
        settings_for(checkpoint, batch_size=0)
    with pytest.raises(ValueError, match="protocols are none"):
        settings_for(checkpoint, protocols=())
    with pytest.raises(ValueError, match="disfa, disfa"):
        disfa = PROTOCOLS["disfa"]
        ReadSettings(*checkpoint, (disfa, disfa), NoDetector())


def test_an_error_of_the_model_is_let_through(pictures):
    model, processor = tiny_model()
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError):
        read(pictures, settings_for((model, processor)))


def test_closing_in_the_middle_stops_all_threads_at_once(checkpoint, tmp_path):
    film = save_video(tmp_path / "long.avi", 400)
    blocks = read_items(work_on([film], 2), settings_for(checkpoint, batch_size=2, workers=3))
    next(blocks)
    assert sum(thread.name.startswith("aullava") for thread in threading.enumerate()) > 1
    began = time.monotonic()
    blocks.close()
    assert time.monotonic() - began < 4


def test_nothing_to_do_is_no_block(checkpoint):
    assert list(read_items([], settings_for(checkpoint))) == []


def test_generated_text_that_is_no_answer_gives_no_values(checkpoint, pictures):
    rows, _ = read(pictures[:2], settings_for(checkpoint, NoDetector(), mode="generate"))
    for row in rows:
        assert row.success == int(row.status in ("ok", "repaired"))
        assert (row.status == "invalid") == (set(row.reading.values.values()) == {None})
