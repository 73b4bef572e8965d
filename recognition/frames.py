"""The frames of an image, a video or a webcam, one after the other.

Which frames of a video are read follows from their numbers or timestamps alone, so a run that is resumed chooses the same ones.
A frame that is left out is still decoded, since others depend on it, but not turned into an image.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from aullava.image_aullava import MAX_ASPECT, MAX_PIXELS, MIN_SIDE, load_image
from aullava.recognition.inputs import Source
from aullava.video.decode import VideoFrames, VideoReadError

_ROUNDING = 0.001  # seconds; Matroska and others round times to thousandths


@dataclass(frozen=True)
class Frame:
    """One frame of a video, or an image, which counts as a video of one frame.

    `input`: the file as it was given or found, or "webcam:0".
    `index`: 0 is the first frame shown; an image is frame 0.
    `timestamp`: seconds from the first frame, 0.0 for an image; None where the file has no times.
    `image_HWC`: uint8 RGB, upright; None where the frame could not be decoded, and then `fault` says why.
    """

    input: str
    index: int = 0
    timestamp: float | None = 0.0
    image_HWC: np.ndarray | None = None
    fault: str = ""


def read_frames(source: Source, *, every: int = 1, fps: float | None = None, start: int = 0) -> Iterator[Frame]:
    """The frames of one input, in the order in which they are shown.

    Args:
        source: an image, which is one frame, a video or a webcam, which ends when its reader does.
        every: of a video or webcam, read every N-th frame, beginning with the first; default 1, all.
        fps: of a video or webcam, at most so many frames per second: the first frame in each 1 / fps seconds of its own time. A
            video with fewer gives all it has. Not together with `every`.
        start: number of the first frame wanted, 0 or more. Frames before it are skipped; which are chosen does not change.

    Yields:
        Frames, upright. A frame of a video that cannot be decoded has a `fault` and no image.

    Raises:
        ValueError: `every`, `fps` or `start` is out of range; raised at once, not when the first frame is asked for.
        ImageReadError: the image cannot be read.
        VideoReadError: the video cannot be opened or holds no frame; or it is damaged or cut off, raised after the last frame
            before that; or the camera cannot be opened or gives no more.
        OSError: the file cannot be opened.
        ImportError: PyAV is missing.
    """
    chosen = _Choice(every, fps)
    if start < 0 or (start and source.kind == "webcam"):
        raise ValueError(
            f"{source.name}: start is {start}: expected 0 or more, and 0 for a webcam, which cannot go back"
        )
    if source.kind == "image":
        # A generator: the file is opened when its frame is asked for.
        return (Frame(source.name, image_HWC=np.asarray(load_image(source.path))) for _ in range(start, 1))
    if source.kind == "webcam":
        return _webcam_frames(source.name, int(source.name.partition(":")[2]), chosen)
    return _video_frames(source, chosen, start)


def frame_count(source: Source, *, every: int = 1, fps: float | None = None) -> int | None:
    """How many frames `read_frames` will give, as far as the file says; None if it does not. Nothing is decoded.

    Args:
        source, every, fps: as for `read_frames`.
    """
    _Choice(every, fps)
    if source.kind != "video":
        return 1 if source.kind == "image" else None
    try:
        with VideoFrames(source.path) as video:
            count, seconds, rate = video.count, video.seconds, video.rate
    except (VideoReadError, OSError, ImportError):
        return None  # reading it will say why
    if count is None and None not in (seconds, rate):
        count = round(seconds * rate)
    if count is None or fps is None:
        return count and math.ceil(count / every)
    seconds = count / rate if rate else seconds
    return count if seconds is None else min(count, math.ceil(seconds * fps))


class _Choice:
    """Which frames of a video are wanted. Call it once for every frame, in order."""

    def __init__(self, every: int, fps: float | None):
        if every < 1 or every != int(every):
            raise ValueError(f"every is {every}: expected a whole number, 1 or more")
        if fps is not None and not 0 < fps < math.inf:
            raise ValueError(f"fps is {fps}: expected frames a second, above 0")
        if fps is not None and every != 1:
            raise ValueError(f"every is {every} and fps is {fps}: expected one of them")
        self._every, self._fps, self._last = every, fps, None

    def __call__(self, index: int, seconds: float | None) -> bool:
        if self._fps is None:
            return index % self._every == 0
        if seconds is None:
            raise VideoReadError("the video has no timestamps to choose frames by: choose every N-th frame")
        span, before = math.floor((seconds + _ROUNDING) * self._fps), self._last
        self._last = span
        return span != before


def _video_frames(source: Source, chosen: _Choice, start: int) -> Iterator[Frame]:
    with VideoFrames(source.path, tolerant=True) as video:
        while video.advance():
            if not chosen(video.index, video.timestamp) or video.index < start:
                continue
            image_HWC = None if video.fault else video.picture()
            yield _frame(source.name, video.index, video.timestamp, image_HWC, video.fault)
        if video.index < 0:
            raise VideoReadError(f"{source.name}: a video without a frame")


def _webcam_frames(
    name: str, device: int | str, chosen: _Choice, clock: Callable[[], float] = time.monotonic
) -> Iterator[Frame]:
    """Frames of a camera as they come, with the seconds since the first.

    Args:
        device: number of the camera, or whatever else OpenCV opens.
        clock: tells seconds.
    """
    camera = cv2.VideoCapture(device)
    try:
        if not camera.isOpened():
            raise VideoReadError(
                f"{name}: no camera can be opened; try another number, or see whether a program holds it"
            )
        index, began = 0, None
        while camera.grab():
            now = clock()
            began = now if began is None else began
            if chosen(index, now - began):
                _, image_HWC = camera.retrieve()
                yield _frame(name, index, now - began, cv2.cvtColor(image_HWC, cv2.COLOR_BGR2RGB))
            index += 1
        raise VideoReadError(f"{name}: the camera gave no image after {index}; see whether it is still connected")
    finally:
        camera.release()


def _frame(name: str, index: int, seconds: float | None, image_HWC: np.ndarray | None, fault: str = "") -> Frame:
    """A frame, held to the limits that `load_image` sets for images."""
    if image_HWC is not None:
        height, width = image_HWC.shape[:2]
        short, long = sorted((height, width))
        if short < MIN_SIDE or long > MAX_ASPECT * short or short * long > MAX_PIXELS:
            image_HWC = None
            fault = f"{width} x {height} px; expected sides of at least {MIN_SIDE} px and at most {MAX_ASPECT} to 1"
    return Frame(name, index, seconds, image_HWC, fault)
