"""A row, or a turn, as it would be had the camera seen the face in a mirror: image, values, sides and box.

Conventions
    values      A pair of one-sided units (FEAFA's left and right, turned heads and eyes) changes places, NaN included.
    sides       "R12 L14" becomes "L12 R14".
    box         lies in pixels of the frame that was searched, which is wider than the stored crop, so its width must be given:
                x -> width - x - w. Without it the box columns become None: the old place would be wrong.
    Mirroring twice gives the row back.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from PIL import Image, ImageOps

from aullava.action_units import Protocol
from aullava.dataset_builder.chat.describe import active_units, sides_of
from aullava.dataset_builder.chat.turns import DESCRIPTION, Turn
from aullava.dataset_builder.rows.derive import VOCABULARIES, known_columns
from aullava.dataset_builder.rows.schema import BOX_COLUMNS, value_column

_SIDE = re.compile(r"(?<![A-Za-z])([LRlr])(?=\s?\d)")
_OTHER = {"L": "R", "R": "L", "l": "r", "r": "l"}


def mirror_row(row: Mapping[str, object], frame_width: int | None = None) -> dict[str, object]:
    """The row of the mirrored face, with the same columns in the same order.

    Args:
        row: of the builder's schema; `image` is a decoded image, None, or left out.
        frame_width: of the frame in which the face box lies, in pixels.

    Raises:
        ValueError: the row has a column for one side only, or the box does not lie in the frame.
        TypeError: the image is not decoded.
    """
    mirrored = dict(row)
    for column, partner in _partners(tuple(column for column in row if column in known_columns())).items():
        mirrored[column] = row[partner]
    if row.get("image") is not None:
        if not isinstance(row["image"], Image.Image):
            raise TypeError(
                f"image is a {type(row['image']).__name__}: expected a decoded image (datasets.Image(decode=True))"
            )
        mirrored["image"] = ImageOps.mirror(row["image"])
    if row.get("sides"):
        mirrored["sides"] = mirror_sides(row["sides"])
    if BOX_COLUMNS[0] in row:
        box = tuple(row[name] for name in BOX_COLUMNS)
        mirrored |= zip(BOX_COLUMNS, mirror_box(box, frame_width), strict=True)
    return mirrored


def mirror_turn(turn: Turn) -> Turn | None:
    """The turn about the mirrored face; None if it is a description that names a side.

    Where one side alone is asked, the other one is asked instead.
    """
    protocol = turn.protocol
    if turn.kind == DESCRIPTION:
        sided = sides_of(turn.sides).keys() & set(active_units(turn.values, protocol.scale))
        return None if protocol.flip_pairs or sided else turn
    other = {code: partner for pair in protocol.flip_pairs for code, partner in (pair, pair[::-1])}
    units = tuple(code if other.get(code, code) in protocol.units else other[code] for code in protocol.units)
    values = {code: turn.values[other.get(code, code)] for code in units}
    return replace(turn, protocol=replace(protocol, units=units), values=values)


def mirror_sides(sides: str) -> str:
    """One-sided codes with left and right exchanged; all else stays as written."""
    return _SIDE.sub(lambda match: _OTHER[match.group()], sides)


def mirror_box(box: tuple[int | None, ...], frame_width: int | None) -> tuple[int | None, ...]:
    """x, y, w, h of a box in the mirrored frame; four None where there is no box or the width is not known."""
    x, y, w, h = box
    if frame_width is None or None in box:
        return (None,) * 4
    if x + w > frame_width or x < 0:
        raise ValueError(
            f"box from x={x} to {x + w} in a frame {frame_width} pixels wide: expected it inside; is this the width of the crop?"
        )
    return frame_width - x - w, y, w, h


@lru_cache(maxsize=64)
def _partners(columns: tuple[str, ...]) -> dict[str, str]:
    """Column -> the column whose value it takes, for the columns that change; ValueError if that one is missing."""
    partners: dict[str, str] = {}
    for scale in {known_columns()[column][0] for column in columns}:
        coded = {known_columns()[column][1] for column in columns if known_columns()[column][0] == scale}
        for vocabulary in VOCABULARIES:
            codes = tuple(code for code in vocabulary if code in coded)
            if codes:
                exchanged = Protocol("row", codes, scale).flip({code: code for code in codes})
                partners |= {
                    value_column(code, scale): value_column(other, scale)
                    for code, other in exchanged.items()
                    if code != other
                }
    return partners
