"""A row as a line of JSON, and back: equal to the one that went in, whatever its file's name."""

import json
from dataclasses import asdict

from aullava.readout_aullava import AUReading
from aullava.recognition.rows import FaceRow


def line_of(row: FaceRow) -> bytes:
    """One line of ASCII. Box and score, the same in all readings, stand once; numbers lose nothing."""
    readings = {name: asdict(reading) for name, reading in row.readings.items()}
    places = [(reading.pop("box"), reading.pop("score")) for reading in readings.values()]
    content = [row.input, row.face_id, row.frame, row.timestamp, row.fault, row.contradictions, *places[0], readings]
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def row_of(line: bytes) -> FaceRow:
    """The row that `line_of` wrote."""
    name, face_id, frame, timestamp, fault, contradictions, box, score, readings = json.loads(line)
    place = {"box": box and tuple(box), "score": score}
    found = {protocol: AUReading(**reading, **place) for protocol, reading in readings.items()}
    return FaceRow(name, face_id, found, frame, timestamp, fault, tuple(contradictions))
