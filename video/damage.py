"""Reading past a damaged packet: what is lost is its frame and the frames that depend on it.

A frame that cannot be decoded keeps its place, so that later frames keep their index and time. Most frames store only the changes
from others. After a loss they would be built on an image that is missing; players show that as smear, and a model would read it
as a face. So nothing is decoded from there to the next key frame, and those frames have no image either.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

_RESTS = "rests on a frame that cannot be decoded"


@dataclass(frozen=True)
class LostFrame:
    """A frame without an image, in place of one of PyAV's; `fault` says why."""

    pts: int | None
    duration: int | None
    time_base: Fraction
    fault: str

    @property
    def time(self) -> float | None:
        """Seconds, as PyAV's frames have it."""
        return None if self.pts is None else float(self.pts * self.time_base)


class Damage:
    """Decodes the packets of one video and records what is lost.

    Pass each packet to `decode`, and all frames through `shown`, which puts the lost ones in their places.
    """

    def __init__(self, stream):
        self._stream = stream
        self._held: list = []  # lost frames, and those decoded before them that are shown later
        self._whole_from = -math.inf  # frames shown before this time may depend on a lost frame

    def decode(self, packet) -> list:
        """Frames that the decoder returns for a packet; none if it is damaged or depends on one that is."""
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
        """The frames, with the lost ones in their places."""
        for frame in frames:
            yield from self._held_before(_time(frame))
            yield frame
        yield from self._held_before(math.inf)

    def _lose(self, item, fault: str) -> None:
        if not getattr(item, "is_discard", False):  # what an edit list cuts away is not shown
            self._held.append(LostFrame(item.pts, item.duration, item.time_base, fault))

    def _restart(self) -> list:
        """Start afresh at the next key frame; return the frames that the decoder still held."""
        import av

        self._whole_from = math.inf
        codec = self._stream.codec_context
        try:
            frames = codec.decode(None)
        except av.error.FFmpegError:
            frames = []
        codec.flush_buffers()
        for frame in frames:
            frame.time_base = self._stream.time_base  # PyAV sets it only on frames that come with a packet
        return frames

    def _held_before(self, time: float) -> Iterator:
        self._held.sort(key=_time)
        while self._held and _time(self._held[0]) < time:
            yield self._held.pop(0)


def _time(item) -> float:
    """When a packet or frame is shown, in units of the stream's time base; before all others if it has no time."""
    return -math.inf if item.pts is None else item.pts
