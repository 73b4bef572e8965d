"""Pictures of readings: the boxes and bars are where the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS
from aullava.readout_aullava import AUReading
from aullava.recognition.overlay import draw_overlay, write_overlays
from aullava.recognition.rows import FaceRow

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def face(protocol, values, face_id=0, box=(100, 50, 200, 200), score=0.8, name="face.png", probabilities=None):
    full = dict.fromkeys(protocol.units, 0) | values
    reading = AUReading(full, probabilities or {})
    return FaceRow(name, face_id, {protocol.name: reading}, box=box, score=score)


def grey(width=600, height=480) -> Image.Image:
    return Image.new("RGB", (width, height), (90, 90, 90))


def painted(picture: Image.Image, colour) -> np.ndarray:
    return (np.asarray(picture) == colour).all(axis=-1)


def bar_length(picture: Image.Image, colour=BLUE, panel_left: int = 632) -> int:
    """Longest run of a colour right of the picture, in pixels."""
    return int(painted(picture, colour)[:, panel_left:].sum(axis=1).max())


def test_box_is_drawn_around_the_face():
    protocol = PROTOCOLS["bp4d"]
    picture = draw_overlay(grey(), [face(protocol, {})], [protocol])
    rows, columns = np.nonzero(painted(picture, BLUE)[:, :632])
    border = 16
    assert (columns.min(), columns.max()) == (100 + border, 299 + border)
    assert rows.max() == 249 + border
    assert 0 <= 50 + border - rows.min() <= 22  # the label stands on the box


def test_bars_are_as_long_as_the_values():
    protocol = PROTOCOLS["disfa"]
    lengths = [
        bar_length(draw_overlay(grey(), [face(protocol, {"AU12": level})], [protocol])) for level in range(1, 6)
    ]
    assert lengths == pytest.approx([lengths[-1] * level / 5 for level in range(1, 6)], abs=2)
    feafa = PROTOCOLS["feafa"]
    half = bar_length(draw_overlay(grey(), [face(feafa, {"feafa_09_jaw_drop": 0.5})], [feafa]))
    assert half == pytest.approx(lengths[-1] / 2, abs=2)


def test_bar_of_an_occurrence_is_its_probability():
    protocol = PROTOCOLS["bp4d"]
    sure = draw_overlay(grey(), [face(protocol, {"AU12": 1})], [protocol])
    likely = draw_overlay(grey(), [face(protocol, {"AU12": 1}, probabilities={"AU12": 0.6})], [protocol])
    assert bar_length(likely) == pytest.approx(0.6 * bar_length(sure), abs=2)


def test_every_face_has_a_panel_and_a_colour():
    protocol = PROTOCOLS["bp4d"]
    rows = [face(protocol, {"AU12": 1}), face(protocol, {"AU4": 1}, face_id=1, box=(350, 50, 100, 100))]
    one, two = draw_overlay(grey(), rows[:1], [protocol]), draw_overlay(grey(), rows, [protocol])
    assert two.width > one.width
    assert bar_length(two, ORANGE) == bar_length(two, BLUE) == bar_length(one, BLUE)


def test_every_protocol_has_a_panel():
    bp4d, feafa = PROTOCOLS["bp4d"], PROTOCOLS["feafa"]
    row = face(bp4d, {"AU12": 1})
    both = replace(row, readings=row.readings | face(feafa, {"feafa_09_jaw_drop": 0.5}).readings)
    one, two = draw_overlay(grey(), [row], [bp4d]), draw_overlay(grey(), [both], [bp4d, feafa])
    assert np.array_equal(np.asarray(two)[: 14 * 24, : one.width], np.asarray(one)[: 14 * 24])
    assert bar_length(two, panel_left=one.width) == pytest.approx(bar_length(one) / 2, abs=2)


def test_panels_of_many_faces_go_below_each_other():
    protocol = PROTOCOLS["bp4d"]
    rows = [face(protocol, {"AU12": 1}, face_id=i, box=(10 * i, 10, 50, 50)) for i in range(7)]
    three, seven = draw_overlay(grey(), rows[:3], [protocol]), draw_overlay(grey(), rows, [protocol])
    assert seven.width == three.width and seven.height > three.height
    panels = painted(seven, ORANGE)[:, 632:]  # faces 1 and 5
    assert panels[: seven.height // 3].any() and panels[seven.height // 3 : 2 * seven.height // 3].any()


def test_all_units_fit_and_small_pictures_are_enlarged():
    protocol = PROTOCOLS["feafa"]
    values = dict.fromkeys(protocol.units, 1.0)
    picture = draw_overlay(grey(96, 96), [face(protocol, values, box=(0, 0, 96, 96), score=None)], [protocol])
    bars = painted(picture, BLUE)[:, 512:].sum(axis=1) > 100
    assert np.diff(bars.astype(int)).tolist().count(1) == 24
    assert not painted(picture, BLUE)[:, :512].any()  # no detector, no box
    assert painted(picture, (90, 90, 90)).sum() == 480 * 480


def test_one_picture_an_input_with_names_of_their_own(tmp_path):
    protocol = PROTOCOLS["bp4d"]
    sources = [tmp_path / "a" / "face.png", tmp_path / "b" / "face.jpg", tmp_path / "c" / "wall.png"]
    for source in sources:
        source.parent.mkdir()
        grey(64, 64).save(source)
    first, second, wall = map(str, sources)
    rows = [
        face(protocol, {}, name=first, box=(0, 0, 30, 30)),
        face(protocol, {}, name=first, box=(30, 30, 30, 30), face_id=1),
        face(protocol, {}, name=second, box=(0, 0, 30, 30)),
        FaceRow(wall, -1, {protocol.name: AUReading(dict.fromkeys(protocol.units), status="no_face")}),
    ]
    failures = []
    written = list(write_overlays(lambda: iter(rows), tmp_path / "out", [protocol], failures))
    assert failures == []
    assert [path.name for path in written] == ["face.png", "face-2.png", "wall.png"]
    assert all(Image.open(path).width > 480 for path in written)


def test_pictures_that_cannot_be_written_are_named_and_the_rest_is_written(tmp_path):
    protocol = PROTOCOLS["bp4d"]
    taken, gone, last = (tmp_path / f"{stem}.png" for stem in ("taken", "gone", "last"))
    (tmp_path / "out" / "taken.png").mkdir(parents=True)  # a folder where the overlay should go
    for source in (taken, last):
        grey(64, 64).save(source)
    rows = [face(protocol, {}, name=str(source), box=(0, 0, 30, 30)) for source in (taken, gone, last)]
    rows.insert(0, replace(rows[0], input="webcam:0"))
    failures = []
    kinds = {"webcam:0": "webcam"}
    written = list(write_overlays(lambda: iter(rows), tmp_path / "out", [protocol], failures, kinds))
    assert [path.name for path in written] == ["last.png"]
    said = [str(failure) for failure in failures]
    assert "webcam-0.png: not written: what a webcam showed is gone" in said[0]
    assert "taken.png: not written" in said[1] and "gone.png: no such file" in said[2] and len(said) == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["last.png", "taken.png"]
