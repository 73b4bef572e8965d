"""Films of drawn faces with the truth of every frame: people of the test split side by side, as filming.py says.

Conventions
    motion    place, size, pose and gaze.
    box       a square from the hairline to the chin, 0.85 of the side of the image that training sees (`canvas.UNITS_PER_IMAGE`),
              about as large as what OpenCV's cascade boxes: 0.85 to 0.91 of it in five films.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from aullava.dataset_builder.synthetic import filming
from aullava.dataset_builder.synthetic.acting import strengths_at
from aullava.dataset_builder.synthetic.drawn.canvas import UNITS_PER_IMAGE
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.renderer import draw_face
from aullava.dataset_builder.synthetic.drawn.samples import describe_face, random_stream
from aullava.dataset_builder.synthetic.drawn.scene import Scene
from aullava.dataset_builder.synthetic.drawn.script import write_script
from aullava.dataset_builder.synthetic.filming import FilmFrame, Sway, film

WHERE = ("x", "y", "w", "h")
_STREAM = 3  # of random numbers, beside those of `samples`
_BOX_SHARE = 0.85
# Face units around the face: shoulders to the lower border, hair below the upper one, ears inside the sides.
_WIDTH_UNITS, _HEIGHT_UNITS, _BELOW_UNITS = 3.6, 3.7, 2.0
_SMALLEST_UNIT = 16.0  # pixels; a face smaller than some 30 pixels is hardly found
# What moves, how far to both sides, in the units of `Scene`; and the periods of the two waves that move it, in seconds, and their
# shares.
_MOTION = {
    "yaw": 0.12,
    "pitch": 0.07,
    "roll": 0.06,
    "shift_x": 0.035,
    "shift_y": 0.015,
    "gaze_x": 0.03,
    "gaze_y": 0.012,
    "grow": 0.04,
}
_PERIODS, _SHARES = ((9.0, 20.0), (4.0, 8.0)), (0.7, 0.3)


@dataclass(frozen=True)
class FilmedFace:
    """One person in one frame: the face's box (x, y, w, h) and the strength 0..1 of every action."""

    person: int
    box: tuple[int, int, int, int]
    actions: dict[str, float]


class Performer:
    """A person of the test split who acts a script in a tile of the frame.

    Args:
        person: number of the person in the film.
        seconds: for how long.
        seed: of identity, script and motion.
        tile: width and height of the tile in pixels.
        left: where the tile begins in the frame, in pixels.
    """

    def __init__(self, person: int, seconds: float, seed: int, tile: tuple[int, int], left: int):
        self.person, self._tile, self._left = person, tile, left
        described = describe_face("test", person, seed=seed)
        self.identity, self._scene = described.identity, described.scene
        rng = random_stream(seed, person, _STREAM)
        self._sway = Sway(rng, _MOTION, _PERIODS, _SHARES)
        self.events = write_script(rng, seconds)

    @cached_property
    def _unit(self) -> float:
        """Pixels of a face unit."""
        return min(self._tile[0] / _WIDTH_UNITS, self._tile[1] / _HEIGHT_UNITS)

    def _scene_at(self, seconds: float) -> Scene:
        """The scene of a square image as wide as the longer side of the tile, in whose middle the tile lies."""
        side, (_, height) = max(self._tile), self._tile
        scale = self._unit * UNITS_PER_IMAGE / side * (1 + self._sway.at("grow", seconds))
        lower = (height / 2 - _BELOW_UNITS * self._unit) / side
        moved = {name: self._sway.at(name, seconds) for name in _MOTION if name != "grow"}
        moved["shift_y"] += lower
        return replace(self._scene, **moved, scale=scale, blur=0.0, noise=0.0)

    def at(self, seconds: float) -> tuple[np.ndarray, FilmedFace]:
        """The tile, uint8 RGB, and the truth."""
        width, height = self._tile
        side, scene = max(self._tile), self._scene_at(seconds)
        face = draw_face(self.identity, strengths_at(self.events, seconds), scene, side)
        top, left = (side - height) // 2, (side - width) // 2
        tile_HWC = face.image_HWC[top : top + height, left : left + width]
        box = side * scene.scale * _BOX_SHARE
        x = self._left - left + side * (0.5 + scene.shift_x) - box / 2
        y = -top + side * (0.5 + scene.shift_y) - box / 2
        return tile_HWC, FilmedFace(self.person, (round(x), round(y), round(box), round(box)), face.actions)


def film_frames(
    seconds: float = 20, rate: float = 10, people: int = 2, seed: int = 0, size: tuple[int, int] = (640, 360)
) -> Iterator[FilmFrame]:
    """Draw a film frame by frame; the same arguments give the same pixels.

    Args:
        seconds: length; there are `round(seconds * rate)` frames.
        rate: frames per second.
        people: 1 to 3, side by side.
        seed: of people, scripts and motion.
        size: width and height in pixels.

    Raises:
        ValueError: no whole frame, too many or no people, or tiles too small for a face.
    """
    smallest = _SMALLEST_UNIT * _WIDTH_UNITS, _SMALLEST_UNIT * _HEIGHT_UNITS
    return film(
        lambda person, tile, left: Performer(person, seconds, seed, tile, left), seconds, rate, people, size, smallest
    )


def write_film(
    folder: str | os.PathLike,
    seconds: float = 20,
    rate: float = 10,
    people: int = 2,
    seed: int = 0,
    size: tuple[int, int] = (640, 360),
) -> list[Path]:
    """Write film.mp4 and labels.csv, one row a frame and person, and return both paths.

    The table has frame, timestamp, person, the face's box x, y, w, h, and then the columns of DISFA's levels (AU01_r, ...) and
    FEAFA's fractions (feafa_01_left_eye_close_v, ...) that `aullava recognize` writes.

    Args:
        folder: made where it is missing.
        seconds, rate, people, seed, size: as `film_frames`.

    Raises:
        FileExistsError: the folder holds something.
        ValueError: as `film_frames`.
        ImportError: PyAV is missing.
    """
    frames = film_frames(seconds, rate, people, seed, size)
    return filming.write_film(folder, frames, rate, WHERE, lambda face: face.box, values_of)
