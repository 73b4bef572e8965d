"""The columns of a row, the same for every corpus: where the frame comes from, its image, and one value a unit.

Conventions
    image       None where `status` is "no_picture" or "unreadable".
    status      "ok"; "not_coded": no unit has a value; "no_picture": the disk does not hold it, or the video ends before it;
                "unreadable": damaged; "no_face": none was found where faces were looked for.
    frame, timestamp, sides, values: as in records.py. Values are float32, NaN = not coded.
    part        of the frozen partition of the corpus ("part1", ...), "" where there is none.
    box_*       the detected face in pixels of the upright frame, None where none was looked for or found.
    group_*     what the corpus says of the person.
    AU12_c      occurrence of AU12; AU12_r its intensity; AU12_v a continuous value: the columns of `aullava recognize`.
"""

from collections.abc import Mapping

from datasets import Features, Image, Value

from aullava.action_units import SCALES, Protocol, unit

OK, NOT_CODED, NO_PICTURE, UNREADABLE, NO_FACE = "ok", "not_coded", "no_picture", "unreadable", "no_face"
STATUSES = (OK, NOT_CODED, NO_PICTURE, UNREADABLE, NO_FACE)

BOX_COLUMNS = ("box_x", "box_y", "box_w", "box_h")
_HEAD = {
    "image": Image(mode="RGB"),
    "corpus": Value("string"),
    "subject": Value("string"),
    "sequence": Value("string"),
    "frame": Value("int64"),
    "timestamp": Value("float64"),
    "camera": Value("string"),
    "part": Value("string"),
    "sides": Value("string"),
    "status": Value("string"),
    **{name: Value("int32") for name in BOX_COLUMNS},
    "face_score": Value("float32"),
}

Units = Mapping[str, tuple[str, ...]]  # scale -> unit codes


def value_column(code: str, scale: str) -> str:
    """The column of a unit on a scale: "AU01_c", "AU01_r", "AU01_v", "feafa_01_left_eye_close_v"."""
    return f"{unit(code).column}_{SCALES[scale].suffix}"


def group_column(key: str) -> str:
    """The column of a group label: "group_sex"."""
    return f"group_{key}"


def value_columns(units: Units) -> dict[str, tuple[str, str]]:
    """Column -> (scale, code) of every value, scale by scale, codes in the order given."""
    return {value_column(code, scale): (scale, code) for scale in SCALES for code in units.get(scale, ())}


def units_of(protocol: Protocol) -> Units:
    """What a protocol asks, in the form in which a corpus says what it codes."""
    return {protocol.scale: protocol.units}


def features_of(units: Units, groups: tuple[str, ...] = ()) -> Features:
    """The schema of a corpus that codes these units and knows these group labels."""
    labels = {group_column(key): Value("string") for key in groups}
    return Features(_HEAD | labels | {column: Value("float32") for column in value_columns(units)})
