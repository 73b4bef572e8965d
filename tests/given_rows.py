"""Rows of readings with given values, for tests of what is done with rows."""

from collections.abc import Mapping

from aullava.action_units import Protocol, render
from aullava.readout_aullava import AUReading
from aullava.recognition.rows import NO_FACE_ID, FaceRow

BOX = (10, 20, 30, 30)


def reading(
    protocol: Protocol, values: Mapping | None = None, probabilities: Mapping | None = None, **more
) -> AUReading:
    """A reading of a face; units without a given value are 0."""
    full = dict.fromkeys(protocol.units, 0) | dict(values or {})
    text = "" if None in full.values() else render(full, protocol)
    return AUReading(full, dict(probabilities or {}), text, **more)


def face_row(name: str, *readings: tuple[Protocol, AUReading], face_id: int = 0, **more) -> FaceRow:
    """A row of the given readings."""
    return FaceRow(
        name,
        face_id,
        {protocol.name: reading for protocol, reading in readings},
        **({"box": BOX, "score": 0.75} | more),
    )


def bare_row(name: str, *protocols: Protocol, **more) -> FaceRow:
    """A row of a frame without a face; with `fault`, of one that cannot be decoded."""
    readings = {p.name: AUReading(dict.fromkeys(p.units), status="no_face") for p in protocols}
    return FaceRow(name, NO_FACE_ID, readings, **more)


def one(
    protocol: Protocol, values: Mapping | None = None, probabilities=None, name: str = "a/face.png", **more
) -> FaceRow:
    """A row of one reading of one face."""
    return face_row(name, (protocol, reading(protocol, values, probabilities)), **more)
