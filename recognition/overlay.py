"""A picture of a reading: the image with its boxes, and beside it one panel a face with a bar for every unit."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw

from aullava.action_units import OCCURRENCE, Protocol, format_value
from aullava.image_aullava import ImageReadError, load_image
from aullava.media.files import replace_file
from aullava.recognition.drawing import COLOURS, FAINT, INK, PAPER, draw_bar, font, share
from aullava.recognition.inputs import Failure
from aullava.recognition.outputs import present_probability, unit_label
from aullava.recognition.run import FaceRow

_ROW, _NAME, _BAR, _VALUE, _PAD = 24, 214, 150, 96, 16
_PANEL = _NAME + _BAR + _VALUE + 2 * _PAD
_LABEL = 22
_ABREAST = 3  # panels beside each other
_PICTURE_SIDES = (480, 900)  # the longer side of the picture is brought into this range


def write_overlays(
    rows: Sequence[FaceRow], folder: Path, protocol: Protocol, failures: list[Failure]
) -> Iterator[Path]:
    """Write one PNG for each input of the rows, named after it, and yield its path.

    Inputs with the same name get "-2", "-3", ... in the order of the rows. Pictures that cannot be written, or whose input
    is gone, are appended to `failures`.
    """
    taken: set[str] = set()
    for source, group in groupby(rows, key=lambda row: row.input):
        target = folder / f"{_free_name(Path(source).stem, taken)}.png"
        try:
            picture = draw_overlay(load_image(source), list(group), protocol)
            replace_file(target, partial(picture.save, format="PNG"))
        except (ImageReadError, OSError) as error:
            failures.append(Failure(target, f"not written: {error}"))
        else:
            yield target


def _free_name(stem: str, taken: set[str]) -> str:
    name, count = stem, 1
    while name.lower() in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name.lower())
    return name


def draw_overlay(image: Image.Image, rows: Sequence[FaceRow], protocol: Protocol) -> Image.Image:
    """The image with the boxes of all rows, and a panel for every face that was found."""
    scale = _scale_of(image)
    picture = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    faces = [row for row in rows if row.has_face]
    panel_height = _ROW * (len(protocol.units) + 2)
    height = max(picture.height, panel_height * -(-len(faces) // _ABREAST)) + 2 * _PAD
    width = picture.width + 2 * _PAD + _PANEL * min(max(1, len(faces)), _ABREAST)
    canvas = Image.new("RGB", (width, height), PAPER)
    canvas.paste(picture, (_PAD, _PAD))
    pen = ImageDraw.Draw(canvas)
    for row in faces:
        if row.reading.score is not None:  # without a detector the box is the picture's border
            _draw_box(pen, row, scale)
    left = picture.width + 2 * _PAD
    if not faces:
        pen.text((left + _PAD, _PAD), "no face found", fill=INK, font=font(18))
    for position, row in enumerate(faces):
        down, right = divmod(position, _ABREAST)
        _draw_panel(pen, left + right * _PANEL, _PAD + down * panel_height, row, protocol)
    return canvas


def _scale_of(image: Image.Image) -> float:
    longest = max(image.size)
    return min(max(longest, _PICTURE_SIDES[0]), _PICTURE_SIDES[1]) / longest


def _draw_box(pen: ImageDraw.ImageDraw, row: FaceRow, scale: float) -> None:
    x, y, w, h = (number * scale for number in row.reading.box)
    left, top, right, bottom = _PAD + x, _PAD + y, _PAD + x + w - 1, _PAD + y + h - 1
    colour, score = _colour(row), row.reading.score
    pen.rectangle((left, top, right, bottom), outline=colour, width=3)
    label_top = top - _LABEL if top - _LABEL >= _PAD else top  # above the face where there is room
    label = f"face {row.face_id}  {score:.2f}"
    pen.rectangle((left, label_top, left + pen.textlength(label, font=font(14)) + 12, label_top + _LABEL), fill=colour)
    pen.text((left + 6, label_top + 3), label, fill=PAPER, font=font(14))


def _draw_panel(pen: ImageDraw.ImageDraw, left: int, top: int, row: FaceRow, protocol: Protocol) -> None:
    pen.text((left + _PAD, top), f"face {row.face_id}", fill=_colour(row), font=font(17))
    about = f"{protocol.name}, {protocol.scale}" + ("" if row.reading.status == "ok" else f", {row.reading.status}")
    pen.text((left + _PAD + 70, top + 3), about, fill=FAINT, font=font(14))
    for position, code in enumerate(protocol.units):
        _draw_unit(pen, left + _PAD, top + _ROW * (position + 1) + _ROW // 2, code, row, protocol)


def _draw_unit(pen: ImageDraw.ImageDraw, left: int, top: int, code: str, row: FaceRow, protocol: Protocol) -> None:
    """One line: name, bar, value. The bar of an occurrence is its probability where there is one."""
    value = row.reading.values[code]
    probability = present_probability(row, code, protocol)
    length = probability if protocol.scale == OCCURRENCE and probability is not None else share(value, protocol)
    ink = INK if value else FAINT
    pen.text((left, top + 3), unit_label(code), fill=ink, font=font(13))
    draw_bar(pen, left + _NAME, top + 4, (_BAR, _ROW - 10), length, _colour(row) if value else FAINT)
    pen.text((left + _NAME + _BAR + 10, top + 3), _reading(value, probability, protocol), fill=ink, font=font(13))


def _reading(value, probability: float | None, protocol: Protocol) -> str:
    if value is None:
        return "undetermined"
    said = format_value(value, protocol.scale)
    return said if probability is None else f"{said}   p {probability:.2f}"


def _colour(row: FaceRow) -> tuple[int, int, int]:
    return COLOURS[row.face_id % len(COLOURS)]
