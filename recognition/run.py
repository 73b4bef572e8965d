"""Files in, rows out: read, find faces, crop, batch, recognise. One bad file never ends a run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from aullava.action_units import Protocol
from aullava.image_aullava import ImageReadError, load_image
from aullava.media.detection import Detector, FaceBox
from aullava.readout_aullava import AUReading
from aullava.recognition.inputs import Failure

NO_FACE_ID = -1


@dataclass(frozen=True)
class FaceRow:
    """One face of one picture, or one picture without a face (then the status is "no_face" and every value None).

    `face_id`: 0 for the largest face of a picture, then 1, ...; -1 where no face was found.
    `reading.box`: x, y, w, h in pixels of the upright picture; None where no face was found.
    `frame` and `timestamp` (seconds) are those of a video; a still image is frame 0 at 0.0.
    """

    input: str
    face_id: int
    reading: AUReading
    frame: int = 0
    timestamp: float = 0.0

    @property
    def success(self) -> int:
        """1 where a face was found and its units were read, else 0."""
        return int(self.reading.status in ("ok", "repaired"))

    @property
    def has_face(self) -> bool:
        return self.face_id != NO_FACE_ID


@dataclass
class _Face:
    """A face on its way to the model; without a crop there is none to read."""

    path: Path
    face_id: int = NO_FACE_ID
    box: FaceBox | None = None
    crop: Image.Image | None = None


def read_faces(
    files: Iterable[Path],
    model,
    processor,
    protocol: Protocol,
    *,
    mode: str,
    detector: Detector,
    batch_size: int,
    failures: list[Failure],
) -> Iterator[FaceRow]:
    """Read the action units of every face of every file, in the order of the files.

    Faces of several files share a batch. Memory stays that of one batch of crops and one picture.

    Args:
        files: image files.
        model, processor: a loaded checkpoint.
        protocol: units and scale.
        mode: as `model.recognize`.
        detector: finds the faces and crops them.
        batch_size: crops a model call, 1 or more.
        failures: files that could not be read are appended here, in order.

    Yields:
        One row a face, and one row for a picture without any.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected 1 or more")
    waiting: list[_Face] = []
    for face in _faces(files, detector, failures):
        waiting.append(face)
        # Pictures without a face wait with the others, so that rows keep the order of the files.
        if sum(f.crop is not None for f in waiting) == batch_size or len(waiting) == 4 * batch_size:
            yield from _read(waiting, model, processor, protocol, mode)
            waiting = []
    yield from _read(waiting, model, processor, protocol, mode)


def _faces(files: Iterable[Path], detector: Detector, failures: list[Failure]) -> Iterator[_Face]:
    """Every face of every readable file, cropped; a bare entry for a picture without one."""
    for path in files:
        try:
            image = load_image(path)
        except (ImageReadError, OSError) as error:
            failures.append(Failure(path, str(error)))
            continue
        boxes = detector.detect(np.asarray(image))
        if not boxes:
            yield _Face(path)
        for face_id, box in enumerate(boxes):
            yield _Face(path, face_id, box, detector.crop(image, box))


def _read(faces: list[_Face], model, processor, protocol: Protocol, mode: str) -> Iterator[FaceRow]:
    crops = [face.crop for face in faces if face.crop is not None]
    options = {"processor": processor, "protocol": protocol, "mode": mode, "batch_size": len(crops)}
    readings = iter(model.recognize(crops, **options) if crops else ())
    for face in faces:
        if face.crop is None:
            reading = AUReading(dict.fromkeys(protocol.units), status="no_face")
        else:
            box = face.box
            reading = replace(next(readings), box=(box.x, box.y, box.w, box.h), score=box.score)
        yield FaceRow(str(face.path), face.face_id, reading)
