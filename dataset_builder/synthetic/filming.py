"""Films of people side by side, as in a video call, with the truth of every frame; drawn and rendered ones are made of this.

Conventions
    time      frame `i` shows the second `i / rate`; what it shows depends on (seed, person, second) alone, not on the rate.
    tile      each person fills a tile of the frame and moves in it slowly.
    box       x, y, w, h of the face in whole pixels of the frame.
    values    DISFA's levels 0..5 and FEAFA's fractions 0..1.
"""

import csv
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aullava.action_units import PROTOCOLS
from aullava.common.files import replace_file
from aullava.video.encode import write_video as encode_film

MOST_PEOPLE = 3
PROTOCOLS_OF_TRUTH = (PROTOCOLS["disfa"], PROTOCOLS["feafa"])

Tile = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class FilmFrame:
    """One frame: its index, its second, uint8 RGB image_HWC, and who is seen."""

    index: int
    seconds: float
    image_HWC: np.ndarray
    faces: tuple[Any, ...]


class Performer(Protocol):
    """Somebody who acts in a tile."""

    def at(self, seconds: float) -> tuple[np.ndarray, Any]:
        """The tile at a time, uint8 RGB, and the truth, which has `person`, `box` and `actions`."""
        ...


class Sway:
    """Slow motions, each the sum of a long and a short wave.

    Args:
        rng: draws periods and phases.
        reach: name -> how far a motion goes to both sides.
        periods: from and to of the long and of the short wave, in seconds.
        shares: of the two waves, together 1.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        reach: Mapping[str, float],
        periods: tuple[tuple[float, float], tuple[float, float]],
        shares: tuple[float, float],
    ):
        self._reach, self._shares = reach, shares
        self._waves = {name: [(rng.uniform(*span), rng.uniform(0, 2 * math.pi)) for span in periods] for name in reach}

    def at(self, name: str, seconds: float) -> float:
        """Where a motion is at a time: within plus and minus its reach."""
        (long, first), (short, second) = self._waves[name]
        turn = 2 * math.pi * seconds
        of_long, of_short = self._shares
        return self._reach[name] * (
            of_long * math.sin(turn / long + first) + of_short * math.sin(turn / short + second)
        )


def film(
    make_performer: Callable[[int, Tile, int], Performer],
    seconds: float,
    rate: float,
    people: int,
    size: tuple[int, int],
    smallest: tuple[float, float],
) -> Iterator[FilmFrame]:
    """A film frame by frame.

    Args:
        make_performer: person's number, tile, and where the tile begins in the frame, in pixels -> who acts in it.
        seconds: length; there are `round(seconds * rate)` frames.
        rate: frames per second.
        people: 1 to 3, side by side.
        size: width and height in pixels. smallest: those of a tile.

    Raises:
        ValueError: no whole frame, too many or no people, or tiles too small for a face.
    """
    width, height = size
    count = round(seconds * rate) if seconds > 0 and rate > 0 else 0
    if count < 1 or not 1 <= people <= MOST_PEOPLE:
        raise ValueError(
            f"{seconds} s at {rate} frames a second of {people} people: expected a frame or more, and 1 to {MOST_PEOPLE} people"
        )
    if width / people < smallest[0] or height < smallest[1]:
        raise ValueError(
            f"{width} x {height} pixels are too few for {people} people: expected {math.ceil(smallest[0])} of width for each, "
            f"and {math.ceil(smallest[1])} of height"
        )
    edges = [round(width * number / people) for number in range(people + 1)]
    cast = [
        make_performer(number, (edges[number + 1] - edges[number], height), edges[number]) for number in range(people)
    ]

    def frame(index: int) -> FilmFrame:
        tiles, faces = zip(*(performer.at(index / rate) for performer in cast), strict=True)
        return FilmFrame(index, index / rate, np.hstack(tiles), faces)

    return map(frame, range(count))


def label_columns(where: Sequence[str]) -> list[str]:
    """The columns of labels.csv; `where`: those that say where a face is."""
    values = [protocol.column(code) for protocol in PROTOCOLS_OF_TRUTH for code in protocol.units]
    return ["frame", "timestamp", "person", *where, *values]


def write_film(
    folder: str | os.PathLike,
    frames: Iterator[FilmFrame],
    rate: float,
    where: Sequence[str],
    located: Callable[[Any], Sequence],
    values_of: Callable[..., Mapping[str, float]],
) -> list[Path]:
    """Write film.mp4 and labels.csv, one row a frame and person, and return both paths.

    Args:
        folder: made where it is missing.
        rate: frames per second.
        where: columns that say where a face is. located: their cells of a face.
        values_of: actions and protocol -> code -> value.

    Raises:
        FileExistsError: the folder holds something.
        ImportError: PyAV is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if found := sorted(path.name for path in folder.iterdir()):
        raise FileExistsError(f"{folder} holds {', '.join(found[:3])}: name a new or an empty folder")
    video, table = folder / "film.mp4", folder / "labels.csv"

    def noted(writer) -> Iterator[tuple[float, np.ndarray]]:
        """Second and image of each frame, whose rows of the table are written as it passes."""
        for frame in frames:
            for face in frame.faces:
                values = [v for protocol in PROTOCOLS_OF_TRUTH for v in values_of(face.actions, protocol).values()]
                begin = [frame.index, f"{frame.seconds:.4f}", face.person, *located(face)]
                writer.writerow([*begin, *(f"{v:g}" for v in values)])
            yield frame.seconds, frame.image_HWC

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(label_columns(where))
            encode_film(video, noted(writer), rate)

    replace_file(table, write)
    return [video, table]
