"""What the pictures of readings share: colours, type, bars and how a value is scaled."""

from PIL import ImageDraw, ImageFont

from aullava.action_units import INTENSITY, Protocol

PAPER, INK, FAINT, TRACK = (255, 255, 255), (24, 28, 36), (120, 128, 140), (232, 235, 240)
# Four of Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))


def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow carries this font, so no font files are looked for."""
    return ImageFont.load_default(size)


def share(value: float | None, protocol: Protocol) -> float:
    """A value as a share 0..1 of its scale; 0 where it is missing."""
    return 0.0 if value is None else value / (5 if protocol.scale == INTENSITY else 1)


def draw_bar(pen: ImageDraw.ImageDraw, left: int, top: int, size: tuple[int, int], filled: float, colour) -> None:
    """A bar of `size` pixels, the share `filled` of it in colour."""
    width, height = size
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=TRACK)
    if length := round(width * filled):
        pen.rectangle((left, top, left + length - 1, top + height - 1), fill=colour)
