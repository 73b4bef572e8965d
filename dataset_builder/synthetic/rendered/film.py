"""Films of rendered people with the truth of every frame: people of the test split side by side, as filming.py says.

Conventions
    box       as `landmarks.detector_box`.
    pose      yaw, pitch and roll in degrees, as in `camera`. gaze: degrees to the subject's left and up, in the head.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aullava.dataset_builder.synthetic import filming
from aullava.dataset_builder.synthetic.acting import strengths_at
from aullava.dataset_builder.synthetic.filming import FilmFrame, Sway, film
from aullava.dataset_builder.synthetic.rendered.actions import resolve
from aullava.dataset_builder.synthetic.rendered.assets import Library
from aullava.dataset_builder.synthetic.rendered.labels import sides_of, values_of
from aullava.dataset_builder.synthetic.rendered.samples import describe_face, random_stream
from aullava.dataset_builder.synthetic.rendered.script import write_script

WHERE = ("x", "y", "w", "h", "yaw", "pitch", "roll", "gaze_left", "gaze_up", "sides")
_STREAM = 21  # of random numbers, beside those of `samples`
_SMALLEST_TILE = 64  # pixels
# What moves, how far to both sides, in the units of `Camera`; and the periods of the two waves that move it, in seconds, and their
# shares.
_MOTION = {"yaw": 16.0, "pitch": 7.0, "roll": 6.0, "shift_x": 0.03, "shift_y": 0.02}
_PERIODS, _SHARES = ((7.0, 18.0), (2.5, 6.0)), (0.75, 0.25)


@dataclass(frozen=True)
class FilmedFace:
    """One person in one frame: box (x, y, w, h), pose, gaze, the 68 landmarks in the frame, strength 0..1 of every action."""

    person: int
    box: tuple[int, int, int, int]
    pose: tuple[float, float, float]
    gaze: tuple[float, float]
    landmarks_68_2: np.ndarray
    actions: dict[str, float]


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
        self._sway = Sway(rng, _MOTION, _PERIODS, _SHARES)
        self.events = write_script(rng, seconds)

    def at(self, seconds: float) -> tuple[np.ndarray, FilmedFace]:
        """The tile, uint8 RGB, and the truth."""
        width, height = self._tile
        side = max(self._tile)
        camera = replace(
            self._face.scene.camera,
            fill=0.58 * min(self._tile) / side,
            **{name: self._sway.at(name, seconds) for name in _MOTION},
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

    def performer(person: int, tile: tuple[int, int], left: int) -> Performer:
        return Performer(person, seconds, seed, tile, left, library)

    return film(performer, seconds, rate, people, size, (_SMALLEST_TILE, _SMALLEST_TILE))


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

    def located(face: FilmedFace) -> list:
        return [*face.box, *(f"{angle:.1f}" for angle in (*face.pose, *face.gaze)), sides_of(face.actions)]

    return filming.write_film(folder, frames, rate, WHERE, located, values_of)
