"""Readings as HTML: what is said, and that text from outside stays text."""

import re

import pytest
from PIL import Image

from aullava.action_units import PROTOCOLS, Protocol, render
from aullava.readout_aullava import AUReading
from aullava.recognition.rows import NO_FACE_ID, FaceRow
from aullava.space.panels import FACES_SHOWN, boxed_picture, face_panel, faces_panel, notice, value_text

BP4D, DISFA, FEAFA = (PROTOCOLS[name] for name in ("bp4d", "disfa", "feafa"))


def row_of(protocol, number=0, text="", status="ok", box=(10, 20, 30, 40), **values):
    full = dict.fromkeys(protocol.units, 0) | values
    probabilities = dict.fromkeys(protocol.units, 0.25) if protocol.scale == "occurrence" else {}
    reading = AUReading(full, probabilities, text, status)
    return FaceRow("face.png", number, {protocol.name: reading}, box=box, score=0.9)


def bars(html, code):
    """The lengths of a unit's bars."""
    [line] = re.findall(rf'data-unit="{code}".*?</summary>', html)
    return [float(share) for share in re.findall(r"--share:([\d.]+)", line)]


def test_a_line_for_every_unit_under_its_part_of_the_face():
    html = face_panel(row_of(DISFA, AU12=3), DISFA)
    assert sorted(re.findall(r'data-unit="(\w+)"', html)) == sorted(DISFA.units)
    assert re.findall("<h3>(.*?)</h3>", html) == ["Brows", "Eyes", "Nose and cheeks", "Mouth", "Chin and jaw"]
    assert "Lip corner puller" in html
    assert "zygomaticus major" in html
    assert bars(html, "AU12") == [0.6]
    assert bars(html, "AU1") == [0]


def test_an_occurrence_shows_its_probability():
    assert bars(face_panel(row_of(BP4D), BP4D), "AU12") == [0.25]


def test_truth_stands_before_the_reading():
    truth = dict.fromkeys(DISFA.units, 0) | {"AU4": 5}
    html = face_panel(row_of(DISFA, AU4=2), DISFA, truth)
    assert bars(html, "AU4") == [1.0, 0.4]
    assert "5 E → 2 B" in html


@pytest.mark.parametrize(
    ("protocol", "value", "said"),
    [
        (BP4D, 1, "present"),
        (BP4D, 0, "absent"),
        (DISFA, 3, "3 C"),
        (DISFA, 0, "0"),
        (FEAFA, 0.5, "0.50"),
        (BP4D, None, "?"),
    ],
)
def test_values_in_words(protocol, value, said):
    assert value_text(value, protocol) == said


def test_what_could_not_be_determined_is_not_zero():
    html = face_panel(row_of(DISFA, status="repaired", AU12=None), DISFA)
    assert '<span class="au-value">?</span>' in html
    assert "not well formed" in html


def test_the_answer_is_text_and_never_markup():
    html = face_panel(row_of(DISFA, text="<script>alert(1)</script>"), DISFA)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<img" not in notice("<img src=x onerror=alert(1)>")


def test_no_face_says_so_and_a_crowd_is_cut_short():
    nobody = FaceRow("wall.png", NO_FACE_ID, {"disfa": AUReading(dict.fromkeys(DISFA.units), status="no_face")})
    assert "No face found" in faces_panel([nobody], DISFA)
    crowd = faces_panel([row_of(DISFA, number) for number in range(20)], DISFA)
    assert crowd.count('class="au-face"') == FACES_SHOWN
    assert f"{20 - FACES_SHOWN} more faces" in crowd
    assert crowd.count(" open>") == 1


def test_boxes_lie_on_the_picture_in_its_own_pixels():
    image = Image.new("RGB", (2000, 1000), "white")
    html = boxed_picture(image, [row_of(DISFA), row_of(DISFA, 1, box=(500, 0, 60, 60))])
    assert 'viewBox="0 0 2000 1000"' in html
    assert 'x="10" y="20" width="30" height="40"' in html
    assert "with 2 faces" in html
    assert image.size == (2000, 1000)


def test_every_unit_of_every_protocol_has_a_place():
    for protocol in PROTOCOLS.values():
        values = dict.fromkeys(protocol.units, 0)
        html = face_panel(row_of(protocol, text=render(values, protocol)), protocol)
        assert html.count('class="au-unit') == len(protocol.units)
    every = Protocol("all", ("AU0", "AU11", "AU21", "AD38", "AU51", "AU64"), "occurrence")
    assert face_panel(row_of(every), every).count('class="au-unit') == 6
