"""From a frame to its rows: faces are found, numbered and read, and each becomes a row.

`aullava recognize`, `recognize_video` and the Space all take these steps:

    found = find_faces(frame, detector)
    faces = number_faces(frame, found, tracker)
    rows = rows_of(frame, faces, model.recognize_many([face.crop for face in faces], ...), protocols)
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from PIL import Image

from aullava.action_units import OCCURRENCE, Protocol
from aullava.detection.crop import FaceBox
from aullava.detection.detector import Detector
from aullava.detection.tracking import Tracker
from aullava.readout_aullava import AUReading
from aullava.recognition.frames import Frame

NO_FACE_ID = -1
STATUSES = ("ok", "repaired", "contradictory", "invalid", "no_face", "unreadable")  # from best to worst


@dataclass(frozen=True)
class Face:
    """One face of a frame. `face_id`: in an image 0 for the largest face, then 1, ...; in a video the number of its track.
    `crop`: what the model reads."""

    face_id: int
    box: FaceBox
    crop: Image.Image


@dataclass(frozen=True)
class FaceRow:
    """One face of one frame; or a frame without a face (status "no_face") or one that was not decoded ("unreadable").

    `face_id`: as in `Face`; -1 where there is no face.
    `readings`: protocol name -> reading, in the order asked; without a face every value is None.
    `frame`, `timestamp`: as `index` and `timestamp` of `Frame`.
    `contradictions`: units that one protocol reads as present and another as strength 0; see `contradictions_of`.
    `box`: x, y, w, h in pixels of the upright frame; None where no face was found.
    `score`: the detector's, 0..1; None where there is no face, or no detector ran and the box is the whole frame.
    """

    input: str
    face_id: int
    readings: Mapping[str, AUReading]
    frame: int = 0
    timestamp: float | None = 0.0
    fault: str = ""
    contradictions: tuple[str, ...] = ()
    box: tuple[int, int, int, int] | None = None
    score: float | None = None

    def __post_init__(self):
        for reading in self.readings.values():  # for one version, readings still answer to `box` and `score`
            reading._place = self.box, self.score

    @property
    def reading(self) -> AUReading:
        """That of the first protocol."""
        return next(iter(self.readings.values()))

    @property
    def status(self) -> str:
        """The worst of the readings' statuses and "contradictory", where it applies; "unreadable" if it was not decoded."""
        found = [reading.status for reading in self.readings.values()] + ["contradictory"] * bool(self.contradictions)
        return "unreadable" if self.fault else max(found, key=STATUSES.index)

    @property
    def success(self) -> int:
        """1 where a face was found and its units were read, else 0."""
        return int(self.status in ("ok", "repaired", "contradictory"))

    @property
    def has_face(self) -> bool:
        return self.face_id != NO_FACE_ID

    def to_line(self) -> bytes:
        """One line of JSON in ASCII. Numbers lose nothing, and any file name survives."""
        readings = {name: asdict(reading) for name, reading in self.readings.items()}
        place = self.input, self.face_id, self.frame, self.timestamp, self.fault, self.contradictions
        content = [*place, self.box, self.score, readings]
        return json.dumps(content, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "FaceRow":
        """The row that `to_line` wrote, equal to the one that went in."""
        name, face_id, frame, timestamp, fault, contradictions, box, score, readings = json.loads(line)
        found = {protocol: AUReading(**reading) for protocol, reading in readings.items()}
        place = box and tuple(box), score
        return cls(name, face_id, found, frame, timestamp, fault, tuple(contradictions), *place)


def find_faces(frame: Frame, detector: Detector) -> list[tuple[FaceBox, Image.Image]]:
    """Box and crop of every face, largest first; none where there is no face, or the frame could not be decoded.

    Several threads may do this at once, with frames in any order.
    """
    if frame.image_HWC is None:
        return []
    boxes = detector.detect(frame.image_HWC)
    image = Image.fromarray(frame.image_HWC) if boxes else None
    return [(box, detector.crop(image, box)) for box in boxes]


def number_faces(
    frame: Frame, found: Sequence[tuple[FaceBox, Image.Image]], tracker: Tracker | None = None
) -> list[Face]:
    """Give the faces of a frame their ids, and sort them by id. The frame's image is not looked at.

    Args:
        frame: where they were found.
        found: what `find_faces` returned for it.
        tracker: of the video. It must see all its frames in order, those without a face as well. None for an image.
            Where no detector ran there is nothing to follow: the whole frame is face 0 throughout.
    """
    boxes = [box for box, _ in found]
    ids: Sequence[int] = range(len(boxes))
    if tracker is not None and all(box.score is not None for box in boxes):
        ids = tracker.update(boxes, frame.timestamp, frame.index)
    faces = [Face(face_id, box, crop) for face_id, (box, crop) in zip(ids, found, strict=True)]
    return sorted(faces, key=lambda face: face.face_id)


def rows_of(
    frame: Frame, faces: Sequence[Face], readings: Iterable[Mapping[str, AUReading]], protocols: Sequence[Protocol]
) -> list[FaceRow]:
    """The rows of a frame: one per face, in their order; without a face, one row that says so.

    Args:
        faces: as `number_faces` gives them.
        readings: one mapping per face, protocol name -> reading, as `model.recognize_many` gives them.
        protocols: what was read.
    """
    if not faces:
        empty = {protocol.name: AUReading(dict.fromkeys(protocol.units), status="no_face") for protocol in protocols}
        return [FaceRow(frame.input, NO_FACE_ID, empty, frame.index, frame.timestamp, frame.fault)]
    return [
        FaceRow(
            frame.input,
            face.face_id,
            found,
            frame.index,
            frame.timestamp,
            contradictions=contradictions_of(protocols, found),
            box=(face.box.x, face.box.y, face.box.w, face.box.h),
            score=face.box.score,
        )
        for face, found in zip(faces, readings, strict=True)
    ]


def contradictions_of(protocols: Iterable[Protocol], readings: Mapping[str, AUReading]) -> tuple[str, ...]:
    """Units that are present (1) on the occurrence scale and have level or strength 0 on another, in the order asked.

    Each protocol is a question of its own, so nothing keeps the answers consistent. Absent beside a level above 0 is no
    contradiction: corpora differ in the level from which a unit counts as present.
    """
    values = [(protocol.scale == OCCURRENCE, readings[protocol.name].values) for protocol in protocols]
    at_rest = {code for is_occurrence, found in values if not is_occurrence for code in found if found[code] == 0}
    present = (code for is_occurrence, found in values if is_occurrence for code in found if found[code] == 1)
    return tuple(dict.fromkeys(code for code in present if code in at_rest))
