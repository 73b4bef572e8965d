"""Readings as HTML: a picture with its faces boxed, and a bar for every unit, each of which opens to say what it is.

All text from outside (file names, answers, errors) passes `html.escape`; nothing here writes files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from aullava.action_units import (
    FEAFA_UNITS,
    INTENSITY,
    INTENSITY_LETTERS,
    OCCURRENCE,
    SCALES,
    Protocol,
    format_value,
    unit,
)
from aullava.recognition.drawing import share
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import present_probability
from aullava.space.units import actions_of, by_part, data_uri, muscle_of, part_of_face, short_name, spots

SHOWN_SIDE = 900  # pixels; larger pictures are shown smaller, and read as they are
FACES_SHOWN = 12  # on the page; tables hold every face
_STATUS = {
    "ok": "read",
    "repaired": "the answer was not well formed; what could be read of it is shown",
    "invalid": "the model wrote no answer that can be read",
    "no_face": "no face found",
}

# Tells a screen reader what changed in a few words, from `data-said` of what is shown: the panels are too long to be read out.
SPEAK = """
const spoken = document.createElement('p');
spoken.className = 'au-spoken';
spoken.setAttribute('role', 'status');
element.parentElement.append(spoken);
watch('value', () => {
  spoken.textContent = [...element.querySelectorAll('[data-said]')].map(found => found.dataset.said).join('. ');
});
"""


@dataclass(frozen=True)
class Line:
    """What one line of a panel says of a unit; `truth` where it is known."""

    code: str
    value: float | None
    probability: float | None = None
    levels: Sequence[float] = ()
    truth: float | None = None


def lines_of(row: FaceRow, protocol: Protocol, truth: Mapping[str, float] | None = None) -> dict[str, Line]:
    """The lines of a face, by code."""
    reading = row.readings[protocol.name]
    levels = reading.probabilities if protocol.scale == INTENSITY else {}
    return {
        code: Line(
            code,
            reading.values[code],
            present_probability(row, code, protocol),
            levels.get(code, ()),
            None if truth is None else truth[code],
        )
        for code in protocol.units
    }


def faces_panel(rows: Sequence[FaceRow], protocol: Protocol) -> str:
    """Every face of a picture, the largest one open."""
    faces = [row for row in rows if row.has_face]
    if not faces:
        return notice(
            "No face found. Use a picture that shows a face from the front, or take the whole picture as the face."
        )
    shown = "".join(
        f'<details class="au-face"{"" if number else " open"}><summary><h2>Face {number + 1}</h2>'
        f"<span>{escape(_said_of(row, protocol))}</span></summary>{face_panel(row, protocol)}</details>"
        for number, row in enumerate(faces[:FACES_SHOWN])
    )
    more = len(faces) - FACES_SHOWN
    return shown + (notice(f"{more} more faces are in the table of the tab Batch.") if more > 0 else "")


def face_panel(row: FaceRow, protocol: Protocol, truth: Mapping[str, float] | None = None) -> str:
    """The units of one face under the parts of the face, and the answer as the model writes it."""
    lines = lines_of(row, protocol, truth)
    parts = "".join(
        f'<section class="au-part"><h3>{escape(part)}</h3>{"".join(_line(lines[code], protocol) for code in codes)}</section>'
        for part, codes in by_part(protocol.units).items()
    )
    reading = row.readings[protocol.name]
    acting = [f"{unit(line.code).name} {value_text(line.value, protocol)}" for line in lines.values() if line.value]
    spoken = escape(f"Read: {', '.join(acting) or 'no unit acts'}")
    status = "" if reading.status == "ok" else notice(_STATUS[reading.status])
    return (
        f'{status}<div class="au-parts" data-said="{spoken}">{parts}</div>'
        f'<figure class="au-answer"><figcaption>The answer as the model writes it</figcaption>'
        f"<pre>{escape(reading.text)}</pre></figure>"
    )


def _said_of(row: FaceRow, protocol: Protocol) -> str:
    """One line for a closed face: how many units act."""
    values = row.readings[protocol.name].values.values()
    acting = sum(bool(value) for value in values)
    return f"{acting} of {len(protocol.units)} units act" if row.success else _STATUS[row.status]


def _line(line: Line, protocol: Protocol) -> str:
    name = unit(line.code).name
    # The length of a bar: of an occurrence its probability, where there is one.
    graded = protocol.scale == OCCURRENCE and line.probability is not None and line.truth is None
    filled = line.probability if graded else share(line.value, protocol)
    bars = f'<i class="au-read" style="--share:{filled:.3f}"></i>'
    said = value_text(line.value, protocol)
    if line.truth is not None:
        bars = f'<i class="au-truth" style="--share:{share(line.truth, protocol):.3f}"></i>{bars}'
        said = f"{value_text(line.truth, protocol)} → {said}"
    probability = "" if line.probability is None else f"{100 * line.probability:.0f}%"
    quiet = "" if line.value or line.truth or line.value is None else " au-quiet"
    return (
        f'<details class="au-unit{quiet}" data-unit="{line.code}"><summary>'
        f'<span class="au-code">{short_name(line.code)}</span><span class="au-name">{escape(name)}</span>'
        f'<span class="au-bars" aria-hidden="true">{bars}</span><span class="au-value">{said}</span>'
        f'<span class="au-p" title="probability that it is present">{probability}</span></summary>'
        f"{_about(line, protocol)}</details>"
    )


def value_text(value: float | None, protocol: Protocol) -> str:
    """A value in few letters: "present", "3 C", "0.53"; "?" where it could not be determined."""
    if value is None:
        return "?"
    if protocol.scale == OCCURRENCE:
        return "present" if value else "absent"
    letter = INTENSITY_LETTERS.get(value, "") if protocol.scale == INTENSITY else ""
    return f"{format_value(value, protocol.scale)} {letter}".strip()


def _about(line: Line, protocol: Protocol) -> str:
    """What opens under a line."""
    found = unit(line.code)
    facts = {
        "What changes": found.change,
        "Muscle": muscle_of(line.code),
        "Part of the face": part_of_face(line.code),
        "In FACS": f"{found.facs}, inferred" if line.code in FEAFA_UNITS else "",
        "Level": "" if not line.levels else ", ".join(f"{i}: {100 * p:.0f}%" for i, p in enumerate(line.levels)),
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)
    return f'<div class="au-about">{_example(line.code, found.name)}<dl>{listed}</dl></div>'


def _example(code: str, name: str) -> str:
    if not actions_of(code):
        return ""
    marks = "".join(
        f'<b class="au-spot" style="left:{s.left}%;top:{s.top}%;width:{s.width}%;height:{s.height}%"></b>'
        for s in spots(code)
    )
    label = escape(f"A drawn face that shows {name} at full strength, with the place marked")
    return f'<div class="au-example {code}" role="img" aria-label="{label}">{marks}</div>'


def boxed_picture(image: Image.Image, rows: Sequence[FaceRow]) -> str:
    """The picture with a numbered box around every face that was found."""
    shown = image.copy()
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    boxes = [row.box for row in rows if row.has_face and row.score is not None]
    unit_px = max(image.size) / 140
    marks = "".join(_box(number, box, unit_px) for number, box in enumerate(boxes, 1))
    found = sum(row.has_face for row in rows)
    alt = f"The picture that was read, with {found} face{'' if found == 1 else 's'}"
    return (
        f'<figure class="au-picture"><img src="{data_uri(shown)}" alt="{alt}">'
        f'<svg viewBox="0 0 {image.width} {image.height}" aria-hidden="true">{marks}</svg></figure>'
    )


def _box(number: int, box: tuple[int, int, int, int], unit_px: float) -> str:
    x, y, w, h = box
    size = 4 * unit_px
    top = y - size if y > size else y  # above the face where there is room
    return (
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" stroke-width="{0.7 * unit_px:.2f}"/>'
        f'<rect class="au-tag" x="{x}" y="{top:.1f}" width="{size * (0.6 + 0.6 * len(str(number))):.1f}" height="{size:.1f}"/>'
        f'<text x="{x + 0.3 * size:.1f}" y="{top + 0.78 * size:.1f}" font-size="{0.8 * size:.1f}">{number}</text>'
    )


def notice(text: str) -> str:
    """A sentence that stands out."""
    said = escape(text)
    return f'<p class="au-notice" data-said="{said}">{said}</p>'


def scale_text(protocol: Protocol) -> str:
    """What the numbers of a protocol are, in one phrase."""
    return SCALES[protocol.scale].label
