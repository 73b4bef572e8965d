"""Counts of the rows as they pass, and the first rows as a table for the terminal.

Conventions
    films       inputs of several frames, each counted by itself. Inputs of one frame (stills) are counted together, so memory
                grows with the films only; the table names each still.
    frames      each counts once, however many faces it holds; without_face and unreadable are the frames that held none or
                were not decoded.
    faces       rows with a face. people: different values of face_id of an input, summed over inputs.
    repaired, contradictory, invalid   rows of that status (see tables.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from aullava.action_units import SCALES, Protocol, format_value
from aullava.common.files import printable
from aullava.recognition.rows import FaceRow
from aullava.recognition.tables import Layout, present_probability, unit_label


@dataclass(frozen=True)
class Counts:
    """Counts of one input or several, as the conventions say."""

    inputs: int = 0
    frames: int = 0
    faces: int = 0
    people: int = 0
    without_face: int = 0
    unreadable: int = 0
    repaired: int = 0
    invalid: int = 0
    contradictory: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Counts)))


class Summary:
    """Counts rows as they come, and keeps the first few to show. Rows of one input have to come together.

    Args:
        layout: with the protocols.
        limit: most rows to show, default 30.
    """

    def __init__(self, layout: Layout, limit: int = 30):
        self.layout, self.limit = layout, limit
        self.rows = 0
        self._shown: list[FaceRow] = []
        self._films: list[tuple[str, Counts]] = []
        self._stills = Counts()
        self._last: FaceRow | None = None
        self._counts, self._ids = Counts(), set()  # of the input that the last row is of

    def watch(self, rows: Iterable[FaceRow]) -> Iterator[FaceRow]:
        """The same rows, each counted as it passes."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: FaceRow) -> None:
        """Count one row."""
        if self._last is None or row.input != self._last.input:
            self._films, self._stills = self.films, self.stills
            self._counts, self._ids, self._last = Counts(inputs=1), set(), None
        frames = int(self._last is None or row.frame != self._last.frame)
        people = int(row.has_face and row.face_id not in self._ids)
        same = ((status, status) for status in ("unreadable", "repaired", "contradictory", "invalid"))
        kinds = ("without_face", "no_face"), *same
        of_status = {name: int(row.status == status) for name, status in kinds}
        self._counts += Counts(frames=frames, faces=int(row.has_face), people=people, **of_status)
        self._ids.add(row.face_id)
        self._last = row
        self.rows += 1
        if len(self._shown) < self.limit:
            self._shown.append(row)

    @property
    def films(self) -> list[tuple[str, Counts]]:
        """Name and counts of each input of several frames, in order."""
        return [*self._films, (self._last.input, self._counts)] if self._counts.frames > 1 else self._films

    @property
    def stills(self) -> Counts:
        """Counts of all inputs of one frame."""
        return self._stills if self._counts.frames > 1 else self._stills + self._counts

    @property
    def total(self) -> Counts:
        return sum((counts for _, counts in self.films), self.stills)

    def table(self) -> Table:
        """The first rows, with the names of the active units."""
        layout, rows = self.layout, self._shown
        about = [f"{p.name}, {len(p.units)} units, {p.scale}" for p in layout.protocols]
        timed = any(row.frame for row in rows)
        table = Table(title="; ".join(about), title_justify="left")
        table.add_column("input", overflow="fold")
        if timed:
            table.add_column("time", justify="right")
        table.add_column("face", justify="right")
        table.add_column("status")
        for protocol in layout.protocols:
            table.add_column("units that act" if len(layout.protocols) == 1 else protocol.name)
        for row in rows:
            when = f"frame {row.frame}" if row.timestamp is None else f"{row.timestamp:.2f} s"
            face = str(row.face_id) if row.has_face else ""
            said = [describe(row, protocol) for protocol in layout.protocols]
            table.add_row(escape(printable(Path(row.input).name)), *([when] if timed else []), face, row.status, *said)
        if self.rows > len(rows):
            table.caption = f"and {self.rows - len(rows)} more rows"
        return table


def describe(row: FaceRow, protocol: Protocol) -> str:
    """The active units of a row in words, strongest first: "AU12 Lip corner puller 4, AU6 Cheek raiser 2"."""
    if not row.success:
        return ""
    values = row.readings[protocol.name].values
    scale = SCALES[protocol.scale]
    active = []  # strength, unit in words
    for code in protocol.units:
        if values[code] is None or not scale.is_active(values[code]):
            continue
        # An occurrence is always 1: its probability, where there is one, says more.
        probability = None if scale.is_graded else present_probability(row, code, protocol)
        amount = f" {format_value(values[code], protocol.scale)}" if scale.is_graded else ""
        if probability is not None:
            amount = f" (p {probability:.2f})"
        active.append((values[code] if probability is None else probability, f"{unit_label(code)}{amount}"))
    active.sort(key=lambda one: -one[0])
    unknown = [code for code in protocol.units if values[code] is None]
    said = [name for _, name in active] or ["none"]
    return ", ".join(said) + (f"; undetermined: {', '.join(unknown)}" if unknown else "")
