"""What the finder learns from: heads of all sizes, and pieces of heads that hold no face, pasted into pictures without
faces.

A pasted picture has edges that a photograph has not. So that they tell nothing, everything is pasted: walls, pieces of
heads and textures as well as faces, with hard edges and soft ones; and some scenes are one rendered picture as it is.

Conventions
    number      scene `index` of a seed is always the same one.
    pixels      uint8 RGB (SCENE_SIDE, SCENE_SIDE, 3).
    targets     float32 (5, SCENE_SIDE / 8, SCENE_SIDE / 8): how much of a face's middle a cell is (1 in the cell that
                holds it, less in its neighbours), then x, y and size as `detection.networks.FinderNetwork` puts them
                out, then 1 in the cells where these are known.
    box         as in `detection.geometry`: the square about the landmarks.
"""

import math

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.store import Heads
from aullava.detection.networks import FinderNetwork
from aullava.training.data.strong_augmentation import damage_picture
from aullava.training.geometry.crops import iou_of_squares, square_of
from aullava.training.geometry.textures import shuffled, texture

SCENE_SIDE = 128
_SMALLEST, _LARGEST = 11, 118  # boxes, pixels
_FACES = (0.15, 0.5, 0.22, 0.13)  # shares of scenes with none, one, two and three
_TEXTURES = 400


class Scenes:
    """Pictures with their faces, as a dataset of `pixels` and `labels`.

    Args:
        heads: rendered heads, near and far ones, one after the other.
        count: of scenes.
        seed: of everything that is drawn.
    """

    def __init__(self, heads: list[Heads], count: int, seed: int = 0):
        self.heads, self.count, self.seed = heads, count, seed
        drawn = np.random.default_rng((seed, 2**32 - 1))
        self._textures = [texture(drawn, 256) for _ in range(_TEXTURES)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        scene, squares = self.scene(index)
        return {"pixels": scene, "labels": targets_of(squares)}

    def clutter(self, index: int) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
        """A picture full of pieces that are no faces; no boxes."""
        rng = np.random.default_rng((self.seed, index, 1))
        canvas = self._wall(rng)
        for _ in range(int(rng.integers(2, 9))):
            self._paste_piece(canvas, rng)
        return damage_picture(canvas, rng, covers=False), []

    def scene(self, index: int) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
        """A picture, and the middle and side of each of its faces' boxes."""
        rng = np.random.default_rng((self.seed, index))
        squares: list[tuple[float, float, float]] = []
        if rng.random() < 0.15:  # one rendered picture, its face wherever it is
            canvas = np.zeros((SCENE_SIDE, SCENE_SIDE, 3), np.uint8)
            squares.append(self._paste(canvas, rng, whole=True))
        else:
            canvas = self._wall(rng)
            for _ in range(int(rng.integers(0, 5))):
                self._paste_piece(canvas, rng)
            wanted = int(np.searchsorted(np.cumsum(_FACES), rng.random(), side="right"))
            for _ in range(wanted):
                size = math.exp(rng.uniform(math.log(_SMALLEST), math.log(_LARGEST)))
                reach = min(SCENE_SIDE / 2, 0.35 * size)  # a face may be cut by the border, a little
                square = (*rng.uniform(reach, SCENE_SIDE - reach, 2).tolist(), size)
                # A pasted picture is about twice as wide as the face in it and may cover others.
                if all(max(abs(square[i] - s[i]) for i in (0, 1)) > 0.75 * (size + s[2]) for s in squares):
                    squares.append(self._paste(canvas, rng, square))
        return damage_picture(canvas, rng, covers=False), [s for s in squares if s[2] >= _SMALLEST - 1]

    def _wall(self, rng: np.random.Generator) -> np.ndarray:
        plane = self._textures[int(rng.integers(_TEXTURES))]
        side = int(rng.integers(64, 257))
        x, y = rng.integers(0, 257 - side, 2)
        plane = cv2.resize(plane[y : y + side, x : x + side], (SCENE_SIDE, SCENE_SIDE), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(plane[:, ::-1] if rng.random() < 0.5 else plane)

    def _head(self, rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float, float]]:
        heads = self.heads[int(rng.integers(len(self.heads)))]
        number = int(rng.integers(len(heads)))
        return heads.images_NHWC[number], square_of(heads.landmarks_N68_2[number].astype(float))

    def _paste(self, canvas: np.ndarray, rng: np.random.Generator, square=None, whole: bool = False):
        """Put a head into the canvas; returns the square where its face has come to lie."""
        image, (x, y, size) = self._head(rng)
        side = image.shape[0]
        turn = math.radians(rng.uniform(-25, 25)) if rng.random() < 0.6 else 0.0
        if whole:
            turn, to_x, to_y, scale = 0.0, x * SCENE_SIDE / side, y * SCENE_SIDE / side, SCENE_SIDE / side
        else:
            to_x, to_y, scale = *square[:2], square[2] / size
        flip = -1.0 if rng.random() < 0.5 and not whole else 1.0
        linear = scale * np.array([[flip * math.cos(turn), -math.sin(turn)], [flip * math.sin(turn), math.cos(turn)]])
        matrix = np.hstack([linear, (np.array([to_x, to_y]) - linear @ (x, y))[:, None]])
        # The part of the picture that is taken: all of it, or less around the face.
        edges = np.array([0.0, 0.0, side, side])
        if rng.random() < 0.5:
            near = np.array([x - 0.7 * size, y - 0.85 * size, x + 0.7 * size, y + 0.65 * size]).clip(0, side)
            edges = edges + (near - edges) * rng.uniform(0, 1, 4)
        left, top, right, bottom = edges.round().astype(int)
        mask = np.zeros((side, side), np.float32)
        mask[top:bottom, left:right] = 1
        if rng.random() < 0.5 and not whole:
            mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(1, 6)), borderType=cv2.BORDER_CONSTANT)
        _blend(canvas, image, np.ones_like(mask) if whole else mask, matrix)
        return to_x, to_y, size * scale

    def _paste_piece(self, canvas: np.ndarray, rng: np.random.Generator) -> None:
        """Put something that is no face into the canvas."""
        if rng.random() < 0.5:
            plane = self._textures[int(rng.integers(_TEXTURES))]
        elif rng.random() < 0.4:
            image, (x, y, size) = self._head(rng)
            low = np.clip(np.array([x, y]) - 0.6 * size, 0, image.shape[0] - 8).astype(int)
            plane = shuffled(image[low[1] :, low[0] :][: int(1.2 * size), : int(1.2 * size)], rng)
        else:
            image, (x, y, size) = self._head(rng)
            side = image.shape[0]
            while True:
                square = (*rng.uniform(0.1 * side, 0.9 * side, 2).tolist(), size * rng.uniform(0.15, 0.6))
                if iou_of_squares((x, y, size), square) < 0.12:
                    break
            low = np.clip(np.array(square[:2]) - square[2] / 2, 0, side - 2).astype(int)
            plane = image[low[1] : low[1] + max(2, int(square[2])), low[0] : low[0] + max(2, int(square[2]))]
        scale = math.exp(rng.uniform(math.log(8), math.log(90))) / plane.shape[1]
        turn = rng.uniform(-math.pi, math.pi) if rng.random() < 0.3 else 0.0
        stretch = np.diag([scale, scale * math.exp(rng.uniform(-0.6, 0.6))])
        linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ stretch
        matrix = np.hstack([linear, rng.uniform(-20, SCENE_SIDE - 10, (2, 1))])
        mask = np.ones(plane.shape[:2], np.float32)
        if rng.random() < 0.4:
            mask = cv2.GaussianBlur(
                mask, (0, 0), max(0.5, plane.shape[0] * rng.uniform(0.02, 0.1)), borderType=cv2.BORDER_CONSTANT
            )
        _blend(canvas, plane, mask, matrix)


def _blend(canvas: np.ndarray, image: np.ndarray, mask_HW: np.ndarray, matrix_23: np.ndarray) -> None:
    """Put an image into the canvas where its mask is."""
    scale = math.sqrt(abs(np.linalg.det(matrix_23[:, :2])))
    if scale < 0.7:  # averaged, not sampled
        image, mask_HW = (
            cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for part in (image, mask_HW)
        )
        matrix_23 = matrix_23 @ np.diag([1 / scale, 1 / scale, 1])
    moved = matrix_23.copy()
    moved[:, 2] += moved[:, :2] @ (0.5, 0.5) - 0.5
    size = canvas.shape[1::-1]
    drawn = cv2.warpAffine(image, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(mask_HW, moved, size, flags=cv2.INTER_LINEAR)[..., None]
    canvas[:] = (canvas + (drawn.astype(np.float32) - canvas) * share).astype(np.uint8)


def targets_of(squares: list[tuple[float, float, float]], side: int = SCENE_SIDE) -> np.ndarray:
    """The targets (5, side / 8, side / 8) of a picture with these faces."""
    cells = side // FinderNetwork.STRIDE
    targets = np.zeros((5, cells, cells), np.float32)
    rows, columns = np.mgrid[:cells, :cells]
    for x, y, size in squares:
        x, y = x / FinderNetwork.STRIDE, y / FinderNetwork.STRIDE
        column, row = (int(np.clip(v, 0, cells - 1)) for v in (x, y))
        deviation = max(0.5, 0.09 * size / FinderNetwork.STRIDE)
        heat = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * deviation**2))
        known = heat > np.maximum(targets[0], 0.3)
        targets[0] = np.maximum(targets[0], heat)
        targets[1][known] = (x - 0.5 - columns)[known]
        targets[2][known] = (y - 0.5 - rows)[known]
        targets[3][known] = math.log2(size / FinderNetwork.UNIT)
        targets[4][known] = 1
    return targets
