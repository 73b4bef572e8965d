"""A framing is the detector's own margin unless told otherwise, and a flag obeys a checkpoint's or is refused."""

import pytest

from aullava.detection.detector import ChosenFaces, HaarDetector, NoDetector
from aullava.detection.framing import AskedFraming, Framing, make_detector, weights_hash
from aullava.detection.yunet import YUNET_FILE, YuNetDetector
from aullava.image_aullava import DEFAULT_FRAMING

from bright_squares import bright_square_net

TRAINED = Framing("haar", 0.07)


@pytest.fixture
def weights(tmp_path):
    (tmp_path / YUNET_FILE).write_bytes(bright_square_net())
    return tmp_path / YUNET_FILE


def test_a_margin_goes_with_its_detector():
    assert Framing() == Framing(**DEFAULT_FRAMING)
    assert [Framing(name).margin for name in ("haar", "none", "yunet:a/b")] == [0.25, 0, 0.125]


def test_every_detector_is_made_as_its_framing_says(weights):
    assert isinstance(make_detector(Framing()), HaarDetector)
    assert isinstance(make_detector(Framing("none")), NoDetector)
    yunet = make_detector(Framing(f"yunet:{weights}", 0.3, largest=True))
    assert isinstance(yunet, ChosenFaces) and yunet.largest
    assert isinstance(yunet.detector, YuNetDetector) and yunet.detector.margin == 0.3


def test_what_is_stored_holds_no_place_of_this_machine(weights):
    framing = Framing(f"yunet:{weights}")
    assert framing.stored()["detector"] == f"yunet:{YUNET_FILE}"
    assert str(weights.parent) not in str(framing) and len(weights_hash(framing)) == 64
    assert Framing("yunet:a/b").stored()["detector"] == "yunet:a/b" and weights_hash(Framing()) is None


@pytest.mark.parametrize(
    "asked, expected",
    [
        ({}, TRAINED),
        ({"faces": "haar", "margin": 0.07}, TRAINED),
        ({"largest": True}, Framing("haar", 0.07, largest=True)),
        ({"faces": "none"}, Framing("none")),
        ({"override": "margin=0.3,largest=true"}, Framing("haar", 0.3, largest=True)),
        ({"override": "detector=yunet:a/b"}, Framing("yunet:a/b", 0.125)),
        ({"override": "detector=yunet:a,b.onnx"}, Framing("yunet:a,b.onnx", 0.125)),
        ({"override": "detector=haar"}, TRAINED),
        ({"override": "detector=none"}, Framing("none")),
        ({"override": "detector=yunet:a/b", "faces": f"yunet:{YUNET_FILE}"}, Framing(f"yunet:{YUNET_FILE}", 0.125)),
    ],
)
def test_flags_obey_the_checkpoint_or_override_it_on_purpose(asked, expected):
    assert AskedFraming(**asked).over(TRAINED) == expected


@pytest.mark.parametrize(
    "own, asked, said",
    [
        (TRAINED, {"margin": 0.25}, "--margin 0.25 contradicts the checkpoint's framing, which has margin 0.07"),
        (
            TRAINED,
            {"faces": "yunet:a/b"},
            "--faces yunet:a/b contradicts .* has detector haar.*--framing detector=yunet:a/b",
        ),
        (Framing("none"), {"faces": "haar"}, "--faces haar contradicts .* has detector none"),
        (Framing("none"), {"margin": 0.25}, "--margin 0.25 contradicts .* has margin 0"),
        (Framing("yunet:mine.onnx"), {"faces": "yunet:other.onnx"}, "has detector yunet:mine.onnx"),
        (TRAINED, {"override": "margin=0.3", "margin": 0.07}, "contradicts --framing, which has margin 0.3"),
    ],
)
def test_a_contradiction_names_both_values(own, asked, said):
    with pytest.raises(ValueError, match=said):
        AskedFraming(**asked).over(own)


def test_a_flag_says_where_a_checkpoints_weights_lie(weights):
    own = Framing(f"yunet:{YUNET_FILE}", 0.2)
    assert AskedFraming(f"yunet:{weights}").over(own) == Framing(f"yunet:{weights}", 0.2)
    assert AskedFraming(f"yunet:{weights}").over(Framing("yunet:opencv/face_detection_yunet")).crops


def test_without_a_checkpoint_the_flags_alone_decide():
    assert AskedFraming().over(None) == Framing()
    assert AskedFraming("yunet:a/b", 0.3, largest=True).over(None) == Framing("yunet:a/b", 0.3, largest=True)


@pytest.mark.parametrize("name", ["mtcnn", "", "auto:x", "yunet", "yunet:", "Haar"])
def test_an_unknown_detector_is_refused(name):
    with pytest.raises(ValueError, match="expected auto, haar, none, or yunet:FILE.onnx"):
        AskedFraming(name)
    with pytest.raises(ValueError, match="expected haar, none, or yunet:FILE.onnx"):
        Framing(name)
