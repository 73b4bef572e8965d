"""Films of drawn faces with the truth of every frame: people of the test split side by side, as in a video call.

Conventions
    picture   each person fills a tile of the frame, drawn by itself, and moves in it slowly: place, size, pose and gaze.
    time      frame `i` shows the second `i / rate`; what it shows depends on (seed, person, second) alone, not on the rate.
    box       x, y, w, h in pixels of the frame: a square from the hairline to the chin, 0.85 of the side of the picture that
              training sees (`canvas.UNITS_PER_IMAGE`), as large as what OpenCV's cascade boxes: 0.85 to 0.91 of it in five films.
    values    as `labels.values_of`: DISFA's levels 0..5 and FEAFA's fractions 0..1.
"""

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from aullava.action_units import PROTOCOLS
from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.drawn.canvas import UNITS_PER_IMAGE
from aullava.dataset_builder.synthetic.drawn.labels import values_of
from aullava.dataset_builder.synthetic.drawn.renderer import draw_face
from aullava.dataset_builder.synthetic.drawn.samples import describe_face, random_stream
from aullava.dataset_builder.synthetic.drawn.scene import Scene
from aullava.dataset_builder.synthetic.drawn.script import strengths_at, write_script
from aullava.video.encode import write_film as encode_film

MOST_PEOPLE = 3
PROTOCOLS_OF_TRUTH = (PROTOCOLS["disfa"], PROTOCOLS["feafa"])
_STREAM = 3  # of random numbers, beside those of `samples`
_BOX_SHARE = 0.85
# Face units around the face: shoulders to the lower border, hair below the upper one, ears inside the sides.
_WIDTH_UNITS, _HEIGHT_UNITS, _BELOW_UNITS = 3.6, 3.7, 2.0
_SMALLEST_UNIT = 16.0  # pixels; a face smaller than some 30 pixels is hardly found
# What moves, how far to both sides, in the units of `Scene`; and the periods of the two waves that move it, in seconds.
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
_PERIODS = ((9.0, 20.0), (4.0, 8.0))


@dataclass(frozen=True)
class FilmedFace:
    """One person in one frame: the face's box (x, y, w, h) and the strength 0..1 of every action."""

    person: int
    box: tuple[int, int, int, int]
    actions: dict[str, float]


@dataclass(frozen=True)
class FilmFrame:
    """One frame: its index, its second, uint8 RGB image_HWC, and who is seen."""

    index: int
    seconds: float
    image_HWC: np.ndarray
    faces: tuple[FilmedFace, ...]


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
        self._waves = {
            name: [(rng.uniform(*span), rng.uniform(0, 2 * math.pi)) for span in _PERIODS] for name in _MOTION
        }
        self.events = write_script(rng, seconds)

    @cached_property
    def _unit(self) -> float:
        """Pixels of a face unit."""
        return min(self._tile[0] / _WIDTH_UNITS, self._tile[1] / _HEIGHT_UNITS)

    def _moved(self, name: str, seconds: float) -> float:
        """Where a motion is at a time: within plus and minus its reach."""
        (long, first), (short, second) = self._waves[name]
        turn = 2 * math.pi * seconds
        return _MOTION[name] * (0.7 * math.sin(turn / long + first) + 0.3 * math.sin(turn / short + second))

    def _scene_at(self, seconds: float) -> Scene:
        """The scene of a square picture as wide as the longer side of the tile, in whose middle the tile lies."""
        side, (_, height) = max(self._tile), self._tile
        scale = self._unit * UNITS_PER_IMAGE / side * (1 + self._moved("grow", seconds))
        lower = (height / 2 - _BELOW_UNITS * self._unit) / side
        moved = {name: self._moved(name, seconds) for name in _MOTION if name != "grow"}
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
    width, height = size
    count = round(seconds * rate) if seconds > 0 and rate > 0 else 0
    if count < 1 or not 1 <= people <= MOST_PEOPLE:
        raise ValueError(
            f"{seconds} s at {rate} frames a second of {people} people: expected a frame or more, and 1 to {MOST_PEOPLE} people"
        )
    if min(width / people / _WIDTH_UNITS, height / _HEIGHT_UNITS) < _SMALLEST_UNIT:
        raise ValueError(
            f"{width} x {height} pixels are too few for {people} people: expected {math.ceil(_SMALLEST_UNIT * _WIDTH_UNITS)} of "
            f"width for each, and {math.ceil(_SMALLEST_UNIT * _HEIGHT_UNITS)} of height"
        )
    return _draw_frames(count, rate, _cast(seconds, people, seed, width, height))


def _cast(seconds: float, people: int, seed: int, width: int, height: int) -> list[Performer]:
    edges = [round(width * number / people) for number in range(people + 1)]
    return [
        Performer(number, seconds, seed, (edges[number + 1] - edges[number], height), edges[number])
        for number in range(people)
    ]


def _draw_frames(count: int, rate: float, cast: list[Performer]) -> Iterator[FilmFrame]:
    for index in range(count):
        tiles, faces = zip(*(performer.at(index / rate) for performer in cast), strict=True)
        yield FilmFrame(index, index / rate, np.hstack(tiles), faces)


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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if found := sorted(path.name for path in folder.iterdir()):
        raise FileExistsError(f"{folder} holds {', '.join(found[:3])}: name a new or an empty folder")
    film, table = folder / "film.mp4", folder / "labels.csv"

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(label_columns())
            encode_film(film, _noted(frames, writer), rate)

    replace_file(table, write)
    return [film, table]


def label_columns() -> list[str]:
    """The columns of labels.csv."""
    values = [protocol.column(code) for protocol in PROTOCOLS_OF_TRUTH for code in protocol.units]
    return ["frame", "timestamp", "person", "x", "y", "w", "h", *values]


def _noted(frames: Iterator[FilmFrame], writer) -> Iterator[tuple[float, np.ndarray]]:
    """Second and picture of each frame, whose rows of the table are written as it passes."""
    for frame in frames:
        for face in frame.faces:
            values = [v for protocol in PROTOCOLS_OF_TRUTH for v in values_of(face.actions, protocol).values()]
            writer.writerow([frame.index, f"{frame.seconds:.4f}", face.person, *face.box, *(f"{v:g}" for v in values)])
        yield frame.seconds, frame.image_HWC
