"""Pictures without faces: what rendered heads have behind them, noise, stripes, checks, blobs, letters, plain skin."""

import cv2
import numpy as np

from aullava.dataset_builder.synthetic.rendered.background import BACKGROUNDS, background


def shuffled(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture cut into tiles that have changed places: every part of a face may be there, and no face."""
    parts = min(int(rng.integers(3, 6)), *image_HWC.shape[:2])
    side = max(1, min(image_HWC.shape[:2]) // parts)
    tiles = image_HWC[: side * parts, : side * parts].reshape(parts, side, parts, side, 3).swapaxes(1, 2)
    tiles = rng.permutation(tiles.reshape(parts * parts, side, side, 3))
    if rng.random() < 0.5:
        tiles = np.where(rng.random((len(tiles), 1, 1, 1)) < 0.5, tiles, tiles[:, ::-1, ::-1])
    mixed = tiles.reshape(parts, parts, side, side, 3).swapaxes(1, 2).reshape(side * parts, side * parts, 3)
    return np.ascontiguousarray(mixed)


def texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """One picture, uint8 RGB (side, side, 3)."""
    kind = rng.random()
    if kind < 0.45:
        kind_of = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
        plane = background(kind_of, int(rng.integers(2**31)), side)
        return (np.clip(plane, 0, 1) ** np.float32(1 / 2.2) * 255).astype(np.uint8)
    colours = rng.uniform(0, 255, (6, 3))
    if rng.random() < 0.4:  # the colours of skin
        colours[:3] = np.array([200, 150, 120]) * rng.uniform(0.2, 1.25, (3, 1)) * rng.uniform(0.9, 1.1, (3, 3))
    if kind < 0.6:  # noise of several sizes
        plane = np.zeros((side, side, 3), np.float32) + colours[0].astype(np.float32)
        for cells in (3, 6, 12, 24, 48):
            noise = rng.normal(0, rng.uniform(5, 40), (cells, cells, 1 if rng.random() < 0.7 else 3)).astype(
                np.float32
            )
            layer = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
            plane += layer[..., None] if layer.ndim == 2 else layer
        return np.clip(plane, 0, 255).astype(np.uint8)
    plane = np.empty((side, side, 3), np.uint8)
    plane[:] = colours[0].astype(np.uint8)
    if kind < 0.7:  # stripes and checks
        rows, columns = np.mgrid[:side, :side]
        way, step = rng.uniform(0, np.pi), rng.uniform(0.03, 0.3) * side
        along = np.cos(way) * columns + np.sin(way) * rows
        across = np.cos(way) * rows - np.sin(way) * columns
        chosen = (along // step).astype(int) + ((across // step).astype(int) if rng.random() < 0.5 else 0)
        plane = colours[chosen % int(rng.integers(2, 4))].astype(np.uint8)
    else:  # ellipses, rods and rectangles, filled and not: hands, plants, furniture, letters
        for _ in range(int(rng.integers(3, 40))):
            colour = tuple(float(v) for v in colours[int(rng.integers(6))] * rng.uniform(0.7, 1.2))
            x, y = (int(v) for v in rng.integers(0, side, 2))
            a, b = (int(v) + 1 for v in rng.exponential(0.12 * side, 2))
            thick = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
            shape = int(rng.integers(4))
            if shape == 0:
                cv2.ellipse(plane, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, colour, thick)
            elif shape == 1:
                cv2.rectangle(plane, (x, y), (x + 2 * a, y + 2 * b), colour, thick)
            elif shape == 2:
                cv2.line(plane, (x, y), (x + 3 * a - b, y + 3 * b - a), colour, int(rng.integers(1, 2 + side // 10)))
            else:
                letters = "".join(chr(int(rng.integers(48, 91))) for _ in range(4))
                cv2.putText(
                    plane, letters, (x - a, y), cv2.FONT_HERSHEY_SIMPLEX, side * rng.uniform(0.004, 0.02), colour, 2
                )
    return cv2.GaussianBlur(plane, (0, 0), float(rng.uniform(0.3, 2.5)))
