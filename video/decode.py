"""Frames of videos in the order in which they are shown: frame 0 is the first one a viewer sees, however the file stores them.

    with VideoFrames("interview.avi") as video:
        for index, seconds, image_HWC in video: ...
        image_HWC = video.frame(4843)

    with VideoFrames("interview.avi", tolerant=True) as video:  # continues after damage
        while video.advance():
            print(video.index, video.timestamp, video.fault or video.picture().shape)

One decoder thread, and one frame in memory. Needs PyAV (`pip install 'au-llava[video]'`), which brings its own FFmpeg.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aullava.video.container import ADVICE, VideoReadError, announced_count, announced_seconds, open_container
from aullava.video.damage import Damage, LostFrame

_SLACK = 0.5  # seconds by which a file may be shorter than it announces


class VideoEnd(IndexError):
    """The video ends before the frame that was asked for."""


class VideoFrames:
    """The frames of one video file, decoded one after the other.

    Ascending indices decode each frame once; skipped frames are decoded but not converted. A smaller index starts again at the
    beginning of the file, which is slow but exact. A frame is what the decoder returns. Gaps in the timestamps are not filled,
    but an empty chunk of an AVI file repeats the previous frame, as the format defines it (OpenCV leaves it out).
    Rotation by quarter turns, as phones store it, is applied; pixels that are not square are not stretched.

    Damage: frames shown before it are still given. Frames after it never are, since their numbers would be wrong. A file that
    ends before all announced frames is damaged as well, and its last frame is not given, since it may be incomplete. Where the
    container announces no count (`count` is None), a file that was cut off cannot always be recognised. What a decoder conceals
    silently goes unnoticed.

    Tolerant: a frame that cannot be decoded, and every frame that may depend on it, keeps its place and has a `fault` instead of
    an image; reading continues after it (`video/damage.py`). Labels are never matched to frames in this mode, since no count can
    be promised.

    Args:
        path: a video file.
        tolerant: continue after damage. Default False: end there.

    Attributes:
        path: the file.
        rate: mean frames per second; None if unknown.
        count: frames that the container announces; None if it does not.
        seconds: length that the container announces; None if it does not.
        index: of the current frame; -1 before the first.

    Raises:
        FileNotFoundError: there is no such file.
        VideoReadError: it cannot be opened as a video.
        ImportError: PyAV is missing.
    """

    def __init__(self, path: str | os.PathLike, *, tolerant: bool = False):
        self.path = Path(path)
        self._tolerant = tolerant
        self._container = self._decoded = None
        self._open()

    def __enter__(self) -> "VideoFrames":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, float | None, np.ndarray]]:
        """Index, seconds from the first frame (None if unknown) and image_HWC of every frame.

        Raises:
            VideoReadError: the file is damaged; raised after the last frame before that.
        """
        index = 0
        while True:
            try:
                image_HWC = self.frame(index)
            except VideoEnd:
                return
            yield index, self.timestamp, image_HWC
            index += 1

    @property
    def timestamp(self) -> float | None:
        """Seconds from the first frame to the current one; None before the first, and where the file has no times."""
        if self._current is None:
            return None
        if self._current.time is not None and self._start is not None and not self._is_avi:
            return float(self._current.time) - self._start
        return self.index / self.rate if self.rate else None

    @property
    def fault(self) -> str:
        """Why the current frame has no image; "" if it has one. Only a tolerant reading meets such frames."""
        return self._current.fault if isinstance(self._current, LostFrame) else ""

    def advance(self) -> bool:
        """Go to the next frame, which is decoded but not converted; False at the end of the video.

        Raises:
            VideoReadError: the file is damaged from here on, or cut off.
        """
        if self._container is None:
            self._open()
        try:
            self._advance(self.index + 1)
        except VideoEnd:
            return False
        return True

    def frame(self, index: int) -> np.ndarray:
        """A frame as image_HWC: uint8 RGB.

        Args:
            index: 0 is the first frame that is shown.

        Raises:
            VideoEnd: the video has no such frame.
            VideoReadError: the file is damaged before it.
        """
        if index < 0:
            raise ValueError(f"{self.path}: frame {index} asked for; expected 0 or more")
        if self._container is None or index < self.index:
            self._open()
        while self.index < index:
            self._advance(index)
        return self.picture()

    def picture(self) -> np.ndarray:
        """The current frame as image_HWC: uint8 RGB.

        Raises:
            VideoReadError: it has a `fault` instead.
        """
        if self.fault:
            raise VideoReadError(f"{self.path}: frame {self.index} {self.fault}. {ADVICE}")
        # One thread: others would outlive the frame, and a process forked meanwhile would wait for them for ever.
        image_HWC = self._current.reformat(format="rgb24", threads=1).to_ndarray()
        quarters = round(self._current.rotation / 90) % 4  # rotation: degrees, counterclockwise
        return np.ascontiguousarray(np.rot90(image_HWC, quarters)) if quarters else image_HWC

    def close(self) -> None:
        """Close the file and free what was decoded now, not when garbage is collected."""
        if self._decoded is not None:
            self._decoded.close()
        if self._container is not None:
            self._container.close()
        self._container = self._current = self._decoded = None

    def _open(self) -> None:
        self.close()
        self._container = open_container(self.path)
        if not self._container.streams.video:
            self.close()
            raise VideoReadError(f"{self.path}: holds no video stream; expected a video file. {ADVICE}")
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = 1
        self.rate = float(stream.average_rate or stream.guessed_rate or 0) or None
        self.count = announced_count(self._container, stream)
        self.seconds = announced_seconds(self._container, stream)
        self._is_avi = self._container.format.name == "avi"  # counts time in frames
        self._damage = Damage(stream) if self._tolerant else None
        self.index, self._current, self._start, self._end, self._empty = -1, None, None, "", 0
        self._decoded = self._decode(stream)

    def _advance(self, wanted: int) -> None:
        """Go to the next frame; `wanted` is for the message."""
        found = next(self._decoded, None)
        if found is not None:
            self._current, self.index = found, self.index + 1
            if self.index == 0:
                self._start = None if found.time is None else float(found.time)
            return
        count = f"{self.index + 1} frame{'' if self.index == 0 else 's'}"
        if self._end:
            raise VideoReadError(f"{self.path}: frame {wanted} cannot be read; {self._end} after {count}. {ADVICE}")
        raise VideoEnd(f"{self.path}: frame {wanted} asked for, but it has {count}, 0 to {self.index}")

    def _decode(self, stream) -> Iterator:
        """Frames in the order in which they are shown, those of empty AVI chunks again."""
        frames, previous = self._decode_stored(stream), None
        for frame in self._damage.shown(frames) if self._damage else frames:
            if self._empty and previous is not None and None not in (frame.pts, previous.pts):
                for _ in range(min(self._empty, frame.pts - previous.pts - 1)):
                    self._empty -= 1
                    yield previous
            yield frame
            previous = frame

    def _decode_stored(self, stream) -> Iterator:
        """Frames in the order in which they are shown; `_end` then says what stopped them, "" for the end of the video.

        A packet is decoded once the next one has come: the last one of a file that was cut off may be incomplete.
        """
        import av

        decode = self._damage.decode if self._damage else av.Packet.decode
        found, held, last = 0, None, None  # packets and empty chunks; packet not yet decoded; time of the last one
        end = 0  # of what was found, in units of the stream
        try:
            for packet in self._container.demux(stream):
                if packet.size:
                    empty = packet.dts - last - 1 if self._is_avi and None not in (packet.dts, last) else 0
                    self._empty, found, last = self._empty + max(empty, 0), found + 1 + max(empty, 0), packet.dts
                    end = max(end, (packet.pts or 0) + (packet.duration or 0))
                elif packet.dts is not None:
                    continue
                elif self.count is not None and found < self.count:
                    yield from _shown_before(held, stream)
                    self._end = f"it announces {self.count} frames and ends"
                    return
                if held is not None:
                    yield from decode(held)
                held = packet
                if packet.is_corrupt and not self._damage:
                    raise av.error.InvalidDataError(0, "a packet is incomplete")
            yield from decode(held) if held is not None else ()
        except av.error.FFmpegError as error:
            yield from _shown_before(held, stream)
            self._end = f"it is damaged ({error.strerror})"
        else:
            ends = float(end * stream.time_base)
            # Matroska files count no frames, but may state their length.
            stated = self.seconds if self._damage and "DURATION" in stream.metadata else None
            is_cut = stated is not None and ends <= stated - _SLACK
            self._end = f"it announces {stated:.1f} s and ends at {ends:.1f} s," if is_cut else ""


def _shown_before(packet, stream) -> Iterator:
    """Frames that the decoder still holds and that are shown before the frame of a damaged packet."""
    import av

    try:
        held = stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return
    for frame in held:
        if packet is None or packet.pts is None or frame.pts is None or frame.pts >= packet.pts:
            return
        frame.time_base = stream.time_base  # PyAV sets it only on frames that come with a packet
        yield frame
