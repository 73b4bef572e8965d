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
    """Read the action units of every face in every frame of a video; rows come as they are read, in order.

        for row in recognize_video("interview.mp4", model, processor, "disfa", fps=5):
            print(row.timestamp, row.face_id, row.reading.values)

    Args:
        path: a video, or a webcam such as "webcam:0", which ends when the reader stops.
        model, processor: a loaded checkpoint.
        protocol: as `model.recognize`; or several, which `row.readings` holds by name.
        mode: as `model.recognize`.
        every: the first of so many frames; default 1, all.
        fps: so many frames a second at most, instead of `every`.
        faces: "auto": framed as the checkpoint was trained; "none": every frame is one face; another name as --faces of
            `aullava recognize`. A Framing or a detector takes the place of what the checkpoint says.
        batch_size: faces read at a time, 1 or more. A webcam shows its faces when so many were seen: 1 for at once.

    Yields:
        One row a face and frame, one for a frame without a face, and one with a `fault` for a frame that cannot be decoded.

    Raises:
        ValueError: an argument is out of range.
        OSError: the file cannot be opened.
        ImportError: PyAV is missing.
        VideoReadError: after the last whole frame of a video that is damaged or cut off; or it is no video.
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
