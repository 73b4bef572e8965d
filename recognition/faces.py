"""The faces of a frame: found and cropped, frames in any order and at the same time; then numbered, frame after frame."""

from collections.abc import Sequence

from PIL import Image

from aullava.detection.crop import FaceBox
from aullava.detection.detector import Detector
from aullava.detection.tracking import Tracker
from aullava.recognition.rows import Face, Frame


def find_faces(frame: Frame, detector: Detector) -> list[tuple[FaceBox, Image.Image]]:
    """Box and crop of every face, largest first; none where there is no face, or no picture because it could not be decoded.

    Several threads may do this at once.
    """
    if frame.image_HWC is None:
        return []
    boxes = detector.detect(frame.image_HWC)
    image = Image.fromarray(frame.image_HWC) if boxes else None
    return [(box, detector.crop(image, box)) for box in boxes]


def number_faces(
    frame: Frame, found: Sequence[tuple[FaceBox, Image.Image]], tracker: Tracker | None = None
) -> list[Face]:
    """Give the faces of a frame their ids; sorted by them. The frame's picture is not looked at.

    Args:
        frame: where they were found.
        found: what `find_faces` returned for it.
        tracker: of the video, which must see all its frames in order, those without a face too. None for a still picture.
            Where no detector ran there is nothing to follow: the whole frame is face 0 throughout.
    """
    boxes = [box for box, _ in found]
    ids: Sequence[int] = range(len(boxes))
    if tracker is not None and all(box.score is not None for box in boxes):
        ids = tracker.update(boxes, frame.timestamp, frame.index)
    faces = [Face(face_id, box, crop) for face_id, (box, crop) in zip(ids, found, strict=True)]
    return sorted(faces, key=lambda face: face.face_id)
