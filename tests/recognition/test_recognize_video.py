"""The faces of one video from Python: rows as they come, whatever a video may be like."""

import threading

import numpy as np
import pytest

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.recognition.video import recognize_video
from aullava.video.decode import VideoReadError

from scenes import UNITS, TwoFacesInLight, save_video
from tiny import tiny_model
from trees.videos import write_video


@pytest.fixture(scope="module")
def checkpoint():
    return tiny_model()


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return save_video(tmp_path_factory.mktemp("film") / "film.avi", 9, dark=(4,))


def test_rows_come_as_they_are_read(checkpoint, film):
    rows = recognize_video(film, *checkpoint, UNITS, faces=TwoFacesInLight(), batch_size=2)
    first = next(rows)
    assert (first.input, first.frame, first.face_id) == (str(film), 0, 0)
    rest = list(rows)
    assert [row.frame for row in rest] == [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    assert rest[7].status == "no_face" and rest[7].timestamp == pytest.approx(0.2)


def test_drawn_faces_are_found_and_followed(checkpoint, tmp_path):
    canvas = np.full((160, 320, 3), 128, np.uint8)
    pictures = []
    for number in range(4):
        picture = canvas.copy()
        for person, left in ((0, 20 + 4 * number), (1, 200 - 4 * number)):
            picture[32:128, left : left + 96] = sample_face("test", person).image_HWC
        pictures.append(picture)
    film = write_video(tmp_path / "film.mp4", pictures=pictures, codec="libx264")
    rows = list(recognize_video(str(film), *checkpoint, ["disfa", UNITS], mode="parallel"))
    places = {face: [row.box[0] for row in rows if row.face_id == face] for face in (0, 1)}
    assert [row.frame for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len({places[face][0] < 150 for face in (0, 1)}) == 2
    assert all(abs(later - sooner) < 20 for xs in places.values() for sooner, later in zip(xs, xs[1:], strict=False))
    assert list(rows[0].readings) == ["disfa", "custom"]


def test_a_video_that_is_cut_off_gives_its_rows_and_then_an_error(checkpoint, film, tmp_path):
    cut = tmp_path / "cut.avi"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size * 4 // 5])
    rows, found = recognize_video(cut, *checkpoint, UNITS, faces="none", batch_size=2), []
    with pytest.raises(VideoReadError, match="cut.avi.*announces"):
        for row in rows:
            found.append(row.frame)
    assert found == list(range(len(found))) and len(found) > 2


def test_what_is_no_video(checkpoint, film, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(FileNotFoundError, match="gone.mp4"):
        recognize_video(tmp_path / "gone.mp4", *checkpoint)
    with pytest.raises(VideoReadError, match="text.mp4"):
        list(recognize_video(tmp_path / "text.mp4", *checkpoint))
    with pytest.raises(ValueError, match="bp5d"):
        recognize_video(film, *checkpoint, "bp5d")
    with pytest.raises(ValueError, match="every is 0"):
        recognize_video(film, *checkpoint, every=0)


def test_leaving_early_lets_go_of_the_file(checkpoint, film):
    for row in recognize_video(film, *checkpoint, UNITS, faces="none", batch_size=1):
        assert row.frame == 0
        break
    del row
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("aullava")]
