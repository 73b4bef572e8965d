"""Frames and their faces, prepared in threads while the model reads the ones before.

One thread decodes, and a few find and crop faces; results are handed out in order. However long the inputs are, no more than
a limit of frames and of bytes is prepared.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Condition, Thread

import cv2
from PIL import Image

from aullava.detection.crop import FaceBox
from aullava.detection.detector import Detector
from aullava.image_aullava import ImageReadError
from aullava.recognition.frames import Frame, read_frames
from aullava.recognition.inputs import Failure
from aullava.recognition.rows import find_faces
from aullava.recognition.work import Position, WorkItem
from aullava.video.decode import VideoReadError

_BYTES_AHEAD = 256 * 2**20  # of images and crops that wait: a hundred frames of 1280 x 720
_PATIENCE_S = 5.0
# What a bad input raises. Anything else is a fault of the program and ends the run.
_BAD_INPUT = (ImageReadError, VideoReadError, OSError, ImportError)


@dataclass(frozen=True)
class Choice:
    """Which frames of videos and webcams are read (see `read_frames`), and what finds the faces in them."""

    detector: Detector
    every: int = 1
    fps: float | None = None


@dataclass(frozen=True)
class Step:
    """One step through a work item, in order: a frame, a failure, or, as the last one, neither.

    source: index of the input that it comes from.
    frame: without its image once it was searched; `found` holds boxes and crops of its faces.
    failure: of the input; frames that came before it are valid.
    """

    item: WorkItem
    source: int
    frame: Frame | None = None
    found: Sequence[tuple[FaceBox, Image.Image]] = ()
    failure: Failure | None = None

    @property
    def is_end(self) -> bool:
        return self.frame is None and self.failure is None

    @property
    def size(self) -> int:
        """Bytes of image and crops."""
        picture = 0 if self.frame is None or self.frame.image_HWC is None else self.frame.image_HWC.nbytes
        return picture + sum(4 * crop.width * crop.height for _, crop in self.found)  # Pillow's pixels take 4 bytes


def steps_ahead(
    work: Sequence[tuple[WorkItem, Position]], choice: Choice, frames_ahead: int, workers: int | None = None
) -> Iterator[Step]:
    """The steps of work items, in order, prepared while earlier ones are used.

    Closing the generator, or an error, stops its threads.

    Args:
        work: work items, and where to begin in each.
        choice: frames and detector.
        frames_ahead: how many frames may be prepared or in preparation, 1 or more.
        workers: threads that find faces; default half of this process's cores, at most 4.

    Raises:
        Whatever the detector raises, and any other error that is not the fault of an input.
    """
    room, ready = _Room(frames_ahead, _BYTES_AHEAD), SimpleQueue()
    if workers is None:  # torchrun's processes share the machine's cores
        workers = max(1, min(4, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) // 2))
    with ThreadPoolExecutor(workers, "aullava-faces") as pool:
        # A daemon: when it should stop, it may be inside a long call that skips frames.
        decoder = Thread(target=_decode, args=(work, choice, room, pool, ready), name="aullava-decoder", daemon=True)
        decoder.start()
        try:
            while (entry := ready.get()) is not None:
                if isinstance(entry, BaseException):
                    raise entry
                step = entry.result()
                room.leave(step.size)
                yield step
        finally:
            room.close()
            decoder.join(_PATIENCE_S)
            pool.shutdown(cancel_futures=True)


def _decode(
    work, choice: Choice, room: "_Room", pool: ThreadPoolExecutor, ready: "SimpleQueue[Future | None]"
) -> None:
    """Put a future for every step into `ready`; None after the last, or an error."""
    try:
        for item, position in work:
            for step in _steps(item, position, choice):
                if not room.enter(step.size):
                    return
                ready.put(pool.submit(_with_faces, step, choice.detector, room))
        ready.put(None)
    except BaseException as error:  # of any kind: the consumer waits for the next step and must not wait for ever
        ready.put(error)


def _steps(item: WorkItem, position: Position, choice: Choice) -> Iterator[Step]:
    """The steps of a work item, with images and without faces."""
    for place in range(position.source, len(item.sources)):
        source = item.sources[place]
        start = position.frame if place == position.source else 0
        try:
            with closing(read_frames(source, every=choice.every, fps=choice.fps, start=start)) as frames:
                for frame in frames:
                    yield Step(item, place, frame)
        except _BAD_INPUT as error:
            yield Step(item, place, failure=Failure(source.path, str(error)))
    yield Step(item, len(item.sources))


def _with_faces(step: Step, detector: Detector, room: "_Room") -> Step:
    """The step with the faces of its frame instead of its image."""
    if step.frame is None:
        return step
    try:
        found, fault = find_faces(step.frame, detector), step.frame.fault
    except cv2.error as error:  # OpenCV refuses this image, which is no reason to lose the others
        found, fault = (), f"the face detector fails on it ({error.err})"
    done = replace(step, frame=replace(step.frame, image_HWC=None, fault=fault), found=found)
    room.change(done.size - step.size)
    return done


class _Room:
    """Counts the steps in preparation and their bytes, and makes the producer wait. One step is always let in."""

    def __init__(self, most: int, most_bytes: int):
        self._most, self._most_bytes = most, most_bytes
        self._count = self._bytes = 0
        self._closed = False
        self._changed = Condition()

    def enter(self, size: int) -> bool:
        """Wait for room for one more; False once it is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or not self._count
                    or (self._count < self._most and self._bytes + size <= self._most_bytes)
                )
            )
            self._count, self._bytes = self._count + 1, self._bytes + size
            return not self._closed

    def change(self, size: int) -> None:
        """One of them grew by so many bytes, or shrank."""
        with self._changed:
            self._bytes += size
            self._changed.notify_all()

    def leave(self, size: int) -> None:
        with self._changed:
            self._count, self._bytes = self._count - 1, self._bytes - size
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits or gets in any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
