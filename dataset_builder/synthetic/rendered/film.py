"""Films of rendered people with the truth of every frame: people of the test split side by side, as in a video call.

Conventions
    time      frame `i` shows the second `i / rate`; what it shows depends on (seed, person, second) alone, not on the rate.
    box       x, y, w, h in whole pixels of the frame, as `landmarks.detector_box`.
    values    as `labels.values_of`: DISFA's levels 0..5 and FEAFA's fractions 0..1.
    pose      yaw, pitch and roll in degrees, as in `camera`. gaze: degrees to the subject's left and up, in the head.
"""

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aullava.action_units import PROTOCOLS
from aullava.common.files import replace_file
from aullava.dataset_builder.synthetic.rendered.actions import resolve
from aullava.dataset_builder.synthetic.rendered.assets import Library
from aullava.dataset_builder.synthetic.rendered.labels import sides_of, values_of
from aullava.dataset_builder.synthetic.rendered.samples import describe_face, random_stream
from aullava.dataset_builder.synthetic.rendered.script import strengths_at, write_script
from aullava.video.encode import write_film as encode_film

MOST_PEOPLE = 3
PROTOCOLS_OF_TRUTH = (PROTOCOLS["disfa"], PROTOCOLS["feafa"])
_STREAM = 21  # of random numbers, beside those of `samples`
_SMALLEST_TILE = 64  # pixels
# What moves, how far to both sides, in the units of `Camera`; and the periods of the two waves that move it, in seconds.
_MOTION = {"yaw": 16.0, "pitch": 7.0, "roll": 6.0, "shift_x": 0.03, "shift_y": 0.02}
_PERIODS = ((7.0, 18.0), (2.5, 6.0))


@dataclass(frozen=True)
class FilmedFace:
    """One person in one frame: box (x, y, w, h), pose, gaze, the 68 landmarks in the frame, strength 0..1 of every action."""

    person: int
    box: tuple[int, int, int, int]
    pose: tuple[float, float, float]
    gaze: tuple[float, float]
    landmarks_68_2: np.ndarray
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
        seed: of identity, scene, script and motion.
        tile: width and height of the tile in pixels.
        left: where the tile begins in the frame, in pixels.
        library: assets, as in `samples.sample_face`.
    """

    def __init__(
        self, person: int, seconds: float, seed: int, tile: tuple[int, int], left: int, library: Library | None
    ):
        self.person, self._tile, self._left, self._library = person, tile, left, library
        self._face = describe_face("test", person, seed=seed)
        rng = random_stream(seed, person, _STREAM)
        self._waves = {
            name: [(rng.uniform(*span), rng.uniform(0, 2 * math.pi)) for span in _PERIODS] for name in _MOTION
        }
        self.events = write_script(rng, seconds)

    def _moved(self, name: str, seconds: float) -> float:
        """Where a motion is at a time: within plus and minus its reach."""
        (long, first), (short, second) = self._waves[name]
        turn = 2 * math.pi * seconds
        return _MOTION[name] * (0.75 * math.sin(turn / long + first) + 0.25 * math.sin(turn / short + second))

    def at(self, seconds: float) -> tuple[np.ndarray, FilmedFace]:
        """The tile, uint8 RGB, and the truth."""
        width, height = self._tile
        side = max(self._tile)
        camera = replace(
            self._face.scene.camera,
            fill=0.58 * min(self._tile) / side,
            **{name: self._moved(name, seconds) for name in _MOTION},
        )
        scene = replace(self._face.scene, camera=camera)
        pulls = resolve(strengths_at(self.events, seconds))
        face = replace(self._face, scene=scene, pulls=pulls).render(side, self._library)
        top, left = (side - height) // 2, (side - width) // 2
        offset = np.array([self._left - left, -top], np.float32)
        x, y, w, h = face.box
        box = (round(x + offset[0]), round(y + offset[1]), round(w), round(h))
        filmed = FilmedFace(self.person, box, face.pose, face.gaze, face.landmarks_68_2 + offset, face.actions)
        return face.image_HWC[top : top + height, left : left + width], filmed


def film_frames(
    seconds: float = 20,
    rate: float = 10,
    people: int = 2,
    seed: int = 0,
    size: tuple[int, int] = (640, 360),
    library: Library | None = None,
) -> Iterator[FilmFrame]:
    """Render a film frame by frame; the same arguments give the same pixels.

    Args:
        seconds: length; there are `round(seconds * rate)` frames.
        rate: frames per second.
        people: 1 to 3, side by side.
        seed: of people, scripts and motion.
        size: width and height in pixels.
        library: assets, as in `samples.sample_face`.

    Raises:
        ValueError: no whole frame, too many or no people, or tiles too small for a face.
    """
    width, height = size
    count = round(seconds * rate) if seconds > 0 and rate > 0 else 0
    if count < 1 or not 1 <= people <= MOST_PEOPLE:
        raise ValueError(
            f"{seconds} s at {rate} frames a second of {people} people: expected a frame or more, and 1 to {MOST_PEOPLE} people"
        )
    if min(width // people, height) < _SMALLEST_TILE:
        raise ValueError(
            f"{width} x {height} pixels are too few for {people} people: expected {_SMALLEST_TILE} of width for each, and of height"
        )
    edges = [round(width * number / people) for number in range(people + 1)]
    cast = [
        Performer(number, seconds, seed, (edges[number + 1] - edges[number], height), edges[number], library)
        for number in range(people)
    ]
    return _render_frames(count, rate, cast)


def _render_frames(count: int, rate: float, cast: list[Performer]) -> Iterator[FilmFrame]:
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
    library: Library | None = None,
) -> list[Path]:
    """Write film.mp4 and labels.csv, one row a frame and person, and return both paths.

    The table has frame, timestamp, person, the face's box x, y, w, h, yaw, pitch, roll, gaze_left, gaze_up, sides, and then the
    columns of DISFA's levels (AU01_r, ...) and FEAFA's fractions (feafa_01_left_eye_close_v, ...) as `aullava recognize` writes.

    Args:
        folder: made where it is missing.
        seconds, rate, people, seed, size, library: as `film_frames`.

    Raises:
        FileExistsError: the folder holds something.
        ValueError: as `film_frames`.
        ImportError: PyAV is missing.
    """
    frames = film_frames(seconds, rate, people, seed, size, library)
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
    where = ["x", "y", "w", "h", "yaw", "pitch", "roll", "gaze_left", "gaze_up", "sides"]
    return ["frame", "timestamp", "person", *where, *values]


def _noted(frames: Iterator[FilmFrame], writer) -> Iterator[tuple[float, np.ndarray]]:
    """Second and picture of each frame, whose rows of the table are written as it passes."""
    for frame in frames:
        for face in frame.faces:
            values = [v for protocol in PROTOCOLS_OF_TRUTH for v in values_of(face.actions, protocol).values()]
            turns = [f"{angle:.1f}" for angle in (*face.pose, *face.gaze)]
            begin = [frame.index, f"{frame.seconds:.4f}", face.person, *face.box, *turns, sides_of(face.actions)]
            writer.writerow([*begin, *(f"{v:g}" for v in values)])
        yield frame.seconds, frame.image_HWC
