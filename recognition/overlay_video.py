"""Readings drawn into a video: the frames that were read, each with its boxes, and beside them one panel of bars per face.

A face keeps its panel from its first frame to its last, and each unit its line, so that a bar can be watched. While a face is
missing its panel is empty. One frame is in memory at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from aullava.action_units import Protocol, format_value
from aullava.recognition.drawing import FAINT, INK, PAPER, bar_share, colour_of, draw_bar, draw_boxes, font
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import unit_label
from aullava.video.decode import VideoEnd, VideoFrames, VideoReadError
from aullava.video.encode import write_video

MOST_PANELS = 3
_PICTURE_SIDES = (640, 960)  # the longer side of a frame is brought into this range
_PAD, _TITLE, _FOOT = 16, 28, 24
_ROWS = (17, 26)  # height of a unit's line, from and to, as the picture's height allows
_BAR, _VALUE = 110, 36
_USUAL_RATE = 25.0  # where neither the rows nor the file tell one
_LEAST_GAP = 0.001  # seconds between frames whose times do not ascend


@dataclass(frozen=True)
class Survey:
    """What a first pass over the rows of a video finds.

    `seats`: face_id -> its panel, from 0, without the faces for which there is no room. `rate`: mean rate of the frames that
    were read, per second; None if unknown.
    """

    seats: Mapping[int, int]
    rate: float | None

    @property
    def panels(self) -> int:
        return 1 + max(self.seats.values(), default=0)


def survey(rows: Iterable[FaceRow]) -> Survey:
    """Survey the rows of one video. The faces that are seen longest get their panels first."""
    spans: dict[int, list[int]] = {}
    frames, times = 0, []
    for _, group in groupby(rows, key=attrgetter("frame")):
        for row in group:
            if row.has_face:
                spans.setdefault(row.face_id, [row.frame, row.frame])[1] = row.frame
        frames += 1
        if row.timestamp is not None:
            times[1:] = [row.timestamp]  # the first and the last
    length = times[-1] - times[0] if times else 0
    return Survey(_seat(spans), (frames - 1) / length if length > 0 else None)


def _seat(spans: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """face_id -> panel, so that no two faces have one panel at once; panels in the order of their lowest face_id."""
    panels: list[list[int]] = []
    for face in sorted(spans, key=lambda face: (spans[face][0] - spans[face][1], face)):
        first, last = spans[face]
        free = (p for p in panels if all(spans[other][0] > last or spans[other][1] < first for other in p))
        if (panel := next(free, None)) is not None:
            panel.append(face)
        elif len(panels) < MOST_PANELS:
            panels.append([face])
    return {face: number for number, panel in enumerate(sorted(panels, key=min)) for face in panel}


def write_overlay_video(
    rows: Iterable[FaceRow], source: Path, target: Path, protocols: Sequence[Protocol], found: Survey
) -> int:
    """Write an MP4 of the frames of the rows, at their own times.

    Args:
        rows: of one video, by frame.
        source: the video.
        target: the file to write.
        protocols: the first ones are shown, as many as `MOST_PANELS` panels allow and at least one.
        found: `survey` of the same rows.

    Returns:
        How many frames are left out because they can no longer be decoded. Frames that could not be decoded when they were
        read are left out as well, but not counted.

    Raises:
        VideoReadError: the video can no longer be read, or none of the frames can be decoded.
        OSError: the video is gone, or the target cannot be written.
    """
    with VideoFrames(source, tolerant=True) as video:
        rate = found.rate or video.rate or _USUAL_RATE
        hidden: list[int] = []
        frames = _draw_frames(rows, video, protocols, found, rate, hidden)
        first = next(frames, None)
        if first is None:
            raise VideoReadError(f"{source}: none of the frames that were read can be decoded")
        write_video(target, chain([first], frames), rate)
    return len(hidden)


def _draw_frames(
    rows: Iterable[FaceRow],
    video: VideoFrames,
    protocols: Sequence[Protocol],
    found: Survey,
    rate: float,
    hidden: list[int],
) -> Iterator[tuple[float, np.ndarray]]:
    stage, last = None, -_LEAST_GAP
    for index, group in groupby(rows, key=attrgetter("frame")):
        faces = list(group)
        if faces[0].fault:
            continue
        try:
            image_HWC = video.frame(index)
        except (VideoReadError, VideoEnd):
            hidden.append(index)
            continue
        stage = stage or _Stage(image_HWC.shape, protocols, found)
        given = faces[0].timestamp
        seconds = index / rate if given is None else given
        last = max(seconds, last + _LEAST_GAP)
        yield (
            last,
            stage.draw(image_HWC, faces, f"frame {index}" if given is None else f"{given:.2f} s   frame {index}"),
        )


class _Stage:
    """What is the same in every frame: sizes, names of units, empty bars."""

    def __init__(self, shape: tuple[int, ...], protocols: Sequence[Protocol], found: Survey):
        self._seats = found.seats
        self._protocols = protocols[: max(1, MOST_PANELS // found.panels)]
        height, width = shape[:2]
        self.scale = min(max(max(height, width), _PICTURE_SIDES[0]), _PICTURE_SIDES[1]) / max(height, width)
        self._size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        most = max(len(protocol.units) for protocol in self._protocols)
        self._row = min(max((self._size[1] - _TITLE) // most, _ROWS[0]), _ROWS[1])
        self._font = font(min(14, self._row - 4))
        self._names = max(
            round(self._font.getlength(unit_label(code))) for protocol in self._protocols for code in protocol.units
        )
        self._panel = self._names + _BAR + _VALUE + 2 * _PAD + 12
        count = found.panels * len(self._protocols)
        self._height = max(self._size[1] + _FOOT, _TITLE + most * self._row) + 2 * _PAD
        self._blank = self._draw_blank(self._size[0] + 2 * _PAD + count * self._panel)

    def _draw_blank(self, width: int) -> Image.Image:
        canvas = Image.new("RGB", (width, self._height), PAPER)
        pen = ImageDraw.Draw(canvas)
        for panel, protocol in self._places():
            for position, code in enumerate(protocol.units):
                left, top = self._corner(panel, position)
                pen.text((left, top + self._row // 2), unit_label(code), fill=INK, font=self._font, anchor="lm")
                self._bar(pen, panel, position, 0.0, FAINT)
        return canvas

    def _places(self) -> list[tuple[int, Protocol]]:
        """The panels of the canvas, the protocols of a seat side by side."""
        seats = 1 + max(self._seats.values(), default=0)
        return list(enumerate(protocol for _ in range(seats) for protocol in self._protocols))

    def _corner(self, panel: int, position: int) -> tuple[int, int]:
        """Where the line of a unit begins."""
        return self._size[0] + 3 * _PAD + panel * self._panel, _PAD + _TITLE + position * self._row

    def _bar(self, pen, panel: int, position: int, filled: float, colour) -> None:
        left, top = self._corner(panel, position)
        draw_bar(pen, left + self._names + 12, top + 4, (_BAR, self._row - 8), filled, colour)

    def draw(self, image_HWC: np.ndarray, rows: Sequence[FaceRow], caption: str) -> np.ndarray:
        """One frame of the output, uint8 RGB image_HWC, always of the same size."""
        canvas = self._blank.copy()
        way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        canvas.paste(Image.fromarray(cv2.resize(image_HWC, self._size, interpolation=way)), (_PAD, _PAD))
        pen = ImageDraw.Draw(canvas)
        draw_boxes(pen, rows, (_PAD, _PAD), self.scale)
        pen.text((_PAD, _PAD + self._size[1] + 7), caption, fill=FAINT, font=font(14))
        seated = {self._seats[row.face_id]: row for row in rows if row.face_id in self._seats}
        for panel, protocol in self._places():
            self._draw_panel(pen, panel, protocol, seated.get(panel // len(self._protocols)))
        return np.asarray(canvas)

    def _draw_panel(self, pen, panel: int, protocol: Protocol, row: FaceRow | None) -> None:
        left, title = self._corner(panel, 0)[0], f"{protocol.name}, {protocol.scale}"
        if row is None:
            pen.text((left, _PAD), f"no face   {title}", fill=FAINT, font=font(14))
            return
        reading, colour = row.readings[protocol.name], colour_of(row.face_id)
        pen.text((left, _PAD - 2), f"face {row.face_id}", fill=colour, font=font(17))
        about = title if reading.status == "ok" else f"{title}, {reading.status}"
        pen.text((left + 70, _PAD + 1), about, fill=FAINT, font=font(14))
        for position, code in enumerate(protocol.units):
            value = reading.values[code]
            self._bar(pen, panel, position, bar_share(row, code, protocol), colour if value else FAINT)
            x, y = self._corner(panel, position)
            said = "?" if value is None else format_value(value, protocol.scale)
            at = (x + self._names + _BAR + 20, y + self._row // 2)
            pen.text(at, said, fill=INK if value else FAINT, font=self._font, anchor="lm")
