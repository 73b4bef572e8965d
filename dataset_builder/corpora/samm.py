"""SAMM: spontaneous micro-expressions; the apex frame of each clip with its codes.

    SAMM_Micro_FACS_Codes_v2.xlsx         header on row 14; it is found by its names, wherever it stands
    006/006_1_2/006_05562.jpg             frame 5562: the last number of the name; in the folder itself or up to two levels below

Evidence: table and header row as the facts have them; names Subject, Filename, Inducement Code, Onset, Apex, Offset, Duration,
Micro, Action Units, Estimated Emotion, Objective Classes, Notes [M]; public loaders use Subject, Filename, Onset Frame, Apex Frame
and Action Units. Folders as several public loaders have them, file names as one has them [V1]. UNVERIFIED: that the table's frame
numbers are those of the names. The grammar of the codes is undocumented: it is taken to be CASME II's, and all else is refused.
"""

from collections.abc import Iterator, Mapping

from aullava.dataset_builder.corpora.formats.apex_tables import APEX_NOTES, ApexTableReader
from aullava.dataset_builder.corpora.formats.workbook import column_key
from aullava.dataset_builder.errors import LabelError

_COLUMNS = {"subject": "subject", "name": "filename", "onset": "onset", "apex": "apex", "codes": "actionunit"}


class SammReader(ApexTableReader):
    """SAMM. Options: see ApexTableReader."""

    name = "samm"
    title = "SAMM (Spontaneous Actions and Micro-Movements)"
    request = "http://www2.docm.mmu.ac.uk/STAFF/m.yap/dataset.php"
    anchors = ("SAMM_Micro_FACS_Codes*.xlsx", "SAMM_Micro_FACS_Codes*.csv")
    notes = (
        *APEX_NOTES,
        "Unverified: that the table's frame numbers are the last numbers of the images' names, and the grammar of the codes.",
    )
    image_stem = r"(?:.*\D)?(\d+)"
    subject_pattern = "0*"

    def columns(self, rows: Iterator[tuple[int, list[str]]]) -> Mapping[str, int]:
        for _, row in rows:
            keys = [column_key(cell) for cell in row]
            places = {
                column: next((i for i, key in enumerate(keys) if key.startswith(name)), None)
                for column, name in _COLUMNS.items()
            }
            if None not in places.values():
                return places
        raise LabelError(
            self._table,
            None,
            "no header row",
            "a row with Subject, Filename, Onset Frame, Apex Frame and Action Units",
        )

    def subject_id(self, number: int) -> str:
        return f"{number:03d}"
