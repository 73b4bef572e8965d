"""CASME II: spontaneous micro-expressions; the apex frame of each clip with its codes.

    CASME2-coding-20140508.xlsx           columns by position: 0 Subject, 1 Filename, 3 Onset, 4 Apex, 5 Offset, 7 Action Units
    sub01/EP02_01f/reg_img46.jpg          frame 46 (raw frames: img46.jpg); in the folder itself or up to two levels below

Codes: "4+7", "R12", "?" (not coded).

Evidence [V1], OpenGraphAU's tool: columns, codes, reg_img names. Seen beside that in public loaders: column names OnsetFrame,
ApexFrame and Action Units, raw names img131.jpg, and one row with "/" as apex. Which frames a coding holds for is not documented:
the apex is our choice.
"""

from collections.abc import Iterator, Mapping

from aullava.dataset_builder.corpora.formats.apex_tables import APEX_NOTES, ApexTableReader
from aullava.dataset_builder.corpora.formats.workbook import column_key
from aullava.dataset_builder.errors import LabelError

# Position of each column, and how its name in the header begins.
_COLUMNS = {
    "subject": (0, "subject"),
    "name": (1, "filename"),
    "onset": (3, "onset"),
    "apex": (4, "apex"),
    "codes": (7, "actionunit"),
}


class Casme2Reader(ApexTableReader):
    """CASME II. Options: see ApexTableReader."""

    name = "casme2"
    title = "CASME II"
    request = "http://casme.psych.ac.cn/casme/e2"
    anchors = ("CASME2-coding*.xlsx", "CASME2-coding*.csv")
    notes = APEX_NOTES
    image_stem = r"(?:reg_)?img(\d+)"
    subject_pattern = "sub*"

    def columns(self, rows: Iterator[tuple[int, list[str]]]) -> Mapping[str, int]:
        line, header = next(rows, (None, []))
        for place, name in _COLUMNS.values():
            found = header[place] if place < len(header) else ""
            if not column_key(found).startswith(name):
                raise LabelError(
                    self._table,
                    line,
                    f"{found!r} over column {place + 1}",
                    f"a header with {', '.join(f'{n} in column {p + 1}' for p, n in _COLUMNS.values())} (keep empty columns)",
                )
        return {key: place for key, (place, _) in _COLUMNS.items()}

    def subject_id(self, number: int) -> str:
        return f"sub{number:02d}"
