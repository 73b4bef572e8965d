"""Truth beside reading, drawn: each face with two bars for every unit that was drawn or read."""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from aullava.action_units import Protocol, format_value
from aullava.recognition.drawing import COLOURS, FAINT, INK, PAPER, draw_bar, font, share
from aullava.recognition.tables import unit_label

TRUTH, READ = FAINT, COLOURS[0]
_FACE, _NAME, _BAR, _VALUE, _PAD, _ROW, _HEAD = 224, 184, 110, 62, 18, 24, 46
_CELL = _FACE + _NAME + _BAR + _VALUE + 2 * _PAD
_COLUMNS = 2


def draw_comparison(
    images: Sequence[Image.Image], truths: Sequence[Mapping], readings: Sequence[Mapping], protocol: Protocol
) -> Image.Image:
    """A sheet of faces, two to a row. A unit that is 0 in both is left out; an undetermined one shows "?"."""
    shown = [
        [code for code in protocol.units if truth[code] or reading[code] or reading[code] is None]
        for truth, reading in zip(truths, readings, strict=True)
    ]
    heights = [max(_FACE, _ROW * len(codes)) + _PAD for codes in shown]
    row_heights = [max(heights[i : i + _COLUMNS]) for i in range(0, len(heights), _COLUMNS)]
    sheet = Image.new("RGB", (_COLUMNS * _CELL + _PAD, _HEAD + sum(row_heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    _draw_legend(pen, protocol)
    for position, (image, codes) in enumerate(zip(images, shown, strict=True)):
        row, column = divmod(position, _COLUMNS)
        left, top = _PAD + column * _CELL, _HEAD + sum(row_heights[:row])
        sheet.paste(image.resize((_FACE, _FACE), Image.Resampling.LANCZOS), (left, top))
        if not codes:
            pen.text((left + _FACE + _PAD, top + 2), "nothing drawn, nothing read", fill=FAINT, font=font(12))
        for line, code in enumerate(codes):
            place = left + _FACE + _PAD, top + line * _ROW
            _draw_unit(pen, place, code, truths[position][code], readings[position][code], protocol)
    return sheet


def _draw_legend(pen: ImageDraw.ImageDraw, protocol: Protocol) -> None:
    pen.text((_PAD, 13), f"{protocol.name}, {protocol.scale}", fill=INK, font=font(15))
    left = _PAD + 200
    for colour, name in ((TRUTH, "drawn"), (READ, "read")):
        pen.rectangle((left, 18, left + 18, 26), fill=colour)
        pen.text((left + 26, 14), name, fill=INK, font=font(14))
        left += 100
    pen.text((left, 14), "numbers: drawn, read; units at 0 in both are left out", fill=FAINT, font=font(14))


def _draw_unit(pen: ImageDraw.ImageDraw, place: tuple[int, int], code: str, truth, read, protocol: Protocol) -> None:
    left, top = place
    pen.text((left, top + 2), unit_label(code), fill=INK, font=font(12))
    draw_bar(pen, left + _NAME, top + 2, (_BAR, 7), share(truth, protocol), TRUTH)
    draw_bar(pen, left + _NAME, top + 10, (_BAR, 7), share(read, protocol), READ)
    said = ", ".join("?" if value is None else format_value(value, protocol.scale) for value in (truth, read))
    pen.text((left + _NAME + _BAR + 8, top + 2), said, fill=INK if truth == read else FAINT, font=font(12))
