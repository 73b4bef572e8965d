"""Videos as they are written: every frame at its place and time, playable in a browser, whole or not at all."""

import av
import numpy as np
import pytest

from aullava.video.decode import VideoFrames
from aullava.video.encode import write_video

from trees.videos import number_of, numbered_picture


def numbered(times):
    return ((seconds, numbered_picture(number)) for number, seconds in enumerate(times))


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_frames_come_back_at_their_own_times(tmp_path, monkeypatch, codec):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", codec.replace("h264", "libx264")})
    times = [0, 0.1, 0.25, 0.3, 1.0, 1.04, 2.5, *(2.54 + 0.04 * i for i in range(30))]
    assert write_video(tmp_path / "a.mp4", numbered(times), rate=25) == len(times)
    with VideoFrames(tmp_path / "a.mp4") as video:
        found = [(number_of(image_HWC), seconds) for _, seconds, image_HWC in video]
    assert [number for number, _ in found] == list(range(len(times)))
    assert [seconds for _, seconds in found] == pytest.approx(times, abs=1e-4)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == (codec, "yuv420p")


@pytest.mark.parametrize("rate", [10, 24000 / 1001, 30000 / 1001, 60])
def test_players_are_told_rate_and_length(tmp_path, rate):
    write_video(tmp_path / "a.mp4", numbered(i / rate for i in range(30)), rate)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-3)
        assert container.duration / av.time_base == pytest.approx(30 / rate, abs=2e-3)


def test_an_index_at_the_front_lets_browsers_begin_at_once(tmp_path):
    write_video(tmp_path / "a.mp4", numbered([0, 0.1]), 10)
    written = (tmp_path / "a.mp4").read_bytes()
    assert 0 < written.index(b"moov") < written.index(b"mdat")


def test_odd_sides_get_one_pixel_more_and_colours_stay(tmp_path):
    red = np.zeros((33, 47, 3), np.uint8)
    red[..., 0] = 250
    write_video(tmp_path / "a.mp4", [(0.0, red)], 10)
    with VideoFrames(tmp_path / "a.mp4") as video:
        found = video.frame(0)
    assert found.shape == (34, 48, 3)
    assert np.abs(found[:33, :47].astype(int) - red).max() < 12 and found[33, 47, 0] > 238


@pytest.mark.parametrize(
    "times, shapes, said",
    [
        ([], [], "no frames to write"),
        ([0, 0.1, 0.1], [(8, 8)] * 3, "ascending times"),
        ([0, 0.1], [(8, 8), (8, 10)], "frames of one size"),
    ],
)
def test_what_is_no_film_leaves_the_file_that_was_there(tmp_path, times, shapes, said):
    target = tmp_path / "a.mp4"
    target.write_text("an older film")
    frames = [(t, np.zeros((*shape, 3), np.uint8)) for t, shape in zip(times, shapes, strict=True)]
    with pytest.raises(ValueError, match=said):
        write_video(target, frames, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"] and target.read_text() == "an older film"


def test_a_rate_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 frames a second"):
        write_video(tmp_path / "a.mp4", numbered([0]), 0)


def test_a_reader_that_fails_half_way_leaves_nothing(tmp_path):
    def broken():
        yield from numbered([0, 0.1])
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_video(tmp_path / "a.mp4", broken(), 10)
    assert list(tmp_path.iterdir()) == []


def test_frames_are_taken_one_by_one(tmp_path):
    held, most = 0, 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal held
            held -= 1

    def counted():
        nonlocal held, most
        for number in range(60):
            held += 1
            most = max(most, held)
            yield number / 10, numbered_picture(number).copy().view(Counted)

    write_video(tmp_path / "a.mp4", counted(), 10)
    assert most < 8
