"""What drawings of readings share: colours, fonts, bars, boxes, and how values are scaled."""

from collections.abc import Sequence

from PIL import ImageDraw, ImageFont

from aullava.action_units import SCALES, Protocol
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import present_probability

PAPER, INK, FAINT, TRACK = (255, 255, 255), (24, 28, 36), (120, 128, 140), (232, 235, 240)
# Four of Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))
_LABEL = 22  # height of the label on a box


def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, so that no font files are searched for."""
    return ImageFont.load_default(size)


def colour_of(face_id: int) -> tuple[int, int, int]:
    """The colour of a face; the fifth has that of the first."""
    return COLOURS[face_id % len(COLOURS)]


def share(value: float | None, protocol: Protocol) -> float:
    """A value as a share 0..1 of its scale; 0 where it is missing."""
    return 0.0 if value is None else value / SCALES[protocol.scale].highest


def bar_share(row: FaceRow, code: str, protocol: Protocol) -> float:
    """How much of its bar a unit fills, 0..1. An occurrence is shown by its probability, if it has one."""
    probability = present_probability(row, code, protocol) if not SCALES[protocol.scale].is_graded else None
    return share(row.readings[protocol.name].values[code], protocol) if probability is None else probability


def draw_bar(pen: ImageDraw.ImageDraw, left: int, top: int, size: tuple[int, int], filled: float, colour) -> None:
    """A bar of `size` pixels, the share `filled` of it in colour."""
    width, height = size
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=TRACK)
    if length := round(width * filled):
        pen.rectangle((left, top, left + length - 1, top + height - 1), fill=colour)


def draw_boxes(pen: ImageDraw.ImageDraw, rows: Sequence[FaceRow], origin: tuple[int, int], scale: float) -> None:
    """The boxes of all faces that a detector found, on an image shown at `scale` with its corner at `origin`."""
    for row in rows:
        if row.has_face and row.score is not None:  # without a detector the box is the whole image
            _draw_box(pen, row, origin, scale)


def _draw_box(pen: ImageDraw.ImageDraw, row: FaceRow, origin: tuple[int, int], scale: float) -> None:
    x, y, w, h = (number * scale for number in row.box)
    left, top = origin[0] + x, origin[1] + y
    colour = colour_of(row.face_id)
    pen.rectangle((left, top, left + w - 1, top + h - 1), outline=colour, width=3)
    label_top = top - _LABEL if top - _LABEL >= origin[1] else top  # above the face where there is room
    label = f"face {row.face_id}  {row.score:.2f}"
    pen.rectangle((left, label_top, left + pen.textlength(label, font=font(14)) + 12, label_top + _LABEL), fill=colour)
    pen.text((left + 6, label_top + 3), label, fill=PAPER, font=font(14))
