"""What passes through `aullava recognize`: frames of files, faces in frames, and one row a face."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aullava.media.detection import FaceBox
from aullava.readout_aullava import AUReading

NO_FACE_ID = -1
STATUSES = ("ok", "repaired", "invalid", "no_face", "unreadable")  # from best to worst


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
    """

    input: str
    face_id: int
    readings: Mapping[str, AUReading]
    frame: int = 0
    timestamp: float | None = 0.0
    fault: str = ""

    @property
    def reading(self) -> AUReading:
        """That of the first protocol."""
        return next(iter(self.readings.values()))

    @property
    def status(self) -> str:
        """The worst status of the readings; "unreadable" for a frame that cannot be decoded."""
        found = [reading.status for reading in self.readings.values()]
        return "unreadable" if self.fault else max(found, key=STATUSES.index)

    @property
    def success(self) -> int:
        """1 where a face was found and its units were read, else 0."""
        return int(self.status in ("ok", "repaired"))

    @property
    def has_face(self) -> bool:
        return self.face_id != NO_FACE_ID
