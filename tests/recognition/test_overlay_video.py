"""Videos of readings: the frames that were read at their own times, each face at its own panel, bars as long as the values."""

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.readout_aullava import AUReading
from aullava.recognition.overlay import write_overlays
from aullava.recognition.overlay_video import survey, write_overlay_video
from aullava.recognition.rows import FaceRow
from aullava.video.decode import VideoFrames, VideoReadError

from trees.videos import number_of, write_video

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)
DISFA, FEAFA = PROTOCOLS["disfa"], PROTOCOLS["feafa"]
PICTURE = (slice(16, 16 + 480), slice(16, 16 + 640))  # frames of 64 x 48 pixels are shown ten times as large


def row(frame, face_id, level=0, protocols=(DISFA,), timestamp=0.0, name="a.mp4", box=(40, 20, 20, 20), fault=""):
    box = None if face_id < 0 else box
    values = {p.name: dict.fromkeys(p.units, None if box is None else 0) for p in protocols}
    if box:
        values[protocols[0].name][protocols[0].units[0]] = level
    status = "ok" if box else "no_face"
    readings = {n: AUReading(v, status=status) for n, v in values.items()}
    return FaceRow(name, face_id, readings, frame, timestamp, fault, box=box, score=0.9 if box else None)


def near(image_HWC, colour) -> np.ndarray:
    """Where a picture has a colour, as well as a codec keeps it."""
    return np.abs(image_HWC.astype(int) - colour).max(axis=-1) < 48


def bar_length(image_HWC, colour, left=672) -> int:
    return int(near(image_HWC, colour)[40:, left:].sum(axis=1).max())  # below the titles, beside the picture


def shown(path) -> list[tuple[float, np.ndarray]]:
    with VideoFrames(path) as video:
        return [(seconds, image_HWC) for _, seconds, image_HWC in video]


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "a.mp4", 40, codec="libx264", rate=20)


def test_frames_that_were_read_are_shown_at_their_times(video, tmp_path):
    rows = [row(frame, 0, timestamp=frame / 20) for frame in (0, 7, 9, 30)]
    assert write_overlay_video(iter(rows), video, tmp_path / "o.mp4", [DISFA], survey(rows)) == 0
    found = shown(tmp_path / "o.mp4")
    assert [seconds for seconds, _ in found] == pytest.approx([0, 0.35, 0.45, 1.5], abs=1e-3)
    small = [np.asarray(Image.fromarray(image_HWC[PICTURE]).resize((64, 48))) for _, image_HWC in found]
    assert [number_of(picture) & 15 for picture in small] == [0, 7, 9, 30 & 15]  # higher bits lie under the face's box


def test_bars_follow_the_values(video, tmp_path):
    rows = [row(frame, 0, level=frame, timestamp=frame / 20) for frame in range(6)]
    write_overlay_video(rows, video, tmp_path / "o.mp4", [DISFA], survey(rows))
    lengths = [bar_length(image_HWC, BLUE) for _, image_HWC in shown(tmp_path / "o.mp4")]
    assert lengths == pytest.approx([22 * level for level in range(6)], abs=3)


def test_a_face_keeps_its_panel_while_others_come_and_go(video, tmp_path):
    rows = [row(0, 0, 5), row(0, 1, 5, box=(5, 20, 20, 20)), row(1, 1, 5), row(2, -1), row(3, 0, 5), row(3, 1, 5)]
    write_overlay_video(rows, video, tmp_path / "o.mp4", [DISFA], survey(rows))
    found = [image_HWC for _, image_HWC in shown(tmp_path / "o.mp4")]
    assert len({image_HWC.shape for image_HWC in found}) == 1
    places = [np.nonzero(near(picture, ORANGE)[40:, 672:].sum(axis=0) > 10)[0] for picture in found]
    assert abs(places[0].min() - places[1].min()) < 3 and abs(places[0].min() - places[3].min()) < 3
    assert [bar_length(picture, BLUE) > 90 for picture in found] == [True, False, False, True]
    assert [bar_length(picture, ORANGE) > 90 for picture in found] == [True, True, False, True]


def test_boxes_are_where_the_faces_are(video, tmp_path):
    rows = [row(0, 0, box=(40, 20, 20, 15))]
    write_overlay_video(rows, video, tmp_path / "o.mp4", [DISFA], survey(rows))
    [(_, image_HWC)] = shown(tmp_path / "o.mp4")
    down, right = np.nonzero(near(image_HWC, BLUE)[PICTURE])
    assert (right.min(), right.max(), down.max()) == pytest.approx((400, 599, 349), abs=3)
    assert down.min() == pytest.approx(200 - 22, abs=3)  # its label


def test_protocols_are_shown_as_far_as_panels_go(video, tmp_path):
    both = (DISFA, FEAFA)
    one, two = [row(0, 0, protocols=both)], [row(0, 0, protocols=both), row(0, 1, protocols=both)]
    widths = {}
    for name, rows, protocols in (
        ("one", one, both),
        ("first", one, both[:1]),
        ("two", two, both),
        ("two_first", two, both[:1]),
    ):
        write_overlay_video(rows, video, tmp_path / f"{name}.mp4", protocols, survey(rows))
        widths[name] = shown(tmp_path / f"{name}.mp4")[0][1].shape[1]
    assert widths["one"] > widths["first"] and widths["two"] == widths["two_first"]


def test_who_is_seen_longest_gets_a_panel_and_a_panel_serves_one_face_after_the_other():
    spans = {0: (0, 9), 1: (3, 9), 2: (0, 4), 3: (5, 9), 4: (6, 7)}  # face: first and last frame
    rows = [row(frame, face) for frame in range(10) for face, (first, last) in spans.items() if first <= frame <= last]
    assert survey(rows).seats == {0: 0, 1: 1, 2: 2, 3: 2}
    assert survey([row(0, -1), row(1, -1)]).seats == {} and survey([]).panels == 1


def test_rate_is_that_of_the_frames_that_were_read():
    assert survey([row(frame, 0, timestamp=frame / 4) for frame in range(9)]).rate == pytest.approx(4)
    assert survey([row(0, 0)]).rate is None
    assert survey([row(frame, 0, timestamp=None) for frame in range(9)]).rate is None


def test_frames_that_cannot_be_decoded_are_left_out_and_counted(video, tmp_path):
    rows = [row(0, 0), row(1, -1, timestamp=0.05, fault="its packet is damaged"), row(2, 0, timestamp=0.1)]
    rows += [row(frame, 0, timestamp=frame / 20) for frame in (39, 40, 41)]  # the file has frames 0 to 39
    assert write_overlay_video(rows, video, tmp_path / "o.mp4", [DISFA], survey(rows)) == 2
    assert [seconds for seconds, _ in shown(tmp_path / "o.mp4")] == pytest.approx([0, 0.1, 1.95], abs=1e-3)
    with pytest.raises(VideoReadError, match="none of the frames"):
        write_overlay_video(rows[-2:], video, tmp_path / "no.mp4", [DISFA], survey(rows[-2:]))
    assert not (tmp_path / "no.mp4").exists()


def test_a_video_without_times_is_shown_at_its_rate(video, tmp_path):
    rows = [row(frame, 0, timestamp=None) for frame in (0, 10, 20)]
    write_overlay_video(rows, video, tmp_path / "o.mp4", [DISFA], survey(rows))
    assert [seconds for seconds, _ in shown(tmp_path / "o.mp4")] == pytest.approx([0, 0.5, 1.0], abs=1e-3)


def test_videos_and_pictures_are_written_side_by_side(video, tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    write_video(tmp_path / "b" / "a.mp4", 5)
    names = [str(tmp_path / name) for name in ("a.png", "a.mp4", "b/a.mp4", "gone.mp4")]
    kinds = {name: "video" if name.endswith("mp4") else "image" for name in names}
    rows = [row(frame, 0, name=name) for name in names for frame in range(1 if kinds[name] == "image" else 3)]
    rows += [row(7, 0, name=names[3])]
    failures = []
    written = list(write_overlays(lambda: iter(rows), tmp_path / "out", [DISFA], failures, kinds))
    assert [path.name for path in written] == ["a.png", "a-2.mp4", "a-3.mp4"]
    assert [len(shown(path)) for path in written[1:]] == [3, 3]
    assert [("gone.mp4" in str(failure), "no such file" in str(failure)) for failure in failures] == [(True, True)]


def test_frames_that_are_gone_since_are_told(video, tmp_path):
    rows = [row(0, 0, name=str(video)), row(40, 0, name=str(video), timestamp=2.0)]
    failures = []
    kinds = {str(video): "video"}
    assert len(list(write_overlays(lambda: iter(rows), tmp_path / "out", [DISFA], failures, kinds))) == 1
    assert "lacks 1 frames that were read before" in str(failures[0])
