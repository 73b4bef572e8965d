"""Videos frame by frame: every frame tells its own number, so that one that is off by one is seen."""

import contextlib
import gc
import os
import subprocess
import sys
import weakref

import av
import numpy as np
import pytest

from aullava.video.decode import VideoEnd, VideoFrames, VideoReadError

from trees.videos import damage_packets, number_of, write_video

# container, codec, B-frames: with B-frames a file stores frames in another order than it shows them
KINDS = [
    ("a.avi", "mpeg4", 0),
    ("b.avi", "mpeg4", 2),
    ("c.avi", "mjpeg", 0),
    ("d.mp4", "libx264", 3),
    ("e.mkv", "libx264", 3),
    ("f.wmv", "wmv2", 0),
    ("g.mpg", "mpeg2video", 2),
]


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[1]}-{kind[0][2:]}")
def any_video(request, tmp_path):
    name, codec, b_frames = request.param
    return write_video(tmp_path / name, 40, codec=codec, b_frames=b_frames)


def test_every_frame_in_the_order_in_which_it_is_shown(any_video):
    with VideoFrames(any_video) as video:
        found = [(index, number_of(image), seconds) for index, seconds, image in video]
    assert [index for index, _, _ in found] == [number for _, number, _ in found] == list(range(40))
    assert [seconds for _, _, seconds in found] == pytest.approx([i / 20 for i in range(40)], abs=1e-3)


def test_frames_asked_for_out_of_order(any_video):
    with VideoFrames(any_video) as video:
        for index in (0, 1, 7, 7, 39, 3, 20, 0):
            image_HWC = video.frame(index)
            assert (number_of(image_HWC), video.timestamp) == (index, pytest.approx(index / 20, abs=1e-3))
            assert image_HWC.dtype == np.uint8 and image_HWC.shape == (48, 64, 3)


def test_past_the_end(any_video):
    with VideoFrames(any_video) as video:
        for index in (40, 40, 1000):
            with pytest.raises(VideoEnd, match=rf"frame {index} asked for, but it has 40 frames, 0 to 39"):
                video.frame(index)
        assert number_of(video.frame(39)) == 39
        assert number_of(video.frame(5)) == 5


def test_a_negative_index_is_refused(tmp_path):
    with (
        VideoFrames(write_video(tmp_path / "a.avi", 3)) as video,
        pytest.raises(ValueError, match="frame -1 asked for"),
    ):
        video.frame(-1)


def test_what_the_container_tells(tmp_path):
    with VideoFrames(write_video(tmp_path / "a.avi", 12, rate=25)) as video:
        assert (video.rate, video.count, video.timestamp) == (25.0, 12, None)
    with VideoFrames(write_video(tmp_path / "a.mkv", 12, codec="libx264")) as video:
        assert video.count is None


def test_colours_are_red_green_blue(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 250
    with VideoFrames(write_video(tmp_path / "a.mp4", pictures=[red], codec="libx264")) as video:
        assert np.abs(video.frame(0).astype(int) - red).max() < 12


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_turned_video_is_shown_upright(tmp_path, degrees):
    """The corner that is bright in the file is found where the rotation against the clock brings it."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255
    path = write_video(tmp_path / "a.mp4", pictures=[picture] * 3, codec="libx264", rotation=degrees)
    bright = {90: (-8, 8), -90: (8, -8), 180: (-8, -8)}[degrees]
    with VideoFrames(path) as video:
        image_HWC = video.frame(1)
    assert image_HWC.shape == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
    assert image_HWC[bright].min() > 200 and np.mean(image_HWC) < 50


def chunks_of(path) -> list[int]:
    """Where the video's chunks start in an AVI file: four letters, four bytes of size, data."""
    data, at = path.read_bytes(), []
    position = data.index(b"movi") + 4
    while data[position : position + 4] == b"00dc":
        at.append(position)
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return at


@pytest.mark.parametrize("name,codec,b_frames", [kind for kind in KINDS if kind[0].endswith("avi")])
@pytest.mark.parametrize("into_chunk", [0, 24], ids=["between-frames", "inside-a-frame"])
def test_a_video_cut_off_gives_the_frames_before(tmp_path, name, codec, b_frames, into_chunk):
    path = write_video(tmp_path / name, 40, codec=codec, b_frames=b_frames)
    os.truncate(path, chunks_of(path)[25] + into_chunk)
    found = []
    problem = pytest.raises(VideoReadError, match=f"{name}: frame .* cannot be read; .*fresh copy")
    with VideoFrames(path) as video, problem:
        for _, _, image in video:
            found.append(number_of(image))
    assert 22 <= len(found) <= 25 and found == list(range(len(found)))


def test_a_film_cut_off_in_the_middle_of_its_data(tmp_path):
    """An MP4 with its index in front opens, but lacks the frames at its end."""
    path = write_video(tmp_path / "a.mp4", 40, codec="libx264", b_frames=3, options={"movflags": "+faststart"})
    os.truncate(path, path.stat().st_size - 200)
    with VideoFrames(path) as video:
        assert number_of(video.frame(20)) == 20
        for index in (39, 39, 1000):
            with pytest.raises(VideoReadError, match=f"frame {index} cannot be read; it .*fresh copy"):
                video.frame(index)
        assert number_of(video.frame(2)) == 2


def test_a_broken_packet_ends_what_is_given(tmp_path):
    """Frames behind it would be miscounted."""
    path = write_video(tmp_path / "a.avi", 40, codec="mjpeg")
    data, chunks = bytearray(path.read_bytes()), chunks_of(path)
    data[chunks[20] + 8 : chunks[21]] = bytes(chunks[21] - chunks[20] - 8)
    path.write_bytes(data)
    found = []
    with VideoFrames(path) as video, pytest.raises(VideoReadError, match=r"it is damaged .* after 20 frames"):
        for _, _, image in video:
            found.append(number_of(image))
    assert found == list(range(20))


def tolerant_reading(path) -> list[int | str]:
    """What each frame shows, its number or a fault; each frame's time is that of its index."""
    found = []
    with VideoFrames(path, tolerant=True) as video:
        while video.advance():
            assert (video.index, video.timestamp) == (len(found), pytest.approx(len(found) / 20, abs=1e-3))
            found.append(video.fault or number_of(video.picture()))
    return found


def expected_reading(lost: int, key: int, held: tuple[int, ...] = ()) -> list[int | str]:
    """40 frames of which one cannot be decoded; those to the next key frame rest on it, save the ones decoded before it."""
    found = list(range(40))
    for index in range(lost, key):
        found[index] = index if index in held else "rests on a frame that cannot be decoded"
    found[lost] = "cannot be decoded (Invalid data found when processing input)"
    return found


DAMAGED = {  # container, codec, B-frames, packet -> index of the lost frame, of the next key frame, indices decoded before the loss
    "all-key-frames": ("a.mov", "mjpeg", 0, 20, 20, 21, ()),
    "all-key-frames-avi": ("a.avi", "mjpeg", 0, 20, 20, 21, ()),
    "no-b-frames": ("a.mp4", "mpeg4", 0, 20, 20, 24, ()),
    "key-frame": ("a.mp4", "mpeg4", 0, 24, 24, 36, ()),
    "b-frame": ("a.mp4", "libx264", 3, 20, 19, 24, (20,)),
    "key-frame-before-b-frames": ("a.mp4", "libx264", 3, 24, 24, 36, ()),
    "webm": ("a.webm", "libvpx-vp9", 0, 20, 20, 24, ()),
    "last": ("a.mp4", "mpeg4", 0, 39, 39, 40, ()),
    "first": ("a.mp4", "libx264", 3, 0, 0, 12, ()),
}


@pytest.mark.parametrize("name,codec,b_frames,packet,lost,key,held", DAMAGED.values(), ids=DAMAGED)
def test_a_tolerant_reading_goes_on_behind_damage(tmp_path, name, codec, b_frames, packet, lost, key, held):
    path = write_video(tmp_path / name, 40, codec=codec, b_frames=b_frames)
    assert damage_packets(path, packet) == [lost]
    assert tolerant_reading(path) == expected_reading(lost, key, held)
    with VideoFrames(path) as video, pytest.raises(VideoReadError, match=rf"a\.\w+: frame {lost} cannot be read"):
        for index, _, image in video:  # by default, nothing from the damage on is given
            assert index < lost and number_of(image) == index


def test_frames_that_rest_on_a_lost_one_keep_their_places_among_those_decoded_before(tmp_path):
    """The file holds 16, 20, 18, 17, 19: with 18 gone, 20 is whole and 17 and 19 are not."""
    path = write_video(tmp_path / "a.mp4", 40, codec="libx264", b_frames=3)
    assert damage_packets(path, 18) == [18]
    found = tolerant_reading(path)
    assert [i for i in range(40) if found[i] != i] == [17, 18, 19, 21, 22, 23]
    assert found[18].startswith("cannot be decoded") and {found[17], found[23]} == {expected_reading(18, 24)[23]}


def test_several_damaged_packets(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, codec="mpeg4")
    assert damage_packets(path, 3, 5, 30) == [3, 5, 30]
    found = tolerant_reading(path)
    assert [i for i in range(40) if found[i] == i] == [0, 1, 2, *range(12, 30), *range(36, 40)]
    assert [i for i in range(40) if "cannot be decoded (" in str(found[i])] == [3, 30]  # 5 is not tried


def test_a_picture_that_the_decoder_made_up_counts_as_lost(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, codec="mpeg4")
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][20]
        middle, end = packet.pos + packet.size // 2, packet.pos + packet.size
    data = bytearray(path.read_bytes())
    data[middle:end] = np.random.default_rng(0).integers(0, 256, end - middle, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    with VideoFrames(path) as video:
        assert number_of(video.frame(20)) == 19  # the decoder reports the damage and gives a picture all the same
    found = tolerant_reading(path)
    assert "fill in" in found[20] and found[:20] + found[24:] == [*range(20), *range(24, 40)]


def test_a_lost_frame_has_no_picture(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, codec="mpeg4")
    damage_packets(path, 20)
    with VideoFrames(path, tolerant=True) as video:
        assert number_of(video.frame(19)) == 19
        with pytest.raises(VideoReadError, match="a.mp4: frame 20 cannot be decoded"):
            video.frame(20)
        assert number_of(video.frame(30)) == 30


def test_a_tolerant_reading_of_a_whole_video_is_the_strict_one(any_video):
    assert tolerant_reading(any_video) == list(range(40))


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize(
    "name,cut,said", [("a.mp4", 200, "announces 80 frames"), ("a.mkv", 900, "announces 4.0 s and ends at")]
)
def test_a_video_cut_off_is_told_by_what_it_announces(tmp_path, tolerant, name, cut, said):
    """Of Matroska files only by a tolerant reading; times are right to the last frame."""
    options = {"movflags": "+faststart"} if name == "a.mp4" else {}
    path = write_video(tmp_path / name, 80, codec="libx264", b_frames=3, options=options)
    os.truncate(path, path.stat().st_size - cut)
    found = []
    told = pytest.raises(VideoReadError) if tolerant or name == "a.mp4" else contextlib.nullcontext()
    with VideoFrames(path, tolerant=tolerant) as video, told as problem:
        while video.advance():
            found.append((number_of(video.picture()), video.timestamp))
    assert 20 < len(found) < 80 and found == [(i, pytest.approx(i / 20, abs=1e-3)) for i in range(len(found))]
    if tolerant:
        assert said in str(problem.value) and f"after {len(found)} frames" in str(problem.value)


def test_what_an_edit_list_cuts_away_is_not_missed(tmp_path):
    path = write_video(tmp_path / "a.mp4", 40, codec="libx264", group=10)
    damage_packets(path, 22, 35)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    data[at + 4 : at + 8] = (25 * 512).to_bytes(4, "big")  # starts the film at frame 25; key frames at 20 and 30
    path.write_bytes(data)
    found = tolerant_reading(path)
    assert [number for number in found if isinstance(number, int)] == list(range(30, 35))
    assert [fault.split()[0] for fault in found if isinstance(fault, str)] == ["rests"] * 5 + ["cannot"] + [
        "rests"
    ] * 4


@pytest.mark.parametrize(
    "name,codec", [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.wmv", "wmv2"), ("a.flv", "flv1")]
)
def test_how_long_the_container_says_it_is(tmp_path, name, codec):
    with VideoFrames(write_video(tmp_path / name, 30, codec=codec)) as video:
        assert video.seconds == pytest.approx(1.5)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_an_empty_chunk_repeats_the_picture(tmp_path, codec):
    """How AVI files store a picture that the camera lost. Left out, it would shift every label behind it."""
    path = write_video(tmp_path / "a.avi", 40, codec=codec, group=1)
    data, chunks = bytearray(path.read_bytes()), chunks_of(path)
    size = chunks[21] - chunks[20] - 8
    data[chunks[20] + 4 : chunks[20] + 16] = bytes(4) + b"JUNK" + (size - 8).to_bytes(4, "little")
    entry = data.index(b"idx1") + 8 + 16 * 20
    data[entry + 12 : entry + 16] = bytes(4)
    path.write_bytes(data)
    with VideoFrames(path) as video:
        found = [(number_of(image), seconds) for _, seconds, image in video]
        assert number_of(video.frame(20)) == 19 and number_of(video.frame(21)) == 21
    assert [number for number, _ in found] == [*range(20), 19, *range(21, 40)]
    assert [seconds for _, seconds in found] == pytest.approx([i / 20 for i in range(40)])


def test_a_film_trimmed_by_its_edit_list_is_whole(tmp_path):
    """What telephones cut away stays in the file and is not shown; it is neither counted nor missed."""
    path = write_video(tmp_path / "a.mp4", 40, codec="libx264", group=10)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4 + 8  # version and flags, count; then duration, media time
    step = 512  # of the time base 1/10240 at 20 frames a second
    data[at + 4 : at + 8] = (25 * step).to_bytes(4, "big")
    path.write_bytes(data)
    with VideoFrames(path) as video:
        found = [(index, number_of(image)) for index, _, image in video]
    assert found == [(i, 25 + i) for i in range(15)]


@pytest.mark.parametrize(
    "content", [b"", b"RIFF not a video at all", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"]
)
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    with pytest.raises(VideoReadError, match=rf"a.avi: {len(content)} bytes that are not a video"):
        VideoFrames(path)


def test_a_playlist_opens_no_other_file(tmp_path):
    write_video(tmp_path / "secret.ts", 5, codec="mpeg2video")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(playlist)
    with pytest.raises(VideoReadError):
        VideoFrames(tmp_path / "a.m3u8")


def test_sound_alone_a_folder_and_nothing(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        for packet in [*stream.encode(sound), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(VideoReadError, match="holds no video stream"):
        VideoFrames(tmp_path / "a.mkv")
    with pytest.raises(VideoReadError, match="a folder"):
        VideoFrames(tmp_path)
    with pytest.raises(FileNotFoundError, match="gone.avi: no such file"):
        VideoFrames(tmp_path / "gone.avi")


def test_names_that_look_like_addresses(tmp_path, monkeypatch):
    write_video(tmp_path / "concat%d?.avi", 3).rename(tmp_path / "concat:a%d?.avi")
    monkeypatch.chdir(tmp_path)
    with VideoFrames("concat:a%d?.avi") as video:
        assert number_of(video.frame(2)) == 2


def test_after_close_a_frame_opens_the_file_again(tmp_path):
    video = VideoFrames(write_video(tmp_path / "a.avi", 5))
    video.frame(3)
    video.close()
    assert video.timestamp is None and number_of(video.frame(1)) == 1
    video.close()


def test_memory_does_not_grow_with_the_video(tmp_path):
    path = write_video(tmp_path / "a.avi", 60, pictures=[np.zeros((240, 320, 3), np.uint8)] * 600)
    code = (
        "import sys, resource; from aullava.video.decode import VideoFrames\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "video = VideoFrames(sys.argv[1])\n"
        "for index, _, _ in video:\n"
        "    if index == 100: early = peak()\n"
        "print(peak() - early)\n"
    )
    grown = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 8 * 1024  # kilobytes; the 500 frames behind the hundredth are 115 MB


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'au-llava\[video\]'"):
        VideoFrames(tmp_path / "a.avi")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted as Linux shows them")
def test_a_closed_video_is_freed_at_once_and_leaves_no_thread(tmp_path):
    """What is left to the garbage collector is freed in any process forked meanwhile, which then waits for threads it lacks."""
    path = write_video(tmp_path / "a.avi", 12, b_frames=2)
    gc.collect()
    gc.disable()
    try:
        threads = len(os.listdir("/proc/self/task"))
        video = VideoFrames(path)
        video.frame(5)
        assert len(os.listdir("/proc/self/task")) == threads
        freed = weakref.ref(video)
        video.close()
        del video
        assert freed() is None
    finally:
        gc.enable()
