"""Frames of videos, counted as they are shown: frame 0 is the first picture a viewer sees, whatever order the file stores.

    with VideoFrames("interview.avi") as video:
        for index, seconds, image_HWC in video: ...
        image_HWC = video.frame(4843)

One decoder thread and one frame in memory; needs PyAV (`pip install 'au-llava[video]'`), which brings its own FFmpeg.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# What FFmpeg may take a file for. Playlists (HLS, concat) are not among it: they would make it open other files and addresses.
_CONTAINERS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,mpeg,mpegts,mpegvideo,h264,m4v,flv,ogg,mxf,dv,gif"
_ADVICE = "Get a fresh copy of it, or see whether a player shows it to the end."


class VideoReadError(ValueError):
    """A file is no video, or it is damaged or cut off before the frame asked for."""


class VideoEnd(IndexError):
    """The video has no frame of that index: it ends before."""


class VideoFrames:
    """The frames of one video file, decoded one after the other.

    Indices that ascend decode each frame once; those skipped are decoded and not converted. A smaller index begins again at the
    start of the file, which is slow and exact. A frame is what the decoder puts out; gaps in the timestamps are not filled, but
    an empty chunk of an AVI file is what that format says, the previous picture once more (OpenCV leaves it out).
    Rotation by quarter turns, as telephones store it, is applied; the shape of pixels that are not square is not.

    Damage: frames that are shown before it are still given. What is behind it is never given, since its count would be
    wrong. A file that ends before all announced frames is damaged, too, and the last it holds is not given, since it may be half
    a picture; where the container announces none (`count` is None), a file cut off cannot always be told from a whole one. What a
    decoder conceals without a word stays unseen.

    Attributes:
        path: the file.
        rate: mean frames per second; None if unknown.
        count: frames that the container announces; None if it does not.

    Raises:
        FileNotFoundError: there is no such file.
        VideoReadError: it cannot be opened as a video.
        ImportError: PyAV is missing.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._container = self._decoded = None
        self._open()

    def __enter__(self) -> "VideoFrames":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, float | None, np.ndarray]]:
        """Index, seconds from the first frame (None if unknown) and image_HWC of every frame.

        Raises:
            VideoReadError: once all frames before the damage have been given.
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
        """Seconds from the first frame to the one given last; None before that, and where the file tells no times."""
        if self._current is None:
            return None
        if self._current.time is not None and self._start is not None and not self._is_avi:
            return float(self._current.time) - self._start
        return self._index / self.rate if self.rate else None

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
        if self._container is None or index < self._index:
            self._open()
        while self._index < index:
            self._advance(index)
        # one thread: others would outlive the frame, and a process forked meanwhile waits for them for ever when it frees it
        image_HWC = self._current.reformat(format="rgb24", threads=1).to_ndarray()
        quarters = round(self._current.rotation / 90) % 4  # rotation: degrees, against the clock
        return np.ascontiguousarray(np.rot90(image_HWC, quarters)) if quarters else image_HWC

    def close(self) -> None:
        """Let go of the file and of all that was decoded, at once and not when garbage is collected."""
        if self._decoded is not None:
            self._decoded.close()
        if self._container is not None:
            self._container.close()
        self._container = self._current = self._decoded = None

    def _open(self) -> None:
        self.close()
        self._container = _open_container(self.path)
        if not self._container.streams.video:
            self.close()
            raise VideoReadError(f"{self.path}: holds no video stream; expected a video file. {_ADVICE}")
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = 1
        self.rate = float(stream.average_rate or stream.guessed_rate or 0) or None
        self.count = _announced(self._container, stream)
        self._is_avi = self._container.format.name == "avi"  # counts time in frames
        self._index, self._current, self._start, self._end, self._empty = -1, None, None, None, 0
        self._decoded = self._decode(stream)

    def _advance(self, wanted: int) -> None:
        """Go one frame on; `wanted` is for the message."""
        if self._end is None:
            found = next(self._decoded, None)
            if found is not None:
                self._current, self._index = found, self._index + 1
                if self._index == 0:
                    self._start = None if found.time is None else float(found.time)
                return
        if self._end:
            raise VideoReadError(f"{self.path}: frame {wanted} cannot be read; {self._end}. {_ADVICE}")
        raise VideoEnd(
            f"{self.path}: frame {wanted} asked for, but it has {self._index + 1} frames, 0 to {self._index}"
        )

    def _decode(self, stream) -> Iterator:
        """Frames in the order in which they are shown, those of empty AVI chunks again."""
        previous = None
        for frame in self._decode_stored(stream):
            if self._empty and previous is not None and None not in (frame.pts, previous.pts):
                for _ in range(min(self._empty, frame.pts - previous.pts - 1)):
                    self._empty -= 1
                    yield previous
            yield frame
            previous = frame

    def _decode_stored(self, stream) -> Iterator:
        """Frames in the order in which they are shown; `_end` then says what stopped it, "" for the end of the video.

        A packet is decoded when the next one has come: the last one of a file that is cut off may be half a picture.
        """
        import av

        found, held, last = (
            0,
            None,
            None,
        )  # packets and empty chunks; the packet not yet decoded; the time of the last one
        try:
            for packet in self._container.demux(stream):
                if packet.size:
                    empty = packet.dts - last - 1 if self._is_avi and None not in (packet.dts, last) else 0
                    self._empty, found, last = self._empty + max(empty, 0), found + 1 + max(empty, 0), packet.dts
                elif packet.dts is not None:
                    continue
                elif self.count is not None and found < self.count:
                    yield from _shown_before(held, stream)
                    self._end = f"it announces {self.count} frames and holds {found}"
                    return
                if held is not None:
                    yield from held.decode()
                held = packet
                if packet.is_corrupt:
                    raise av.error.InvalidDataError(0, "a packet is incomplete")
            yield from held.decode() if held is not None else ()
        except av.error.FFmpegError as error:
            yield from _shown_before(held, stream)
            self._end = f"it is damaged after {self._index + 1} frames ({error.strerror})"
            return
        self._end = ""


def _open_container(path: Path):
    try:
        import av
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'au-llava[video]'") from error
    if path.is_dir():
        raise VideoReadError(f"{path}: a folder; expected a video file")
    try:
        # "file:" keeps a name such as "concat:a" from being taken for an address
        return av.open(f"file:{path.absolute()}", options={"format_whitelist": _CONTAINERS})
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected a video") from None
    except PermissionError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        size = f"{path.stat().st_size} bytes that are not" if path.is_file() else "not"
        raise VideoReadError(f"{path}: {size} a video that can be opened ({reason}). {_ADVICE}") from error


def _announced(container, stream) -> int | None:
    """How many frames the container says it holds; None if it does not say."""
    count = stream.frames or None
    if count and "mp4" in container.format.name.split(","):
        # frames before the point at which an edit list starts the film are counted there and never given out
        count = min(count, len(stream.index_entries)) or None
    return count


def _shown_before(packet, stream) -> Iterator:
    """Frames that the decoder still holds and that are shown before the one in a damaged packet."""
    import av

    try:
        held = stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return
    for frame in held:
        if packet is None or packet.pts is None or frame.pts is None or frame.pts >= packet.pts:
            return
        yield frame
