"""Records become rows of the schema: values in columns, pictures stored, duplicates refused."""

import math
from collections.abc import Iterator, Mapping

from aullava.action_units import Protocol
from aullava.dataset_builder.corpora.reader import CorpusReader
from aullava.dataset_builder.errors import CorpusError
from aullava.dataset_builder.rows.derive import as_protocol
from aullava.dataset_builder.rows.folds import part_of
from aullava.dataset_builder.rows.images import PictureOptions, PictureReader, Stored
from aullava.dataset_builder.rows.records import FrameRecord
from aullava.dataset_builder.rows.schema import (
    BOX_COLUMNS,
    NOT_CODED,
    Units,
    group_column,
    units_of,
    value_columns,
)

Values = Mapping[str, Mapping[str, float]]


def units_asked(reader: CorpusReader, protocol: Protocol | None) -> Units:
    """The units whose values a row holds: the protocol's, or all that the corpus codes.

    Raises:
        CorpusError: the corpus codes no unit of the protocol.
    """
    if protocol is None:
        return reader.units
    nothing = {scale: dict.fromkeys(codes, 0.0) for scale, codes in reader.units.items()}
    if all(math.isnan(value) for value in as_protocol(nothing, protocol).values()):
        coded = "; ".join(f"{scale}: {', '.join(codes)}" for scale, codes in reader.units.items())
        raise CorpusError(
            f"{reader.name} codes nothing of protocol {protocol.name!r} ({protocol.scale} of {', '.join(protocol.units)}); "
            f"it codes {coded}: choose a protocol that shares a unit and can be derived from these scales"
        )
    return units_of(protocol)


def rows_of_subject(
    reader: CorpusReader, subject: str, options: PictureOptions, protocol: Protocol | None = None
) -> Iterator[tuple[str, dict]]:
    """Key and row of every labelled frame of a subject, whatever its status.

    Raises:
        LabelError: a label file breaks its format.
        CorpusError: the reader gives a frame twice.
    """
    columns = value_columns(units_asked(reader, protocol))
    seen = _Seen(reader.name, subject)
    with PictureReader(options) as pictures:
        for record in reader.read(subject):
            key = seen.key(record)
            values = {protocol.scale: as_protocol(record.values, protocol)} if protocol else record.values
            numbers = {column: values.get(scale, {}).get(code, math.nan) for column, (scale, code) in columns.items()}
            coded = not all(math.isnan(number) for number in numbers.values())
            stored = pictures.store(record.picture) if coded else Stored(NOT_CODED)
            yield key, _head(reader, record, stored) | numbers


def _head(reader: CorpusReader, record: FrameRecord, stored: Stored) -> dict:
    box = stored.face and (stored.face.x, stored.face.y, stored.face.w, stored.face.h)
    timestamp = record.timestamp
    if math.isnan(timestamp) and stored.timestamp is not None:
        timestamp = stored.timestamp
    return {
        "image": stored.image,
        "corpus": reader.name,
        "subject": record.subject,
        "sequence": record.sequence,
        "frame": record.frame,
        "timestamp": timestamp,
        "camera": record.camera,
        "part": part_of(reader.name, record.subject),
        "sides": record.sides,
        "status": stored.status,
        **dict(zip(BOX_COLUMNS, box or (None,) * 4, strict=True)),
        "face_score": stored.face and stored.face.score,
        **{group_column(key): record.groups.get(key) for key in reader.groups},
    }


class _Seen:
    """Keys of a subject's frames; `datasets` itself does not notice one that comes twice.

    Frames ascend within a sequence, so the last one of each sequence is all that must be remembered.
    """

    def __init__(self, corpus: str, subject: str):
        self._prefix = f"{corpus}/{subject}"
        self._last: dict[tuple[str, str], int] = {}

    def key(self, record: FrameRecord) -> str:
        sequence = (record.sequence, record.camera)
        last = self._last.get(sequence)
        if last is not None and record.frame <= last:
            raise CorpusError(
                f"{self._prefix}, sequence {record.sequence!r}: frame {record.frame} comes after frame {last}; expected each frame "
                "once, in ascending order. Are there two copies of the sequence's labels?"
            )
        self._last[sequence] = record.frame
        return "/".join((self._prefix, record.sequence, record.camera, str(record.frame)))
