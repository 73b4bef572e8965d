"""Which frames of images, videos and webcams are read, with which numbers and times."""

import contextlib
import itertools
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from aullava.dataset_builder.synthetic.drawn import sample_face
from aullava.image_aullava import ImageReadError
from aullava.recognition.frames import _Choice, _webcam_frames, frame_count, read_frames
from aullava.recognition.inputs import Source, collect
from aullava.video.decode import VideoFrames, VideoReadError

from trees.videos import damage_packets, number_of, numbered_picture, write_video


def video(path: Path) -> Source:
    return Source(path, "video")


def numbers(source: Source, **options) -> list[int]:
    """Indices of the frames that are read, each of which shows its number."""
    found = list(read_frames(source, **options))
    assert [number_of(frame.image_HWC) for frame in found] == [frame.index for frame in found]
    return [frame.index for frame in found]


def write_at(path: Path, milliseconds: list[int], codec: str = "libx264") -> Path:
    """A video of numbered pictures that are shown at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=20)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        for number, time in enumerate(milliseconds):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_an_image_is_one_upright_frame(tmp_path):
    face_HWC = sample_face("test", 0).image_HWC
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    Image.fromarray(face_HWC).save(tmp_path / "face.png", exif=exif)
    source = Source(tmp_path / "face.png", "image")
    [frame] = read_frames(source, every=7, start=0)
    assert (frame.input, frame.index, frame.timestamp, frame.fault) == (str(tmp_path / "face.png"), 0, 0.0, "")
    assert frame.image_HWC.dtype == np.uint8 and np.array_equal(frame.image_HWC, np.rot90(face_HWC, 3))
    with contextlib.closing(read_frames(source, start=1)) as frames:
        assert list(frames) == []
    assert frame_count(source, fps=2) == 1


def test_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "face.png").write_bytes(b"no picture")
    frames = read_frames(Source(tmp_path / "face.png", "image"))
    with pytest.raises(ImageReadError, match="face.png"):
        next(frames)


def test_every_nth_frame(tmp_path):
    source = video(write_video(tmp_path / "a.mp4", 20, codec="libx264", b_frames=3))
    assert numbers(source) == list(range(20))
    assert numbers(source, every=6) == [0, 6, 12, 18]
    assert numbers(source, every=100) == [0]
    [_, frame] = read_frames(source, every=10)
    assert (frame.input, frame.timestamp) == (str(tmp_path / "a.mp4"), pytest.approx(0.5))


@pytest.mark.parametrize(
    "fps,expected",
    [
        (20, range(40)),
        (1000, range(40)),
        (10, range(0, 40, 2)),
        (2, [0, 10, 20, 30]),
        (0.5, [0]),
        (8, [0, 3, 5, 8, 10]),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_a_second(tmp_path, name, fps, expected):
    source = video(write_video(tmp_path / name, 40, codec="libx264"))
    found = numbers(source, fps=fps)
    assert found[: len(expected)] == list(expected)
    assert frame_count(source, fps=fps) == len(found)


def test_times_that_are_rounded_to_milliseconds_lose_no_frame(tmp_path):
    """Matroska stores 33, 67, 100 ms; 33 ms lie before the second thirtieth of a second."""
    source = video(write_video(tmp_path / "a.mkv", 60, rate=30, codec="libx264"))
    assert numbers(source, fps=30) == list(range(60))
    assert numbers(source, fps=15) == list(range(0, 60, 2))
    assert numbers(source, fps=10) == list(range(0, 60, 3))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_variable_frame_rate_keeps_its_own_times(tmp_path, name):
    times = [0, 40, 80, 500, 520, 540, 1000, 2900, 3000, 3010]
    source = video(write_at(tmp_path / name, times))
    found = list(read_frames(source))
    assert [number_of(frame.image_HWC) for frame in found] == list(range(10))
    assert [frame.timestamp for frame in found] == pytest.approx([time / 1000 for time in times], abs=1e-3)
    assert numbers(source, fps=2) == [0, 3, 6, 7, 8]
    assert numbers(source, fps=1) == [0, 6, 7, 8]
    assert numbers(source, every=4) == [0, 4, 8]


@pytest.mark.parametrize("options", [{}, {"every": 4}, {"fps": 3}])
def test_a_reading_that_goes_on_chooses_the_same_frames(tmp_path, options):
    source = video(write_video(tmp_path / "a.mp4", 40, codec="libx264"))
    whole = numbers(source, **options)
    for start in (0, 1, 13, 20, 39, 40):
        assert numbers(source, start=start, **options) == [index for index in whole if index >= start]


def test_frames_left_out_are_not_converted(tmp_path, monkeypatch):
    source = video(write_video(tmp_path / "a.avi", 30))
    converted = []
    picture = VideoFrames.picture
    monkeypatch.setattr(VideoFrames, "picture", lambda self: converted.append(self.index) or picture(self))
    list(read_frames(source, fps=2, start=5))
    assert converted == [10, 20]


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_turned_video_is_upright(tmp_path, degrees):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255
    path = write_video(tmp_path / "a.mp4", pictures=[picture] * 2, codec="libx264", rotation=degrees)
    for frame in read_frames(video(path)):
        upright = np.rot90(picture, degrees // 90)
        assert np.abs(frame.image_HWC.astype(int) - upright).mean() < 10


def test_a_damaged_frame_is_a_frame_without_picture(tmp_path):
    path = write_video(tmp_path / "a.mov", 40, codec="mjpeg")
    damage_packets(path, 20)
    found = list(read_frames(video(path), every=5))
    assert [(frame.index, frame.timestamp) for frame in found] == [(i, pytest.approx(i / 20)) for i in range(0, 40, 5)]
    lost = found.pop(4)
    assert lost.image_HWC is None and lost.fault == "cannot be decoded (Invalid data found when processing input)"
    assert [number_of(frame.image_HWC) for frame in found] == [0, 5, 10, 15, 25, 30, 35]


@pytest.mark.parametrize("every", [1, 7])
def test_a_video_cut_off_gives_its_frames_and_then_says_so(tmp_path, every):
    path = write_video(tmp_path / "a.mp4", 40, codec="libx264", options={"movflags": "+faststart"})
    os.truncate(path, path.stat().st_size - 200)
    found = []
    with pytest.raises(VideoReadError, match=r"a.mp4: .* announces 40 frames and ends after \d\d frames"):
        for frame in read_frames(video(path), every=every):
            found.append(number_of(frame.image_HWC))
    assert found == list(range(0, found[-1] + 1, every)) and 20 < found[-1] < 40
    assert frame_count(video(path)) == 40


def test_what_holds_no_frame(tmp_path):
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux([*stream.encode(sound), *stream.encode()])
    with av.open(str(tmp_path / "none.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=20)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        container.start_encoding()
    (tmp_path / "text.mp4").write_text("not a film")
    for name, reason in [
        ("sound", "holds no video stream"),
        ("none", "without a frame"),
        ("text", "10 bytes that are not"),
    ]:
        [path] = tmp_path.glob(f"{name}.*")
        with pytest.raises(VideoReadError, match=f"{path.name}: .*{reason}"):
            next(read_frames(video(path)))
    assert frame_count(video(tmp_path / "text.mp4")) is None


@pytest.mark.parametrize("name", ["a b.mp4", "a\nb.mp4", "\U0001f600.mp4", "caf\udce9.mp4", "100%d:?.mp4"])
def test_names_that_are_hard_to_print(tmp_path, name):
    write_video(tmp_path / "plain.mp4", 3).rename(tmp_path / name)
    [source] = collect([tmp_path]).sources
    assert source == video(tmp_path / name) and numbers(source) == [0, 1, 2] and frame_count(source) == 3


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    source = video(write_video(tmp_path / "a.avi", 3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'au-llava\[video\]'"):
        next(read_frames(source))
    assert frame_count(source) is None


def test_a_frame_of_8k(tmp_path):
    picture = np.zeros((4320, 7680, 3), np.uint8)
    picture[:2160] = 255
    path = write_video(tmp_path / "a.avi", pictures=[picture], codec="mjpeg")
    [frame] = read_frames(video(path))
    assert (
        frame.image_HWC.shape == (4320, 7680, 3)
        and frame.image_HWC[2000].min() > 250 > 5 > frame.image_HWC[2300].max()
    )


@pytest.mark.parametrize("shape,said", [((8, 64, 3), "64 x 8 px"), ((32, 640, 3), "640 x 32 px")])
def test_frames_that_would_be_refused_as_pictures(tmp_path, shape, said):
    path = write_video(tmp_path / "a.avi", pictures=[np.zeros(shape, np.uint8)] * 2, codec="mjpeg")
    for frame in read_frames(video(path)):
        assert frame.image_HWC is None and said in frame.fault


@pytest.mark.parametrize("options", [{"every": 0}, {"every": -3}, {"every": 1.5}, {"fps": 0}, {"fps": -1}, {"fps": float("nan")},
                                     {"fps": float("inf")}, {"every": 2, "fps": 5}, {"start": -1}])  # fmt: skip
@pytest.mark.parametrize("kind", ["image", "video", "webcam"])
def test_options_that_make_no_sense_are_refused_at_once(tmp_path, kind, options):
    with pytest.raises(ValueError, match="is .*: expected"):
        read_frames(Source(tmp_path / "a.mp4", kind), **options)


def test_how_many_frames_will_be_read(tmp_path):
    announced = video(write_video(tmp_path / "a.mp4", 41, codec="libx264"))
    estimated = video(write_video(tmp_path / "a.mkv", 41, codec="libx264"))
    for source in (announced, estimated):
        assert frame_count(source) == 41
        for options in ({"every": 4}, {"every": 40}, {"every": 41}, {"fps": 5}, {"fps": 20}, {"fps": 100}):
            assert frame_count(source, **options) == len(numbers(source, **options))
    assert frame_count(Source(Path("webcam:0"), "webcam")) is None


@pytest.fixture
def webcam_film(tmp_path) -> str:
    """OpenCV reads a camera and a file alike."""
    return str(write_video(tmp_path / "a.avi", 10, codec="mjpeg"))


def test_a_webcam_tells_times_from_its_first_picture(webcam_film):
    clock = itertools.count(100.0, 0.1)
    frames = _webcam_frames("webcam:0", webcam_film, _Choice(1, None), clock=lambda: next(clock))
    found = list(itertools.islice(frames, 10))
    assert [number_of(frame.image_HWC) for frame in found] == [frame.index for frame in found] == list(range(10))
    assert [frame.timestamp for frame in found] == pytest.approx([i / 10 for i in range(10)])
    assert {frame.input for frame in found} == {"webcam:0"} and found[0].image_HWC.dtype == np.uint8
    with pytest.raises(VideoReadError, match="webcam:0: the camera gave no image after 10"):
        next(frames)


def test_a_webcam_is_chosen_from_like_a_video(webcam_film):
    clock = itertools.count(100.3, 0.1)
    slow = _webcam_frames("webcam:0", webcam_film, _Choice(1, 2.5), clock=lambda: next(clock))
    assert [next(slow).index for _ in range(3)] == [0, 4, 8]
    some = _webcam_frames("webcam:0", webcam_film, _Choice(3, None))
    assert [next(some).index for _ in range(4)] == [0, 3, 6, 9]


def test_a_webcam_is_red_green_blue(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 250
    path = write_video(tmp_path / "a.avi", pictures=[red] * 2, codec="mjpeg")
    frame = next(_webcam_frames("webcam:0", str(path), _Choice(1, None)))
    assert np.abs(frame.image_HWC.astype(int) - red).max() < 16


def test_a_webcam_that_is_not_there():
    source = Source(Path("webcam:97"), "webcam")
    with pytest.raises(VideoReadError, match="webcam:97: no camera can be opened"):
        next(read_frames(source))
    with pytest.raises(ValueError, match="start is 5: expected .* 0 for a webcam"):
        read_frames(source, start=5)
