"""What passes through `aullava recognize`: frames of files, faces in frames, and one row a face."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aullava.action_units import OCCURRENCE, Protocol
from aullava.detection.detector import FaceBox
from aullava.readout_aullava import AUReading

NO_FACE_ID = -1
STATUSES = ("ok", "repaired", "contradictory", "invalid", "no_face", "unreadable")  # from best to worst


@dataclass(frozen=True)
class Frame:
    """One picture on its way to the detector.

    `input`: the file as it was given or found, or "webcam:0".
    `index`: 0 is the first frame that is shown; a still picture is frame 0.
    `timestamp`: seconds from the first frame, 0.0 for a still picture; None where the file tells no times.
    `image_HWC`: uint8 RGB, upright; None where the frame could not be decoded, and then `fault` says why.
    """

    input: str
    index: int = 0
    timestamp: float | None = 0.0
    image_HWC: np.ndarray | None = None
    fault: str = ""


@dataclass(frozen=True)
class Face:
    """One face of a frame. `face_id`: in a still picture 0 for the largest, then 1, ...; in a video the same for one face from
    frame to frame. `crop`: what the model reads."""

    face_id: int
    box: FaceBox
    crop: Image.Image


@dataclass(frozen=True)
class FaceRow:
    """One face of one frame, or one frame without a face (status "no_face") or that cannot be decoded ("unreadable").

    `face_id`: as in `Face`; -1 where there is no face.
    `readings`: protocol name -> reading, in the order asked; without a face every value is None. All hold the same box (x, y, w, h
        in pixels of the upright frame; None where no face was found) and score.
    `frame`, `timestamp`: as `index` and `timestamp` of `Frame`.
    `contradictions`: units that one protocol reads as present and another as strength 0; see `contradictions_of`.
    """

    input: str
    face_id: int
    readings: Mapping[str, AUReading]
    frame: int = 0
    timestamp: float | None = 0.0
    fault: str = ""
    contradictions: tuple[str, ...] = ()

    @property
    def reading(self) -> AUReading:
        """That of the first protocol."""
        return next(iter(self.readings.values()))

    @property
    def status(self) -> str:
        """The worst of the readings' statuses and "contradictory", where it applies; "unreadable" without a picture."""
        found = [reading.status for reading in self.readings.values()] + ["contradictory"] * bool(self.contradictions)
        return "unreadable" if self.fault else max(found, key=STATUSES.index)

    @property
    def success(self) -> int:
        """1 where a face was found and its units were read, else 0."""
        return int(self.status in ("ok", "repaired", "contradictory"))

    @property
    def has_face(self) -> bool:
        return self.face_id != NO_FACE_ID


def contradictions_of(protocols: Iterable[Protocol], readings: Mapping[str, AUReading]) -> tuple[str, ...]:
    """Units that are present (1) on the occurrence scale and have level or strength 0 on another, in the order asked.

    Each protocol is a question of its own, so nothing keeps the answers together. Absent beside a level above 0 is no
    contradiction: corpora differ in the level from which a unit counts as present.
    """
    values = [(protocol.scale == OCCURRENCE, readings[protocol.name].values) for protocol in protocols]
    at_rest = {code for is_occurrence, found in values if not is_occurrence for code in found if found[code] == 0}
    present = (code for is_occurrence, found in values if is_occurrence for code in found if found[code] == 1)
    return tuple(dict.fromkeys(code for code in present if code in at_rest))
