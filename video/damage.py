"""What a damaged packet costs a video that is read on all the same: the frame in it, and the frames that rest on it.

A frame that cannot be decoded keeps its place, so that the frames behind it keep their index and time. Most frames store only what
changed since others. After a loss they would be built on a picture that is not there, which players show as smear and a model
would read as a face. So nothing is decoded from there to the next key frame, and those frames have no picture either.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

_RESTS = "rests on a frame that cannot be decoded"


@dataclass(frozen=True)
class LostFrame:
    """A frame without a picture, in the place of one of PyAV's; `fault` says why."""

    pts: int | None
    duration: int | None
    time_base: Fraction
    fault: str

    @property
    def time(self) -> float | None:
        """Seconds, as PyAV's frames have it."""
        return None if self.pts is None else float(self.pts * self.time_base)


class Damage:
    """Decodes the packets of one video and keeps account of what is lost: `decode` each packet, and draw the frames of all through
    `shown`, which puts the lost ones in their places."""

    def __init__(self, stream):
        self._stream = stream
        self._held: list = []  # lost frames, and those decoded before them that are shown later
        self._whole_from = -math.inf  # what is shown before this time may rest on a lost frame

    def decode(self, packet) -> list:
        """Frames that the decoder puts out for a packet; none if it is damaged or rests on one that is."""
        import av

        time = _time(packet)
        if packet.is_keyframe:
            self._whole_from = min(self._whole_from, time)
        if packet.size and time < self._whole_from:
            self._lose(packet, _RESTS)
            return []
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if packet.size:
                self._lose(packet, f"cannot be decoded ({error.strerror})")
            self._held += self._restart()
            return []
        concealed = next((place for place, frame in enumerate(frames) if frame.is_corrupt), len(frames))
        for frame in [*frames[concealed:], *self._restart()] if concealed < len(frames) else ():
            self._lose(frame, "the decoder had to fill in what is damaged" if frame.is_corrupt else _RESTS)
        return frames[:concealed]

    def shown(self, frames: Iterable) -> Iterator:
        """The frames, and in their places among them the lost ones."""
        for frame in frames:
            yield from self._held_before(_time(frame))
            yield frame
        yield from self._held_before(math.inf)

    def _lose(self, item, fault: str) -> None:
        if not getattr(item, "is_discard", False):  # what an edit list cuts away is not shown
            self._held.append(LostFrame(item.pts, item.duration, item.time_base, fault))

    def _restart(self) -> list:
        """Begin afresh with the next key frame; returns what the decoder had not put out."""
        import av

        self._whole_from = math.inf
        codec = self._stream.codec_context
        try:
            frames = codec.decode(None)
        except av.error.FFmpegError:
            frames = []
        codec.flush_buffers()
        for frame in frames:
            frame.time_base = self._stream.time_base  # which PyAV knows only of frames that come with a packet
        return frames

    def _held_before(self, time: float) -> Iterator:
        self._held.sort(key=_time)
        while self._held and _time(self._held[0]) < time:
            yield self._held.pop(0)


def _time(item) -> float:
    """When a packet or frame is shown, in units of the stream; before all others where the file tells no times."""
    return -math.inf if item.pts is None else item.pts
