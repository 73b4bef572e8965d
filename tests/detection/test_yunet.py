"""YuNet's path through OpenCV's own FaceDetectorYN, with a net of its inputs and outputs that takes bright squares for faces."""

import threading

import numpy as np
import pytest
from PIL import Image

from aullava.detection.crop import FaceBox
from aullava.detection.framing import Framing, make_detector
from aullava.detection.yunet import YUNET_FILE, YuNetDetector, find_weights

from bright_squares import SIDE, bright_square_net


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / YUNET_FILE
    path.write_bytes(bright_square_net())
    return path


@pytest.fixture(scope="module")
def yunet(file) -> YuNetDetector:
    return YuNetDetector(file)


def picture(width: int, height: int, *squares: tuple[int, int, int], colour=(255, 255, 255)) -> np.ndarray:
    """Black with squares, each x, y, side."""
    image_HWC = np.zeros((height, width, 3), dtype=np.uint8)
    for x, y, side in squares:
        image_HWC[y : y + side, x : x + side] = colour
    return image_HWC


def places(boxes: list[FaceBox]) -> list[tuple[int, int, int, int]]:
    return [(box.x, box.y, box.w, box.h) for box in boxes]


@pytest.mark.parametrize("size", [(320, 240), (241, 199), (100, 480)])
def test_squares_are_found_where_they_are(yunet, size):
    found = yunet.detect(picture(*size, (16, 32, SIDE), (48, 128, SIDE)))
    assert places(found) == [(16, 32, SIDE, SIDE), (48, 128, SIDE, SIDE)]
    assert all(box.score == pytest.approx(1, abs=1e-3) for box in found)


def test_a_large_picture_is_searched_small_and_the_boxes_are_its_own(yunet):
    (box,) = yunet.detect(picture(1920, 1080, (640, 320, 4 * SIDE)))  # 1920 = 4 * 480
    assert places([box]) == [(640, 320, 4 * SIDE, 4 * SIDE)]


def test_channels_reach_the_net_as_it_learned_them(yunet):
    (blue,) = yunet.detect(picture(96, 96, (16, 16, SIDE), colour=(0, 0, 255)))
    assert blue.score == pytest.approx(0.8**0.5, abs=1e-3)
    assert yunet.detect(picture(96, 96, (16, 16, SIDE), colour=(255, 0, 0))) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 900, 3), (900, 1, 3), (480, 480, 3)])
def test_nothing_is_found_where_nothing_is(yunet, shape):
    assert yunet.detect(np.zeros(shape, dtype=np.uint8)) == []


def test_smallest_face_decides_at_which_size_a_picture_is_searched(file):
    image_HWC = picture(1920, 1080, (640, 320, 4 * SIDE))
    assert YuNetDetector(file, min_face=4 * SIDE).detect(image_HWC)
    assert YuNetDetector(file, min_face=4 * SIDE + 1).detect(image_HWC) == []
    small_HWC = picture(960, 960, (160, 320, SIDE))  # half as wide when searched at 480, and no square the net knows
    assert YuNetDetector(file).detect(small_HWC) == []
    assert places(YuNetDetector(file, min_face=10).detect(small_HWC)) == [(160, 320, SIDE, SIDE)]


def test_a_crop_is_a_quarter_larger_than_the_box(yunet):
    assert yunet.crop(Image.new("RGB", (300, 300)), FaceBox(100, 100, 64, 80)).size == (100, 100)


def test_threads_share_a_detector(yunet):
    images = [picture(160 + 32 * n, 160, (16 * n, 64, SIDE)) for n in range(4)]
    expected = [places(yunet.detect(image)) for image in images]
    found = {}

    def search(n: int) -> None:
        found[n] = [places(yunet.detect(images[n])) for _ in range(10)]

    threads = [threading.Thread(target=search, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [expected[n]] * 10 for n in range(4)} and all(expected)


def test_weights_in_a_file_are_taken_by_name(file):
    (box,) = make_detector(Framing(f"yunet:{file}")).detect(picture(160, 160, (32, 48, SIDE)))
    assert places([box]) == [(32, 48, SIDE, SIDE)]


def test_weights_in_the_cache_of_the_hub_are_taken_by_the_name_of_the_repository(file, tmp_path, monkeypatch):
    snapshot = tmp_path / "models--some--faces" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0" * 40)
    for name in (YUNET_FILE, "other.onnx"):
        (snapshot / name).write_bytes(file.read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert find_weights("some/faces") == str(snapshot / YUNET_FILE)
    assert find_weights("some/faces/other.onnx") == str(snapshot / "other.onnx")
    with pytest.raises(ValueError, match="missing.onnx cannot be had from the Hub's some/faces"):
        find_weights("some/faces/missing.onnx")


@pytest.mark.parametrize("name", ["weights.onnx", "folder/weights.onnx", "two words/faces", "/gone/weights.onnx"])
def test_what_is_neither_a_file_nor_a_repository_is_refused(name):
    with pytest.raises(ValueError, match="yunet:FILE.onnx"):
        make_detector(Framing(f"yunet:{name}"))


def test_a_file_that_is_no_yunet_is_refused_in_one_line(tmp_path):
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"not a net")
    with pytest.raises(ValueError, match="is no YuNet that OpenCV") as refusal:
        YuNetDetector(path)
    assert "\n" not in str(refusal.value)
