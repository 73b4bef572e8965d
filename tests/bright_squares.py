"""A net with the inputs and outputs of YuNet that takes bright squares for faces, since no weights of YuNet are kept here."""

import numpy as np

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
