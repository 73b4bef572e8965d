"""Readings drawn into images and videos: the input with its boxes, and beside it a bar for every unit of every face."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from PIL import Image, ImageDraw

from aullava.action_units import Protocol, format_value
from aullava.common.files import FileNames, replace_file
from aullava.image_aullava import ImageReadError, load_image
from aullava.recognition.drawing import FAINT, INK, PAPER, bar_share, colour_of, draw_bar, draw_boxes, font
from aullava.recognition.inputs import Failure
from aullava.recognition.overlay_video import survey, write_overlay_video
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import present_probability, unit_label
from aullava.video.decode import VideoReadError

_ROW, _NAME, _BAR, _VALUE, _PAD = 24, 214, 150, 96, 16
_PANEL = _NAME + _BAR + _VALUE + 2 * _PAD
_ABREAST = 3  # panels beside each other
_PICTURE_SIDES = (480, 900)  # the longer side of the picture is brought into this range


def write_overlays(
    read_rows: Callable[[], Iterable[FaceRow]],
    folder: Path,
    protocols: Sequence[Protocol],
    failures: list[Failure],
    kinds: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Write a PNG for each image and an MP4 for each video, named after it, and yield its path.

    Args:
        read_rows: gives all rows, those of one input together. It may be called twice: a video is surveyed before it is drawn.
        folder: made if it is missing.
        protocols: what to show.
        failures: outputs that cannot be written, or whose input is gone, are appended here.
        kinds: input -> "image" (default), "video" or "webcam".
    """
    kinds, names, by_input = kinds or {}, FileNames(kinds or ()), attrgetter("input")
    surveys = {}
    if "video" in kinds.values():
        groups = groupby(read_rows(), key=by_input)
        surveys = {source: survey(rows) for source, rows in groups if kinds.get(source) == "video"}
    for source, rows in groupby(read_rows(), key=by_input):
        kind = kinds.get(source, "image")
        target = folder / (names.stem(source) + (".mp4" if kind == "video" else ".png"))
        try:
            if kind == "webcam":
                raise OSError("what a webcam showed is gone; record it to a video and read that")
            if kind == "video":
                hidden = write_overlay_video(rows, Path(source), target, protocols, surveys[source])
                if hidden:
                    reason = f"lacks {hidden} frames that were read before and cannot be decoded now"
                    failures.append(Failure(target, reason))
            else:
                picture = draw_overlay(load_image(source), list(rows), protocols)
                replace_file(target, partial(picture.save, format="PNG"))
        except (ImageReadError, VideoReadError, ImportError, OSError) as error:
            failures.append(Failure(target, f"not written: {error}"))
        else:
            yield target


def draw_overlay(image: Image.Image, rows: Sequence[FaceRow], protocols: Sequence[Protocol]) -> Image.Image:
    """The image with the boxes of all rows, and for every face that was found one panel per protocol."""
    longest = max(image.size)
    scale = min(max(longest, _PICTURE_SIDES[0]), _PICTURE_SIDES[1]) / longest
    picture = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    panels = [(row, protocol) for row in rows if row.has_face for protocol in protocols]
    panel_height = _ROW * (max(len(protocol.units) for protocol in protocols) + 2)
    height = max(picture.height, panel_height * -(-len(panels) // _ABREAST)) + 2 * _PAD
    width = picture.width + 2 * _PAD + _PANEL * min(max(1, len(panels)), _ABREAST)
    canvas = Image.new("RGB", (width, height), PAPER)
    canvas.paste(picture, (_PAD, _PAD))
    pen = ImageDraw.Draw(canvas)
    draw_boxes(pen, rows, (_PAD, _PAD), scale)
    left = picture.width + 2 * _PAD
    if not panels:
        pen.text((left + _PAD, _PAD), "no face found", fill=INK, font=font(18))
    for position, (row, protocol) in enumerate(panels):
        down, right = divmod(position, _ABREAST)
        _draw_panel(pen, left + right * _PANEL, _PAD + down * panel_height, row, protocol)
    return canvas


def _draw_panel(pen: ImageDraw.ImageDraw, left: int, top: int, row: FaceRow, protocol: Protocol) -> None:
    status = row.readings[protocol.name].status
    pen.text((left + _PAD, top), f"face {row.face_id}", fill=colour_of(row.face_id), font=font(17))
    about = f"{protocol.name}, {protocol.scale}" + ("" if status == "ok" else f", {status}")
    pen.text((left + _PAD + 70, top + 3), about, fill=FAINT, font=font(14))
    for position, code in enumerate(protocol.units):
        _draw_unit(pen, left + _PAD, top + _ROW * (position + 1) + _ROW // 2, code, row, protocol)


def _draw_unit(pen: ImageDraw.ImageDraw, left: int, top: int, code: str, row: FaceRow, protocol: Protocol) -> None:
    """One line: name, bar, value."""
    value = row.readings[protocol.name].values[code]
    ink, colour = (INK, colour_of(row.face_id)) if value else (FAINT, FAINT)
    pen.text((left, top + 3), unit_label(code), fill=ink, font=font(13))
    draw_bar(pen, left + _NAME, top + 4, (_BAR, _ROW - 10), bar_share(row, code, protocol), colour)
    probability = present_probability(row, code, protocol)
    said = "undetermined" if value is None else format_value(value, protocol.scale)
    if value is not None and probability is not None:
        said += f"   p {probability:.2f}"
    pen.text((left + _NAME + _BAR + 10, top + 3), said, fill=ink, font=font(13))
