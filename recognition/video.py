"""The faces of one video, from Python."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from aullava.action_units import Protocol, resolve_protocol
from aullava.detection.detector import Detector
from aullava.detection.framing import AskedFraming, Framing, make_detector
from aullava.recognition.inputs import Source
from aullava.recognition.pipeline import ReadSettings, read_items
from aullava.recognition.rows import FaceRow
from aullava.recognition.work import START, WorkItem
from aullava.video.container import load_pyav
from aullava.video.decode import VideoReadError


def recognize_video(
    path: str | Path,
    model,
    processor,
    protocol: str | Protocol | Sequence[str | Protocol] = "disfa",
    *,
    mode: str = "joint",
    every: int = 1,
    fps: float | None = None,
    faces: str | Framing | Detector = "auto",
    batch_size: int = 32,
) -> Iterator[FaceRow]:
    """Read the action units of every face in every frame of a video. Rows come in order, as they are read.

        for row in recognize_video("interview.mp4", model, processor, "disfa", fps=5):
            print(row.timestamp, row.face_id, row.reading.values)

    Args:
        path: a video; or a webcam such as "webcam:0", which is read until the caller stops.
        model, processor: a loaded checkpoint.
        protocol: as for `model.recognize`; or several, found by name in `row.readings`.
        mode: as for `model.recognize`.
        every: read every N-th frame; default 1, all.
        fps: read at most so many frames per second, instead of `every`.
        faces: "auto": crop faces as in the checkpoint's training; "none": every frame is one face; or another value of --faces
            of `aullava recognize`. A Framing or a detector overrides the checkpoint.
        batch_size: faces read at a time, 1 or more.

    Yields:
        One row per face and frame; one for a frame without a face; one with a `fault` for a frame that cannot be decoded.

    Raises:
        ValueError: an argument is out of range.
        OSError: the file cannot be opened.
        ImportError: PyAV is missing.
        VideoReadError: it is not a video; or it is damaged or cut off, raised after the last whole frame.
    """
    is_webcam = str(path).startswith("webcam:")
    if not is_webcam:
        load_pyav()
        open(path, "rb").close()
    single = isinstance(protocol, str) or hasattr(protocol, "units")
    protocols = tuple(resolve_protocol(one) for one in ([protocol] if single else protocol))
    if isinstance(faces, str):
        faces = AskedFraming(faces).over(Framing(**model.config.framing))
    if isinstance(faces, Framing):
        faces = make_detector(faces)
    settings = ReadSettings(model, processor, protocols, faces, mode, batch_size, every, fps)
    return _rows(WorkItem(0, (Source(Path(path), "webcam" if is_webcam else "video"),)), settings)


def _rows(item: WorkItem, settings: ReadSettings) -> Iterator[FaceRow]:
    with closing(read_items([(item, START)], settings)) as blocks:
        for block in blocks:
            yield from block.rows
            for failure in block.failures:
                raise VideoReadError(str(failure))
