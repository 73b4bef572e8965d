"""YuNet's path through OpenCV's own FaceDetectorYN, with a net of its inputs and outputs that takes bright squares for faces."""

import threading

import numpy as np
import pytest
from PIL import Image

from aullava.media.boxes import FaceBox
from aullava.media.detection import make_detector
from aullava.media.yunet import YUNET_FILE, YuNetDetector, find_weights

SIDE = 48  # of a bright square, in pixels of the searched picture; its corner lies at a multiple of 16


def _field(number: int, value: int | bytes) -> bytes:
    """One field of a protobuf message."""
    wire_type, payload = (0, _varint(value)) if isinstance(value, int) else (2, _varint(len(value)) + value)
    return _varint(number << 3 | wire_type) + payload


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


def _tensor(name: str, values: np.ndarray) -> bytes:
    dimensions = b"".join(_field(1, size) for size in values.shape)
    return dimensions + _field(2, 1) + _field(8, name.encode()) + _field(9, values.astype("<f4").tobytes())


def _node(kind: str, inputs: list[str], output: str, **attributes: list[int]) -> bytes:
    attached = b""
    for name, numbers in attributes.items():
        attached += _field(5, _field(1, name.encode()) + b"".join(_field(8, n) for n in numbers) + _field(20, 7))
    named = b"".join(_field(1, name.encode()) for name in inputs)
    return named + _field(2, output.encode()) + _field(3, output.encode()) + _field(4, kind.encode()) + attached


def _shaped(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, dimensions)))


def bright_square_net() -> bytes:
    """An ONNX model: cls, obj, bbox and kps at strides 8, 16 and 32, of which only stride 16 finds anything.

    A cell's class score rises from 0 to 1 as the mean of the 48 x 48 pixels around it does from a half to white, blue counting
    most and red nothing; its box has their size.
    """
    nodes, weights, outputs = [], [], []
    for stride in (8, 16, 32):
        for head, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name = f"{head}_{stride}"
            kernel, bias, pad = np.zeros((channels, 3, stride, stride)), np.zeros(channels), 0
            if name == "cls_16":
                pad = (SIDE - stride) // 2
                kernel = np.ones((1, 3, SIDE, SIDE)) * np.reshape([1.8, 0.2, 0], (1, 3, 1, 1)) / SIDE**2 / 255
                bias[:] = -1
            elif name == "obj_16":
                bias[:] = 1
            elif head == "bbox":
                bias[:] = 0.5, 0.5, np.log(SIDE / stride), np.log(SIDE / stride)
            weights += [_tensor(f"{name}_w", kernel), _tensor(f"{name}_b", bias)]
            sizes = {"kernel_shape": list(kernel.shape[2:]), "strides": [stride, stride], "pads": [pad] * 4}
            nodes.append(_node("Conv", ["input", f"{name}_w", f"{name}_b"], f"{name}_map", **sizes))
            nodes.append(_node("Transpose", [f"{name}_map"], name, perm=[0, 2, 3, 1]))
            outputs.append(_shaped(name, (1, 640 // stride, 640 // stride, channels)))
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"bright squares")
    graph += b"".join(_field(5, weight) for weight in weights)
    graph += _field(11, _shaped("input", (1, 3, 640, 640))) + b"".join(_field(12, output) for output in outputs)
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 11))


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
    (box,) = make_detector(f"yunet:{file}").detect(picture(160, 160, (32, 48, SIDE)))
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


@pytest.mark.parametrize("name", ["", "weights.onnx", "folder/weights.onnx", "two words/faces", "/gone/weights.onnx"])
def test_what_is_neither_a_file_nor_a_repository_is_refused(name):
    with pytest.raises(ValueError, match="yunet:FILE.onnx"):
        make_detector(f"yunet:{name}")


def test_a_file_that_is_no_yunet_is_refused_in_one_line(tmp_path):
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"not a net")
    with pytest.raises(ValueError, match="is no YuNet that OpenCV") as refusal:
        YuNetDetector(path)
    assert "\n" not in str(refusal.value)
