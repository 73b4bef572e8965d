"""What is behind the head: plain walls, rooms and the open air, out of focus, made of rectangles, discs and gradients."""

import cv2
import numpy as np

BACKGROUNDS = ("plain", "gradient", "room", "shelves", "office", "street", "garden")
_SIDE = 64


def background(kind: str, seed: int, size: int) -> np.ndarray:
    """Linear RGB, float32 (size, size, 3).

    Raises:
        ValueError: the kind is none of `BACKGROUNDS`.
    """
    if kind not in BACKGROUNDS:
        raise ValueError(f"unknown background {kind!r}; there are {', '.join(BACKGROUNDS)}")
    rng = np.random.Generator(np.random.Philox(seed))
    wall = rng.uniform(0.08, 0.85) * (0.75 + 0.5 * (rng.uniform(size=3) - 0.5))
    plane = np.empty((_SIDE, _SIDE, 3), np.float32)
    down = np.linspace(0, 1, _SIDE, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, _SIDE, dtype=np.float32)[None, :, None]
    slope = rng.uniform(-0.35, 0.35, 2)
    plane[:] = wall * (1 + slope[0] * (down - 0.5) + slope[1] * (across - 0.5))
    focus = float(rng.uniform(0.6, 3.0))
    if kind == "plain":
        focus = 2.0
    elif kind == "gradient":
        plane[:] = plane * (1 - down) + down * wall[::-1] * rng.uniform(0.4, 1.2)
    elif kind in ("room", "office"):
        for _ in range(int(rng.integers(2, 5))):  # windows, pictures, screens
            _rectangle(plane, rng, (10, 30), (10, 34), (0.05, 1.6 if kind == "room" else 1.1), 0.25)
        floor = int(rng.integers(44, 80))
        plane[floor:] = rng.uniform(0.05, 0.35) * (0.8 + 0.4 * rng.uniform(size=3))
        _rectangle(plane, rng, (14, 40), (20, 60), (0.03, 0.5), 0.5)
    elif kind == "shelves":
        for row in range(int(rng.integers(0, 8)), _SIDE, int(rng.integers(11, 18))):
            column = 0
            while column < _SIDE:
                wide, tall = int(rng.integers(1, 5)), int(rng.integers(6, 12))
                colour = rng.uniform(0.03, 0.6) * (0.5 + rng.uniform(size=3))
                plane[row : row + tall, column : column + wide] = colour
                column += wide
            plane[row + 12 : row + 14] = wall * 0.4
    else:
        sky = (
            np.array((0.55, 0.72, 1.0)) * rng.uniform(0.5, 1.4)
            if rng.uniform() < 0.7
            else np.full(3, rng.uniform(0.5, 1.2))
        )
        plane[:] = sky * (0.75 + 0.35 * down)
        if kind == "street":
            column = -int(rng.integers(0, 10))
            while column < _SIDE:
                wide, top = int(rng.integers(9, 24)), int(rng.integers(2, 40))
                colour = rng.uniform(0.08, 0.6) * (0.8 + 0.4 * rng.uniform(size=3))
                plane[top:, max(0, column) : max(0, column + wide)] = colour
                for row in range(top + 3, _SIDE - 4, 6):
                    for c in range(max(0, column + 2), min(_SIDE, column + wide - 2), 4):
                        plane[row : row + 3, c : c + 2] = colour * rng.uniform(0.2, 1.7)
                column += wide
        else:
            leaves = np.array((0.10, 0.20, 0.05)) * rng.uniform(0.6, 2.0)
            for _ in range(70):
                centre = (int(rng.integers(0, _SIDE)), int(_SIDE * rng.uniform() ** 0.6))
                colour = leaves * (0.4 + 1.4 * rng.uniform()) * (0.8 + 0.4 * rng.uniform(size=3))
                cv2.circle(plane, centre, int(rng.integers(2, 8)), tuple(float(c) for c in colour), -1)
    plane = cv2.GaussianBlur(np.clip(plane, 0, 2.5), (0, 0), focus)
    return cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR)  # as soft as it is, linear is enough


def _rectangle(
    plane: np.ndarray, rng: np.random.Generator, wide: tuple, tall: tuple, bright: tuple, colourful: float
) -> None:
    w, h = int(rng.integers(*wide)), int(rng.integers(*tall))
    x, y = int(rng.integers(-8, _SIDE - 4)), int(rng.integers(-8, _SIDE - 10))
    colour = rng.uniform(*bright) * (1 - colourful / 2 + colourful * rng.uniform(size=3))
    plane[max(0, y) : y + h, max(0, x) : x + w] = colour
